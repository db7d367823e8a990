/*
 * Warnings about a policy: what is legal and probably not meant.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_check.h"

#include "policy/policy_private.h"

#include <stdio.h>

/* --- STARTTLS ------------------------------------------------------------------------ */

static bool
changes_name(const struct then *then)
{
	return then->action == POLICY_REPAIR || then->action == POLICY_REWRITE;
}

static void
complain_starttls(const struct policy *policy, struct diag *diag,
    const struct yaml_node *node, struct slice listener)
{
	bool alone = listener.len == 0;

	yaml_complain(policy->file, diag, alone ? DIAG_WARNING : DIAG_ERROR,
	    "P105", node, NULL,
	    "this changes the name and does not say what becomes of STARTTLS%s"
	    "%.*s%s: inside TLS the client says the old name again; write "
	    "`starttls: pass` for clients that never use it, or `starttls: "
	    "hide` with `accept_downgrade: true`",
	    alone ? "" : " on listener `", SLICE_FMT(listener),
	    alone ? "" : "`");
}

static void
check_starttls(
    const struct policy *policy, struct diag *diag, struct slice listener)
{
	const struct rules *rules = &policy->rules[POLICY_STAGE_HELO];

	for (unsigned i = 0; i < rules->count; i++)
		if (changes_name(&rules->items[i].then) &&
		    rules->items[i].then.starttls == POLICY_STARTTLS_UNSAID)
			complain_starttls(
			    policy, diag, rules->items[i].node, listener);
	if (changes_name(&policy->otherwise) &&
	    policy->otherwise.starttls == POLICY_STARTTLS_UNSAID)
		complain_starttls(policy, diag, policy->default_node, listener);
	if (policy->has_refusal &&
	    policy->refusal.starttls == POLICY_STARTTLS_UNSAID)
		complain_starttls(policy, diag, policy->refusal_node, listener);
}

/* A fact that cannot be seen once STARTTLS passes through. */
static void
check_inspection(const struct policy *policy, struct diag *diag,
    const struct policy_listener_facts *listener)
{
	if (!listener->require_inspection)
		return;
	yaml_complain(policy->file, diag, DIAG_ERROR, "P106",
	    yaml_root(policy->file), NULL,
	    "listener `%.*s` requires inspection, and its `tls: {client: "
	    "pass}` lets a client hide the names it says inside TLS from the "
	    "helo rules of this policy",
	    SLICE_FMT(listener->name));
}

void
policy_check_listener(const struct policy *policy,
    const struct policy_listener_facts *listener, struct diag *diag)
{
	if (!listener->tls_pass)
		return;
	check_starttls(policy, diag, listener->name);
	check_inspection(policy, diag, listener);
}

void
policy_check_alone(const struct policy *policy, struct diag *diag)
{
	check_starttls(policy, diag, SLICE(""));
}

/* --- lints ----------------------------------------------------------------------------- */

static bool
same_node(const struct yaml_node *a, const struct yaml_node *b)
{
	if (a == NULL || b == NULL)
		return a == b;
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

/* Proven only: an earlier rule that always decides, or asks the very same. */
static void
lint_shadows(const struct policy *policy, const struct reader *reader,
    const struct rules *rules)
{
	(void)policy;
	for (unsigned i = 1; i < rules->count; i++) {
		for (unsigned j = 0; j < i; j++) {
			const struct rule *early = &rules->items[j];
			const struct rule *late = &rules->items[i];
			if (early->then.goes_on || early->monitor)
				continue;
			if (early->when_node != NULL &&
			    !same_node(early->when_node, late->when_node))
				continue;
			reader_warn(reader, "P101", late->node, NULL,
			    "rule `%.*s` can never fire: `%.*s` (line %u) %s",
			    SLICE_FMT(late->id.name), SLICE_FMT(early->id.name),
			    early->id.line,
			    early->when_node == NULL
				? "matches everything before it"
				: "asks the same before it");
			break;
		}
	}
}

static void
lint_repair(const struct reader *reader, const struct rule *rule)
{
	const struct helo_repair *repair = &rule->then.repair;

	if (rule->then.action != POLICY_REPAIR)
		return;
	for (unsigned i = 0; i < repair->count; i++)
		if (repair->steps[i].step == HELO_STEP_CLIENT_LITERAL ||
		    repair->steps[i].step == HELO_STEP_REPLACE)
			return;
	reader_warn(reader, "P104", rule->node, NULL,
	    "the repairs of rule `%.*s` can end in a name that is still "
	    "invalid, and then refuse it: `client_literal` at the end cannot",
	    SLICE_FMT(rule->id.name));
}

void
policy_lint(const struct policy *policy, struct diag *diag)
{
	const struct reader to = {policy->file, diag};
	const struct reader *reader = &to;

	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++) {
		const struct rules *rules = &policy->rules[stage];
		lint_shadows(policy, reader, rules);
		for (unsigned i = 0; i < rules->count; i++) {
			const struct rule *rule = &rules->items[i];
			lint_repair(reader, rule);
			if (!rule->tested)
				reader_warn(reader, "P103", rule->node, NULL,
				    "rule `%.*s` has no test",
				    SLICE_FMT(rule->id.name));
		}
	}
	for (unsigned i = 0; i < policy->list_count; i++)
		if (!policy->lists[i]->used)
			reader_warn(reader, "P102", policy->lists[i]->node,
			    NULL, "no rule uses the list `%.*s`",
			    SLICE_FMT(policy->lists[i]->name));
}
