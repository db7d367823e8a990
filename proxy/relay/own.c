/*
 * A hash table of tags alone.  See own.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/own.h"

#include <string.h>

enum {
	WINDOW = 8 /* slots that a tag may be in */
};

/* FNV-1a. */
static uint64_t
add_endpoint(uint64_t hash, const struct endpoint *endpoint)
{
	uint8_t bytes[sizeof(endpoint->addr.bytes) + 2];
	size_t len = endpoint->addr.family == 6 ? 16 : 4;

	memcpy(bytes, endpoint->addr.bytes, len);
	bytes[len++] = (uint8_t)(endpoint->port >> 8);
	bytes[len++] = (uint8_t)endpoint->port;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
	return hash;
}

static uint64_t
tag_of(const struct endpoint *from, const struct endpoint *to)
{
	uint64_t hash = add_endpoint(UINT64_C(14695981039346656037), from);

	hash = add_endpoint(hash, to);
	return hash == 0 ? 1 : hash;
}

/* The slot that holds `held` for this tag, or -1. */
static int
find(const struct own_table *table, uint64_t tag, uint64_t held)
{
	for (unsigned i = 0; i < WINDOW; i++) {
		unsigned at = (unsigned)(tag >> 32) + i;

		if (atomic_load_explicit(&table->slot[at % OWN_SLOTS],
			memory_order_acquire) == held)
			return (int)(at % OWN_SLOTS);
	}
	return -1;
}

uint64_t
own_note(struct own_table *table, const struct endpoint *from,
    const struct endpoint *to)
{
	uint64_t tag = tag_of(from, to);
	int at = find(table, tag, 0);

	if (at == -1)
		return 0;
	atomic_store_explicit(&table->slot[at], tag, memory_order_release);
	return tag;
}

void
own_forget(struct own_table *table, uint64_t tag)
{
	int at = tag == 0 ? -1 : find(table, tag, tag);

	if (at != -1)
		atomic_store_explicit(
		    &table->slot[at], 0, memory_order_release);
}

bool
own_has(const struct own_table *table, const struct endpoint *from,
    const struct endpoint *to)
{
	uint64_t tag = tag_of(from, to);

	return find(table, tag, tag) != -1;
}
