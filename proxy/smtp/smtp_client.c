/*
 * The client's side of the engine: lines to commands, commands to the server.
 * Message text is smtp_text.c's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_ehlo.h"
#include "smtp/smtp_engine_private.h"
#include "smtp/smtp_line.h"
#include "smtp/smtp_sasl.h"

#include <assert.h>
#include <stdio.h>

/* --- commands on to the server ----------------------------------------------- */

static void
note_envelope(struct smtp_engine *engine, const struct smtp_command *command)
{
	struct smtp_noted noted = {
	    .verb = command->verb, .text = command->path};

	if (command->verb == SMTP_MAIL) {
		noted.note = SMTP_NOTE_MAIL;
		noted.number = command->size;
	} else if (command->verb == SMTP_RCPT) {
		noted.note = SMTP_NOTE_RCPT;
	} else {
		return;
	}
	smtp_engine_note(engine, &noted);
}

/* A transaction is dead since a chunk of it was refused (RFC 3030 2), by us or
 * by the server, and a server may have it open all the same: what follows must
 * not get into it.  So RSET goes before the next MAIL, and its reply to us. */
static bool
bury(struct smtp_engine *engine, enum smtp_verb verb)
{
	static const struct smtp_command reset = {.verb = SMTP_RSET};

	if (verb != SMTP_MAIL || engine->hoped != SMTP_ST_FAILED ||
	    !engine->in_transaction)
		return true;
	engine->in_transaction = false;
	return smtp_pending_push(&engine->pending, SMTP_RSET, SMTP_PENDING_OURS,
		   false, NULL) &&
	       smtp_command_write(&reset, engine->server_out);
}

void
smtp_client_forward(
    struct smtp_engine *engine, const struct smtp_command *command)
{
	const struct smtp_row *row = smtp_fsm_row(engine->hoped, command->verb);

	/* Where PIPELINING was not offered each command is a group of its own.
	 * RSET holds what follows while a transaction is open: the record
	 * tells the two transactions apart by their replies. */
	bool last = (smtp_row_flags(row) & SMTP_FLAG_LAST) != 0 ||
		    (engine->offered & SMTP_EXT_PIPELINING) == 0 ||
		    (command->verb == SMTP_RSET && engine->in_transaction);

	if (!bury(engine, command->verb) ||
	    !smtp_pending_push(&engine->pending, command->verb,
		SMTP_PENDING_SERVER, last, NULL)) {
		smtp_engine_end(
		    engine, "4.3.0", "out of memory", "R", "no_memory");
		return;
	}
	note_envelope(engine, command);
	engine->in_transaction |= command->verb == SMTP_MAIL;
	smtp_command_write(command, engine->server_out);
	engine->hoped = smtp_fsm_hoped(engine->hoped, command->verb);
}

void
smtp_client_note_refused(
    struct smtp_engine *engine, const struct smtp_command *command)
{
	note_envelope(engine, command);
}

/* A command that the gate answers without a server: it was turned away, or
 * the server's leg is cut. */
static void
serve_alone(struct smtp_engine *engine, enum smtp_verb verb)
{
	if (verb == SMTP_QUIT) {
		smtp_engine_say(engine, verb, "221 2.0.0 closing");
		smtp_engine_over(engine,
		    engine->state == SMTP_ST_REFUSED ? 'P' : '-',
		    engine->state == SMTP_ST_REFUSED ? "refused" : "quit");
	} else if (engine->state == SMTP_ST_CUT) {
		smtp_engine_end(engine, "4.3.0",
		    "the session ended with the refused message", "P",
		    "text_refused");
	}
}

/* A command that needs no server, or has to wait for a name before there is
 * one. */
static void
serve_without(struct smtp_engine *engine, enum smtp_verb verb)
{
	if (verb != SMTP_RSET && verb != SMTP_NOOP) {
		smtp_engine_say(
		    engine, verb, "503 5.5.1 say EHLO or HELO first");
		return;
	}
	smtp_fsm_after(engine->state, verb, 250, &engine->state);
	engine->hoped = engine->state;
	smtp_engine_say(engine, verb, "250 2.0.0 ok");
}

static void
capture_mechanism(struct smtp_engine *engine, struct slice mechanism)
{
	engine->sasl_step = 0;
	mechanism = slice_head(mechanism, sizeof(engine->mechanism) - 1);
	memcpy(engine->mechanism, mechanism.ptr, mechanism.len);
	engine->mechanism[mechanism.len] = '\0';
}

/* The record learns mechanism and user; never the response. */
static void
note_sasl(struct smtp_engine *engine, struct slice response, bool always)
{
	char user[SMTP_SASL_USER_MAX];
	size_t len = smtp_sasl_user(
	    slice_str(engine->mechanism), response, engine->sasl_step, user);

	if (len == 0 && !always)
		return;
	smtp_engine_note(engine, &(struct smtp_noted){.note = SMTP_NOTE_AUTH,
				     .verb = SMTP_AUTH,
				     .text = slice_str(engine->mechanism),
				     .more = slice_of(user, len)});
	explicit_bzero(user, sizeof(user));
}

/* What stands behind the line was said in the clear, and would be taken for said
 * in TLS (RFC 3207 4.2, 6; THREATS A2). */
void
smtp_client_begin_tls(struct smtp_engine *engine, struct slice behind)
{
	if (behind.len > 0) {
		smtp_engine_violation(
		    engine, "text_behind_starttls", slice_head(behind, 256));
		smtp_engine_end(engine, "4.5.0",
		    "text behind STARTTLS, before its reply", "P",
		    "text_behind_starttls");
		return;
	}
	smtp_engine_say(engine, SMTP_STARTTLS, "220 2.0.0 TLS may begin");
	smtp_fsm_after(engine->state, SMTP_STARTTLS, 220, &engine->state);
	engine->hoped = engine->state;
	engine->tls_due = true;
}

static void
take_starttls(struct smtp_engine *engine)
{
	struct slice in = buf_slice(engine->client_in);
	ptrdiff_t end = slice_find(in, '\n');

	if (engine->shown.refused)
		smtp_engine_say(engine, SMTP_STARTTLS,
		    "454 4.7.0 TLS is not available here");
	else if (engine->shown.server_first &&
		 engine->wish == SMTP_WISH_MIRROR && !engine->server_tls)
		smtp_leg_secure_first(engine);
	else
		smtp_client_begin_tls(
		    engine, slice_from(in, (size_t)(end + 1)));
}

void
smtp_client_take_command(
    struct smtp_engine *engine, const struct smtp_command *command)
{
	enum smtp_verb verb = command->verb;

	if (verb == SMTP_BDAT || verb == SMTP_LASTBDAT) {
		if ((engine->offered & SMTP_EXT_CHUNKING) == 0) {
			smtp_engine_say(
			    engine, verb, "502 5.5.1 BDAT was not offered");
			smtp_engine_over(engine, 'P', "bdat_not_offered");
			return;
		}
		smtp_text_start_chunk(engine, command);
		return;
	}
	if (engine->leg == SMTP_LEG_NONE &&
	    (engine->state == SMTP_ST_CUT || verb == SMTP_QUIT)) {
		serve_alone(engine, verb);
		return;
	}
	if (verb == SMTP_STARTTLS &&
	    (engine->offered & SMTP_EXT_STARTTLS) == 0) {
		smtp_engine_say(
		    engine, verb, "502 5.5.1 STARTTLS was not offered");
		return;
	}
	if (smtp_fsm_row(engine->hoped, verb) == NULL) {
		smtp_engine_say(engine, verb,
		    engine->hoped == SMTP_ST_GREETED
			? "503 5.5.1 say EHLO or HELO first"
			: "503 5.5.1 not now: bad sequence of commands");
		return;
	}
	if (verb == SMTP_STARTTLS &&
	    (engine->shown.ends || engine->shown.refused)) {
		take_starttls(engine);
		return;
	}
	if (engine->leg == SMTP_LEG_NONE) {
		serve_without(engine, verb);
		return;
	}
	if (verb == SMTP_AUTH) {
		capture_mechanism(engine, command->path);
		note_sasl(engine, command->arg, true);
		engine->sasl_step = command->arg.len > 0;
	}
	smtp_client_forward(engine, command);
}

/* --- lines -------------------------------------------------------------------- */

static void
refuse_fault(
    struct smtp_engine *engine, enum smtp_fault fault, enum smtp_verb verb)
{
	static const char *const replies[] = {
	    [SMTP_FAULT_VERB] = "500 5.5.2 command not recognised",
	    [SMTP_FAULT_ARGUMENT] = "501 5.5.4 the argument cannot be read",
	    [SMTP_FAULT_SENDER] = "501 5.1.7 the sender's path cannot be read",
	    [SMTP_FAULT_RECIPIENT] =
		"501 5.1.3 the recipient's path cannot be read",
	    [SMTP_FAULT_CHUNK] = "501 5.5.4 the chunk's size cannot be read"};

	smtp_engine_say(engine, verb, replies[fault]);
	/* What follows an unreadable size are octets of unknown number. */
	if (fault == SMTP_FAULT_CHUNK)
		smtp_engine_over(engine, 'P', "bad_chunk_size");
}

static void
refuse_line(struct smtp_engine *engine, const struct smtp_line *line)
{
	static const struct {
		unsigned fault;
		const char *word, *reply;
	} faults[] = {
	    {SMTP_LINE_BARE_LF, "bare_lf_in_command",
		"500 5.5.2 bare line feed in a command"},
	    {SMTP_LINE_TOO_LONG, "command_too_long", "500 5.5.2 line too long"},
	    {SMTP_LINE_NUL, "nul_in_command", "500 5.5.2 NUL in a command"},
	    {SMTP_LINE_BARE_CR, "bare_cr_in_command",
		"500 5.5.2 bare carriage return in a command"},
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if ((line->faults & faults[i].fault) == 0)
			continue;
		smtp_engine_violation(
		    engine, faults[i].word, slice_head(line->text, 256));
		smtp_engine_say(engine, SMTP_UNKNOWN, faults[i].reply);
		return;
	}
}

static bool
is_response(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= 0x20 || text.ptr[i] > 0x7e)
			return false;
	return true;
}

/* A line of a SASL exchange.  What is no response goes on as a cancel (RFC
 * 4954 4), so that the server says what it says to one. */
static void
take_response(struct smtp_engine *engine, const struct smtp_line *line)
{
	struct smtp_command command = {.verb = SMTP_CONT, .arg = line->text};

	if (line->faults != 0 || !is_response(line->text))
		command.arg = SLICE("*");
	else
		note_sasl(engine, line->text, false);
	engine->sasl_step++;
	smtp_client_forward(engine, &command);
}

static bool
is_name_verb(enum smtp_verb verb)
{
	return verb == SMTP_EHLO || verb == SMTP_HELO;
}

/* A whole command, in its place, that would go on. */
static bool
goes_on(const struct smtp_engine *engine, const struct smtp_line *line,
    enum smtp_verb verb)
{
	struct smtp_command command;

	return engine->state != SMTP_ST_SASL && line->faults == 0 &&
	       smtp_fsm_row(engine->hoped, verb) != NULL &&
	       smtp_command_parse(line->text, &command) == SMTP_FAULT_NONE &&
	       (verb != SMTP_STARTTLS ||
		   (engine->offered & SMTP_EXT_STARTTLS) != 0);
}

/* Whether the policy is to be asked about this line, which then stays where
 * it is. */
static bool
ask(struct smtp_engine *engine, const struct smtp_line *line)
{
	enum smtp_verb verb = smtp_command_verb(line->text);
	bool name = is_name_verb(verb);

	if ((!name && (engine->ask_verbs & UINT32_C(1) << verb) == 0) ||
	    (line->faults & (SMTP_LINE_BARE_LF | SMTP_LINE_TOO_LONG)) != 0 ||
	    smtp_fsm_row(engine->hoped, verb) == NULL ||
	    (!name &&
		(engine->leg != SMTP_LEG_UP || !goes_on(engine, line, verb))))
		return false;
	engine->asked = SMTP_ACT_ASK;
	return true;
}

/* The server's leg was cut with a refused message, and this cannot do without
 * one.  A name is judged first, and orders the leg itself. */
static bool
needs_leg(const struct smtp_engine *engine, const struct smtp_line *line)
{
	enum smtp_verb verb = smtp_command_verb(line->text);

	return engine->leg == SMTP_LEG_NONE && !is_name_verb(verb) &&
	       (engine->state == SMTP_ST_READY ||
		   engine->state == SMTP_ST_FAILED) &&
	       verb != SMTP_RSET && verb != SMTP_NOOP && verb != SMTP_QUIT &&
	       (verb != SMTP_STARTTLS || !engine->shown.ends) &&
	       goes_on(engine, line, verb);
}

static void
take_line(struct smtp_engine *engine, const struct smtp_line *line)
{
	struct smtp_command command;
	enum smtp_fault fault;

	if (engine->state == SMTP_ST_SASL) {
		take_response(engine, line);
		return;
	}
	fault = smtp_command_parse(line->text, &command);
	smtp_guard_count(engine, &command);
	if (command.verb == SMTP_UNKNOWN && smtp_guard_is_foreign(line->text) &&
	    smtp_guard_sends_away(engine, line->text))
		return;
	if (line->faults != 0) {
		refuse_line(engine, line);
	} else {
		if (fault != SMTP_FAULT_NONE)
			refuse_fault(engine, fault, command.verb);
		else
			smtp_client_take_command(engine, &command);
	}
}

static size_t
line_limit(const struct smtp_engine *engine, struct slice in)
{
	bool sasl = engine->state == SMTP_ST_SASL ||
		    slice_has_prefix_nocase(in, SLICE("AUTH "));

	return sasl ? SMTP_SASL_MAX : SMTP_COMMAND_MAX;
}

static bool
parse_line(const struct smtp_engine *engine, struct smtp_line *line, bool *skip)
{
	struct slice in = buf_slice(engine->client_in);

	return smtp_line_parse(in, line_limit(engine, in), skip, line) == 1;
}

void
smtp_client_asked(const struct smtp_engine *engine, struct smtp_command *out)
{
	struct smtp_line line;
	bool skip = false;
	bool whole = parse_line(engine, &line, &skip);

	assert(whole);
	smtp_command_parse(line.text, out);
}

void
smtp_client_take_line(struct smtp_engine *engine)
{
	struct smtp_command command;
	struct smtp_line line;
	bool skip = false;
	bool whole = parse_line(engine, &line, &skip);

	assert(whole);
	smtp_command_parse(line.text, &command);
	smtp_guard_count(engine, &command);
	buf_consume(engine->client_in, line.used);
}

static enum smtp_progress
skip_line(struct smtp_engine *engine)
{
	size_t len =
	    smtp_line_skip(buf_slice(engine->client_in), &engine->client_skip);

	buf_consume(engine->client_in, len);
	return engine->client_skip ? SMTP_HUNGRY : SMTP_MOVED;
}

/* The next reply is waited for before anything goes on. */
static bool
is_held(struct smtp_engine *engine)
{
	const struct smtp_pending *tail = smtp_pending_tail(&engine->pending);

	return tail != NULL &&
	       (tail->last || engine->pending.count >= SMTP_PENDING_MAX - 2);
}

static enum smtp_progress
line_step(struct smtp_engine *engine)
{
	struct smtp_line line;
	bool skip = false;

	if (engine->client_skip)
		return skip_line(engine);
	if (smtp_guard_is_over(engine))
		return SMTP_BLOCKED;
	if (smtp_guard_is_hello(engine))
		return SMTP_MOVED;
	if (buf_room(engine->server_out) < SMTP_SASL_MAX + 64 ||
	    buf_room(engine->client_out) < 1024)
		return SMTP_BLOCKED;
	if (!parse_line(engine, &line, &skip))
		return SMTP_HUNGRY;
	/* A name is judged when all before it is settled, and a reply of ours
	 * that begins TLS is the last one. */
	enum smtp_verb verb = smtp_command_verb(line.text);
	if ((is_name_verb(verb) ||
		(verb == SMTP_STARTTLS && engine->shown.ends)) &&
	    smtp_pending_head(&engine->pending) != NULL)
		return SMTP_BLOCKED;
	if (needs_leg(engine, &line)) {
		engine->leg = SMTP_LEG_DUE;
		return SMTP_MOVED;
	}
	if (ask(engine, &line))
		return SMTP_MOVED;
	engine->client_skip = skip;
	take_line(engine, &line);
	engine->progress++;
	if (!engine->ended)
		buf_consume(engine->client_in, line.used);
	return SMTP_MOVED;
}

enum smtp_progress
smtp_client_step(struct smtp_engine *engine)
{
	/* What came early is kept until the server has greeted. */
	if (engine->state == SMTP_ST_CONNECT)
		return engine->client_gone || buf_len(engine->client_in) == 0
			   ? SMTP_HUNGRY
			   : SMTP_BLOCKED;
	if (engine->state == SMTP_ST_TLS || engine->state == SMTP_ST_CLOSING ||
	    smtp_leg_is_coming(engine) || is_held(engine))
		return SMTP_BLOCKED;
	if (engine->state == SMTP_ST_BODY)
		return smtp_text_step(engine);
	if (engine->chunk.active)
		return smtp_text_chunk_step(engine);
	return line_step(engine);
}
