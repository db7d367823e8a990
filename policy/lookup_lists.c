/*
 * The addresses of a name, of its mail hosts and of its name servers: lists
 * that are held against address lists.  A list that could be short because an
 * answer failed is a temporary error.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/lookup_private.h"

/* Adds both families of a host; what is worst of draft's state and the
 * answers' stays: pending over temporary error over known. */
static void
add_host(const struct lookup_about *about, struct slice host,
    struct lookup_draft *draft)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA};

	for (unsigned t = 0; t < 2; t++) {
		const struct dns_answer *answer =
		    dns_book_ask(about->book, host, types[t]);
		if (answer == NULL) {
			draft->value.state = LOOKUP_PENDING;
			continue;
		}
		if (answer->status == DNS_TEMPERROR &&
		    draft->value.state == LOOKUP_KNOWN)
			draft->value.state = LOOKUP_TEMPERROR;
		for (unsigned i = 0; i < answer->count; i++)
			draft->addrs[draft->value.addr_count++] =
			    answer->records[i].addr;
	}
}

/* Lists are begun as known and empty. */
static void
begin(struct lookup_draft *draft)
{
	draft->value.state = LOOKUP_KNOWN;
	draft->value.addrs = draft->addrs;
}

void
lookup_helo_address(
    const struct lookup_about *about, struct lookup_draft *draft)
{
	begin(draft);
	if (about->literal.family != 0)
		draft->addrs[draft->value.addr_count++] = about->literal;
	else
		add_host(about, about->name, draft);
}

/* Whether the host at i is to be asked before the one at j. */
static bool
is_before(const struct dns_answer *hosts, unsigned i, unsigned j)
{
	const struct dns_record *a = &hosts->records[i];
	const struct dns_record *b = &hosts->records[j];

	return a->preference < b->preference ||
	       (a->preference == b->preference && i < j);
}

/* The first LOOKUP_HOSTS_MAX by preference. */
static void
add_hosts(const struct lookup_about *about, const struct dns_answer *hosts,
    struct lookup_draft *draft)
{
	for (unsigned i = 0; i < hosts->count; i++) {
		unsigned before = 0;
		for (unsigned j = 0; j < hosts->count; j++)
			before += is_before(hosts, j, i);
		if (before < LOOKUP_HOSTS_MAX)
			add_host(about, hosts->records[i].text, draft);
	}
}

void
lookup_helo_mx_address(
    const struct lookup_about *about, struct lookup_draft *draft)
{
	const struct dns_answer *hosts;

	begin(draft);
	if (about->literal.family != 0)
		return;
	hosts = dns_book_ask(about->book, about->name, DNS_MX);
	if (hosts == NULL)
		draft->value.state = LOOKUP_PENDING;
	else if (hosts->status == DNS_TEMPERROR)
		draft->value.state = LOOKUP_TEMPERROR;
	else if (hosts->status == DNS_NODATA)
		add_host(about, about->name, draft); /* RFC 5321 5.1 */
	else
		add_hosts(about, hosts, draft);
}

/* The name servers of the zone that the name is in: of the nearest name that
 * has any.  All are asked at once, down to the registrable domain. */
void
lookup_helo_ns_address(
    const struct lookup_about *about, struct lookup_draft *draft)
{
	struct slice name = about->name;
	size_t least = lookup_organisation(name).len;
	bool found = false;

	begin(draft);
	if (about->literal.family != 0)
		return;
	for (unsigned i = 0; i < LOOKUP_CLIMB_MAX; i++) {
		const struct dns_answer *hosts =
		    dns_book_ask(about->book, name, DNS_NS);
		ptrdiff_t dot = slice_find(name, '.');
		if (!found && hosts == NULL) {
			draft->value.state = LOOKUP_PENDING;
			found = true;
		} else if (!found && hosts->status == DNS_TEMPERROR) {
			draft->value.state = LOOKUP_TEMPERROR;
			found = true;
		} else if (!found && hosts->status != DNS_NODATA) {
			add_hosts(about, hosts, draft);
			found = true;
		}
		if (dot == -1 || least == 0 || name.len <= least)
			return;
		name = slice_from(name, (size_t)dot + 1);
	}
}
