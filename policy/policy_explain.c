/*
 * The explanation of a decision: every rule that was tried, and why.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/json.h"
#include "base/log.h"
#include "policy/policy_check.h"
#include "policy/policy_private.h"

struct explanation {
	const struct policy_facts *facts;
	struct json *json; /* NULL: text */
	struct buf *out;
};

/* What stands in the column of the outcome. */
static const char *
word_of(enum truth truth)
{
	static const char *const words[] = {[TRUTH_NO] = "no    ",
	    [TRUTH_YES] = "MATCH ",
	    [TRUTH_TEMPERROR] = "dns   ",
	    [TRUTH_ERROR] = "error ",
	    [TRUTH_UNKNOWN] = "?     ",
	    [TRUTH_PENDING] = "waits "};

	return words[truth];
}

static const char *
remark_of(
    enum truth truth, const struct rule *rule, const struct condition *because)
{
	if (truth == TRUTH_TEMPERROR)
		return rule->tempfails ? ": on_temperror says tempfail"
				       : ": the rule is skipped";
	if (truth == TRUTH_ERROR)
		return ": a pattern needs too many steps";
	return truth == TRUTH_NO && because->negated ? ", which `not` excludes"
						     : "";
}

static void
show_match(const struct explanation *to, const struct rule *rule)
{
	buf_append_str(to->out, rule->then.goes_on
				    ? "continue"
				    : policy_action_name(rule->then.action));
	if (rule->monitor)
		buf_append_str(to->out, " (monitor: logged only)");
	else if (rule->sample < 100)
		buf_printf(to->out, " (on %u%% of the sessions)", rule->sample);
	buf_append_str(to->out, "\n");
}

static void
explain_text(const struct explanation *to, const struct rule *rule,
    enum truth truth, const struct condition *because)
{
	char shown[300];
	struct buf value;

	buf_printf(to->out, "  %-24.*s line %-4u %s ",
	    SLICE_FMT(slice_head(rule->id.name, 64)), rule->id.line,
	    word_of(truth));
	if (truth == TRUTH_YES) {
		show_match(to, rule);
		return;
	}
	if (because == NULL) {
		buf_append_str(to->out, truth == TRUTH_NO
					    ? "nothing under `any` holds\n"
					    : "by what stands under `any`\n");
		return;
	}
	buf_init(&value, 1024);
	policy_show_fact(because->fact, to->facts, &value);
	log_quote(buf_slice(&value), shown, sizeof(shown));
	buf_fini(&value);
	buf_printf(to->out, "%s is %s%s\n", fact_name(because->fact), shown,
	    remark_of(truth, rule, because));
}

static void
explain_json(const struct explanation *to, const struct rule *rule,
    enum truth truth, const struct condition *because)
{
	static const char *const words[] = {
	    "no", "yes", "temperror", "error", "unknown", "pending"};
	struct buf value;

	json_object_open(to->json, NULL);
	json_bytes(to->json, "rule", rule->id.name);
	json_bytes(to->json, "file", rule->id.file);
	json_u64(to->json, "line", rule->id.line);
	json_bool(to->json, "matched", truth == TRUTH_YES);
	if (truth > TRUTH_YES)
		json_str(to->json, "undecided", words[truth]);
	if (truth != TRUTH_YES && because != NULL) {
		buf_init(&value, 1024);
		policy_show_fact(because->fact, to->facts, &value);
		json_str(to->json, "failed", fact_name(because->fact));
		json_bytes(to->json, "value", buf_slice(&value));
		buf_fini(&value);
	}
	json_object_close(to->json);
}

static void
on_rule(const struct rule *rule, enum truth truth,
    const struct condition *because, void *arg)
{
	const struct explanation *to = arg;

	if (to->json != NULL)
		explain_json(to, rule, truth, because);
	else
		explain_text(to, rule, truth, because);
}

enum policy_outcome
policy_explain(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, bool as_json,
    struct policy_verdict *verdict, struct buf *out)
{
	struct json json;
	struct explanation to = {facts, as_json ? &json : NULL, out};
	enum policy_outcome outcome;

	json_init(&json, out);
	if (as_json)
		json_array_open(&json, NULL);
	outcome =
	    policy_decide_traced(policy, stage, facts, verdict, on_rule, &to);
	if (as_json)
		json_array_close(&json);
	return outcome;
}
