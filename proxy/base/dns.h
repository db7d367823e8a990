/*
 * What DNS is asked and what it answers, as data: the one thing that those who
 * ask (policy) and those who fetch (io) must both know.  No descriptor, no
 * clock.
 *
 * A book keeps the answers of one session.  A question that is not in it is
 * noted there, and whoever owns the book fetches what is noted; then the one
 * who asked is run again and finds the answer.  So nothing that decides has to
 * wait, and the same answers give the same decision.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_DNS_H
#define BASE_DNS_H

#include "base/addr.h"

enum dns_type {
	DNS_A,
	DNS_AAAA,
	DNS_PTR,
	DNS_MX,
	DNS_NS,
	DNS_TXT,
	DNS_TLSA, /* RFC 6698 */
	DNS_TYPE_COUNT
};

enum dns_status {
	DNS_FOUND,    /* at least one record */
	DNS_NODATA,   /* the name is there, no record of this type is */
	DNS_NXDOMAIN, /* the name is not there */
	DNS_TEMPERROR /* SERVFAIL, no answer in time, nonsense, too much */
};

enum {
	DNS_NAME_MAX = 253,      /* RFC 1035 2.3.4, as text without root */
	DNS_RECORDS_MAX = 100,   /* of one answer; more are cut off */
	DNS_TEXT_MAX = 4096,     /* of one TXT record, strings joined */
	DNS_REVERSE_TEXT = 80,   /* room for a reverse name, with its NUL */
	DNS_QUESTIONS_MAX = 1000 /* in one book */
};

struct dns_record {
	struct addr addr; /* A, AAAA */
	/* PTR, MX, NS: a host name, lower case, without the root's dot,
	 * checked; TXT: its strings joined, any byte; TLSA: its data. */
	struct slice text;
	uint16_t preference; /* MX */
};

struct dns_answer {
	enum dns_status status;
	uint32_t ttl; /* seconds */
	unsigned count;
	const struct dns_record *records;
	/* Of TLSA: a resolver of this host says that it is validated
	 * (RFC 4035 3.2.3).  What others say can be changed on its way. */
	bool authentic;
};

struct dns_question {
	struct slice name; /* lower case, without the root's dot */
	enum dns_type type;
};

/* "2.0.0.192.in-addr.arpa" (RFC 1035 3.5, RFC 3596 2.5) or, with another
 * zone, "2.0.0.192.zen.example" (RFC 5782 2.1, 2.4); the length, 0 where it
 * would be too long.  `zone` empty: the family's own. */
size_t dns_reverse_name(
    const struct addr *addr, struct slice zone, char out[DNS_NAME_MAX + 1]);
/* Whether it is a name that may be asked for: labels of 1 to 63 octets of
 * letters, digits, hyphens and underscores, at most DNS_NAME_MAX in all. */
bool dns_name_is_askable(struct slice name);

const char *dns_type_name(enum dns_type type);

struct dns_book;

/* NULL: no memory. */
struct dns_book *dns_book_new(void);
void dns_book_free(struct dns_book **book);
/* The answer, or NULL: it is not here yet, and is noted as asked.  A name that
 * cannot be asked for is answered DNS_NXDOMAIN at once; beyond
 * DNS_QUESTIONS_MAX every new question is answered DNS_TEMPERROR.  The answer
 * lives as long as the book. */
const struct dns_answer *dns_book_ask(
    struct dns_book *book, struct slice name, enum dns_type type);
/* Copies an answer in, asked for or not; the first one for a question holds.
 * DNS_FOUND without a record is kept as DNS_NODATA; a text that is longer than
 * DNS_TEXT_MAX, or no memory, as DNS_TEMPERROR: half a text says something
 * else. */
void dns_book_answer(struct dns_book *book, const struct dns_question *question,
    const struct dns_answer *answer);
/* A question that is noted, has no answer and was not taken before, the oldest
 * first; false: there is none.  Its name lives as long as the book. */
bool dns_book_take(struct dns_book *book, struct dns_question *out);
/* Questions without an answer. */
unsigned dns_book_pending(const struct dns_book *book);
/* Time is up: what has no answer gets DNS_TEMPERROR. */
void dns_book_give_up(struct dns_book *book);

#endif
