/*
 * Replies.  See smtp_reply.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_reply.h"

#include "smtp/smtp_command.h"
#include "smtp/smtp_line.h"

unsigned
smtp_reply_code(struct slice line)
{
	if (line.len < 3 || line.ptr[0] < '2' || line.ptr[0] > '5' ||
	    line.ptr[1] < '0' || line.ptr[1] > '9' ||
	    !ascii_is_digit(line.ptr[2]))
		return 0;
	if (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-')
		return 0;
	return (unsigned)(line.ptr[0] - '0') * 100 +
	       (unsigned)(line.ptr[1] - '0') * 10 +
	       (unsigned)(line.ptr[2] - '0');
}

/* One line more of the reply: 1 it was the last, 0 there are more, -1 bad. */
static int
take_line(struct slice line, struct smtp_reply *out)
{
	unsigned code = smtp_reply_code(line);

	if (code == 0 || (out->lines > 0 && code != out->code))
		return -1;
	if (out->lines++ == 0)
		out->first = line;
	out->code = code;
	if (!smtp_command_is_text(line))
		out->clean = false;
	return line.len == 3 || line.ptr[3] == ' ';
}

int
smtp_reply_parse(struct slice in, struct smtp_reply *out)
{
	struct slice rest = in;
	struct smtp_line line;
	bool skip = false;

	*out = (struct smtp_reply){.clean = true};
	for (;;) {
		size_t left = SMTP_REPLY_MAX - (in.len - rest.len);
		int got = smtp_line_parse(rest, left, &skip, &line);
		if (got == 0)
			return 0;
		if (line.faults != 0)
			return -1;
		rest = slice_from(rest, line.used);
		int end = take_line(line.text, out);
		if (end == -1)
			return -1;
		if (end == 1)
			break;
	}
	out->raw = slice_head(in, in.len - rest.len);
	return 1;
}

bool
smtp_reply_line(struct slice *rest, struct slice *text)
{
	ptrdiff_t lf = slice_find(*rest, '\n');

	if (lf == -1)
		return false;
	*text = slice_head(*rest, (size_t)lf - 1);
	*text = slice_from(*text, text->len > 3 ? 4 : 3);
	*rest = slice_from(*rest, (size_t)lf + 1);
	return true;
}

static void
make_printable(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			text[i] = '?';
	}
}

bool
smtp_reply_write_line(
    unsigned code, bool last, struct slice text, struct buf *out)
{
	char *to = buf_reserve(out, text.len + 6);

	if (to == NULL)
		return false;
	to[0] = (char)('0' + code / 100);
	to[1] = (char)('0' + code / 10 % 10);
	to[2] = (char)('0' + code % 10);
	to[3] = last ? ' ' : '-';
	if (text.len > 0)
		memcpy(to + 4, text.ptr, text.len);
	make_printable(to + 4, text.len);
	memcpy(to + 4 + text.len, SMTP_CRLF.ptr, SMTP_CRLF.len);
	buf_commit(out, text.len + 6);
	return true;
}

bool
smtp_reply_write(const struct smtp_reply *reply, struct buf *out)
{
	struct slice rest = reply->raw;
	struct slice text;

	if (reply->clean)
		return buf_append(out, reply->raw);
	/* A line without text gains a blank: at most a byte a line. */
	if (buf_reserve(out, reply->raw.len + reply->lines) == NULL)
		return false;
	for (unsigned i = 1; smtp_reply_line(&rest, &text); i++)
		smtp_reply_write_line(
		    reply->code, i == reply->lines, text, out);
	return true;
}
