/*
 * Byte queues.  See buf.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/buf.h"

#include "base/arena.h"
#include "base/pool.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	FIRST_SIZE = 256
};

void
buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max};
}

void
buf_init_arena(struct buf *buf, size_t max, struct arena *arena)
{
	*buf = (struct buf){.max = max, .arena = arena};
}

void
buf_init_pool(struct buf *buf, struct pool *pool)
{
	*buf = (struct buf){.max = pool_block_size(pool), .pool = pool};
}

static void
release(struct buf *buf)
{
	if (buf->pool != NULL && buf->data != NULL)
		pool_put(buf->pool, buf->data);
	else if (buf->arena != NULL)
		arena_free(buf->arena, buf->data);
	else
		free(buf->data);
	buf->data = NULL;
	buf->head = buf->tail = buf->size = 0;
}

void
buf_fini(struct buf *buf)
{
	release(buf);
}

/* In an arena; who reads it later finds the old bytes or the new ones. */
static char *
move(struct buf *buf, size_t size)
{
	char *old = buf->data;
	char *data = arena_alloc(buf->arena, size);

	if (data == NULL)
		return NULL;
	if (old != NULL)
		memcpy(data, old, buf->tail);
	buf->data = data;
	arena_free(buf->arena, old);
	return data;
}

static bool
grow(struct buf *buf, size_t need)
{
	size_t size = buf->size == 0 ? FIRST_SIZE : buf->size;
	char *data;

	if (buf->pool != NULL) {
		if (buf->data == NULL && (data = pool_get(buf->pool)) != NULL) {
			buf->data = data;
			buf->size = buf->max;
		}
		return buf->data != NULL;
	}
	while (size < need)
		size *= 2;
	if (size > buf->max)
		size = buf->max;
	data = buf->arena != NULL ? move(buf, size) : realloc(buf->data, size);
	if (data == NULL)
		return false;
	buf->data = data;
	buf->size = size;
	return true;
}

char *
buf_reserve(struct buf *buf, size_t len)
{
	if (len > buf_room(buf))
		return NULL;
	if (buf->data != NULL && buf->size - buf->tail >= len)
		return buf->data + buf->tail;
	if (buf->size - buf->tail < len && buf->head > 0) {
		memmove(buf->data, buf->data + buf->head, buf_len(buf));
		buf->tail -= buf->head;
		buf->head = 0;
	}
	if ((buf->data == NULL || buf->size - buf->tail < len) &&
	    !grow(buf, buf->tail + len))
		return NULL;
	return buf->data + buf->tail;
}

bool
buf_hold(struct buf *buf)
{
	return buf->data != NULL || buf_reserve(buf, 1) != NULL;
}

void
buf_commit(struct buf *buf, size_t len)
{
	assert(len <= buf->size - buf->tail);
	buf->tail += len;
	if (buf->tail == buf->head)
		buf_consume(buf, 0);
}

bool
buf_append(struct buf *buf, struct slice bytes)
{
	char *to;

	if (bytes.len == 0)
		return true;
	if ((to = buf_reserve(buf, bytes.len)) == NULL)
		return false;
	memcpy(to, bytes.ptr, bytes.len);
	buf->tail += bytes.len;
	return true;
}

bool
buf_append_str(struct buf *buf, const char *str)
{
	return buf_append(buf, slice_str(str));
}

bool
buf_printf(struct buf *buf, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	assert(len >= 0 && (size_t)len < sizeof(text));
	return buf_append(buf, slice_of(text, (size_t)len));
}

void
buf_consume(struct buf *buf, size_t len)
{
	assert(len <= buf_len(buf));
	buf->head += len;
	if (buf->head < buf->tail)
		return;
	buf->head = buf->tail = 0;
	if (buf->pool != NULL)
		release(buf);
}

void
buf_clear(struct buf *buf)
{
	buf_consume(buf, buf_len(buf));
}

void
buf_truncate(struct buf *buf, size_t len)
{
	assert(len <= buf_len(buf));
	buf->tail = buf->head + len;
	buf_consume(buf, 0);
}
