/*
 * `ehlogate diff`: what another policy newly refuses or accepts.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/diff.h"

#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "cli/logs.h"
#include "cli/suggest.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
	OUTPUT_MAX = 16 * 1024 * 1024,
	NAME_SHOWN = 400
};

static const char help[] =
    "usage: ehlogate diff [--log LOG]... [--json] OLD NEW\n"
    "\n"
    "Which clients and arguments NEW refuses or accepts where OLD did not, "
    "with a\n"
    "witness each.  It is a search: witnesses are made from both policies' "
    "own\n"
    "values (edges of prefixes, names inside, below and beside lists, every "
    "form and\n"
    "flaw) and judged by both.  That nothing was found is no proof.\n"
    "\n"
    "  --log LOG  also every client with its names from a log (`-`: standard "
    "input)\n"
    "\n"
    "Exit status: 0 no difference found; 3 some; 1 a policy or log cannot be "
    "read;\n2 bad usage.\n";

enum {
	LOGS_MAX = 64
};

struct request {
	bool json;
	char *logs[LOGS_MAX];
	int log_count;
};

static const char *const stages[] = {"connect", "helo", "mail", "rcpt"};

static bool
refuses(enum policy_action action)
{
	return action == POLICY_REJECT || action == POLICY_TEMPFAIL ||
	       action == POLICY_DROP;
}

/* 0 newly refused, 1 newly accepted, 2 something else. */
static unsigned
class_of(const struct found *found)
{
	bool old = refuses(found->old.action), new = refuses(found->new.action);

	return old == new ? 2 : new ? 0 : 1;
}

static const char *const class_names[] = {
    "newly refused", "newly accepted", "otherwise changed"};

static int
by_class(const void *a_p, const void *b_p)
{
	const struct found *a = a_p;
	const struct found *b = b_p;
	int order;

	if (class_of(a) != class_of(b))
		return class_of(a) < class_of(b) ? -1 : 1;
	if (a->stage != b->stage)
		return a->stage < b->stage ? -1 : 1;
	order = slice_cmp(a->old.rule, b->old.rule);
	if (order == 0)
		order = slice_cmp(a->new.rule, b->new.rule);
	if (order == 0)
		order = (int)a->old.action - (int)b->old.action;
	return order == 0 ? (int)a->new.action - (int)b->new.action : order;
}

/* --- text ------------------------------------------------------------------------- */

static void
print_side(const struct side *side, enum policy_stage stage)
{
	printf("%s", policy_action_name(side->action));
	if (side->rule.len > 0)
		printf(" by `%.*s`", SLICE_FMT(side->rule));
	else
		printf(
		    stage == POLICY_STAGE_HELO ? " (default)" : " (no rule)");
}

static void
print_dim_value(const struct dim_value *value)
{
	char text[NAME_SHOWN];

	if (value->text.len > 0 || value->yaml != NULL)
		printf("%s", log_quote(value->text, text, sizeof(text)));
	else
		printf("%" PRIu64, value->number);
}

/* The values that the stage asks about, and are not the usual ones. */
static void
print_dims(const struct search *search, const struct found *found)
{
	for (unsigned id = 0; id < DIM_IDS; id++) {
		const struct dim *dim = &search->universe->dims[id];
		const struct dim_value *value = &dim->values[found->at[id]];
		bool always =
		    dim->used[found->stage] &&
		    (id == DIM_ID_FROM || id == DIM_ID_TO || id >= DIM_ID_PTR);
		if (found->at[id] == 0 && !always)
			continue;
		printf(", %s ", diff_fact((enum dim_id)id));
		if (id == DIM_ID_VERB)
			printf("%s", value->number == 0 ? "ehlo" : "helo");
		else if (id == DIM_ID_TLS || id == DIM_ID_AUTH ||
			 id == DIM_ID_FALLBACK || id == DIM_ID_UTF8)
			printf("%s", value->number == 0 ? "false" : "true");
		else if (id == DIM_ID_FROM && value->text.len == 0)
			printf("null");
		else
			print_dim_value(value);
	}
}

static void
print_found(const struct search *search, const struct found *found)
{
	char client[ADDR_TEXT], name[NAME_SHOWN];

	printf("  %s: ", stages[found->stage]);
	print_side(&found->old, found->stage);
	printf(" -> ");
	print_side(&found->new, found->stage);
	printf("\n    client %s", addr_format(&found->client, client));
	if (found->stage != POLICY_STAGE_CONNECT)
		printf(", helo \"%s\"",
		    log_quote(slice_of(found->name, found->name_len), name,
			sizeof(name)));
	print_dims(search, found);
	for (unsigned i = 0; i < 2 && found->forwarded[0].len > 0; i++)
		printf("%s%s", i == 0 ? ": as " : " -> as ",
		    log_quote(slice_of(found->forwarded[i].text,
				  found->forwarded[i].len),
			name, sizeof(name)));
	printf("\n");
}

static void
print_text(const struct search *search)
{
	const struct universe *universe = search->universe;
	unsigned last = 3;

	for (unsigned i = 0; i < search->found_count; i++) {
		const struct found *found = &search->found[i];
		if (class_of(found) != last)
			printf("%s%s\n", i == 0 ? "" : "\n",
			    class_names[class_of(found)]);
		last = class_of(found);
		print_found(search, found);
	}
	printf("%s%" PRIu64 " witnesses (%u kinds of clients, %u of names): ",
	    search->found_count == 0 ? "" : "\n", search->tried,
	    classes_count(universe->clients), classes_count(universe->names));
	if (search->found_count == 0)
		printf("no difference found.  ");
	else
		printf("%u differences.  ", search->found_count);
	printf("This is a search, no proof.\n");
	if (universe->has_regex)
		printf("No names are made for {regex: ...}: those of the "
		       "policies' tests stand for them.\n");
	if (universe->full || search->partial)
		printf("Not all values, or not all combinations of them, were "
		       "tried.\n");
	for (unsigned i = 0; i < POLICY_STAGE_COUNT; i++)
		if (search->unreached[i])
			printf("No witness comes to the %s stage under both: "
			       "it was judged as if some did.\n",
			    stages[i]);
	if (search->undecided > 0)
		printf("%" PRIu64 " witnesses could not be judged.\n",
		    search->undecided);
}

static void
print_modes(const struct search *search)
{
	static const char *const names[] = {"OLD", "NEW"};

	for (unsigned i = 0; i < 2; i++)
		if (policy_is_monitor(search->policies[i]))
			printf("%s is in monitor mode: what would be is "
			       "compared.\n",
			    names[i]);
}

/* --- JSON ------------------------------------------------------------------------- */

static void
put_side(struct json *json, const char *key, const struct found *found,
    unsigned which)
{
	const struct side *side = which == 0 ? &found->old : &found->new;

	json_object_open(json, key);
	json_str(json, "verdict", policy_action_name(side->action));
	if (side->rule.len > 0)
		json_bytes(json, "rule", side->rule);
	else
		json_null(json, "rule");
	if (found->forwarded[which].len > 0)
		json_bytes(json, "forwarded",
		    slice_of(found->forwarded[which].text,
			found->forwarded[which].len));
	json_object_close(json);
}

static void
put_found(
    struct json *json, const struct search *search, const struct found *found)
{
	static const char *const classes[] = {"refused", "accepted", "changed"};
	char client[ADDR_TEXT];

	json_object_open(json, NULL);
	json_str(json, "newly", classes[class_of(found)]);
	json_str(json, "stage", stages[found->stage]);
	put_side(json, "old", found, 0);
	put_side(json, "new", found, 1);
	json_u64(json, "witnesses", found->count);
	json_object_open(json, "witness");
	json_str(json, "client", addr_format(&found->client, client));
	if (found->stage != POLICY_STAGE_CONNECT)
		json_bytes(
		    json, "helo", slice_of(found->name, found->name_len));
	for (unsigned id = 0; id < DIM_IDS; id++) {
		const struct dim *dim = &search->universe->dims[id];
		const struct dim_value *value = &dim->values[found->at[id]];
		if (!dim->used[found->stage] && found->at[id] == 0)
			continue;
		if (dim->count > 0 &&
		    (value->text.len > 0 || value->yaml != NULL ||
			id == DIM_ID_FROM))
			json_bytes(
			    json, diff_fact((enum dim_id)id), value->text);
		else if (dim->count > 0)
			json_u64(
			    json, diff_fact((enum dim_id)id), value->number);
	}
	json_object_close(json);
	json_object_close(json);
}

static void
print_json(const struct search *search)
{
	struct json json;
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	json_init(&json, &out);
	json_object_open(&json, NULL);
	json_array_open(&json, "differences");
	for (unsigned i = 0; i < search->found_count; i++)
		put_found(&json, search, &search->found[i]);
	json_array_close(&json);
	json_u64(&json, "witnesses", search->tried);
	json_u64(&json, "undecided", search->undecided);
	json_bool(&json, "partial", search->partial || search->universe->full);
	json_bool(&json, "regex", search->universe->has_regex);
	json_bool(&json, "proof", false);
	json_object_close(&json);
	buf_append(&out, SLICE("\n"));
	cli_write(stdout, &out);
}

/* --- the command ------------------------------------------------------------------ */

/* Clients and names that were seen. */
static bool
add_logs(struct search *search, const struct request *request)
{
	char *paths[LOGS_MAX];
	struct log_session session;
	struct pairs pairs;
	struct logs logs;

	memcpy(paths, request->logs, sizeof(paths));
	pairs_init(&pairs);
	logs_init(&logs, "diff", paths, request->log_count);
	while (logs_next(&logs, &session))
		pairs_add(&pairs, &session);
	pairs_sort(&pairs);
	for (unsigned i = 0; i < pairs.count; i++)
		search_pair(
		    search, &pairs.items[i].client, pairs.items[i].name);
	search->partial |= pairs.lost > 0;
	pairs_fini(&pairs);
	logs_fini(&logs);
	return logs_finish(&logs);
}

static int
run(const struct request *request, const char *const paths[2],
    struct policy *policies[2])
{
	static struct universe universe;
	struct search search = {
	    .policies = {policies[0], policies[1]}, .universe = &universe};
	bool well = universe_init(&universe, paths);

	search_run(&search);
	if (request->log_count > 0)
		well &= add_logs(&search, request);
	if (search.found_count > 0)
		qsort(search.found, search.found_count, sizeof(struct found),
		    by_class);
	if (request->json) {
		print_json(&search);
	} else {
		print_modes(&search);
		print_text(&search);
	}
	int status = search.found_count > 0 ? CLI_CHANGED : CLI_OK;
	search_fini(&search);
	universe_fini(&universe);
	return fflush(stdout) == 0 && well ? status : CLI_ERROR;
}

int
cli_diff(int argc, char **argv)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'},
	    {"log", required_argument, NULL, 'l'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct request request = {.json = false};
	struct policy *policies[2] = {NULL, NULL};
	int option, status = CLI_ERROR;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'j')
			request.json = true;
		else if (option == 'l' && request.log_count < LOGS_MAX)
			request.logs[request.log_count++] = optarg;
		else if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		else
			return CLI_USAGE;
	}
	if (argc - optind != 2)
		return cli_usage("diff", "it needs two policies, OLD and NEW");
	const char *const paths[2] = {argv[optind], argv[optind + 1]};
	for (unsigned i = 0; i < 2; i++)
		policies[i] = cli_load_policy(paths[i]);
	if (policies[0] != NULL && policies[1] != NULL)
		status = run(&request, paths, policies);
	policy_free(&policies[0]);
	policy_free(&policies[1]);
	return status;
}
