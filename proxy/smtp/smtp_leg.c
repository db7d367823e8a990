/*
 * The connection to the server, where it is not made before the client is
 * greeted: the gate greets itself and connects when a name is to go on, or the
 * leg was cut with a refused message and the client goes on.  Then the server
 * is told the name again, and the client hears nothing of it.
 *
 * Where the leg is to be encrypted, a name that goes on is said once before, to
 * hear of STARTTLS, and STARTTLS with it; the reply that the client hears is one
 * from within TLS (RFC 3207 4.2).
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_ehlo.h"
#include "smtp/smtp_engine_private.h"

#include <assert.h>

bool
smtp_leg_is_coming(const struct smtp_engine *engine)
{
	return engine->leg != SMTP_LEG_NONE && engine->leg != SMTP_LEG_UP;
}

void
smtp_leg_cut(struct smtp_engine *engine)
{
	engine->leg = SMTP_LEG_NONE;
	engine->cut = true;
	engine->server_tls = engine->server_offers = engine->in_clear = false;
}

/* --- TLS -------------------------------------------------------------------------- */

void
smtp_leg_note_offer(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	struct slice rest = reply->raw, text;
	bool first = true;

	engine->server_offers = false;
	for (; smtp_reply_line(&rest, &text); first = false)
		engine->server_offers |=
		    !first && smtp_ehlo_is_line(text) &&
		    slice_eq_nocase(smtp_ehlo_keyword(text), SLICE("STARTTLS"));
}

static bool
wants_tls(const struct smtp_engine *engine)
{
	if (engine->server_tls || engine->in_clear ||
	    engine->wish == SMTP_WISH_NONE)
		return false;
	return engine->wish != SMTP_WISH_MIRROR || engine->client_tls ||
	       engine->starttls_held;
}

/* Without TLS it must not go on. */
static void
have_none(struct smtp_engine *engine)
{
	smtp_engine_say(engine,
	    engine->name_held       ? engine->helo_verb
	    : engine->starttls_held ? SMTP_STARTTLS
				    : SMTP_UNKNOWN,
	    "421 4.7.4 the server offers no TLS");
	smtp_engine_over(engine, 'S', "no_tls");
}

static void
say_starttls(struct smtp_engine *engine)
{
	const struct smtp_command command = {.verb = SMTP_STARTTLS};

	engine->leg = SMTP_LEG_STARTTLS;
	smtp_command_write(&command, engine->server_out);
}

/* A name, so that the server tells what it offers. */
static void
probe(struct smtp_engine *engine)
{
	bool taken = engine->state != SMTP_ST_GREETED;
	struct smtp_command command = {
	    .verb = SMTP_EHLO, .arg = engine->hooks->name(engine->ctx, taken)};

	engine->leg = SMTP_LEG_PROBE;
	smtp_command_write(&command, engine->server_out);
}

/* --- names ------------------------------------------------------------------------ */

void
smtp_leg_forward_name(struct smtp_engine *engine, struct slice name)
{
	struct smtp_command command = {.verb = engine->helo_verb, .arg = name};

	if (engine->leg == SMTP_LEG_UP && wants_tls(engine)) {
		engine->name_held = true;
		if (engine->server_offers)
			say_starttls(engine);
		else
			probe(engine);
		return;
	}
	if (engine->leg == SMTP_LEG_UP) {
		smtp_client_forward(engine, &command);
		return;
	}
	engine->name_held = true;
	engine->leg = SMTP_LEG_DUE;
}

static void
forward_held(struct smtp_engine *engine)
{
	engine->leg = SMTP_LEG_UP;
	engine->name_held = false;
	smtp_leg_forward_name(engine, engine->hooks->name(engine->ctx, false));
	if (engine->splice_held)
		smtp_engine_splice(engine);
}

/* A name that was taken is said before another one: should the server refuse
 * that, the first stays in force, as it would have on the leg before.  The
 * client has its answer to this name already; so that it hears no other one,
 * the server's is not relayed. */
static void
greet_again(struct smtp_engine *engine)
{
	struct smtp_command command = {.verb = engine->taken_verb,
	    .arg = engine->hooks->name(engine->ctx, true)};

	engine->leg = SMTP_LEG_HELLO;
	smtp_command_write(&command, engine->server_out);
}

/* RFC 5321 4.1.4 has a server take EHLO at any time.  OpenSMTPD takes one: 503
 * "Already identified".  Where the name that came in the clear went to it over
 * the leg as it is, the one within TLS needs another leg, which hears no other.
 * Once: that one's answer is the answer. */
bool
smtp_leg_renames(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	if (reply->code != 503 || engine->state != SMTP_ST_GREETED ||
	    !engine->client_tls || !engine->shown.ends || engine->bound ||
	    engine->renamed)
		return false;
	engine->renamed = true;
	smtp_server_consume(engine, reply);
	smtp_pending_pop(&engine->pending);
	smtp_leg_cut(engine);
	engine->name_held = true;
	engine->leg = SMTP_LEG_DUE;
	return true;
}

/* The client's STARTTLS, which waits, and what it has sent behind it. */
static void
answer_starttls(struct smtp_engine *engine)
{
	engine->leg = SMTP_LEG_UP;
	engine->starttls_held = false;
	smtp_client_begin_tls(engine, buf_slice(engine->client_in));
}

/* The leg is as it has to be, or is made so first. */
static void
go_on(struct smtp_engine *engine)
{
	if (wants_tls(engine))
		probe(engine);
	else if (engine->starttls_held)
		answer_starttls(engine);
	else if (engine->state == SMTP_ST_GREETED)
		forward_held(engine);
	else
		greet_again(engine);
}

/* The server does not want this connection.  Its 554 can be said to a name as
 * to a connection (RFC 5321 3.1); what else waits has no such reply. */
static void
turned_away(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	if (engine->name_held && reply->code >= 500) {
		smtp_server_relay(engine, reply);
		smtp_server_note_reply(engine, engine->helo_verb, reply);
		smtp_server_consume(engine, reply);
		engine->name_held = engine->splice_held = false;
		engine->state =
		    smtp_fsm_event(engine->state, SMTP_EV_TURNS_AWAY);
		engine->hoped = engine->state;
		smtp_leg_cut(engine);
		return;
	}
	smtp_server_consume(engine, reply);
	smtp_engine_leg_lost(engine);
}

static void
take_greeting(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	if (reply->code != 220 && reply->code < 400) {
		smtp_engine_server_broke(engine, "bad_greeting", reply->first);
		return;
	}
	smtp_engine_note(engine, &(struct smtp_noted){.note = SMTP_NOTE_LEG,
				     .text = reply->first,
				     .code = reply->code,
				     .flag = engine->greets});
	if (reply->code != 220) {
		turned_away(engine, reply);
		return;
	}
	smtp_server_consume(engine, reply);
	go_on(engine);
}

/* What the server said to the probe is what it says to the name. */
static void
take_for_answer(struct smtp_engine *engine)
{
	engine->leg = SMTP_LEG_UP;
	engine->name_held = false;
	/* Nothing is awaited on a leg that is not up: there is room. */
	bool pushed = smtp_pending_push(&engine->pending, engine->helo_verb,
	    SMTP_PENDING_SERVER, true, NULL);
	assert(pushed);
}

/* The probe was the very line that is to go on. */
static bool
is_probed_by_name(const struct smtp_engine *engine)
{
	return engine->name_held && engine->state == SMTP_ST_GREETED &&
	       engine->helo_verb == SMTP_EHLO && !engine->splice_held;
}

static void
take_probe(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	/* It refuses the name, not TLS. */
	if (reply->code >= 300 && engine->state == SMTP_ST_GREETED) {
		take_for_answer(engine);
		return;
	}
	if (reply->code >= 300) {
		smtp_engine_leg_lost(engine);
		return;
	}
	smtp_leg_note_offer(engine, reply);
	engine->in_clear =
	    !engine->server_offers && engine->wish == SMTP_WISH_TRY;
	/* It may not take the name again: see smtp_leg_renames. */
	if (engine->in_clear && is_probed_by_name(engine)) {
		take_for_answer(engine);
		return;
	}
	smtp_server_consume(engine, reply);
	if (engine->server_offers) {
		say_starttls(engine);
	} else if (engine->in_clear) {
		go_on(engine);
	} else {
		have_none(engine);
	}
}

/* What stands behind the server's 220 would be taken for said in TLS. */
static void
take_starttls(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	smtp_server_consume(engine, reply);
	if (reply->code < 300 && buf_len(engine->server_in) > 0) {
		smtp_engine_server_broke(engine, "text_behind_starttls",
		    slice_head(buf_slice(engine->server_in), 256));
	} else if (reply->code < 300) {
		engine->leg = SMTP_LEG_TLS_DUE;
	} else if (reply->code == 421) {
		smtp_engine_leg_lost(engine);
	} else if (engine->wish == SMTP_WISH_TRY) {
		engine->in_clear = true;
		go_on(engine);
	} else if (engine->starttls_held) {
		engine->leg = SMTP_LEG_UP;
		engine->starttls_held = engine->server_offers = false;
		smtp_engine_say(engine, SMTP_STARTTLS,
		    "454 4.7.0 the server does not take STARTTLS now");
	} else {
		have_none(engine);
	}
}

void
smtp_leg_secure_first(struct smtp_engine *engine)
{
	engine->starttls_held = true;
	if (engine->leg == SMTP_LEG_UP)
		say_starttls(engine);
	else
		engine->leg = SMTP_LEG_DUE;
}

void
smtp_engine_server_wrapped(struct smtp_engine *engine)
{
	engine->server_tls = true;
}

void
smtp_engine_server_secured(struct smtp_engine *engine)
{
	assert(buf_len(engine->server_in) == 0);
	engine->server_tls = true;
	engine->server_offers = false;
	/* A leg that takes this one's place is no worse, whatever is said of
	 * STARTTLS there. */
	if (engine->wish == SMTP_WISH_TRY)
		engine->wish = SMTP_WISH_MUST;
	engine->progress++;
	go_on(engine);
}

void
smtp_leg_take(struct smtp_engine *engine, const struct smtp_reply *reply)
{
	bool starts = engine->leg == SMTP_LEG_STARTTLS;

	if (engine->leg != SMTP_LEG_GREETING &&
	    smtp_server_is_odd(
		starts ? SMTP_STARTTLS : SMTP_EHLO, reply->code)) {
		smtp_engine_server_broke(
		    engine, "impossible_reply", reply->first);
		return;
	}
	if (engine->leg == SMTP_LEG_GREETING) {
		take_greeting(engine, reply);
		return;
	}
	if (engine->leg == SMTP_LEG_PROBE) {
		take_probe(engine, reply);
		return;
	}
	if (engine->leg == SMTP_LEG_STARTTLS) {
		take_starttls(engine, reply);
		return;
	}
	assert(engine->leg == SMTP_LEG_HELLO);
	smtp_server_consume(engine, reply);
	if (reply->code >= 300)
		smtp_engine_leg_lost(engine);
	else if (engine->name_held)
		forward_held(engine);
	else
		engine->leg = SMTP_LEG_UP;
}
