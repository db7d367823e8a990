/*
 * Facts that DNS gives about a client and the name it says: computed from
 * answers, remembered, never fetched here.  Pure: what is missing is noted in
 * the book (base/dns.h) and the value is LOOKUP_PENDING until it is there.
 *
 * Only what is asked for is computed, so only names that some rule asks about
 * are looked up.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_LOOKUP_H
#define POLICY_LOOKUP_H

#include "base/dns.h"
#include "policy/helo.h"

/* Facts without a parameter.
 *      LOOKUP(enumerator, the fact's name in a policy) */
#define LOOKUP_FACTS(LOOKUP)                       \
	LOOKUP(CLIENT_PTR, "client.ptr")           \
	LOOKUP(CLIENT_FCRDNS, "client.fcrdns")     \
	LOOKUP(HELO_DNS, "helo.dns")               \
	LOOKUP(HELO_PTR, "helo.ptr")               \
	LOOKUP(HELO_SPF, "helo.spf")               \
	LOOKUP(HELO_ADDRESS, "helo.address")       \
	LOOKUP(HELO_MX_ADDRESS, "helo.mx_address") \
	LOOKUP(HELO_NS_ADDRESS, "helo.ns_address")

enum lookup_fact {
#define LOOKUP_ENUM(id, name) LOOKUP_##id,
	LOOKUP_FACTS(LOOKUP_ENUM)
#undef LOOKUP_ENUM
	LOOKUP_FACT_COUNT
};

/* Facts with a zone. */
enum lookup_zone {
	LOOKUP_CLIENT_DNSBL, /* RFC 5782 2.1 */
	LOOKUP_HELO_RHSBL    /* RFC 5782 2.2, of the name said */
};

enum lookup_state {
	LOOKUP_PENDING,   /* the book has questions without an answer */
	LOOKUP_KNOWN,     /* `word` or the lists hold it */
	LOOKUP_TEMPERROR, /* DNS could not say now */
	LOOKUP_UNKNOWN    /* there is no book, and it was not given */
};

/* The words of each enumerated fact, in the order of `word`; the last one of
 * each is "temperror" (then state is LOOKUP_TEMPERROR).
 *   client.fcrdns  pass: a name of the client's leads back to it; fail: none
 *                  of them does; none: it has no name
 *   helo.dns       pass: an A or AAAA of the name is the client; exists: the
 *                  name has addresses, others; none: it has no address;
 *                  nxdomain: there is no such name
 *   helo.ptr       exact: the name is a confirmed name of the client;
 *                  organisation: one of those shares its registrable domain;
 *                  none
 *   helo.spf       RFC 7208 2.6 for the HELO identity (2.3)
 *
 * A name is taken without the dot of the root.  An address that was said in a
 * name's place (a literal, with brackets or without) has helo.dns pass if it
 * is the client's, else exists; helo.ptr none, helo.spf none, helo.address
 * itself, no mx_address, no ns_address, and is in no helo.rhsbl; nothing is
 * asked.  Of what is no name that could be asked for, helo.dns is nxdomain.
 *
 * Bounds: the first 10 names of the client are confirmed, 10 hosts of an MX or
 * NS are looked up, the rest is as if it were not there.
 */
enum {
	LOOKUP_WORDS_MAX = 8
};
/* The words of a fact, NULL behind the last; NULL for facts that are lists. */
const char *const *lookup_words(enum lookup_fact fact);
const char *lookup_fact_name(enum lookup_fact fact);

struct lookup_value {
	enum lookup_state state;
	unsigned word; /* of an enumerated fact: index into lookup_words */
	/* client.ptr: the confirmed names of the client (a name that does not
	 * lead back to it says nothing), best first: the name said, then those
	 * of its organisation, then by spelling; empty: none */
	unsigned name_count;
	const struct slice *names;
	/* helo.address, helo.mx_address (without an MX the name's own, RFC
	 * 5321 5.1), helo.ns_address (of the nearest name, down to the
	 * registrable domain, that has any); a zone's answers; empty: none, or
	 * not listed.  Under LOOKUP_TEMPERROR both lists hold what was found
	 * nevertheless: there may be more. */
	unsigned addr_count;
	const struct addr *addrs;
};

struct lookup_subject {
	struct addr client;
	struct slice helo;         /* empty at connect; copied */
	const struct helo *judged; /* of `helo`; NULL at connect; copied */
};

struct lookup;

/* `book` may be NULL: then only what is given is known.  The book outlives the
 * lookup.  NULL: no memory. */
struct lookup *lookup_new(
    const struct lookup_subject *subject, struct dns_book *book);
void lookup_free(struct lookup **lookup);

/* The value of a fact, from what the book knows now.  Stays what it is once it
 * is not pending.  Lives as long as the lookup. */
const struct lookup_value *lookup_get(
    struct lookup *lookup, enum lookup_fact fact);
/* `zone` is the zone's name, in the policy's spelling; one that could not be
 * asked for (dns_name_is_askable) lists nobody.  Answers within 127.0.0.0/8
 * are listings; any other answer, and those of 127.255.255.0/24, by which a
 * list says that it does not answer this resolver, are LOOKUP_TEMPERROR. */
const struct lookup_value *lookup_get_zone(
    struct lookup *lookup, enum lookup_zone kind, struct slice zone);

/* Sets a value in advance: from a test's `given`, from a record.  Lists, names
 * and the zone are copied.  Too late, and without effect, once lookup_get gave
 * a value that was not pending. */
void lookup_give(struct lookup *lookup, enum lookup_fact fact,
    const struct lookup_value *value);
void lookup_give_zone(struct lookup *lookup, enum lookup_zone kind,
    struct slice zone, const struct lookup_value *value);

/* What was asked so far, for the record: the value if the fact was asked for,
 * or NULL. */
const struct lookup_value *lookup_peek(
    const struct lookup *lookup, enum lookup_fact fact);
/* The i-th zone that was asked for; false: there are no more. */
bool lookup_peek_zone(const struct lookup *lookup, unsigned i,
    enum lookup_zone *kind, struct slice *zone,
    const struct lookup_value **value);

/* The registrable domain of a name by the public suffix list (the one within
 * libpsl: no file is read), e.g. example.co.uk of a.b.example.co.uk; empty
 * where there is none.  Part of `name`. */
struct slice lookup_organisation(struct slice name);

#endif
