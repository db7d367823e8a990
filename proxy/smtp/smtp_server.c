/*
 * The server's side of the engine: every reply is read whole, matched with
 * the command it answers, and only then relayed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_ehlo.h"
#include "smtp/smtp_engine_private.h"

#include <assert.h>
#include <stdio.h>

/* What a note says of a reply: all its lines; of EHLO's the first, since the
 * others are keywords. */
static struct slice
text_of(enum smtp_verb verb, const struct smtp_reply *reply)
{
	if (reply->lines == 1 || verb == SMTP_EHLO)
		return reply->first;
	return slice_head(reply->raw, reply->raw.len - 2);
}

void
smtp_server_note_reply(struct smtp_engine *engine, enum smtp_verb verb,
    const struct smtp_reply *reply)
{
	smtp_engine_note(engine, &(struct smtp_noted){.note = SMTP_NOTE_REPLY,
				     .verb = verb,
				     .code = reply->code,
				     .text = text_of(verb, reply)});
}

void
smtp_server_consume(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	buf_consume(engine->server_in, reply->raw.len);
	engine->progress++;
}

void
smtp_server_relay(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	if (!engine->client_gone)
		smtp_reply_write(reply, engine->client_out);
}

/* --- the greeting ------------------------------------------------------------- */

/* The client gets 554, since it did not wait, or a greeting that hides the
 * server's. */
static bool
is_greeted_by_us(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	char text[SMTP_BANNER_MAX];
	bool early = smtp_guard_is_early(engine);
	size_t len = early ? 0 : engine->hooks->banner(engine->ctx, text);

	if (!early && len == 0)
		return false;
	if (len > 0)
		smtp_engine_greet_so(engine, slice_of(text, len));
	smtp_engine_note(engine, &(struct smtp_noted){.note = SMTP_NOTE_LEG,
				     .text = reply->first,
				     .code = reply->code,
				     .flag = true});
	return true;
}

static void
take_greeting(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	enum smtp_event event =
	    reply->code == 220 ? SMTP_EV_GREETS : SMTP_EV_TURNS_AWAY;

	if (reply->code != 220 && reply->code < 400) {
		smtp_engine_server_broke(engine, "bad_greeting", reply->first);
		return;
	}
	if (reply->code == 220 && is_greeted_by_us(engine, reply)) {
		if (engine->ended)
			return;
	} else {
		smtp_engine_note(
		    engine, &(struct smtp_noted){.note = SMTP_NOTE_GREETING,
				.text = reply->first,
				.code = reply->code});
		smtp_server_relay(engine, reply);
	}
	smtp_server_consume(engine, reply);
	if (reply->code >= 400 && reply->code < 500) {
		smtp_engine_over(engine, 'S', "server_unavailable");
		return;
	}
	engine->state = smtp_fsm_event(engine->state, event);
	engine->hoped = engine->state;
}

/* --- EHLO --------------------------------------------------------------------- */

static bool
passes(struct smtp_engine *engine, struct slice line)
{
	struct slice keyword = smtp_ehlo_keyword(line);
	enum smtp_keyword judged = smtp_ehlo_judge(keyword);
	int policy = engine->hooks->keyword(engine->ctx, keyword);
	unsigned bit = smtp_ehlo_bit(keyword);

	if (!smtp_ehlo_is_line(line) || judged == SMTP_KEYWORD_UNFRAMED ||
	    policy < 0 || (engine->offered & bit) != 0)
		return false;
	if (bit == SMTP_EXT_STARTTLS) {
		engine->tls_lost = true;
		/* Where we speak TLS ourselves it is ours to offer. */
		if (engine->hide_starttls || engine->wanted.ends ||
		    engine->wish != SMTP_WISH_NONE)
			return false;
	}
	return judged == SMTP_KEYWORD_PASSES || policy > 0;
}

/* SIZE that promises more than the policy lets pass, or no limit at all
 * (RFC 1870 4: without a number, or 0). */
static bool
is_larger_size(const struct smtp_engine *engine, struct slice line)
{
	uint64_t size = 0;

	if (engine->size_limit == 0 ||
	    !slice_eq_nocase(smtp_ehlo_keyword(line), SLICE("SIZE")))
		return false;
	return !slice_to_u64(slice_from(line, 5), &size) || size == 0 ||
	       size > engine->size_limit;
}

static struct slice
lowered_size(const struct smtp_engine *engine, char text[32])
{
	int len = snprintf(
	    text, 32, "SIZE %llu", (unsigned long long)engine->size_limit);

	return slice_of(text, (size_t)len);
}

/* Once, and never inside TLS (RFC 3207 4.2). */
static bool
offers_tls(const struct smtp_engine *engine)
{
	if (!engine->wanted.ends || engine->client_tls || engine->hide_starttls)
		return false;
	return engine->wish != SMTP_WISH_MIRROR || engine->server_tls ||
	       engine->server_offers;
}

/* The reply to EHLO, without what the client is not to see. */
static void
relay_extensions(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	struct slice rest = reply->raw;
	struct slice text;
	struct buf *out = engine->client_out;
	char size[32];

	engine->offered = 0;
	engine->shown = engine->wanted;
	smtp_leg_note_offer(engine, reply);
	smtp_reply_line(&rest, &text);
	size_t line_at = buf_len(out);
	smtp_reply_write_line(reply->code, false, text, out);
	while (smtp_reply_line(&rest, &text)) {
		bool passed = passes(engine, text);
		smtp_engine_note(
		    engine, &(struct smtp_noted){.note = SMTP_NOTE_KEYWORD,
				.text = text,
				.flag = !passed});
		if (!passed)
			continue;
		if (is_larger_size(engine, text))
			text = lowered_size(engine, size);
		engine->offered |= smtp_ehlo_bit(smtp_ehlo_keyword(text));
		line_at = buf_len(out);
		smtp_reply_write_line(reply->code, false, text, out);
	}
	if (offers_tls(engine)) {
		engine->offered |= SMTP_EXT_STARTTLS;
		line_at = buf_len(out);
		smtp_reply_write_line(
		    reply->code, false, SLICE("STARTTLS"), out);
	}
	/* What turned out to be the last line ends the reply. */
	out->data[out->head + line_at + 3] = ' ';
	if (engine->client_gone)
		buf_clear(out);
}

/* A refusal that may be the name's fault, not the verb's (RFC 5321 4.2.4: 500
 * and 502 say that the verb is not known). */
static bool
is_name_refusal(unsigned code)
{
	return code == 501 || code == 504 || code == 550 || code == 553;
}

/* --- replies ------------------------------------------------------------------- */

static void
advance(struct smtp_engine *engine, enum smtp_verb verb, unsigned code)
{
	const struct smtp_row *row = smtp_fsm_row(engine->state, verb);
	bool voids = row != NULL && code < 400 &&
		     (smtp_row_flags(row) & SMTP_FLAG_VOID) != 0;

	if (smtp_fsm_after(engine->state, verb, code, &engine->state) == -1) {
		smtp_engine_server_broke(engine, "impossible_reply",
		    slice_str(smtp_verb_name(verb)));
		return;
	}
	if ((verb == SMTP_BDAT || verb == SMTP_LASTBDAT) && code >= 400)
		smtp_text_kill_transaction(engine);
	/* A RSET with something behind it was sent outside of a transaction:
	 * what is open now was opened after it. */
	if ((voids || verb == SMTP_DOT) &&
	    smtp_pending_head(&engine->pending) == NULL) {
		if (engine->in_transaction && verb != SMTP_DOT &&
		    verb != SMTP_LASTBDAT)
			smtp_engine_note(engine,
			    &(struct smtp_noted){.note = SMTP_NOTE_VOID});
		engine->in_transaction = false;
	}
	if (smtp_pending_head(&engine->pending) == NULL)
		engine->hoped = engine->state;
}

/* STARTTLS was accepted.  Whatever the client sent behind it before our 220
 * could be an injection into the protected session (RFC 3207 4.2, 6). */
static bool
hand_over(struct smtp_engine *engine)
{
	struct slice early = buf_slice(engine->client_in);

	if (early.len > 0) {
		smtp_engine_violation(
		    engine, "text_behind_starttls", slice_head(early, 256));
		smtp_engine_end(engine, "4.5.0",
		    "text behind STARTTLS, before its reply", "P",
		    "text_behind_starttls");
		return false;
	}
	engine->blind = engine->tls_only = true;
	return true;
}

/* A piece of a chunk failed: that is the chunk's reply, what is left of it
 * goes nowhere, and what the server says to the rest is ours alone. */
static void
fail_chunk(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	smtp_server_relay(engine, reply);
	smtp_server_note_reply(engine, SMTP_BDAT, reply);
	if (engine->chunk.active) {
		engine->chunk.discard = true;
		engine->chunk.answered = true;
	}
	/* The chunk's last piece may be on its way already. */
	for (unsigned i = 0; i < engine->pending.count; i++) {
		struct smtp_pending *next =
		    smtp_pending_at(&engine->pending, i);
		bool final = next->kind == SMTP_PENDING_SERVER;
		if (next->kind != SMTP_PENDING_LOCAL)
			next->kind = SMTP_PENDING_OURS;
		if (final)
			break;
	}
}

/* A reply of which the client hears nothing, unless a piece has failed. */
static void
take_reply_of_ours(struct smtp_engine *engine, const struct smtp_reply *reply,
    enum smtp_pending_kind kind, enum smtp_verb verb)
{
	bool failed = reply->code >= 400;

	smtp_pending_pop(&engine->pending);
	if (failed && kind == SMTP_PENDING_PIECE)
		fail_chunk(engine, reply);
	/* The reply's text goes with it. */
	smtp_server_consume(engine, reply);
	if (reply->code >= 300 || kind == SMTP_PENDING_PIECE)
		advance(engine, verb, reply->code);
}

bool
smtp_server_is_odd(enum smtp_verb verb, unsigned code)
{
	if (code >= 400)
		return false;
	if (verb == SMTP_STARTTLS)
		return code != 220;
	return (verb == SMTP_EHLO || verb == SMTP_HELO) && code != 250;
}

/* What the state cannot follow must not be heard. */
static bool
is_impossible(
    const struct smtp_engine *engine, enum smtp_verb verb, unsigned code)
{
	enum smtp_state next = engine->state;

	return smtp_server_is_odd(verb, code) ||
	       smtp_fsm_after(engine->state, verb, code, &next) == -1;
}

static void
take_reply(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	struct smtp_pending *head = smtp_pending_head(&engine->pending);
	enum smtp_verb verb = (enum smtp_verb)head->verb;
	enum smtp_pending_kind kind = (enum smtp_pending_kind)head->kind;

	if (kind == SMTP_PENDING_PIECE || kind == SMTP_PENDING_OURS) {
		take_reply_of_ours(engine, reply, kind, verb);
		return;
	}
	if (is_impossible(engine, verb, reply->code)) {
		smtp_engine_server_broke(
		    engine, "impossible_reply", reply->first);
		return;
	}
	if (verb == SMTP_STARTTLS && reply->code < 300 && !hand_over(engine))
		return;
	bool eager = smtp_guard_is_eager(engine, verb);
	if (verb == SMTP_EHLO && reply->code < 300)
		relay_extensions(engine, reply);
	else
		smtp_server_relay(engine, reply);
	if (verb == SMTP_HELO && reply->code < 300)
		engine->offered = 0;
	if ((verb == SMTP_EHLO || verb == SMTP_HELO) && reply->code < 300)
		engine->taken_verb = verb;
	if ((verb == SMTP_AUTH || verb == SMTP_CONT) && reply->code < 300)
		engine->bound = true;
	if (verb == SMTP_EHLO || verb == SMTP_HELO)
		smtp_engine_note(
		    engine, &(struct smtp_noted){.note = SMTP_NOTE_HELO_SAID,
				.verb = verb,
				.code = reply->code,
				.text = reply->first});
	smtp_server_note_reply(engine, verb, reply);
	if (verb == SMTP_DATA && reply->code == 354)
		smtp_text_start(engine);
	unsigned code = reply->code;
	smtp_server_consume(engine, reply);
	smtp_pending_pop(&engine->pending);
	advance(engine, verb, code);
	if ((verb == SMTP_DOT || verb == SMTP_LASTBDAT) && code < 300)
		engine->junk = 0;
	engine->early_reply = false;
	if (eager)
		smtp_guard_refuse_eager(engine);
}

void
smtp_server_relay_refusal(struct smtp_engine *engine)
{
	struct smtp_reply reply;
	int got = smtp_reply_parse(buf_slice(engine->server_in), &reply);

	assert(got == 1);
	take_reply(engine, &reply);
}

void
smtp_server_drop_refusal(struct smtp_engine *engine)
{
	struct smtp_reply reply;
	int got = smtp_reply_parse(buf_slice(engine->server_in), &reply);

	assert(got == 1);
	smtp_engine_note(
	    engine, &(struct smtp_noted){.note = SMTP_NOTE_HELO_SAID,
			.verb = engine->helo_verb,
			.code = reply.code,
			.text = reply.first});
	smtp_server_consume(engine, &reply);
	smtp_pending_pop(&engine->pending);
	engine->hoped = engine->state;
}

/* 421 may come at any time, asked or not (RFC 5321 3.8). */
static void
take_421(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	const struct smtp_pending *head = smtp_pending_head(&engine->pending);

	smtp_server_relay(engine, reply);
	if (head != NULL)
		smtp_server_note_reply(
		    engine, (enum smtp_verb)head->verb, reply);
	smtp_engine_over(engine, 'S', "server_said_421");
	smtp_server_consume(engine, reply);
}

static enum smtp_progress
dispatch(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	const struct smtp_pending *head = smtp_pending_head(&engine->pending);

	if (engine->leg != SMTP_LEG_UP) {
		smtp_leg_take(engine, reply);
	} else if (engine->state == SMTP_ST_CONNECT) {
		take_greeting(engine, reply);
	} else if (reply->code == 421) {
		take_421(engine, reply);
	} else if (head == NULL && engine->state == SMTP_ST_BODY) {
		/* Early, but it can only answer the end of data. */
		engine->early_reply = true;
		return SMTP_BLOCKED;
	} else if (head == NULL) {
		smtp_engine_server_broke(
		    engine, "unsolicited_reply", reply->first);
	} else if ((head->verb == SMTP_EHLO || head->verb == SMTP_HELO) &&
		   is_name_refusal(reply->code)) {
		engine->asked = SMTP_ACT_RETRY;
	} else if ((head->verb == SMTP_EHLO || head->verb == SMTP_HELO) &&
		   smtp_leg_renames(engine, reply)) {
		return SMTP_MOVED;
	} else {
		take_reply(engine, reply);
	}
	return SMTP_MOVED;
}

enum smtp_progress
smtp_server_step(struct smtp_engine *engine)
{
	struct smtp_reply reply;
	struct slice in = buf_slice(engine->server_in);

	if (engine->leg < SMTP_LEG_GREETING ||
	    engine->leg == SMTP_LEG_TLS_DUE || engine->leg == SMTP_LEG_TLS)
		return SMTP_BLOCKED;
	if (in.len == 0)
		return SMTP_HUNGRY;
	int got = smtp_reply_parse(in, &reply);
	if (got == 0)
		return SMTP_HUNGRY;
	if (got == -1) {
		/* Its first line: how much more is there depends on chance. */
		ptrdiff_t lf = slice_find(in, '\n');
		smtp_engine_server_broke(engine, "bad_reply",
		    slice_head(in, lf == -1 ? 64 : (size_t)lf));
		return SMTP_MOVED;
	}
	/* Room for the reply with a byte more a line, and for one of ours. */
	if (buf_room(engine->client_out) <
	    reply.raw.len + 2 * (size_t)reply.lines + 1024)
		return SMTP_BLOCKED;
	return dispatch(engine, &reply);
}
