/*
 * Lists of domains: the names' text and a hash table of where each is.  See
 * list.h.
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

/*
 * Names stand one after another in `text`, each behind its length in one
 * octet, lower case.  The table holds their offsets, and beside each a tag, 8
 * bits of the name's hash (never 0, which is a free place): a look-up of what
 * is not listed seldom reads more than the tags.
 */
struct domain_list {
	char *text;
	size_t text_len, text_size, text_max;
	uint8_t *tags;
	uint32_t *offsets;
	size_t mask; /* places less one */
	size_t count;
	unsigned deepest; /* labels of the name that has most */
	bool full;
};

enum {
	DOMAIN_MAX = 255,
	LABEL_MAX = 63,
	FIRST_PLACES = 64
};

static void
new_table(struct domain_list *list, size_t places)
{
	free(list->tags);
	free(list->offsets);
	list->tags = must(calloc(places, sizeof(uint8_t)));
	list->offsets = must(malloc(places * sizeof(uint32_t)));
	list->mask = places - 1;
}

struct domain_list *
domain_list_new(void)
{
	struct domain_list *list = must(calloc(1, sizeof(*list)));

	list->text_max = UINT32_MAX;
	new_table(list, FIRST_PLACES);
	return list;
}

void
domain_list_free(struct domain_list **list)
{
	if (*list == NULL)
		return;
	free((*list)->text);
	free((*list)->tags);
	free((*list)->offsets);
	free(*list);
	*list = NULL;
}

void
domain_list_limit(struct domain_list *list, uint32_t octets)
{
	list->text_max = octets;
}

bool
domain_list_is_full(const struct domain_list *list)
{
	return list->full;
}

size_t
domain_list_count(const struct domain_list *list)
{
	return list->count;
}

/* FNV-1a from a name's end to its beginning: on the way it is the hash of each
 * parent. */
#define HASH_OF_NOTHING UINT64_C(0xcbf29ce484222325)

static inline uint64_t
hash_more(uint64_t hash, char c)
{
	return (hash ^ (unsigned char)c) * UINT64_C(0x100000001b3);
}

static uint64_t
hash_of(struct slice name)
{
	uint64_t hash = HASH_OF_NOTHING;

	for (size_t i = name.len; i-- > 0;)
		hash = hash_more(hash, name.ptr[i]);
	return hash;
}

static uint8_t
tag_of(uint64_t hash)
{
	uint8_t tag = (uint8_t)(hash >> 56);

	return tag == 0 ? 1 : tag;
}

/* The name at an offset of the text. */
static struct slice
name_at(const struct domain_list *list, size_t offset)
{
	return slice_of(
	    list->text + offset + 1, (unsigned char)list->text[offset]);
}

/* Where the name is, or the free place where it would be. */
static size_t
place_of(const struct domain_list *list, uint64_t hash, struct slice name)
{
	size_t place = (size_t)(hash ^ hash >> 29) & list->mask;
	uint8_t tag = tag_of(hash);

	for (;; place = (place + 1) & list->mask)
		if (list->tags[place] == 0 ||
		    (list->tags[place] == tag &&
			slice_eq_nocase(
			    name_at(list, list->offsets[place]), name)))
			return place;
}

static void
put(struct domain_list *list, size_t place, uint64_t hash, size_t offset)
{
	list->tags[place] = tag_of(hash);
	list->offsets[place] = (uint32_t)offset;
}

static void
grow(struct domain_list *list)
{
	size_t offset = 0;

	new_table(list, (list->mask + 1) * 2);
	while (offset < list->text_len) {
		struct slice name = name_at(list, offset);
		uint64_t hash = hash_of(name);
		put(list, place_of(list, hash, name), hash, offset);
		offset += 1 + name.len;
	}
}

/* The labels of a name without a trailing dot, or 0: it is none. */
static unsigned
count_labels(struct slice name)
{
	unsigned labels = 1;
	size_t start = 0;

	if (name.len == 0 || name.len > DOMAIN_MAX)
		return 0;
	for (size_t i = 0; i <= name.len; i++) {
		char c = i < name.len ? name.ptr[i] : '.';
		if (c == '.') {
			if (i == start || i - start > LABEL_MAX)
				return 0;
			start = i + 1;
			labels += i < name.len;
		} else if (!ascii_is_alpha(c) && !ascii_is_digit(c) &&
			   c != '-' && c != '_') {
			return 0;
		}
	}
	return labels;
}

static struct slice
without_dot(struct slice name)
{
	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

static void
append(struct domain_list *list, struct slice name)
{
	if (list->text_len + 1 + name.len > list->text_size) {
		list->text_size = (list->text_size + 4096) / 2 * 3;
		list->text = must(realloc(list->text, list->text_size));
	}
	list->text[list->text_len++] = (char)name.len;
	memcpy(list->text + list->text_len, name.ptr, name.len);
	list->text_len += name.len;
}

bool
domain_list_add(struct domain_list *list, struct slice name)
{
	char lower[DOMAIN_MAX];

	name = without_dot(name);
	unsigned labels = count_labels(name);
	list->full = false;
	if (labels == 0)
		return false;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = ascii_lower(name.ptr[i]);
	name.ptr = lower;
	uint64_t hash = hash_of(name);
	size_t place = place_of(list, hash, name);
	if (list->tags[place] != 0)
		return true;
	list->full = list->text_len + 1 + name.len > list->text_max;
	if (list->full)
		return false;
	put(list, place, hash, list->text_len);
	append(list, name);
	list->deepest = labels > list->deepest ? labels : list->deepest;
	if (++list->count * 4 > list->mask * 3)
		grow(list);
	return true;
}

bool
domain_list_has(const struct domain_list *list, struct slice name)
{
	uint64_t hash = HASH_OF_NOTHING;
	unsigned labels = 0;

	/* The shortest parent first: an argument may have thousands of labels,
	 * a list's names have few. */
	name = without_dot(name);
	for (size_t i = name.len; i-- > 0 && labels < list->deepest;) {
		hash = hash_more(hash, ascii_lower(name.ptr[i]));
		if (i > 0 && name.ptr[i - 1] != '.')
			continue;
		struct slice parent = slice_from(name, i);
		labels++;
		if (list->tags[place_of(list, hash, parent)] != 0)
			return true;
	}
	return false;
}

bool
domain_list_covers_list(
    const struct domain_list *outer, const struct domain_list *inner)
{
	size_t offset = 0;

	while (offset < inner->text_len) {
		struct slice name = name_at(inner, offset);
		if (!domain_list_has(outer, name))
			return false;
		offset += 1 + name.len;
	}
	return true;
}

bool
domain_list_next(const struct domain_list *list, size_t *at, struct slice *out)
{
	if (*at >= list->text_len)
		return false;
	*out = name_at(list, *at);
	*at += 1 + out->len;
	return true;
}

bool
domain_list_first(const struct domain_list *list, char *out, size_t size)
{
	if (list->count == 0)
		return false;
	struct slice name = name_at(list, 0);
	if (name.len >= size)
		return false;
	memcpy(out, name.ptr, name.len);
	out[name.len] = '\0';
	return true;
}
