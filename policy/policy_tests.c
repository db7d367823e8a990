/*
 * The tests that a policy file brings along.
 *
 * SPDX-License-Identifier: MIT
 */
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

bool
policy_note_tested(struct policy *policy, struct slice name)
{
	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++) {
		struct rules *rules = &policy->rules[stage];
		for (unsigned i = 0; i < rules->count; i++) {
			if (!slice_eq(rules->items[i].id.name, name))
				continue;
			rules->items[i].tested = true;
			return true;
		}
	}
	return false;
}

/* The stage by the keys that are there, unless it is said. */
static enum policy_stage
stage_of(const struct reader *reader, const struct yaml_node *map)
{
	static const char *const stages[] = {"connect", "helo", "mail", "rcpt"};
	const struct yaml_node *stage = yaml_get(map, "stage");

	if (stage != NULL) {
		int at = reader_word(reader, stage, "`stage`", stages, 4);
		return at == -1 ? POLICY_STAGE_HELO : (enum policy_stage)at;
	}
	if (yaml_get(map, "rcpt") != NULL)
		return POLICY_STAGE_RCPT;
	if (yaml_get(map, "mail") != NULL)
		return POLICY_STAGE_MAIL;
	return yaml_get(map, "helo") != NULL ? POLICY_STAGE_HELO
					     : POLICY_STAGE_CONNECT;
}

static void
read_words(const struct reader *reader, const struct yaml_node *map,
    struct policy_test *out)
{
	static const char *const verbs[] = {"helo", "ehlo"};
	static const char *const moments[] = {"mail", "rcpt"};
	const struct yaml_node *verb = yaml_get(map, "verb");
	const struct yaml_node *expect = yaml_get(map, "expect");
	const struct yaml_node *at = yaml_get(map, "at");

	out->verb = POLICY_VERB_EHLO;
	if (verb != NULL && reader_word(reader, verb, "`verb`", verbs, 2) == 0)
		out->verb = POLICY_VERB_HELO;
	if (expect == NULL && reader_is_misspelt(map, SECTION_TEST, "expect"))
		;
	else if (expect == NULL)
		reader_error(
		    reader, "P073", map, NULL, "a test needs `expect`");
	else
		out->expect =
		    reader_word(reader, expect, "`expect`", expectations, 8);
	out->at = -1;
	if (at != NULL)
		out->at = reader_word(reader, at, "`at`", moments, 2) == 0
			      ? POLICY_AT_MAIL
			      : POLICY_AT_RCPT;
}

static void
read_rcpt_count(const struct reader *reader, const struct yaml_node *node,
    struct policy_test *out)
{
	uint64_t count;

	if (yaml_u64(node, &count) && count <= UINT32_MAX)
		out->rcpt_count = (unsigned)count;
	else
		reader_error(
		    reader, "P037", node, NULL, "`rcpt_count` takes a number");
}

/* Rules that must have matched and gone on. */
static void
read_continues(struct policy *policy, const struct reader *reader,
    const struct yaml_node *map, struct policy_test *out)
{
	const struct yaml_node *node = yaml_get(map, "continues");
	struct yaml_node *one;
	unsigned count;

	if (node == NULL)
		return;
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "`continues`", &one, &count);
	for (unsigned i = 0; items != NULL && i < count; i++)
		if (!policy_note_tested(policy, items[i]->text))
			reader_error(reader, "P072", items[i], NULL,
			    "there is no rule `%.*s`",
			    SLICE_FMT(slice_head(items[i]->text, 64)));
	if (items != NULL)
		out->continues = node;
}

static void
read_envelope(const struct reader *reader, const struct yaml_node *map,
    struct policy_test *out)
{
	const struct yaml_node *mail = yaml_get(map, "mail");
	const struct yaml_node *size = yaml_get(map, "size");
	const struct yaml_node *auth = yaml_get(map, "auth");
	const struct yaml_node *date = yaml_get(map, "date");
	uint64_t octets;

	if (mail != NULL && !yaml_is_null(mail))
		read_text(reader, map, "mail", &out->mail);
	read_text(reader, map, "rcpt", &out->rcpt);
	out->size = -1;
	if (size != NULL && yaml_size(size, &octets))
		out->size = (int64_t)octets;
	else if (size != NULL)
		reader_error(reader, "P037", size, NULL,
		    "`size` takes a number of octets");
	if (yaml_get(map, "rcpt_count") != NULL)
		read_rcpt_count(reader, yaml_get(map, "rcpt_count"), out);
	if (auth != NULL && !yaml_bool(auth, &out->auth))
		out->auth = read_text(reader, map, "auth", &out->auth_user);
	if (date != NULL && !policy_read_day(date, &out->wall_s))
		reader_error(reader, "P018", date, NULL,
		    "`date` takes a day, YYYY-MM-DD");
}

/* Tried on a lookup that nobody keeps. */
static void
read_given(const struct reader *reader, const struct yaml_node *map,
    struct policy_test *out)
{
	const struct yaml_node *given = yaml_get(map, "given");
	const struct lookup_subject subject = {.client = out->client};
	struct lookup *scratch;

	if (given == NULL || reader_map(reader, given, "`given`") == NULL)
		return;
	scratch = lookup_new(&subject, NULL);
	for (unsigned i = 0; scratch != NULL && i < given->count; i++) {
		const char *wrong =
		    policy_give(scratch, given->keys[i]->text, given->items[i]);
		if (wrong != NULL)
			reader_error(reader, "P075", given->keys[i], NULL,
			    "`%.*s`: %s",
			    SLICE_FMT(slice_head(given->keys[i]->text, 64)),
			    wrong);
	}
	lookup_free(&scratch);
	out->given = given;
}

static void
read_flag(const struct reader *reader, const struct yaml_node *map,
    const char *key, bool *out)
{
	const struct yaml_node *node = yaml_get(map, key);
	char what[32];

	snprintf(what, sizeof(what), "`%s`", key);
	if (node != NULL)
		reader_bool(reader, node, what, out);
}

static void
read_tls(const struct reader *reader, const struct yaml_node *map,
    struct policy_test *out)
{
	struct policy_tls *tls = &out->tls_of;
	const struct {
		const char *key;
		struct slice *text;
	} keys[] = {{"tls_version", &tls->version},
	    {"tls_cipher", &tls->cipher}, {"tls_sni", &tls->sni},
	    {"tls_client_subject", &tls->subject},
	    {"tls_client_fingerprint", &tls->fingerprint}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		out->tls |= read_text(reader, map, keys[i].key, keys[i].text);
}

static void
read_test(struct policy *policy, const struct reader *reader,
    const struct yaml_node *map, struct policy_test *out)
{
	if (reader_map(reader, map, "a test") == NULL)
		return;
	reader_check_keys(reader, map, SECTION_TEST, "a test");
	out->node = map;
	out->stage = stage_of(reader, map);
	read_addresses(reader, map, out);
	read_words(reader, map, out);
	read_envelope(reader, map, out);
	read_text(reader, map, "listener", &out->listener);
	read_text(reader, map, "helo", &out->helo);
	out->has_as = read_text(reader, map, "as", &out->as);
	out->has_reply = read_text(reader, map, "reply", &out->reply);
	if (read_text(reader, map, "rule", &out->rule) &&
	    !policy_note_tested(policy, out->rule))
		reader_error(reader, "P072", yaml_get(map, "rule"), NULL,
		    "there is no rule `%.*s`",
		    SLICE_FMT(slice_head(out->rule, 64)));
	read_continues(policy, reader, map, out);
	read_flag(reader, map, "tls", &out->tls);
	read_tls(reader, map, out);
	read_flag(reader, map, "fallback", &out->fallback);
	read_flag(reader, map, "utf8", &out->utf8);
	read_given(reader, map, out);
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

static const char *
moment_name(int at)
{
	static const char *const names[] = {"at once", "mail", "rcpt"};

	return names[at];
}

static bool
has_continued(const struct policy_verdict *verdict, struct slice name)
{
	for (unsigned i = 0; i < verdict->continued_count; i++)
		if (slice_eq(verdict->continued[i].name, name))
			return true;
	return false;
}

static bool
all_continued(const struct yaml_node *names,
    const struct policy_verdict *verdict, struct buf *out)
{
	unsigned count = names->kind == YAML_LIST ? names->count : 1;

	for (unsigned i = 0; i < count; i++) {
		struct slice name = names->kind == YAML_LIST
					? names->items[i]->text
					: names->text;
		if (has_continued(verdict, name))
			continue;
		buf_printf(out, "the rule `%.*s` did not match on the way\n",
		    SLICE_FMT(name));
		return false;
	}
	return true;
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
	if (test->at != -1 && (int)verdict->at != test->at)
		return differ(out, "the moment",
		    slice_str(moment_name((int)verdict->at)),
		    slice_str(moment_name(test->at)));
	if (test->continues != NULL &&
	    !all_continued(test->continues, verdict, out))
		return false;
	if (test->has_as && !slice_eq(forwarded(test, verdict), test->as))
		return differ(
		    out, "the name", forwarded(test, verdict), test->as);
	if (test->has_reply &&
	    !slice_eq(slice_head(reply, test->reply.len), test->reply))
		return differ(out, "the reply", reply, test->reply);
	return true;
}

/* What DNS says is what is given, and nothing else is known. */
static struct lookup *
lookup_of(const struct policy_test *test, const struct helo *judged)
{
	const struct lookup_subject subject = {.client = test->client,
	    .helo = test->helo,
	    .judged = test->stage == POLICY_STAGE_CONNECT ? NULL : judged};
	struct lookup *lookup = lookup_new(&subject, NULL);

	if (lookup == NULL)
		log_fatal("no memory for a test");
	for (unsigned i = 0; test->given != NULL && i < test->given->count; i++)
		policy_give(
		    lookup, test->given->keys[i]->text, test->given->items[i]);
	return lookup;
}

static bool
run_test(const struct policy *policy, const struct policy_test *test,
    const struct policy_facts *facts, struct buf *out)
{
	struct policy_verdict verdict;
	enum policy_outcome outcome =
	    policy_decide(policy, test->stage, facts, &verdict);

	if (outcome == POLICY_DECIDED)
		return agrees(test, &verdict, out);
	buf_printf(out,
	    "a rule asks for `%s`, which the test does not give: add `given: "
	    "{%s: ...}`\n",
	    verdict.unknown_fact, verdict.unknown_fact);
	return false;
}

bool
policy_test_run(const struct policy *policy, unsigned i, struct buf *out)
{
	const struct policy_test *test = &policy->tests[i];
	struct helo judged;
	size_t mark = buf_len(out);

	helo_analyse(test->helo, &test->client, &judged);
	struct lookup *lookup = lookup_of(test, &judged);
	struct policy_facts facts = {.client = test->client,
	    .server = test->server,
	    .listener = test->listener,
	    .tls = test->tls,
	    .tls_of = test->tls_of,
	    .auth = test->auth,
	    .auth_user = test->auth_user,
	    .verb = test->verb,
	    .helo = test->helo,
	    .judged = test->stage == POLICY_STAGE_CONNECT ? NULL : &judged,
	    .fallback = test->fallback,
	    .mail_from = test->mail,
	    .mail_size = test->size,
	    .mail_utf8 = test->utf8,
	    .rcpt_to = test->rcpt,
	    .rcpt_count = test->rcpt_count,
	    .lookup = lookup,
	    .wall_s = test->wall_s,
	    .ref = SLICE("0000000000000000")};
	buf_printf(out, "%.*s:%u: ", SLICE_FMT(yaml_name(policy->file)),
	    test->node->place.line);
	bool good = run_test(policy, test, &facts, out);
	if (good)
		buf_truncate(out, mark);
	lookup_free(&lookup);
	return good;
}
