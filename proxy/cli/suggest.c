/*
 * `ehlogate suggest`: who greets how, and a policy for the exceptions.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/suggest.h"

#include "base/log.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "cli/logs.h"

#include <getopt.h>
#include <stdlib.h>

static const char help[] =
    "usage: ehlogate suggest [--yaml] LOG...\n"
    "\n"
    "An inventory of who greets how (`-`: standard input), by the client's\n"
    "network and name, and a policy that mends the broken names: a rule for "
    "each\n"
    "set of flaws, with the clients, the steps, and tests.  It is ready to be "
    "used\n"
    "as it is, or to be copied from; read what it says of STARTTLS first.\n"
    "\n"
    "  --yaml  the policy alone, without the table above it\n"
    "\n"
    "Exit status: 0; 1 a log cannot be read, or a line is no JSON; 2 bad "
    "usage.\n";

static int
run(char **paths, int count, bool yaml_only)
{
	struct mends *mends = calloc(1, sizeof(*mends));
	struct log_session session;
	struct pairs pairs;
	struct logs logs;

	if (mends == NULL)
		log_fatal("no memory");
	pairs_init(&pairs);
	logs_init(&logs, "suggest", paths, count);
	while (logs_next(&logs, &session))
		pairs_add(&pairs, &session);
	pairs_sort(&pairs);
	mends_make(mends, &pairs);
	if (!yaml_only)
		suggest_table(&pairs, stdout);
	suggest_yaml(&pairs, mends, stdout);
	bool well = logs_finish(&logs);
	logs_fini(&logs);
	mends_fini(mends);
	free(mends);
	pairs_fini(&pairs);
	return fflush(stdout) == 0 && well ? CLI_OK : CLI_ERROR;
}

int
cli_suggest(int argc, char **argv)
{
	static const struct option options[] = {
	    {"yaml", no_argument, NULL, 'y'}, {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0}};
	bool yaml_only = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'y')
			yaml_only = true;
		else if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		else
			return CLI_USAGE;
	}
	if (optind == argc)
		return cli_usage("suggest", "it needs a log");
	return run(argv + optind, argc - optind, yaml_only);
}
