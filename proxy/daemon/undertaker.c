/*
 * Records of killed workers.  See undertaker.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/undertaker.h"

#include "audit/record.h"
#include "base/log.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

enum {
	WAIT_NS = 1000000 /* for the logger to make room */
};

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Ends with the process, by the alarm, where the logger reads no more. */
static bool
take(void *arg, struct slice line)
{
	static const struct timespec wait = {.tv_nsec = WAIT_NS};
	struct ring *ring = arg;

	while (!ring_put(ring, line)) {
		if (line.len > ring_size(ring))
			return false;
		nanosleep(&wait, NULL);
	}
	return true;
}

int
undertaker_run(struct arena *arena, struct ring *ring)
{
	signal(SIGALRM, SIG_DFL);
	alarm(UNDERTAKER_SECONDS);
	unsigned lost =
	    record_rescue_all(arena, now_us(), ring_tail(ring), take, ring);
	if (lost > 0)
		log_error(
		    "records of a killed worker that cannot be read: %u", lost);
	return lost > 0;
}
