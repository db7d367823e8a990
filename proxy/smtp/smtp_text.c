/*
 * Message text through the engine: DATA to its end, chunks by their size.  How
 * text is mended stands in smtp_body.c.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_engine_private.h"

#include <assert.h>
#include <stdio.h>

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
	const char *bad = engine->body.bad;
	enum smtp_event event = engine->bound      ? SMTP_EV_TEXT_BAD
				: verb == SMTP_DOT ? SMTP_EV_TEXT_REFUSED
						   : SMTP_EV_CHUNK_REFUSED;

	smtp_engine_say(engine, verb,
	    bad == smtp_body_too_large
		? "552 5.3.4 the message is larger than this gate lets pass"
	    : bad == smtp_body_bare_newline
		? "550 5.5.2 the message text has a line feed or a carriage "
		  "return of its own (RFC 5321 2.3.8)"
		: "550 5.6.0 the message text holds a NUL");
	engine->state = smtp_fsm_event(engine->state, event);
	engine->hoped = engine->state;
	engine->in_transaction = false;
}

/* Bytes that went cannot be taken back: so that they never become a message,
 * the leg goes with them. */
static void
cut_server(struct smtp_engine *engine)
{
	smtp_engine_violation(engine, engine->body.bad, SLICE(""));
	smtp_leg_cut(engine);
}

void
smtp_text_start(struct smtp_engine *engine)
{
	smtp_body_start(
	    &engine->body, engine->size_limit, engine->refuse_stray);
	engine->drained = 0;
	engine->early_reply = false;
}

/* The client's true end of data is waited for, but not for ever. */
static void
drain(struct smtp_engine *engine, size_t octets)
{
	engine->drained += octets;
	if (engine->drained <= SMTP_DRAIN_MAX)
		return;
	if (engine->chunk.active) {
		smtp_engine_end(engine, "4.7.0",
		    "too many octets of refused chunks", "P", "text_refused");
		return;
	}
	note_text(engine);
	refuse_text(engine, SMTP_DOT);
	smtp_engine_over(engine, 'P', "text_refused");
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

enum smtp_progress
smtp_text_step(struct smtp_engine *engine)
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
	else if (engine->body.bad != NULL)
		drain(engine, used);
	if (used > 0)
		return SMTP_MOVED;
	return buf_room(engine->server_out) < 3 ? SMTP_BLOCKED : SMTP_HUNGRY;
}

/* --- chunks ------------------------------------------------------------------- */

void
smtp_text_start_chunk(
    struct smtp_engine *engine, const struct smtp_command *command)
{
	enum smtp_state hoped = engine->hoped;

	engine->chunk.left = command->chunk;
	engine->chunk.last = command->verb == SMTP_LASTBDAT;
	engine->chunk.discard = smtp_fsm_row(hoped, command->verb) == NULL;
	engine->chunk.answered = false;
	engine->chunk.active = true;
	if (hoped == SMTP_ST_RCPT)
		smtp_text_start(engine);
}

void
smtp_text_kill_transaction(struct smtp_engine *engine)
{
	if (engine->state != SMTP_ST_MAIL && engine->state != SMTP_ST_RCPT &&
	    engine->state != SMTP_ST_CHUNK)
		return;
	engine->state = smtp_fsm_event(engine->state, SMTP_EV_CHUNK_REFUSED);
	if (smtp_pending_head(&engine->pending) == NULL)
		engine->hoped = engine->state;
}

/* All octets of a refused chunk are counted off: now it is answered. */
static enum smtp_progress
end_discarded(struct smtp_engine *engine)
{
	enum smtp_verb verb = engine->chunk.last ? SMTP_LASTBDAT : SMTP_BDAT;
	bool bad = engine->body.bad != NULL && !engine->chunk.answered;

	/* Not before the server owes nothing any more: then it is known whether
	 * there is a transaction at all. */
	if (!engine->chunk.answered &&
	    smtp_pending_head(&engine->pending) != NULL)
		return SMTP_BLOCKED;
	if (bad && smtp_fsm_row(engine->state, verb) != NULL) {
		note_text(engine);
		cut_server(engine);
		refuse_text(engine, verb);
	} else if (!engine->chunk.answered) {
		smtp_engine_say(engine, verb,
		    "503 5.5.1 not now: bad sequence of commands");
		smtp_text_kill_transaction(engine);
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
	drain(engine, len);
	if (engine->chunk.left > 0)
		return engine->ended ? SMTP_MOVED : SMTP_HUNGRY;
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

/* A chunk of one CR, whose successor will decide what it is. */
static bool
is_lone_cr(const struct smtp_engine *engine)
{
	return engine->chunk.left == 1 && !engine->chunk.last &&
	       !engine->body.owes_cr &&
	       buf_slice(engine->client_in).ptr[0] == '\r';
}

/* The server hears nothing of it, so that its word for it is ours. */
static void
take_lone_cr(struct smtp_engine *engine)
{
	smtp_fsm_after(engine->state, SMTP_BDAT, 250, &engine->state);
	engine->hoped = engine->state;
	smtp_engine_say(engine, SMTP_BDAT, "250 2.0.0 chunk taken");
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
		/* Nothing to send yet. */
		if (ends)
			take_lone_cr(engine);
		return;
	}
	if (!smtp_pending_push(&engine->pending, verb,
		ends ? SMTP_PENDING_SERVER : SMTP_PENDING_PIECE, last, NULL))
		smtp_engine_end(
		    engine, "4.3.0", "out of memory", "R", "no_memory");
}

enum smtp_progress
smtp_text_chunk_step(struct smtp_engine *engine)
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
	/* Answered here, so in its turn: when it is known that there is a
	 * recipient. */
	if (is_lone_cr(engine)) {
		if (smtp_pending_head(&engine->pending) != NULL)
			return SMTP_BLOCKED;
		engine->chunk.discard =
		    smtp_fsm_row(engine->state, SMTP_BDAT) == NULL;
		if (engine->chunk.discard)
			return SMTP_MOVED;
	}
	engine->progress++;
	forward_piece(engine, size);
	return SMTP_MOVED;
}
