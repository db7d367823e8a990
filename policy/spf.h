/*
 * SPF (RFC 7208): check_host, computed from the answers in a book.  It keeps
 * no state: as long as answers are missing it notes the questions and says
 * so, and is run again from the start.
 *
 * Where the RFC leaves a choice or a temporary error could make a permanent
 * refusal:
 *   - only TXT is asked; explanations (exp=) are checked for syntax, never
 *     fetched;
 *   - void lookups (4.6.4): a, mx, ptr and exists count one each when the
 *     first question of the term has no answer; three are a permerror;
 *   - an error while names are confirmed for ptr or %{p} is no match (5.5) and
 *     `unknown` (7.3); if the result is not pass then, it is temperror here;
 *   - the terms behind the one that waits are asked for already, so that a
 *     record takes few round trips.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_SPF_H
#define POLICY_SPF_H

#include "base/dns.h"

/* RFC 7208 2.6.
 *     RESULT(enumerator, name) */
#define SPF_RESULTS(RESULT)            \
	RESULT(NONE, "none")           \
	RESULT(NEUTRAL, "neutral")     \
	RESULT(PASS, "pass")           \
	RESULT(FAIL, "fail")           \
	RESULT(SOFTFAIL, "softfail")   \
	RESULT(PERMERROR, "permerror") \
	RESULT(TEMPERROR, "temperror")

enum spf_result {
#define SPF_ENUM(id, name) SPF_##id,
	SPF_RESULTS(SPF_ENUM)
#undef SPF_ENUM
	SPF_PENDING /* questions in the book have no answer yet */
};

enum {
	SPF_LOOKUPS_MAX = 10, /* terms that ask (4.6.4) */
	SPF_VOIDS_MAX = 2,
	SPF_HOSTS_MAX = 10, /* of one mx; more are a permerror */
	/* No record, however it is made, puts more questions into a book: one
	 * for the domain, ten in each of eleven records, ten hosts of each of
	 * ten mx, the client's names and an address of ten of them. */
	SPF_QUESTIONS_MAX = 1 + 11 * 10 + 10 * 10 + 1 + 10
};

/* Who sends.  For the HELO identity (2.3) `local` is "postmaster" and
 * `domain` the name said (4.3). */
struct spf_sender {
	struct addr client;
	struct slice local;
	struct slice domain;
	struct slice helo; /* for %{h} alone */
};

/* check_host(client, domain of the sender, sender). */
enum spf_result spf_check(
    struct dns_book *book, const struct spf_sender *sender);

#endif
