/*
 * libFuzzer: replies of a server, as they come.  What is a reply is one however
 * much of what follows is there, and not before it is whole; what goes on to
 * the client is lines of one code, with proper ends and printable text, and
 * reads as what it was made of.  What stands in it as an EHLO keyword is told
 * from what does not by this file's own reading.  THREATS A4-01.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_ehlo.h"
#include "smtp/smtp_reply.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned
number(const char *digits)
{
	unsigned value = 0;

	for (unsigned i = 0; i < 3; i++) {
		assert(digits[i] >= '0' && digits[i] <= '9');
		value = value * 10 + (unsigned)(digits[i] - '0');
	}
	return value;
}

/* A whole reply: one code on every line, and an end. */
static void
check_written(struct slice text, unsigned code, unsigned lines)
{
	while (lines-- > 0) {
		const char *end = memmem(text.ptr, text.len, "\r\n", 2);
		assert(end != NULL);
		size_t len = (size_t)(end - text.ptr);
		assert(len >= 3 && number(text.ptr) == code);
		if (lines > 0)
			assert(text.ptr[3] == '-');
		else
			assert(len == 3 || text.ptr[3] == ' ');
		for (size_t i = 0; i < len; i++) {
			unsigned char c = (unsigned char)text.ptr[i];
			assert((c >= 0x20 || c == '\t') && c != 0x7f);
		}
		text = slice_from(text, len + 2);
	}
	assert(text.len == 0);
}

static bool
is_keyword(struct slice word)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

	for (size_t i = 0; i < word.len; i++)
		if (word.ptr[i] == '\0' || strchr(good, word.ptr[i]) == NULL)
			return false;
	return word.len > 0;
}

static void
check_keyword(struct slice line)
{
	struct slice keyword = smtp_ehlo_keyword(line);

	if (smtp_ehlo_is_line(line)) {
		assert(is_keyword(keyword));
		for (size_t i = keyword.len; i < line.len; i++)
			assert((unsigned char)line.ptr[i] >= 0x20);
	}
	/* What the gate acts by, it also lets through. */
	if (smtp_ehlo_bit(keyword) != 0)
		assert(smtp_ehlo_judge(keyword) == SMTP_KEYWORD_PASSES);
	if (slice_has_prefix_nocase(keyword, SLICE("XCLIENT")) &&
	    keyword.len == 7)
		assert(smtp_ehlo_judge(keyword) == SMTP_KEYWORD_UNFRAMED);
}

static void
check_reply(const struct smtp_reply *reply)
{
	struct smtp_reply again;
	struct slice rest = reply->raw, text;
	struct buf out;
	unsigned lines = 0;

	assert(reply->code >= 200 && reply->code <= 599);
	assert(reply->raw.len <= SMTP_REPLY_MAX);
	assert(smtp_reply_code(reply->first) == reply->code);
	while (smtp_reply_line(&rest, &text)) {
		check_keyword(text);
		lines++;
	}
	assert(rest.len == 0 && lines == reply->lines);
	buf_init(&out, 4 * SMTP_REPLY_MAX);
	if (!smtp_reply_write(reply, &out))
		assert(false);
	check_written(buf_slice(&out), reply->code, reply->lines);
	/* A reply that was mended can be a byte a line over the limit. */
	if (buf_len(&out) <= SMTP_REPLY_MAX) {
		assert(smtp_reply_parse(buf_slice(&out), &again) == 1);
		assert(again.clean && again.lines == reply->lines &&
		       again.raw.len == buf_len(&out));
	}
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data, size);
	struct smtp_reply reply, part;

	while (in.len > 0) {
		int got = smtp_reply_parse(in, &reply);
		/* Byte by byte: nothing, until it is what it is. */
		size_t from = in.len > 600 ? in.len - 600 : 0;
		for (size_t len = from; len < in.len; len++) {
			int some = smtp_reply_parse(slice_head(in, len), &part);
			if (some != 0)
				assert(some == got);
			if (got == 1)
				assert(some == (len >= reply.raw.len));
			if (some == 1)
				assert(part.raw.len == reply.raw.len &&
				       part.code == reply.code);
		}
		if (got != 1)
			break;
		check_reply(&reply);
		in = slice_from(in, reply.raw.len);
	}
	return 0;
}
