/*
 * A slice: bytes that somebody else owns, with their number.  Protocol text
 * holds NULs and is never terminated, so nothing above this file passes a
 * char * where bytes of a peer are meant.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *ptr; /* may be NULL when len is 0 */
	size_t len;
};

/* A slice of a string literal, without its NUL. */
#define SLICE(lit)   ((struct slice){("" lit), sizeof(lit) - 1})
/* For printf: printf("%.*s", SLICE_FMT(s)). */
#define SLICE_FMT(s) (int)(s).len, (s).ptr

static inline struct slice
slice_of(const char *ptr, size_t len)
{
	return (struct slice){ptr, len};
}

/* The slice of a C string; of NULL, the empty one. */
static inline struct slice
slice_str(const char *str)
{
	return (struct slice){str, str == NULL ? 0 : strlen(str)};
}

/* The bytes from offset on; empty when there are none. */
static inline struct slice
slice_from(struct slice s, size_t offset)
{
	if (offset >= s.len)
		return (struct slice){s.ptr + s.len, 0};
	return (struct slice){s.ptr + offset, s.len - offset};
}

/* At most the first len bytes. */
static inline struct slice
slice_head(struct slice s, size_t len)
{
	return (struct slice){s.ptr, len < s.len ? len : s.len};
}

/* ASCII only, whatever the locale says: the protocol is ASCII. */
static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline char
ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

static inline bool
ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_is_alpha(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The value of a hexadecimal digit, or -1. */
int ascii_hex(char c);

bool slice_eq(struct slice a, struct slice b);
/* As slice_eq, ASCII letters compared without case. */
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_has_prefix_nocase(struct slice s, struct slice prefix);
bool slice_has_suffix_nocase(struct slice s, struct slice suffix);
/* The offset of the first byte c, or -1. */
ptrdiff_t slice_find(struct slice s, char c);
/* memcmp order, the shorter first. */
int slice_cmp(struct slice a, struct slice b);

/* Reads decimal digits that fill s wholly and fit in *out: no sign, no blank,
 * no base prefix, leading zeros allowed.  False leaves *out alone. */
bool slice_to_u64(struct slice s, uint64_t *out);

/* A NUL-terminated copy; the caller frees it.  Ends the process when there is
 * no memory: for start-up and tools, never for the bytes of a session. */
char *slice_dup(struct slice s);

/* Undoes C escapes (\\ \" \t \r \n, three octal digits, \xHH) as in
 * tests/vectors.  Writes at most s.len bytes to out (never more than it
 * reads); returns their number, or -1 for an escape that is none of these. */
ptrdiff_t slice_unescape(struct slice s, char *out);

#endif
