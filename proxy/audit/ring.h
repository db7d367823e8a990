/*
 * A ring of log lines in shared memory, from one worker to the logger.  One
 * writer, one reader, no lock, and in steady state no system call: a line is
 * there as soon as it is published, and is still there when the worker dies
 * the moment after.  The reader is woken through an eventfd, and only when it
 * said that it sleeps.
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

/* Writer.  One whole line with its newline; false: no room (nothing is
 * written). */
bool ring_put(struct ring *ring, struct slice line);
size_t ring_room(const struct ring *ring);

/* Reader.  What waits, contiguous (a wrapped line comes in two pieces: the
 * reader writes both); ring_consume frees it. */
struct slice ring_peek(struct ring *ring);
void ring_consume(struct ring *ring, size_t len);
/* The descriptor that becomes readable when a line comes while the reader
 * sleeps.  ring_sleep returns false when something waits already. */
int ring_fd(const struct ring *ring);
bool ring_sleep(struct ring *ring);
void ring_awake(struct ring *ring);

#endif
