/*
 * The resolver's memory.  See resolver_cache.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/resolver_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

struct entry {
	TAILQ_ENTRY(entry) by_use;
	LIST_ENTRY(entry) by_hash;
	uint64_t expires_ms;
	struct resolver_answer *answer;
	size_t bytes; /* with the answer */
	enum dns_type type;
	size_t name_len;
	char name[];
};

TAILQ_HEAD(by_use, entry);
LIST_HEAD(by_hash, entry);

struct resolver_cache {
	uint8_t key[16];
	unsigned entries, entries_max;
	size_t bytes, bytes_max;
	struct by_use by_use; /* the most recently used first */
	size_t mask;
	struct by_hash buckets[];
};

/* --- hash ------------------------------------------------------------------ */

static uint64_t
load64(const uint8_t *bytes, size_t len)
{
	uint64_t out = 0;

	for (size_t i = 0; i < len; i++)
		out |= (uint64_t)bytes[i] << 8 * i;
	return out;
}

static uint64_t
rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static void
sip_rounds(uint64_t v[4], unsigned rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

static uint64_t
sip_hash(const uint8_t key[16], const uint8_t *bytes, size_t len)
{
	uint64_t k0 = load64(key, 8), k1 = load64(key + 8, 8), word;
	uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575),
	    k1 ^ UINT64_C(0x646f72616e646f6d),
	    k0 ^ UINT64_C(0x6c7967656e657261),
	    k1 ^ UINT64_C(0x7465646279746573)};
	size_t at = 0;

	for (; at + 8 <= len; at += 8) {
		word = load64(bytes + at, 8);
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	word = load64(bytes + at, len - at) | (uint64_t)len << 56;
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
resolver_hash(const uint8_t key[16], const struct dns_question *question)
{
	uint8_t bytes[DNS_NAME_MAX + 1];

	assert(question->name.len <= DNS_NAME_MAX);
	bytes[0] = (uint8_t)question->type;
	memcpy(bytes + 1, question->name.ptr, question->name.len);
	return sip_hash(key, bytes, question->name.len + 1);
}

/* --- entries --------------------------------------------------------------- */

static void
forget(struct resolver_cache *cache, struct entry *entry)
{
	TAILQ_REMOVE(&cache->by_use, entry, by_use);
	LIST_REMOVE(entry, by_hash);
	cache->entries--;
	cache->bytes -= entry->bytes;
	resolver_answer_unref(&entry->answer);
	free(entry);
}

static struct by_hash *
bucket_of(struct resolver_cache *cache, const struct dns_question *question)
{
	return &cache->buckets[resolver_hash(cache->key, question) &
			       cache->mask];
}

static struct entry *
find(const struct by_hash *bucket, const struct dns_question *question)
{
	struct entry *entry;

	LIST_FOREACH(entry, bucket, by_hash)
	if (entry->type == question->type &&
	    slice_eq(slice_of(entry->name, entry->name_len), question->name))
		return entry;
	return NULL;
}

struct resolver_cache *
resolver_cache_new(
    unsigned entries_max, size_t bytes_max, const uint8_t key[16])
{
	size_t buckets = 16;

	while (buckets < entries_max)
		buckets *= 2;
	struct resolver_cache *cache =
	    calloc(1, sizeof(*cache) + buckets * sizeof(struct by_hash));
	if (cache == NULL)
		return NULL;
	memcpy(cache->key, key, sizeof(cache->key));
	cache->entries_max = entries_max;
	cache->bytes_max = bytes_max;
	cache->mask = buckets - 1;
	TAILQ_INIT(&cache->by_use);
	return cache;
}

void
resolver_cache_free(struct resolver_cache **cache_p)
{
	struct resolver_cache *cache = *cache_p;

	if (cache == NULL)
		return;
	while (!TAILQ_EMPTY(&cache->by_use))
		forget(cache, TAILQ_FIRST(&cache->by_use));
	free(cache);
	*cache_p = NULL;
}

struct resolver_answer *
resolver_cache_get(struct resolver_cache *cache,
    const struct dns_question *question, uint64_t now_ms, uint32_t *ttl)
{
	struct entry *entry = find(bucket_of(cache, question), question);

	if (entry == NULL)
		return NULL;
	if (entry->expires_ms <= now_ms) {
		forget(cache, entry);
		return NULL;
	}
	TAILQ_REMOVE(&cache->by_use, entry, by_use);
	TAILQ_INSERT_HEAD(&cache->by_use, entry, by_use);
	*ttl = (uint32_t)((entry->expires_ms - now_ms + 999) / 1000);
	return entry->answer;
}

void
resolver_cache_put(struct resolver_cache *cache,
    const struct dns_question *question, struct resolver_answer *answer,
    uint64_t now_ms)
{
	struct by_hash *bucket = bucket_of(cache, question);
	struct entry *entry = find(bucket, question);
	size_t bytes = sizeof(*entry) + question->name.len + answer->bytes;

	if (entry != NULL)
		forget(cache, entry);
	if (cache->entries_max == 0 || bytes > cache->bytes_max ||
	    (entry = malloc(sizeof(*entry) + question->name.len)) == NULL)
		return;
	while (cache->entries >= cache->entries_max ||
	       cache->bytes_max - cache->bytes < bytes)
		forget(cache, TAILQ_LAST(&cache->by_use, by_use));
	entry->expires_ms = now_ms + (uint64_t)answer->answer.ttl * 1000;
	entry->answer = resolver_answer_ref(answer);
	entry->bytes = bytes;
	entry->type = question->type;
	entry->name_len = question->name.len;
	memcpy(entry->name, question->name.ptr, question->name.len);
	TAILQ_INSERT_HEAD(&cache->by_use, entry, by_use);
	LIST_INSERT_HEAD(bucket, entry, by_hash);
	cache->entries++;
	cache->bytes += bytes;
}

unsigned
resolver_cache_entries(const struct resolver_cache *cache)
{
	return cache->entries;
}

size_t
resolver_cache_bytes(const struct resolver_cache *cache)
{
	return cache->bytes;
}
