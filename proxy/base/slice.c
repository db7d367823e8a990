/*
 * Comparisons and small readings of slices.  See slice.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/slice.h"

#include "base/log.h"

#include <stdlib.h>

int
ascii_hex(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || !memcmp(a.ptr, b.ptr, a.len));
}

bool
slice_eq_nocase(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
			return false;
	return true;
}

bool
slice_has_prefix_nocase(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	       slice_eq_nocase(slice_head(s, prefix.len), prefix);
}

bool
slice_has_suffix_nocase(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len &&
	       slice_eq_nocase(slice_from(s, s.len - suffix.len), suffix);
}

ptrdiff_t
slice_find(struct slice s, char c)
{
	const char *hit = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);

	return hit == NULL ? -1 : hit - s.ptr;
}

int
slice_cmp(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);

	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

bool
slice_to_u64(struct slice s, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_digit(s.ptr[i]))
			return false;
		unsigned digit = (unsigned)(s.ptr[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

char *
slice_dup(struct slice s)
{
	char *copy = malloc(s.len + 1);

	if (copy == NULL)
		log_fatal("no memory for %zu bytes", s.len + 1);
	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}

static int
octal(struct slice s)
{
	int value = 0;

	if (s.len < 3)
		return -1;
	for (int i = 0; i < 3; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '7')
			return -1;
		value = value * 8 + (s.ptr[i] - '0');
	}
	return value <= 0377 ? value : -1;
}

/* One escape, s at the byte behind the backslash: the value, and how many
 * bytes it took. */
static int
unescape_one(struct slice s, size_t *used)
{
	static const char names[] = "abfnrtv\\\"'?";
	static const char values[] = "\a\b\f\n\r\t\v\\\"'?";
	const char *name;

	*used = 1;
	if (s.len == 0)
		return -1;
	if (s.ptr[0] == 'x' && s.len >= 3 && ascii_hex(s.ptr[1]) >= 0 &&
	    ascii_hex(s.ptr[2]) >= 0) {
		*used = 3;
		return ascii_hex(s.ptr[1]) * 16 + ascii_hex(s.ptr[2]);
	}
	if (s.ptr[0] != '\0' && (name = strchr(names, s.ptr[0])) != NULL)
		return (unsigned char)values[name - names];
	*used = 3;
	return octal(s);
}

ptrdiff_t
slice_unescape(struct slice s, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '\\') {
			out[n++] = s.ptr[i];
			continue;
		}
		size_t used;
		int value = unescape_one(slice_from(s, i + 1), &used);
		if (value < 0)
			return -1;
		out[n++] = (char)value;
		i += used;
	}
	return (ptrdiff_t)n;
}
