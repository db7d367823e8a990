/*
 * A bounded queue of bytes, contiguous.  Either of its own (it grows up to
 * `max`, on the heap or in an arena) or from a pool: then it holds one block
 * while it has bytes and none when it is empty, so that an idle session costs
 * no buffer.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/slice.h"

struct arena;
struct pool;

struct buf {
	char *data;  /* NULL while nothing is held */
	size_t head; /* first byte that is waiting */
	size_t tail; /* one past the last; head <= tail <= size */
	size_t size; /* what data holds */
	size_t max;  /* never more than this waits */
	struct pool *pool;
	struct arena *arena;
};

/* Storage is the caller's; buf_fini releases what it holds. */
void buf_init(struct buf *buf, size_t max);
/* The same in an arena, which outlives it; NULL: on the heap. */
void buf_init_arena(struct buf *buf, size_t max, struct arena *arena);
/* A buffer of one pool block; the pool outlives it. */
void buf_init_pool(struct buf *buf, struct pool *pool);
void buf_fini(struct buf *buf);

static inline size_t
buf_len(const struct buf *buf)
{
	return buf->tail - buf->head;
}

/* How many bytes may still be appended. */
static inline size_t
buf_room(const struct buf *buf)
{
	return buf->max - buf_len(buf);
}

/* What waits; valid until the next call that changes the buffer. */
static inline struct slice
buf_slice(const struct buf *buf)
{
	return slice_of(
	    buf->data == NULL ? "" : buf->data + buf->head, buf_len(buf));
}

/* Room for `len` more bytes behind what waits, or NULL: over max, or no
 * memory.  buf_commit then says how many were written. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);
/* Takes memory ahead of the bytes, for a pool's buffer all that it can hold;
 * false: there is none.  It goes back with buf_consume, as a block does. */
bool buf_hold(struct buf *buf);
/* All of `bytes` or nothing (false: no room). */
bool buf_append(struct buf *buf, struct slice bytes);
bool buf_append_str(struct buf *buf, const char *str);
bool buf_printf(struct buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops the first len bytes; the block goes back when none is left. */
void buf_consume(struct buf *buf, size_t len);
void buf_clear(struct buf *buf);
/* Keeps only the first len of the waiting bytes: takes back an append. */
void buf_truncate(struct buf *buf, size_t len);

#endif
