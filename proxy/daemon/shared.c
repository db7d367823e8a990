/*
 * The shared mapping.  See shared.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/shared.h"

#include <string.h>
#include <sys/mman.h>

struct shared *
shared_new(void)
{
	void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

unsigned
shared_sessions(const struct shared *shared, unsigned workers)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < workers; i++)
		sum += atomic_load_explicit(
		    &shared->sessions[i], memory_order_relaxed);
	return sum;
}

unsigned
shared_forget_worker(struct shared *shared, unsigned slot)
{
	memset(&shared->own[slot], 0, sizeof(shared->own[slot]));
	return atomic_exchange(&shared->sessions[slot], 0);
}

bool
shared_has_own(const struct shared *shared, unsigned workers,
    const struct endpoint *client, const struct endpoint *server)
{
	for (unsigned i = 0; i < workers; i++)
		if (own_has(&shared->own[i], client, server))
			return true;
	return false;
}
