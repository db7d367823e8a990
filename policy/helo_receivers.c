/*
 * What known receivers do with a HELO argument, each by its own rule: the
 * checks of Postfix 3.12, OpenSMTPD 7.8 and Exim 4.96, written from their
 * documented and measured behaviour.  tests/vectors/helo_receivers.tsv is the
 * measure.  And what is known of two who cannot be measured: see the end.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/helo_private.h"

enum {
	POSTFIX_NAME_MAX = 255,
	OPENSMTPD_NAME_MAX = 253
};

static bool
is_alnum(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

static struct slice
inner(struct slice text)
{
	return slice_of(text.ptr + 1, text.len - 2);
}

static bool
is_bracketed(struct slice text)
{
	return text.len > 2 && text.ptr[0] == '[' &&
	       text.ptr[text.len - 1] == ']';
}

/* --- Postfix: reject_invalid_helo_hostname ------------------------------------ */

/* Octets of any number of digits up to 255; the first is not 0, unless all
 * are. */
static bool
postfix_ipv4(struct slice text)
{
	unsigned part = 0, digits = 0, value = 0, first = 0, sum = 0;

	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && ascii_is_digit(text.ptr[i])) {
			value = value * 10 + (unsigned)(text.ptr[i] - '0');
			digits++;
			if (value > 255)
				return false;
			continue;
		}
		if ((i < text.len && text.ptr[i] != '.') || digits == 0)
			return false;
		if (part++ == 0)
			first = value;
		sum += value;
		digits = value = 0;
	}
	return part == 4 && (first != 0 || sum == 0);
}

static size_t
hex_run(struct slice text)
{
	size_t len = 0;

	while (len < text.len && ascii_hex(text.ptr[len]) >= 0)
		len++;
	return len;
}

/* Counts colons rather than groups: two to seven, one "::", no colon alone at
 * an edge; a dotted quad may end it after two to six. */
static bool
postfix_ipv6(struct slice text)
{
	unsigned colons = 0, null_at = 0;
	size_t len = 0;

	for (size_t i = 0; i < text.len;) {
		char c = text.ptr[i];
		if (c == '.')
			return colons >= 2 && colons <= 6 &&
			       postfix_ipv4(slice_from(text, i - len));
		if (c != ':') {
			len = hex_run(slice_from(text, i));
			if (len == 0 || len > 4)
				return false;
			i += len;
			continue;
		}
		bool doubled = i + 1 < text.len && text.ptr[i + 1] == ':';
		if (colons == 0 && len == 0 && !doubled)
			return false;
		if (++colons > 7 || (doubled && null_at != 0))
			return false;
		if (doubled)
			null_at = colons;
		len = 0;
		i++;
	}
	return colons >= 2 && (len > 0 || null_at == colons - 1);
}

static bool
postfix_literal(struct slice text)
{
	if (!is_bracketed(text))
		return false;
	text = inner(text);
	if (slice_has_prefix_nocase(text, SLICE("IPv6:")))
		return postfix_ipv6(slice_from(text, 5));
	return postfix_ipv4(text);
}

static bool
postfix_label(struct slice label)
{
	return label.len > 0 && label.len <= HELO_LABEL_MAX &&
	       label.ptr[0] != '-' && label.ptr[label.len - 1] != '-';
}

static bool
postfix_hostname(struct slice text)
{
	bool numeric = true;
	size_t start = 0;

	if (text.len == 0 || text.len > POSTFIX_NAME_MAX)
		return false;
	for (size_t i = 0; i <= text.len; i++) {
		char c = i < text.len ? text.ptr[i] : '.';
		if (c == '.') {
			if (!postfix_label(
				slice_of(text.ptr + start, i - start)))
				return false;
			start = i + 1;
		} else if (!is_alnum(c) && c != '_' && c != '-') {
			return false;
		} else if (!ascii_is_digit(c)) {
			numeric = false;
		}
	}
	return !numeric;
}

/* One trailing dot is tolerated. */
static struct slice
postfix_name(struct slice text)
{
	if (text.len > 1 && text.ptr[text.len - 1] == '.' &&
	    text.ptr[text.len - 2] != '.')
		text.len--;
	return text;
}

static bool
postfix_address(struct slice text)
{
	return slice_find(text, ':') != -1 ? postfix_ipv6(text)
					   : postfix_ipv4(text);
}

static bool
postfix_accepts(struct slice text)
{
	if (text.len > 0 && text.ptr[0] == '[')
		return postfix_literal(text);
	text = postfix_name(text);
	return postfix_hostname(text) || postfix_address(text);
}

/* With reject_non_fqdn_helo_hostname: a dot, and no bare address. */
static bool
postfix_fqdn_accepts(struct slice text)
{
	if (text.len > 0 && text.ptr[0] == '[')
		return postfix_literal(text);
	text = postfix_name(text);
	return postfix_hostname(text) && slice_find(text, '.') != -1 &&
	       !postfix_address(text);
}

/* --- OpenSMTPD ------------------------------------------------------------------ */

static bool
opensmtpd_literal(struct slice text)
{
	struct addr addr;

	if (!is_bracketed(text))
		return false;
	text = inner(text);
	if (slice_has_prefix_nocase(text, SLICE("IPv6:")))
		text = slice_from(text, 5);
	return addr_parse(text, &addr);
}

static bool
opensmtpd_accepts(struct slice text)
{
	size_t label = 0;

	if (text.len == 0)
		return false;
	if (text.ptr[0] == '[')
		return opensmtpd_literal(text);
	if (text.len > OPENSMTPD_NAME_MAX || text.ptr[0] == '-' ||
	    text.ptr[text.len - 1] == '.')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if ((!is_alnum(c) && c != '-' && c != '_') ||
			   ++label > HELO_LABEL_MAX) {
			return false;
		}
	}
	return true;
}

/* --- Exim: its defaults ------------------------------------------------------------ */

static bool
exim_literal(struct slice text)
{
	struct addr addr;
	bool v6 = false, v4 = false;

	if (!is_bracketed(text))
		return false;
	text = inner(text);
	v6 = slice_has_prefix_nocase(text, SLICE("IPv6:"));
	v4 = slice_has_prefix_nocase(text, SLICE("IPv4:"));
	if (v6 || v4)
		text = slice_from(text, 5);
	bool colon = slice_find(text, ':') != -1;
	return addr_parse(text, &addr) && !(v6 && !colon) && !(v4 && colon);
}

/* Letters, digits, dots and hyphens in any order and number. */
static bool
exim_accepts(struct slice text)
{
	if (text.len > 0 && text.ptr[0] == '[')
		return exim_literal(text);
	for (size_t i = 0; i < text.len; i++)
		if (!is_alnum(text.ptr[i]) && text.ptr[i] != '.' &&
		    text.ptr[i] != '-')
			return false;
	return text.len > 0;
}

/* --- documented, not measured ------------------------------------------------------ */

/*
 * Each row is a flaw that the receiver is known to refuse; of what no row
 * speaks nothing is said.
 *
 * Gmail: Google's help, "HELO/EHLO email error" (support.google.com/mail/
 * ?p=helo, which the reply itself names), has "501 5.5.4 Empty HELO/EHLO
 * argument not allowed" and "501 5.5.4 HELO/EHLO argument "..." invalid", for
 * values that are no name and no address.  It says that these "may" be
 * refused; so here are those that were: "PhpStorm 9.0.3" (PHPMailer issue
 * 1011), "mantis.*" (PHPMailer issue 1258), a mail address (a log of sSMTP,
 * pastebin.com/Us8juQyE).  A single label is accepted (PHPMailer issue 1011);
 * Google's relay service, another thing, defers it.
 *
 * Microsoft 365: "501 5.5.4 Invalid domain name" to a name that ends in a dot
 * (fastapi-mail issue 205; Microsoft's knowledge base had the same of Exchange
 * 2003), and to one with a blank behind it (a Stack Exchange question, "Why
 * does Microsoft Outlook fail with 501 5.5.4 Invalid domain name").  Of no
 * argument, underscores, localhost and names that do not resolve there is
 * hearsay only.
 */
static const struct {
	enum helo_receiver by;
	enum helo_flaw flaw;
} documented[] = {
    {HELO_BY_OFFICE365, HELO_FLAW_TRAILING_DOT},
    {HELO_BY_GMAIL, HELO_FLAW_MISSING},
    {HELO_BY_GMAIL, HELO_FLAW_EXTRA_ARGUMENT},
    {HELO_BY_GMAIL, HELO_FLAW_BAD_CHARACTER},
};

static uint32_t
refused_by_documents(struct slice argument, const struct helo *helo)
{
	uint32_t refused = 0;

	for (unsigned i = 0; i < sizeof(documented) / sizeof(documented[0]);
	     i++)
		if (helo->flaws & HELO_BIT(documented[i].flaw))
			refused |= 1u << documented[i].by;
	/* Of `blanks` only this form is known. */
	if (helo->form != HELO_FORM_MISSING &&
	    argument.ptr[argument.len - 1] == ' ')
		refused |= 1u << HELO_BY_OFFICE365;
	return refused;
}

uint32_t
helo_refused_by(struct slice argument, const struct helo *helo)
{
	struct slice trimmed = helo_trim(argument);
	uint32_t refused = refused_by_documents(argument, helo);

	if (!helo->valid)
		refused |= 1u << HELO_BY_RFC5321;
	if (!postfix_accepts(trimmed))
		refused |= 1u << HELO_BY_POSTFIX;
	if (!postfix_fqdn_accepts(trimmed))
		refused |= 1u << HELO_BY_POSTFIX_FQDN;
	if (!opensmtpd_accepts(trimmed))
		refused |= 1u << HELO_BY_OPENSMTPD;
	if (!exim_accepts(trimmed))
		refused |= 1u << HELO_BY_EXIM;
	return refused;
}
