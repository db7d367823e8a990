/*
 * Memory that outlives its writer.  See arena.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/arena.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

enum {
	SMALLEST = 32,
	CLASSES = 14 /* to 256 KiB */
};

enum {
	HEADER = 16 /* what is the caller's is aligned so */
};

struct block {
	_Alignas(HEADER) size_t class;
	/* The caller's octets begin here; of a free one: */
	_Alignas(HEADER) struct block *next_free;
};

struct arena {
	size_t size;
	size_t used; /* of the mapping, never less again until reset */
	struct block *free[CLASSES];
	struct arena_link *first;
};

struct arena *
arena_open(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	struct arena *arena = memory;
	arena->size = size;
	arena_reset(arena);
	return arena;
}

void
arena_close(struct arena **arena_p)
{
	if (*arena_p != NULL)
		munmap(*arena_p, (*arena_p)->size);
	*arena_p = NULL;
}

void
arena_reset(struct arena *arena)
{
	*arena = (struct arena){.size = arena->size,
	    .used = (sizeof(*arena) + HEADER - 1) / HEADER * HEADER};
}

/* --- blocks -------------------------------------------------------------------- */

static size_t
class_of(size_t size)
{
	size_t class = 0;

	while (class < CLASSES && (size_t)SMALLEST << class < size)
		class ++;
	return class;
}

static struct block *
block_of(void *octets)
{
	return (struct block *)(void *)((char *)octets - HEADER);
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	size_t class = class_of(size);

	if (class == CLASSES)
		return NULL;
	struct block *block = arena->free[class];
	if (block != NULL) {
		arena->free[class] = block->next_free;
		return (char *)block + HEADER;
	}
	size_t whole = HEADER + ((size_t)SMALLEST << class);
	if (arena->size - arena->used < whole)
		return NULL;
	block = (struct block *)(void *)((char *)arena + arena->used);
	arena->used += whole;
	block->class = class;
	return (char *)block + HEADER;
}

void
arena_free(struct arena *arena, void *octets)
{
	if (octets == NULL)
		return;
	struct block *block = block_of(octets);
	assert(block->class < CLASSES);
	block->next_free = arena->free[block->class];
	arena->free[block->class] = block;
}

/* --- the list -------------------------------------------------------------------- */

/* The compiler keeps these stores in their order; another processor need not
 * see them before their process is dead. */
static void
in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

void
arena_enter(struct arena *arena, struct arena_link *link)
{
	link->next = arena->first;
	link->before = NULL;
	in_order();
	arena->first = link;
	in_order();
	if (link->next != NULL)
		link->next->before = link;
}

void
arena_leave(struct arena *arena, struct arena_link *link)
{
	if (link->before != NULL)
		link->before->next = link->next;
	else
		arena->first = link->next;
	in_order();
	if (link->next != NULL)
		link->next->before = link->before;
}

/* --- for who trusts nothing ------------------------------------------------------ */

bool
arena_has(const struct arena *arena, const void *block, size_t size)
{
	uintptr_t from = (uintptr_t)arena, at = (uintptr_t)block;

	return at > from && at - from < arena->size &&
	       size <= arena->size - (at - from);
}

const struct arena_link *
arena_next(
    const struct arena *arena, const struct arena_link *after, size_t size)
{
	const struct arena_link *next =
	    after == NULL ? arena->first : after->next;

	if (!arena_has(arena, next, size) || (uintptr_t)next % HEADER != 0)
		return NULL;
	return next;
}
