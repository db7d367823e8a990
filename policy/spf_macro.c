/*
 * SPF macros (RFC 7208 7): their grammar and their expansion.  A record can
 * hold a thousand macros; since only the last 253 octets of a name count
 * (7.3), expansion goes from the right to the left and stops there.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/spf_private.h"

#include <assert.h>
#include <stdio.h>

enum {
	/* Longer values are cut: no name of this length can be asked for. */
	VALUE_MAX = 512,
	PIECE_MAX = 3 * VALUE_MAX,     /* escaped */
	MACROS_MAX = DNS_TEXT_MAX / 2, /* "%%" is the shortest */
	KEEP_MAX = 1000 /* more right-hand parts than there are */
};

struct macro {
	char letter;         /* lower case; 0: only `text` */
	struct slice text;   /* what %%, %_ and %- stand for */
	bool escape;         /* the letter is upper case */
	bool reverse;        /* transformer r */
	unsigned keep;       /* right-hand parts; 0: all */
	struct slice splits; /* delimiters */
};

/* --- grammar ---------------------------------------------------------------- */

/* The body of "%{...}" with its closing brace; its length, 0: none. */
static size_t
read_braced(struct slice text, struct macro *out)
{
	size_t i = 1;

	if (text.len < 2 ||
	    memchr("slodiphcrtv", ascii_lower(text.ptr[0]), 11) == NULL)
		return 0;
	out->letter = ascii_lower(text.ptr[0]);
	out->escape = out->letter != text.ptr[0];
	for (; i < text.len && ascii_is_digit(text.ptr[i]); i++)
		if (out->keep < KEEP_MAX)
			out->keep =
			    out->keep * 10 + (unsigned)(text.ptr[i] - '0');
	if (i > 1 && out->keep == 0)
		return 0;
	if (i < text.len && ascii_lower(text.ptr[i]) == 'r') {
		out->reverse = true;
		i++;
	}
	size_t splits = i;
	while (i < text.len && memchr(".-+,/_=", text.ptr[i], 7) != NULL)
		i++;
	out->splits = slice_of(text.ptr + splits, i - splits);
	return i < text.len && text.ptr[i] == '}' ? i + 1 : 0;
}

/* A macro at the start of text, which is '%'; its length, 0: it is none. */
static size_t
read_macro(struct slice text, struct macro *out)
{
	*out = (struct macro){0};
	if (text.len < 2)
		return 0;
	switch (text.ptr[1]) {
	case '%':
		out->text = SLICE("%");
		return 2;
	case '_':
		out->text = SLICE(" ");
		return 2;
	case '-':
		out->text = SLICE("%20");
		return 2;
	case '{': {
		size_t len = read_braced(slice_from(text, 2), out);
		return len == 0 ? 0 : len + 2;
	}
	default:
		return 0;
	}
}

/* Reads a macro-string; *tail is where its last literal begins. */
static bool
read_string(struct slice text, bool all_letters, size_t *tail)
{
	struct macro macro;
	size_t i = 0;

	*tail = 0;
	while (i < text.len) {
		if (text.ptr[i] != '%') {
			if (text.ptr[i] < 0x21 || text.ptr[i] > 0x7e)
				return false;
			i++;
			continue;
		}
		size_t len = read_macro(slice_from(text, i), &macro);
		bool told = macro.letter == 'c' || macro.letter == 'r' ||
			    macro.letter == 't';
		if (len == 0 || (told && !all_letters))
			return false;
		i += len;
		*tail = i;
	}
	return true;
}

bool
spf_macro_is_valid(struct slice text, bool all_letters)
{
	size_t tail;

	return read_string(text, all_letters, &tail);
}

/* toplabel: letters, digits, inner hyphens; not all digits. */
static bool
is_top_label(struct slice label)
{
	bool other = false;

	if (label.len == 0 || label.ptr[0] == '-' ||
	    label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (ascii_is_alpha(label.ptr[i]) || label.ptr[i] == '-')
			other = true;
		else if (!ascii_is_digit(label.ptr[i]))
			return false;
	}
	return other;
}

bool
spf_domain_spec_is_valid(struct slice text)
{
	size_t tail, dot;

	if (text.len == 0 || !read_string(text, false, &tail))
		return false;
	if (tail == text.len)
		return true;
	struct slice end = slice_from(text, tail);
	if (end.ptr[end.len - 1] == '.')
		end.len--;
	for (dot = end.len; dot > 0 && end.ptr[dot - 1] != '.'; dot--)
		;
	return dot > 0 && is_top_label(slice_from(end, dot));
}

/* --- values ----------------------------------------------------------------- */

struct value {
	size_t len;
	char bytes[VALUE_MAX];
};

static void
append(struct value *value, struct slice text)
{
	text = slice_head(text, VALUE_MAX - value->len);
	if (text.len > 0)
		memcpy(value->bytes + value->len, text.ptr, text.len);
	value->len += text.len;
}

/* %{i}: dotted, an IPv6 address by its nibbles. */
static void
append_address(struct value *value, const struct addr *addr)
{
	char text[ADDR_TEXT], nibbles[5];

	if (addr->family != 6) {
		append(value, slice_str(addr_format(addr, text)));
		return;
	}
	for (unsigned i = 0; i < 16; i++) {
		unsigned byte = addr->bytes[i];
		snprintf(
		    nibbles, sizeof(nibbles), "%x.%x.", byte >> 4, byte & 15);
		append(value, slice_head(slice_str(nibbles), i < 15 ? 4 : 3));
	}
}

/* False: an answer is missing. */
static bool
value_of(
    struct spf_run *run, struct slice domain, char letter, struct value *out)
{
	const struct spf_sender *sender = run->sender;
	struct slice name;

	out->len = 0;
	switch (letter) {
	case 's':
		append(out, sender->local);
		append(out, SLICE("@"));
		append(out, sender->domain);
		break;
	case 'l':
		append(out, sender->local);
		break;
	case 'o':
		append(out, sender->domain);
		break;
	case 'd':
		append(out, domain);
		break;
	case 'i':
		append_address(out, &sender->client);
		break;
	case 'v':
		append(out, sender->client.family == 6 ? SLICE("ip6")
						       : SLICE("in-addr"));
		break;
	case 'h':
		append(out, sender->helo);
		break;
	default:
		if (!spf_validated_name(run, domain, &name))
			return false;
		append(out, name);
	}
	return true;
}

/* --- expansion -------------------------------------------------------------- */

struct piece {
	size_t len;
	char bytes[PIECE_MAX];
};

static void
append_part(struct piece *piece, struct slice part, bool escape)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < part.len; i++) {
		char c = part.ptr[i];
		assert(piece->len + 3 <= PIECE_MAX);
		if (!escape || ascii_is_alpha(c) || ascii_is_digit(c) ||
		    memchr("-._~", c, 4) != NULL) {
			piece->bytes[piece->len++] = c;
			continue;
		}
		piece->bytes[piece->len++] = '%';
		piece->bytes[piece->len++] = hex[(uint8_t)c >> 4];
		piece->bytes[piece->len++] = hex[(uint8_t)c & 15];
	}
}

/* Splits the value, turns it round, keeps the right-hand parts, joins them
 * with dots. */
static void
transform(
    const struct macro *macro, const struct value *value, struct piece *out)
{
	struct slice splits =
	    macro->splits.len > 0 ? macro->splits : SLICE(".");
	struct slice parts[VALUE_MAX + 1];
	size_t count = 0, start = 0;

	for (size_t i = 0; i <= value->len; i++) {
		if (i < value->len && slice_find(splits, value->bytes[i]) == -1)
			continue;
		parts[count++] = slice_of(value->bytes + start, i - start);
		start = i + 1;
	}
	size_t keep =
	    macro->keep == 0 || macro->keep > count ? count : macro->keep;
	out->len = 0;
	for (size_t i = count - keep; i < count; i++) {
		if (i > count - keep)
			append_part(out, SLICE("."), false);
		append_part(out, parts[macro->reverse ? count - 1 - i : i],
		    macro->escape);
	}
}

/* As much of the text as has room; false: there is no more. */
static bool
prepend(struct spf_name *name, const char *text, size_t len)
{
	size_t room = name->start < len ? name->start : len;

	name->start -= room;
	memcpy(name->bytes + name->start, text + len - room, room);
	return name->start > 0;
}

/* Where the macros of a valid macro-string begin and end. */
struct span {
	uint16_t start, end;
};

static unsigned
find_macros(struct slice spec, struct span spans[MACROS_MAX])
{
	struct macro macro;
	unsigned count = 0;

	for (size_t i = 0; i < spec.len; i++) {
		if (spec.ptr[i] != '%')
			continue;
		size_t len = read_macro(slice_from(spec, i), &macro);
		assert(len > 0 && count < MACROS_MAX);
		spans[count++] =
		    (struct span){(uint16_t)i, (uint16_t)(i + len)};
		i += len - 1;
	}
	return count;
}

/* The dot of the root goes, then left-hand labels until it is short enough. */
static void
cut(struct spf_name *name)
{
	size_t end = sizeof(name->bytes);

	if (name->start < end && name->bytes[end - 1] == '.') {
		memmove(name->bytes + name->start + 1,
		    name->bytes + name->start, end - name->start - 1);
		name->start++;
	}
	while (end - name->start > DNS_NAME_MAX) {
		while (name->start < end && name->bytes[name->start] != '.')
			name->start++;
		if (name->start < end)
			name->start++;
	}
}

/* Prepends what one macro stands for; *more as prepend.  False: pending. */
static bool
prepend_macro(struct spf_run *run, struct slice domain, struct slice text,
    struct spf_name *name, bool *more)
{
	struct macro macro;
	struct value value;
	struct piece piece;

	read_macro(text, &macro);
	if (macro.letter == 0) {
		*more = prepend(name, macro.text.ptr, macro.text.len);
		return true;
	}
	if (!value_of(run, domain, macro.letter, &value))
		return false;
	transform(&macro, &value, &piece);
	*more = prepend(name, piece.bytes, piece.len);
	return true;
}

bool
spf_expand(struct spf_run *run, struct slice domain, struct slice spec,
    struct spf_name *out)
{
	struct span spans[MACROS_MAX];
	size_t at = spec.len;
	bool more = true;

	assert(spec.len <= DNS_TEXT_MAX);
	out->start = sizeof(out->bytes);
	if (spec.len == 0)
		prepend(out, domain.ptr, domain.len);
	unsigned count = find_macros(spec, spans);
	while (at > 0 && more) {
		if (count == 0 || spans[count - 1].end != at) {
			more = prepend(out, spec.ptr + at - 1, 1);
			at--;
			continue;
		}
		const struct span *span = &spans[--count];
		if (!prepend_macro(
			run, domain, slice_from(spec, span->start), out, &more))
			return false;
		at = span->start;
	}
	cut(out);
	return true;
}
