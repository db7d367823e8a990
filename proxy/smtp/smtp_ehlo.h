/*
 * What of the server's EHLO reply a client may see: only extensions that the
 * gate can frame, by an allow-list (PRODUCT 2), so that what is not known
 * here is never offered.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SMTP_SMTP_EHLO_H
#define SMTP_SMTP_EHLO_H

#include "base/slice.h"

/* What was offered to the client, where the gate acts by it. */
enum {
	SMTP_EXT_PIPELINING = 1,
	SMTP_EXT_CHUNKING = 2,
	SMTP_EXT_STARTTLS = 4
};

enum smtp_keyword {
	SMTP_KEYWORD_PASSES,  /* on the default list */
	SMTP_KEYWORD_UNKNOWN, /* masked, unless the policy allows it */
	SMTP_KEYWORD_UNFRAMED /* masked whatever the policy says */
};

/* The keyword of a line of an EHLO reply: its first word, of "AUTH=LOGIN" the
 * AUTH (an old form). */
struct slice smtp_ehlo_keyword(struct slice line);
enum smtp_keyword smtp_ehlo_judge(struct slice keyword);
/* SMTP_EXT_ bit of a keyword, or 0. */
unsigned smtp_ehlo_bit(struct slice keyword);
/* The line has the form that RFC 5321 4.1.1.1 gives it: a keyword of letters,
 * digits and hyphens, parameters of printable characters. */
bool smtp_ehlo_is_line(struct slice line);

#endif
