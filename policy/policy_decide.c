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

/* A list of steps can end in a name that is still invalid: then the client
 * hears why. */
static void
repair(const struct then *then, const struct policy_rule_id *rule,
    const struct policy_facts *facts, struct policy_verdict *out)
{
	static const struct then refusal = {
	    .action = POLICY_REJECT, .bare = true};

	helo_repair_apply(&then->repair, facts->helo, &facts->client, SLICE(""),
	    &out->repaired);
	if (out->repaired.valid)
		return;
	out->action = POLICY_REJECT;
	policy_reply(&refusal, rule, POLICY_STAGE_HELO, facts, out);
}

static void
rewrite(const struct then *then, const struct policy_rule_id *rule,
    const struct policy_facts *facts, struct policy_verdict *out)
{
	struct helo judged;
	char literal[ADDR_TEXT + 8];

	out->repaired.steps = 0;
	out->repaired.valid = true;
	out->repaired.len = policy_expand(
	    then->rewrite, facts, rule, out->repaired.name, HELO_NAME_MAX);
	helo_analyse(
	    slice_of(out->repaired.name, out->repaired.len), NULL, &judged);
	if (judged.valid)
		return;
	out->repaired.len = helo_client_literal(&facts->client, literal);
	out->repaired.steps = 1u << HELO_STEP_CLIENT_LITERAL;
	memcpy(out->repaired.name, literal, out->repaired.len);
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

/* The first rule that decides; rules that only log are noted on the way.
 * *watched is the first rule in monitor mode that would have decided. */
static const struct rule *
first_match(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, struct policy_verdict *out,
    const struct rule **watched, policy_trace_fn *trace, void *arg)
{
	const struct rules *rules = &policy->rules[stage];

	for (unsigned i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->items[i];
		const struct condition *failed;
		bool matched = policy_matches(&rule->when, facts, &failed);
		if (trace != NULL)
			trace(rule, matched, failed, arg);
		if (!matched)
			continue;
		if (rule->then.goes_on) {
			remember(rule, out);
		} else if (rule->monitor) {
			if (*watched == NULL)
				*watched = rule;
		} else {
			return rule;
		}
	}
	return NULL;
}

static void
decide_by(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, const struct rule *rule,
    struct policy_verdict *out)
{
	static const struct then passes = {.action = POLICY_ACCEPT};
	static const struct policy_rule_id none;

	out->by_default = rule == NULL;
	if (rule != NULL)
		act(&rule->then, &rule->id, stage, facts, out);
	else if (stage == POLICY_STAGE_HELO)
		act(&policy->otherwise, &none, stage, facts, out);
	else
		act(&passes, &none, stage, facts, out);
}

enum policy_outcome
policy_decide_traced(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, struct policy_verdict *out,
    policy_trace_fn *trace, void *arg)
{
	const struct rule *watched = NULL;

	out->continued_count = 0;
	out->reply_len = 0;
	out->delay_ms = out->ban_s = 0;
	out->quiet = false;
	out->at = POLICY_AT_ONCE;
	out->unknown_fact = NULL;
	out->repaired.steps = 0;
	out->repaired.len = 0;
	const struct rule *rule =
	    first_match(policy, stage, facts, out, &watched, trace, arg);
	decide_by(policy, stage, facts, rule, out);
	out->would = out->action;
	out->would_rule = out->rule;
	if (policy->monitor) {
		out->action = POLICY_ACCEPT;
		out->starttls = POLICY_STARTTLS_UNSAID;
	} else if (watched != NULL) {
		out->would = watched->then.action;
		out->would_rule = watched->id;
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
		helo_repair_apply(
		    &steps, facts->helo, &facts->client, SLICE(""), out);
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

uint64_t
policy_fact_bit(struct slice name)
{
	int fact = fact_find(name);

	return fact == -1 ? 0 : UINT64_C(1) << fact;
}

enum policy_permit
policy_command(const struct policy *policy, struct slice verb,
    const struct policy_facts *facts, struct policy_reply *reply)
{
	(void)policy;
	(void)verb;
	(void)facts;
	(void)reply;
	return POLICY_PERMIT;
}

void
policy_limits(const struct policy *policy, const struct policy_facts *facts,
    struct policy_limits *out)
{
	(void)policy;
	(void)facts;
	*out = (struct policy_limits){.errors = 20};
}
