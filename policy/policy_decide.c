/*
 * The decision.  See policy.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_private.h"

#include <stdio.h>

const char *
policy_action_name(enum policy_action action)
{
	static const char *const names[] = {"accept", "accept_session",
	    "repair", "rewrite", "reject", "tempfail", "splice", "drop"};

	return names[action];
}

/* Whether the client's reverse name is used at all: a step that takes it runs
 * only where those before it have not mended the name. */
static bool
needs_ptr(const struct then *then, const struct policy_facts *facts)
{
	struct helo_repair before = then->repair;
	struct helo_repaired mended;
	unsigned at = 0;

	if (!then->uses_ptr || then->action != POLICY_REPAIR)
		return then->uses_ptr;
	while (
	    at < before.count && before.steps[at].step != HELO_STEP_CLIENT_PTR)
		at++;
	before.count = at;
	helo_repair_apply(
	    &before, facts->helo, &facts->client, SLICE(""), &mended);
	return !mended.valid;
}

/* A list of steps can end in a name that is still invalid: then the client
 * hears why. */
static void
repair(const struct then *then, const struct policy_rule_id *rule,
    const struct policy_facts *facts, struct policy_verdict *out)
{
	static const struct then refusal = {
	    .action = POLICY_REJECT, .bare = true};

	helo_repair_apply(&then->repair, facts->helo, &facts->client,
	    needs_ptr(then, facts) ? policy_ptr(facts) : SLICE(""),
	    &out->repaired);
	if (out->repaired.valid)
		return;
	out->action = POLICY_REJECT;
	policy_reply(&refusal, rule, POLICY_STAGE_HELO, facts, out);
}

static void
stand_in(const struct policy_facts *facts, struct policy_verdict *out)
{
	char literal[ADDR_TEXT + 8];

	out->repaired.len = helo_client_literal(&facts->client, literal);
	out->repaired.steps = 1u << HELO_STEP_CLIENT_LITERAL;
	out->repaired.valid = true;
	memcpy(out->repaired.name, literal, out->repaired.len);
}

static void
rewrite(const struct then *then, const struct policy_rule_id *rule,
    const struct policy_facts *facts, struct policy_verdict *out)
{
	struct helo judged;

	out->repaired.steps = 0;
	out->repaired.valid = true;
	out->repaired.len = policy_expand(
	    then->rewrite, facts, rule, out->repaired.name, HELO_NAME_MAX);
	helo_analyse(
	    slice_of(out->repaired.name, out->repaired.len), NULL, &judged);
	if (!judged.valid)
		stand_in(facts, out);
}

/* The action into the verdict, with what it says or changes. */
static void
act(const struct then *then, const struct policy_rule_id *rule,
    enum policy_stage stage, const struct policy_facts *facts,
    struct policy_verdict *out)
{
	out->action = then->action;
	out->rule = *rule;
	out->starttls = then->starttls;
	out->reset = then->reset;
	out->delay_ms = then->delay_ms;
	out->ban_s = then->ban_s;
	out->quiet = then->quiet;
	out->at = then->at;
	if (then->at != POLICY_AT_ONCE)
		stand_in(facts, out);
	switch (then->action) {
	case POLICY_REJECT:
	case POLICY_TEMPFAIL:
		policy_reply(then, rule, stage, facts, out);
		break;
	case POLICY_REPAIR:
		repair(then, rule, facts, out);
		break;
	case POLICY_REWRITE:
		rewrite(then, rule, facts, out);
		break;
	case POLICY_ACCEPT:
	case POLICY_ACCEPT_SESSION:
	case POLICY_SPLICE:
	case POLICY_DROP:
		break;
	}
}

static void
remember(const struct rule *rule, struct policy_verdict *out)
{
	if (out->continued_count < POLICY_CONTINUE_MAX)
		out->continued[out->continued_count++] = rule->id;
}

/* What the rules of a stage came to. */
struct search {
	const struct rule *decides; /* NULL: none */
	const struct rule *watched; /* the first that would have decided */
	const struct rule *stuck;   /* DNS or a pattern failed: a tempfail */
	enum policy_outcome outcome;
};

static bool
is_expired(const struct rule *rule, const struct policy_facts *facts)
{
	return rule->expires_s != 0 && facts->wall_s >= rule->expires_s;
}

/* FNV-1a over reference and rule: the same session gets the same answer, and
 * two rules draw apart. */
static bool
is_sampled(const struct rule *rule, const struct policy_facts *facts)
{
	uint32_t hash = 2166136261u;

	if (rule->sample >= 100)
		return true;
	for (size_t i = 0; i < facts->ref.len; i++)
		hash = (hash ^ (unsigned char)facts->ref.ptr[i]) * 16777619u;
	for (size_t i = 0; i < rule->id.name.len; i++)
		hash = (hash ^ (unsigned char)rule->id.name.ptr[i]) * 16777619u;
	hash ^= hash >> 15;
	return hash % 100 < rule->sample;
}

/* A rule that matched.  True: it decides. */
static bool
take(const struct rule *rule, const struct policy_facts *facts,
    struct search *search, struct policy_verdict *out)
{
	if (rule->then.goes_on) {
		remember(rule, out);
		return false;
	}
	if (rule->monitor || !is_sampled(rule, facts)) {
		if (search->watched == NULL)
			search->watched = rule;
		return false;
	}
	search->decides = rule;
	return true;
}

/* One rule.  True: the search is over. */
static bool
try_rule(const struct rule *rule, enum truth truth,
    const struct policy_facts *facts, struct search *search,
    const struct condition *because, struct policy_verdict *out)
{
	switch (truth) {
	case TRUTH_NO:
		return false;
	case TRUTH_YES:
		/* While earlier rules wait for DNS, this one only ends the
		 * list of those that may yet be asked about. */
		return search->outcome == POLICY_PENDING
			   ? !rule->then.goes_on && !rule->monitor
			   : take(rule, facts, search, out);
	case TRUTH_PENDING:
		search->outcome = POLICY_PENDING;
		return false;
	case TRUTH_UNKNOWN:
		if (rule->then.goes_on || search->outcome == POLICY_PENDING)
			return false;
		search->outcome = POLICY_UNKNOWN;
		out->unknown_fact =
		    because == NULL ? "any" : fact_name(because->fact);
		return true;
	case TRUTH_TEMPERROR:
		if (!rule->tempfails)
			return false;
		break;
	case TRUTH_ERROR:
		break;
	}
	if (search->outcome == POLICY_PENDING)
		return true;
	search->stuck = rule;
	return true;
}

static bool
waits_for_ptr(const struct then *then, const struct policy_facts *facts)
{
	return facts->lookup != NULL && needs_ptr(then, facts) &&
	       lookup_get(facts->lookup, LOOKUP_CLIENT_PTR)->state ==
		   LOOKUP_PENDING;
}

/* The first rule that decides; rules that only log are noted on the way.
 * Where a rule needs answers of DNS the later ones are tried all the same, so
 * that all that can be asked is asked at once. */
static void
search_stage(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, struct search *search,
    struct policy_verdict *out, policy_trace_fn *trace, void *arg)
{
	const struct rules *rules = &policy->rules[stage];

	for (unsigned i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->items[i];
		const struct condition *because;
		if (is_expired(rule, facts))
			continue;
		enum truth truth = policy_matches(&rule->when, facts, &because);
		if (truth == TRUTH_YES && waits_for_ptr(&rule->then, facts))
			truth = TRUTH_PENDING;
		if (trace != NULL)
			trace(rule, truth, because, arg);
		if (try_rule(rule, truth, facts, search, because, out))
			return;
	}
}

static void
decide_by(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, const struct search *search,
    struct policy_verdict *out)
{
	static const struct then passes = {.action = POLICY_ACCEPT};
	static const struct then waits = {.action = POLICY_TEMPFAIL,
	    .code = 451,
	    .status = {"4.4.3", 5},
	    .text = {"the gate cannot decide now, try again later", 43}};
	static const struct policy_rule_id none;
	const struct rule *rule = search->decides;

	out->by_default = rule == NULL && search->stuck == NULL;
	if (search->stuck != NULL)
		act(&waits, &search->stuck->id, stage, facts, out);
	else if (rule != NULL)
		act(&rule->then, &rule->id, stage, facts, out);
	else if (stage == POLICY_STAGE_HELO)
		act(&policy->otherwise, &none, stage, facts, out);
	else
		act(&passes, &none, stage, facts, out);
}

static void
suspend(struct policy_verdict *out)
{
	out->action = POLICY_ACCEPT;
	out->starttls = POLICY_STARTTLS_UNSAID;
	out->delay_ms = out->ban_s = 0;
	out->quiet = false;
	out->at = POLICY_AT_ONCE;
}

enum policy_outcome
policy_decide_traced(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, struct policy_verdict *out,
    policy_trace_fn *trace, void *arg)
{
	struct search search = {.outcome = POLICY_DECIDED};

	out->continued_count = 0;
	out->reply_len = 0;
	out->repaired.steps = 0;
	out->repaired.len = 0;
	out->unknown_fact = NULL;
	search_stage(policy, stage, facts, &search, out, trace, arg);
	/* A name that the server refuses is mended at once, without asking. */
	if (stage == POLICY_STAGE_HELO &&
	    (waits_for_ptr(&policy->refusal, facts) ||
		(search.decides == NULL && search.stuck == NULL &&
		    waits_for_ptr(&policy->otherwise, facts))))
		search.outcome = POLICY_PENDING;
	if (search.outcome != POLICY_DECIDED)
		return search.outcome;
	decide_by(policy, stage, facts, &search, out);
	out->would = out->action;
	out->would_rule = out->rule;
	if (policy->monitor) {
		suspend(out);
	} else if (search.watched != NULL) {
		out->would = search.watched->then.action;
		out->would_rule = search.watched->id;
	}
	return POLICY_DECIDED;
}

enum policy_outcome
policy_decide(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, struct policy_verdict *out)
{
	return policy_decide_traced(policy, stage, facts, out, NULL, NULL);
}

/* Each candidate is one step more of the list: the mildest first. */
bool
policy_server_refusal_candidate(const struct policy *policy,
    const struct policy_facts *facts, struct slice refused, unsigned n,
    struct helo_repaired *out)
{
	struct helo_repair steps = policy->refusal.repair;
	unsigned found = 0;
	char last[HELO_NAME_MAX];
	size_t last_len = 0;

	if (!policy->has_refusal || policy->monitor || n >= 2)
		return false;
	for (unsigned count = 1; count <= policy->refusal.repair.count;
	     count++) {
		steps.count = count;
		helo_repair_apply(&steps, facts->helo, &facts->client,
		    policy_ptr(facts), out);
		/* The last step of all is also tried by force: the name was
		 * valid by our measure and refused all the same. */
		struct slice name = slice_of(out->name, out->len);
		if (!out->valid || out->len > sizeof(last) ||
		    slice_eq_nocase(name, facts->helo) ||
		    slice_eq_nocase(name, slice_of(last, last_len)))
			continue;
		memcpy(last, out->name, out->len);
		last_len = out->len;
		if (found++ == n && !slice_eq_nocase(name, refused))
			return true;
	}
	if (found > n ||
	    policy->refusal.repair.steps[policy->refusal.repair.count - 1]
		    .step != HELO_STEP_CLIENT_LITERAL)
		return false;
	char literal[ADDR_TEXT + 8];
	out->len = helo_client_literal(&facts->client, literal);
	memcpy(out->name, literal, out->len);
	out->steps = 1u << HELO_STEP_CLIENT_LITERAL;
	out->valid = true;
	return found == n &&
	       !slice_eq_nocase(slice_of(out->name, out->len), refused);
}

enum policy_starttls
policy_server_refusal_starttls(const struct policy *policy)
{
	return policy->refusal.starttls;
}

bool
policy_orders_starttls(const struct policy *policy, enum policy_starttls what)
{
	const struct rules *rules = &policy->rules[POLICY_STAGE_HELO];
	bool orders = policy->otherwise.starttls == what ||
		      policy->refusal.starttls == what;

	for (unsigned i = 0; i < rules->count; i++)
		orders |= rules->items[i].then.starttls == what;
	return orders;
}

bool
policy_is_monitor(const struct policy *policy)
{
	return policy->monitor;
}

const char *
policy_version(const struct policy *policy)
{
	return policy->version;
}

static bool
is_among(struct slice word, const struct slice *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (slice_eq_nocase(word, list[i]))
			return true;
	return false;
}

int
policy_capability(const struct policy *policy, struct slice keyword)
{
	if (is_among(keyword, policy->hidden, policy->hidden_count))
		return policy->monitor ? 0 : -1;
	return is_among(keyword, policy->allowed, policy->allowed_count);
}

bool
policy_has_stage(const struct policy *policy, enum policy_stage stage)
{
	return policy->rules[stage].count > 0;
}

bool
policy_asks_dns(const struct policy *policy)
{
	return policy->asks_dns;
}

uint64_t
policy_fact_bit(struct slice name)
{
	int fact = fact_find(name);

	return fact == -1 ? 0 : UINT64_C(1) << fact;
}
