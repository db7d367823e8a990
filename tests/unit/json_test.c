/*
 * The JSON writer: commas, numbers, and above all that no byte of a peer is
 * lost and none breaks the line.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/json.h"
#include "tests/unit/json_decode.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct buf out;

static int
set_up(void **state)
{
	(void)state;
	buf_init(&out, 65536);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static void
assert_out(const char *text)
{
	assert_int_equal(buf_len(&out), strlen(text));
	assert_memory_equal(buf_slice(&out).ptr, text, strlen(text));
}

static void
structure(void **state)
{
	struct json json;

	(void)state;
	json_init(&json, &out);
	json_object_open(&json, NULL);
	json_u64(&json, "a", UINT64_MAX);
	json_i64(&json, "b", INT64_MIN);
	json_bool(&json, "c", true);
	json_bool(&json, "d", false);
	json_null(&json, "e");
	json_array_open(&json, "f");
	json_object_open(&json, NULL);
	json_object_close(&json);
	json_object_open(&json, NULL);
	json_str(&json, "g", "h");
	json_object_close(&json);
	json_array_open(&json, NULL);
	json_array_close(&json);
	json_raw(&json, NULL, SLICE("1,2"));
	json_null(&json, NULL);
	json_array_close(&json);
	json_str(&json, "i", "");
	json_object_close(&json);
	assert_false(json_failed(&json));
	assert_out("{\"a\":18446744073709551615,\"b\":-9223372036854775808,"
		   "\"c\":true,\"d\":false,\"e\":null,\"f\":[{},{\"g\":\"h\"},"
		   "[],1,2,null],\"i\":\"\"}");
}

static void
assert_written(struct slice bytes, const char *text)
{
	struct json json;

	buf_clear(&out);
	json_init(&json, &out);
	json_bytes(&json, NULL, bytes);
	assert_out(text);
}

static void
escapes(void **state)
{
	(void)state;
	assert_written(SLICE("mx.example.com"), "\"mx.example.com\"");
	assert_written(SLICE("a\\b"), "\"a\\\\\\\\b\"");
	assert_written(SLICE("\"x\""), "\"\\\"x\\\"\"");
	assert_written(SLICE("\xff\x80"), "\"\\\\xff\\\\x80\"");
	assert_written(SLICE("\r\n"), "\"\\u000d\\u000a\"");
	assert_written(slice_of("\0", 1), "\"\\u0000\"");
	assert_written(SLICE("\x1b[31m\x7f"), "\"\\u001b[31m\\u007f\"");
	assert_written(SLICE("m\xc3\xbcller"), "\"m\xc3\xbcller\"");
	assert_written(SLICE("\xc2\x85"), "\"\\u0085\"");
	assert_written(SLICE("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\"");
	assert_written(SLICE("\xc0\xaf"), "\"\\\\xc0\\\\xaf\"");
	assert_written(SLICE("\xed\xa0\x80"), "\"\\\\xed\\\\xa0\\\\x80\"");
	assert_written(SLICE("\xe2\x82"), "\"\\\\xe2\\\\x82\"");
	assert_written(slice_of(NULL, 0), "\"\"");
}

static void
utf8(void **state)
{
	char bytes[4];

	(void)state;
	for (uint32_t all = 0; all < 0x1000000; all += 61) {
		size_t used;
		bytes[0] = (char)(0xe0 | all >> 20);
		bytes[1] = (char)(all >> 12);
		bytes[2] = (char)(all >> 6);
		bytes[3] = (char)all;
		struct slice s = slice_of(bytes, 1 + all % 4);
		long value = decode_utf8(s, &used);
		assert_int_equal(utf8_sequence(s), value == -1 ? 0 : used);
	}
	assert_int_equal(utf8_sequence(slice_of(NULL, 0)), 0);
}

static void
cap(void **state)
{
	struct json json;

	(void)state;
	json_init(&json, &out);
	assert_false(json_bytes_capped(&json, NULL, SLICE("abc"), 3));
	assert_true(json_bytes_capped(&json, NULL, SLICE("abcd"), 3));
	/* A character cut in two is bytes. */
	assert_true(json_bytes_capped(&json, NULL, SLICE("ab\xc3\xbc"), 3));
	assert_out("\"abc\",\"abc\",\"ab\\\\xc3\"");
}

static void
full(void **state)
{
	struct json json;
	struct buf small;

	(void)state;
	buf_init(&small, 8);
	json_init(&json, &small);
	json_array_open(&json, NULL);
	assert_false(json_failed(&json));
	json_str(&json, NULL, "too long for it");
	assert_true(json_failed(&json));
	json_array_close(&json);
	assert_true(json_failed(&json));
	assert_true(buf_len(&small) <= 8);
	buf_fini(&small);
}

/* Random bytes in, JSON out, the same bytes back. */
static void
lossless(void **state)
{
	static char bytes[200], back[2000];
	uint64_t seed = 0x5eed0001;
	unsigned runs = random_runs(200000);

	(void)state;
	for (unsigned run = 0; run < runs; run++) {
		struct json json;
		size_t len = random_text(&seed, bytes, sizeof(bytes));
		size_t got;
		buf_clear(&out);
		json_init(&json, &out);
		json_bytes(&json, NULL, slice_of(bytes, len));
		struct slice written = buf_slice(&out);
		assert_int_equal(slice_find(written, '\n'), -1);
		assert_int_equal(decode_peer(written, back, &got), written.len);
		assert_int_equal(got, len);
		assert_memory_equal(back, bytes, len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(structure, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(escapes, set_up, tear_down),
	    cmocka_unit_test(utf8),
	    cmocka_unit_test_setup_teardown(cap, set_up, tear_down),
	    cmocka_unit_test(full),
	    cmocka_unit_test_setup_teardown(lossless, set_up, tear_down)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
