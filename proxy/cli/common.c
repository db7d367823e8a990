/*
 * Common to the sub-commands.  See common.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/common.h"

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	DIAG_TEXT_MAX = 64 * 1024 * 1024
};

void
cli_write(FILE *to, struct buf *buf)
{
	struct slice text = buf_slice(buf);

	fwrite(text.ptr, 1, text.len, to);
	buf_fini(buf);
}

bool
cli_has_colour(FILE *to)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return (no == NULL || no[0] == '\0') && isatty(fileno(to)) &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}

void
cli_print_diag(const struct diag *diag)
{
	struct buf text;

	buf_init(&text, DIAG_TEXT_MAX);
	if (cli_has_colour(stderr))
		diag_print_colour(diag, &text);
	else
		diag_print_text(diag, &text);
	cli_write(stderr, &text);
}

struct config *
cli_load_config(const char *path)
{
	struct diag *diag = diag_new();
	struct config *config = config_load(path, diag);

	diag_settle(diag);
	cli_print_diag(diag);
	if (config == NULL)
		fprintf(stderr,
		    "ehlogate: errors: %u; `ehlogate check -c %s` shows them "
		    "again\n",
		    diag_errors(diag), path);
	diag_free(&diag);
	return config;
}

int
cli_usage(const char *command, const char *what)
{
	fprintf(stderr, "ehlogate %s: %s\n`ehlogate %s --help` tells more\n",
	    command, what, command);
	return CLI_USAGE;
}

struct policy *
cli_load_policy(const char *path)
{
	struct diag *diag = diag_new();
	struct policy *policy = policy_load(path, diag);

	cli_print_diag(diag);
	diag_free(&diag);
	return policy;
}
