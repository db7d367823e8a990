/*
 * SPF mechanisms but include (RFC 7208 5).  Each asks the book; a match is
 * one whatever answers are still missing or have failed, so the order in which
 * answers come makes no difference.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/reverse.h"
#include "policy/spf_private.h"

/* The first question of a term.  False: an answer is missing. */
static bool
first_question(struct spf_run *run, struct slice domain,
    const struct spf_term *term, struct spf_name *name, enum dns_type *type)
{
	*type = term->kind == SPF_A        ? reverse_type(&run->sender->client)
		: term->kind == SPF_MX     ? DNS_MX
		: term->kind == SPF_EXISTS ? DNS_A
					   : DNS_TXT;
	return spf_expand(run, domain, term->spec, name);
}

void
spf_mechanism_note(
    struct spf_run *run, struct slice domain, const struct spf_term *term)
{
	struct spf_name name;
	enum dns_type type;

	if (term->kind == SPF_PTR)
		reverse_ask(run->book, &run->sender->client);
	else if (first_question(run, domain, term, &name, &type))
		dns_book_ask(run->book, spf_name_slice(&name), type);
}

/* What an answer to the first question of a term means already; YES: there
 * are records to look at. */
static enum spf_match
judge(struct spf_run *run, const struct dns_answer *answer)
{
	if (answer == NULL)
		return SPF_MATCH_PENDING;
	if (answer->status == DNS_TEMPERROR)
		return SPF_MATCH_TEMPERROR;
	if (answer->status == DNS_FOUND)
		return SPF_MATCH_YES;
	return ++run->voids > SPF_VOIDS_MAX ? SPF_MATCH_PERMERROR
					    : SPF_MATCH_NO;
}

/* --- a, mx ------------------------------------------------------------------ */

static bool
has_within(const struct dns_answer *answer, const struct addr *client,
    const struct spf_term *term)
{
	for (unsigned i = 0; i < answer->count; i++) {
		struct prefix net = {answer->records[i].addr,
		    client->family == 6 ? term->bits6 : term->bits4};
		if (prefix_contains(&net, client))
			return true;
	}
	return false;
}

/* More hosts than SPF_HOSTS_MAX are an error before any of them is asked
 * for. */
static enum spf_match
match_hosts(struct spf_run *run, const struct spf_term *term,
    const struct dns_answer *hosts)
{
	const struct addr *client = &run->sender->client;
	enum spf_match match = SPF_MATCH_NO;

	if (hosts->count > SPF_HOSTS_MAX)
		return SPF_MATCH_PERMERROR;
	for (unsigned i = 0; i < hosts->count; i++) {
		const struct dns_answer *answer = dns_book_ask(
		    run->book, hosts->records[i].text, reverse_type(client));
		if (answer == NULL)
			match = SPF_MATCH_PENDING;
		else if (has_within(answer, client, term))
			return SPF_MATCH_YES;
		else if (answer->status == DNS_TEMPERROR &&
			 match == SPF_MATCH_NO)
			match = SPF_MATCH_TEMPERROR;
	}
	return match;
}

static enum spf_match
match_question(
    struct spf_run *run, struct slice domain, const struct spf_term *term)
{
	const struct dns_answer *answer;
	struct spf_name name;
	enum dns_type type;

	if (!first_question(run, domain, term, &name, &type))
		return SPF_MATCH_PENDING;
	/* 4.8: what is no name does not match; nothing was asked. */
	if (!dns_name_is_askable(spf_name_slice(&name)))
		return SPF_MATCH_NO;
	answer = dns_book_ask(run->book, spf_name_slice(&name), type);
	enum spf_match match = judge(run, answer);
	if (match != SPF_MATCH_YES || term->kind == SPF_EXISTS)
		return match;
	if (term->kind == SPF_MX)
		return match_hosts(run, term, answer);
	return has_within(answer, &run->sender->client, term) ? SPF_MATCH_YES
							      : SPF_MATCH_NO;
}

/* --- ptr, %{p} -------------------------------------------------------------- */

static bool
is_under(struct slice name, struct slice domain)
{
	return slice_has_suffix_nocase(name, domain) && domain.len > 0 &&
	       (name.len == domain.len ||
		   name.ptr[name.len - domain.len - 1] == '.');
}

static enum spf_match
match_names(
    struct spf_run *run, const struct dns_answer *names, struct slice target)
{
	bool pending = false, doubt = false;

	for (unsigned i = 0; i < reverse_count(names); i++) {
		struct slice name = names->records[i].text;
		if (!is_under(name, target))
			continue;
		switch (
		    reverse_confirm(run->book, name, &run->sender->client)) {
		case REVERSE_CONFIRMED:
			return SPF_MATCH_YES;
		case REVERSE_PENDING:
			pending = true;
			break;
		case REVERSE_TEMPERROR:
			doubt = true;
			break;
		case REVERSE_REFUTED:
			break;
		}
	}
	if (pending)
		return SPF_MATCH_PENDING;
	run->doubt |= doubt;
	return SPF_MATCH_NO;
}

static enum spf_match
match_ptr(struct spf_run *run, struct slice domain, const struct spf_term *term)
{
	const struct dns_answer *names =
	    reverse_ask(run->book, &run->sender->client);
	struct spf_name target;

	if (!spf_expand(run, domain, term->spec, &target))
		return SPF_MATCH_PENDING;
	enum spf_match match = judge(run, names);
	if (match == SPF_MATCH_YES)
		return match_names(run, names, spf_name_slice(&target));
	if (match != SPF_MATCH_TEMPERROR)
		return match;
	run->doubt = true;
	return SPF_MATCH_NO;
}

/* 0: the domain itself, 1: below it, 2: another. */
static unsigned
nearness(struct slice name, struct slice domain)
{
	return slice_eq_nocase(name, domain) ? 0
	       : is_under(name, domain)      ? 1
					     : 2;
}

bool
spf_validated_name(struct spf_run *run, struct slice domain, struct slice *out)
{
	const struct addr *client = &run->sender->client;
	const struct dns_answer *names = reverse_ask(run->book, client);
	bool doubt = false;

	if (names == NULL)
		return false;
	for (unsigned i = 0; i < reverse_count(names); i++)
		reverse_confirm(run->book, names->records[i].text, client);
	for (unsigned rank = 0; rank < 3; rank++)
		for (unsigned i = 0; i < reverse_count(names); i++) {
			struct slice name = names->records[i].text;
			if (nearness(name, domain) != rank)
				continue;
			enum reverse_state state =
			    reverse_confirm(run->book, name, client);
			*out = name;
			if (state == REVERSE_CONFIRMED)
				run->doubt |= doubt;
			if (state == REVERSE_CONFIRMED ||
			    state == REVERSE_PENDING)
				return state == REVERSE_CONFIRMED;
			doubt |= state == REVERSE_TEMPERROR;
		}
	run->doubt |= doubt || names->status == DNS_TEMPERROR;
	*out = SLICE("unknown");
	return true;
}

/* --- all of them ------------------------------------------------------------ */

enum spf_match
spf_mechanism_match(
    struct spf_run *run, struct slice domain, const struct spf_term *term)
{
	bool match;

	switch (term->kind) {
	case SPF_ALL:
		return SPF_MATCH_YES;
	case SPF_IP4:
	case SPF_IP6:
		match = prefix_contains(&term->net, &run->sender->client);
		return match ? SPF_MATCH_YES : SPF_MATCH_NO;
	case SPF_A:
	case SPF_MX:
	case SPF_EXISTS:
		return match_question(run, domain, term);
	case SPF_PTR:
		return match_ptr(run, domain, term);
	case SPF_INCLUDE:
	case SPF_REDIRECT:
	case SPF_EXP:
	case SPF_UNKNOWN:
		break;
	}
	return SPF_MATCH_NO;
}
