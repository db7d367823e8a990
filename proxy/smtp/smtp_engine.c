/*
 * The engine's loop, the gate's own words, and how a session ends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_engine.h"

#include "smtp/smtp_engine_private.h"
#include "smtp/smtp_line.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void
smtp_engine_init(struct smtp_engine *engine, const struct smtp_hooks *hooks,
    void *ctx, struct slice ref)
{
	*engine = (struct smtp_engine){
	    .hooks = hooks, .ctx = ctx, .ref = ref, .state = SMTP_ST_CONNECT};
	smtp_pending_init(&engine->pending);
}

void
smtp_engine_fini(struct smtp_engine *engine)
{
	smtp_pending_fini(&engine->pending);
}

void
smtp_engine_note(struct smtp_engine *engine, const struct smtp_noted *noted)
{
	engine->hooks->note(engine->ctx, noted);
}

void
smtp_engine_violation(
    struct smtp_engine *engine, const char *word, struct slice text)
{
	smtp_engine_note(engine,
	    &(struct smtp_noted){
		.note = SMTP_NOTE_VIOLATION, .word = word, .text = text});
}

const struct smtp_ending *
smtp_engine_ending(const struct smtp_engine *engine)
{
	return &engine->ending;
}

/* --- the gate's own words --------------------------------------------------- */

static void
note_own(struct smtp_engine *engine, enum smtp_verb verb, struct slice line)
{
	bool ends_text = (verb == SMTP_DOT || verb == SMTP_LASTBDAT) &&
			 engine->body.bad != NULL;

	if (verb != SMTP_EHLO && verb != SMTP_HELO && !ends_text)
		return;
	smtp_engine_note(engine, &(struct smtp_noted){.note = SMTP_NOTE_REPLY,
				     .verb = verb,
				     .code = smtp_reply_code(line),
				     .text = line,
				     .by_gate = true});
}

static void
note_in_turn(struct smtp_engine *engine, enum smtp_verb verb, struct slice line)
{
	smtp_engine_note(engine, &(struct smtp_noted){.note = SMTP_NOTE_REPLY,
				     .verb = verb,
				     .code = smtp_reply_code(line),
				     .text = line,
				     .by_gate = true});
}

/* A reply of the gate's, complete but for its CRLF, in its turn.  `entry`: the
 * record has an entry that it answers, in the same order. */
static void
say_whole(struct smtp_engine *engine, enum smtp_verb verb, struct slice line,
    bool entry)
{
	char *held;

	engine->errors += smtp_reply_code(line) >= 500;
	if (!entry)
		note_own(engine, verb, line);
	if (smtp_pending_head(&engine->pending) == NULL) {
		if (entry)
			note_in_turn(engine, verb, line);
		buf_append(engine->client_out, line);
		buf_append(engine->client_out, SMTP_CRLF);
		return;
	}
	held = malloc(line.len + SMTP_CRLF.len + 1);
	if (held != NULL) {
		memcpy(held, line.ptr, line.len);
		memcpy(held + line.len, SMTP_CRLF.ptr, SMTP_CRLF.len);
		held[line.len + SMTP_CRLF.len] = '\0';
		if (smtp_pending_push(&engine->pending, verb,
			SMTP_PENDING_LOCAL, false, held)) {
			smtp_pending_at(
			    &engine->pending, engine->pending.count - 1)
			    ->noted = entry;
			return;
		}
	}
	free(held);
	smtp_engine_end(engine, "4.3.0", "out of memory", "R", "no_memory");
}

void
smtp_engine_say(
    struct smtp_engine *engine, enum smtp_verb verb, const char *line)
{
	char text[512];
	int len = snprintf(
	    text, sizeof(text), "%s [ref %.*s]", line, SLICE_FMT(engine->ref));

	assert(len > 0 && (size_t)len < sizeof(text));
	say_whole(engine, verb, slice_of(text, (size_t)len), false);
}

/* The gate's replies whose turn has come. */
static bool
say_held(struct smtp_engine *engine)
{
	struct smtp_pending *head = smtp_pending_head(&engine->pending);

	if (head == NULL || head->kind != SMTP_PENDING_LOCAL ||
	    !buf_append_str(engine->client_out, head->text))
		return false;
	if (head->noted)
		note_in_turn(engine, (enum smtp_verb)head->verb,
		    slice_head(slice_str(head->text), strlen(head->text) - 2));
	smtp_pending_pop(&engine->pending);
	return true;
}

/* --- endings ---------------------------------------------------------------- */

static char
where(const struct smtp_engine *engine)
{
	static const char letters[] = {[SMTP_ST_CONNECT] = 'G',
	    [SMTP_ST_GREETED] = 'H',
	    [SMTP_ST_READY] = 'R',
	    [SMTP_ST_SASL] = 'A',
	    [SMTP_ST_MAIL] = 'M',
	    [SMTP_ST_RCPT] = 'M',
	    [SMTP_ST_BODY] = 'D',
	    [SMTP_ST_CHUNK] = 'D',
	    [SMTP_ST_FAILED] = 'D',
	    [SMTP_ST_TLS] = 'T',
	    [SMTP_ST_REFUSED] = 'G',
	    [SMTP_ST_CUT] = 'D',
	    [SMTP_ST_CLOSING] = '-'};

	return engine->has_server || engine->state != SMTP_ST_CONNECT
		   ? letters[engine->state]
		   : 'Q';
}

/* Both verbs end a pipelined group, so they can only be the newest. */
bool
smtp_engine_awaits_end(const struct smtp_engine *engine)
{
	const struct smtp_pending *tail = smtp_pending_tail(&engine->pending);

	return tail != NULL &&
	       (tail->verb == SMTP_DOT || tail->verb == SMTP_LASTBDAT);
}

/* Message text is on its way: an end of the connection must not look like the
 * end of the message. */
static bool
in_text(const struct smtp_engine *engine)
{
	if (smtp_engine_awaits_end(engine))
		return false;
	return engine->state == SMTP_ST_BODY ||
	       engine->state == SMTP_ST_CHUNK || engine->chunk.active;
}

void
smtp_engine_over(struct smtp_engine *engine, char who, const char *reason)
{
	if (engine->ended)
		return;
	bool awaits_end = smtp_engine_awaits_end(engine);
	engine->ending.reset_server = in_text(engine);
	engine->ending.code[0] = who;
	engine->ending.code[1] =
	    who == '-' ? '-' : (awaits_end ? 'L' : where(engine));
	engine->ending.reason = reason;
	engine->ended = true;
	engine->asked = SMTP_ACT_WAIT;
	engine->state = smtp_fsm_event(engine->state, SMTP_EV_ENDS);
}

void
smtp_engine_end(struct smtp_engine *engine, const char *status,
    const char *text, const char *code, const char *reason)
{
	if (engine->ended)
		return;
	if (!engine->client_gone && !engine->blind)
		buf_printf(engine->client_out, "421 %s %s [ref %.*s]\r\n",
		    status, text, SLICE_FMT(engine->ref));
	smtp_engine_over(engine, code[0], reason);
}

void
smtp_engine_server_broke(
    struct smtp_engine *engine, const char *word, struct slice text)
{
	smtp_engine_violation(engine, word, slice_head(text, 512));
	smtp_engine_end(engine, "4.5.0", "the server broke the protocol", "S",
	    "server_broke_protocol");
}

/* --- answers of the policy -------------------------------------------------- */

void
smtp_engine_asked(
    const struct smtp_engine *engine, enum smtp_verb *verb, struct slice *text)
{
	struct smtp_command command;
	struct smtp_reply reply;

	if (engine->asked == SMTP_ACT_RETRY) {
		smtp_reply_parse(buf_slice(engine->server_in), &reply);
		*verb = engine->helo_verb;
		*text = reply.first;
		return;
	}
	smtp_client_asked(engine, &command);
	*verb = command.verb;
	*text = command.arg;
}

static void
forward_name(struct smtp_engine *engine, struct slice name)
{
	struct smtp_command command = {.verb = engine->helo_verb, .arg = name};

	smtp_client_forward(engine, &command);
}

static void
answer_retry(struct smtp_engine *engine, enum smtp_say say, struct slice text)
{
	if (say != SMTP_SAY_FORWARD) {
		smtp_server_relay_refusal(engine);
		return;
	}
	smtp_server_drop_refusal(engine);
	forward_name(engine, text);
}

void
smtp_engine_answer(struct smtp_engine *engine, enum smtp_say say,
    struct slice text, bool hide_starttls)
{
	enum smtp_act asked = engine->asked;
	struct slice received;

	assert(asked == SMTP_ACT_ASK || asked == SMTP_ACT_RETRY);
	if (asked == SMTP_ACT_ASK)
		smtp_engine_asked(engine, &engine->helo_verb, &received);
	engine->asked = SMTP_ACT_WAIT;
	engine->progress++;
	if (say == SMTP_SAY_FORWARD || say == SMTP_SAY_SPLICE)
		engine->hide_starttls = hide_starttls;
	if (asked == SMTP_ACT_RETRY) {
		answer_retry(engine, say, text);
		return;
	}
	/* The name may point into the line: forward before it goes. */
	if (say == SMTP_SAY_FORWARD || say == SMTP_SAY_SPLICE)
		forward_name(engine, text);
	else if (say == SMTP_SAY_REPLY)
		say_whole(engine, engine->helo_verb, text, false);
	smtp_client_take_line(engine);
	if (say == SMTP_SAY_SPLICE)
		smtp_engine_splice(engine);
	if (say != SMTP_SAY_DROP && say != SMTP_SAY_RESET)
		return;
	smtp_engine_over(engine, 'P', "dropped");
	engine->ending.reset_client = say == SMTP_SAY_RESET;
}

void
smtp_engine_asked_command(
    const struct smtp_engine *engine, struct smtp_command *out)
{
	smtp_client_asked(engine, out);
}

void
smtp_engine_permit(
    struct smtp_engine *engine, enum smtp_say say, struct slice text)
{
	struct smtp_command command;

	assert(engine->asked == SMTP_ACT_ASK);
	smtp_client_asked(engine, &command);
	engine->asked = SMTP_ACT_WAIT;
	engine->progress++;
	bool entry = command.verb == SMTP_MAIL || command.verb == SMTP_RCPT;
	if (say == SMTP_SAY_FORWARD || say == SMTP_SAY_SPLICE) {
		smtp_client_take_command(engine, &command);
	} else if (say == SMTP_SAY_REPLY) {
		smtp_client_note_refused(engine, &command);
		say_whole(engine, command.verb, text, entry);
	}
	if (!engine->ended)
		smtp_client_take_line(engine);
	if (say == SMTP_SAY_SPLICE)
		smtp_engine_splice(engine);
	if (say != SMTP_SAY_DROP && say != SMTP_SAY_RESET)
		return;
	smtp_engine_over(engine, 'P', "dropped");
	engine->ending.reset_client = say == SMTP_SAY_RESET;
}

/* --- events ------------------------------------------------------------------ */

void
smtp_engine_connected(struct smtp_engine *engine)
{
	engine->has_server = true;
}

void
smtp_engine_turn_away(struct smtp_engine *engine, struct slice reply,
    const char *code, const char *reason)
{
	smtp_engine_note(
	    engine, &(struct smtp_noted){.note = SMTP_NOTE_GREETING,
			.text = reply,
			.code = smtp_reply_code(reply),
			.by_gate = true});
	buf_append(engine->client_out, reply);
	buf_append(engine->client_out, SMTP_CRLF);
	engine->ending.reason = reason;
	if (smtp_reply_code(reply) == 554) {
		engine->state =
		    smtp_fsm_event(engine->state, SMTP_EV_TURNS_AWAY);
		engine->hoped = engine->state;
		return;
	}
	smtp_engine_over(engine, code[0], reason);
	engine->ending.code[1] = code[1];
}

void
smtp_engine_splice(struct smtp_engine *engine)
{
	engine->state = smtp_fsm_event(engine->state, SMTP_EV_HANDED_OVER);
	engine->blind = true;
}

void
smtp_engine_client_eof(struct smtp_engine *engine, bool hard)
{
	engine->client_eof = true;
	if (!hard)
		return;
	engine->client_gone = true;
	buf_clear(engine->client_out);
}

void
smtp_engine_server_eof(struct smtp_engine *engine)
{
	engine->server_eof = true;
}

void
smtp_engine_drain(struct smtp_engine *engine)
{
	engine->draining = true;
}

/* --- the loop ---------------------------------------------------------------- */

/* The client's input has ended and what there was is done. */
static bool
settle_client(struct smtp_engine *engine)
{
	bool awaits_end = smtp_engine_awaits_end(engine);

	/* A message that the server may still accept is waited for, so that
	 * the record knows; other replies only for who still listens. */
	if (awaits_end || (!engine->client_gone && !in_text(engine) &&
			      smtp_pending_head(&engine->pending) != NULL))
		return false;
	smtp_engine_over(engine, 'C', "client_closed");
	return true;
}

static bool
settle_server(struct smtp_engine *engine)
{
	if (engine->state == SMTP_ST_CONNECT)
		smtp_engine_end(engine, "4.4.2",
		    "the server closed the connection without a greeting", "S",
		    "server_closed");
	else
		smtp_engine_end(engine, "4.4.2",
		    "the server closed the connection", "S", "server_closed");
	return true;
}

/* A moment at which a 421 costs the client nothing, whatever it says next
 * (RFC 5321 3.8). */
static bool
is_idle(struct smtp_engine *engine)
{
	return smtp_pending_head(&engine->pending) == NULL &&
	       !engine->in_transaction &&
	       (engine->state == SMTP_ST_GREETED ||
		   engine->state == SMTP_ST_READY ||
		   engine->state == SMTP_ST_REFUSED);
}

static bool
settle(struct smtp_engine *engine, enum smtp_progress client,
    enum smtp_progress server)
{
	if (engine->state == SMTP_ST_CLOSING) {
		smtp_engine_over(engine, '-', "quit");
		return true;
	}
	if (engine->server_eof && engine->has_server && server == SMTP_HUNGRY)
		return settle_server(engine);
	return engine->client_eof && client == SMTP_HUNGRY &&
	       settle_client(engine);
}

/* Not before all replies that are due have been said. */
static bool
has_too_many_errors(struct smtp_engine *engine)
{
	return engine->error_limit > 0 &&
	       engine->errors >= engine->error_limit &&
	       smtp_pending_head(&engine->pending) == NULL;
}

enum smtp_act
smtp_engine_step(struct smtp_engine *engine)
{
	for (;;) {
		if (engine->ended)
			return SMTP_ACT_CLOSE;
		if (engine->cut) {
			engine->cut = false;
			return SMTP_ACT_CUT_SERVER;
		}
		if (engine->blind)
			return SMTP_ACT_BLIND;
		if (engine->asked != SMTP_ACT_WAIT)
			return engine->asked;
		if (say_held(engine))
			continue;
		if (has_too_many_errors(engine)) {
			smtp_engine_end(engine, "4.7.0", "too many errors", "P",
			    "too_many_errors");
			continue;
		}
		enum smtp_progress server = smtp_server_step(engine);
		if (server == SMTP_MOVED)
			continue;
		if (engine->draining && is_idle(engine)) {
			smtp_engine_end(engine, "4.3.2",
			    "shutting down, try again", "K", "drained");
			continue;
		}
		enum smtp_progress client = smtp_client_step(engine);
		if (client == SMTP_MOVED)
			continue;
		if (!settle(engine, client, server))
			return SMTP_ACT_WAIT;
	}
}
