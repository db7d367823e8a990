/*
 * The tests that a policy file brings along, and the explanation of a
 * decision.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/json.h"
#include "base/log.h"
#include "policy/policy_check.h"
#include "policy/policy_private.h"

#include <stdio.h>

static const char *const expectations[] = {"accept", "accept_session", "repair",
    "rewrite", "reject", "tempfail", "splice", "drop"};

/* --- reading ------------------------------------------------------------------------ */

static bool
read_text(const struct reader *reader, const struct yaml_node *map,
    const char *key, struct slice *out)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL)
		return false;
	if (node->kind != YAML_SCALAR) {
		reader_error(
		    reader, "P070", node, NULL, "`%s` takes one value", key);
		return false;
	}
	*out = node->text;
	return true;
}

static void
read_addresses(const struct reader *reader, const struct yaml_node *map,
    struct policy_test *out)
{
	struct slice text;

	addr_parse(SLICE("192.0.2.1"), &out->client);
	endpoint_parse(SLICE("192.0.2.25:25"), &out->server);
	if (read_text(reader, map, "client", &text) &&
	    !addr_parse(text, &out->client))
		reader_error(reader, "P071", yaml_get(map, "client"), NULL,
		    "`client` must be an address");
	if (read_text(reader, map, "server", &text) &&
	    !endpoint_parse(text, &out->server))
		reader_error(reader, "P071", yaml_get(map, "server"), NULL,
		    "`server` must be ADDRESS:PORT");
}

static void
check_rule_name(struct policy *policy, const struct reader *reader,
    const struct yaml_node *map, struct slice name)
{
	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++) {
		struct rules *rules = &policy->rules[stage];
		for (unsigned i = 0; i < rules->count; i++) {
			if (!slice_eq(rules->items[i].id.name, name))
				continue;
			rules->items[i].tested = true;
			return;
		}
	}
	reader_error(reader, "P072", yaml_get(map, "rule"), NULL,
	    "there is no rule `%.*s`", SLICE_FMT(slice_head(name, 64)));
}

static void
read_words(const struct reader *reader, const struct yaml_node *map,
    struct policy_test *out)
{
	static const char *const verbs[] = {"helo", "ehlo"};
	static const char *const stages[] = {"connect", "helo"};
	const struct yaml_node *verb = yaml_get(map, "verb");
	const struct yaml_node *stage = yaml_get(map, "stage");
	const struct yaml_node *expect = yaml_get(map, "expect");

	out->verb = POLICY_VERB_EHLO;
	if (verb != NULL && reader_word(reader, verb, "`verb`", verbs, 2) == 0)
		out->verb = POLICY_VERB_HELO;
	if (stage != NULL)
		out->stage =
		    reader_word(reader, stage, "`stage`", stages, 2) == 0
			? POLICY_STAGE_CONNECT
			: POLICY_STAGE_HELO;
	if (expect == NULL)
		reader_error(
		    reader, "P073", map, NULL, "a test needs `expect`");
	else
		out->expect =
		    reader_word(reader, expect, "`expect`", expectations, 8);
}

static void
read_test(struct policy *policy, const struct reader *reader,
    const struct yaml_node *map, struct policy_test *out)
{
	if (reader_map(reader, map, "a test") == NULL)
		return;
	reader_check_keys(reader, map, SECTION_TEST, "a test");
	out->node = map;
	out->stage = yaml_get(map, "helo") == NULL ? POLICY_STAGE_CONNECT
						   : POLICY_STAGE_HELO;
	read_addresses(reader, map, out);
	read_words(reader, map, out);
	read_text(reader, map, "listener", &out->listener);
	read_text(reader, map, "helo", &out->helo);
	out->has_as = read_text(reader, map, "as", &out->as);
	out->has_reply = read_text(reader, map, "reply", &out->reply);
	if (read_text(reader, map, "rule", &out->rule))
		check_rule_name(policy, reader, map, out->rule);
	if (yaml_get(map, "tls") != NULL)
		reader_bool(reader, yaml_get(map, "tls"), "`tls`", &out->tls);
	if (yaml_get(map, "fallback") != NULL)
		reader_bool(reader, yaml_get(map, "fallback"), "`fallback`",
		    &out->fallback);
}

void
policy_read_tests(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	if (node->kind != YAML_LIST) {
		reader_error(
		    reader, "P074", node, NULL, "`tests` takes a list of maps");
		return;
	}
	policy->tests = policy_alloc(node->count, sizeof(struct policy_test));
	for (unsigned i = 0; i < node->count; i++)
		read_test(policy, reader, node->items[i],
		    &policy->tests[policy->test_count++]);
}

/* --- running ------------------------------------------------------------------------- */

unsigned
policy_test_count(const struct policy *policy)
{
	return policy->test_count;
}

static bool
differ(
    struct buf *out, const char *what, struct slice got, struct slice expected)
{
	buf_printf(out, "%s is `%.*s`, expected `%.*s`\n", what,
	    SLICE_FMT(slice_head(got, 200)),
	    SLICE_FMT(slice_head(expected, 200)));
	return false;
}

/* What goes on to the server under this verdict. */
static struct slice
forwarded(const struct policy_test *test, const struct policy_verdict *verdict)
{
	if (verdict->action == POLICY_REPAIR ||
	    verdict->action == POLICY_REWRITE)
		return slice_of(verdict->repaired.name, verdict->repaired.len);
	return test->helo;
}

static bool
agrees(const struct policy_test *test, const struct policy_verdict *verdict,
    struct buf *out)
{
	struct slice reply = slice_of(verdict->reply, verdict->reply_len);

	/* Under monitor what would have been is what the test is about. */
	if ((int)verdict->would != test->expect)
		return differ(out, "the verdict",
		    slice_str(policy_action_name(verdict->would)),
		    slice_str(expectations[test->expect]));
	if (!slice_eq(verdict->would_rule.name, test->rule))
		return differ(
		    out, "the rule", verdict->would_rule.name, test->rule);
	if (test->has_as && !slice_eq(forwarded(test, verdict), test->as))
		return differ(
		    out, "the name", forwarded(test, verdict), test->as);
	if (test->has_reply &&
	    !slice_eq(slice_head(reply, test->reply.len), test->reply))
		return differ(out, "the reply", reply, test->reply);
	return true;
}

bool
policy_test_run(const struct policy *policy, unsigned i, struct buf *out)
{
	const struct policy_test *test = &policy->tests[i];
	struct policy_facts facts = {.client = test->client,
	    .server = test->server,
	    .listener = test->listener,
	    .tls = test->tls,
	    .verb = test->verb,
	    .helo = test->helo,
	    .fallback = test->fallback,
	    .ref = SLICE("0000000000000000")};
	struct policy_verdict verdict;
	struct helo judged;
	size_t mark = buf_len(out);

	helo_analyse(test->helo, &test->client, &judged);
	if (test->stage == POLICY_STAGE_HELO)
		facts.judged = &judged;
	policy_decide(policy, test->stage, &facts, &verdict);
	buf_printf(out, "%.*s:%u: ", SLICE_FMT(yaml_name(policy->file)),
	    test->node->place.line);
	if (!agrees(test, &verdict, out))
		return false;
	buf_truncate(out, mark);
	return true;
}

/* --- explain ---------------------------------------------------------------------------- */

struct explanation {
	const struct policy_facts *facts;
	struct json *json; /* NULL: text */
	struct buf *out;
};

static void
explain_text(const struct explanation *to, const struct rule *rule,
    bool matched, const struct condition *failed)
{
	char shown[300];
	struct buf value;

	buf_printf(to->out, "  %-24.*s line %-4u ",
	    SLICE_FMT(slice_head(rule->id.name, 64)), rule->id.line);
	if (matched) {
		buf_printf(to->out, "MATCH  %s%s\n",
		    rule->then.goes_on ? "continue"
				       : policy_action_name(rule->then.action),
		    rule->monitor ? " (monitor: logged only)" : "");
		return;
	}
	if (failed == NULL) {
		buf_append_str(to->out, "no     nothing under `any` holds\n");
		return;
	}
	buf_init(&value, 1024);
	policy_show_fact(failed->fact, to->facts, &value);
	log_quote(buf_slice(&value), shown, sizeof(shown));
	buf_fini(&value);
	buf_printf(to->out, "no     %s is %s%s\n", fact_name(failed->fact),
	    shown, failed->negated ? ", which `not` excludes" : "");
}

static void
explain_json(const struct explanation *to, const struct rule *rule,
    bool matched, const struct condition *failed)
{
	struct buf value;

	json_object_open(to->json, NULL);
	json_bytes(to->json, "rule", rule->id.name);
	json_u64(to->json, "line", rule->id.line);
	json_bool(to->json, "matched", matched);
	if (!matched && failed != NULL) {
		buf_init(&value, 1024);
		policy_show_fact(failed->fact, to->facts, &value);
		json_str(to->json, "failed", fact_name(failed->fact));
		json_bytes(to->json, "value", buf_slice(&value));
		buf_fini(&value);
	}
	json_object_close(to->json);
}

static void
on_rule(const struct rule *rule, bool matched, const struct condition *failed,
    void *arg)
{
	const struct explanation *to = arg;

	if (to->json != NULL)
		explain_json(to, rule, matched, failed);
	else
		explain_text(to, rule, matched, failed);
}

void
policy_explain(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, bool as_json,
    struct policy_verdict *verdict, struct buf *out)
{
	struct json json;
	struct explanation to = {facts, as_json ? &json : NULL, out};

	json_init(&json, out);
	if (as_json)
		json_array_open(&json, NULL);
	policy_decide_traced(policy, stage, facts, verdict, on_rule, &to);
	if (as_json)
		json_array_close(&json);
}
