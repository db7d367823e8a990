/*
 * The logs that a command line names, one session after another, with what
 * goes wrong said on standard error, and progress where that is a terminal.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_LOGS_H
#define CLI_LOGS_H

#include "audit/log_read.h"

struct logs {
	char **paths; /* "-": standard input */
	int count;
	const char *command; /* for messages: "replay" */
	/* what was met so far */
	uint64_t sessions, others, bad;
	bool failed; /* a file could not be read */
	/* private */
	int at;
	struct log_reader *reader;
	uint64_t lines, shown_ms;
	bool progress, drawn;
};

void logs_init(struct logs *logs, const char *command, char **paths, int count);
/* The next session; false: there are no more, or nobody reads our output any
 * more.  *out lives until the next call. */
bool logs_next(struct logs *logs, struct log_session *out);
void logs_fini(struct logs *logs);
/* Says how many lines were no JSON; whether all went well. */
bool logs_finish(struct logs *logs);

#endif
