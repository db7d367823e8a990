/*
 * check_host (RFC 7208 4): one record after the other, term by term.  See
 * spf.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/spf.h"

#include "policy/spf_private.h"

static enum spf_result check_host(struct spf_run *run, struct slice domain);

/* 4.6: an error anywhere in a record is one before any of it counts.  Takes
 * the redirect out. */
static bool
check_syntax(struct slice record, struct spf_term *redirect)
{
	unsigned redirects = 0, explanations = 0;
	struct spf_term term;
	int more;

	*redirect = (struct spf_term){.kind = SPF_UNKNOWN};
	while ((more = spf_term_next(&record, &term)) == 1) {
		if (term.kind == SPF_REDIRECT) {
			*redirect = term;
			redirects++;
		}
		explanations += term.kind == SPF_EXP;
	}
	return more == 0 && redirects <= 1 && explanations <= 1;
}

/* 5.2 */
static enum spf_match
match_include(
    struct spf_run *run, struct slice domain, const struct spf_term *term)
{
	struct spf_name target;

	if (!spf_expand(run, domain, term->spec, &target))
		return SPF_MATCH_PENDING;
	switch (check_host(run, spf_name_slice(&target))) {
	case SPF_PASS:
		return SPF_MATCH_YES;
	case SPF_FAIL:
	case SPF_SOFTFAIL:
	case SPF_NEUTRAL:
		return SPF_MATCH_NO;
	case SPF_TEMPERROR:
		return SPF_MATCH_TEMPERROR;
	case SPF_PENDING:
		return SPF_MATCH_PENDING;
	case SPF_NONE:
	case SPF_PERMERROR:
		break;
	}
	return SPF_MATCH_PERMERROR;
}

/* 6.1 */
static enum spf_result
follow(
    struct spf_run *run, struct slice domain, const struct spf_term *redirect)
{
	struct spf_name target;

	if (++run->lookups > SPF_LOOKUPS_MAX)
		return SPF_PERMERROR;
	if (!spf_expand(run, domain, redirect->spec, &target))
		return SPF_PENDING;
	enum spf_result result = check_host(run, spf_name_slice(&target));
	return result == SPF_NONE ? SPF_PERMERROR : result;
}

/* A term waits: those behind it are likely to be needed next.  Only their first
 * questions, and of this record alone, so that nobody can make it many. */
static void
note_rest(struct spf_run *run, struct slice domain, struct slice record,
    const struct spf_term *redirect)
{
	struct spf_term term;

	while (spf_term_next(&record, &term) == 1) {
		if (term.kind == SPF_ALL)
			return;
		if (spf_term_is_modifier(&term) || !spf_term_asks(&term))
			continue;
		if (++run->lookups > SPF_LOOKUPS_MAX)
			return;
		spf_mechanism_note(run, domain, &term);
	}
	if (redirect->kind == SPF_REDIRECT && ++run->lookups <= SPF_LOOKUPS_MAX)
		spf_mechanism_note(run, domain, redirect);
}

static enum spf_match
match_term(
    struct spf_run *run, struct slice domain, const struct spf_term *term)
{
	if (spf_term_asks(term) && ++run->lookups > SPF_LOOKUPS_MAX)
		return SPF_MATCH_PERMERROR;
	return term->kind == SPF_INCLUDE
		   ? match_include(run, domain, term)
		   : spf_mechanism_match(run, domain, term);
}

static enum spf_result
evaluate(struct spf_run *run, struct slice domain, struct slice record)
{
	struct spf_term term, redirect;

	if (!check_syntax(record, &redirect))
		return SPF_PERMERROR;
	while (spf_term_next(&record, &term) == 1) {
		if (spf_term_is_modifier(&term))
			continue;
		switch (match_term(run, domain, &term)) {
		case SPF_MATCH_YES:
			return term.qualifier;
		case SPF_MATCH_PENDING:
			note_rest(run, domain, record, &redirect);
			return SPF_PENDING;
		case SPF_MATCH_TEMPERROR:
			return SPF_TEMPERROR;
		case SPF_MATCH_PERMERROR:
			return SPF_PERMERROR;
		case SPF_MATCH_NO:
			break;
		}
	}
	return redirect.kind == SPF_REDIRECT ? follow(run, domain, &redirect)
					     : SPF_NEUTRAL;
}

/* 4.3 to 4.7 */
static enum spf_result
check_host(struct spf_run *run, struct slice domain)
{
	const struct dns_answer *answer;
	struct slice record;

	if (slice_find(domain, '.') == -1 || !dns_name_is_askable(domain))
		return SPF_NONE;
	answer = dns_book_ask(run->book, domain, DNS_TXT);
	if (answer == NULL)
		return SPF_PENDING;
	if (answer->status == DNS_TEMPERROR)
		return SPF_TEMPERROR;
	switch (spf_record_select(answer, &record)) {
	case 0:
		return SPF_NONE;
	case 1:
		return evaluate(run, domain, record);
	default:
		return SPF_PERMERROR;
	}
}

enum spf_result
spf_check(struct dns_book *book, const struct spf_sender *sender)
{
	struct spf_run run = {.book = book, .sender = sender};
	enum spf_result result = check_host(&run, sender->domain);

	if (run.doubt && result != SPF_PASS && result != SPF_PENDING)
		return SPF_TEMPERROR;
	return result;
}
