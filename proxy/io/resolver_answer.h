/*
 * One answer of DNS, checked and kept in one piece of memory that a cache and
 * several askers share.  Made from a packet here, and nowhere else: what is in
 * the packet comes from a stranger.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_RESOLVER_ANSWER_H
#define IO_RESOLVER_ANSWER_H

#include "base/dns.h"

enum {
	RESOLVER_TTL_MIN = 1,             /* seconds: of anything */
	RESOLVER_TTL_MAX = 86400,         /* of records */
	RESOLVER_TTL_NEGATIVE_MAX = 3600, /* of NODATA and NXDOMAIN */
	RESOLVER_CHAIN_MAX = 10           /* CNAMEs on the way to the records */
};

struct resolver_answer {
	unsigned refs;
	size_t bytes; /* all of it */
	struct dns_answer answer;
	/* The records and their texts follow. */
};

/* Reads a packet that answers `question`.  NULL: no memory.
 *
 * - A header that is no answer, other return codes than NOERROR and NXDOMAIN,
 *   a packet that is cut off (TC) or malformed, a referral: DNS_TEMPERROR.
 * - Records count where their owner is the name asked for or the end of its
 *   chain of CNAMEs, in whatever order they come.  A chain that loops or is
 *   longer than RESOLVER_CHAIN_MAX is DNS_TEMPERROR, as other resolvers answer
 *   it with SERVFAIL; one whose end has no records here is DNS_NODATA.
 * - NXDOMAIN speaks of the chain's end (RFC 6604), and so of the name.
 * - PTR, MX, NS: a host that has no host name's form is left out, and with it
 *   the null MX (RFC 7505).  TXT: cut at DNS_TEXT_MAX.  TLSA: one that is
 *   longer makes it DNS_TEMPERROR, for half a record says something else.
 * - It is `authentic` where the AD bit says so; whether that can be believed is
 *   for who knows the server (resolver.h).
 * - The TTL is the smallest of the records and the chain; without records the
 *   smaller of the SOA's own and its minimum (RFC 2308 5), RESOLVER_TTL_MIN
 *   without a SOA. */
struct resolver_answer *resolver_answer_parse(
    struct slice packet, const struct dns_question *question);
/* An answer without records.  NULL: no memory. */
struct resolver_answer *resolver_answer_new(
    enum dns_status status, uint32_t ttl);
struct resolver_answer *resolver_answer_ref(struct resolver_answer *answer);
/* The last one frees it; NULL is let pass. */
void resolver_answer_unref(struct resolver_answer **answer);

#endif
