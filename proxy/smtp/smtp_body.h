/*
 * Message text on its way: where it ends, its dots, its line ends mended.
 *
 * Frame first, by CRLF.CRLF and nothing else; then mend (a bare LF becomes
 * CRLF, a stray CR a space); then dot-stuff what came of it.  So no end of
 * data can be made by mending (RFC 5321 4.1.1.4, 4.5.2; THREATS A1).
 *
 * A NUL, or a stray line end where these are refused, turns the text bad:
 * nothing more is written, and the frame is still followed to its true end.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SMTP_SMTP_BODY_H
#define SMTP_SMTP_BODY_H

#include "base/buf.h"

/* Where in a line the text stands. */
enum smtp_body_at {
	SMTP_BODY_LINE,   /* a line begins, after a true CRLF */
	SMTP_BODY_MENDED, /* a line begins, after a mended LF */
	SMTP_BODY_DOT,    /* a line began with a dot that is not yet decided */
	SMTP_BODY_INSIDE
};

enum {
	SMTP_MSGID_MAX = 250
};

struct smtp_body {
	enum smtp_body_at at;
	bool owes_cr; /* BDAT: a CR ended the last piece, undecided */
	bool refuse_stray;
	const char *bad; /* refused, and our word for why; else NULL */
	uint64_t limit;  /* octets that may come; 0: any number */
	uint64_t octets; /* of message text, as received, without stuffing */
	uint64_t stray;  /* line ends mended */
	/* The Message-ID, read in passing from the header. */
	bool in_header;
	uint8_t header_at; /* bytes of this line that matched its name */
	uint8_t msgid_len;
	char msgid[SMTP_MSGID_MAX];
};

/* `bad` of a text that is over its limit; that has a stray line end. */
extern const char smtp_body_too_large[], smtp_body_bare_newline[];

void smtp_body_start(struct smtp_body *body, uint64_t limit, bool refuse_stray);

/*
 * DATA.  Moves text from `in` to `out`; *used is what was read.  1: the end of
 * data was read, and written unless the text is bad; 0: needs more text, or
 * room in `out`.
 */
int smtp_body_step(
    struct smtp_body *body, struct slice in, size_t *used, struct buf *out);

enum {
	/* A chunk of any size goes on in pieces of this many octets: their
	 * size must be announced before they are sent, and mending changes
	 * it.  Fixed, so that what is sent does not depend on how the
	 * client's bytes came in. */
	SMTP_PIECE_MAX = 16 * 1024,
	/* What a piece can grow to: every octet an LF, and a CR owed. */
	SMTP_PIECE_ROOM = 2 * SMTP_PIECE_MAX + 2
};

/*
 * BDAT.  Mends one piece, at most SMTP_PIECE_MAX octets, into `out`, which
 * holds SMTP_PIECE_ROOM bytes; returns the new length.  A CR at its end waits
 * for the next piece, unless `ends`: the message ends here.  When the text is
 * bad the result is of no use.
 */
size_t smtp_body_piece(
    struct smtp_body *body, struct slice piece, bool ends, char *out);

#endif
