/*
 * `ehlogate explain`: which rule decides, and why not the others.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "policy/policy_check.h"

#include <getopt.h>
#include <stdlib.h>

enum {
	OUTPUT_MAX = 4 * 1024 * 1024
};

static const char help[] =
    "usage: ehlogate explain -p POLICY --client IP [--helo ARG] [--verb V]\n"
    "                        [--server ADDRESS:PORT] [--listener NAME] "
    "[--tls]\n"
    "                        [--fallback] [--json]\n"
    "\n"
    "Tries every rule of the connect stage and, with --helo (C escapes are\n"
    "read: \\001), of the helo stage; shows why each matched or did not, the\n"
    "verdict, and the exact reply or forwarded line.\n"
    "\n"
    "Exit status: 0; 1 when the policy cannot be read; 2 bad usage.\n";

struct request {
	const char *policy;
	struct policy_facts facts;
	struct helo judged;
	bool has_helo, has_client, json;
	char *helo;
};

static const char *
verb_name(const struct policy_facts *facts)
{
	return facts->verb == POLICY_VERB_EHLO ? "EHLO" : "HELO";
}

/* What the client or the server gets to read. */
static void
print_outcome(const struct request *request, enum policy_stage stage,
    const struct policy_verdict *verdict)
{
	char name[1100];
	struct slice forwarded = request->facts.helo;

	printf("  verdict  %s", policy_action_name(verdict->action));
	if (verdict->by_default)
		printf(stage == POLICY_STAGE_HELO ? " (default)"
						  : " (no rule matched)");
	else if (verdict->rule.name.len > 0)
		printf(" by `%.*s`, %.*s:%u", SLICE_FMT(verdict->rule.name),
		    SLICE_FMT(verdict->rule.file), verdict->rule.line);
	printf("\n");
	if (verdict->would != verdict->action)
		printf("  would    %s (monitor mode)\n",
		    policy_action_name(verdict->would));
	if (verdict->reply_len > 0 && verdict->action == verdict->would)
		printf("  reply    %.*s\n", (int)verdict->reply_len,
		    verdict->reply);
	if (stage == POLICY_STAGE_CONNECT || verdict->action == POLICY_REJECT ||
	    verdict->action == POLICY_TEMPFAIL ||
	    verdict->action == POLICY_DROP)
		return;
	if (verdict->action == POLICY_REPAIR ||
	    verdict->action == POLICY_REWRITE)
		forwarded =
		    slice_of(verdict->repaired.name, verdict->repaired.len);
	printf("  forward  %s %s\n", verb_name(&request->facts),
	    log_quote(forwarded, name, sizeof(name)));
}

/* Whether a session gets to the next stage after this verdict. */
static bool
goes_on(const struct policy_verdict *verdict)
{
	return verdict->action == POLICY_ACCEPT;
}

static bool
explain_text(const struct policy *policy, const struct request *request,
    enum policy_stage stage)
{
	struct policy_verdict verdict;
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	policy_explain(policy, stage, &request->facts, false, &verdict, &out);
	printf("%s\n", stage == POLICY_STAGE_CONNECT ? "connect" : "helo");
	fflush(stdout);
	cli_write(stdout, &out);
	print_outcome(request, stage, &verdict);
	if (stage == POLICY_STAGE_CONNECT && request->has_helo &&
	    !goes_on(&verdict))
		printf("helo\n  not asked: connect decides\n");
	return goes_on(&verdict);
}

static bool
explain_json(const struct policy *policy, const struct request *request,
    enum policy_stage stage, struct json *json)
{
	struct policy_verdict verdict;
	struct buf rules;

	buf_init(&rules, OUTPUT_MAX);
	policy_explain(policy, stage, &request->facts, true, &verdict, &rules);
	json_object_open(
	    json, stage == POLICY_STAGE_CONNECT ? "connect" : "helo");
	json_raw(json, "rules", buf_slice(&rules));
	json_str(json, "verdict", policy_action_name(verdict.action));
	json_str(json, "would", policy_action_name(verdict.would));
	json_bool(json, "by_default", verdict.by_default);
	json_bytes(json, "rule", verdict.rule.name);
	json_bytes(json, "reply", slice_of(verdict.reply, verdict.reply_len));
	if (verdict.action == POLICY_REPAIR || verdict.action == POLICY_REWRITE)
		json_bytes(json, "forwarded",
		    slice_of(verdict.repaired.name, verdict.repaired.len));
	json_object_close(json);
	buf_fini(&rules);
	return goes_on(&verdict);
}

static int
explain(struct request *request)
{
	struct diag *diag = diag_new();
	struct policy *policy = policy_load(request->policy, diag);
	struct json json;
	struct buf out;

	if (policy == NULL)
		cli_print_diag(diag);
	diag_free(&diag);
	if (policy == NULL)
		return CLI_ERROR;
	buf_init(&out, OUTPUT_MAX);
	json_init(&json, &out);
	json_object_open(&json, NULL);
	bool more = true;
	for (unsigned at = 0; more && at <= request->has_helo; at++) {
		enum policy_stage stage = (enum policy_stage)at;
		request->facts.judged =
		    stage == POLICY_STAGE_HELO ? &request->judged : NULL;
		more = request->json
			   ? explain_json(policy, request, stage, &json)
			   : explain_text(policy, request, stage);
	}
	json_object_close(&json);
	buf_append(&out, SLICE("\n"));
	if (request->json)
		cli_write(stdout, &out);
	else
		buf_fini(&out);
	policy_free(&policy);
	return CLI_OK;
}

static bool
set_helo(struct request *request, const char *text)
{
	ptrdiff_t len;

	request->helo = malloc(strlen(text) + 1);
	if (request->helo == NULL)
		return false;
	len = slice_unescape(slice_str(text), request->helo);
	if (len == -1)
		return false;
	request->facts.helo = slice_of(request->helo, (size_t)len);
	request->has_helo = true;
	return true;
}

static bool
set_verb(struct request *request, const char *text)
{
	struct slice verb = slice_str(text);

	if (slice_eq_nocase(verb, SLICE("helo")))
		request->facts.verb = POLICY_VERB_HELO;
	return slice_eq_nocase(verb, SLICE("helo")) ||
	       slice_eq_nocase(verb, SLICE("ehlo"));
}

/* One option; NULL, or what is wrong with it. */
static const char *
take(struct request *request, int option, const char *value)
{
	switch (option) {
	case 'p':
		request->policy = value;
		break;
	case 'c':
		request->has_client =
		    addr_parse(slice_str(value), &request->facts.client);
		return request->has_client ? NULL : "--client is an address";
	case 's':
		return endpoint_parse(slice_str(value), &request->facts.server)
			   ? NULL
			   : "--server is ADDRESS:PORT";
	case 'l':
		request->facts.listener = slice_str(value);
		break;
	case 'e':
		return set_helo(request, value) ? NULL : "--helo: bad escape";
	case 'v':
		return set_verb(request, value) ? NULL
						: "--verb is helo or ehlo";
	case 't':
		request->facts.tls = true;
		break;
	case 'f':
		request->facts.fallback = true;
		break;
	case 'j':
		request->json = true;
		break;
	default:
		return "";
	}
	return NULL;
}

int
cli_explain(int argc, char **argv)
{
	static const struct option options[] = {
	    {"policy", required_argument, NULL, 'p'},
	    {"client", required_argument, NULL, 'c'},
	    {"server", required_argument, NULL, 's'},
	    {"listener", required_argument, NULL, 'l'},
	    {"helo", required_argument, NULL, 'e'},
	    {"verb", required_argument, NULL, 'v'},
	    {"tls", no_argument, NULL, 't'},
	    {"fallback", no_argument, NULL, 'f'},
	    {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0}};
	struct request request = {.facts = {.verb = POLICY_VERB_EHLO,
				      .ref = SLICE("0000000000000000")}};
	int option, status;

	endpoint_parse(SLICE("192.0.2.25:25"), &request.facts.server);
	while ((option = getopt_long(argc, argv, "p:h", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		const char *wrong = take(&request, option, optarg);
		if (wrong == NULL)
			continue;
		return *wrong == '\0' ? CLI_USAGE : cli_usage("explain", wrong);
	}
	if (request.policy == NULL || !request.has_client || optind < argc)
		return cli_usage(
		    "explain", "it needs -p POLICY and --client IP");
	helo_analyse(
	    request.facts.helo, &request.facts.client, &request.judged);
	status = explain(&request);
	free(request.helo);
	return status;
}
