/*
 * EHLO keywords.  See smtp_ehlo.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_ehlo.h"

static const char *const passing[] = {"PIPELINING", "SIZE", "8BITMIME",
    "CHUNKING", "STARTTLS", "AUTH", "DSN", "ENHANCEDSTATUSCODES", "SMTPUTF8",
    "REQUIRETLS", "LIMITS", "DELIVERBY", "MT-PRIORITY", "ETRN", "HELP"};

/* Extensions whose conversation this gate cannot follow: commands that change
 * who the client is, that turn the connection round, that carry octets
 * unannounced, that hide what follows, or that drop the line discipline. */
static const char *const unframed[] = {"XCLIENT", "XFORWARD", "XEXCH50",
    "XRDST", "X-ANONYMOUSTLS", "X-EXPS", "X-LINK2STATE", "XSHADOW",
    "XSHADOWREQUEST", "XPROXY", "XPROXYFROM", "XPROXYTO", "XSESSIONPARAMS",
    "XMESSAGECONTEXT", "BINARYMIME", "PIPECONNECT", "PIPE_CONNECT",
    "X_PIPE_CONNECT", "X_PIPECONNECT", "TURN", "ATRN", "CHECKPOINT", "BURL",
    "PRDR"};

static bool
is_among(struct slice word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_eq_nocase(word, slice_str(list[i])))
			return true;
	return false;
}

struct slice
smtp_ehlo_keyword(struct slice line)
{
	size_t len = 0;

	while (len < line.len && line.ptr[len] != ' ' && line.ptr[len] != '=')
		len++;
	return slice_head(line, len);
}

enum smtp_keyword
smtp_ehlo_judge(struct slice keyword)
{
	if (is_among(keyword, passing, sizeof(passing) / sizeof(passing[0])))
		return SMTP_KEYWORD_PASSES;
	if (is_among(keyword, unframed, sizeof(unframed) / sizeof(unframed[0])))
		return SMTP_KEYWORD_UNFRAMED;
	return SMTP_KEYWORD_UNKNOWN;
}

unsigned
smtp_ehlo_bit(struct slice keyword)
{
	if (slice_eq_nocase(keyword, SLICE("PIPELINING")))
		return SMTP_EXT_PIPELINING;
	if (slice_eq_nocase(keyword, SLICE("CHUNKING")))
		return SMTP_EXT_CHUNKING;
	if (slice_eq_nocase(keyword, SLICE("STARTTLS")))
		return SMTP_EXT_STARTTLS;
	return 0;
}

bool
smtp_ehlo_is_line(struct slice line)
{
	struct slice keyword = smtp_ehlo_keyword(line);

	if (keyword.len == 0)
		return false;
	for (size_t i = 0; i < keyword.len; i++) {
		char c = keyword.ptr[i];
		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' &&
		    c != '_')
			return false;
	}
	for (size_t i = keyword.len; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < 0x20 || line.ptr[i] == 0x7f)
			return false;
	return true;
}
