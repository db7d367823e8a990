/*
 * Lists of addresses: sorted ranges with room between them, and a tree over
 * them.  See list.h.
 *
 * Ranges rather than a trie of prefixes: an entry costs its two ends and
 * nothing else, entries that overlap or touch cost one, and whether a prefix
 * or a whole list is covered is one look-up.  A table of the first 16 bits
 * instead of the tree would be 256 KiB for the smallest list, and no help with
 * IPv6, whose addresses in use all begin alike.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/list.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

static void *
must(void *memory)
{
	if (memory == NULL)
		log_fatal("no memory for a list");
	return memory;
}

/* --- ranges ----------------------------------------------------------------------- */

/* An address as a number; of IPv4 `high` is 0. */
struct number {
	uint64_t high, low;
};

enum {
	V4_BYTES = 4,
	V6_BYTES = 16,
	/* A look-up goes down a tree of which each node is that many
	 * addresses: one or two lines of memory, all compared, so that their
	 * loads do not wait for each other. */
	V4_FAN = 16,
	V6_FAN = 8,
	LEVELS_MAX = 22 /* of size_t ranges */
};

/* A range is its lowest and its highest address, each in `bytes`. */
struct ranges {
	unsigned char *items;
	size_t count, size;
	unsigned bytes, fan; /* of one address, of one node */
	/* The lowest address of each fan-th range, then of those each fan-th,
	 * and so on until they fit in one node. */
	unsigned char *guide[LEVELS_MAX];
	size_t guide_count[LEVELS_MAX];
	unsigned levels;
};

struct address_list {
	struct ranges v4, v6;
	bool sealed;
};

static inline struct number
load(const unsigned char *at, unsigned bytes)
{
	struct number number = {0, 0};
	uint32_t v4;

	if (bytes == V4_BYTES) {
		memcpy(&v4, at, sizeof(v4));
		number.low = v4;
	} else {
		memcpy(&number, at, sizeof(number));
	}
	return number;
}

static void
store(unsigned char *at, unsigned bytes, struct number number)
{
	uint32_t v4 = (uint32_t)number.low;

	if (bytes == V4_BYTES)
		memcpy(at, &v4, sizeof(v4));
	else
		memcpy(at, &number, sizeof(number));
}

/* Without a branch that a processor would have to guess. */
static inline bool
at_most(struct number a, struct number b)
{
	return (a.high < b.high) | ((a.high == b.high) & (a.low <= b.low));
}

static struct number
low_of(const struct ranges *ranges, size_t i)
{
	return load(ranges->items + i * 2 * ranges->bytes, ranges->bytes);
}

static struct number
high_of(const struct ranges *ranges, size_t i)
{
	return load(ranges->items + (i * 2 + 1) * ranges->bytes, ranges->bytes);
}

static void
set(struct ranges *ranges, size_t i, struct number low, struct number high)
{
	unsigned char *at = ranges->items + i * 2 * ranges->bytes;

	store(at, ranges->bytes, low);
	store(at + ranges->bytes, ranges->bytes, high);
}

static int
by_low4(const void *a, const void *b)
{
	struct number x = load(a, V4_BYTES), y = load(b, V4_BYTES);

	return !at_most(x, y) - !at_most(y, x);
}

static int
by_low6(const void *a, const void *b)
{
	struct number x = load(a, V6_BYTES), y = load(b, V6_BYTES);

	return !at_most(x, y) - !at_most(y, x);
}

static bool
is_sorted(const struct ranges *ranges)
{
	for (size_t i = 1; i < ranges->count; i++)
		if (!at_most(low_of(ranges, i - 1), low_of(ranges, i)))
			return false;
	return true;
}

/* Whether `low` is not behind `high`, or the next address. */
static bool
touches(struct number high, struct number low)
{
	if (at_most(low, high))
		return true;
	high.high += ++high.low == 0;
	return high.high == low.high && high.low == low.low;
}

/* Sorted ranges become ranges with room between them. */
static void
merge(struct ranges *ranges)
{
	size_t last = 0;

	for (size_t i = 1; i < ranges->count; i++) {
		struct number low = low_of(ranges, i);
		struct number high = high_of(ranges, i);
		struct number before = high_of(ranges, last);
		if (!touches(before, low))
			set(ranges, ++last, low, high);
		else if (!at_most(high, before))
			set(ranges, last, low_of(ranges, last), high);
	}
	ranges->count = last + 1;
}

/* The lowest address of each fan-th of `count` that stand `stride` bytes
 * apart. */
static void
add_level(struct ranges *ranges, const unsigned char *items, size_t count,
    size_t stride)
{
	size_t nodes = (count + ranges->fan - 1) / ranges->fan;
	unsigned char *level = must(malloc(nodes * ranges->bytes));

	for (size_t i = 0; i < nodes; i++)
		memcpy(level + i * ranges->bytes,
		    items + i * ranges->fan * stride, ranges->bytes);
	ranges->guide[ranges->levels] = level;
	ranges->guide_count[ranges->levels++] = nodes;
}

static void
free_guide(struct ranges *ranges)
{
	while (ranges->levels > 0)
		free(ranges->guide[--ranges->levels]);
}

static void
seal(struct ranges *ranges)
{
	size_t stride = 2 * ranges->bytes;

	free_guide(ranges);
	if (ranges->count == 0)
		return;
	if (!is_sorted(ranges))
		qsort(ranges->items, ranges->count, stride,
		    ranges->bytes == V4_BYTES ? by_low4 : by_low6);
	merge(ranges);
	ranges->size = ranges->count;
	ranges->items = must(realloc(ranges->items, ranges->size * stride));
	const unsigned char *items = ranges->items;
	for (size_t count = ranges->count; count > ranges->fan;
	     count = ranges->guide_count[ranges->levels - 1]) {
		add_level(ranges, items, count, stride);
		items = ranges->guide[ranges->levels - 1];
		stride = ranges->bytes;
	}
}

/* Of the addresses of the node that begins with the `first` of `count`, the
 * last that is not above the key; the first where all are. */
static inline size_t
last_at_most(const unsigned char *items, size_t count, size_t first,
    size_t stride, struct number key, unsigned bytes, unsigned fan)
{
	size_t size = count - first < fan ? count - first : fan;
	size_t not_above = 0;

	for (size_t i = first; i < first + size; i++)
		not_above += at_most(load(items + i * stride, bytes), key);
	return first + (not_above == 0 ? 0 : not_above - 1);
}

static inline bool
find(const struct ranges *ranges, struct number low, struct number high,
    unsigned bytes, unsigned fan)
{
	size_t at = 0;

	for (unsigned level = ranges->levels; level-- > 0; at *= fan)
		at = last_at_most(ranges->guide[level],
		    ranges->guide_count[level], at, bytes, low, bytes, fan);
	at = last_at_most(
	    ranges->items, ranges->count, at, 2 * bytes, low, bytes, fan);
	return at_most(load(ranges->items + at * 2 * bytes, bytes), low) &&
	       at_most(high, load(ranges->items + (at * 2 + 1) * bytes, bytes));
}

/* Whether all from low to high is in one range; ranges that touch are one. */
static bool
has(const struct ranges *ranges, struct number low, struct number high)
{
	if (ranges->count == 0)
		return false;
	/* Constants make two loops of the one. */
	if (ranges->bytes == V4_BYTES)
		return find(ranges, low, high, V4_BYTES, V4_FAN);
	return find(ranges, low, high, V6_BYTES, V6_FAN);
}

static bool
has_all(const struct ranges *outer, const struct ranges *inner)
{
	for (size_t i = 0; i < inner->count; i++)
		if (!has(outer, low_of(inner, i), high_of(inner, i)))
			return false;
	return true;
}

/* --- addresses -------------------------------------------------------------------- */

struct address_list *
address_list_new(void)
{
	struct address_list *list =
	    must(calloc(1, sizeof(struct address_list)));

	list->v4.bytes = V4_BYTES;
	list->v4.fan = V4_FAN;
	list->v6.bytes = V6_BYTES;
	list->v6.fan = V6_FAN;
	return list;
}

void
address_list_free(struct address_list **list)
{
	if (*list == NULL)
		return;
	free((*list)->v4.items);
	free_guide(&(*list)->v4);
	free((*list)->v6.items);
	free_guide(&(*list)->v6);
	free(*list);
	*list = NULL;
}

static struct number
number_of(const uint8_t *bytes, unsigned count)
{
	struct number number = {0, 0};

	for (unsigned i = 0; i < count; i++) {
		number.high = number.high << 8 | number.low >> 56;
		number.low = number.low << 8 | bytes[i];
	}
	return number;
}

/* The first and last address of a prefix; whether they are IPv4.  What
 * base/addr.h reads has no IPv4-mapped address, but a prefix need not have
 * been text. */
static bool
range_of(const struct prefix *prefix, struct number *low, struct number *high)
{
	bool v4 = prefix->addr.family == 4;
	unsigned host = (v4 ? 32 : 128) - prefix->bits; /* bits of it */

	*low = number_of(prefix->addr.bytes, v4 ? V4_BYTES : V6_BYTES);
	if (!v4 && host <= 32 && low->high == 0 && low->low >> 32 == 0xffff) {
		low->low &= UINT32_MAX;
		v4 = true;
	}
	*high = *low;
	high->low |= host >= 64 ? UINT64_MAX : (UINT64_C(1) << host) - 1;
	if (host > 64)
		high->high |=
		    host == 128 ? UINT64_MAX : (UINT64_C(1) << (host - 64)) - 1;
	return v4;
}

void
address_list_add(struct address_list *list, const struct prefix *prefix)
{
	struct number low, high;
	struct ranges *ranges =
	    range_of(prefix, &low, &high) ? &list->v4 : &list->v6;

	if (ranges->count == ranges->size) {
		ranges->size = ranges->size == 0 ? 8 : ranges->size * 2;
		ranges->items = must(
		    realloc(ranges->items, ranges->size * 2 * ranges->bytes));
	}
	set(ranges, ranges->count++, low, high);
	list->sealed = false;
}

void
address_list_seal(struct address_list *list)
{
	seal(&list->v4);
	seal(&list->v6);
	list->sealed = true;
}

bool
address_list_covers(
    const struct address_list *list, const struct prefix *prefix)
{
	struct number low, high;

	assert(list->sealed);
	if (prefix->addr.family == 0)
		return false;
	return range_of(prefix, &low, &high) ? has(&list->v4, low, high)
					     : has(&list->v6, low, high);
}

bool
address_list_has(const struct address_list *list, const struct addr *address)
{
	struct prefix whole = {*address, address->family == 4 ? 32 : 128};

	return address_list_covers(list, &whole);
}

bool
address_list_covers_list(
    const struct address_list *outer, const struct address_list *inner)
{
	assert(outer->sealed && inner->sealed);
	return has_all(&outer->v4, &inner->v4) &&
	       has_all(&outer->v6, &inner->v6);
}

size_t
address_list_count(const struct address_list *list)
{
	assert(list->sealed);
	return list->v4.count + list->v6.count;
}

static struct addr
addr_of(const struct ranges *ranges, struct number number)
{
	struct addr addr = {.family = ranges->bytes == V4_BYTES ? 4 : 6};

	for (unsigned i = ranges->bytes; i-- > 0;) {
		addr.bytes[i] = (uint8_t)number.low;
		number.low = number.low >> 8 | number.high << 56;
		number.high >>= 8;
	}
	return addr;
}

void
address_list_range(const struct address_list *list, size_t i, struct addr *low,
    struct addr *high)
{
	const struct ranges *ranges = &list->v4;

	assert(list->sealed);
	if (i >= list->v4.count) {
		i -= list->v4.count;
		ranges = &list->v6;
	}
	*low = addr_of(ranges, low_of(ranges, i));
	*high = addr_of(ranges, high_of(ranges, i));
}

bool
address_list_first(const struct address_list *list, struct addr *out)
{
	struct addr high;

	if (address_list_count(list) == 0)
		return false;
	address_list_range(list, 0, out, &high);
	return true;
}
