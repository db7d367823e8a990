/*
 * The table of sub-commands, and nothing else.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/slice.h"
#include "cli/cli.h"

#include <stdio.h>

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* NULL: not built yet */
	const char *summary;
};

static const struct command commands[] = {
    {"run", cli_run, "-c FILE: the daemon, in the foreground"},
    {"check", cli_check, "[-c FILE] [POLICY...]: all errors and warnings"},
    {"helo", cli_helo, "ARG... | -: judge HELO arguments alone"},
    {"explain", cli_explain, "-p POLICY --client IP --helo ARG: which rule"},
    {"explain-code", cli_explain_code, "CODE... | --list: what a code means"},
    {"test", cli_test, "POLICY...: run the tests in the files"},
    {"nft", cli_nft, "print | apply | check | remove: the ruleset"},
    {"doctor", cli_doctor, "[-c FILE]: what of this host is in the way"},
    {"session", cli_session, "-p POLICY --client IP: a fake conversation"},
    {"replay", cli_replay, "-p NEW LOG...: what another policy changes"},
    {"diff", cli_diff, "OLD NEW: what is newly refused or accepted"},
    {"suggest", cli_suggest, "LOG...: who greets how, and rules for it"},
    {"report", NULL, ""},
    {"log", NULL, ""},
    {"status", NULL, ""},
    {"top", NULL, ""},
    {"sessions", NULL, ""},
    {"kill", NULL, ""},
    {"trace", NULL, ""},
    {"rules", NULL, ""},
    {"bans", NULL, ""},
    {"ban", NULL, ""},
    {"unban", NULL, ""},
    {"bypass", NULL, ""},
    {"panic", NULL, ""},
    {"reload", NULL, ""},
    {"drain", NULL, ""},
    {"health", NULL, ""},
};

enum {
	COMMANDS = sizeof(commands) / sizeof(commands[0])
};

static int
usage(FILE *to)
{
	fprintf(to, "usage: ehlogate COMMAND [ARGUMENT...]\n\n");
	for (unsigned i = 0; i < COMMANDS; i++)
		if (commands[i].run != NULL)
			fprintf(to, "  %-12s %s\n", commands[i].name,
			    commands[i].summary);
	fprintf(to, "\nehlogate COMMAND --help tells more.\n");
	return to == stdout ? CLI_OK : CLI_USAGE;
}

/* What getopt says of an option begins with the whole name. */
static int
run(const struct command *command, int argc, char **argv)
{
	char whole[64];

	snprintf(whole, sizeof(whole), "ehlogate %s", command->name);
	argv[0] = whole;
	return command->run(argc, argv);
}

int
main(int argc, char **argv)
{
	struct slice name = slice_str(argc > 1 ? argv[1] : "");

	if (slice_eq(name, SLICE("--version"))) {
		printf("ehlogate %s\n", EHLOGATE_VERSION);
		return CLI_OK;
	}
	if (slice_eq(name, SLICE("--help")) || slice_eq(name, SLICE("-h")) ||
	    slice_eq(name, SLICE("help")))
		return usage(stdout);
	for (unsigned i = 0; i < COMMANDS; i++) {
		if (!slice_eq(name, slice_str(commands[i].name)))
			continue;
		if (commands[i].run != NULL)
			return run(&commands[i], argc - 1, argv + 1);
		fprintf(stderr,
		    "ehlogate: `%s` is not built in this version (%s)\n",
		    commands[i].name, EHLOGATE_VERSION);
		return CLI_USAGE;
	}
	if (name.len > 0)
		fprintf(stderr, "ehlogate: no command `%s`\n\n", argv[1]);
	return usage(stderr);
}
