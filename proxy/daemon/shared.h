/*
 * What the processes share: one anonymous mapping made before the first fork.
 * Each slot is written by its worker alone, but for the monitor clearing the
 * slot of a worker that died.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_SHARED_H
#define DAEMON_SHARED_H

#include "audit/logger.h"

enum {
	SHARED_WORKERS_MAX = 64,
	SHARED_PORTS = 65536
};

struct shared {
	struct logger_state log;
	_Atomic unsigned sessions[SHARED_WORKERS_MAX];
	/* Local ports of the gate's own connections to servers: one that
	 * comes back as a client's is a loop. */
	_Atomic unsigned char own_ports[SHARED_PORTS];
};

/* NULL: no memory. */
struct shared *shared_new(void);
/* Sessions open in all workers. */
unsigned shared_sessions(const struct shared *shared, unsigned workers);

#endif
