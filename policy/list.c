/*
 * Lists.  See list.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/list.h"

#include "base/log.h"

#include <stdlib.h>

static void *
must(void *memory)
{
	if (memory == NULL)
		log_fatal("no memory for a list");
	return memory;
}

/* --- addresses ------------------------------------------------------------------- */

/* Both ends are in it; of IPv4 the first four bytes count. */
struct range {
	uint8_t low[16], high[16];
};

struct ranges {
	struct range *items;
	size_t count, size;
};

struct address_list {
	struct ranges v4, v6;
};

struct address_list *
address_list_new(void)
{
	return must(calloc(1, sizeof(struct address_list)));
}

void
address_list_free(struct address_list **list)
{
	if (*list == NULL)
		return;
	free((*list)->v4.items);
	free((*list)->v6.items);
	free(*list);
	*list = NULL;
}

void
address_list_add(struct address_list *list, const struct prefix *prefix)
{
	struct ranges *ranges =
	    prefix->addr.family == 4 ? &list->v4 : &list->v6;
	unsigned width = prefix->addr.family == 4 ? 32 : 128;

	if (ranges->count == ranges->size) {
		ranges->size = ranges->size == 0 ? 8 : ranges->size * 2;
		ranges->items = must(realloc(
		    ranges->items, ranges->size * sizeof(struct range)));
	}
	struct range *range = &ranges->items[ranges->count++];
	memcpy(range->low, prefix->addr.bytes, 16);
	memcpy(range->high, prefix->addr.bytes, 16);
	for (unsigned bit = prefix->bits; bit < width; bit++)
		range->high[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

static int
by_low(const void *a, const void *b)
{
	return memcmp(
	    ((const struct range *)a)->low, ((const struct range *)b)->low, 16);
}

/* Prefixes nest or are apart: a range that begins within the one before it
 * ends there too. */
static void
seal(struct ranges *ranges)
{
	size_t kept = 0;

	if (ranges->count == 0)
		return;
	qsort(ranges->items, ranges->count, sizeof(struct range), by_low);
	for (size_t i = 1; i < ranges->count; i++) {
		struct range *last = &ranges->items[kept];
		const struct range *next = &ranges->items[i];
		if (memcmp(next->low, last->high, 16) > 0)
			ranges->items[++kept] = *next;
		else if (memcmp(next->high, last->high, 16) > 0)
			memcpy(last->high, next->high, 16);
	}
	ranges->count = kept + 1;
}

void
address_list_seal(struct address_list *list)
{
	seal(&list->v4);
	seal(&list->v6);
}

bool
address_list_has(const struct address_list *list, const struct addr *address)
{
	const struct ranges *ranges =
	    address->family == 4 ? &list->v4 : &list->v6;
	size_t low = 0, high = ranges->count;

	/* The last range that begins at or before the address. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(ranges->items[middle].low, address->bytes, 16) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 &&
	       memcmp(address->bytes, ranges->items[low - 1].high, 16) <= 0;
}

size_t
address_list_ranges(const struct address_list *list)
{
	return list->v4.count + list->v6.count;
}

void
address_list_range(const struct address_list *list, size_t i, struct addr *low,
    struct addr *high)
{
	bool v4 = i < list->v4.count;
	const struct range *range =
	    v4 ? &list->v4.items[i] : &list->v6.items[i - list->v4.count];

	*low = *high = (struct addr){.family = v4 ? 4 : 6};
	memcpy(low->bytes, range->low, v4 ? 4 : 16);
	memcpy(high->bytes, range->high, v4 ? 4 : 16);
}

/* --- domains ------------------------------------------------------------------------ */

/* Names stand one after another in `text`, lower case; the table holds their
 * offsets plus one, 0 where a place is free. */
struct domain_list {
	char *text;
	size_t text_len, text_size;
	uint32_t *table;
	size_t mask; /* places less one */
	size_t count;
};

enum {
	DOMAIN_MAX = 255,
	FIRST_PLACES = 64
};

struct domain_list *
domain_list_new(void)
{
	struct domain_list *list = must(calloc(1, sizeof(*list)));

	list->table = must(calloc(FIRST_PLACES, sizeof(uint32_t)));
	list->mask = FIRST_PLACES - 1;
	return list;
}

void
domain_list_free(struct domain_list **list)
{
	if (*list == NULL)
		return;
	free((*list)->text);
	free((*list)->table);
	free(*list);
	*list = NULL;
}

/* FNV-1a. */
static uint64_t
hash_of(struct slice name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.ptr[i]) *
		       UINT64_C(0x100000001b3);
	return hash ^ hash >> 29;
}

/* Where the name is, or the free place where it would be. */
static size_t
place_of(const struct domain_list *list, struct slice name)
{
	size_t place = (size_t)hash_of(name) & list->mask;

	for (;; place = (place + 1) & list->mask) {
		uint32_t at = list->table[place];
		if (at == 0)
			return place;
		const char *there = list->text + at - 1;
		/* A length in one byte, then the name. */
		if ((unsigned char)there[0] == name.len &&
		    memcmp(there + 1, name.ptr, name.len) == 0)
			return place;
	}
}

static void
grow(struct domain_list *list)
{
	uint32_t *old = list->table;
	size_t places = list->mask + 1;

	list->table = must(calloc(places * 2, sizeof(uint32_t)));
	list->mask = places * 2 - 1;
	for (size_t i = 0; i < places; i++) {
		if (old[i] == 0)
			continue;
		const char *there = list->text + old[i] - 1;
		list->table[place_of(list,
		    slice_of(there + 1, (unsigned char)there[0]))] = old[i];
	}
	free(old);
}

static bool
is_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		if (c <= 0x20 || c >= 0x7f || c == '@' || c == '/')
			return false;
		if (c == '.' && (i == 0 || name.ptr[i - 1] == '.'))
			return false;
	}
	return name.len > 0 && name.len <= DOMAIN_MAX;
}

bool
domain_list_add(struct domain_list *list, struct slice name)
{
	char lower[DOMAIN_MAX];

	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	if (!is_name(name))
		return false;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = ascii_lower(name.ptr[i]);
	name.ptr = lower;
	size_t place = place_of(list, name);
	if (list->table[place] != 0)
		return true;
	if (list->text_len + 1 + name.len > list->text_size) {
		list->text_size = (list->text_size + 4096) * 2;
		list->text = must(realloc(list->text, list->text_size));
	}
	list->table[place] = (uint32_t)list->text_len + 1;
	list->text[list->text_len++] = (char)name.len;
	memcpy(list->text + list->text_len, name.ptr, name.len);
	list->text_len += name.len;
	if (++list->count * 2 > list->mask)
		grow(list);
	return true;
}

bool
domain_list_has(const struct domain_list *list, struct slice name)
{
	char lower[DOMAIN_MAX];

	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	if (name.len > DOMAIN_MAX)
		name = slice_from(name, name.len - DOMAIN_MAX);
	for (size_t i = 0; i < name.len; i++)
		lower[i] = ascii_lower(name.ptr[i]);
	name.ptr = lower;
	while (name.len > 0) {
		if (list->table[place_of(list, name)] != 0)
			return true;
		ptrdiff_t dot = slice_find(name, '.');
		if (dot == -1)
			return false;
		name = slice_from(name, (size_t)dot + 1);
	}
	return false;
}
