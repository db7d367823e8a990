/*
 * `ehlogate run`: the daemon.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "daemon/daemon.h"

#include <getopt.h>

static const char help[] =
    "usage: ehlogate run [-c FILE] [-v]\n"
    "\n"
    "Runs the gate in the foreground.\n"
    "\n"
    "  -c, --config FILE  the configuration (" CLI_CONFIG ")\n"
    "  -v, --verbose      say more on standard error\n"
    "\n"
    "SIGTERM or Ctrl-C: take no more connections, let sessions finish, end;\n"
    "once more: end now.  SIGUSR1: open log files anew.  SIGHUP: load the\n"
    "configuration and its policies anew: new sessions go by them, open ones\n"
    "finish as they began; where they have errors nothing changes.\n"
    "Exit status: 0 after SIGTERM, 1 when it cannot start, 2 bad usage.\n";

int
cli_run(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"verbose", no_argument, NULL, 'v'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *path = CLI_CONFIG;
	int option;

	while (
	    (option = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		if (option == 'c')
			path = optarg;
		else if (option == 'v')
			log_set_level(LOG_INFO);
		else if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		else
			return CLI_USAGE;
	}
	if (optind < argc)
		return cli_usage("run", "it takes no arguments");
	struct config *config = cli_load_config(path);
	if (config == NULL)
		return CLI_ERROR;
	return daemon_run(path, config);
}
