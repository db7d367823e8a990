/*
 * libFuzzer: both ends say anything, by a script (script.h).  The oracle:
 * what goes to the server has proper line ends and no NUL; what goes to the
 * client is whole reply lines; and whole or byte by byte, the same input gives
 * the same output and the same record.  (A server that speaks unasked is found
 * out sooner or later, as its bytes come.)  THREATS A4-01.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_replies(struct slice bytes)
{
	while (bytes.len > 0) {
		ptrdiff_t end = slice_find(bytes, '\n');

		assert(end >= 4 && bytes.ptr[end - 1] == '\r');
		assert(bytes.ptr[0] >= '2' && bytes.ptr[0] <= '5');
		/* "250" alone is a reply (RFC 5321 4.2). */
		assert(end == 4 || bytes.ptr[3] == ' ' || bytes.ptr[3] == '-');
		bytes = slice_from(bytes, (size_t)end + 1);
	}
}

static void
same(const struct buf *whole, const struct buf *bytes, const char *what)
{
	struct slice a = buf_slice(whole), b = buf_slice(bytes);

	if (slice_eq(a, b))
		return;
	fprintf(stderr, "%s, whole:\n%.*s\nbyte by byte:\n%.*s\n", what,
	    SLICE_FMT(a), SLICE_FMT(b));
	abort();
}

static void
compare(const struct drive *a, const struct drive *b)
{
	same(&a->to_client, &b->to_client, "to the client");
	same(&a->to_server, &b->to_server, "to the server");
	same(&a->record, &b->record, "record");
}

static bool
is_proper(const struct drive *drive)
{
	static const char none[] = "\"violation_count\":0,";
	struct slice record = buf_slice(&drive->record);

	return memmem(record.ptr, record.len, none, strlen(none)) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t wholes[] = {0, 0}, client[] = {1, 0},
			    both[] = {1, 1};
	static struct drive whole, bytes, pieces;
	struct slice input = slice_of((const char *)data, size);

	if (size == 0)
		return 0;
	script_load();
	script_play(&whole, input, wholes);
	script_play(&bytes, input, client);
	script_play(&pieces, input, both);
	assert(drive_is_clean(buf_slice(&whole.to_server)));
	assert(drive_is_clean(buf_slice(&pieces.to_server)));
	if (!whole.blind)
		check_replies(buf_slice(&whole.to_client));
	compare(&whole, &bytes);
	if (is_proper(&whole) && is_proper(&pieces))
		compare(&whole, &pieces);
	drive_close(&whole);
	drive_close(&bytes);
	drive_close(&pieces);
	return 0;
}
