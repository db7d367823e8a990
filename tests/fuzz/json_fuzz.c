/*
 * libFuzzer: any bytes as a peer's text in a line of JSON.  The oracle is a
 * decoder that knows nothing of the writer: the same bytes come back, and
 * nothing can end the line or leave the string.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/json.h"
#include "tests/unit/json_decode.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct slice bytes, size_t cap)
{
	static char back[8 * 65536];
	struct slice kept = slice_head(bytes, cap);
	struct json json;
	struct buf out;
	size_t got;

	buf_init(&out, sizeof(back));
	json_init(&json, &out);
	bool cut = json_bytes_capped(&json, NULL, bytes, cap);
	assert(cut == (bytes.len > cap));
	assert(!json_failed(&json));
	struct slice written = buf_slice(&out);
	assert(slice_find(written, '\n') == -1);
	ptrdiff_t used = decode_peer(written, back, &got);
	assert(used == (ptrdiff_t)written.len);
	assert(slice_eq(slice_of(back, got), kept));
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of((const char *)data, size);

	if (size > 65536)
		return 0;
	check(bytes, size);
	if (size > 0)
		check(bytes, (size_t)data[0] * size / 256);
	return 0;
}
