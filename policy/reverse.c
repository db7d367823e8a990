/*
 * Forward-confirmed reverse DNS.  See reverse.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/reverse.h"

enum dns_type
reverse_type(const struct addr *client)
{
	return client->family == 6 ? DNS_AAAA : DNS_A;
}

bool
reverse_has(const struct dns_answer *answer, const struct addr *client)
{
	for (unsigned i = 0; i < answer->count; i++)
		if (addr_eq(&answer->records[i].addr, client))
			return true;
	return false;
}

const struct dns_answer *
reverse_ask(struct dns_book *book, const struct addr *client)
{
	char name[DNS_NAME_MAX + 1];
	size_t len = dns_reverse_name(client, slice_of("", 0), name);

	return dns_book_ask(book, slice_of(name, len), DNS_PTR);
}

unsigned
reverse_count(const struct dns_answer *answer)
{
	return answer->count < REVERSE_NAMES_MAX ? answer->count
						 : REVERSE_NAMES_MAX;
}

enum reverse_state
reverse_confirm(
    struct dns_book *book, struct slice name, const struct addr *client)
{
	const struct dns_answer *answer =
	    dns_book_ask(book, name, reverse_type(client));

	if (answer == NULL)
		return REVERSE_PENDING;
	if (answer->status == DNS_TEMPERROR)
		return REVERSE_TEMPERROR;
	return reverse_has(answer, client) ? REVERSE_CONFIRMED
					   : REVERSE_REFUTED;
}
