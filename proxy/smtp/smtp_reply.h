/*
 * Replies of the server: lines to one reply, checked before anything of it is
 * relayed.  A server's text is hostile input as a client's is.
 *
 * Source: RFC 5321 4.2, 4.2.1; RFC 2034 for the status codes of our own.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SMTP_SMTP_REPLY_H
#define SMTP_SMTP_REPLY_H

#include "base/buf.h"

enum {
	/* A whole reply, all lines.  The buffers hold more. */
	SMTP_REPLY_MAX = 16 * 1024
};

struct smtp_reply {
	unsigned code; /* 200 to 599 */
	unsigned lines;
	struct slice raw;   /* all lines with their CRLFs, as received */
	struct slice first; /* the first line without its CRLF, canonical */
	bool clean;         /* raw can be relayed as it is */
};

/*
 * 1: a whole reply; raw.len is what to consume.  0: needs more.  -1: no reply
 * at all: no code, two codes, a bare CR or LF, a NUL, over SMTP_REPLY_MAX.
 */
int smtp_reply_parse(struct slice in, struct smtp_reply *out);

/* The next line of a parsed reply: *rest starts as reply->raw.  The text
 * behind the code and its separator.  False: there is none. */
bool smtp_reply_line(struct slice *rest, struct slice *text);

/* Appends the whole reply in canonical form (control bytes other than TAB
 * become "?").  False: no room. */
bool smtp_reply_write(const struct smtp_reply *reply, struct buf *out);
/* One line of a reply: code, then "-" or " ", text, CRLF. */
bool smtp_reply_write_line(
    unsigned code, bool last, struct slice text, struct buf *out);

/* "250", "250 text" -> its code; 0: none. */
unsigned smtp_reply_code(struct slice line);

#endif
