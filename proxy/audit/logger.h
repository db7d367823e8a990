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

/* What the logger tells the other processes, in shared memory. */
struct logger_state {
	atomic_bool writable;   /* some sink took the last lines */
	_Atomic uint64_t lines; /* written */
	_Atomic uint64_t lost;  /* dropped because no sink took them */
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
};

/*
 * Opens a sink's file for appending (0640, O_APPEND, no symlink followed),
 * before privileges are dropped.  -1 with errno.
 */
int logger_open_sink(struct logger_sink *sink);

/*
 * Runs until stop_fd reads end-of-file (the monitor is gone or asks to end),
 * then drains the rings and returns the exit status.  SIGUSR1 reopens the
 * files: a new file is opened before the old one is closed, and the old one is
 * kept when that fails.  A sink that cannot be written (ENOSPC, EIO) is tried
 * again with the same lines; while no sink can, `writable` is false, and lines
 * stay in the rings.  A partly written line is completed, never repeated.
 */
int logger_run(struct logger *logger);

#endif
