/*
 * The scanner: JSON as our writer makes it, and the fields that are wanted.
 * It checks every byte of the line, also of what it skips, so that a line it
 * takes is JSON (tests/fuzz/log_fuzz.c compares it with jansson).
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/log_scan.h"

#include "base/json.h"

enum {
	DIGITS_MAX = 18 /* fit an int64_t, whichever they are */
};

static void
skip_blanks(struct scan *scan)
{
	while (
	    scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' ||
					*scan->at == '\r' || *scan->at == '\n'))
		scan->at++;
}

char
scan_peek(struct scan *scan)
{
	skip_blanks(scan);
	return scan->at < scan->end ? *scan->at : '\0';
}

bool
scan_take(struct scan *scan, char c)
{
	if (scan_peek(scan) != c || scan->at == scan->end)
		return false;
	scan->at++;
	return true;
}

/* --- strings --------------------------------------------------------------------- */

static const char escape_names[] = "\"\\/bfnrt";
static const char escape_values[] = "\"\\/\b\f\n\r\t";

/* The four digits of \uXXXX, or -1; surrogates are left to jansson. */
static int
unicode_of(struct slice digits)
{
	int value = 0;

	if (digits.len < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = ascii_hex(digits.ptr[i]);
		if (digit == -1)
			return -1;
		value = value * 16 + digit;
	}
	return value >= 0xd800 && value <= 0xdfff ? -1 : value;
}

/* What follows a backslash: octets used, 0: not well-formed. */
static size_t
check_escape(struct slice rest)
{
	if (rest.len == 0)
		return 0;
	if (rest.ptr[0] == 'u')
		return unicode_of(slice_from(rest, 1)) == -1 ? 0 : 5;
	return memchr(escape_names, rest.ptr[0], sizeof(escape_names) - 1) ==
		       NULL
		   ? 0
		   : 1;
}

/* One that passes check_escape, into out; octets written. */
static size_t
put_escape(struct slice rest, char *out)
{
	if (rest.ptr[0] != 'u') {
		const char *name =
		    memchr(escape_names, rest.ptr[0], sizeof(escape_names) - 1);
		out[0] = escape_values[name - escape_names];
		return 1;
	}
	int value = unicode_of(slice_from(rest, 1));
	if (value < 0x80) {
		out[0] = (char)value;
		return 1;
	}
	if (value < 0x800) {
		out[0] = (char)(0xc0 | value >> 6);
		out[1] = (char)(0x80 | (value & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | value >> 12);
	out[1] = (char)(0x80 | (value >> 6 & 0x3f));
	out[2] = (char)(0x80 | (value & 0x3f));
	return 3;
}

/* The writer's own escape at text[at]: octets used, 0: it is none. */
static size_t
own_escape(struct slice text, size_t at)
{
	if (at + 1 < text.len && text.ptr[at + 1] == '\\')
		return 2;
	return at + 3 < text.len && text.ptr[at + 1] == 'x' &&
		       ascii_hex(text.ptr[at + 2]) != -1 &&
		       ascii_hex(text.ptr[at + 3]) != -1
		   ? 4
		   : 0;
}

/* Undoes \\ and \xHH in place; a text with any other backslash is not our
 * writer's and stays as it is. */
static size_t
undo_own(char *text, size_t len)
{
	size_t n = 0, used;

	for (size_t i = 0; i < len; i += used) {
		used = text[i] == '\\' ? own_escape(slice_of(text, len), i) : 1;
		if (used == 0)
			return len;
	}
	for (size_t i = 0; i < len; i += used) {
		used = text[i] == '\\' ? own_escape(slice_of(text, len), i) : 1;
		text[n++] = used == 4 ? (char)(ascii_hex(text[i + 2]) * 16 +
					       ascii_hex(text[i + 3]))
				      : text[i];
	}
	return n;
}

/* Unescaping never makes a text longer, so a line's length is room enough. */
static void
unescape(struct scan *scan, struct slice raw, struct slice *out)
{
	char *to = scan->room->text + scan->text_used;
	size_t n = 0, i = 0;

	while (i < raw.len) {
		if (raw.ptr[i] != '\\') {
			to[n++] = raw.ptr[i++];
			continue;
		}
		n += put_escape(slice_from(raw, i + 1), to + n);
		i += 1 + check_escape(slice_from(raw, i + 1));
	}
	*out = slice_of(to, undo_own(to, n));
	scan->text_used += n;
}

static const bool is_plain[256] = {[0x20] = true,
    [0x21] = true,
#define ROW8(n)                                                             \
	[(n)] = true, [(n) + 1] = true, [(n) + 2] = true, [(n) + 3] = true, \
	[(n) + 4] = true, [(n) + 5] = true, [(n) + 6] = true, [(n) + 7] = true
    [0x23] = true,
    [0x24] = true,
    [0x25] = true,
    [0x26] = true,
    [0x27] = true,
    ROW8(0x28),
    ROW8(0x30),
    ROW8(0x38),
    ROW8(0x40),
    ROW8(0x48),
    ROW8(0x50),
    [0x58] = true,
    [0x59] = true,
    [0x5a] = true,
    [0x5b] = true,
    [0x5d] = true,
    [0x5e] = true,
    [0x5f] = true,
    ROW8(0x60),
    ROW8(0x68),
    ROW8(0x70),
    ROW8(0x78)
#undef ROW8
};

bool
scan_string(struct scan *scan, struct slice *out)
{
	bool escaped = false;

	if (!scan_take(scan, '"'))
		return false;
	const char *start = scan->at;
	for (;;) {
		while (
		    scan->at < scan->end && is_plain[(unsigned char)*scan->at])
			scan->at++;
		if (scan->at == scan->end)
			return false;
		struct slice rest =
		    slice_of(scan->at, (size_t)(scan->end - scan->at));
		size_t used;
		if (*scan->at == '"')
			break;
		if (*scan->at == '\\') {
			escaped = true;
			used = check_escape(slice_from(rest, 1));
			if (used++ == 0)
				return false;
		} else {
			used = (unsigned char)*scan->at < 0x80
				   ? 0
				   : utf8_sequence(rest);
			if (used == 0)
				return false;
		}
		scan->at += used;
	}
	struct slice raw = slice_of(start, (size_t)(scan->at++ - start));
	if (out != NULL && escaped)
		unescape(scan, raw, out);
	else if (out != NULL)
		*out = raw;
	return true;
}

/* --- other values ------------------------------------------------------------------ */

static bool
take_word(struct scan *scan, struct slice word)
{
	if ((size_t)(scan->end - scan->at) < word.len ||
	    memcmp(scan->at, word.ptr, word.len) != 0)
		return false;
	scan->at += word.len;
	return true;
}

static size_t
take_digits(struct scan *scan)
{
	const char *start = scan->at;

	while (scan->at < scan->end && ascii_is_digit(*scan->at))
		scan->at++;
	return (size_t)(scan->at - start);
}

/* A number of jansson's own making: known to be one. */
static bool
skip_canonical(struct scan *scan)
{
	while (scan->at < scan->end &&
	       (ascii_is_digit(*scan->at) || *scan->at == '.' ||
		   *scan->at == '+' || *scan->at == '-' || *scan->at == 'e' ||
		   *scan->at == 'E'))
		scan->at++;
	return true;
}

static bool
scan_number(struct scan *scan, int64_t *out)
{
	const char *start = scan->at;
	bool negative = take_word(scan, SLICE("-"));
	const char *digits = scan->at;
	size_t count = take_digits(scan);
	char next = scan->at < scan->end ? *scan->at : '\0';
	uint64_t value;

	if (count == 0 || (count > 1 && *digits == '0'))
		return false;
	if (count > DIGITS_MAX || next == '.' || next == 'e' || next == 'E') {
		scan->at = start;
		return scan->canonical && skip_canonical(scan);
	}
	if (out != NULL && slice_to_u64(slice_of(digits, count), &value))
		*out = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static bool
skip_items(struct scan *scan, bool object)
{
	char close = object ? '}' : ']';
	struct slice key;

	scan->at++;
	if (scan_take(scan, close))
		return true;
	do {
		if (object && !scan_key(scan, &key))
			return false;
		if (!scan_skip(scan))
			return false;
	} while (scan_take(scan, ','));
	return scan_take(scan, close);
}

bool
scan_skip(struct scan *scan)
{
	char c = scan_peek(scan);
	bool good;

	switch (c) {
	case '"':
		return scan_string(scan, NULL);
	case '{':
	case '[':
		if (++scan->depth > SCAN_DEPTH_MAX)
			return false;
		good = skip_items(scan, c == '{');
		scan->depth--;
		return good;
	case 't':
		return take_word(scan, SLICE("true"));
	case 'f':
		return take_word(scan, SLICE("false"));
	case 'n':
		return take_word(scan, SLICE("null"));
	default:
		return scan_number(scan, NULL);
	}
}

/* --- objects ------------------------------------------------------------------------ */

/* A value of the wrong type counts as not there. */
static bool
scan_member(struct scan *scan, const struct member *member, void *into)
{
	void *place = (char *)into + member->offset;
	char c = scan_peek(scan);

	if (member->kind == MEMBER_READ)
		return member->read(scan, into);
	if (member->kind == MEMBER_TEXT && c == '"')
		return scan_string(scan, place);
	if (member->kind == MEMBER_NUMBER && (c == '-' || ascii_is_digit(c)))
		return scan_number(scan, place);
	if (member->kind == MEMBER_TRUTH && (c == 't' || c == 'f'))
		*(enum log_truth *)place = c == 't' ? LOG_TRUE : LOG_FALSE;
	return scan_skip(scan);
}

/* One with escapes is left to jansson, which has its own rules for those. */
bool
scan_key(struct scan *scan, struct slice *key)
{
	size_t before = scan->text_used;

	return scan_string(scan, key) &&
	       (scan->canonical || scan->text_used == before) &&
	       scan_take(scan, ':');
}

static const struct member *
find(const struct member *members, size_t count, struct slice key)
{
	for (size_t i = 0; i < count; i++)
		if (slice_eq(members[i].name, key))
			return &members[i];
	return NULL;
}

bool
scan_object(
    struct scan *scan, const struct member *members, size_t count, void *into)
{
	uint32_t seen = 0;
	struct slice key;

	if (!scan_take(scan, '{') || ++scan->depth > SCAN_DEPTH_MAX)
		return false;
	if (scan_take(scan, '}')) {
		scan->depth--;
		return true;
	}
	do {
		if (!scan_key(scan, &key))
			return false;
		const struct member *member = find(members, count, key);
		if (member == NULL) {
			if (!scan_skip(scan))
				return false;
			continue;
		}
		uint32_t bit = 1u << (member - members);
		if ((seen & bit) != 0 || !scan_member(scan, member, into))
			return false;
		seen |= bit;
	} while (scan_take(scan, ','));
	scan->depth--;
	return scan_take(scan, '}');
}

bool
scan_list(
    struct scan *scan, bool (*item)(struct scan *scan, void *arg), void *arg)
{
	if (scan_peek(scan) != '[')
		return scan_skip(scan);
	if (++scan->depth > SCAN_DEPTH_MAX)
		return false;
	scan->at++;
	if (scan_take(scan, ']')) {
		scan->depth--;
		return true;
	}
	do {
		if (!item(scan, arg))
			return false;
	} while (scan_take(scan, ','));
	scan->depth--;
	return scan_take(scan, ']');
}
