/*
 * Reads back what base/json.c writes, for tests; knows nothing of its code.
 * A JSON string is decoded (RFC 8259, UTF-8 checked by value), then the
 * escapes of a peer's bytes are undone.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_JSON_DECODE_H
#define TESTS_JSON_DECODE_H

#include "base/slice.h"

/* One character of UTF-8 at s: its value and length; -1: none (RFC 3629). */
static inline long
decode_utf8(struct slice s, size_t *used)
{
	static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = s.len > 0 ? (unsigned char)s.ptr[0] : 0xff;
	long value;

	*used = 1;
	if (first < 0x80)
		return first;
	if (first < 0xc0 || first >= 0xf8)
		return -1;
	*used = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	value = first & (0xff >> (*used + 1));
	if (s.len < *used)
		return -1;
	for (size_t i = 1; i < *used; i++) {
		if (((unsigned char)s.ptr[i] & 0xc0) != 0x80)
			return -1;
		value = value << 6 | (s.ptr[i] & 0x3f);
	}
	if (value < least[*used] || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return -1;
	return value;
}

/* \uXXXX, s at the first digit: as UTF-8 into out; its length, 0: none. */
static inline size_t
decode_unicode(struct slice s, char *out)
{
	unsigned value = 0;

	if (s.len < 4)
		return 0;
	for (int i = 0; i < 4; i++) {
		int digit = ascii_hex(s.ptr[i]);
		if (digit < 0)
			return 0;
		value = value * 16 + (unsigned)digit;
	}
	if (value >= 0xd800 && value <= 0xdfff)
		return 0;
	if (value < 0x80) {
		out[0] = (char)value;
		return 1;
	}
	if (value < 0x800) {
		out[0] = (char)(0xc0 | value >> 6);
		out[1] = (char)(0x80 | (value & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | value >> 12);
	out[1] = (char)(0x80 | (value >> 6 & 0x3f));
	out[2] = (char)(0x80 | (value & 0x3f));
	return 3;
}

/* The JSON string that s begins with, without quotes and JSON's escapes; out
 * has room for s.len.  Its octets in s, or -1: not well-formed. */
static inline ptrdiff_t
decode_json_string(struct slice s, char *out, size_t *out_len)
{
	static const char names[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	size_t i = 1;

	*out_len = 0;
	if (s.len < 2 || s.ptr[0] != '"')
		return -1;
	while (i < s.len && s.ptr[i] != '"') {
		size_t used;
		long value = decode_utf8(slice_from(s, i), &used);
		if (value < 0x20 || value == 0x7f || value == 0x85 ||
		    value == 0x2028 || value == 0x2029)
			return -1; /* as it is: none of these may be there */
		if (value != '\\') {
			memcpy(out + *out_len, s.ptr + i, used);
			*out_len += used;
			i += used;
			continue;
		}
		if (++i == s.len)
			return -1;
		const char *name =
		    s.ptr[i] == '\0' ? NULL : strchr(names, s.ptr[i]);
		if (name != NULL) {
			out[(*out_len)++] = values[name - names];
			i++;
			continue;
		}
		size_t len =
		    s.ptr[i] != 'u'
			? 0
			: decode_unicode(slice_from(s, i + 1), out + *out_len);
		if (len == 0)
			return -1;
		*out_len += len;
		i += 5;
	}
	return i < s.len ? (ptrdiff_t)i + 1 : -1;
}

/* Undoes \\ and \xHH in place; false: a backslash that is neither. */
static inline bool
decode_bytes(char *text, size_t *len)
{
	size_t n = 0;

	for (size_t i = 0; i < *len; i++) {
		if (text[i] != '\\') {
			text[n++] = text[i];
		} else if (i + 1 < *len && text[i + 1] == '\\') {
			text[n++] = '\\';
			i++;
		} else if (i + 3 < *len && text[i + 1] == 'x' &&
			   ascii_hex(text[i + 2]) >= 0 &&
			   ascii_hex(text[i + 3]) >= 0) {
			text[n++] = (char)(ascii_hex(text[i + 2]) * 16 +
					   ascii_hex(text[i + 3]));
			i += 3;
		} else {
			return false;
		}
	}
	*len = n;
	return true;
}

/* Both: a peer's bytes out of the JSON string that s begins with. */
static inline ptrdiff_t
decode_peer(struct slice s, char *out, size_t *out_len)
{
	ptrdiff_t used = decode_json_string(s, out, out_len);

	return used != -1 && decode_bytes(out, out_len) ? used : -1;
}

#endif
