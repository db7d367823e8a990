/*
 * libFuzzer: lists made from any bytes, one entry or question a line.  The
 * oracle is a search through every entry: of addresses by prefix_contains, of
 * names by their ends.
 *
 *   +x  an entry (a prefix or a name)     ?x  a question
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/list.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	LINES_MAX = 100
};

struct line {
	bool is_entry;
	struct slice text;
};

static struct line lines[LINES_MAX];
static unsigned line_count;

static void
split(struct slice text)
{
	line_count = 0;
	while (text.len > 0 && line_count < LINES_MAX) {
		ptrdiff_t end = slice_find(text, '\n');
		size_t len = end == -1 ? text.len : (size_t)end;
		struct slice line = slice_head(text, len);
		if (line.len > 0)
			lines[line_count++] = (struct line){
			    line.ptr[0] == '+', slice_from(line, 1)};
		text = slice_from(text, len + 1);
	}
}

/* --- addresses ------------------------------------------------------------ */

static struct prefix prefixes[LINES_MAX];
static unsigned prefix_count;

static bool
is_in_one(const struct addr *addr)
{
	for (unsigned i = 0; i < prefix_count; i++)
		if (prefix_contains(&prefixes[i], addr))
			return true;
	return false;
}

/* The address one above or below; false: there is none. */
static bool
step(struct addr *addr, bool up)
{
	for (unsigned i = addr->family == 4 ? 4 : 16; i-- > 0;)
		if (up ? ++addr->bytes[i] != 0 : addr->bytes[i]-- != 0)
			return true;
	return false;
}

static struct addr
last_of(const struct prefix *prefix)
{
	struct addr addr = prefix->addr;

	for (unsigned bit = prefix->bits; bit < (addr.family == 4 ? 32U : 128U);
	     bit++)
		addr.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return addr;
}

/* At the edges of a prefix and beside them. */
static void
ask_around(const struct address_list *list, const struct prefix *prefix)
{
	static const struct prefix mapped = {
	    {6, {[10] = 0xff, [11] = 0xff}}, 96};

	for (unsigned i = 0; i < 6; i++) {
		struct addr addr = i < 3 ? prefix->addr : last_of(prefix);
		if (i % 3 != 0 && !step(&addr, i % 3 == 1))
			continue;
		/* These are IPv4 to the list, which base/addr.h makes sure
		 * of before anyone asks. */
		if (prefix_contains(&mapped, &addr))
			continue;
		assert(address_list_has(list, &addr) == is_in_one(&addr));
	}
}

/* Covered by several: then both halves are, down to single addresses. */
static bool
is_covered(struct prefix prefix)
{
	unsigned width = prefix.addr.family == 4 ? 32 : 128;

	for (unsigned i = 0; i < prefix_count; i++)
		if (prefixes[i].bits <= prefix.bits &&
		    prefix_contains(&prefixes[i], &prefix.addr))
			return true;
	/* Without an entry inside it no half can be. */
	bool inside = false;
	for (unsigned i = 0; i < prefix_count; i++)
		inside |= prefix_contains(&prefix, &prefixes[i].addr);
	if (!inside || prefix.bits == width)
		return false;
	struct prefix half = prefix;
	half.bits++;
	if (!is_covered(half))
		return false;
	half.addr.bytes[prefix.bits / 8] |= (uint8_t)(0x80 >> prefix.bits % 8);
	return is_covered(half);
}

static void
try_addresses(void)
{
	struct address_list *list = address_list_new();
	struct prefix prefix;
	struct addr addr;

	prefix_count = 0;
	for (unsigned i = 0; i < line_count; i++) {
		if (!lines[i].is_entry || !prefix_parse(lines[i].text, &prefix))
			continue;
		address_list_add(list, &prefix);
		prefixes[prefix_count++] = prefix;
	}
	address_list_seal(list);
	assert(address_list_count(list) <= prefix_count);
	assert(address_list_covers_list(list, list));
	assert(address_list_first(list, &addr) == (prefix_count > 0));
	assert(prefix_count == 0 || is_in_one(&addr));
	for (unsigned i = 0; i < line_count; i++) {
		if (!prefix_parse(lines[i].text, &prefix))
			continue;
		ask_around(list, &prefix);
		assert(
		    address_list_covers(list, &prefix) == is_covered(prefix));
	}
	address_list_free(&list);
}

/* --- domains -------------------------------------------------------------- */

static struct slice names[LINES_MAX];
static unsigned name_count;

static struct slice
without_dot(struct slice name)
{
	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

static bool
is_under_one(struct slice name)
{
	name = without_dot(name);
	for (unsigned i = 0; i < name_count; i++)
		if (slice_has_suffix_nocase(name, names[i]) &&
		    (name.len == names[i].len ||
			name.ptr[name.len - names[i].len - 1] == '.'))
			return true;
	return false;
}

static void
try_domains(void)
{
	struct domain_list *list = domain_list_new();
	char first[256];

	name_count = 0;
	for (unsigned i = 0; i < line_count; i++)
		if (lines[i].is_entry && domain_list_add(list, lines[i].text))
			names[name_count++] = without_dot(lines[i].text);
	assert(domain_list_count(list) <= name_count);
	assert(domain_list_covers_list(list, list));
	assert(
	    domain_list_first(list, first, sizeof(first)) == (name_count > 0));
	assert(name_count == 0 || slice_eq_nocase(slice_str(first), names[0]));
	for (unsigned i = 0; i < line_count; i++)
		assert(domain_list_has(list, lines[i].text) ==
		       is_under_one(lines[i].text));
	domain_list_free(&list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	split(slice_of((const char *)data, size));
	try_addresses();
	try_domains();
	return 0;
}
