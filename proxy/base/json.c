/*
 * The JSON writer.  See json.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/json.h"

#include <stdio.h>

void
json_init(struct json *json, struct buf *out)
{
	*json = (struct json){.out = out};
}

bool
json_failed(const struct json *json)
{
	return json->failed;
}

static void
put(struct json *json, struct slice text)
{
	if (!json->failed && !buf_append(json->out, text))
		json->failed = true;
}

/* The comma and the key in one go: half of a record is keys. */
static void
put_key(struct json *json, const char *key)
{
	size_t len = key == NULL ? 0 : strlen(key), n = 0;
	char *to = json->failed ? NULL : buf_reserve(json->out, len + 4);

	if (to == NULL) {
		json->failed = true;
		return;
	}
	if (json->comma)
		to[n++] = ',';
	json->comma = true;
	if (key != NULL) {
		to[n++] = '"';
		memcpy(to + n, key, len);
		n += len;
		to[n++] = '"';
		to[n++] = ':';
	}
	buf_commit(json->out, n);
}

void
json_object_open(struct json *json, const char *key)
{
	put_key(json, key);
	put(json, SLICE("{"));
	json->comma = false;
}

void
json_object_close(struct json *json)
{
	put(json, SLICE("}"));
	json->comma = true;
}

void
json_array_open(struct json *json, const char *key)
{
	put_key(json, key);
	put(json, SLICE("["));
	json->comma = false;
}

void
json_array_close(struct json *json)
{
	put(json, SLICE("]"));
	json->comma = true;
}

static bool
is_continuation(struct slice s, size_t at)
{
	return at < s.len && ((unsigned char)s.ptr[at] & 0xc0) == 0x80;
}

size_t
utf8_sequence(struct slice s)
{
	if (s.len == 0)
		return 0;
	unsigned char first = (unsigned char)s.ptr[0];
	unsigned char second = s.len > 1 ? (unsigned char)s.ptr[1] : 0;

	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return is_continuation(s, 1) ? 2 : 0;
	if (first >= 0xe0 && first <= 0xef) {
		if ((first == 0xe0 && second < 0xa0) ||
		    (first == 0xed && second > 0x9f))
			return 0;
		return is_continuation(s, 1) && is_continuation(s, 2) ? 3 : 0;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		if ((first == 0xf0 && second < 0x90) ||
		    (first == 0xf4 && second > 0x8f))
			return 0;
		return is_continuation(s, 1) && is_continuation(s, 2) &&
			       is_continuation(s, 3)
			   ? 4
			   : 0;
	}
	return 0;
}

/* U+2028 and U+2029 end a line for some readers of JSON as JavaScript, and
 * U+0085 for some readers of lines. */
static bool
is_line_break(struct slice s, size_t len)
{
	if (len == 2)
		return memcmp(s.ptr, "\xc2\x85", 2) == 0;
	return len == 3 && memcmp(s.ptr, "\xe2\x80", 2) == 0 &&
	       ((unsigned char)s.ptr[2] & 0xfe) == 0xa8;
}

static size_t
put_one(struct json *json, struct slice rest)
{
	unsigned char c = (unsigned char)rest.ptr[0];
	size_t len = utf8_sequence(rest);
	char text[16];

	if (len == 0)
		snprintf(text, sizeof(text), "\\\\x%02x", c);
	else if (c == '\\')
		snprintf(text, sizeof(text), "\\\\\\\\");
	else if (c == '"')
		snprintf(text, sizeof(text), "\\\"");
	else if (c < 0x20 || c == 0x7f)
		snprintf(text, sizeof(text), "\\u%04x", c);
	else if (is_line_break(rest, len))
		snprintf(text, sizeof(text), "\\u%04x",
		    len == 2 ? 0x85u
			     : 0x2000u | ((unsigned char)rest.ptr[2] & 0x3f));
	else {
		put(json, slice_head(rest, len));
		return len;
	}
	put(json, slice_str(text));
	return len == 0 ? 1 : len;
}

static bool
is_plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void
json_bytes(struct json *json, const char *key, struct slice bytes)
{
	size_t i = 0;

	put_key(json, key);
	put(json, SLICE("\""));
	while (i < bytes.len) {
		size_t run = i;
		while (run < bytes.len && is_plain(bytes.ptr[run]))
			run++;
		put(json, slice_of(bytes.ptr + i, run - i));
		i = run;
		if (i < bytes.len)
			i += put_one(json, slice_from(bytes, i));
	}
	put(json, SLICE("\""));
}

bool
json_bytes_capped(
    struct json *json, const char *key, struct slice bytes, size_t cap)
{
	json_bytes(json, key, slice_head(bytes, cap));
	return bytes.len > cap;
}

void
json_str(struct json *json, const char *key, const char *str)
{
	json_bytes(json, key, slice_str(str));
}

static void
put_number(struct json *json, bool negative, uint64_t value)
{
	char text[24];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	if (negative)
		text[--at] = '-';
	put(json, slice_of(text + at, sizeof(text) - at));
}

void
json_u64(struct json *json, const char *key, uint64_t value)
{
	put_key(json, key);
	put_number(json, false, value);
}

void
json_i64(struct json *json, const char *key, int64_t value)
{
	put_key(json, key);
	put_number(
	    json, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void
json_bool(struct json *json, const char *key, bool value)
{
	put_key(json, key);
	put(json, value ? SLICE("true") : SLICE("false"));
}

void
json_null(struct json *json, const char *key)
{
	put_key(json, key);
	put(json, SLICE("null"));
}

void
json_raw(struct json *json, const char *key, struct slice text)
{
	put_key(json, key);
	put(json, text);
}
