/*
 * Generations.  See generation.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/generation.h"

#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

struct generation *
generation_new(struct generation *before)
{
	struct generation *generation;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return NULL;
	generation = calloc(1, sizeof(*generation));
	if (generation == NULL)
		log_fatal("no memory for workers");
	generation->before = before;
	generation->number = before == NULL ? 1 : before->number + 1;
	generation->watch_fd = ends[0];
	generation->accepting_fd = ends[1];
	return generation;
}

void
generation_free(struct generation **generation_p)
{
	struct generation *generation = *generation_p;

	if (generation == NULL)
		return;
	generation_retire(generation);
	close(generation->watch_fd);
	free(generation);
	*generation_p = NULL;
}

void
generation_retire(struct generation *generation)
{
	if (generation->accepting_fd != -1)
		close(generation->accepting_fd);
	generation->accepting_fd = -1;
}

void
generation_leave_all(struct generation *newest, const struct generation *own)
{
	for (struct generation *one = newest; one != NULL; one = one->before) {
		close(one->watch_fd);
		if (one != own && one->accepting_fd != -1)
			close(one->accepting_fd);
	}
}

bool
generation_stops(struct generation *generation)
{
	struct pollfd end = {.fd = generation->watch_fd};

	if (generation->has_stopped || generation->accepting_fd != -1 ||
	    poll(&end, 1, 0) != 1)
		return false;
	generation->has_stopped = true;
	return true;
}
