/*
 * Generations: the workers that were made from one configuration.  The newest
 * accepts; the ones before it have only sessions to finish.
 *
 * That a generation accepts no more is known by a pipe that nothing is written
 * to: each worker holds its writing end and closes it when it stops, or dies;
 * the reading end is then at its end.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_GENERATION_H
#define DAEMON_GENERATION_H

#include <stdbool.h>

struct generation {
	struct generation *before; /* the older ones */
	unsigned number;           /* from 1 */
	int watch_fd;              /* at its end: nobody accepts any more */
	int accepting_fd;          /* for workers; -1 once it is retired */
	bool has_stopped;
};

/* NULL with errno. */
struct generation *generation_new(struct generation *before);
/* Closes and frees this one alone. */
void generation_free(struct generation **generation);
/* In the monitor: no worker of it is started any more. */
void generation_retire(struct generation *generation);
/* In a child: all descriptors but the one that its own generation's workers
 * hold (NULL: none).  Nothing is freed. */
void generation_leave_all(
    struct generation *newest, const struct generation *own);
/* True once, when the last worker of a retired generation has stopped. */
bool generation_stops(struct generation *generation);

#endif
