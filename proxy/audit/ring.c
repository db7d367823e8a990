/*
 * A ring of lines in shared memory.  See ring.h.
 *
 * head and tail only grow; the place in the ring is their remainder.  The
 * writer publishes a line by moving the tail behind it, in one store: a writer
 * that dies before leaves nothing.  The writer publishes, then looks whether
 * the reader sleeps; the reader says that it sleeps, then looks once more
 * whether there is a line.  A full fence between the two, on both sides, sees
 * to it that at least one of them sees the other.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/ring.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* In shared memory.  The two counters stand in cache lines of their own. */
struct shared {
	_Alignas(64) _Atomic uint64_t tail; /* the writer's */
	_Alignas(64) _Atomic uint64_t head; /* the reader's */
	atomic_bool sleeping;
	_Alignas(64) char bytes[];
};

struct ring {
	struct shared *shared;
	size_t size;
	int fd;
};

struct ring *
ring_open(size_t size)
{
	struct ring *ring = calloc(1, sizeof(*ring));

	assert(size > 0 && (size & (size - 1)) == 0);
	if (ring == NULL)
		return NULL;
	ring->size = size;
	ring->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ring->shared = mmap(NULL, sizeof(struct shared) + size,
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ring->fd != -1 && ring->shared != MAP_FAILED)
		return ring;
	if (ring->fd != -1)
		close(ring->fd);
	if (ring->shared != MAP_FAILED)
		munmap(ring->shared, sizeof(struct shared) + size);
	free(ring);
	return NULL;
}

void
ring_close(struct ring **ring_p)
{
	struct ring *ring = *ring_p;

	if (ring == NULL)
		return;
	munmap(ring->shared, sizeof(struct shared) + ring->size);
	close(ring->fd);
	free(ring);
	*ring_p = NULL;
}

size_t
ring_size(const struct ring *ring)
{
	return ring->size;
}

/* --- writer --------------------------------------------------------------- */

size_t
ring_room(const struct ring *ring)
{
	const struct shared *shared = ring->shared;
	uint64_t used =
	    atomic_load_explicit(&shared->tail, memory_order_relaxed) -
	    atomic_load_explicit(&shared->head, memory_order_acquire);

	return used > ring->size ? 0 : ring->size - used;
}

static void
wake(struct ring *ring)
{
	uint64_t one = 1;

	/* The counter is full only if the reader was woken as often and never
	 * looked: then it is awake. */
	if (write(ring->fd, &one, sizeof(one)) == -1)
		return;
}

bool
ring_put(struct ring *ring, struct slice line)
{
	struct shared *shared = ring->shared;
	uint64_t tail =
	    atomic_load_explicit(&shared->tail, memory_order_relaxed);
	size_t at = tail & (ring->size - 1);
	size_t first = ring->size - at;

	assert(line.len > 0 && line.ptr[line.len - 1] == '\n');
	if (line.len > ring_room(ring))
		return false;
	if (first > line.len)
		first = line.len;
	memcpy(shared->bytes + at, line.ptr, first);
	memcpy(shared->bytes, line.ptr + first, line.len - first);
	atomic_store_explicit(
	    &shared->tail, tail + line.len, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&shared->sleeping, memory_order_relaxed) &&
	    atomic_exchange(&shared->sleeping, false))
		wake(ring);
	return true;
}

/* --- reader --------------------------------------------------------------- */

uint64_t
ring_head(const struct ring *ring)
{
	return atomic_load_explicit(&ring->shared->head, memory_order_relaxed);
}

uint64_t
ring_tail(const struct ring *ring)
{
	uint64_t head = ring_head(ring);
	uint64_t tail =
	    atomic_load_explicit(&ring->shared->tail, memory_order_acquire);

	return tail - head > ring->size ? head + ring->size : tail;
}

struct slice
ring_at(const struct ring *ring, uint64_t from, uint64_t to)
{
	size_t at = from & (ring->size - 1);
	uint64_t len = to - from;

	if (len > ring->size - at)
		len = ring->size - at;
	return slice_of(ring->shared->bytes + at, (size_t)len);
}

void
ring_free_to(struct ring *ring, uint64_t position)
{
	atomic_store_explicit(
	    &ring->shared->head, position, memory_order_release);
}

int
ring_fd(const struct ring *ring)
{
	return ring->fd;
}

bool
ring_sleep(struct ring *ring, uint64_t seen)
{
	atomic_store_explicit(
	    &ring->shared->sleeping, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	return ring_tail(ring) == seen;
}

void
ring_awake(struct ring *ring, bool rung)
{
	uint64_t count;

	atomic_store_explicit(
	    &ring->shared->sleeping, false, memory_order_relaxed);
	/* Nothing to read is as good as read. */
	if (rung && read(ring->fd, &count, sizeof(count)) == -1)
		return;
}
