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

/* A whole line, or nothing of it. */
static void
put_line(struct smtp_engine *engine, struct slice line)
{
	struct buf *out = engine->client_out;

	if (buf_reserve(out, line.len + SMTP_CRLF.len) == NULL)
		return;
	buf_append(out, line);
	buf_append(out, SMTP_CRLF);
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
		put_line(engine, line);
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

	return engine->leg != SMTP_LEG_NONE || engine->state != SMTP_ST_CONNECT
		   ? letters[engine->state]
		   : 'Q';
}

bool
smtp_engine_awaits_server(const struct smtp_engine *engine)
{
	return engine->pending.count > 0 ||
	       (engine->leg >= SMTP_LEG_PROBE && engine->leg <= SMTP_LEG_HELLO);
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
	engine->ending.code[1] = who == '-'                    ? '-'
				 : awaits_end                  ? 'L'
				 : engine->ending.reset_server ? 'D'
							       : where(engine);
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

	smtp_client_asked(engine, &command);
	*verb = command.verb;
	*text = command.arg;
}

static void
answer_retry(struct smtp_engine *engine, enum smtp_say say, struct slice text)
{
	if (say != SMTP_SAY_FORWARD) {
		smtp_server_relay_refusal(engine);
		return;
	}
	smtp_server_drop_refusal(engine);
	smtp_leg_forward_name(engine, text);
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
		smtp_leg_forward_name(engine, text);
	else if (say == SMTP_SAY_REPLY)
		say_whole(engine, engine->helo_verb, text, false);
	smtp_client_take_line(engine);
	if (say == SMTP_SAY_SPLICE && engine->name_held)
		engine->splice_held = true;
	else if (say == SMTP_SAY_SPLICE)
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
	/* The greeting that the client waits for, or one for us alone. */
	engine->leg =
	    engine->state == SMTP_ST_CONNECT ? SMTP_LEG_UP : SMTP_LEG_GREETING;
	engine->server_eof = false;
}

void
smtp_engine_client_secured(struct smtp_engine *engine)
{
	assert(buf_len(engine->client_in) == 0);
	engine->client_tls = true;
	/* What it began by; a name that was refused since may have wanted
	 * something else. */
	engine->wanted = engine->shown;
	engine->state = smtp_fsm_event(engine->state, SMTP_EV_SECURED);
	engine->hoped = engine->state;
	engine->offered = 0;
	engine->guard.greeted = false;
	engine->progress++;
}

void
smtp_engine_tls_failed(struct smtp_engine *engine, bool server)
{
	if (server)
		smtp_engine_end(engine, "4.7.5", "TLS with the server failed",
		    "S", "tls_failed");
	else
		smtp_engine_over(engine, 'C', "tls_failed");
}

void
smtp_engine_leg_failed(struct smtp_engine *engine, struct slice reply,
    const char *code, const char *reason)
{
	say_whole(engine, engine->name_held ? engine->helo_verb : SMTP_UNKNOWN,
	    reply, false);
	smtp_engine_over(engine, code[0], reason);
	engine->ending.code[1] = code[1];
}

void
smtp_engine_leg_lost(struct smtp_engine *engine)
{
	smtp_engine_say(engine,
	    engine->name_held ? engine->helo_verb : SMTP_UNKNOWN,
	    "421 4.3.2 the server does not take the connection now");
	smtp_engine_over(engine, 'S', "server_unavailable");
}

void
smtp_engine_greet_so(struct smtp_engine *engine, struct slice reply)
{
	engine->greets = true;
	smtp_engine_note(
	    engine, &(struct smtp_noted){.note = SMTP_NOTE_GREETING,
			.text = reply,
			.code = smtp_reply_code(reply),
			.by_gate = true});
	put_line(engine, reply);
}

void
smtp_engine_turn_away_early(struct smtp_engine *engine, const char *word)
{
	char text[160];
	int len = snprintf(text, sizeof(text),
	    "554 5.5.0 you spoke before the greeting [ref %.*s]",
	    SLICE_FMT(engine->ref));

	smtp_engine_greet_so(engine, slice_of(text, (size_t)len));
	smtp_engine_over(engine, 'P', word);
}

void
smtp_engine_greet(struct smtp_engine *engine, struct slice reply)
{
	if (smtp_guard_is_early(engine))
		return;
	smtp_engine_greet_so(engine, reply);
	engine->state = smtp_fsm_event(engine->state, SMTP_EV_GREETS);
	engine->hoped = engine->state;
}

void
smtp_engine_turn_away(struct smtp_engine *engine, struct slice reply,
    const char *code, const char *reason)
{
	smtp_engine_greet_so(engine, reply);
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
	if (engine->server_eof && engine->leg >= SMTP_LEG_GREETING &&
	    server == SMTP_HUNGRY)
		return settle_server(engine);
	if (engine->client_gone && smtp_leg_is_coming(engine))
		return settle_client(engine);
	return engine->client_eof && client == SMTP_HUNGRY &&
	       settle_client(engine);
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
		if (engine->tls_due) {
			engine->tls_due = false;
			return SMTP_ACT_TLS_CLIENT;
		}
		if (engine->leg == SMTP_LEG_TLS_DUE) {
			engine->leg = SMTP_LEG_TLS;
			return SMTP_ACT_TLS_SERVER;
		}
		if (engine->leg == SMTP_LEG_DUE) {
			engine->leg = SMTP_LEG_CONNECTING;
			return SMTP_ACT_CONNECT;
		}
		if (engine->asked != SMTP_ACT_WAIT)
			return engine->asked;
		if (say_held(engine))
			continue;
		if (smtp_guard_ends(engine))
			continue;
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
