/*
 * A ring of lines in shared memory.  See ring.h.
 *
 * head and tail only grow; the place in the ring is their remainder.  The
 * writer publishes a line by moving the tail behind it, in one store: a writer
 * that dies before leaves nothing.  A writer publishes, then looks whether
 * the reader sleeps; the reader says that it sleeps, then looks once more
 * whether there is a line: with sequential consistency one of them sees the
 * other.
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
	_Alignas(64) _Atomic size_t tail; /* the writer's */
	_Alignas(64) _Atomic size_t head; /* the reader's */
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

	assert((size & (size - 1)) == 0);
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
ring_room(const struct ring *ring)
{
	return ring->size - (atomic_load(&ring->shared->tail) -
				atomic_load(&ring->shared->head));
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
	size_t tail = atomic_load(&shared->tail);
	size_t at = tail & (ring->size - 1);
	size_t first = ring->size - at;

	if (line.len > ring_room(ring))
		return false;
	if (first > line.len)
		first = line.len;
	memcpy(shared->bytes + at, line.ptr, first);
	memcpy(shared->bytes, line.ptr + first, line.len - first);
	atomic_store(&shared->tail, tail + line.len);
	if (atomic_exchange(&shared->sleeping, false))
		wake(ring);
	return true;
}

struct slice
ring_peek(struct ring *ring)
{
	struct shared *shared = ring->shared;
	size_t head = atomic_load(&shared->head);
	size_t len = atomic_load(&shared->tail) - head;
	size_t at = head & (ring->size - 1);

	if (len > ring->size - at)
		len = ring->size - at;
	return slice_of(shared->bytes + at, len);
}

void
ring_consume(struct ring *ring, size_t len)
{
	atomic_fetch_add(&ring->shared->head, len);
}

int
ring_fd(const struct ring *ring)
{
	return ring->fd;
}

bool
ring_sleep(struct ring *ring)
{
	atomic_store(&ring->shared->sleeping, true);
	if (ring_peek(ring).len == 0)
		return true;
	ring_awake(ring);
	return false;
}

void
ring_awake(struct ring *ring)
{
	uint64_t count;

	atomic_store(&ring->shared->sleeping, false);
	/* Nothing to read is as good as read. */
	if (read(ring->fd, &count, sizeof(count)) == -1)
		return;
}
