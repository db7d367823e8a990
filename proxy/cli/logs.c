/*
 * Reading the logs that a command line names.  See logs.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/logs.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	BAD_SHOWN = 10,        /* complaints of single lines */
	PROGRESS_LINES = 4096, /* between two looks at the clock */
	PROGRESS_MS = 250
};

void
logs_init(struct logs *logs, const char *command, char **paths, int count)
{
	*logs = (struct logs){.paths = paths,
	    .count = count,
	    .command = command,
	    .progress = isatty(STDERR_FILENO) == 1};
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
wipe(struct logs *logs)
{
	if (logs->drawn)
		fputs("\r\033[K", stderr);
	logs->drawn = false;
}

static void
draw(struct logs *logs)
{
	uint64_t whole, now;

	if (!logs->progress || ++logs->lines % PROGRESS_LINES != 0)
		return;
	now = now_ms();
	if (now - logs->shown_ms < PROGRESS_MS)
		return;
	logs->shown_ms = now;
	uint64_t octets = log_reader_octets(logs->reader, &whole);
	fprintf(stderr, "\r\033[K%s: %" PRIu64 " lines", logs->paths[logs->at],
	    log_reader_line(logs->reader));
	if (whole > 0)
		fprintf(stderr, ", %u %%",
		    (unsigned)(octets >= whole ? 100 : octets * 100 / whole));
	fflush(stderr);
	logs->drawn = true;
}

static const char *
name_of(const struct logs *logs)
{
	const char *path = logs->paths[logs->at];

	return strcmp(path, "-") == 0 ? "standard input" : path;
}

static void
complain(struct logs *logs, const char *what)
{
	wipe(logs);
	fprintf(stderr, "ehlogate %s: %s: %s\n", logs->command, name_of(logs),
	    what);
	logs->failed = true;
}

static void
count_bad(struct logs *logs)
{
	char why[256];

	logs->bad++;
	if (logs->bad > BAD_SHOWN)
		return;
	wipe(logs);
	fprintf(stderr, "%s:%" PRIu64 ": no JSON: %s\n", name_of(logs),
	    log_reader_line(logs->reader),
	    log_quote(
		slice_str(log_reader_reason(logs->reader)), why, sizeof(why)));
}

/* Goes on to the next file; false: there is none. */
static bool
open_next(struct logs *logs)
{
	while (logs->reader == NULL && logs->at < logs->count) {
		logs->reader = log_reader_open(logs->paths[logs->at]);
		if (logs->reader != NULL)
			return true;
		complain(logs, strerror(errno));
		logs->at++;
	}
	return logs->reader != NULL;
}

bool
logs_next(struct logs *logs, struct log_session *out)
{
	while (open_next(logs) && !ferror(stdout)) {
		draw(logs);
		switch (log_reader_next(logs->reader, out)) {
		case LOG_SESSION:
			logs->sessions++;
			return true;
		case LOG_OTHER:
			logs->others++;
			break;
		case LOG_BAD:
			count_bad(logs);
			break;
		case LOG_FAILED:
			complain(logs, strerror(errno));
			log_reader_close(&logs->reader);
			logs->at++;
			break;
		case LOG_END:
			log_reader_close(&logs->reader);
			logs->at++;
			break;
		}
	}
	wipe(logs);
	return false;
}

void
logs_fini(struct logs *logs)
{
	log_reader_close(&logs->reader);
}

bool
logs_finish(struct logs *logs)
{
	if (logs->bad > 0)
		fprintf(stderr, "ehlogate %s: %" PRIu64 " line%s no JSON%s\n",
		    logs->command, logs->bad, logs->bad == 1 ? " is" : "s are",
		    logs->bad > BAD_SHOWN ? "; the first are named above" : "");
	return logs->bad == 0 && !logs->failed;
}
