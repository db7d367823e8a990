/*
 * The client's side of the engine: lines to commands, commands to the server,
 * message text through the mender.
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

void
smtp_client_forward(
    struct smtp_engine *engine, const struct smtp_command *command)
{
	const struct smtp_row *row = smtp_fsm_row(engine->hoped, command->verb);

	/* RSET holds what follows while a transaction is open: the record
	 * tells the two transactions apart by their replies. */
	bool last = (smtp_row_flags(row) & SMTP_FLAG_LAST) != 0 ||
		    (command->verb == SMTP_RSET && engine->in_transaction);

	if (!smtp_pending_push(&engine->pending, command->verb,
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

static void
start_chunk(struct smtp_engine *engine, const struct smtp_command *command)
{
	enum smtp_state hoped = engine->hoped;

	engine->chunk.left = command->chunk;
	engine->chunk.last = command->verb == SMTP_LASTBDAT;
	engine->chunk.discard = smtp_fsm_row(hoped, command->verb) == NULL;
	engine->chunk.answered = false;
	engine->chunk.active = true;
	if (hoped == SMTP_ST_RCPT)
		smtp_body_start(&engine->body, engine->size_limit);
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
		start_chunk(engine, command);
		return;
	}
	if (!engine->has_server &&
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

/* A whole command that would go on, of a verb that the owner wants to know
 * of. */
static bool
is_asked_for(const struct smtp_engine *engine, const struct smtp_line *line,
    enum smtp_verb verb)
{
	struct smtp_command command;

	return engine->has_server && engine->state != SMTP_ST_SASL &&
	       line->faults == 0 &&
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
	    (!name && !is_asked_for(engine, line, verb)))
		return false;
	engine->asked = SMTP_ACT_ASK;
	return true;
}

static void
take_line(struct smtp_engine *engine, const struct smtp_line *line)
{
	struct smtp_command command;
	enum smtp_fault fault;

	if (engine->state == SMTP_ST_SASL) {
		take_response(engine, line);
	} else if (line->faults != 0) {
		refuse_line(engine, line);
	} else {
		fault = smtp_command_parse(line->text, &command);
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
	struct smtp_line line;
	bool skip = false;
	bool whole = parse_line(engine, &line, &skip);

	assert(whole);
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
	if (buf_room(engine->server_out) < SMTP_SASL_MAX + 64 ||
	    buf_room(engine->client_out) < 1024)
		return SMTP_BLOCKED;
	if (!parse_line(engine, &line, &skip))
		return SMTP_HUNGRY;
	/* A name is judged when all before it is settled. */
	if (is_name_verb(smtp_command_verb(line.text)) &&
	    smtp_pending_head(&engine->pending) != NULL)
		return SMTP_BLOCKED;
	if (ask(engine, &line))
		return SMTP_MOVED;
	engine->client_skip = skip;
	take_line(engine, &line);
	engine->progress++;
	if (!engine->ended)
		buf_consume(engine->client_in, line.used);
	return SMTP_MOVED;
}

/* --- message text --------------------------------------------------------------- */

static void
note_text(struct smtp_engine *engine)
{
	const struct smtp_body *body = &engine->body;

	smtp_engine_note(
	    engine, &(struct smtp_noted){.note = SMTP_NOTE_TEXT,
			.number = (int64_t)body->octets,
			.other = body->stray,
			.text = slice_of(body->msgid, body->msgid_len)});
}

static void
refuse_text(struct smtp_engine *engine, enum smtp_verb verb)
{
	smtp_engine_say(engine, verb,
	    engine->body.bad == smtp_body_too_large
		? "552 5.3.4 the message is larger than this gate lets pass"
		: "550 5.6.0 the message text holds a NUL");
	engine->state = smtp_fsm_event(engine->state, SMTP_EV_TEXT_BAD);
	engine->hoped = engine->state;
}

static void
cut_server(struct smtp_engine *engine)
{
	smtp_engine_violation(engine, engine->body.bad, SLICE(""));
	engine->has_server = false;
	engine->cut = true;
}

static void
end_text(struct smtp_engine *engine)
{
	note_text(engine);
	if (engine->body.bad != NULL)
		refuse_text(engine, SMTP_DOT);
	else if (!smtp_pending_push(&engine->pending, SMTP_DOT,
		     SMTP_PENDING_SERVER, true, NULL))
		smtp_engine_end(
		    engine, "4.3.0", "out of memory", "R", "no_memory");
	else
		engine->hoped = smtp_fsm_hoped(engine->hoped, SMTP_DOT);
}

static enum smtp_progress
text_step(struct smtp_engine *engine)
{
	bool was_bad = engine->body.bad != NULL;
	size_t used;
	int end = smtp_body_step(&engine->body, buf_slice(engine->client_in),
	    &used, engine->server_out);

	buf_consume(engine->client_in, used);
	engine->progress += used > 0;
	if (engine->body.bad != NULL && !was_bad)
		cut_server(engine);
	if (end == 1)
		end_text(engine);
	if (used > 0)
		return SMTP_MOVED;
	return buf_room(engine->server_out) < 3 ? SMTP_BLOCKED : SMTP_HUNGRY;
}

/* All octets of a refused chunk are counted off: now it is answered. */
static enum smtp_progress
end_discarded(struct smtp_engine *engine)
{
	enum smtp_verb verb = engine->chunk.last ? SMTP_LASTBDAT : SMTP_BDAT;
	bool bad = engine->body.bad != NULL && !engine->chunk.answered;

	/* The server is cut only when it owes nothing any more: then it is
	 * also known whether there is a transaction at all. */
	if (bad && smtp_pending_head(&engine->pending) != NULL)
		return SMTP_BLOCKED;
	if (bad && smtp_fsm_row(engine->state, verb) != NULL) {
		note_text(engine);
		cut_server(engine);
		refuse_text(engine, verb);
	} else if (!engine->chunk.answered) {
		smtp_engine_say(engine, verb,
		    "503 5.5.1 not now: bad sequence of commands");
	}
	engine->chunk.active = false;
	return SMTP_MOVED;
}

static enum smtp_progress
discard_step(struct smtp_engine *engine)
{
	size_t len = buf_len(engine->client_in);

	if (len > engine->chunk.left)
		len = (size_t)engine->chunk.left;
	buf_consume(engine->client_in, len);
	engine->chunk.left -= len;
	engine->progress += len > 0;
	if (engine->chunk.left > 0)
		return SMTP_HUNGRY;
	return end_discarded(engine);
}

/* Announces and writes a mended piece.  The announcement's length depends on
 * what mending made of the piece, so the text is written first, behind room
 * for it, and the two are then joined. */
static size_t
write_piece(struct smtp_engine *engine, struct slice piece, bool last)
{
	enum {
		HEAD = 40
	};
	char head[HEAD];
	char *to = buf_reserve(engine->server_out, HEAD + SMTP_PIECE_ROOM);

	assert(to != NULL);
	size_t len = smtp_body_piece(&engine->body, piece, last, to + HEAD);
	if (engine->body.bad != NULL || (len == 0 && !last && piece.len > 0)) {
		buf_commit(engine->server_out, 0);
		return 0;
	}
	int head_len = snprintf(
	    head, sizeof(head), "BDAT %zu%s\r\n", len, last ? " LAST" : "");
	memcpy(to, head, (size_t)head_len);
	memmove(to + head_len, to + HEAD, len);
	buf_commit(engine->server_out, (size_t)head_len + len);
	return (size_t)head_len + len;
}

/* The client's chunk has gone on whole. */
static void
end_chunk(struct smtp_engine *engine, enum smtp_verb verb)
{
	engine->chunk.active = false;
	if (verb == SMTP_LASTBDAT)
		note_text(engine);
}

static void
forward_piece(struct smtp_engine *engine, size_t size)
{
	bool ends = size == engine->chunk.left;
	bool last = ends && engine->chunk.last;
	enum smtp_verb verb = last ? SMTP_LASTBDAT : SMTP_BDAT;
	struct slice piece = slice_head(buf_slice(engine->client_in), size);
	size_t written = write_piece(engine, piece, last);

	buf_consume(engine->client_in, size);
	engine->chunk.left -= size;
	if (engine->body.bad != NULL) {
		engine->chunk.discard = true;
		return;
	}
	if (ends)
		end_chunk(engine, verb);
	engine->hoped = smtp_fsm_hoped(engine->hoped, verb);
	if (written == 0) {
		/* A lone CR whose successor decides: nothing to send yet. */
		if (ends)
			smtp_engine_say(engine, verb, "250 2.0.0 chunk taken");
		return;
	}
	if (!smtp_pending_push(&engine->pending, verb,
		ends ? SMTP_PENDING_SERVER : SMTP_PENDING_PIECE, last, NULL))
		smtp_engine_end(
		    engine, "4.3.0", "out of memory", "R", "no_memory");
}

static enum smtp_progress
chunk_step(struct smtp_engine *engine)
{
	size_t size = SMTP_PIECE_MAX;

	if (engine->chunk.discard)
		return discard_step(engine);
	if (size > engine->chunk.left)
		size = (size_t)engine->chunk.left;
	if (buf_len(engine->client_in) < size)
		return SMTP_HUNGRY;
	if (buf_room(engine->server_out) < SMTP_PIECE_ROOM + 64 ||
	    buf_room(engine->client_out) < 1024)
		return SMTP_BLOCKED;
	engine->progress++;
	forward_piece(engine, size);
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
	    is_held(engine))
		return SMTP_BLOCKED;
	if (engine->state == SMTP_ST_BODY)
		return text_step(engine);
	if (engine->chunk.active)
		return chunk_step(engine);
	return line_step(engine);
}
