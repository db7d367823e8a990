/*
 * The search: every witness under both policies.  See diff.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "cli/diff.h"
#include "policy/lookup.h"
#include "policy/policy_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	BUDGET = 1000000, /* witnesses of one stage */
	ASSIGNMENTS_MAX = 4096,
	PROGRESS = 50000 /* witnesses, a fraction of a second */
};

/* One witness. */
struct probe {
	enum policy_stage stage;
	struct addr client;
	char name[HELO_ARGUMENT_MAX];
	size_t name_len;
	struct helo judged;
	unsigned at[DIM_IDS];
};

/* --- facts ------------------------------------------------------------------------ */

static const struct dim_value *
value_of(const struct search *search, const struct probe *probe, enum dim_id id)
{
	return &search->universe->dims[id].values[probe->at[id]];
}

/* Names that follow the client. */
static void
expand_name(struct probe *probe, struct slice name)
{
	struct addr near = probe->client;
	char text[ADDR_TEXT + 8];
	const uint8_t *b = probe->client.bytes;

	probe->name_len = name.len;
	memcpy(probe->name, name.ptr, name.len);
	if (slice_eq(name, SLICE("{client}")) ||
	    slice_eq(name, SLICE("{near}"))) {
		if (slice_eq(name, SLICE("{near}")))
			near.bytes[near.family == 4 ? 3 : 15] ^= 1;
		probe->name_len = helo_client_literal(&near, text);
		memcpy(probe->name, text, probe->name_len);
	} else if (slice_eq(name, SLICE("{dynamic}"))) {
		probe->name_len =
		    (size_t)snprintf(probe->name, sizeof(probe->name),
			"ip-%u-%u-%u-%u.witness.net", b[0], b[1], b[2], b[3]);
	}
	helo_analyse(slice_of(probe->name, probe->name_len), &probe->client,
	    &probe->judged);
}

static bool
is_asked(const struct dim *dim, enum policy_stage stage)
{
	for (unsigned i = 0; i <= stage; i++)
		if (dim->used[i])
			return dim->count > 0;
	return false;
}

/* A zone's two values stand together, not listed and listed; of the zones that
 * this witness does not speak of the first one holds. */
static void
give_zones(
    const struct dim *dim, enum dim_id id, unsigned at, struct lookup *lookup)
{
	for (unsigned i = 0; i < dim->count; i += 2)
		if (i != (at & ~1u))
			policy_give(lookup, slice_str(diff_fact(id)),
			    yaml_root(dim->values[i].yaml));
}

/* What DNS says in this witness; NULL: no rule asks. */
static struct lookup *
make_lookup(const struct search *search, const struct probe *probe)
{
	const struct lookup_subject subject = {probe->client,
	    slice_of(probe->name, probe->name_len), &probe->judged};
	struct lookup *lookup = NULL;

	for (unsigned i = DIM_ID_PTR; i < DIM_IDS; i++) {
		enum dim_id id = (enum dim_id)i;
		const struct dim *dim = &search->universe->dims[id];
		if (!is_asked(dim, probe->stage))
			continue;
		if (lookup == NULL)
			lookup = lookup_new(&subject, NULL);
		if (lookup == NULL)
			log_fatal("no memory");
		if (id == DIM_ID_DNSBL || id == DIM_ID_RHSBL)
			give_zones(dim, id, probe->at[id], lookup);
		policy_give(lookup, slice_str(diff_fact(id)),
		    yaml_root(value_of(search, probe, id)->yaml));
	}
	return lookup;
}

static struct policy_facts
facts_of(const struct search *search, const struct probe *probe)
{
#define VALUE(id)  value_of(search, probe, DIM_ID_##id)
#define IN_TLS(id) (VALUE(TLS)->number != 0 ? VALUE(TLS_##id)->text : SLICE(""))
	return (struct policy_facts){.client = probe->client,
	    .server = {VALUE(SERVER)->addr, (uint16_t)VALUE(PORT)->number},
	    .listener = VALUE(LISTENER)->text,
	    .tls = VALUE(TLS)->number != 0,
	    .tls_of = {IN_TLS(VERSION), IN_TLS(CIPHER), IN_TLS(SNI),
		IN_TLS(SUBJECT), IN_TLS(FINGERPRINT)},
	    .auth = VALUE(AUTH)->number != 0,
	    .auth_user =
		VALUE(AUTH)->number != 0 ? VALUE(AUTH_USER)->text : SLICE(""),
	    .verb =
		VALUE(VERB)->number != 0 ? POLICY_VERB_HELO : POLICY_VERB_EHLO,
	    .helo = slice_of(probe->name, probe->name_len),
	    .judged = &probe->judged,
	    .repeat = (unsigned)VALUE(REPEAT)->number,
	    .fallback = VALUE(FALLBACK)->number != 0,
	    .mail_from = VALUE(FROM)->text,
	    .mail_size = (int64_t)VALUE(SIZE)->number,
	    .mail_utf8 = VALUE(UTF8)->number != 0,
	    .rcpt_to = VALUE(TO)->text,
	    .rcpt_count = (unsigned)VALUE(COUNT)->number,
	    .wall_s = (uint64_t)time(NULL),
	    .ref = SLICE("0000000000000000")};
#undef IN_TLS
#undef VALUE
}

/* --- verdicts --------------------------------------------------------------------- */

static bool
goes_on(const struct policy_verdict *verdict)
{
	return verdict->action == POLICY_ACCEPT ||
	       verdict->action == POLICY_REPAIR ||
	       verdict->action == POLICY_REWRITE ||
	       verdict->action == POLICY_ACCEPT_SESSION;
}

/* The verdict of the probe's stage.  False: the session does not come to it,
 * or it cannot be told. */
static bool
decide(struct search *search, unsigned which, const struct probe *probe,
    struct policy_facts *facts, struct policy_verdict *out)
{
	const struct policy *policy = search->policies[which];

	for (unsigned i = 0;; i++) {
		enum policy_stage stage = (enum policy_stage)i;
		if (stage != probe->stage && stage != POLICY_STAGE_HELO &&
		    !policy_has_stage(policy, stage))
			continue;
		/* The greeting's rules know nothing of messages. */
		facts->judged =
		    stage == POLICY_STAGE_CONNECT ? NULL : &probe->judged;
		if (policy_decide(policy, stage, facts, out) !=
		    POLICY_DECIDED) {
			search->undecided++;
			return false;
		}
		if (stage == probe->stage)
			return true;
		if (!goes_on(out) && !search->forced)
			return false;
		if (out->action == POLICY_ACCEPT_SESSION) {
			out->action = out->would = POLICY_ACCEPT;
			return true;
		}
	}
}

static bool
renames(const struct policy_verdict *verdict)
{
	return verdict->would == POLICY_REPAIR ||
	       verdict->would == POLICY_REWRITE;
}

static bool
differ(const struct search *search, const struct policy_verdict *old,
    const struct policy_verdict *new, struct side sides[2])
{
	bool monitor = policy_is_monitor(search->policies[0]) ||
		       policy_is_monitor(search->policies[1]);
	bool act = !monitor && old->action != new->action;

	sides[0] = act ? (struct side){old->rule.name, old->action}
		       : (struct side){old->would_rule.name, old->would};
	sides[1] = act ? (struct side){new->rule.name, new->action}
		       : (struct side){new->would_rule.name, new->would};
	return sides[0].action != sides[1].action ||
	       (renames(old) && renames(new) &&
		   !slice_eq(slice_of(old->repaired.name, old->repaired.len),
		       slice_of(new->repaired.name, new->repaired.len)));
}

static bool
same_side(const struct side *a, const struct side *b)
{
	return a->action == b->action && slice_eq(a->rule, b->rule);
}

static void
keep_names(struct found *found, const struct policy_verdict verdicts[2])
{
	for (unsigned i = 0;
	     i < 2 && renames(&verdicts[0]) && renames(&verdicts[1]); i++) {
		size_t len = verdicts[i].repaired.len;
		if (len > sizeof(found->forwarded[i].text))
			len = sizeof(found->forwarded[i].text);
		memcpy(
		    found->forwarded[i].text, verdicts[i].repaired.name, len);
		found->forwarded[i].len = len;
	}
}

static void
note(struct search *search, const struct probe *probe,
    const struct side sides[2], const struct policy_verdict verdicts[2])
{
	struct found *found;

	for (unsigned i = 0; i < search->found_count; i++) {
		found = &search->found[i];
		if (found->stage == probe->stage &&
		    same_side(&found->old, &sides[0]) &&
		    same_side(&found->new, &sides[1])) {
			found->count++;
			return;
		}
	}
	if (search->found_count == FOUND_MAX) {
		search->partial = true;
		return;
	}
	if (search->found == NULL)
		search->found = calloc(FOUND_MAX, sizeof(*search->found));
	if (search->found == NULL)
		log_fatal("no memory");
	found = &search->found[search->found_count++];
	*found = (struct found){.stage = probe->stage,
	    .old = sides[0],
	    .new = sides[1],
	    .count = 1,
	    .client = probe->client,
	    .name = slice_dup(slice_of(probe->name, probe->name_len)),
	    .name_len = probe->name_len};
	memcpy(found->at, probe->at, sizeof(found->at));
	keep_names(found, verdicts);
}

static void
try_probe(struct search *search, struct probe *probe)
{
	static struct policy_verdict verdicts[2];
	struct policy_facts facts = facts_of(search, probe);
	struct side sides[2];

	search->tried++;
	if (search->progress && search->tried % PROGRESS == 0)
		fprintf(stderr, "\r%" PRIu64 " witnesses", search->tried);
	facts.lookup = make_lookup(search, probe);
	bool told = decide(search, 0, probe, &facts, &verdicts[0]) &&
		    decide(search, 1, probe, &facts, &verdicts[1]);
	lookup_free(&facts.lookup);
	search->reached += told;
	if (told && differ(search, &verdicts[0], &verdicts[1], sides))
		note(search, probe, sides, verdicts);
}

/* --- combinations ----------------------------------------------------------------- */

/* Values of the dims: the usual ones, each other one alone, each two. */
struct assignments {
	unsigned at[ASSIGNMENTS_MAX][DIM_IDS];
	unsigned count;
};

static void
add_assignment(
    struct search *search, struct assignments *all, const unsigned at[DIM_IDS])
{
	if (all->count == ASSIGNMENTS_MAX)
		search->partial = true;
	else
		memcpy(all->at[all->count++], at, DIM_IDS * sizeof(unsigned));
}

static void
add_pairs(struct search *search, struct assignments *all,
    enum policy_stage stage, unsigned first, unsigned at[DIM_IDS])
{
	const struct dim *dims = search->universe->dims;

	for (unsigned id = first + 1; id < DIM_IDS; id++)
		for (unsigned i = 1; dims[id].used[stage] && i < dims[id].count;
		     i++) {
			at[id] = i;
			add_assignment(search, all, at);
			at[id] = 0;
		}
}

static void
assign(struct search *search, struct assignments *all, enum policy_stage stage)
{
	const struct dim *dims = search->universe->dims;
	unsigned at[DIM_IDS] = {0};

	all->count = 0;
	add_assignment(search, all, at);
	for (unsigned id = 0; id < DIM_IDS; id++)
		for (unsigned i = 1; dims[id].used[stage] && i < dims[id].count;
		     i++) {
			at[id] = i;
			add_assignment(search, all, at);
			at[id] = 0;
		}
	for (unsigned id = 0; id < DIM_IDS; id++)
		for (unsigned i = 1; dims[id].used[stage] && i < dims[id].count;
		     i++) {
			at[id] = i;
			add_pairs(search, all, stage, id, at);
			at[id] = 0;
		}
}

static void
try_all(struct search *search, enum policy_stage stage)
{
	static struct assignments all;
	static struct probe probe;
	const struct universe *universe = search->universe;
	unsigned names =
	    universe->names_used[stage] ? classes_count(universe->names) : 1;
	uint64_t budget = BUDGET;

	assign(search, &all, stage);
	probe.stage = stage;
	for (unsigned a = 0; a < all.count; a++) {
		memcpy(probe.at, all.at[a], sizeof(probe.at));
		for (unsigned c = 0; c < classes_count(universe->clients);
		     c++) {
			probe.client = *classes_addr(universe->clients, c);
			for (unsigned n = 0; n < names; n++) {
				if (budget-- == 0) {
					search->partial = true;
					return;
				}
				expand_name(
				    &probe, classes_name(universe->names, n));
				try_probe(search, &probe);
			}
		}
	}
}

/* What `guide_each` calls. */
struct guided {
	struct search *search;
	enum policy_stage stage;
};

static void
try_guided(void *arg, const struct addr *client, struct slice name,
    const unsigned at[DIM_IDS])
{
	static struct probe probe;
	const struct guided *guided = arg;

	probe.stage = guided->stage;
	probe.client = *client;
	memcpy(probe.at, at, sizeof(probe.at));
	expand_name(&probe, name);
	try_probe(guided->search, &probe);
}

/* First what each rule speaks of, then everything. */
static void
try_stage(struct search *search, enum policy_stage stage)
{
	struct guided guided = {search, stage};

	for (unsigned i = 0; i < search->universe->guide_count; i++)
		if (search->universe->guides[i].stage == stage &&
		    !guide_each(search->universe, &search->universe->guides[i],
			try_guided, &guided))
			search->partial = true;
	try_all(search, stage);
}

/* Where no witness comes through the stages before, under both policies, this
 * one is looked at as if it did. */
static void
search_stage(struct search *search, enum policy_stage stage)
{
	if (stage != POLICY_STAGE_HELO &&
	    !policy_has_stage(search->policies[0], stage) &&
	    !policy_has_stage(search->policies[1], stage))
		return;
	search->reached = 0;
	search->forced = false;
	try_stage(search, stage);
	if (search->reached > 0)
		return;
	search->forced = true;
	search->unreached[stage] = true;
	try_stage(search, stage);
	search->forced = false;
}

void
search_run(struct search *search)
{
	search->progress = isatty(STDERR_FILENO) == 1;
	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++)
		search_stage(search, (enum policy_stage)stage);
	if (search->progress && search->tried >= PROGRESS)
		fputs("\r\033[K", stderr);
	search->progress = false;
}

void
search_pair(struct search *search, const struct addr *client, struct slice name)
{
	static struct probe probe;

	probe.client = *client;
	for (unsigned stage = 0; stage <= POLICY_STAGE_HELO; stage++) {
		probe.stage = (enum policy_stage)stage;
		if (name.len > sizeof(probe.name))
			return;
		expand_name(&probe, name);
		for (unsigned verb = 0; verb < 2; verb++) {
			probe.at[DIM_ID_VERB] = verb;
			try_probe(search, &probe);
		}
	}
}

void
search_fini(struct search *search)
{
	for (unsigned i = 0; i < search->found_count; i++)
		free(search->found[i].name);
	free(search->found);
}
