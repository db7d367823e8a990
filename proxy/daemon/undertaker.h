/*
 * What a killed worker leaves: its sessions have no end, and their records
 * none of their own.  A process of its own, without any privilege, reads them
 * from the worker's arena (a client's words are in it, which the monitor never
 * reads) and puts them into the worker's ring.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_UNDERTAKER_H
#define DAEMON_UNDERTAKER_H

#include "audit/ring.h"
#include "base/arena.h"

/* The exit status; ends within UNDERTAKER_SECONDS in any case. */
enum {
	UNDERTAKER_SECONDS = 10
};
int undertaker_run(struct arena *arena, struct ring *ring);

#endif
