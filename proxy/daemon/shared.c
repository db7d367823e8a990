/*
 * The shared mapping.  See shared.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/shared.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

struct shared *
shared_new(void)
{
	void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	struct shared *shared = memory;
	if (getrandom(&shared->clients.secret, sizeof(shared->clients.secret),
		0) != sizeof(shared->clients.secret)) {
		munmap(memory, sizeof(struct shared));
		return NULL;
	}
	return shared;
}

/* Any process could have written the number. */
static unsigned
slots_of(const struct shared *shared)
{
	unsigned slots =
	    atomic_load_explicit(&shared->slots, memory_order_relaxed);

	return slots > SHARED_WORKERS_MAX ? SHARED_WORKERS_MAX : slots;
}

void
shared_use_slot(struct shared *shared, unsigned slot)
{
	if (slots_of(shared) <= slot)
		atomic_store(&shared->slots, slot + 1);
}

unsigned
shared_sessions_of(const struct shared *shared, unsigned slot)
{
	return atomic_load_explicit(
	    &shared->sessions[slot], memory_order_relaxed);
}

unsigned
shared_sessions(const struct shared *shared)
{
	unsigned slots = slots_of(shared);
	unsigned sum = 0;

	for (unsigned i = 0; i < slots; i++)
		sum += shared_sessions_of(shared, i);
	return sum;
}

unsigned
shared_forget_worker(struct shared *shared, unsigned slot)
{
	memset(&shared->own[slot], 0, sizeof(shared->own[slot]));
	clients_forget(&shared->clients, &shared->client_shares[slot]);
	return atomic_exchange(&shared->sessions[slot], 0);
}

bool
shared_has_own(const struct shared *shared, const struct endpoint *client,
    const struct endpoint *server)
{
	unsigned slots = slots_of(shared);

	for (unsigned i = 0; i < slots; i++)
		if (own_has(&shared->own[i], client, server))
			return true;
	return false;
}
