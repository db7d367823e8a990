/*
 * Line ends.  See smtp_line.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_line.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* The bytes one by one: the end of a text, and machines without SSE2. */
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

#ifdef __SSE2__
/* One bit for each of 64 bytes that equals c. */
static uint64_t
equal_mask(const __m128i block[4], char c)
{
	__m128i value = _mm_set1_epi8(c);
	uint64_t mask = 0;

	for (int i = 3; i >= 0; i--)
		mask = mask << 16 | (uint64_t)(unsigned)_mm_movemask_epi8(
					_mm_cmpeq_epi8(block[i], value));
	return mask;
}

size_t
smtp_line_clean(struct slice in, bool line_start)
{
	uint64_t after_cr = 0;          /* bit 0: the byte before was CR */
	uint64_t after_lf = line_start; /* bit 0: this byte begins a line */
	size_t at = 0;

	for (; in.len - at >= 64; at += 64) {
		__m128i block[4];
		for (int i = 0; i < 4; i++)
			block[i] = _mm_loadu_si128(
			    (const __m128i *)(const void *)(in.ptr + at +
							    16 * i));
		uint64_t cr = equal_mask(block, '\r');
		uint64_t lf = equal_mask(block, '\n');
		uint64_t dot = equal_mask(block, '.');
		uint64_t nul = equal_mask(block, '\0');
		uint64_t lf_due = cr << 1 | after_cr;
		uint64_t begins = lf << 1 | after_lf;
		if (((lf ^ lf_due) | (dot & begins) | nul) != 0)
			break;
		after_cr = cr >> 63;
		after_lf = lf >> 63;
	}
	if (after_cr != 0)
		return clean_bytes(in, at - 1, false);
	return clean_bytes(in, at, after_lf != 0);
}
#else
size_t
smtp_line_clean(struct slice in, bool line_start)
{
	return clean_bytes(in, 0, line_start);
}
#endif
