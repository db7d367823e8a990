/*
 * What DNS says of a client and of the name it says.  Each function notes every
 * question it can before it gives up as pending; what is certain does not wait
 * for, nor is spoiled by, an answer that cannot change it; and what an answer
 * that failed could have changed is a temporary error.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/lookup_private.h"
#include "policy/reverse.h"
#include "policy/spf.h"

enum {
	FCRDNS_PASS,
	FCRDNS_FAIL,
	FCRDNS_NONE
};
enum {
	HELO_DNS_PASS,
	HELO_DNS_EXISTS,
	HELO_DNS_NONE,
	HELO_DNS_NXDOMAIN
};
enum {
	HELO_PTR_EXACT,
	HELO_PTR_ORGANISATION,
	HELO_PTR_NONE
};

static const char *const fcrdns_words[] = {
    "pass", "fail", "none", "temperror", NULL};
static const char *const dns_words[] = {
    "pass", "exists", "none", "nxdomain", "temperror", NULL};
static const char *const ptr_words[] = {
    "exact", "organisation", "none", "temperror", NULL};
static const char *const spf_words[] = {
#define SPF_WORD(id, name) name,
    SPF_RESULTS(SPF_WORD)
#undef SPF_WORD
	NULL};

const char *const *
lookup_words(enum lookup_fact fact)
{
	switch (fact) {
	case LOOKUP_CLIENT_FCRDNS:
		return fcrdns_words;
	case LOOKUP_HELO_DNS:
		return dns_words;
	case LOOKUP_HELO_PTR:
		return ptr_words;
	case LOOKUP_HELO_SPF:
		return spf_words;
	case LOOKUP_CLIENT_PTR:
	case LOOKUP_HELO_ADDRESS:
	case LOOKUP_HELO_MX_ADDRESS:
	case LOOKUP_HELO_NS_ADDRESS:
	case LOOKUP_FACT_COUNT:
		break;
	}
	return NULL;
}

unsigned
lookup_last_word(enum lookup_fact fact)
{
	const char *const *words = lookup_words(fact);
	unsigned last = 0;

	while (words != NULL && words[last + 1] != NULL)
		last++;
	return last;
}

static void
know(struct lookup_draft *draft, unsigned word)
{
	draft->value.state = LOOKUP_KNOWN;
	draft->value.word = word;
}

static void
fail(struct lookup_draft *draft, enum lookup_fact fact)
{
	draft->value.state = LOOKUP_TEMPERROR;
	draft->value.word = lookup_last_word(fact);
}

/* --- the client's names ----------------------------------------------------- */

/* How many of the client's names are in which state. */
struct tally {
	unsigned states[REVERSE_TEMPERROR + 1];
};

static bool
same_organisation(struct slice a, struct slice b)
{
	struct slice organisation = lookup_organisation(a);

	return organisation.len > 0 &&
	       slice_eq_nocase(organisation, lookup_organisation(b));
}

/* 0: the name said, 1: of its organisation, 2: another. */
static int
nearness(const struct lookup_about *about, struct slice name)
{
	if (slice_eq_nocase(name, about->name))
		return 0;
	return same_organisation(name, about->name) ? 1 : 2;
}

/* Puts a name in its place; resolvers turn answers round, so it is the spelling
 * that orders equals. */
static void
insert_name(const struct lookup_about *about, struct slice name,
    struct lookup_draft *draft)
{
	unsigned at = draft->value.name_count;
	int rank = nearness(about, name);

	for (unsigned i = 0; i < at; i++)
		if (slice_eq(draft->names[i], name))
			return;
	while (at > 0) {
		struct slice other = draft->names[at - 1];
		int by = nearness(about, other) - rank;
		if (by < 0 || (by == 0 && slice_cmp(other, name) <= 0))
			break;
		draft->names[at] = other;
		at--;
	}
	draft->names[at] = name;
	draft->value.name_count++;
}

/* Asks whether each of the names leads back. */
static struct tally
confirm_all(const struct lookup_about *about, const struct dns_answer *names,
    struct lookup_draft *draft)
{
	struct tally tally = {{0}};

	for (unsigned i = 0; i < reverse_count(names); i++) {
		struct slice name = names->records[i].text;
		enum reverse_state state =
		    reverse_confirm(about->book, name, &about->client);
		tally.states[state]++;
		if (state == REVERSE_CONFIRMED)
			insert_name(about, name, draft);
	}
	draft->value.names = draft->names;
	return tally;
}

static void
client_ptr(const struct lookup_about *about, struct lookup_draft *draft)
{
	const struct dns_answer *names =
	    reverse_ask(about->book, &about->client);

	if (names == NULL)
		return;
	struct tally tally = confirm_all(about, names, draft);
	if (tally.states[REVERSE_PENDING] > 0)
		return;
	if (names->status == DNS_TEMPERROR ||
	    tally.states[REVERSE_TEMPERROR] > 0)
		fail(draft, LOOKUP_CLIENT_PTR);
	else
		know(draft, 0);
}

static void
client_fcrdns(const struct lookup_about *about, struct lookup_draft *draft)
{
	const struct dns_answer *names =
	    reverse_ask(about->book, &about->client);

	if (names == NULL)
		return;
	struct tally tally = confirm_all(about, names, draft);
	draft->value.name_count = 0;
	if (tally.states[REVERSE_CONFIRMED] > 0)
		know(draft, FCRDNS_PASS);
	else if (tally.states[REVERSE_PENDING] > 0)
		return;
	else if (names->status == DNS_TEMPERROR ||
		 tally.states[REVERSE_TEMPERROR] > 0)
		fail(draft, LOOKUP_CLIENT_FCRDNS);
	else
		know(draft, names->count > 0 ? FCRDNS_FAIL : FCRDNS_NONE);
}

/* --- helo.dns, helo.ptr, helo.spf ------------------------------------------- */

/* Only where the client's own family has nothing is the other one asked: every
 * other answer decides. */
static void
helo_dns(const struct lookup_about *about, struct lookup_draft *draft)
{
	enum dns_type type = reverse_type(&about->client);
	const struct dns_answer *own, *other;

	if (about->literal.family != 0) {
		know(draft, addr_eq(&about->literal, &about->client)
				? HELO_DNS_PASS
				: HELO_DNS_EXISTS);
		return;
	}
	own = dns_book_ask(about->book, about->name, type);
	if (own == NULL)
		return;
	if (own->status == DNS_NXDOMAIN)
		know(draft, HELO_DNS_NXDOMAIN);
	else if (own->status == DNS_TEMPERROR)
		fail(draft, LOOKUP_HELO_DNS);
	else if (own->status == DNS_FOUND)
		know(draft, reverse_has(own, &about->client) ? HELO_DNS_PASS
							     : HELO_DNS_EXISTS);
	if (own->status != DNS_NODATA)
		return;
	other = dns_book_ask(
	    about->book, about->name, type == DNS_A ? DNS_AAAA : DNS_A);
	if (other == NULL)
		return;
	if (other->status == DNS_TEMPERROR)
		fail(draft, LOOKUP_HELO_DNS);
	else
		know(draft, other->status == DNS_FOUND ? HELO_DNS_EXISTS
						       : HELO_DNS_NONE);
}

/* Whether a name of this nearness leads back: the best that can be said of
 * all. */
static enum reverse_state
confirm_near(
    const struct lookup_about *about, const struct dns_answer *names, int near)
{
	struct tally tally = {{0}};

	for (unsigned i = 0; i < reverse_count(names); i++) {
		struct slice name = names->records[i].text;
		if (nearness(about, name) == near)
			tally.states[reverse_confirm(
			    about->book, name, &about->client)]++;
	}
	if (tally.states[REVERSE_CONFIRMED] > 0)
		return REVERSE_CONFIRMED;
	if (tally.states[REVERSE_PENDING] > 0)
		return REVERSE_PENDING;
	return tally.states[REVERSE_TEMPERROR] > 0 ? REVERSE_TEMPERROR
						   : REVERSE_REFUTED;
}

static void
helo_ptr(const struct lookup_about *about, struct lookup_draft *draft)
{
	const struct dns_answer *names;

	if (about->literal.family != 0) {
		know(draft, HELO_PTR_NONE);
		return;
	}
	names = reverse_ask(about->book, &about->client);
	if (names == NULL)
		return;
	enum reverse_state exact = confirm_near(about, names, 0);
	enum reverse_state near = confirm_near(about, names, 1);
	if (exact == REVERSE_CONFIRMED)
		know(draft, HELO_PTR_EXACT);
	else if (exact == REVERSE_PENDING)
		return;
	else if (exact == REVERSE_TEMPERROR || names->status == DNS_TEMPERROR)
		fail(draft, LOOKUP_HELO_PTR);
	else if (near == REVERSE_CONFIRMED)
		know(draft, HELO_PTR_ORGANISATION);
	else if (near == REVERSE_PENDING)
		return;
	else if (near == REVERSE_TEMPERROR)
		fail(draft, LOOKUP_HELO_PTR);
	else
		know(draft, HELO_PTR_NONE);
}

static void
helo_spf(const struct lookup_about *about, struct lookup_draft *draft)
{
	struct spf_sender sender = {.client = about->client,
	    .local = SLICE("postmaster"),
	    .domain = about->name,
	    .helo = about->said};
	enum spf_result result = SPF_NONE;

	if (about->literal.family == 0)
		result = spf_check(about->book, &sender);
	if (result == SPF_PENDING)
		return;
	if (result == SPF_TEMPERROR)
		fail(draft, LOOKUP_HELO_SPF);
	else
		know(draft, (unsigned)result);
}

/* --- zones ------------------------------------------------------------------ */

/* RFC 5782: a listing is an address in 127.0.0.0/8.  Any other comes from a
 * resolver that answers for names that are not there, and 127.255.255.0/24
 * says that the list does not answer this resolver: both say nothing. */
static bool
is_listing(const struct addr *addr)
{
	return addr->family == 4 && addr->bytes[0] == 127 &&
	       !(addr->bytes[1] == 255 && addr->bytes[2] == 255);
}

static void
read_listings(const struct dns_answer *answer, struct lookup_draft *draft)
{
	if (answer == NULL)
		return;
	draft->value.state =
	    answer->status == DNS_TEMPERROR ? LOOKUP_TEMPERROR : LOOKUP_KNOWN;
	draft->value.addrs = draft->addrs;
	for (unsigned i = 0; i < answer->count; i++) {
		const struct addr *addr = &answer->records[i].addr;
		if (is_listing(addr))
			draft->addrs[draft->value.addr_count++] = *addr;
		else
			draft->value.state = LOOKUP_TEMPERROR;
	}
}

/* "NAME.ZONE"; empty: too long, and so in no list. */
static struct slice
name_in_zone(struct slice name, struct slice zone, char out[DNS_NAME_MAX + 1])
{
	if (name.len + 1 + zone.len > DNS_NAME_MAX || name.len == 0)
		return slice_of(out, 0);
	memcpy(out, name.ptr, name.len);
	out[name.len] = '.';
	memcpy(out + name.len + 1, zone.ptr, zone.len);
	return slice_of(out, name.len + 1 + zone.len);
}

void
lookup_compute_zone(const struct lookup_about *about, enum lookup_zone kind,
    struct slice zone, struct lookup_draft *draft)
{
	char text[DNS_NAME_MAX + 1];
	struct slice name = slice_of(text, 0);

	draft->value = (struct lookup_value){.state = LOOKUP_PENDING};
	if (zone.len > 0 && zone.ptr[zone.len - 1] == '.')
		zone.len--;
	if (zone.len == 0) {
		draft->value.state = LOOKUP_TEMPERROR;
		return;
	}
	if (kind == LOOKUP_CLIENT_DNSBL)
		name.len = dns_reverse_name(&about->client, zone, text);
	else if (about->literal.family == 0)
		name = name_in_zone(about->name, zone, text);
	read_listings(dns_book_ask(about->book, name, DNS_A), draft);
}

/* --- all of them ------------------------------------------------------------ */

void
lookup_compute(const struct lookup_about *about, enum lookup_fact fact,
    struct lookup_draft *draft)
{
	static void (*const compute[LOOKUP_FACT_COUNT])(
	    const struct lookup_about *, struct lookup_draft *) = {
	    [LOOKUP_CLIENT_PTR] = client_ptr,
	    [LOOKUP_CLIENT_FCRDNS] = client_fcrdns,
	    [LOOKUP_HELO_DNS] = helo_dns,
	    [LOOKUP_HELO_PTR] = helo_ptr,
	    [LOOKUP_HELO_SPF] = helo_spf,
	    [LOOKUP_HELO_ADDRESS] = lookup_helo_address,
	    [LOOKUP_HELO_MX_ADDRESS] = lookup_helo_mx_address,
	    [LOOKUP_HELO_NS_ADDRESS] = lookup_helo_ns_address,
	};

	draft->value = (struct lookup_value){.state = LOOKUP_PENDING};
	compute[fact](about, draft);
}
