/*
 * Between the files of SPF: spf_record.c reads terms, spf_macro.c expands
 * names, spf_mechanism.c matches one mechanism, spf.c runs the records.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_SPF_PRIVATE_H
#define POLICY_SPF_PRIVATE_H

#include "policy/spf.h"

/* One run.  Nothing of it outlives spf_check. */
struct spf_run {
	struct dns_book *book;
	const struct spf_sender *sender;
	unsigned lookups;
	unsigned voids;
	bool doubt; /* a temporary error was passed over */
};

/* --- records ---------------------------------------------------------------- */

enum spf_kind {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
	SPF_REDIRECT,
	SPF_EXP,
	SPF_UNKNOWN /* a modifier that we do not know: it says nothing */
};

struct spf_term {
	enum spf_kind kind;
	enum spf_result qualifier; /* what a match gives */
	struct slice spec;         /* domain-spec; empty: none was given */
	struct prefix net;         /* ip4, ip6 */
	uint8_t bits4, bits6;      /* a, mx */
};

/* The one record among the texts of a domain, behind its version (4.5): 1 and
 * *out, 0 there is none, -1 there are several. */
int spf_record_select(const struct dns_answer *texts, struct slice *out);
/* Takes the next term off the record: 1, 0 at the end, -1 not well-formed. */
int spf_term_next(struct slice *record, struct spf_term *out);
/* Whether the term is a modifier, not a mechanism. */
bool spf_term_is_modifier(const struct spf_term *term);
/* Whether it counts as one of SPF_LOOKUPS_MAX. */
bool spf_term_asks(const struct spf_term *term);

/* --- macros (7) ------------------------------------------------------------- */

/* macro-string; with `all_letters` also c, r and t. */
bool spf_macro_is_valid(struct slice text, bool all_letters);
/* domain-spec */
bool spf_domain_spec_is_valid(struct slice text);

/* A name that was made by expansion; may be one that cannot be asked for. */
struct spf_name {
	size_t start; /* in bytes */
	char bytes[DNS_NAME_MAX + 2];
};

static inline struct slice
spf_name_slice(const struct spf_name *name)
{
	return slice_of(
	    name->bytes + name->start, sizeof(name->bytes) - name->start);
}

/* Expands a valid domain-spec; an empty one is the domain itself.  False: an
 * answer for %{p} is missing. */
bool spf_expand(struct spf_run *run, struct slice domain, struct slice spec,
    struct spf_name *out);

/* --- mechanisms (5) --------------------------------------------------------- */

enum spf_match {
	SPF_MATCH_NO,
	SPF_MATCH_YES,
	SPF_MATCH_PENDING,
	SPF_MATCH_TEMPERROR,
	SPF_MATCH_PERMERROR
};

/* All but include. */
enum spf_match spf_mechanism_match(
    struct spf_run *run, struct slice domain, const struct spf_term *term);
/* Asks the first question of a mechanism or of redirect. */
void spf_mechanism_note(
    struct spf_run *run, struct slice domain, const struct spf_term *term);
/* %{p} (7.3): the client's confirmed name, the domain itself before one below
 * it before another; "unknown".  False: an answer is missing. */
bool spf_validated_name(
    struct spf_run *run, struct slice domain, struct slice *out);

#endif
