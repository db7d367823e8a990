/*
 * Who does not keep to the conversation: talks before the greeting or before a
 * reply that it must wait for, speaks another protocol, or says much that
 * leads to no message.
 *
 * None of it depends on how bytes were cut on their way: it is looked for
 * where the server's word has come, and all that a client can have sent
 * before it knew that word is there.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_ehlo.h"
#include "smtp/smtp_engine_private.h"

enum {
	SHOWN = 256, /* octets of a violation that the record is told */
	SMALL_CHUNK = 64
};

/* --- another protocol ------------------------------------------------------- */

/* The first byte of TLS (RFC 8446 5.1); no command begins so. */
static bool
is_tls(struct slice in)
{
	return in.len > 0 && in.ptr[0] == 0x16;
}

/* The signature of PROXY protocol 2. */
static bool
is_proxy2(struct slice in)
{
	return slice_eq(slice_head(in, 12), SLICE("\r\n\r\n\0\r\nQUIT\n"));
}

static bool
is_foreign_verb(struct slice word)
{
	static const char *const verbs[] = {"GET", "POST", "PUT", "HEAD",
	    "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PRI", "PROXY",
	    "SSH-2.0", "INVITE", "REGISTER"};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (slice_eq_nocase(word, slice_str(verbs[i])))
			return true;
	return false;
}

/* "Host: example.com": a line of a header.  A verb with a colon at its end is
 * a mistake in SMTP. */
static bool
is_header(struct slice word)
{
	if (word.len < 2 || word.ptr[word.len - 1] != ':')
		return false;
	for (size_t i = 0; i + 1 < word.len; i++)
		if (!ascii_is_alpha(word.ptr[i]) &&
		    !ascii_is_digit(word.ptr[i]) && word.ptr[i] != '-')
			return false;
	return smtp_verb_parse(slice_head(word, word.len - 1)) == SMTP_UNKNOWN;
}

bool
smtp_guard_is_foreign(struct slice line)
{
	ptrdiff_t blank = slice_find(line, ' ');
	struct slice word =
	    blank == -1 ? line : slice_head(line, (size_t)blank);

	return is_foreign_verb(word) || is_header(word);
}

/* Says so once, and is over.  False: under monitor it goes on. */
static bool
send_away(struct smtp_engine *engine, const char *word, const char *reply)
{
	if (engine->guard.monitor)
		return false;
	smtp_engine_say(engine, SMTP_UNKNOWN, reply);
	smtp_engine_over(engine, 'P', word);
	return true;
}

bool
smtp_guard_sends_away(struct smtp_engine *engine, struct slice line)
{
	smtp_engine_violation(
	    engine, "cross_protocol", slice_head(line, SHOWN));
	return send_away(
	    engine, "cross_protocol", "554 5.5.0 this is an SMTP server");
}

bool
smtp_guard_is_hello(struct smtp_engine *engine)
{
	if (engine->commands > 0 || !is_tls(buf_slice(engine->client_in)))
		return false;
	if (!engine->guard.tls_noted)
		smtp_engine_violation(
		    engine, "tls_without_starttls", SLICE(""));
	engine->guard.tls_noted = true;
	return send_away(engine, "tls_without_starttls",
	    "554 5.5.0 this is an SMTP server: TLS begins with STARTTLS");
}

/* --- too early ---------------------------------------------------------------- */

static const char *
word_of(struct slice early)
{
	if (is_tls(early))
		return "tls_without_starttls";
	return is_proxy2(early) || smtp_guard_is_foreign(early)
		   ? "cross_protocol"
		   : "early_talker";
}

bool
smtp_guard_is_early(struct smtp_engine *engine)
{
	struct slice early = buf_slice(engine->client_in);

	if (early.len == 0)
		return false;
	const char *word = word_of(early);
	smtp_engine_violation(engine, word, slice_head(early, SHOWN));
	engine->guard.tls_noted = is_tls(early);
	if (engine->guard.monitor || engine->guard.log_early)
		return false;
	smtp_engine_turn_away_early(engine, word);
	return true;
}

/* What stands in the input was sent before this reply.  Its sender had to wait
 * for it: of some verbs (RFC 2920 3.1), of all where PIPELINING was not
 * offered. */
bool
smtp_guard_is_eager(const struct smtp_engine *engine, enum smtp_verb verb)
{
	const struct smtp_row *row = smtp_fsm_row(engine->state, verb);
	enum smtp_pipelining mode = engine->guard.pipelining;
	bool offered = (engine->offered & SMTP_EXT_PIPELINING) != 0;

	/* When a reply that came early is relayed depends on the client's text,
	 * and what stands behind that on how it was cut. */
	if (buf_len(engine->client_in) == 0 || engine->early_reply ||
	    verb == SMTP_QUIT || verb == SMTP_STARTTLS || row == NULL ||
	    mode == SMTP_PIPELINING_HOLD)
		return false;
	return !offered || (mode == SMTP_PIPELINING_REJECT &&
			       (smtp_row_flags(row) & SMTP_FLAG_LAST) != 0);
}

void
smtp_guard_refuse_eager(struct smtp_engine *engine)
{
	smtp_engine_violation(engine, "unauthorised_pipelining",
	    slice_head(buf_slice(engine->client_in), SHOWN));
	if (!engine->ended)
		send_away(engine, "unauthorised_pipelining",
		    "554 5.5.0 you did not wait for the reply");
}

/* --- too much -------------------------------------------------------------------- */

static bool
is_junk(const struct smtp_engine *engine, const struct smtp_command *command)
{
	switch (command->verb) {
	case SMTP_NOOP:
	case SMTP_RSET:
	case SMTP_VRFY:
	case SMTP_EXPN:
	case SMTP_HELP:
	case SMTP_ETRN:
		return true;
	case SMTP_EHLO:
	case SMTP_HELO:
		return engine->guard.greeted;
	case SMTP_BDAT:
		return command->chunk < SMALL_CHUNK;
	case SMTP_MAIL:
	case SMTP_RCPT:
	case SMTP_DATA:
	case SMTP_DOT:
	case SMTP_LASTBDAT:
	case SMTP_STARTTLS:
	case SMTP_AUTH:
	case SMTP_CONT:
	case SMTP_QUIT:
	case SMTP_UNKNOWN:
		break;
	}
	return false;
}

void
smtp_guard_count(struct smtp_engine *engine, const struct smtp_command *command)
{
	engine->commands++;
	engine->junk += is_junk(engine, command);
	engine->guard.greeted |=
	    command->verb == SMTP_EHLO || command->verb == SMTP_HELO;
}

/* What of a session's is counted, and what is said when it is too much. */
struct limit {
	unsigned bit;
	const char *note, *reason, *text;
};

/* The limit that is passed; NULL: none is. */
static const struct limit *
passed(const struct smtp_engine *engine)
{
	static const struct limit limits[] = {
	    {1, "limit_errors", "too_many_errors", "too many errors"},
	    {2, "limit_junk", "too_much_junk",
		"too many commands that lead to no message"},
	    {4, "limit_commands", "too_many_commands",
		"too many commands in one session"}};
	const struct smtp_guard *guard = &engine->guard;

	if (guard->error_limit > 0 && engine->errors >= guard->error_limit &&
	    (guard->noted & limits[0].bit) == 0)
		return &limits[0];
	if (guard->junk_limit > 0 && engine->junk > guard->junk_limit &&
	    (guard->noted & limits[1].bit) == 0)
		return &limits[1];
	if (guard->command_limit > 0 &&
	    engine->commands > guard->command_limit &&
	    (guard->noted & limits[2].bit) == 0)
		return &limits[2];
	return NULL;
}

bool
smtp_guard_is_over(struct smtp_engine *engine)
{
	return passed(engine) != NULL && !engine->guard.monitor;
}

bool
smtp_guard_ends(struct smtp_engine *engine)
{
	const struct limit *limit = passed(engine);

	/* Not before all replies that are due have been said. */
	if (limit == NULL || smtp_pending_head(&engine->pending) != NULL)
		return false;
	engine->guard.noted |= limit->bit;
	smtp_engine_note(engine,
	    &(struct smtp_noted){.note = SMTP_NOTE_LIMIT, .word = limit->note});
	if (engine->guard.monitor)
		return false;
	smtp_engine_end(engine, "4.7.0", limit->text, "P", limit->reason);
	return true;
}
