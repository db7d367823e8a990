/*
 * Command lines.  See smtp_command.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_command.h"

#include "base/json.h"
#include "smtp/smtp_line.h"

bool
smtp_command_is_text(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* A C1 control, as UTF-8 has it or as a byte of its own: U+0085 is a line end
 * to some.  Other bytes >= 0x80 are the server's business. */
static bool
has_c1(struct slice text)
{
	while (text.len > 0) {
		size_t len = utf8_sequence(text);
		unsigned char c = (unsigned char)text.ptr[0];
		if (len == 0 && c >= 0x80 && c < 0xa0)
			return true;
		if (len == 2 && c == 0xc2 && (unsigned char)text.ptr[1] < 0xa0)
			return true;
		text = slice_from(text, len > 0 ? len : 1);
	}
	return false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice
trim_left(struct slice s)
{
	while (s.len > 0 && is_blank(s.ptr[0]))
		s = slice_from(s, 1);
	return s;
}

static struct slice
trim_right(struct slice s)
{
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* The first word of *s, up to a space; *s is left behind the space. */
static struct slice
next_word(struct slice *s)
{
	ptrdiff_t space = slice_find(*s, ' ');
	size_t len = space == -1 ? s->len : (size_t)space;
	struct slice word = slice_head(*s, len);

	*s = slice_from(*s, len + 1);
	return word;
}

/* A quoted string is a whole word of a local part (RFC 5321 4.1.2; with dots
 * between words RFC 5322 4.4).  Elsewhere a server may not mind the quotes, and
 * see the path end at a bracket within them. */
static bool
is_quote_in_place(struct slice s, size_t at, bool opens)
{
	char next = at + 1 < s.len ? s.ptr[at + 1] : '\0';
	char before = s.ptr[at - 1];

	if (opens)
		return before == '<' || before == '.' ||
		       (before == ':' && s.ptr[1] == '@');
	return next == '@' || next == '.' || next == '>';
}

/* The length of "<...>" at the start of s with its brackets, minding quoted
 * strings and quoted pairs (RFC 5321 4.1.2); 0: there is none. */
static size_t
bracketed(struct slice s)
{
	bool quoted = false;

	if (s.len == 0 || s.ptr[0] != '<')
		return 0;
	for (size_t i = 1; i < s.len; i++) {
		char c = s.ptr[i];
		if (c == '\\')
			i++;
		else if (c == '"' && !is_quote_in_place(s, i, !quoted))
			return 0;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '<' || is_blank(c)))
			return 0;
		else if (!quoted && c == '>')
			return i + 1;
	}
	return 0;
}

/* An address without brackets: old clients send it.  A plain word. */
static size_t
bare(struct slice s)
{
	size_t len = 0;

	while (len < s.len && !is_blank(s.ptr[len])) {
		char c = s.ptr[len++];
		if (c == '<' || c == '>' || c == '"' || c == '\\')
			return 0;
	}
	return len;
}

static bool
is_keyword_char(char c, bool first)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || (!first && c == '-');
}

/* esmtp-param (RFC 5321 4.1.2), bytes >= 0x80 allowed in a value (RFC 6531). */
static bool
is_param(struct slice word)
{
	size_t i = 0;

	while (i < word.len && is_keyword_char(word.ptr[i], i == 0))
		i++;
	if (i == 0)
		return false;
	if (i == word.len)
		return true;
	return word.ptr[i] == '=' && i + 1 < word.len;
}

static bool
parse_params(struct smtp_command *out)
{
	struct slice rest = out->params;

	out->size = -1;
	while (rest.len > 0) {
		struct slice word = next_word(&rest);
		uint64_t size;
		if (word.len == 0)
			continue;
		if (slice_find(word, '\t') != -1 || !is_param(word))
			return false;
		if (!slice_has_prefix_nocase(word, SLICE("SIZE=")))
			continue;
		if (!slice_to_u64(slice_from(word, 5), &size) ||
		    size > INT64_MAX)
			return false;
		out->size = (int64_t)size;
	}
	return true;
}

static enum smtp_fault
parse_path(struct slice arg, struct slice keyword, enum smtp_fault bad_path,
    struct smtp_command *out)
{
	size_t len;

	if (!slice_has_prefix_nocase(arg, keyword) ||
	    !smtp_command_is_text(arg) || has_c1(arg))
		return SMTP_FAULT_ARGUMENT;
	arg = trim_left(slice_from(arg, keyword.len));
	if ((len = bracketed(arg)) > 0)
		out->path = slice_of(arg.ptr + 1, len - 2);
	else if ((len = bare(arg)) > 0)
		out->path = slice_head(arg, len);
	else
		return bad_path;
	if (len < arg.len && arg.ptr[len] != ' ')
		return bad_path;
	out->params = trim_right(slice_from(arg, len));
	if (out->path.len == 0 && bad_path == SMTP_FAULT_RECIPIENT)
		return bad_path;
	return parse_params(out) ? SMTP_FAULT_NONE : SMTP_FAULT_ARGUMENT;
}

/* "SIZE" or "SIZE LAST" (RFC 3030 2): decimal digits, one space. */
static enum smtp_fault
parse_chunk(struct slice arg, struct smtp_command *out)
{
	struct slice size = next_word(&arg);

	if (!slice_to_u64(size, &out->chunk) || out->chunk > INT64_MAX)
		return SMTP_FAULT_CHUNK;
	if (arg.len == 0)
		return SMTP_FAULT_NONE;
	if (!slice_eq_nocase(arg, SLICE("LAST")))
		return SMTP_FAULT_CHUNK;
	out->verb = SMTP_LASTBDAT;
	return SMTP_FAULT_NONE;
}

/* A SASL mechanism name (RFC 4422 3.1). */
static bool
is_mechanism(struct slice word)
{
	if (word.len == 0 || word.len > 20)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		char c = word.ptr[i];
		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' &&
		    c != '_')
			return false;
	}
	return true;
}

static bool
is_base64(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '+' &&
		    c != '/' && c != '=')
			return false;
	}
	return true;
}

static enum smtp_fault
parse_sasl(struct slice arg, struct smtp_command *out)
{
	out->path = next_word(&arg);
	out->arg = trim_right(arg);
	return is_mechanism(out->path) && is_base64(out->arg)
		   ? SMTP_FAULT_NONE
		   : SMTP_FAULT_ARGUMENT;
}

enum smtp_verb
smtp_command_verb(struct slice line)
{
	return smtp_verb_parse(next_word(&line));
}

enum smtp_fault
smtp_command_parse(struct slice line, struct smtp_command *out)
{
	struct slice arg = line;

	*out = (struct smtp_command){.size = -1};
	out->verb = smtp_verb_parse(next_word(&arg));
	/* "BDAT", then a TAB or what not: some would read a size there. */
	if (out->verb == SMTP_UNKNOWN)
		return slice_has_prefix_nocase(line, SLICE("BDAT"))
			   ? SMTP_FAULT_CHUNK
			   : SMTP_FAULT_VERB;
	out->arg = arg;
	switch (smtp_verb_args(out->verb)) {
	case SMTP_ARGS_NAME:
		return SMTP_FAULT_NONE;
	case SMTP_ARGS_PATH:
		if (out->verb == SMTP_MAIL)
			return parse_path(
			    arg, SLICE("FROM:"), SMTP_FAULT_SENDER, out);
		return parse_path(arg, SLICE("TO:"), SMTP_FAULT_RECIPIENT, out);
	case SMTP_ARGS_CHUNK:
		return parse_chunk(trim_right(arg), out);
	case SMTP_ARGS_SASL:
		return parse_sasl(arg, out);
	case SMTP_ARGS_TEXT:
		out->arg = trim_right(trim_left(arg));
		return smtp_command_is_text(out->arg) ? SMTP_FAULT_NONE
						      : SMTP_FAULT_ARGUMENT;
	case SMTP_ARGS_NONE:
	case SMTP_ARGS_LINE:
		break;
	}
	out->arg = trim_right(trim_left(arg));
	return out->arg.len == 0 ? SMTP_FAULT_NONE : SMTP_FAULT_ARGUMENT;
}

/* There is room. */
static bool
write_path(const struct smtp_command *command, struct buf *out)
{
	struct slice params = command->params;

	buf_append(out, command->verb == SMTP_MAIL ? SLICE("MAIL FROM:<")
						   : SLICE("RCPT TO:<"));
	buf_append(out, command->path);
	buf_append(out, SLICE(">"));
	while (params.len > 0) {
		struct slice word = next_word(&params);
		if (word.len > 0) {
			buf_append(out, SLICE(" "));
			buf_append(out, word);
		}
	}
	return buf_append(out, SMTP_CRLF);
}

bool
smtp_command_write(const struct smtp_command *command, struct buf *out)
{
	enum smtp_args args = smtp_verb_args(command->verb);

	/* All or nothing: the longest that can come of what was read. */
	if (buf_reserve(out, command->arg.len + command->path.len +
				 command->params.len + 64) == NULL)
		return false;
	if (args == SMTP_ARGS_PATH)
		return write_path(command, out);
	if (args == SMTP_ARGS_CHUNK)
		return buf_printf(out, "BDAT %llu%s\r\n",
		    (unsigned long long)command->chunk,
		    command->verb == SMTP_LASTBDAT ? " LAST" : "");
	if (args != SMTP_ARGS_LINE)
		buf_append_str(out, smtp_verb_name(command->verb));
	if (args == SMTP_ARGS_SASL) {
		buf_append(out, SLICE(" "));
		buf_append(out, command->path);
	}
	if (command->arg.len > 0 && args != SMTP_ARGS_LINE)
		buf_append(out, SLICE(" "));
	return buf_append(out, command->arg) && buf_append(out, SMTP_CRLF);
}
