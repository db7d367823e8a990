/*
 * `ehlogate check`: every error and warning of a configuration and of
 * policies.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/cli.h"
#include "cli/common.h"
#include "daemon/keys.h"
#include "policy/policy_check.h"

#include <getopt.h>
#include <time.h>

enum {
	OUTPUT_MAX = 64 * 1024 * 1024
};

static const char help[] =
    "usage: ehlogate check [-c FILE] [--format text|json|sarif] [--strict]\n"
    "                      [POLICY...]\n"
    "\n"
    "Reads a configuration with its policies, or policies alone, and prints\n"
    "every error and warning with its place; with neither FILE nor POLICY\n"
    "the configuration " CLI_CONFIG ".\n"
    "\n"
    "  -c, --config FILE  the configuration, with the policies it names\n"
    "  --format FORMAT    text (default), json: an array, or sarif: 2.1.0\n"
    "  --strict           warnings make the exit status 2\n"
    "\n"
    "Exit status: 0 fine, 1 errors, 2 warnings with --strict (or bad usage).\n";

struct request {
	const char *config;
	const char *format;
	bool strict;
};

static void
check_policy(const char *path, struct diag *diag)
{
	unsigned errors = diag_errors(diag);
	unsigned warnings = diag_warnings(diag);
	struct policy *policy = policy_load(path, diag);

	if (policy != NULL) {
		policy_check_alone(policy, diag);
		policy_lint(policy, (uint64_t)time(NULL), diag);
	}
	policy_free(&policy);
	if (diag_errors(diag) == errors)
		fprintf(stderr, "%s: %s\n", path,
		    diag_warnings(diag) == warnings ? "fine"
						    : "fine, with warnings");
}

/* What the loader would say. */
static void
check_keys(const struct config *config, const char *path, struct diag *diag)
{
	struct keys_error error;
	struct keys *keys = NULL;

	if (config == NULL || !keys_are_named(config))
		return;
	keys = keys_load(config, KEYS_NOBODY, 0, &error);
	if (keys == NULL)
		diag_add(diag, DIAG_ERROR, "C061",
		    (struct diag_place){slice_str(path), error.line, 3, 0},
		    SLICE(""), NULL, "%s", error.text);
	keys_free(&keys);
}

static void
check_config(const char *path, struct diag *diag)
{
	unsigned errors = diag_errors(diag);
	struct config *config = config_load(path, diag);

	for (unsigned i = 0; config != NULL && i < config->listener_count; i++)
		policy_lint(
		    config->listeners[i].policy, (uint64_t)time(NULL), diag);
	check_keys(config, path, diag);
	if (diag_errors(diag) == errors)
		fprintf(stderr, "%s: fine, %u listeners\n", path,
		    config->listener_count);
	config_free(&config);
}

/* The last line, for people; standard output is the report's alone. */
static void
count(const struct diag *diag)
{
	unsigned errors = diag_errors(diag), warnings = diag_warnings(diag);

	if (errors + warnings == 0)
		return;
	fprintf(stderr,
	    "%u error%s, %u warning%s; `ehlogate explain-code %s` "
	    "tells more\n",
	    errors, errors == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s",
	    diag_at(diag, 0)->code);
	if (errors + warnings > diag_count(diag))
		fprintf(stderr, "(%u of them are shown)\n", diag_count(diag));
}

static int
finish(const struct request *request, struct diag *diag)
{
	struct buf text;

	buf_init(&text, OUTPUT_MAX);
	diag_settle(diag);
	if (slice_eq(slice_str(request->format), SLICE("json")))
		diag_print_json(diag, &text);
	else if (slice_eq(slice_str(request->format), SLICE("sarif")))
		diag_print_sarif(diag, &text);
	else if (cli_has_colour(stdout))
		diag_print_colour(diag, &text);
	else
		diag_print_text(diag, &text);
	cli_write(stdout, &text);
	fflush(stdout);
	count(diag);
	if (diag_errors(diag) > 0)
		return CLI_ERROR;
	return request->strict && diag_warnings(diag) > 0 ? CLI_USAGE : CLI_OK;
}

static bool
is_format(const char *word)
{
	struct slice format = slice_str(word);

	return slice_eq(format, SLICE("text")) ||
	       slice_eq(format, SLICE("json")) ||
	       slice_eq(format, SLICE("sarif"));
}

int
cli_check(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"format", required_argument, NULL, 'f'},
	    {"strict", no_argument, NULL, 's'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct request request = {NULL, "text", false};
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c')
			request.config = optarg;
		else if (option == 'f')
			request.format = optarg;
		else if (option == 's')
			request.strict = true;
		else if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		else
			return CLI_USAGE;
	}
	if (!is_format(request.format))
		return cli_usage("check", "--format is text, json or sarif");
	if (request.config == NULL && optind == argc)
		request.config = CLI_CONFIG;
	struct diag *diag = diag_new();
	if (request.config != NULL)
		check_config(request.config, diag);
	for (int i = optind; i < argc; i++)
		check_policy(argv[i], diag);
	int status = finish(&request, diag);
	diag_free(&diag);
	return status;
}
