/*
 * The sub-commands.  Each takes its own argc and argv (argv[0] is the
 * sub-command's name) and returns the exit status: 0 fine, 1 an error that was
 * said on standard error, 2 a command line that cannot be read (or, for
 * `check --strict`, warnings), 3 something changes (`replay`, `diff`).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

enum {
	CLI_OK = 0,
	CLI_ERROR = 1,
	CLI_USAGE = 2,
	CLI_CHANGED = 3
};

int cli_run(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_helo(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_explain_code(int argc, char **argv);
int cli_test(int argc, char **argv);
int cli_nft(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_session(int argc, char **argv);
int cli_replay(int argc, char **argv);
int cli_diff(int argc, char **argv);
int cli_suggest(int argc, char **argv);

#endif
