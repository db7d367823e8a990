/*
 * The monitor's state, for the files that it is written in: monitor.c (events,
 * the end), children.c (who runs), reload.c.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_MONITOR_H
#define DAEMON_MONITOR_H

#include "daemon/generation.h"
#include "daemon/kernel.h"
#include "daemon/setup.h"

#include <time.h>

struct child {
	pid_t pid;      /* 0: not running */
	int control_fd; /* our end; -1 */
	/* Of a worker: it was killed, and this is the undertaker in its slot. */
	bool buries;
	/* Of a worker: whose this slot is, until it has ended for good. */
	struct generation *generation;
	uint64_t started_ms;
	uint64_t respawn_ms; /* when to start it again */
	uint32_t delay_ms;
};

struct monitor {
	const char *path; /* of the configuration */
	struct start start;
	struct setup setup;
	struct kernel *kernel;
	struct generation *newest;
	struct child workers[SHARED_WORKERS_MAX];
	struct child logger;
	bool handing_over; /* the logger was told to make room for another */
	char *logged[LOGGER_SINKS_MAX]; /* the sinks' paths that it was given */
	unsigned logged_count;
	int log_stop[2]; /* the logger ends when every copy of [1] is closed */
	int signal_fd;
	int bans[2];             /* bans_open_channel */
	uint64_t ban_said_ms;    /* when a line of the log told of one */
	unsigned ban_unsaid;     /* those since, of which none tells */
	uint64_t tickets_due_ms; /* when their key is changed */
	unsigned spawned;
	uint64_t seq;
	bool draining, forced;
};

/* Milliseconds of that clock. */
uint64_t monitor_now_ms(clockid_t clock);

#endif
