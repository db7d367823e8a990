/*
 * The verdicts of a fake conversation.  See session_decide.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/session_decide.h"

#include "base/log.h"
#include "policy/policy_check.h"

#include <stdio.h>

enum {
	ZONES_MAX = 64
};

const char *
decider_give(struct decider *decider, const char *text)
{
	const char *sign = strchr(text, '=');

	if (sign == NULL)
		return "--given is FACT=VALUE";
	if (decider->given_count == GIVEN_MAX)
		return "too many --given";
	struct diag *diag = diag_new();
	struct yaml_file *value =
	    yaml_parse(slice_str(sign + 1), SLICE("--given"), diag);
	diag_free(&diag);
	if (value == NULL)
		return "--given: the value cannot be read";
	struct slice fact = slice_of(text, (size_t)(sign - text));
	decider->given[decider->given_count].fact = fact;
	decider->given[decider->given_count++].value = value;
	struct lookup *lookup = lookup_new(&(struct lookup_subject){0}, NULL);
	if (lookup == NULL)
		log_fatal("no memory");
	const char *wrong = policy_give(lookup, fact, yaml_root(value));
	lookup_free(&lookup);
	return wrong;
}

void
decider_fini(struct decider *decider)
{
	for (unsigned i = 0; i < decider->given_count; i++)
		yaml_file_free(&decider->given[i].value);
}

/* --- DNS ------------------------------------------------------------------------- */

/* Zones that were asked about and are not given. */
struct zones {
	struct {
		enum lookup_zone kind;
		char name[DNS_NAME_MAX + 1];
	} items[ZONES_MAX];
	unsigned count;
};

/* What is missing is a temporary error. */
static struct lookup *
make_lookup(const struct decider *decider, const struct policy_facts *facts,
    uint32_t missing, const struct zones *zones)
{
	static const struct lookup_value temperror = {
	    .state = LOOKUP_TEMPERROR};
	const struct lookup_subject subject = {
	    facts->client, facts->helo, facts->judged};
	struct lookup *lookup = lookup_new(&subject, NULL);

	if (lookup == NULL)
		log_fatal("no memory");
	for (unsigned i = 0; i < decider->given_count; i++)
		policy_give(lookup, decider->given[i].fact,
		    yaml_root(decider->given[i].value));
	for (unsigned i = 0; i < LOOKUP_FACT_COUNT; i++)
		if ((missing & 1u << i) != 0)
			lookup_give(lookup, (enum lookup_fact)i, &temperror);
	for (unsigned i = 0; i < zones->count; i++)
		lookup_give_zone(lookup, zones->items[i].kind,
		    slice_str(zones->items[i].name), &temperror);
	return lookup;
}

/* The bit of the fact that kept the policy from deciding; 0: none of these. */
static uint32_t
fact_bit(const char *name)
{
	for (unsigned i = 0; i < LOOKUP_FACT_COUNT; i++)
		if (slice_eq(slice_str(name),
			slice_str(lookup_fact_name((enum lookup_fact)i))))
			return 1u << i;
	return 0;
}

/* Whether a zone was met that is not among them yet. */
static bool
find_zones(const struct lookup *lookup, struct zones *zones)
{
	const struct lookup_value *value;
	enum lookup_zone kind;
	struct slice name;
	unsigned before = zones->count;

	for (unsigned i = 0; lookup_peek_zone(lookup, i, &kind, &name, &value);
	     i++) {
		if (value->state != LOOKUP_UNKNOWN || zones->count == ZONES_MAX)
			continue;
		zones->items[zones->count].kind = kind;
		snprintf(zones->items[zones->count++].name, DNS_NAME_MAX + 1,
		    "%.*s", SLICE_FMT(name));
	}
	return zones->count > before;
}

static void
tell_missing(
    struct decider *decider, uint32_t missing, const struct zones *zones)
{
	for (unsigned i = 0; i < LOOKUP_FACT_COUNT; i++) {
		const char *name = lookup_fact_name((enum lookup_fact)i);
		if ((missing & ~decider->told & 1u << i) != 0)
			printf("# %s is not known: taken for temperror; "
			       "--given %s=... tells\n",
			    name, name);
	}
	decider->told |= missing;
	if (zones->count > 0 && !decider->told_zones)
		for (unsigned i = 0; i < zones->count; i++)
			printf("# %s of %s is not known: taken for "
			       "temperror\n",
			    zones->items[i].kind == LOOKUP_CLIENT_DNSBL
				? "client.dnsbl"
				: "helo.rhsbl",
			    zones->items[i].name);
	decider->told_zones |= zones->count > 0;
}

/* --- verdicts -------------------------------------------------------------------- */

static void
print_rule(const struct policy_verdict *verdict, enum policy_action action,
    const struct policy_rule_id *rule)
{
	printf("%s", policy_action_name(action));
	if (rule->name.len > 0)
		printf(" by `%.*s`, %.*s:%u", SLICE_FMT(rule->name),
		    SLICE_FMT(rule->file), rule->line);
	else
		printf(verdict->by_default ? " (default, or no rule)" : "");
}

static void
tell_verdict(enum policy_stage stage, const struct policy_verdict *verdict)
{
	static const char *const names[] = {"connect", "helo", "mail", "rcpt"};

	printf("# %s: ", names[stage]);
	print_rule(verdict, verdict->action, &verdict->rule);
	if (verdict->would != verdict->action) {
		printf("; would ");
		print_rule(verdict, verdict->would, &verdict->would_rule);
	}
	if (verdict->delay_ms > 0)
		printf(
		    "; delay %u s, not waited for", verdict->delay_ms / 1000);
	if (verdict->ban_s > 0)
		printf("; ban %u s", verdict->ban_s);
	if (verdict->at != POLICY_AT_ONCE)
		printf("; said at %s",
		    verdict->at == POLICY_AT_MAIL ? "MAIL" : "RCPT");
	for (unsigned i = 0; i < verdict->continued_count; i++)
		printf("; `%.*s` only logs",
		    SLICE_FMT(verdict->continued[i].name));
	printf("\n");
}

enum policy_outcome
decider_decide(void *arg, const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, struct policy_verdict *out)
{
	struct decider *decider = arg;
	struct policy_facts known = *facts;
	struct zones zones = {.count = 0};
	enum policy_outcome outcome;
	uint32_t missing = 0;

	known.wall_s = decider->wall_s;
	for (;;) {
		known.lookup = make_lookup(decider, facts, missing, &zones);
		outcome = policy_decide(policy, stage, &known, out);
		if (outcome == POLICY_DECIDED)
			break;
		uint32_t before = missing;
		missing |= fact_bit(out->unknown_fact);
		if (missing == before && !find_zones(known.lookup, &zones))
			break;
		lookup_free(&known.lookup);
	}
	tell_missing(decider, missing, &zones);
	lookup_free(&known.lookup);
	if (outcome != POLICY_DECIDED)
		log_fatal("the policy depends on `%s`, which cannot be given",
		    out->unknown_fact == NULL ? "DNS" : out->unknown_fact);
	if (decider->verbose &&
	    (stage != POLICY_STAGE_CONNECT || policy_has_stage(policy, stage)))
		tell_verdict(stage, out);
	return outcome;
}
