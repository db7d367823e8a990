/*
 * `ehlogate explain`: which rule decides, and why not the others.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "cli/request.h"
#include "policy/policy_check.h"

#include <stdlib.h>

enum {
	OUTPUT_MAX = 4 * 1024 * 1024
};

static const char help[] =
    "usage: ehlogate explain -p POLICY --client IP [--helo ARG] [--verb V]\n"
    "                        [--mail ADDRESS [--size N] [--utf8]] [--rcpt "
    "ADDRESS]\n"
    "                        [--server ADDRESS:PORT] [--listener NAME] "
    "[--tls]\n"
    "                        [--auth USER] [--fallback] [--date "
    "YYYY-MM-DD]\n"
    "                        [--given FACT=VALUE]... [--json]\n"
    "\n"
    "Tries every rule of the connect stage and, with --helo (C escapes are\n"
    "read: \\001), of the helo stage, with --mail and --rcpt of theirs; shows\n"
    "why each matched or did not, the verdict, and the exact reply or "
    "forwarded\nline.\n"
    "\n"
    "DNS is not asked.  --given says what it would answer: a word (--given\n"
    "helo.dns=nxdomain), a name or address, a list "
    "('client.ptr=[a.example]'),\n"
    "`none`, `temperror`; of client.dnsbl and helo.rhsbl a zone that lists.\n"
    "\n"
    "Exit status: 0; 1 when the policy cannot be read; 2 bad usage.\n";

static const char *const stages[] = {"connect", "helo", "mail", "rcpt"};

static bool
is_refusal(enum policy_action action)
{
	return action == POLICY_REJECT || action == POLICY_TEMPFAIL ||
	       action == POLICY_DROP;
}

static bool
is_deferred(const struct policy_verdict *verdict)
{
	return verdict->at != POLICY_AT_ONCE && is_refusal(verdict->action);
}

/* The name that the server gets. */
static struct slice
forwarded_name(
    const struct request *request, const struct policy_verdict *verdict)
{
	if (verdict->action == POLICY_REPAIR ||
	    verdict->action == POLICY_REWRITE || is_deferred(verdict))
		return slice_of(verdict->repaired.name, verdict->repaired.len);
	return request->facts.helo;
}

static void
print_modifiers(const struct policy_verdict *verdict)
{
	if (verdict->at != POLICY_AT_ONCE)
		printf("  said     at %s; until then the server sees a "
		       "stand-in\n",
		    verdict->at == POLICY_AT_MAIL ? "MAIL" : "RCPT");
	if (verdict->delay_ms > 0)
		printf("  delay    %u s\n", verdict->delay_ms / 1000);
	if (verdict->ban_s > 0)
		printf("  ban      %u s\n", verdict->ban_s);
	if (verdict->quiet)
		printf("  quiet    no record\n");
}

/* What the client or the server gets to read. */
static void
print_verdict(const struct request *request, enum policy_stage stage,
    const struct policy_verdict *verdict)
{
	char name[1100];

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
	print_modifiers(verdict);
	if (stage == POLICY_STAGE_HELO &&
	    (!is_refusal(verdict->action) || is_deferred(verdict)))
		printf("  forward  %s %s\n",
		    request->facts.verb == POLICY_VERB_EHLO ? "EHLO" : "HELO",
		    log_quote(
			forwarded_name(request, verdict), name, sizeof(name)));
}

/* Whether a session gets to the next stage after this verdict. */
static bool
goes_on(const struct policy_verdict *verdict)
{
	return verdict->action == POLICY_ACCEPT ||
	       verdict->action == POLICY_REPAIR ||
	       verdict->action == POLICY_REWRITE || is_deferred(verdict);
}

static bool
explain_text(const struct policy *policy, const struct request *request,
    enum policy_stage stage)
{
	struct policy_verdict verdict;
	enum policy_outcome outcome;
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	outcome = policy_explain(
	    policy, stage, &request->facts, false, &verdict, &out);
	printf("%s\n", stages[stage]);
	fflush(stdout);
	cli_write(stdout, &out);
	if (outcome != POLICY_DECIDED) {
		printf("  verdict  unknown: it depends on `%s`, which DNS "
		       "would say; --given %s=... tells\n",
		    verdict.unknown_fact, verdict.unknown_fact);
		return true;
	}
	print_verdict(request, stage, &verdict);
	if (stage < request_stage(request) && !goes_on(&verdict))
		printf("%s\n  not asked: %s decides\n", stages[stage + 1],
		    stages[stage]);
	return goes_on(&verdict);
}

static void
write_verdict(struct json *json, const struct request *request,
    enum policy_stage stage, const struct policy_verdict *verdict)
{
	json_str(json, "verdict", policy_action_name(verdict->action));
	json_str(json, "would", policy_action_name(verdict->would));
	json_bool(json, "by_default", verdict->by_default);
	json_bytes(json, "rule", verdict->rule.name);
	json_bytes(json, "reply", slice_of(verdict->reply, verdict->reply_len));
	if (verdict->at != POLICY_AT_ONCE)
		json_str(json, "at",
		    verdict->at == POLICY_AT_MAIL ? "mail" : "rcpt");
	if (verdict->delay_ms > 0)
		json_u64(json, "delay_ms", verdict->delay_ms);
	if (verdict->ban_s > 0)
		json_u64(json, "ban_s", verdict->ban_s);
	if (verdict->quiet)
		json_bool(json, "quiet", true);
	if (stage == POLICY_STAGE_HELO &&
	    (verdict->action == POLICY_REPAIR ||
		verdict->action == POLICY_REWRITE || is_deferred(verdict)))
		json_bytes(json, "forwarded", forwarded_name(request, verdict));
}

static bool
explain_json(const struct policy *policy, const struct request *request,
    enum policy_stage stage, struct json *json)
{
	struct policy_verdict verdict;
	enum policy_outcome outcome;
	struct buf rules;

	buf_init(&rules, OUTPUT_MAX);
	outcome = policy_explain(
	    policy, stage, &request->facts, true, &verdict, &rules);
	json_object_open(json, stages[stage]);
	json_raw(json, "rules", buf_slice(&rules));
	if (outcome == POLICY_DECIDED) {
		write_verdict(json, request, stage, &verdict);
	} else {
		json_str(json, "verdict", "unknown");
		json_str(json, "unknown_fact", verdict.unknown_fact);
	}
	json_object_close(json);
	buf_fini(&rules);
	return outcome != POLICY_DECIDED || goes_on(&verdict);
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
	for (unsigned at = 0; more && at <= request_stage(request); at++) {
		enum policy_stage stage = (enum policy_stage)at;
		if (stage == POLICY_STAGE_MAIL && !request->has_mail)
			continue;
		request->facts.judged =
		    stage == POLICY_STAGE_CONNECT ? NULL : &request->judged;
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

int
cli_explain(int argc, char **argv)
{
	struct request request;
	int status = request_read(&request, argc, argv, help);

	if (status == -1)
		status = explain(&request);
	request_fini(&request);
	return status;
}
