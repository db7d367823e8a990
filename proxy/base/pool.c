/*
 * Blocks of one size.  See pool.h.  The list of free blocks is threaded
 * through the blocks themselves.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/pool.h"

#include <assert.h>
#include <stdlib.h>

struct block {
	struct block *next;
};

struct pool {
	struct block *free_list;
	size_t free_count;
	size_t keep;
	size_t block_size;
	size_t in_use;
};

struct pool *
pool_new(size_t block_size, size_t keep)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	assert(block_size >= sizeof(struct block));
	if (pool == NULL)
		return NULL;
	pool->block_size = block_size;
	pool->keep = keep;
	return pool;
}

void
pool_free(struct pool **pool_p)
{
	struct pool *pool = *pool_p;

	if (pool == NULL)
		return;
	assert(pool->in_use == 0);
	while (pool->free_list != NULL) {
		struct block *block = pool->free_list;
		pool->free_list = block->next;
		free(block);
	}
	free(pool);
	*pool_p = NULL;
}

void *
pool_get(struct pool *pool)
{
	struct block *block = pool->free_list;

	if (block != NULL) {
		pool->free_list = block->next;
		pool->free_count--;
	} else if ((block = malloc(pool->block_size)) == NULL) {
		return NULL;
	}
	pool->in_use++;
	return block;
}

void
pool_put(struct pool *pool, void *mem)
{
	struct block *block = mem;

	assert(pool->in_use > 0);
	pool->in_use--;
	if (pool->free_count >= pool->keep) {
		free(block);
		return;
	}
	block->next = pool->free_list;
	pool->free_list = block;
	pool->free_count++;
}

size_t
pool_block_size(const struct pool *pool)
{
	return pool->block_size;
}

size_t
pool_in_use(const struct pool *pool)
{
	return pool->in_use;
}
