/*
 * Which rules mend the names that were seen.  See suggest.h.
 *
 * A rule's steps are those that did something to its names, so that nothing
 * needs to know here which step mends what.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "cli/suggest.h"

#include <stdlib.h>

enum {
	RULE_BASE_MAX = 50 /* leaves room for "-tls" and a number */
};

#define BIT(flaw) HELO_BIT(HELO_FLAW_##flaw)

static uint64_t
syntax_flaws(uint64_t flaws)
{
	uint64_t syntax = 0;

	for (unsigned i = 0; i < HELO_FLAW_COUNT; i++)
		if (!helo_flaw_is_advisory((enum helo_flaw)i))
			syntax |= flaws & HELO_BIT(i);
	return syntax;
}

/* --- the domain of a network -------------------------------------------------------- */

/* What stands behind the first label of a name that is good for others. */
static struct slice
domain_of(const struct pair *pair)
{
	const uint64_t odd = BIT(SINGLE_LABEL) | BIT(LOCALHOST) |
			     BIT(ALL_NUMERIC) | BIT(BARE_IPV4) |
			     BIT(DYNAMIC_NAME);
	ptrdiff_t dot = slice_find(pair->name, '.');

	if (!pair->judged.valid || pair->judged.form != HELO_FORM_DOMAIN ||
	    (pair->judged.flaws & odd) != 0 || dot == -1)
		return SLICE("");
	struct slice domain = slice_from(pair->name, (size_t)dot + 1);
	return slice_find(domain, '.') == -1 || domain.len > DOMAIN_MAX
		   ? SLICE("")
		   : domain;
}

/* The one domain of all names of a network: pairs [first, end). */
static struct slice
common_domain(const struct pairs *pairs, unsigned first, unsigned end)
{
	struct slice common = SLICE("");

	for (unsigned i = first; i < end; i++) {
		struct slice domain = domain_of(&pairs->items[i]);
		if (domain.len == 0)
			continue;
		if (common.len > 0 && !slice_eq_nocase(common, domain))
			return SLICE("");
		common = domain;
	}
	return common;
}

/* --- repairs --------------------------------------------------------------------- */

void
mend_steps(const struct mend *mend, struct helo_repair *out)
{
	out->count = 0;
	for (unsigned i = 0; i < HELO_STEP_CLIENT_LITERAL && !mend->literal;
	     i++)
		if ((mend->steps & 1u << i) != 0)
			out->steps[out->count++] = (struct helo_repair_step){
			    (enum helo_step)i, i == HELO_STEP_APPEND_DOMAIN
						   ? slice_str(mend->domain)
						   : SLICE("")};
	out->steps[out->count++] =
	    (struct helo_repair_step){HELO_STEP_CLIENT_LITERAL, SLICE("")};
}

void
mend_apply(const struct mend *mend, struct slice name,
    const struct addr *client, struct helo_repaired *out)
{
	struct helo_repair repair;
	char literal[ADDR_TEXT + 8];

	if (mend->rewrite) {
		out->len = helo_client_literal(client, literal);
		memcpy(out->name, literal, out->len);
		out->steps = 1u << HELO_STEP_CLIENT_LITERAL;
		out->valid = true;
		return;
	}
	mend_steps(mend, &repair);
	helo_repair_apply(&repair, name, client, SLICE(""), out);
}

/* Every step but those that need what is not known here, or do more than
 * mend. */
static uint32_t
all_steps(struct slice domain)
{
	uint32_t steps = (1u << HELO_STEP_COUNT) - 1;

	steps &= ~(1u << HELO_STEP_LOWERCASE | 1u << HELO_STEP_REPLACE |
		   1u << HELO_STEP_CLIENT_PTR);
	if (domain.len == 0)
		steps &= ~(1u << HELO_STEP_APPEND_DOMAIN);
	return steps;
}

static void
set_domain(struct mend *mend, struct slice domain)
{
	for (size_t i = 0; i < domain.len; i++)
		mend->domain[i] = ascii_lower(domain.ptr[i]);
	mend->domain[domain.len] = '\0';
}

static bool
repaired_by_literal(const struct helo_repaired *repaired)
{
	return (repaired->steps & 1u << HELO_STEP_CLIENT_LITERAL) != 0;
}

/* What would mend this pair; false: nothing has to. */
static bool
sketch(const struct pair *pair, struct slice domain, struct mend *out)
{
	struct helo_repaired repaired;
	struct helo judged;
	const uint64_t foreign = BIT(NON_ASCII) | BIT(INVALID_UTF8);
	bool lone = (pair->judged.flaws & BIT(SINGLE_LABEL)) != 0;

	*out = (struct mend){.flaws = syntax_flaws(pair->judged.flaws),
	    .starttls = pair->starttls};
	if (pair->judged.valid && !(lone && pair->server_refused > 0))
		return false;
	if (pair->judged.valid)
		out->flaws = BIT(SINGLE_LABEL);
	/* One kind: the steps for the one do no harm to the other. */
	if ((out->flaws & foreign) != 0)
		out->flaws |= foreign;
	set_domain(out, domain);
	out->steps = all_steps(domain);
	mend_apply(out, pair->name, &pair->client, &repaired);
	out->steps = repaired.steps;
	helo_analyse(
	    slice_of(repaired.name, repaired.len), &pair->client, &judged);
	/* A name without a domain is no name for others: the address is. */
	out->lone = (judged.flaws & BIT(SINGLE_LABEL)) != 0;
	out->steps &= ~(1u << HELO_STEP_CLIENT_LITERAL);
	if ((out->flaws & foreign) != 0)
		out->steps |= 1u << HELO_STEP_IDNA;
	else if (out->lone || repaired_by_literal(&repaired)) {
		out->literal = true;
		out->rewrite = pair->judged.valid;
		out->steps = 0;
	}
	if ((out->steps & 1u << HELO_STEP_APPEND_DOMAIN) == 0)
		out->domain[0] = '\0';
	return true;
}

/* --- rules ------------------------------------------------------------------------ */

static bool
is_same_kind(const struct mend *a, const struct mend *b)
{
	return a->flaws == b->flaws && a->literal == b->literal &&
	       a->rewrite == b->rewrite && a->starttls == b->starttls &&
	       slice_eq(slice_str(a->domain), slice_str(b->domain));
}

static struct mend *
find_kind(struct mends *mends, const struct mend *like)
{
	for (unsigned i = 0; i < mends->count; i++)
		if (is_same_kind(&mends->items[i], like))
			return &mends->items[i];
	if (mends->count == RULES_MAX)
		return NULL;
	mends->items[mends->count] = *like;
	return &mends->items[mends->count++];
}

static void
add_client(struct mend *mend, const struct pairs *pairs, unsigned at)
{
	if (mend->client_count > 0 &&
	    addr_eq(&pairs->items[mend->clients[mend->client_count - 1]].client,
		&pairs->items[at].client))
		return;
	/* Doubled at each power of two. */
	if ((mend->client_count & (mend->client_count - 1)) == 0) {
		size_t more = mend->client_count == 0
				  ? 1
				  : (size_t)mend->client_count * 2;
		mend->clients =
		    realloc(mend->clients, more * sizeof(*mend->clients));
		if (mend->clients == NULL)
			log_fatal("no memory");
	}
	mend->clients[mend->client_count++] = at;
}

static void
sketch_network(struct mends *mends, const struct pairs *pairs, unsigned first,
    unsigned end)
{
	struct slice domain = common_domain(pairs, first, end);
	struct mend like;

	for (unsigned i = first; i < end; i++) {
		if (!sketch(&pairs->items[i], domain, &like))
			continue;
		struct mend *mend =
		    mends->ruled < RULED_MAX ? find_kind(mends, &like) : NULL;
		if (mend == NULL) {
			mends->unruled++;
			continue;
		}
		mend->steps |= like.steps;
		mend->lone |= like.lone;
		add_client(mend, pairs, i);
		mends->ruled++;
	}
}

static unsigned
count_bits(uint64_t bits)
{
	unsigned count = 0;

	for (; bits != 0; bits &= bits - 1)
		count++;
	return count;
}

/* Rules of more flaws first: they mend what those of fewer do. */
static int
by_flaws(const void *a_p, const void *b_p)
{
	const struct mend *a = a_p;
	const struct mend *b = b_p;
	unsigned a_bits = count_bits(a->flaws), b_bits = count_bits(b->flaws);

	if (a_bits != b_bits)
		return a_bits > b_bits ? -1 : 1;
	if (a->flaws != b->flaws)
		return a->flaws < b->flaws ? -1 : 1;
	if (a->literal != b->literal)
		return a->literal ? 1 : -1;
	if (a->starttls != b->starttls)
		return a->starttls ? 1 : -1;
	return slice_cmp(slice_str(a->domain), slice_str(b->domain));
}

static bool
has_client(const struct mend *mend, const struct pairs *pairs,
    const struct addr *client)
{
	unsigned low = 0, high = mend->client_count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		const struct addr *at =
		    &pairs->items[mend->clients[middle]].client;
		int order =
		    at->family != client->family
			? (at->family < client->family ? -1 : 1)
			: memcmp(at->bytes, client->bytes, sizeof(at->bytes));
		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* As the policy decides. */
struct mend *
mends_first(struct mends *mends, const struct pairs *pairs,
    const struct addr *client, uint64_t flaws)
{
	for (unsigned i = 0; i < mends->count; i++)
		if ((mends->items[i].flaws & flaws) != 0 &&
		    has_client(&mends->items[i], pairs, client))
			return &mends->items[i];
	return NULL;
}

static void
assign(struct mends *mends, struct pairs *pairs)
{
	for (unsigned i = 0; i < mends->count; i++)
		mends->items[i].hits = 0;
	for (unsigned i = 0; i < pairs->count; i++) {
		struct pair *pair = &pairs->items[i];
		struct mend *mend = mends_first(
		    mends, pairs, &pair->client, pair->judged.flaws);
		pair->mend = mend;
		if (mend != NULL)
			mend->hits++;
	}
}

static bool
is_taken(const struct mends *mends, const struct mend *mend)
{
	for (const struct mend *other = mends->items; other < mend; other++)
		if (slice_eq(slice_str(other->name), slice_str(mend->name)))
			return true;
	return false;
}

/* As many flaws as the policy's bound for a rule's name has room for; a number
 * where two come out alike. */
static void
name_rule(const struct mends *mends, struct mend *mend)
{
	char base[RULE_BASE_MAX + 1];
	size_t len = (size_t)snprintf(base, sizeof(base), "mend");

	for (unsigned i = 0; i < HELO_FLAW_COUNT; i++) {
		const char *flaw = helo_flaw_name((enum helo_flaw)i);
		if ((mend->flaws & HELO_BIT(i)) == 0 ||
		    len + 1 + strlen(flaw) > RULE_BASE_MAX)
			continue;
		len += (size_t)snprintf(
		    base + len, sizeof(base) - len, "-%s", flaw);
	}
	for (size_t i = 0; i < len; i++)
		if (base[i] == '_')
			base[i] = '-';
	snprintf(mend->name, sizeof(mend->name), "%s%s", base,
	    mend->starttls ? "-tls" : "");
	for (unsigned number = 2; is_taken(mends, mend); number++)
		snprintf(mend->name, sizeof(mend->name), "%s%s-%u", base,
		    mend->starttls ? "-tls" : "", number);
}

/* Rules that others always come before are of no use. */
static void
drop_idle(struct mends *mends)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < mends->count; i++) {
		if (mends->items[i].hits > 0)
			mends->items[kept++] = mends->items[i];
		else
			free(mends->items[i].clients);
	}
	mends->count = kept;
}

/* A rule needs a test, and a test a name that YAML can say: where there is
 * none the rule also takes other bytes outside ASCII, and those can be said. */
static void
find_unwritable(struct mends *mends, const struct pairs *pairs)
{
	struct buf quoted;

	for (unsigned i = 0; i < mends->count; i++)
		mends->items[i].unwritable = true;
	for (unsigned i = 0; i < pairs->count; i++) {
		const struct pair *pair = &pairs->items[i];
		if (pair->mend == NULL || !pair->mend->unwritable)
			continue;
		buf_init(&quoted, 64 * 1024);
		if (suggest_quote(pair->name, &quoted))
			mends->items[pair->mend - mends->items].unwritable =
			    false;
		buf_fini(&quoted);
	}
	for (unsigned i = 0; i < mends->count; i++)
		if (mends->items[i].unwritable)
			mends->items[i].flaws |=
			    BIT(NON_ASCII) | BIT(INVALID_UTF8);
}

static void
settle(struct mends *mends, struct pairs *pairs)
{
	qsort(mends->items, mends->count, sizeof(struct mend), by_flaws);
	assign(mends, pairs);
	drop_idle(mends);
	assign(mends, pairs);
}

void
mends_make(struct mends *mends, struct pairs *pairs)
{
	unsigned first = 0;

	for (unsigned i = 0; i < pairs->count; i++) {
		if (i + 1 < pairs->count &&
		    is_one_network(
			&pairs->items[i].client, &pairs->items[i + 1].client))
			continue;
		sketch_network(mends, pairs, first, i + 1);
		first = i + 1;
	}
	settle(mends, pairs);
	find_unwritable(mends, pairs);
	settle(mends, pairs);
	for (unsigned i = 0; i < mends->count; i++)
		name_rule(mends, &mends->items[i]);
}

void
mends_fini(struct mends *mends)
{
	for (unsigned i = 0; i < mends->count; i++)
		free(mends->items[i].clients);
	mends->count = 0;
}
