/*
 * The names that lead from a client's address and back to it (RFC 8499:
 * forward-confirmed reverse DNS), asked of a book.  Used by the facts and by
 * SPF's ptr.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_REVERSE_H
#define POLICY_REVERSE_H

#include "base/dns.h"

enum {
	/* RFC 7208 4.6.4: so many names of an address are confirmed, the rest
	 * is ignored; who owns the address may have put in any number. */
	REVERSE_NAMES_MAX = 10
};

enum reverse_state {
	REVERSE_PENDING,
	REVERSE_CONFIRMED, /* an address of the name is the client */
	REVERSE_REFUTED,   /* none is */
	REVERSE_TEMPERROR
};

/* DNS_A or DNS_AAAA: which addresses may be the client's. */
enum dns_type reverse_type(const struct addr *client);
/* Whether one of the answer's addresses is the client. */
bool reverse_has(const struct dns_answer *answer, const struct addr *client);
/* The client's names, unconfirmed; NULL: not here yet. */
const struct dns_answer *reverse_ask(
    struct dns_book *book, const struct addr *client);
/* How many of an answer's names count. */
unsigned reverse_count(const struct dns_answer *answer);
/* Whether the name leads back to the client. */
enum reverse_state reverse_confirm(
    struct dns_book *book, struct slice name, const struct addr *client);

#endif
