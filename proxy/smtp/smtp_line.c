/*
 * Line ends.  See smtp_line.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_line.h"

static unsigned
faults_of(struct slice text)
{
	unsigned faults = 0;

	if (slice_find(text, '\r') != -1)
		faults |= SMTP_LINE_BARE_CR;
	if (slice_find(text, '\0') != -1)
		faults |= SMTP_LINE_NUL;
	return faults;
}

size_t
smtp_line_skip(struct slice in, bool *skip)
{
	size_t at = 0;

	while (at < in.len) {
		ptrdiff_t lf = slice_find(slice_from(in, at), '\n');
		if (lf == -1)
			break;
		at += (size_t)lf + 1;
		if (at >= 2 && in.ptr[at - 2] == '\r') {
			*skip = false;
			return at;
		}
	}
	/* A CR at the very end may be the first half of the CRLF. */
	bool half = in.len > 0 && in.ptr[in.len - 1] == '\r';
	return half ? in.len - 1 : in.len;
}

int
smtp_line_parse(
    struct slice in, size_t limit, bool *skip, struct smtp_line *out)
{
	ptrdiff_t lf = slice_find(slice_head(in, limit), '\n');

	if (lf == -1 && in.len < limit)
		return 0;
	if (lf > 0 && in.ptr[lf - 1] == '\r') {
		out->text = slice_head(in, (size_t)lf - 1);
		out->used = (size_t)lf + 1;
		out->faults = faults_of(out->text);
		return 1;
	}
	*skip = true;
	out->text = slice_head(in, lf == -1 ? limit : (size_t)lf);
	out->used = out->text.len + (lf == -1 ? 0 : 1);
	if (lf == -1 && out->used > 0 && in.ptr[out->used - 1] == '\r')
		out->used--; /* its LF may follow and end the line */
	out->faults = faults_of(out->text) |
		      (lf == -1 ? SMTP_LINE_TOO_LONG : SMTP_LINE_BARE_LF);
	return 1;
}

static bool
is_plain(char c)
{
	return c != '\r' && c != '\n' && c != '\0';
}

enum smtp_text
smtp_line_text(struct slice in, size_t *len)
{
	size_t run = 0;

	*len = 1;
	if (in.len == 0)
		return SMTP_TEXT_MORE;
	if (in.ptr[0] == '\n')
		return SMTP_TEXT_BARE_LF;
	if (in.ptr[0] == '\0')
		return SMTP_TEXT_NUL;
	if (in.ptr[0] == '\r') {
		if (in.len == 1)
			return SMTP_TEXT_MORE;
		if (in.ptr[1] != '\n')
			return SMTP_TEXT_BARE_CR;
		*len = 2;
		return SMTP_TEXT_CRLF;
	}
	while (run < in.len && is_plain(in.ptr[run]))
		run++;
	*len = run;
	return SMTP_TEXT_PLAIN;
}

/* The bytes one by one: the end of a text. */
static size_t
clean_bytes(struct slice in, size_t at, bool line_start)
{
	while (at < in.len) {
		char c = in.ptr[at];
		if (is_plain(c) && !(line_start && c == '.')) {
			line_start = false;
			at++;
		} else if (c == '\r' && at + 1 < in.len &&
			   in.ptr[at + 1] == '\n') {
			line_start = true;
			at += 2;
		} else {
			break;
		}
	}
	return at;
}

/* Octets that are looked at together, whatever the machine has for that; so
 * many blocks before one looks what came of it. */
typedef signed char block __attribute__((vector_size(16)));

enum {
	STRIDE = 4 * sizeof(block)
};

/* Marks the octets of a block that are none of clean text; `at` is behind
 * another octet. */
static block
blemishes(const char *at)
{
	block now, before;

	memcpy(&now, at, sizeof(now));
	memcpy(&before, at - 1, sizeof(before));
	return (block)(((now == '\n') ^ (before == '\r')) |
		       ((now == '.') & (before == '\n')) | (now == '\0'));
}

static bool
is_clean_stride(const char *at)
{
	block any = {0};
	uint64_t halves[2];

	for (size_t i = 0; i < STRIDE; i += 2 * sizeof(block))
		any |= blemishes(at + i) | blemishes(at + i + sizeof(block));
	memcpy(halves, &any, sizeof(halves));
	return (halves[0] | halves[1]) == 0;
}

size_t
smtp_line_clean(struct slice in, bool line_start)
{
	/* The first octets: a block asks what stands before it. */
	size_t at = clean_bytes(slice_head(in, 2), 0, line_start);

	if (at == 0)
		return 0;
	while (in.len - at >= STRIDE && is_clean_stride(in.ptr + at))
		at += STRIDE;
	if (in.ptr[at - 1] == '\r')
		at--;
	return clean_bytes(in, at, in.ptr[at - 1] == '\n');
}
