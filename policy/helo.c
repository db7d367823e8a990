/*
 * The HELO/EHLO argument: form and syntax flaws.  See helo.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/helo.h"

#include "base/json.h"
#include "policy/helo_private.h"

#include <stdio.h>

bool
helo_is_edge(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

struct slice
helo_trim(struct slice s)
{
	while (s.len > 0 && helo_is_edge(s.ptr[0]))
		s = slice_from(s, 1);
	while (s.len > 0 && helo_is_edge(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* --- addresses ------------------------------------------------------------- */

bool
helo_parse_snum4(struct slice text, struct addr *out, bool *leading_zero)
{
	struct addr addr = {.family = 4};
	unsigned part = 0, digits = 0, value = 0;

	*leading_zero = false;
	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && ascii_is_digit(text.ptr[i])) {
			if (digits > 0 && value == 0)
				*leading_zero = true;
			value = value * 10 + (unsigned)(text.ptr[i] - '0');
			if (++digits > 3 || value > 255)
				return false;
			continue;
		}
		if ((i < text.len && text.ptr[i] != '.') || digits == 0 ||
		    part > 3)
			return false;
		addr.bytes[part++] = (uint8_t)value;
		digits = value = 0;
	}
	if (part != 4)
		return false;
	*out = addr;
	return true;
}

bool
helo_parse_ipv6(struct slice text, struct addr *out)
{
	return slice_find(text, ':') != -1 && addr_parse(text, out);
}

bool
helo_ipv6_is_strict(struct slice text)
{
	unsigned groups = 0;
	bool inside = false, compressed = false;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == ':') {
			if (i > 0 && text.ptr[i - 1] == ':')
				compressed = true;
			inside = false;
		} else if (!inside) {
			inside = true;
			groups++;
		}
	}
	if (slice_find(text, '.') != -1)
		groups++; /* a dotted quad stands for two */
	return !compressed || groups <= 6;
}

bool
helo_has_zone(struct slice text)
{
	return slice_find(text, '%') != -1;
}

struct slice
helo_without_zone(struct slice text)
{
	ptrdiff_t percent = slice_find(text, '%');

	return percent == -1 ? text : slice_head(text, (size_t)percent);
}

/* --- literals ---------------------------------------------------------------- */

static bool
is_ldh(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-';
}

/* The length of "tag" where text is "tag:...", else 0. */
static size_t
tag_length(struct slice text)
{
	size_t len = 0;

	while (len < text.len && is_ldh(text.ptr[len]))
		len++;
	return len < text.len && text.ptr[len] == ':' ? len : 0;
}

/* Whether brackets hold what would be a name without them. */
static bool
is_name_in_brackets(struct slice text)
{
	bool last_numeric = true;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '.')
			last_numeric = true;
		else if (!is_ldh(c) && c != '_')
			return false;
		else if (!ascii_is_digit(c))
			last_numeric = false;
	}
	return text.len > 0 && !last_numeric;
}

static void
add(struct helo *out, enum helo_flaw flaw)
{
	out->flaws |= HELO_BIT(flaw);
}

/* What stands behind "IPv6:". */
static void
judge_tagged(struct slice text, struct helo *out)
{
	bool zero;

	out->form = HELO_FORM_ADDRESS_LITERAL;
	if (helo_parse_snum4(text, &out->literal, &zero)) {
		add(out, HELO_FLAW_TAGGED_IPV4);
		return;
	}
	if (helo_has_zone(text))
		add(out, HELO_FLAW_ZONE_ID);
	text = helo_without_zone(text);
	if (!helo_parse_ipv6(text, &out->literal) || !helo_ipv6_is_strict(text))
		add(out, HELO_FLAW_BAD_LITERAL);
}

static void
judge_untagged(struct slice text, struct helo *out)
{
	bool zero;

	out->form = HELO_FORM_ADDRESS_LITERAL;
	if (helo_parse_snum4(text, &out->literal, &zero)) {
		if (zero)
			add(out, HELO_FLAW_LEADING_ZERO);
	} else if (helo_parse_ipv6(helo_without_zone(text), &out->literal)) {
		add(out, HELO_FLAW_UNTAGGED_IPV6);
		if (helo_has_zone(text))
			add(out, HELO_FLAW_ZONE_ID);
	} else if (tag_length(text) > 0) {
		out->form = HELO_FORM_GENERAL_LITERAL;
		add(out, HELO_FLAW_UNKNOWN_TAG);
	} else {
		out->form = HELO_FORM_MALFORMED;
		add(out, is_name_in_brackets(text) ? HELO_FLAW_LITERAL_OF_NAME
						   : HELO_FLAW_BAD_LITERAL);
	}
}

static void
judge_literal(struct slice text, struct helo *out)
{
	bool zero;

	if (text.len < 2 || text.ptr[0] != '[' ||
	    text.ptr[text.len - 1] != ']') {
		out->form = HELO_FORM_MALFORMED;
		add(out, HELO_FLAW_UNCLOSED_LITERAL);
		return;
	}
	text = slice_of(text.ptr + 1, text.len - 2);
	if (slice_has_prefix_nocase(text, SLICE("IPv6:"))) {
		judge_tagged(slice_from(text, 5), out);
	} else if (slice_has_prefix_nocase(text, SLICE("IPv4:")) &&
		   helo_parse_snum4(
		       slice_from(text, 5), &out->literal, &zero)) {
		out->form = HELO_FORM_ADDRESS_LITERAL;
		add(out, HELO_FLAW_TAGGED_IPV4);
	} else {
		judge_untagged(text, out);
	}
}

/* --- names ------------------------------------------------------------------- */

/* An address without brackets: IPv4, IPv6 with or without zone or tag. */
static bool
judge_bare(struct slice text, struct helo *out)
{
	struct slice address = text;

	if (slice_has_prefix_nocase(text, SLICE("IPv6:")))
		address = slice_from(text, 5);
	if (helo_parse_ipv6(helo_without_zone(address), &out->literal)) {
		add(out, HELO_FLAW_BARE_IPV6);
		if (helo_has_zone(address))
			add(out, HELO_FLAW_ZONE_ID);
	} else if (addr_parse(text, &out->literal) &&
		   out->literal.family == 4) {
		add(out, HELO_FLAW_BARE_IPV4);
	} else {
		return false;
	}
	out->form = HELO_FORM_BARE_ADDRESS;
	return true;
}

static void
judge_label(struct slice label, bool last, struct helo *out)
{
	if (label.len == 0) {
		add(out, last ? HELO_FLAW_TRAILING_DOT : HELO_FLAW_EMPTY_LABEL);
		return;
	}
	if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		add(out, HELO_FLAW_HYPHEN_EDGE);
	if (label.len > HELO_LABEL_MAX)
		add(out, HELO_FLAW_LABEL_TOO_LONG);
}

static void
judge_labels(struct slice text, struct helo *out)
{
	size_t start = 0;

	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && text.ptr[i] != '.')
			continue;
		judge_label(
		    slice_of(text.ptr + start, i - start), i == text.len, out);
		start = i + 1;
	}
	if (text.len > HELO_NAME_MAX)
		add(out, HELO_FLAW_NAME_TOO_LONG);
}

/* Which bytes a name has that it must not have. */
static void
judge_bytes(struct slice text, struct helo *out)
{
	for (size_t i = 0; i < text.len;) {
		unsigned char c = (unsigned char)text.ptr[i];
		size_t len = utf8_sequence(slice_from(text, i));
		if (len == 0)
			add(out, HELO_FLAW_INVALID_UTF8);
		else if (len > 1)
			add(out, HELO_FLAW_NON_ASCII);
		else if (c == ' ' || c == '\t')
			add(out, HELO_FLAW_EXTRA_ARGUMENT);
		else if (c < 0x20 || c == 0x7f)
			add(out, HELO_FLAW_CONTROL_CHARACTER);
		i += len == 0 ? 1 : len;
	}
}

static void
judge_name(struct slice text, struct helo *out)
{
	static const uint64_t no_name = HELO_BIT(HELO_FLAW_BAD_CHARACTER) |
					HELO_BIT(HELO_FLAW_EXTRA_ARGUMENT) |
					HELO_BIT(HELO_FLAW_CONTROL_CHARACTER) |
					HELO_BIT(HELO_FLAW_INVALID_UTF8) |
					HELO_BIT(HELO_FLAW_ANGLE_BRACKETS);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c == '_')
			add(out, HELO_FLAW_UNDERSCORE);
		else if (!is_ldh((char)c) && c != '.' && c > 0x20 && c < 0x7f &&
			 (out->flaws & HELO_BIT(HELO_FLAW_ANGLE_BRACKETS)) == 0)
			add(out, HELO_FLAW_BAD_CHARACTER);
	}
	judge_labels(text, out);
	out->form = (out->flaws & no_name) == 0 ? HELO_FORM_DOMAIN
						: HELO_FORM_MALFORMED;
}

static bool
is_between(struct slice text, char open, char close)
{
	return text.len >= 2 && text.ptr[0] == open &&
	       text.ptr[text.len - 1] == close;
}

static void
judge_trimmed(struct slice text, struct helo *out)
{
	judge_bytes(text, out);
	if (text.ptr[0] == '[' || text.ptr[text.len - 1] == ']') {
		judge_literal(text, out);
	} else if (!judge_bare(text, out)) {
		if (is_between(text, '<', '>'))
			add(out, HELO_FLAW_ANGLE_BRACKETS);
		judge_name(text, out);
	}
}

static uint64_t
syntax_mask(void)
{
	uint64_t mask = 0;

#define HELO_FLAW_MASK(id, name, advisory, text) \
	if (!(advisory))                         \
		mask |= HELO_BIT(HELO_FLAW_##id);
	HELO_FLAWS(HELO_FLAW_MASK)
#undef HELO_FLAW_MASK
	return mask;
}

static void
advise(struct slice text, const struct addr *client, struct helo *out)
{
	if (out->form == HELO_FORM_DOMAIN)
		out->flaws |= helo_advise_name(text, client);
	if (out->literal.family == 0)
		return;
	out->flaws |= helo_advise_address(&out->literal);
	if (client != NULL && out->form == HELO_FORM_ADDRESS_LITERAL &&
	    !addr_eq(client, &out->literal))
		add(out, HELO_FLAW_LITERAL_MISMATCH);
}

void
helo_analyse(struct slice argument, const struct addr *client, struct helo *out)
{
	struct slice text;

	*out = (struct helo){.form = HELO_FORM_MISSING};
	if (argument.len > HELO_ARGUMENT_MAX) {
		add(out, HELO_FLAW_NAME_TOO_LONG);
		argument = slice_head(argument, HELO_ARGUMENT_MAX);
	}
	text = helo_trim(argument);
	if (text.len < argument.len)
		add(out, HELO_FLAW_BLANKS);
	if (text.len == 0)
		add(out, HELO_FLAW_MISSING);
	else
		judge_trimmed(text, out);
	out->valid = (out->flaws & syntax_mask()) == 0;
	advise(text, client, out);
	out->refused_by = helo_refused_by(argument, out);
}

size_t
helo_client_literal(const struct addr *client, char out[ADDR_TEXT + 8])
{
	char text[ADDR_TEXT];
	size_t len;

	addr_format(client, text);
	len = (size_t)snprintf(out, ADDR_TEXT + 8, "[%s%s]",
	    client->family == 6 ? "IPv6:" : "", text);
	return len;
}

/* --- words --------------------------------------------------------------------- */

static const char *const form_names[] = {
#define HELO_FORM_NAME(id, name, text) name,
    HELO_FORMS(HELO_FORM_NAME)};
static const char *const flaw_names[] = {
#define HELO_FLAW_NAME(id, name, advisory, text) name,
    HELO_FLAWS(HELO_FLAW_NAME)};
static const char *const flaw_texts[] = {
#define HELO_FLAW_TEXT(id, name, advisory, text) text,
    HELO_FLAWS(HELO_FLAW_TEXT)};
static const bool flaw_advisory[] = {
#define HELO_FLAW_ADVISORY(id, name, advisory, text) advisory,
    HELO_FLAWS(HELO_FLAW_ADVISORY)};
static const char *const receiver_names[] = {
#define HELO_RECEIVER_NAME(id, name, documented) name,
    HELO_RECEIVERS(HELO_RECEIVER_NAME)};
static const bool receiver_documented[] = {
#define HELO_RECEIVER_DOCUMENTED(id, name, documented) documented,
    HELO_RECEIVERS(HELO_RECEIVER_DOCUMENTED)};
static const char *const step_names[] = {
#define HELO_STEP_NAME(id, name, named) name,
    HELO_STEPS(HELO_STEP_NAME)};
static const bool step_named[] = {
#define HELO_STEP_NAMED(id, name, named) named,
    HELO_STEPS(HELO_STEP_NAMED)};

const char *
helo_form_name(enum helo_form form)
{
	return form_names[form];
}

const char *
helo_flaw_name(enum helo_flaw flaw)
{
	return flaw_names[flaw];
}

const char *
helo_flaw_text(enum helo_flaw flaw)
{
	return flaw_texts[flaw];
}

bool
helo_flaw_is_advisory(enum helo_flaw flaw)
{
	return flaw_advisory[flaw];
}

const char *
helo_receiver_name(enum helo_receiver receiver)
{
	return receiver_names[receiver];
}

bool
helo_receiver_is_documented(enum helo_receiver receiver)
{
	return receiver_documented[receiver];
}

const char *
helo_step_name(enum helo_step step)
{
	return step_names[step];
}

bool
helo_step_takes_name(enum helo_step step)
{
	return step_named[step];
}

static int
find(struct slice name, const char *const *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (slice_eq(name, slice_str(names[i])))
			return (int)i;
	return -1;
}

int
helo_flaw_parse(struct slice name, enum helo_flaw *out)
{
	int i = find(name, flaw_names, HELO_FLAW_COUNT);

	if (i == -1)
		return -1;
	*out = (enum helo_flaw)i;
	return 1;
}

int
helo_form_parse(struct slice name, enum helo_form *out)
{
	int i = find(name, form_names, HELO_FORM_COUNT);

	if (i == -1)
		return -1;
	*out = (enum helo_form)i;
	return 1;
}

int
helo_receiver_parse(struct slice name, enum helo_receiver *out)
{
	int i = find(name, receiver_names, HELO_RECEIVER_COUNT);

	if (i == -1)
		return -1;
	*out = (enum helo_receiver)i;
	return 1;
}

int
helo_step_parse(struct slice name, enum helo_step *out)
{
	int i = find(name, step_names, HELO_STEP_COUNT);

	if (i == -1)
		return -1;
	*out = (enum helo_step)i;
	return 1;
}
