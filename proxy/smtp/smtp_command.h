/*
 * One line of the client to a verb and its argument, and back to a line: what
 * goes to the server is written anew from what was understood, so that gate
 * and server cannot read two different commands.
 *
 * Sources: RFC 5321 4.1.1, 4.1.2; RFC 3030 2; RFC 4954 4.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SMTP_SMTP_COMMAND_H
#define SMTP_SMTP_COMMAND_H

#include "base/buf.h"
#include "smtp/smtp_fsm.h"

enum {
	/* Longest command line with its CRLF: 512 of RFC 5321 4.5.3.1.4 and
	 * ample room for what extensions add. */
	SMTP_COMMAND_MAX = 4096,
	/* AUTH and its responses (RFC 4954 4). */
	SMTP_SASL_MAX = 12288
};

struct smtp_command {
	enum smtp_verb verb;
	struct slice arg;    /* NAME, TEXT, LINE: the argument; SASL: what
			      * follows the mechanism */
	struct slice path;   /* PATH: without its angle brackets; SASL: the
			      * mechanism */
	struct slice params; /* PATH: the parameters, unparsed */
	int64_t size;        /* PATH: SIZE=, or -1 (RFC 1870) */
	uint64_t chunk;      /* CHUNK */
};

/* Why a line is no command: each is one reply of the gate. */
enum smtp_fault {
	SMTP_FAULT_NONE,
	SMTP_FAULT_VERB,      /* 500 5.5.2 */
	SMTP_FAULT_ARGUMENT,  /* 501 5.5.4 */
	SMTP_FAULT_SENDER,    /* 501 5.1.7 */
	SMTP_FAULT_RECIPIENT, /* 501 5.1.3 */
	SMTP_FAULT_CHUNK      /* 501 5.5.4, and no way to go on */
};

/* Reads a line without its CRLF.  Slices point into it.  What HELO and EHLO
 * say is not judged here. */
enum smtp_fault smtp_command_parse(struct slice line, struct smtp_command *out);
/* The verb of a line, whatever its argument: SMTP_UNKNOWN where it is none. */
enum smtp_verb smtp_command_verb(struct slice line);

/* Appends the canonical line with its CRLF: one space, no trailing blank.  For
 * EHLO and HELO `arg` is the name that goes on.  False: no room. */
bool smtp_command_write(const struct smtp_command *command, struct buf *out);

/* No byte that a canonical command cannot hold: no control byte but TAB, no
 * DEL. */
bool smtp_command_is_text(struct slice text);

#endif
