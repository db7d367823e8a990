/*
 * What a policy means for the listener that uses it.
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
complain_starttls(const struct yaml_file *file, struct diag *diag,
    const struct yaml_node *node, struct slice listener)
{
	bool alone = listener.len == 0;

	yaml_complain(file, diag, alone ? DIAG_WARNING : DIAG_ERROR, "P105",
	    node, NULL,
	    "this changes the name and does not say what becomes of STARTTLS%s"
	    "%.*s%s: inside TLS the client says the old name again; write "
	    "`starttls: uplift`, so that the gate encrypts the server's leg, "
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
			complain_starttls(rules->items[i].file, diag,
			    rules->items[i].node, listener);
	if (changes_name(&policy->otherwise) &&
	    policy->otherwise.starttls == POLICY_STARTTLS_UNSAID)
		complain_starttls(
		    policy->file, diag, policy->default_node, listener);
	if (policy->has_refusal &&
	    policy->refusal.starttls == POLICY_STARTTLS_UNSAID)
		complain_starttls(
		    policy->file, diag, policy->refusal_node, listener);
}

static const char *
blindfold(const struct policy_listener_facts *listener)
{
	return listener->tls_pass ? "`tls: {client: pass}`" : "`tls: {bypass}`";
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
	    "listener `%.*s` requires inspection, and its %s lets a client "
	    "hide the names it says inside TLS from the helo rules of this "
	    "policy",
	    SLICE_FMT(listener->name), blindfold(listener));
}

/* Facts of a stage that comes after STARTTLS. */
static void
warn_hidden(const struct policy *policy, struct diag *diag,
    const struct policy_listener_facts *listener)
{
	for (unsigned stage = POLICY_STAGE_MAIL; stage < POLICY_STAGE_COUNT;
	     stage++) {
		const struct rules *rules = &policy->rules[stage];
		if (rules->count == 0)
			continue;
		yaml_complain(rules->items[0].file, diag, DIAG_WARNING, "P113",
		    rules->items[0].node, NULL,
		    "the rules of `%s` see nothing of a client that uses "
		    "STARTTLS on listener `%.*s`: its %s hides what is said "
		    "inside",
		    policy_stage_name((enum policy_stage)stage),
		    SLICE_FMT(listener->name), blindfold(listener));
	}
}

/* --- facts of TLS -------------------------------------------------------------------- */

/* One of its conditions never holds of a session in the clear.  The facts of TLS
 * stand together in config_keys.h. */
static bool
waits_for_tls(const struct clause *clause)
{
	static const struct policy_facts in_clear;

	for (unsigned i = 0; i < clause->count; i++) {
		const struct condition *condition = &clause->conditions[i];
		if (condition->fact >= FACT_TLS &&
		    condition->fact <= FACT_TLS_FINGERPRINT &&
		    policy_condition_holds(condition, &in_clear) == TRUTH_NO)
			return true;
	}
	return false;
}

static bool
never_fires_in_clear(const struct when *when)
{
	bool any = when->any_count == 0;

	if (waits_for_tls(&when->all))
		return true;
	for (unsigned i = 0; i < when->any_count; i++)
		any |= !waits_for_tls(&when->any[i]);
	return !any;
}

static void
warn_tls_facts(const struct policy *policy, struct diag *diag,
    const struct policy_listener_facts *listener)
{
	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++)
		for (unsigned i = 0; i < policy->rules[stage].count; i++) {
			const struct rule *rule =
			    &policy->rules[stage].items[i];
			if (never_fires_in_clear(&rule->when))
				yaml_complain(rule->file, diag, DIAG_WARNING,
				    "P114", rule->node, NULL,
				    "rule `%.*s` waits for TLS that the gate "
				    "sees, and on listener `%.*s` none ends at "
				    "the gate: it never fires there",
				    SLICE_FMT(rule->id.name),
				    SLICE_FMT(listener->name));
		}
}

void
policy_check_listener(const struct policy *policy,
    const struct policy_listener_facts *listener, struct diag *diag)
{
	if (!listener->tls_ends)
		warn_tls_facts(policy, diag, listener);
	if (!listener->tls_pass && !listener->tls_bypasses)
		return;
	check_starttls(policy, diag, listener->name);
	check_inspection(policy, diag, listener);
	if (!listener->require_inspection)
		warn_hidden(policy, diag, listener);
}

void
policy_check_alone(const struct policy *policy, struct diag *diag)
{
	check_starttls(policy, diag, SLICE(""));
}
