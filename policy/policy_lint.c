/*
 * What is legal and probably not meant: rules that can never fire, rules that
 * make no difference, what nobody uses or tests, and what RFC 5321 forbids.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/analysis.h"
#include "policy/policy_check.h"

#include <stdlib.h>

#define warn(rule, diag, code, ...)                                         \
	yaml_complain((rule)->file, diag, DIAG_WARNING, code, (rule)->node, \
	    NULL, __VA_ARGS__)

/* --- rules that can never fire ------------------------------------------------------ */

/* Whether a rule ends the search of every session that it matches. */
static bool
always_decides(const struct rule *rule)
{
	return !rule->then.goes_on && !rule->monitor && rule->sample >= 100 &&
	       rule->expires_s == 0;
}

/* Leaves out each rule without which it is still proven. */
static unsigned
minimise(const struct rule *rule, const struct rule **others, unsigned count)
{
	for (unsigned i = 0; i < count;) {
		const struct rule *left_out = others[i];
		others[i] = others[count - 1];
		if (analysis_is_covered(rule, others, count - 1)) {
			count--;
			continue;
		}
		others[i++] = left_out;
	}
	return count;
}

static int
by_line(const void *a_p, const void *b_p)
{
	const struct rule *a = *(const struct rule *const *)a_p;
	const struct rule *b = *(const struct rule *const *)b_p;

	return a < b ? -1 : a > b;
}

/* The proof in words: who decides before it. */
static void
complain_shadow(const struct rule *rule, const struct rule **others,
    unsigned count, struct diag *diag)
{
	struct buf names;

	qsort(others, count, sizeof(others[0]), by_line);
	buf_init(&names, 4096);
	for (unsigned i = 0; i < count; i++)
		buf_printf(&names, "%s`%.*s` (line %u)",
		    i == 0          ? ""
		    : i + 1 < count ? ", "
				    : " or ",
		    SLICE_FMT(others[i]->id.name), others[i]->id.line);
	warn(rule, diag, "P101",
	    "rule `%.*s` can never fire: all that it matches is decided "
	    "before it by %.*s",
	    SLICE_FMT(rule->id.name), SLICE_FMT(buf_slice(&names)));
	buf_fini(&names);
}

/* True: it was complained of. */
static bool
lint_reach(const struct rules *rules, unsigned at, struct diag *diag)
{
	const struct rule *rule = &rules->items[at];
	const struct rule **others = policy_alloc(at + 1, sizeof(*others));
	unsigned count = 0;

	if (analysis_is_covered(rule, NULL, 0)) {
		warn(rule, diag, "P109",
		    "rule `%.*s` can never apply: its conditions contradict "
		    "each other",
		    SLICE_FMT(rule->id.name));
		free(others);
		return true;
	}
	for (unsigned i = 0; i < at; i++)
		if (always_decides(&rules->items[i]) &&
		    !analysis_is_disjoint(&rules->items[i], rule))
			others[count++] = &rules->items[i];
	bool covered = count > 0 && analysis_is_covered(rule, others, count);
	if (covered) {
		count = minimise(rule, others, count);
		complain_shadow(rule, others, count, diag);
	}
	free(others);
	return covered;
}

/* --- rules that make no difference -------------------------------------------------- */

static bool
same_node(const struct yaml_node *a, const struct yaml_node *b)
{
	if (a->kind != b->kind || a->count != b->count ||
	    !slice_eq(a->text, b->text))
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (!same_node(a->items[i], b->items[i]) ||
		    (a->kind == YAML_MAP &&
			!slice_eq(a->keys[i]->text, b->keys[i]->text)))
			return false;
	return true;
}

/* A plain accept: it changes nothing but which rule is named. */
static bool
is_plain_accept(const struct then *then)
{
	return then->action == POLICY_ACCEPT && !then->goes_on &&
	       then->delay_ms == 0 && !then->quiet;
}

/* What follows where no rule matches. */
static bool
is_as_default(const struct policy *policy, enum policy_stage stage,
    const struct rule *rule)
{
	if (stage != POLICY_STAGE_HELO)
		return is_plain_accept(&rule->then);
	return same_node(rule->then_node, policy->default_node) ||
	       (is_plain_accept(&rule->then) &&
		   is_plain_accept(&policy->otherwise));
}

/* Without it every session that it decides would come to the same: by a later
 * rule that says the same and matches all of it, or by the default; and no
 * rule on the way there says anything else. */
static void
lint_redundant(const struct policy *policy, enum policy_stage stage,
    unsigned at, struct diag *diag)
{
	const struct rules *rules = &policy->rules[stage];
	const struct rule *rule = &rules->items[at];
	unsigned i = at + 1;

	if (!always_decides(rule))
		return;
	for (; i < rules->count; i++) {
		const struct rule *later = &rules->items[i];
		bool same = always_decides(later) &&
			    same_node(later->then_node, rule->then_node);
		if (same && analysis_is_covered(rule, &later, 1)) {
			warn(rule, diag, "P108",
			    "rule `%.*s` makes no difference: `%.*s` (line "
			    "%u) would do the same",
			    SLICE_FMT(rule->id.name), SLICE_FMT(later->id.name),
			    later->id.line);
			return;
		}
		if (!same && !analysis_is_disjoint(rule, later))
			return;
	}
	if (is_as_default(policy, stage, rule))
		warn(rule, diag, "P108", "rule `%.*s` makes no difference: %s",
		    SLICE_FMT(rule->id.name),
		    stage == POLICY_STAGE_HELO
			? "`default` would do the same"
			: "what no rule matches passes this stage too");
}

/* --- RFC 5321 4.1.4 ----------------------------------------------------------------- */

/* Facts that only say who speaks to whom: a rule with nothing else beside a
 * failed check of the name refuses for that alone. */
static bool
says_who(const struct condition *condition)
{
	static const enum fact who[] = {FACT_CLIENT, FACT_SERVER, FACT_PORT,
	    FACT_LISTENER, FACT_TLS, FACT_TLS_VERSION, FACT_TLS_CIPHER,
	    FACT_TLS_SNI, FACT_VERB, FACT_PTR, FACT_FCRDNS, FACT_FORM};

	for (size_t i = 0; i < sizeof(who) / sizeof(who[0]); i++)
		if (condition->fact == who[i])
			return true;
	/* That it is valid is nothing against it. */
	return condition->fact == FACT_VALID &&
	       (condition->mask == 2) != condition->negated;
}

/* The name does not lead to the client, or the client not to the name. */
static bool
is_failed_check(const struct condition *condition)
{
	uint64_t pass = 1;

	if (condition->fact != FACT_HELO_DNS &&
	    condition->fact != FACT_HELO_PTR)
		return false;
	if (condition->fact == FACT_HELO_PTR)
		pass = 3; /* exact, organisation */
	return condition->negated ? (condition->mask & 1) != 0
				  : (condition->mask & pass) == 0;
}

static bool
checks_alone(const struct clause *all, const struct clause *any)
{
	const struct clause *both[] = {all, any};
	bool failed = false;

	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; both[k] != NULL && i < both[k]->count;
		     i++) {
			const struct condition *c = &both[k]->conditions[i];
			if (is_failed_check(c))
				failed = true;
			else if (!says_who(c))
				return false;
		}
	return failed;
}

static void
lint_4_1_4(const struct rule *rule, struct diag *diag)
{
	bool found = false;

	if (rule->allows_4_1_4 || (rule->then.action != POLICY_REJECT &&
				      rule->then.action != POLICY_DROP))
		return;
	if (rule->when.any_count == 0)
		found = checks_alone(&rule->when.all, NULL);
	for (unsigned i = 0; i < rule->when.any_count; i++)
		found |= checks_alone(&rule->when.all, &rule->when.any[i]);
	if (found)
		warn(rule, diag, "P111",
		    "rule `%.*s` refuses mail only because the name does not "
		    "lead to the client, which RFC 5321 4.1.4 forbids: add "
		    "another condition, or `allow_rfc5321_4_1_4: true`",
		    SLICE_FMT(rule->id.name));
}

/* --- one rule ----------------------------------------------------------------------- */

static void
lint_repair(const struct rule *rule, struct diag *diag)
{
	const struct helo_repair *repair = &rule->then.repair;

	if (rule->then.action != POLICY_REPAIR)
		return;
	for (unsigned i = 0; i < repair->count; i++)
		if (repair->steps[i].step == HELO_STEP_CLIENT_LITERAL ||
		    repair->steps[i].step == HELO_STEP_REPLACE)
			return;
	warn(rule, diag, "P104",
	    "the repairs of rule `%.*s` can end in a name that is still "
	    "invalid, and then refuse it: `client_literal` at the end cannot",
	    SLICE_FMT(rule->id.name));
}

static void
lint_rule(const struct policy *policy, enum policy_stage stage, unsigned at,
    uint64_t now_s, struct diag *diag)
{
	const struct rules *rules = &policy->rules[stage];
	const struct rule *rule = &rules->items[at];

	if (rule->expires_s != 0 && now_s >= rule->expires_s) {
		warn(rule, diag, "P110", "rule `%.*s` has expired",
		    SLICE_FMT(rule->id.name));
		return;
	}
	if (!lint_reach(rules, at, diag))
		lint_redundant(policy, stage, at, diag);
	lint_repair(rule, diag);
	lint_4_1_4(rule, diag);
	if (!rule->tested)
		warn(rule, diag, "P103", "rule `%.*s` has no test",
		    SLICE_FMT(rule->id.name));
}

void
policy_lint(const struct policy *policy, uint64_t now_s, struct diag *diag)
{
	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++)
		for (unsigned i = 0; i < policy->rules[stage].count; i++)
			lint_rule(
			    policy, (enum policy_stage)stage, i, now_s, diag);
	for (unsigned i = 0; i < policy->list_count; i++) {
		const struct policy_list *list = policy->lists[i];
		if (!list->used)
			yaml_complain(list->file, diag, DIAG_WARNING, "P102",
			    list->node, NULL, "no rule uses the list `%.*s`",
			    SLICE_FMT(list->name));
	}
}
