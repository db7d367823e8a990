/*
 * A JSON writer that appends to a buffer.  Text of a peer may hold any byte:
 * valid UTF-8 passes; an invalid byte becomes \xHH and a backslash becomes
 * two, before JSON's own quoting.  So a reader undoes JSON, then the escapes,
 * and has the bytes back; and no byte can end the line.
 *
 * Commas are put by the writer.  Once the buffer is full the writer goes
 * quiet and json_failed tells.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

struct json {
	struct buf *out;
	bool comma;  /* the next value needs one before it */
	bool failed; /* something did not fit */
};

/* The buffer is the caller's. */
void json_init(struct json *json, struct buf *out);
bool json_failed(const struct json *json);

/* `key` NULL: an array's element, or the outermost value.  Keys are our own
 * words and are written as they are. */
void json_object_open(struct json *json, const char *key);
void json_object_close(struct json *json);
void json_array_open(struct json *json, const char *key);
void json_array_close(struct json *json);
/* Bytes of a peer, escaped as above. */
void json_bytes(struct json *json, const char *key, struct slice bytes);
/* As json_bytes, at most `cap` bytes of the input; true where it was cut. */
bool json_bytes_capped(
    struct json *json, const char *key, struct slice bytes, size_t cap);
/* Our own words: a C string. */
void json_str(struct json *json, const char *key, const char *str);
void json_u64(struct json *json, const char *key, uint64_t value);
void json_i64(struct json *json, const char *key, int64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
/* A value that is JSON text already. */
void json_raw(struct json *json, const char *key, struct slice text);

/* How many bytes of a well-formed UTF-8 sequence start at s.ptr (RFC 3629: no
 * overlong form, no surrogate), or 0. */
size_t utf8_sequence(struct slice s);

#endif
