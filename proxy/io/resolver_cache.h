/*
 * Answers that are remembered for as long as they say, the least recently used
 * going first.  Bounded in entries and in bytes.  No clock: the caller says
 * what time it is.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_RESOLVER_CACHE_H
#define IO_RESOLVER_CACHE_H

#include "io/resolver_answer.h"

struct resolver_cache;

/* `key`: of the hash, random, for clients choose the names that are asked.
 * NULL: no memory. */
struct resolver_cache *resolver_cache_new(
    unsigned entries_max, size_t bytes_max, const uint8_t key[16]);
void resolver_cache_free(struct resolver_cache **cache);

/* The answer and the seconds it has left (at least 1), or NULL.  It is the
 * cache's: take a reference to keep it. */
struct resolver_answer *resolver_cache_get(struct resolver_cache *cache,
    const struct dns_question *question, uint64_t now_ms, uint32_t *ttl);
/* Remembers an answer for its TTL, in place of an older one.  Without memory
 * or room it is not remembered. */
void resolver_cache_put(struct resolver_cache *cache,
    const struct dns_question *question, struct resolver_answer *answer,
    uint64_t now_ms);

unsigned resolver_cache_entries(const struct resolver_cache *cache);
size_t resolver_cache_bytes(const struct resolver_cache *cache);

/* SipHash-2-4 of name and type. */
uint64_t resolver_hash(
    const uint8_t key[16], const struct dns_question *question);

#endif
