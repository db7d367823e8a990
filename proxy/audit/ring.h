/*
 * A ring of log lines in shared memory, from one worker to the logger.  One
 * writer, one reader, no lock, and in steady state no system call: a line is
 * there as soon as it is published, and is still there when the worker dies
 * the moment after.  The reader is woken through an eventfd, and only when it
 * said that it sleeps.
 *
 * Positions count octets since the ring was made and never go back; both are
 * kept in the mapping, so that either side may die and be replaced.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef AUDIT_RING_H
#define AUDIT_RING_H

#include "base/slice.h"

struct ring;

/* `size` bytes, a power of two; mapped shared, inherited at fork.  NULL: no
 * memory or no descriptor (errno). */
struct ring *ring_open(size_t size);
void ring_close(struct ring **ring);
size_t ring_size(const struct ring *ring);

/* Writer.  One whole line with its newline; false: no room (nothing is
 * written). */
bool ring_put(struct ring *ring, struct slice line);
size_t ring_room(const struct ring *ring);

/* Reader.  What is between head and tail waits: whole lines, always.  Neither
 * is trusted to make sense, since the writer's process could be anybody's:
 * the tail is never more than the ring's size behind the head. */
uint64_t ring_head(const struct ring *ring);
uint64_t ring_tail(const struct ring *ring);
/* The bytes from `from` on, before `to`, up to the ring's end: what wraps is
 * had by asking again.  Valid until they are freed. */
struct slice ring_at(const struct ring *ring, uint64_t from, uint64_t to);
/* Everything before `position` may be written over. */
void ring_free_to(struct ring *ring, uint64_t position);

/* The descriptor that becomes readable when a line comes while the reader
 * sleeps.  ring_sleep returns false when there is more than up to `seen`
 * already.  ring_awake: `rung` where the descriptor was readable. */
int ring_fd(const struct ring *ring);
bool ring_sleep(struct ring *ring, uint64_t seen);
void ring_awake(struct ring *ring, bool rung);

#endif
