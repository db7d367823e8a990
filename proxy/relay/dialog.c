/*
 * The conversation: engine, policy and record joined.  See dialog.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/dialog.h"

#include "relay/dialog_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static struct slice
ref_of(const struct dialog *dialog)
{
	return slice_str(dialog->start.ref);
}

/* --- begin, end ------------------------------------------------------------------ */

static struct record *
start_record(
    const struct dialog_listener *listener, const struct dialog_start *start)
{
	struct record_start record = {.node = listener->node,
	    .listener = listener->name,
	    .mode = listener->mode,
	    .client = start->client,
	    .server = start->server,
	    .policy_version = policy_version(listener->policy),
	    .wall_us = start->wall_us,
	    .mono_us = start->mono_us};

	memcpy(record.ref, start->ref, sizeof(record.ref));
	return record_new(&record);
}

struct dialog *
dialog_new(const struct dialog_listener *listener,
    const struct dialog_start *start, struct dialog_io *io)
{
	struct dialog *dialog = calloc(1, sizeof(*dialog));

	if (dialog == NULL)
		return NULL;
	dialog->listener = listener;
	dialog->start = *start;
	dialog->record = start_record(listener, start);
	if (dialog->record == NULL) {
		free(dialog);
		return NULL;
	}
	smtp_engine_init(
	    &dialog->engine, &dialog_hooks, dialog, ref_of(dialog));
	dialog->engine.client_in = &io->client_in;
	dialog->engine.client_out = &io->client_out;
	dialog->engine.server_in = &io->server_in;
	dialog->engine.server_out = &io->server_out;
	return dialog;
}

void
dialog_free(struct dialog **dialog_p)
{
	struct dialog *dialog = *dialog_p;

	if (dialog == NULL)
		return;
	smtp_engine_fini(&dialog->engine);
	greetings_fini(&dialog->greetings);
	record_free(&dialog->record);
	free(dialog);
	*dialog_p = NULL;
}

bool
dialog_write_record(struct dialog *dialog, const struct dialog_octets *octets,
    uint64_t mono_us, uint64_t seq, struct buf *out)
{
	const struct smtp_ending *ending = smtp_engine_ending(&dialog->engine);
	struct record_end end = {
	    .reason = ending->reason == NULL ? "aborted" : ending->reason,
	    .error = slice_str(dialog->detail),
	    .mono_us = mono_us,
	    .client_in = octets->client_in,
	    .client_out = octets->client_out,
	    .server_in = octets->server_in,
	    .server_out = octets->server_out};

	memcpy(end.code, ending->code[0] == '\0' ? "I-" : ending->code, 3);
	dialog_close_mail(dialog);
	return record_write(dialog->record, &end, seq, out);
}

bool
dialog_write_start(const struct dialog *dialog, uint64_t seq, struct buf *out)
{
	return record_write_start(dialog->record, seq, out);
}

/* --- the policy's questions ------------------------------------------------------ */

static struct policy_facts
facts_of(const struct dialog *dialog)
{
	return (struct policy_facts){.client = dialog->start.client.addr,
	    .server = dialog->start.server,
	    .listener = dialog->listener->name,
	    .ref = ref_of(dialog)};
}

static enum policy_outcome
decide(const struct dialog *dialog, enum policy_stage stage,
    const struct policy_facts *facts, struct policy_verdict *out)
{
	const struct dialog_listener *listener = dialog->listener;

	if (listener->decide == NULL)
		return policy_decide(listener->policy, stage, facts, out);
	return listener->decide(
	    listener->decide_arg, listener->policy, stage, facts, out);
}

/* The connect stage, before anything else happens. */
static void
begin(struct dialog *dialog)
{
	struct policy_facts facts = facts_of(dialog);
	struct policy_verdict verdict;

	dialog->begun = true;
	decide(dialog, POLICY_STAGE_CONNECT, &facts, &verdict);
	if (verdict.rule.name.len > 0 || verdict.would_rule.name.len > 0 ||
	    verdict.continued_count > 0)
		record_connect_verdict(dialog->record, &verdict);
	switch (verdict.action) {
	case POLICY_REJECT:
	case POLICY_TEMPFAIL:
		smtp_engine_turn_away(&dialog->engine,
		    slice_of(verdict.reply, verdict.reply_len), "PG",
		    "refused");
		return;
	case POLICY_DROP:
		smtp_engine_end(&dialog->engine, "4.7.1", "", "P", "dropped");
		buf_clear(dialog->engine.client_out);
		dialog->reset_client = verdict.reset;
		return;
	case POLICY_SPLICE:
		dialog->splice = true;
		break;
	case POLICY_ACCEPT_SESSION:
		dialog->accepted = true;
		break;
	case POLICY_ACCEPT:
	case POLICY_REPAIR:
	case POLICY_REWRITE:
		break;
	}
	dialog->connect_due = true;
}

/* What greets_facts knows of a name that was judged before holds again: one
 * verdict for one name in a session, whatever the verb. */
static void
judge(struct dialog *dialog, const struct greeting *greeting,
    const struct helo *judged, struct policy_verdict *out)
{
	struct policy_facts facts = facts_of(dialog);

	facts.verb = greeting->verb;
	facts.helo = greeting->received;
	facts.judged = judged;
	facts.repeat = greeting->repeat;
	facts.fallback = greeting->fallback;
	if (!dialog->accepted) {
		decide(dialog, POLICY_STAGE_HELO, &facts, out);
		return;
	}
	out->action = out->would = POLICY_ACCEPT;
	out->by_default = true;
	out->rule = out->would_rule = (struct policy_rule_id){.line = 0};
	out->starttls = POLICY_STARTTLS_UNSAID;
	out->continued_count = 0;
	out->reply_len = 0;
}

static bool
is_forwarded(enum policy_action action)
{
	return action != POLICY_REJECT && action != POLICY_TEMPFAIL &&
	       action != POLICY_DROP;
}

static struct slice
name_to_forward(
    const struct greeting *greeting, const struct policy_verdict *verdict)
{
	/* A name that the server took in place of this one stays. */
	if (greeting->retries > 0 && greeting->settled)
		return greeting->forwarded;
	if (verdict->action == POLICY_REPAIR ||
	    verdict->action == POLICY_REWRITE)
		return slice_of(verdict->repaired.name, verdict->repaired.len);
	return greeting->received;
}

static void
record_greeted(struct dialog *dialog, enum policy_verb verb, bool fallback,
    struct slice received, struct slice forwarded, const struct helo *judged,
    const struct policy_verdict *verdict)
{
	bool changed = verdict->action == POLICY_REPAIR ||
		       verdict->action == POLICY_REWRITE;

	record_helo(dialog->record,
	    &(struct record_helo){.verb = verb,
		.received = received,
		.forwarded = forwarded,
		.judged = *judged,
		.repairs = changed ? verdict->repaired.steps : 0,
		.fallback = fallback,
		.tls_lost = fallback && dialog->engine.tls_lost,
		.verdict = verdict});
}

static enum smtp_say
say_of(const struct policy_verdict *verdict)
{
	switch (verdict->action) {
	case POLICY_REJECT:
	case POLICY_TEMPFAIL:
		return SMTP_SAY_REPLY;
	case POLICY_DROP:
		return verdict->reset ? SMTP_SAY_RESET : SMTP_SAY_DROP;
	case POLICY_SPLICE:
		return SMTP_SAY_SPLICE;
	case POLICY_ACCEPT:
	case POLICY_ACCEPT_SESSION:
	case POLICY_REPAIR:
	case POLICY_REWRITE:
		break;
	}
	return SMTP_SAY_FORWARD;
}

/* An accepted name can still be one that no command line can hold. */
static void
refuse_unwritable(struct dialog *dialog, struct slice name)
{
	char reply[128];
	int len = snprintf(reply, sizeof(reply),
	    "501 5.5.4 the name has a control character [ref %s]",
	    dialog->start.ref);

	record_violation(dialog->record, "control_character_in_name", name);
	smtp_engine_answer(&dialog->engine, SMTP_SAY_REPLY,
	    slice_of(reply, (size_t)len), false);
}

static bool
hides_starttls(
    const struct dialog *dialog, const struct policy_verdict *verdict)
{
	return dialog->listener->hide_starttls ||
	       verdict->starttls == POLICY_STARTTLS_HIDE;
}

/* The client introduces itself: the question this program exists for. */
static void
ask(struct dialog *dialog)
{
	struct policy_verdict verdict;
	struct helo judged;
	enum smtp_verb smtp_verb;
	struct slice received;
	struct slice name = {NULL, 0};

	smtp_engine_asked(&dialog->engine, &smtp_verb, &received);
	enum policy_verb verb =
	    smtp_verb == SMTP_EHLO ? POLICY_VERB_EHLO : POLICY_VERB_HELO;
	bool fallback = verb == POLICY_VERB_HELO && dialog->ehlo_refused;
	struct greeting *greeting = greetings_get(&dialog->greetings, received,
	    verb, dialog->greeting_count++, fallback);
	if (greeting == NULL) {
		smtp_engine_end(&dialog->engine, "4.3.0", "out of memory", "R",
		    "no_memory");
		return;
	}
	dialog->current = greeting;
	helo_analyse(received, &dialog->start.client.addr, &judged);
	judge(dialog, greeting, &judged, &verdict);
	if (verdict.action == POLICY_ACCEPT_SESSION)
		dialog->accepted = true;
	if (is_forwarded(verdict.action))
		name = name_to_forward(greeting, &verdict);
	bool writable = smtp_command_is_text(name);
	record_greeted(dialog, verb, fallback, received,
	    writable ? name : (struct slice){NULL, 0}, &judged, &verdict);
	if (!writable) {
		refuse_unwritable(dialog, received);
		return;
	}
	enum smtp_say say = say_of(&verdict);
	if (name.ptr != NULL) {
		record_capabilities_clear(dialog->record);
		greeting_set_forwarded(greeting, name);
	}
	if (say == SMTP_SAY_SPLICE)
		record_blind(dialog->record, "splice");
	if (say == SMTP_SAY_REPLY)
		name = slice_of(verdict.reply, verdict.reply_len);
	smtp_engine_answer(
	    &dialog->engine, say, name, hides_starttls(dialog, &verdict));
}

/* The server refused the name that went on: the policy may have another. */
static void
retry(struct dialog *dialog)
{
	struct greeting *greeting = dialog->current;
	struct policy_facts facts = facts_of(dialog);
	struct helo_repaired candidate;
	struct helo judged;

	helo_analyse(greeting->received, &dialog->start.client.addr, &judged);
	facts.verb = greeting->verb;
	facts.helo = greeting->received;
	facts.judged = &judged;
	if (greeting->settled ||
	    !policy_server_refusal_candidate(dialog->listener->policy, &facts,
		greeting->forwarded, greeting->retries, &candidate)) {
		smtp_engine_answer(&dialog->engine, SMTP_SAY_RELAY, SLICE(""),
		    dialog->engine.hide_starttls);
		return;
	}
	struct slice name = slice_of(candidate.name, candidate.len);
	greeting->retries++;
	greeting_set_forwarded(greeting, name);
	smtp_engine_answer(&dialog->engine, SMTP_SAY_FORWARD, name,
	    dialog->engine.hide_starttls);
	record_helo_retry(dialog->record, name, candidate.steps);
}

/* --- step ------------------------------------------------------------------------- */

static void
order_close(struct dialog *dialog, struct dialog_act *act)
{
	const struct smtp_ending *ending = smtp_engine_ending(&dialog->engine);

	act->order = DIALOG_CLOSE;
	act->reset_client = ending->reset_client || dialog->reset_client;
	act->reset_server = ending->reset_server;
}

static void
order_blind(struct dialog *dialog, struct dialog_act *act)
{
	act->order = DIALOG_BLIND;
	act->tls_only = dialog->engine.tls_only;
	if (act->tls_only)
		record_blind(dialog->record, "starttls");
	else if (dialog->splice)
		record_blind(dialog->record, "splice");
}

void
dialog_step(struct dialog *dialog, uint64_t mono_us, struct dialog_act *act)
{
	*act = (struct dialog_act){DIALOG_WAIT, false, false, false};
	dialog->now_us = mono_us;
	record_clock(dialog->record, mono_us);
	if (!dialog->begun)
		begin(dialog);
	if (dialog->connect_due) {
		dialog->connect_due = false;
		dialog->connecting = true;
		act->order = DIALOG_CONNECT;
		return;
	}
	for (;;) {
		switch (smtp_engine_step(&dialog->engine)) {
		case SMTP_ACT_WAIT:
			return;
		case SMTP_ACT_ASK:
			ask(dialog);
			break;
		case SMTP_ACT_RETRY:
			retry(dialog);
			break;
		case SMTP_ACT_CUT_SERVER:
			act->order = DIALOG_CUT;
			return;
		case SMTP_ACT_BLIND:
			order_blind(dialog, act);
			return;
		case SMTP_ACT_CLOSE:
			order_close(dialog, act);
			return;
		}
	}
}

/* --- events ------------------------------------------------------------------------ */

void
dialog_connected(
    struct dialog *dialog, const struct endpoint *local, uint64_t mono_us)
{
	dialog->connecting = false;
	record_connected(dialog->record, local, mono_us);
	smtp_engine_connected(&dialog->engine);
	if (dialog->splice)
		smtp_engine_splice(&dialog->engine);
}

static void
keep_detail(struct dialog *dialog, struct slice detail)
{
	if (dialog->detail[0] == '\0' && detail.len > 0)
		snprintf(dialog->detail, sizeof(dialog->detail), "%.*s",
		    SLICE_FMT(detail));
}

void
dialog_failed(
    struct dialog *dialog, enum dialog_failure why, struct slice detail)
{
	static const struct {
		const char *code, *reason, *text;
	} failures[] = {
	    [DIALOG_REFUSED] = {"SQ", "server_refused",
		"4.4.1 the server refused the connection"},
	    [DIALOG_UNREACHABLE] = {"SQ", "server_unreachable",
		"4.4.1 the server cannot be reached"},
	    [DIALOG_TIMED_OUT] = {"sQ", "connect_timeout",
		"4.4.1 the server did not answer"},
	    [DIALOG_NO_PORT] = {"RQ", "no_free_port",
		"4.4.5 no free ports towards the server"},
	    [DIALOG_LOOP] = {"PQ", "loop",
		"4.4.6 the connection would come back here"},
	    [DIALOG_NO_RESOURCES] = {"RQ", "no_resources",
		"4.3.2 too many sessions"},
	    [DIALOG_NO_LOG] = {"RQ", "no_log",
		"4.3.0 the session cannot be recorded"},
	};
	char reply[160];

	dialog->begun = true;
	dialog->connect_due = dialog->connecting = false;
	keep_detail(dialog, detail);
	if (dialog->listener->reset_upstream && why != DIALOG_NO_LOG &&
	    why != DIALOG_NO_RESOURCES) {
		dialog->reset_client = true;
		smtp_engine_over(&dialog->engine, failures[why].code[0],
		    failures[why].reason);
		return;
	}
	int len = snprintf(reply, sizeof(reply), "421 %s [ref %s]",
	    failures[why].text, dialog->start.ref);
	smtp_engine_turn_away(&dialog->engine, slice_of(reply, (size_t)len),
	    failures[why].code, failures[why].reason);
}

void
dialog_eof(struct dialog *dialog, enum dialog_side side, struct slice detail)
{
	keep_detail(dialog, detail);
	if (side == DIALOG_CLIENT)
		smtp_engine_client_eof(&dialog->engine, detail.len > 0);
	else
		smtp_engine_server_eof(&dialog->engine);
	if (dialog->engine.blind || dialog->connecting)
		smtp_engine_over(&dialog->engine,
		    dialog->engine.blind && detail.len == 0 ? '-'
		    : side == DIALOG_CLIENT                 ? 'C'
							    : 'S',
		    side == DIALOG_CLIENT ? "client_closed" : "server_closed");
}

enum dialog_wait
dialog_waits(const struct dialog *dialog)
{
	const struct smtp_engine *engine = &dialog->engine;

	if (engine->blind)
		return DIALOG_WAIT_BLIND;
	if (dialog->connecting)
		return DIALOG_WAIT_CONNECT;
	if (engine->state == SMTP_ST_CONNECT)
		return DIALOG_WAIT_GREETING;
	if (smtp_engine_awaits_end(engine))
		return DIALOG_WAIT_END;
	if (engine->state == SMTP_ST_BODY || engine->chunk.active)
		return DIALOG_WAIT_BLOCK;
	return DIALOG_WAIT_COMMAND;
}

void
dialog_timed_out(struct dialog *dialog)
{
	struct smtp_engine *engine = &dialog->engine;

	switch (dialog_waits(dialog)) {
	case DIALOG_WAIT_CONNECT:
		dialog_failed(dialog, DIALOG_TIMED_OUT, SLICE(""));
		return;
	case DIALOG_WAIT_GREETING:
		smtp_engine_end(engine, "4.4.2",
		    "the server did not greet in time", "s",
		    "greeting_timeout");
		return;
	case DIALOG_WAIT_END:
		smtp_engine_end(engine, "4.4.2",
		    "the server did not answer in time", "s",
		    "data_end_timeout");
		return;
	case DIALOG_WAIT_BLOCK:
		smtp_engine_end(engine, "4.4.2",
		    "the message did not come in time", "c",
		    "data_block_timeout");
		return;
	case DIALOG_WAIT_COMMAND:
		smtp_engine_end(engine, "4.4.2",
		    engine->pending.count > 0
			? "the server did not answer in time"
			: "no command came in time",
		    engine->pending.count > 0 ? "s" : "c", "command_timeout");
		return;
	case DIALOG_WAIT_BLIND:
		smtp_engine_over(engine, 'c', "idle_timeout");
		return;
	}
}

void
dialog_drain(struct dialog *dialog)
{
	smtp_engine_drain(&dialog->engine);
}

unsigned
dialog_progress(const struct dialog *dialog)
{
	return dialog->engine.progress;
}

void
dialog_note(struct dialog *dialog, const char *note)
{
	record_note(dialog->record, note);
}

bool
dialog_is_spliced(const struct dialog *dialog)
{
	return dialog->splice;
}

void
dialog_not_tls(struct dialog *dialog, struct slice first)
{
	record_violation(dialog->record, "no_tls_after_starttls", first);
	smtp_engine_over(&dialog->engine, 'P', "no_tls_after_starttls");
}
