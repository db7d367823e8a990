/*
 * Memory in a mapping that outlives its writer: what a process has allocated
 * here can be read by another one after it was killed.  One writer; blocks of
 * a few sizes, the free ones threaded together.
 *
 * Objects that are to be found again stand in a list.  It is whole at every
 * moment, as far as its reader goes along it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena;

/* Address space of `size` octets, shared and inherited at fork; memory is taken
 * as it is touched.  NULL: errno says why. */
struct arena *arena_open(size_t size);
void arena_close(struct arena **arena);
/* A new writer begins: nothing is allocated. */
void arena_reset(struct arena *arena);

/* NULL: full.  Not cleared. */
void *arena_alloc(struct arena *arena, size_t size);
void arena_free(struct arena *arena, void *block);

/* Stands at the beginning of an object that can be found. */
struct arena_link {
	struct arena_link *next, *before;
};
void arena_enter(struct arena *arena, struct arena_link *link);
void arena_leave(struct arena *arena, struct arena_link *link);

/* For a reader who trusts nothing: the objects that can be found, each with
 * `size` octets in the arena; NULL behind the last.  `after` NULL: the first. */
const struct arena_link *arena_next(
    const struct arena *arena, const struct arena_link *after, size_t size);
/* Whether all of it lies in the arena. */
bool arena_has(const struct arena *arena, const void *block, size_t size);

#endif
