/* LINKS: policy/ */
/*
 * What `check` proves of rules, against brute force: random policies, decided
 * for every session of a small universe.
 *
 * Where rules ask only about facts of which the universe holds a session of
 * every kind, what is reported is exactly what is so.  Where they ask about
 * names, what is reported is so.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/lookup.h"
#include "policy/policy_check.h"
#include "policy/policy_private.h"
#include "random.h"
#include "temp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
	RULES_MAX = 6,
	RUNS = 400,
	/* Of what is one run elsewhere, each is that many. */
	RUN_WEIGHT = 2500
};

static unsigned
runs(void)
{
	unsigned count = random_runs(RUNS * RUN_WEIGHT) / RUN_WEIGHT;

	return count == 0 ? 1 : count;
}

static const char *const clients[] = {"10.0.0.0", "10.0.0.1", "10.0.0.2",
    "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.9.9.9",
    "192.0.2.1", "2001:db8::1"};
static const unsigned ports[] = {1, 24, 25, 26, 1000};
static const char *const names[] = {"a.example.com", "example.com",
    "example.com.", "b.org", "EXCH_01", "localhost", "[10.0.0.1]", "", "x y"};

enum {
	CLIENTS = sizeof(clients) / sizeof(clients[0]),
	PORTS = sizeof(ports) / sizeof(ports[0]),
	NAMES = sizeof(names) / sizeof(names[0]),
	ANSWERS = 5 /* words of helo.dns */
};

/* --- random policies ---------------------------------------------------------------- */

static const char *
pick(uint64_t *state, const char *const *words, unsigned count)
{
	return words[random_next(state) % count];
}

static void
add_condition(uint64_t *state, bool with_names, struct buf *out)
{
	static const char *const exact[] = {"client: 10.0.0.0/29",
	    "client: 10.0.0.0/30", "client: 10.0.0.4/30",
	    "client: [10.0.0.0/31, 10.0.0.2/31]", "client: 10.0.0.6/31",
	    "client: 10.0.0.0/8", "client: {not: 10.0.0.0/29}",
	    "client: 0.0.0.0/0", "client: \"::/0\"", "client: low",
	    "client: {not: low}", "port: {over: 24}", "port: {up_to: 25}",
	    "port: 25", "port: [24, {over: 25}]", "port: {not: 25}",
	    "helo.verb: helo", "helo.verb: {not: helo}", "tls: true",
	    "tls: [true, false]", "helo.dns: pass", "helo.dns: {not: pass}",
	    "helo.dns: [exists, none, nxdomain]",
	    "helo.dns: {not: [pass, temperror]}",
	    "helo.dns: [nxdomain, temperror]"};
	static const char *const named[] = {"helo: {under: example.com}",
	    "helo: example.com", "helo: {not: {under: com}}", "helo: ours",
	    "helo: {glob: \"*.com\"}", "helo: {glob: \"*\"}",
	    "helo: {regex: \"[a-z.]+\"}", "helo.valid: false",
	    "helo.valid: true", "helo.flaw: underscore",
	    "helo.flaw: {not: [underscore, missing]}",
	    "helo.flaw: [single_label, extra_argument]", "helo.form: domain",
	    "helo.form: {not: [domain, address_literal]}",
	    "helo: {is: localhost}"};

	if (with_names && random_next(state) % 2 == 0)
		buf_append_str(
		    out, pick(state, named, sizeof(named) / sizeof(named[0])));
	else
		buf_append_str(
		    out, pick(state, exact, sizeof(exact) / sizeof(exact[0])));
}

/* Keys must not stand twice: each condition stands in an `any` of its own, or
 * alone. */
static void
add_rule(uint64_t *state, unsigned number, bool with_names, struct buf *out)
{
	static const char *const actions[] = {
	    "reject", "tempfail", "accept", "drop", "reject"};
	static const char *const modes[] = {"", ", mode: monitor"};
	unsigned shape = random_next(state) % 3;

	buf_printf(out, "  - {name: r%u, when: {", number);
	if (shape > 0)
		add_condition(state, with_names, out);
	if (shape == 2)
		buf_append_str(out, ", ");
	if (shape != 1) {
		buf_append_str(out, "any: [{");
		add_condition(state, with_names, out);
		buf_append_str(out, "}, {");
		add_condition(state, with_names, out);
		buf_append_str(out, "}]");
	}
	buf_printf(out, "}, then: %s%s}\n",
	    pick(state, actions, sizeof(actions) / sizeof(actions[0])),
	    modes[random_next(state) % 8 == 0]);
}

static unsigned
write_policy(uint64_t *state, bool with_names, unsigned leave_out, char *path)
{
	unsigned count = 2 + random_next(state) % (RULES_MAX - 1);
	struct buf text;
	FILE *file = fopen(temp_path("random.yaml", path), "w");

	assert_non_null(file);
	buf_init(&text, 65536);
	buf_append_str(&text,
	    "policy: 1\nlists: {low: {address: [10.0.0.0/31, 10.0.0.2/31]}, "
	    "ours: {domain: [example.com]}}\nhelo:\n");
	for (unsigned i = 0; i < count; i++) {
		size_t mark = buf_len(&text);
		add_rule(state, i, with_names, &text);
		if (i == leave_out)
			buf_truncate(&text, mark);
	}
	buf_append_str(&text, "default: accept\n");
	fwrite(buf_slice(&text).ptr, 1, buf_len(&text), file);
	fclose(file);
	buf_fini(&text);
	return count;
}

static struct policy *
load(const char *path, struct diag *diag)
{
	struct policy *policy = policy_load(path, diag);
	struct buf out;

	if (policy == NULL) {
		buf_init(&out, 65536);
		diag_print_text(diag, &out);
		fail_msg("%.*s", SLICE_FMT(buf_slice(&out)));
	}
	return policy;
}

/* --- the universe ------------------------------------------------------------------- */

enum {
	SESSIONS = CLIENTS * PORTS * NAMES * ANSWERS * 4
};

struct session {
	struct policy_facts facts;
	struct helo judged;
	struct lookup *lookup;
};

static struct session *universe;

static void
make_session(struct session *session, unsigned number)
{
	struct policy_facts *facts = &session->facts;
	struct lookup_value value = {.state = LOOKUP_KNOWN};

	*facts = (struct policy_facts){.ref = SLICE("0000000000000000")};
	assert_true(
	    addr_parse(slice_str(clients[number % CLIENTS]), &facts->client));
	number /= CLIENTS;
	facts->server.port = (uint16_t)ports[number % PORTS];
	number /= PORTS;
	facts->helo = slice_str(names[number % NAMES]);
	number /= NAMES;
	value.word = number % ANSWERS;
	if (value.word == ANSWERS - 1)
		value.state = LOOKUP_TEMPERROR;
	number /= ANSWERS;
	facts->tls = (number & 1) != 0;
	facts->verb = (number & 2) != 0 ? POLICY_VERB_EHLO : POLICY_VERB_HELO;
	helo_analyse(facts->helo, &facts->client, &session->judged);
	facts->judged = &session->judged;
	const struct lookup_subject subject = {
	    facts->client, facts->helo, &session->judged};
	session->lookup = lookup_new(&subject, NULL);
	assert_non_null(session->lookup);
	lookup_give(session->lookup, LOOKUP_HELO_DNS, &value);
	facts->lookup = session->lookup;
}

static int
make_universe(void **state)
{
	(void)state;
	universe = calloc(SESSIONS, sizeof(*universe));
	assert_non_null(universe);
	for (unsigned i = 0; i < SESSIONS; i++)
		make_session(&universe[i], i);
	return 0;
}

static int
free_universe(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SESSIONS; i++)
		lookup_free(&universe[i].lookup);
	free(universe);
	temp_remove();
	return 0;
}

/* --- brute force -------------------------------------------------------------------- */

/* What is so of each rule: r[i].  */
struct truth_of_rules {
	bool matches[RULES_MAX + 1]; /* some session */
	bool fires[RULES_MAX + 1];   /* or would, in monitor mode */
};

/* Rules are tried one by one, so that what a later one would match is seen. */
static void
try_all(const struct policy *policy, const struct policy_facts *facts,
    struct truth_of_rules *so)
{
	const struct rules *rules = &policy->rules[POLICY_STAGE_HELO];
	const struct condition *because;
	bool done = false;

	for (unsigned i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->items[i];
		if (policy_matches(&rule->when, facts, &because) != TRUTH_YES)
			continue;
		so->matches[i] = true;
		so->fires[i] |= !done;
		done |= !rule->monitor;
	}
}

static bool
is_reported(const struct diag *diag, const char *code, unsigned number)
{
	char begin[32];

	snprintf(begin, sizeof(begin), "rule `r%u` ", number);
	for (unsigned i = 0; i < diag_count(diag); i++) {
		const struct diag_item *item = diag_at(diag, i);
		if (strcmp(item->code, code) == 0 &&
		    strncmp(item->text, begin, strlen(begin)) == 0)
			return true;
	}
	return false;
}

/* That a rule which makes no difference makes none. */
static void
check_redundant(
    const struct policy *policy, uint64_t seed, bool with_names, unsigned rule)
{
	char path[TEMP_PATH];
	struct policy_verdict one, other;
	struct diag *diag = diag_new();
	struct policy *without;

	write_policy(&seed, with_names, rule, path);
	without = load(path, diag);
	for (unsigned i = 0; i < SESSIONS; i++) {
		policy_decide(
		    policy, POLICY_STAGE_HELO, &universe[i].facts, &one);
		policy_decide(
		    without, POLICY_STAGE_HELO, &universe[i].facts, &other);
		assert_int_equal(one.action, other.action);
		assert_int_equal(one.reply_len, other.reply_len);
		assert_memory_equal(one.reply, other.reply, one.reply_len);
	}
	policy_free(&without);
	diag_free(&diag);
}

static void
check_policy(uint64_t seed, bool with_names, unsigned counts[4])
{
	uint64_t state = seed;
	char path[TEMP_PATH];
	struct truth_of_rules so = {{false}, {false}};
	struct diag *diag = diag_new();
	unsigned rules = write_policy(&state, with_names, UINT32_MAX, path);
	struct policy *policy = load(path, diag);

	policy_lint(policy, 0, diag);
	for (unsigned i = 0; i < SESSIONS; i++)
		try_all(policy, &universe[i].facts, &so);
	for (unsigned i = 0; i < rules; i++) {
		bool never = is_reported(diag, "P109", i);
		bool shadowed = is_reported(diag, "P101", i);
		if ((never && so.matches[i]) || (shadowed && so.fires[i]))
			fail_msg("seed %llu: rule r%u is reported and fires",
			    (unsigned long long)seed, i);
		if (!with_names && !so.fires[i] && !never && !shadowed)
			fail_msg("seed %llu: rule r%u never fires and is not "
				 "reported",
			    (unsigned long long)seed, i);
		counts[0] += !so.matches[i];
		counts[1] += !so.fires[i] && so.matches[i];
		counts[2] += never || shadowed;
		if (!is_reported(diag, "P108", i))
			continue;
		counts[3]++;
		check_redundant(policy, seed, with_names, i);
	}
	policy_free(&policy);
	diag_free(&diag);
}

static void
try_policies(bool with_names, uint64_t seed)
{
	unsigned counts[4] = {0};

	for (unsigned run = 0; run < runs(); run++)
		check_policy(seed + run * 7919, with_names, counts);
	print_message("rules that match nothing %u, that others hide %u; "
		      "reported %u; without a difference %u\n",
	    counts[0], counts[1], counts[2], counts[3]);
	/* A test that sees none of these tests nothing. */
	if (runs() == RUNS)
		assert_true(counts[0] + counts[1] > 0 && counts[2] > 0 &&
			    counts[3] > 0);
}

static void
exact_facts(void **state)
{
	(void)state;
	try_policies(false, 1000001);
}

static void
names_too(void **state)
{
	(void)state;
	try_policies(true, 2000003);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(exact_facts),
	    cmocka_unit_test(names_too),
	};

	return cmocka_run_group_tests(tests, make_universe, free_universe);
}
