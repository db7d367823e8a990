/*
 * The logger process: the only one that holds the log's descriptors, the
 * single writer.  It reads the rings of all workers and writes whole lines to
 * every sink.  It has no privilege and reads nothing from the network.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef AUDIT_LOGGER_H
#define AUDIT_LOGGER_H

#include "audit/ring.h"

#include <stdatomic.h>

enum {
	LOGGER_SINKS_MAX = 8,
	LOGGER_RINGS_MAX = 260
};

/*
 * Where one sink stands; the logger's own, all zero at first.  In shared
 * memory, so that a logger that takes a dead one's place goes on with the
 * octet behind the last one that was written.
 */
struct logger_mark {
	uint64_t at[LOGGER_RINGS_MAX];   /* has each ring up to here */
	uint64_t goal[LOGGER_RINGS_MAX]; /* asked of the last write */
	unsigned first;                  /* the ring that is served first */
	uint64_t device, inode;          /* the file these are about */
	uint64_t size;                   /* its size before the last write */
	bool owes_newline;               /* it ends in half a line */
};

/* What the logger tells the other processes, in shared memory. */
struct logger_state {
	atomic_bool writable;   /* some sink took the last lines */
	_Atomic uint64_t lines; /* written to a sink at least */
	_Atomic uint64_t lost;  /* missing from a sink for good */
	struct logger_mark marks[LOGGER_SINKS_MAX];
};

struct logger_sink {
	const char *path; /* NULL: standard output */
	int fd;           /* open; -1: to be opened again */
};

struct logger {
	struct logger_sink *sinks;
	unsigned sink_count;
	struct ring **rings;
	unsigned ring_count;
	struct logger_state *state; /* shared */
	int stop_fd;                /* closed by the monitor: drain and end */
	int hand_over_fd; /* an octet: leave the rest to the next; or -1 */
};

/*
 * Opens a sink's file for appending (0640, O_APPEND, no symlink followed),
 * before privileges are dropped.  -1 with errno.
 */
int logger_open_sink(struct logger_sink *sink);

/*
 * Runs until stop_fd reads end-of-file (the monitor is gone or asks to end),
 * then drains the rings and returns the exit status: 0, or 1 where a line is
 * missing from a sink.
 *
 * SIGUSR1 reopens the files: a new file is opened before the old one is
 * closed, and the old one is kept when that fails.  A line is whole in one of
 * the two files and in no other.
 *
 * A sink that cannot be written (ENOSPC, EIO, a pipe that is full or broken)
 * is tried again with the same octets, twice a second; a partly written line
 * is completed, never repeated.  The lines stay in the rings as long as one
 * sink has not got them.  Where other sinks work, a sink may be a quarter of
 * a ring behind; then it goes without those lines, which are counted as lost.
 * While no sink works `writable` is false and nothing is given up.
 *
 * A logger that takes a dead one's place doubles and loses no line of a file.
 *
 * An octet from hand_over_fd: what is in the rings is written once more as far
 * as it goes, and the status is 0.  The lines stay in the rings for the logger
 * that comes next.
 */
int logger_run(struct logger *logger);

/*
 * Between two loggers, when none runs: the places that the first had reached in
 * each sink are put where the second, whose sinks are others, looks for them.  A
 * sink is the same where its path is.  What a sink that is no more had still to
 * get counts as lost; a new one begins with what waits.
 */
void logger_change_sinks(const struct logger *from, const struct logger *to);

#endif
