/*
 * The only code that knows CR and LF.  Lines of commands and replies end in
 * CRLF and nothing else; in message text what is no CRLF is told apart here,
 * so that nobody above can take it for a line end.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SMTP_SMTP_LINE_H
#define SMTP_SMTP_LINE_H

#include "base/buf.h"

/* What is wrong with a line of a command. */
enum {
	SMTP_LINE_BARE_LF = 1,
	SMTP_LINE_BARE_CR = 2,
	SMTP_LINE_NUL = 4,
	SMTP_LINE_TOO_LONG = 8
};

struct smtp_line {
	struct slice text; /* without its CRLF */
	size_t used;       /* what to consume */
	unsigned faults;
};

/*
 * One line of a command or reply.  1: a line (perhaps with faults); 0: needs
 * more.  A bare LF or a line over `limit` (with its CRLF, RFC 5321 4.5.3.1.4)
 * is told at once, with the text so far: `*skip` is set, and the rest of the
 * line up to its CRLF is skipped by the following calls, which report nothing
 * for it.  `*skip` belongs to the stream, false at first.
 */
int smtp_line_parse(
    struct slice in, size_t limit, bool *skip, struct smtp_line *out);
/* What of `in` can be dropped while `*skip` is set; clears it at the CRLF. */
size_t smtp_line_skip(struct slice in, bool *skip);

/* What stands next in message text. */
enum smtp_text {
	SMTP_TEXT_MORE, /* cannot be told without more bytes (a CR at the end) */
	SMTP_TEXT_PLAIN, /* a run without any of the below */
	SMTP_TEXT_CRLF,
	SMTP_TEXT_BARE_LF,
	SMTP_TEXT_BARE_CR,
	SMTP_TEXT_NUL
};

/* Reads one piece; *len is its length. */
enum smtp_text smtp_line_text(struct slice in, size_t *len);

/*
 * How many leading bytes of message text are beyond doubt: every CR before an
 * LF and every LF after a CR, no NUL, no line that begins with a dot, no CR
 * at the end.  `line_start`: the text begins a line.  This is the fast path
 * of a body, many bytes an instruction.
 */
size_t smtp_line_clean(struct slice in, bool line_start);

/* The line end, for all that is written. */
#define SMTP_CRLF SLICE("\r\n")

#endif
