/*
 * libFuzzer: lines of a client, as a stream.  The same lines are found however
 * the stream is cut; what is written of a command is one canonical line, and
 * reads as that command again; no line with a fault in its bytes gets that far.
 * The size of a chunk is worked out by this file too.  THREATS A4-01.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_command.h"
#include "smtp/smtp_line.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	LIMIT = 512,
	LINES = 4096
};

/* Where lines are, and what is wrong with them. */
struct found {
	size_t at[LINES], len[LINES];
	unsigned faults[LINES];
	unsigned count;
};

/* The stream as `piece` more octets come at a time; 0: all at once. */
static void
find(struct slice in, size_t piece, struct found *found)
{
	size_t at = 0, given = 0;
	bool skip = false;

	found->count = 0;
	while (given < in.len) {
		given = piece == 0 || given + piece > in.len ? in.len
							     : given + piece;
		for (;;) {
			struct slice rest =
			    slice_from(slice_head(in, given), at);
			struct smtp_line line;
			if (skip) {
				at += smtp_line_skip(rest, &skip);
				if (skip)
					break;
				continue;
			}
			if (smtp_line_parse(rest, LIMIT, &skip, &line) == 0)
				break;
			if (found->count == LINES)
				return;
			found->at[found->count] = at;
			found->len[found->count] = line.text.len;
			found->faults[found->count++] = line.faults;
			at += line.used;
		}
	}
}

static void
same(const struct found *a, const struct found *b)
{
	assert(a->count == b->count);
	for (unsigned i = 0; i < a->count; i++)
		assert(a->at[i] == b->at[i] && a->len[i] == b->len[i] &&
		       a->faults[i] == b->faults[i]);
}

static bool
equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || !memcmp(a.ptr, b.ptr, a.len));
}

/* Digits behind the verb and a blank; false: more than 2^63. */
static void
check_chunk(struct slice line, const struct smtp_command *command)
{
	unsigned __int128 value = 0;
	size_t at = 5, digits = 0;

	assert(line.len > 5 && line.ptr[4] == ' ');
	for (; at < line.len && line.ptr[at] >= '0' && line.ptr[at] <= '9';
	     at++, digits++) {
		value = value * 10 + (unsigned)(line.ptr[at] - '0');
		assert(value <= INT64_MAX);
	}
	assert(digits > 0 && value == command->chunk);
	bool last = false;
	while (at < line.len && (line.ptr[at] == ' ' || line.ptr[at] == '\t'))
		at++;
	if (at < line.len) {
		last = line.len - at >= 4 &&
		       strncasecmp(line.ptr + at, "LAST", 4) == 0;
		assert(last);
	}
	assert(last == (command->verb == SMTP_LASTBDAT));
}

static void
check_canonical(const struct smtp_command *command)
{
	struct smtp_command again;
	struct buf out, twice;

	buf_init(&out, 4 * SMTP_COMMAND_MAX);
	buf_init(&twice, 4 * SMTP_COMMAND_MAX);
	if (!smtp_command_write(command, &out))
		assert(false);
	struct slice text = buf_slice(&out);
	assert(text.len > 2 && memcmp(text.ptr + text.len - 2, "\r\n", 2) == 0);
	struct slice line = slice_head(text, text.len - 2);
	assert(smtp_command_is_text(line));
	assert(line.ptr[line.len - 1] != ' ');
	assert(smtp_command_parse(line, &again) == SMTP_FAULT_NONE);
	assert(again.verb == command->verb && again.size == command->size &&
	       again.chunk == command->chunk &&
	       equal(again.path, command->path));
	if (!smtp_command_write(&again, &twice))
		assert(false);
	assert(equal(buf_slice(&twice), text));
	buf_fini(&out);
	buf_fini(&twice);
}

static void
check_line(struct slice line)
{
	struct smtp_command command;

	if (smtp_command_parse(line, &command) != SMTP_FAULT_NONE)
		return;
	assert(command.verb != SMTP_UNKNOWN);
	enum smtp_args args = smtp_verb_args(command.verb);
	if (args == SMTP_ARGS_CHUNK)
		check_chunk(line, &command);
	if (args == SMTP_ARGS_PATH)
		assert(
		    memchr(command.path.ptr, '\n', command.path.len) == NULL);
	/* A name is judged, and written, by those who know names. */
	if (args != SMTP_ARGS_NAME && args != SMTP_ARGS_LINE)
		check_canonical(&command);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct found whole, bytes, pieces;

	if (size < 1)
		return 0;
	struct slice in = slice_of((const char *)data + 1, size - 1);
	find(in, 0, &whole);
	find(in, 1, &bytes);
	find(in, 1 + data[0] % 64, &pieces);
	same(&whole, &bytes);
	same(&whole, &pieces);
	for (unsigned i = 0; i < whole.count; i++) {
		struct slice line =
		    slice_head(slice_from(in, whole.at[i]), whole.len[i]);
		assert(whole.faults[i] != 0 ||
		       (memchr(line.ptr, '\n', line.len) == NULL &&
			   memchr(line.ptr, '\r', line.len) == NULL &&
			   memchr(line.ptr, '\0', line.len) == NULL));
		if (whole.faults[i] == 0)
			check_line(line);
	}
	return 0;
}
