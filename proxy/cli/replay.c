/*
 * `ehlogate replay`: yesterday's log against another policy.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/replay.h"

#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "cli/logs.h"

#include <getopt.h>
#include <inttypes.h>
#include <time.h>

enum {
	OUTPUT_MAX = 16 * 1024 * 1024,
	NAME_SHOWN = 200
};

static const char help[] =
    "usage: ehlogate replay -p NEW [--all-witnesses] [--json] LOG...\n"
    "\n"
    "Judges every session of the logs (`-`: standard input) by another "
    "policy and\n"
    "shows only the verdicts that change, grouped by rule, with a few "
    "witnesses\n"
    "each: reference, client, name.  The old verdict is the recorded one; "
    "where it\n"
    "was recorded under monitor mode, its `would`.  A changed verdict is "
    "another\n"
    "action, or another name that goes on; a changed reply text is none.  "
    "What the\n"
    "record lacks and the new policy asks for is `unknown`.  What the new "
    "policy\n"
    "would have ended is not judged further.\n"
    "\n"
    "  --all-witnesses  a line for every change, as it is met\n"
    "  --json           a line per changed session, then one `summary`\n"
    "\n"
    "Exit status: 0 nothing changes; 3 something does, or is unknown; 1 a "
    "policy\nor a log cannot be read, or a line is no JSON; 2 bad usage.\n";

struct request {
	const char *policy;
	bool json, all_witnesses;
};

/* --- a session ------------------------------------------------------------------- */

static void
print_witness(const struct log_session *session, const struct change *change)
{
	char text[NAME_SHOWN];

	printf("%s", log_quote(session->ref, text, sizeof(text)));
	printf("  %s", log_quote(session->src_ip, text, sizeof(text)));
	printf("  %s  ", log_quote(change->name, text, sizeof(text)));
	change_print(change, stdout);
	if (change->forwarded_len > 0)
		printf(", %s", log_quote(slice_of(change->forwarded,
					     change->forwarded_len),
				   text, sizeof(text)));
	if (change->reply_len > 0)
		printf(", %.*s", (int)change->reply_len, change->reply);
	putchar('\n');
}

static void
put_rule(struct json *json, struct slice rule)
{
	if (rule.len == 0)
		json_null(json, "rule");
	else
		json_bytes(json, "rule", rule);
}

static void
put_new(struct json *json, const struct change *change)
{
	json_object_open(json, "new");
	json_str(json, "verdict", change->verdict);
	put_rule(json, change->rule.name);
	if (change->rule.name.len > 0) {
		json_bytes(json, "rule_file", change->rule.file);
		json_u64(json, "rule_line", change->rule.line);
	}
	if (change->forwarded_len > 0)
		json_bytes(json, "forwarded",
		    slice_of(change->forwarded, change->forwarded_len));
	if (change->reply_len > 0)
		json_bytes(
		    json, "reply", slice_of(change->reply, change->reply_len));
	json_object_close(json);
}

static void
put_change(struct json *json, const struct change *change)
{
	json_object_open(json, NULL);
	json_str(json, "stage", replay_stage_name(change->stage));
	if (change->stage != POLICY_STAGE_CONNECT) {
		json_u64(json, "index", change->index);
		if (change->stage == POLICY_STAGE_RCPT)
			json_u64(json, "rcpt", change->rcpt);
		json_bytes(json, "name", change->name);
	}
	json_object_open(json, "old");
	json_bytes(json, "verdict", change->old_verdict);
	put_rule(json, change->old_rule);
	json_object_close(json);
	if (change->unknown != NULL)
		json_str(json, "unknown", change->unknown);
	else
		put_new(json, change);
	json_object_close(json);
}

static void
print_json(const struct replay *replay, const struct log_session *session)
{
	struct json json;
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	json_init(&json, &out);
	json_object_open(&json, NULL);
	json_bytes(&json, "session", session->ref);
	json_bytes(&json, "client", session->src_ip);
	json_bytes(&json, "server", session->dest_ip);
	json_bytes(&json, "listener", session->listener);
	json_array_open(&json, "changes");
	for (unsigned i = 0; i < replay->change_count; i++)
		put_change(&json, &replay->changes[i]);
	json_array_close(&json);
	json_object_close(&json);
	if (json_failed(&json))
		buf_clear(&out);
	else
		buf_append(&out, SLICE("\n"));
	cli_write(stdout, &out);
}

static void
tell(const struct request *request, const struct replay *replay,
    const struct log_session *session, struct groups *groups)
{
	for (unsigned i = 0; i < replay->change_count; i++) {
		groups_add(groups, session, &replay->changes[i]);
		if (request->all_witnesses && !request->json)
			print_witness(session, &replay->changes[i]);
	}
	if (request->json && replay->change_count > 0)
		print_json(replay, session);
}

/* --- all of them ----------------------------------------------------------------- */

static void
print_summary(const struct replay *replay, const struct logs *logs)
{
	printf("%" PRIu64 " sessions, %" PRIu64 " verdicts: %" PRIu64
	       " verdicts change in %" PRIu64 " sessions, %" PRIu64
	       " in %" PRIu64 " cannot be told\n",
	    logs->sessions, replay->verdicts, replay->changed,
	    replay->changed_sessions, replay->unknown,
	    replay->unknown_sessions);
	if (replay->monitored > 0)
		printf("%" PRIu64 " verdicts were recorded under monitor mode: "
		       "what would have been is compared\n",
		    replay->monitored);
	if (replay->unlisted > 0)
		printf("%" PRIu64 " greetings or recipients are not listed in "
		       "their records, and not judged\n",
		    replay->unlisted);
	if (replay->uninspected > 0)
		printf("%" PRIu64 " sessions were not seen to their end (TLS "
		       "passed on, or splice)\n",
		    replay->uninspected);
}

static void
put_summary(const struct replay *replay, const struct logs *logs,
    const struct groups *groups)
{
	struct json json;
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	json_init(&json, &out);
	json_object_open(&json, NULL);
	json_object_open(&json, "summary");
	json_u64(&json, "sessions", logs->sessions);
	json_u64(&json, "verdicts", replay->verdicts);
	json_u64(&json, "changed_sessions", replay->changed_sessions);
	json_u64(&json, "changed_verdicts", replay->changed);
	json_u64(&json, "unknown_sessions", replay->unknown_sessions);
	json_u64(&json, "unknown_verdicts", replay->unknown);
	json_u64(&json, "monitored_verdicts", replay->monitored);
	json_u64(&json, "unlisted", replay->unlisted);
	json_u64(&json, "uninspected_sessions", replay->uninspected);
	json_u64(&json, "other_lines", logs->others);
	json_u64(&json, "bad_lines", logs->bad);
	json_array_open(&json, "groups");
	groups_json(groups, &json);
	json_array_close(&json);
	json_object_close(&json);
	json_object_close(&json);
	buf_append(&out, SLICE("\n"));
	cli_write(stdout, &out);
}

static int
run(const struct request *request, struct replay *replay, struct logs *logs)
{
	struct groups *groups = groups_new();
	struct log_session session;

	while (logs_next(logs, &session)) {
		replay_session(replay, &session);
		tell(request, replay, &session, groups);
	}
	groups_sort(groups);
	if (request->json) {
		put_summary(replay, logs, groups);
	} else {
		if (request->all_witnesses &&
		    replay->changed + replay->unknown > 0)
			putchar('\n');
		print_summary(replay, logs);
		groups_print(groups, stdout);
	}
	groups_free(&groups);
	bool well = logs_finish(logs);
	if (fflush(stdout) != 0 || !well)
		return CLI_ERROR;
	return replay->changed + replay->unknown > 0 ? CLI_CHANGED : CLI_OK;
}

static int
start(const struct request *request, char **paths, int count)
{
	struct replay replay = {.wall_s = (uint64_t)time(NULL)};
	struct policy *policy = cli_load_policy(request->policy);
	struct logs logs;

	if (policy == NULL)
		return CLI_ERROR;
	replay.policy = policy;
	logs_init(&logs, "replay", paths, count);
	int status = run(request, &replay, &logs);
	logs_fini(&logs);
	replay_fini(&replay);
	policy_free(&policy);
	return status;
}

int
cli_replay(int argc, char **argv)
{
	static const struct option options[] = {
	    {"policy", required_argument, NULL, 'p'},
	    {"json", no_argument, NULL, 'j'},
	    {"all-witnesses", no_argument, NULL, 'a'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct request request = {.policy = NULL};
	int option;

	while ((option = getopt_long(argc, argv, "p:h", options, NULL)) != -1) {
		if (option == 'p')
			request.policy = optarg;
		else if (option == 'j')
			request.json = true;
		else if (option == 'a')
			request.all_witnesses = true;
		else if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		else
			return CLI_USAGE;
	}
	if (request.policy == NULL || optind == argc)
		return cli_usage("replay", "it needs -p POLICY and a log");
	return start(&request, argv + optind, argc - optind);
}
