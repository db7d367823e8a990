/*
 * libFuzzer: message text, by DATA and by BDAT.  Three bytes say what is
 * refused, the limit, and how the text is cut; the rest is the text.  The
 * oracle is a reading of the same text by this file alone, byte by byte: where
 * it ends, what a server has to read out of what was written, and how long it
 * is.  However it is cut, all of it is the same.  THREATS A4-01.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_body.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	OUT_MAX = 64 * 1024
};

struct text {
	char octets[OUT_MAX];
	size_t len;
};

/* What a text says. */
struct reading {
	struct text mended; /* without stuffing, every line end a CRLF */
	size_t used;        /* with its end of data */
	uint64_t octets, stray;
	bool ended, nul;
};

static void
add(struct text *to, const char *octets, size_t len)
{
	assert(to->len + len <= OUT_MAX);
	memcpy(to->octets + to->len, octets, len);
	to->len += len;
}

static bool
is_crlf(struct slice text, size_t at)
{
	return at + 1 < text.len && text.ptr[at] == '\r' &&
	       text.ptr[at + 1] == '\n';
}

/* One octet that is no dot to be taken away; a CRLF counts as one. */
static size_t
read_octet(struct slice text, size_t at, struct reading *out)
{
	char c = text.ptr[at];

	if (is_crlf(text, at)) {
		add(&out->mended, "\r\n", 2);
		out->octets += 2;
		return 2;
	}
	out->octets++;
	if (c == '\r' || c == '\n') {
		out->stray++;
		add(&out->mended, c == '\r' ? " " : "\r\n", c == '\r' ? 1 : 2);
	} else if (c == '\0') {
		out->nul = true;
		add(&out->mended, " ", 1);
	} else {
		add(&out->mended, &c, 1);
	}
	return 1;
}

/* RFC 5321 4.5.2, read of what came: dots count behind a true CRLF alone. */
static void
read_data(struct slice text, struct reading *out)
{
	bool begins = true;
	size_t at = 0;

	*out = (struct reading){.used = 0};
	while (at < text.len) {
		if (begins && text.ptr[at] == '.') {
			at++;
			if (is_crlf(text, at)) {
				out->ended = true;
				out->used = at + 2;
				return;
			}
			begins = false;
			continue;
		}
		begins = is_crlf(text, at);
		at += read_octet(text, at, out);
	}
	out->used = at;
}

static void
read_chunks(struct slice text, struct reading *out)
{
	*out = (struct reading){.used = text.len, .ended = true};
	for (size_t at = 0; at < text.len;)
		at += read_octet(text, at, out);
}

/* What a server that knows the RFC and nothing else reads: true, the text
 * ends where the octets do, and nowhere before. */
static bool
unstuff(const struct text *sent, struct text *out)
{
	size_t at = 0;

	out->len = 0;
	while (at < sent->len) {
		const char *line = sent->octets + at;
		const char *end = memmem(line, sent->len - at, "\r\n", 2);
		assert(end != NULL);
		size_t len = (size_t)(end - line);
		assert(memchr(line, '\n', len) == NULL &&
		       memchr(line, '\r', len) == NULL &&
		       memchr(line, '\0', len) == NULL);
		at += len + 2;
		if (len == 1 && line[0] == '.')
			return at == sent->len;
		size_t dot = len > 0 && line[0] == '.';
		add(out, line + dot, len + 2 - dot);
	}
	return false;
}

/* The gate's own: `piece` octets at a time, 0: all at once. */
struct run {
	struct smtp_body body;
	struct text out;
	size_t used;
	bool ended;
};

static void
run_data(struct run *run, struct slice text, size_t piece)
{
	size_t given = 0;
	struct buf out;

	buf_init(&out, OUT_MAX);
	while (!run->ended && given < text.len) {
		given = piece == 0 || given + piece > text.len ? text.len
							       : given + piece;
		size_t used;
		run->ended = smtp_body_step(&run->body,
				 slice_from(slice_head(text, given), run->used),
				 &used, &out) == 1;
		run->used += used;
	}
	add(&run->out, buf_slice(&out).ptr, buf_len(&out));
	buf_fini(&out);
}

static void
run_chunks(struct run *run, struct slice text, size_t piece)
{
	static char out[SMTP_PIECE_ROOM];

	do {
		size_t len = piece == 0 || piece > text.len ? text.len : piece;
		bool ends = len == text.len;
		add(&run->out, out,
		    smtp_body_piece(
			&run->body, slice_head(text, len), ends, out));
		text = slice_from(text, len);
		run->used += len;
		run->ended = ends;
	} while (!run->ended);
}

static void
same(const struct run *a, const struct run *b)
{
	const struct smtp_body *x = &a->body, *y = &b->body;

	assert(a->ended == b->ended && a->used == b->used);
	assert(x->octets == y->octets && x->stray == y->stray);
	assert((x->bad == NULL) == (y->bad == NULL));
	assert(x->msgid_len == y->msgid_len &&
	       memcmp(x->msgid, y->msgid, x->msgid_len) == 0);
	if (x->bad == NULL)
		assert(a->out.len == b->out.len &&
		       memcmp(a->out.octets, b->out.octets, a->out.len) == 0);
}

static void
check(const struct run *run, const struct reading *reading, bool chunks)
{
	static struct text read;
	const struct smtp_body *body = &run->body;

	assert(run->ended == reading->ended);
	if (!run->ended)
		return;
	assert(run->used == reading->used);
	assert(
	    body->octets == reading->octets && body->stray == reading->stray);
	bool bad = reading->nul || (body->refuse_stray && reading->stray > 0) ||
		   (body->limit > 0 && reading->octets > body->limit);
	assert((body->bad != NULL) == bad);
	if (bad)
		return;
	if (chunks)
		read = run->out;
	else if (!unstuff(&run->out, &read))
		abort();
	assert(read.len == reading->mended.len &&
	       memcmp(read.octets, reading->mended.octets, read.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run whole, pieces;
	static struct reading reading;

	if (size < 3 || size > OUT_MAX / 8)
		return 0;
	bool chunks = (data[0] & 2) != 0;
	uint64_t limit = (uint64_t)data[1] * (data[0] & 4 ? 1 : 8);
	struct slice text = slice_of((const char *)data + 3, size - 3);

	whole.ended = pieces.ended = false;
	whole.used = pieces.used = whole.out.len = pieces.out.len = 0;
	smtp_body_start(&whole.body, limit, data[0] & 1);
	smtp_body_start(&pieces.body, limit, data[0] & 1);
	if (chunks) {
		run_chunks(&whole, text, 0);
		run_chunks(&pieces, text, 1 + data[2]);
		read_chunks(text, &reading);
	} else {
		run_data(&whole, text, 0);
		run_data(&pieces, text, 1 + data[2]);
		read_data(text, &reading);
	}
	same(&whole, &pieces);
	check(&whole, &reading, chunks);
	return 0;
}
