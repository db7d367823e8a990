/*
 * Blocks of one size that go round: what is put back is handed out again
 * without asking the C library.  One pool per worker and size; no locks.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

struct pool;

/* `keep`: how many free blocks are kept at most; more go back to the C
 * library.  NULL: no memory. */
struct pool *pool_new(size_t block_size, size_t keep);
/* All blocks must be back. */
void pool_free(struct pool **pool);
/* A block of undefined content, or NULL: no memory. */
void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *block);
size_t pool_block_size(const struct pool *pool);
/* Blocks handed out now. */
size_t pool_in_use(const struct pool *pool);

#endif
