/*
 * Message text.  See smtp_body.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_body.h"

#include "smtp/smtp_line.h"

static const char msgid_name[] = "message-id:";

enum {
	MSGID_NAME = sizeof(msgid_name) - 1,
	NO_MATCH = UINT8_MAX
};

const char smtp_body_too_large[] = "message_too_large";
const char smtp_body_bare_newline[] = "bare_newline_in_text";

void
smtp_body_start(struct smtp_body *body, uint64_t limit, bool refuse_stray)
{
	body->limit = limit;
	body->refuse_stray = refuse_stray;
	body->at = SMTP_BODY_LINE;
	body->owes_cr = false;
	body->bad = NULL;
	body->octets = body->stray = 0;
	body->in_header = true;
	body->header_at = 0;
	body->msgid_len = 0;
}

/* Text of a header line, however it is cut: collects what follows the name. */
static void
header_text(struct smtp_body *body, struct slice run)
{
	for (size_t i = 0; i < run.len; i++) {
		char c = run.ptr[i];
		if (body->header_at < MSGID_NAME) {
			bool match =
			    ascii_lower(c) == msgid_name[body->header_at];
			body->header_at =
			    match ? (uint8_t)(body->header_at + 1) : NO_MATCH;
		} else if (body->header_at == MSGID_NAME && c != ' ' &&
			   c != '\t' && body->msgid_len < SMTP_MSGID_MAX) {
			body->msgid[body->msgid_len++] = c;
		}
		if (body->header_at == NO_MATCH)
			return;
	}
}

static void
header_line_end(struct smtp_body *body, bool empty_line)
{
	if (empty_line || body->msgid_len > 0)
		body->in_header = false;
	/* A value on the folded next line is read on. */
	if (body->header_at != MSGID_NAME)
		body->header_at = 0;
}

static void
turn_bad(struct smtp_body *body, const char *why)
{
	if (body->bad == NULL)
		body->bad = why;
}

/* A line end, or half of one, that is none. */
static void
take_stray(struct smtp_body *body)
{
	body->stray++;
	if (body->refuse_stray)
		turn_bad(body, smtp_body_bare_newline);
}

/* Octets that may still come. */
static uint64_t
allowed(const struct smtp_body *body)
{
	return body->limit == 0 ? UINT64_MAX : body->limit - body->octets;
}

/* What comes now is so long; over the limit nothing more goes on. */
static void
check_limit(struct smtp_body *body, size_t len)
{
	if (body->bad == NULL && len > allowed(body))
		turn_bad(body, smtp_body_too_large);
}

/* Appends unless the text is bad; there is room. */
static void
put(struct smtp_body *body, struct slice text, struct buf *out)
{
	if (body->bad == NULL)
		buf_append(out, text);
}

/* A run without line ends, or what of it there is room for. */
static size_t
take_plain(struct smtp_body *body, struct slice run, struct buf *out)
{
	bool dot = run.ptr[0] == '.';

	if (body->at == SMTP_BODY_LINE && dot) {
		body->at = SMTP_BODY_DOT;
		return 1;
	}
	if (body->at != SMTP_BODY_INSIDE && dot)
		put(body, SLICE("."), out);
	if (body->bad == NULL) {
		run = slice_head(run, buf_room(out));
		buf_append(out, slice_head(run, allowed(body)));
	}
	check_limit(body, run.len);
	if (body->in_header)
		header_text(body, run);
	body->at = SMTP_BODY_INSIDE;
	body->octets += run.len;
	return run.len;
}

static void
take_line_end(struct smtp_body *body, bool true_end, struct buf *out)
{
	check_limit(body, true_end ? 2 : 1);
	if (!true_end)
		take_stray(body);
	put(body, SMTP_CRLF, out);
	if (body->in_header)
		header_line_end(body, body->at != SMTP_BODY_INSIDE);
	body->at = true_end ? SMTP_BODY_LINE : SMTP_BODY_MENDED;
	body->octets += true_end ? 2 : 1;
}

/* One piece of text other than a plain run.  True: the end of data. */
static bool
take_special(struct smtp_body *body, enum smtp_text kind, struct buf *out)
{
	if (kind == SMTP_TEXT_CRLF && body->at == SMTP_BODY_DOT) {
		put(body, SLICE("."), out);
		put(body, SMTP_CRLF, out);
		return true;
	}
	if (kind == SMTP_TEXT_CRLF || kind == SMTP_TEXT_BARE_LF) {
		take_line_end(body, kind == SMTP_TEXT_CRLF, out);
		return false;
	}
	if (kind == SMTP_TEXT_NUL)
		turn_bad(body, "nul_in_text");
	else
		take_stray(body);
	check_limit(body, 1);
	put(body, SLICE(" "), out);
	body->at = SMTP_BODY_INSIDE;
	body->octets++;
	return false;
}

/* The fast path: text beyond doubt, in bulk. */
static size_t
take_clean(struct smtp_body *body, struct slice in, struct buf *out)
{
	if (body->in_header || body->at == SMTP_BODY_DOT ||
	    body->at == SMTP_BODY_MENDED)
		return 0;
	if (body->bad == NULL)
		in = slice_head(slice_head(in, buf_room(out)), allowed(body));
	size_t len = smtp_line_clean(in, body->at == SMTP_BODY_LINE);
	if (len == 0)
		return 0;
	put(body, slice_head(in, len), out);
	body->at = in.ptr[len - 1] == '\n' ? SMTP_BODY_LINE : SMTP_BODY_INSIDE;
	body->octets += len;
	return len;
}

int
smtp_body_step(
    struct smtp_body *body, struct slice in, size_t *used, struct buf *out)
{
	size_t len;

	*used = 0;
	for (;;) {
		struct slice rest = slice_from(in, *used);
		*used += take_clean(body, rest, out);
		rest = slice_from(in, *used);
		enum smtp_text kind = smtp_line_text(rest, &len);
		/* Three bytes: the longest that a piece adds. */
		if (kind == SMTP_TEXT_MORE ||
		    (body->bad == NULL && buf_room(out) < 3))
			return 0;
		if (kind == SMTP_TEXT_PLAIN) {
			*used += take_plain(body, slice_head(rest, len), out);
			continue;
		}
		*used += len;
		if (take_special(body, kind, out))
			return 1;
	}
}

/* A cursor for smtp_body_piece: what was mended so far. */
static char *
emit(char *to, struct slice text)
{
	memcpy(to, text.ptr, text.len);
	return to + text.len;
}

static char *
mend_special(struct smtp_body *body, enum smtp_text kind, char *to)
{
	if (kind == SMTP_TEXT_CRLF || kind == SMTP_TEXT_BARE_LF) {
		if (body->in_header)
			header_line_end(body, body->at != SMTP_BODY_INSIDE);
		body->at = SMTP_BODY_LINE;
		if (kind == SMTP_TEXT_BARE_LF)
			take_stray(body);
		return emit(to, SMTP_CRLF);
	}
	if (kind == SMTP_TEXT_NUL)
		turn_bad(body, "nul_in_text");
	else
		take_stray(body);
	body->at = SMTP_BODY_INSIDE;
	return emit(to, SLICE(" "));
}

/* The CR that the last piece ended with: now its successor is known. */
static char *
settle_cr(struct smtp_body *body, struct slice *piece, char *to)
{
	bool crlf = piece->len > 0 && piece->ptr[0] == '\n';

	body->owes_cr = false;
	if (crlf)
		*piece = slice_from(*piece, 1);
	return mend_special(
	    body, crlf ? SMTP_TEXT_CRLF : SMTP_TEXT_BARE_CR, to);
}

size_t
smtp_body_piece(
    struct smtp_body *body, struct slice piece, bool ends, char *out)
{
	char *to = out;
	size_t len;

	check_limit(body, piece.len);
	body->octets += piece.len;
	if (body->owes_cr && (piece.len > 0 || ends))
		to = settle_cr(body, &piece, to);
	while (piece.len > 0) {
		/* Dots mean nothing in a chunk, so every line counts as begun. */
		len = body->in_header ? 0 : smtp_line_clean(piece, false);
		if (len > 0) {
			to = emit(to, slice_head(piece, len));
			piece = slice_from(piece, len);
			continue;
		}
		enum smtp_text kind = smtp_line_text(piece, &len);
		if (kind == SMTP_TEXT_MORE && !ends) {
			body->owes_cr = true;
			break;
		}
		if (kind == SMTP_TEXT_PLAIN) {
			if (body->in_header)
				header_text(body, slice_head(piece, len));
			body->at = SMTP_BODY_INSIDE;
			to = emit(to, slice_head(piece, len));
		} else {
			to = mend_special(body,
			    kind == SMTP_TEXT_MORE ? SMTP_TEXT_BARE_CR : kind,
			    to);
		}
		piece = slice_from(piece, len);
	}
	return (size_t)(to - out);
}
