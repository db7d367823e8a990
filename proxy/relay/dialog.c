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
	    .policy_version = slice_str(policy_version(listener->policy)),
	    .wall_us = start->wall_us,
	    .arena = start->arena,
	    .client_sessions = start->counts.sessions,
	    .client_rate = start->counts.rates[0].count,
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
	dialog_begin_tls(dialog);
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
	dialog_fini_policy(dialog);
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

void
dialog_record_goes_out(struct dialog *dialog, uint64_t position)
{
	record_goes_out(dialog->record, position);
}

bool
dialog_write_start(const struct dialog *dialog, uint64_t seq, struct buf *out)
{
	return record_write_start(dialog->record, seq, out);
}

bool
dialog_write_ban(const struct dialog *dialog, const struct policy_rule_id *rule,
    uint32_t seconds, uint64_t seq, struct buf *out)
{
	uint64_t wall_us =
	    dialog->start.wall_us + dialog->now_us - dialog->start.mono_us;

	return record_write_ban(
	    dialog->record, rule, seconds, wall_us, seq, out);
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

static void
order_connect(struct dialog *dialog, struct dialog_act *act)
{
	record_connecting(dialog->record);
	dialog->connecting = true;
	act->order = DIALOG_CONNECT;
}

/* The policy needs time.  What it asks of DNS is to be fetched. */
static void
order_wait(struct dialog *dialog, struct dialog_act *act)
{
	if (dialog->resolving)
		act->order = DIALOG_RESOLVE;
}

/* What stands before the conversation, or beside it.  True: an order. */
static bool
step_aside(struct dialog *dialog, struct dialog_act *act)
{
	dialog->begun |= dialog->engine.ended;
	if (!dialog->begun && !dialog_begin(dialog)) {
		order_wait(dialog, act);
		return true;
	}
	if (dialog->ban_s > 0) {
		act->order = DIALOG_BAN;
		act->ban_s = dialog->ban_s;
		act->ban_rule = &dialog->ban_rule;
		dialog->ban_s = 0;
		return true;
	}
	if (!dialog->connect_due)
		return false;
	dialog->connect_due = false;
	order_connect(dialog, act);
	return true;
}

static void
advance(struct dialog *dialog, struct dialog_act *act)
{
	for (;;) {
		if (step_aside(dialog, act))
			return;
		switch (smtp_engine_step(&dialog->engine)) {
		case SMTP_ACT_WAIT:
			return;
		case SMTP_ACT_ASK:
			if (!dialog_ask(dialog)) {
				order_wait(dialog, act);
				return;
			}
			break;
		case SMTP_ACT_RETRY:
			dialog_retry(dialog);
			break;
		case SMTP_ACT_CONNECT:
			order_connect(dialog, act);
			return;
		case SMTP_ACT_CUT_SERVER:
			act->order = DIALOG_CUT;
			return;
		case SMTP_ACT_TLS_CLIENT:
			act->order = DIALOG_TLS_CLIENT;
			act->intercepts = dialog->engine.shown.server_first;
			dialog_shakes(dialog, DIALOG_CLIENT);
			return;
		case SMTP_ACT_TLS_SERVER:
			act->order = DIALOG_TLS_SERVER;
			dialog_shakes(dialog, DIALOG_SERVER);
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

void
dialog_no_memory(struct dialog *dialog)
{
	smtp_engine_end(
	    &dialog->engine, "4.3.0", "out of memory", "R", "no_memory");
}

/* Both ways out have their memory before anything is read: what was read and
 * can then not be written would be a hole in a message, or a reply that nobody
 * hears. */
static void
hold_memory(struct dialog *dialog)
{
	struct smtp_engine *engine = &dialog->engine;

	if (!buf_hold(engine->client_out) || !buf_hold(engine->server_out))
		dialog_no_memory(dialog);
}

static void
give_back_memory(struct dialog *dialog)
{
	buf_consume(dialog->engine.client_out, 0);
	buf_consume(dialog->engine.server_out, 0);
}

void
dialog_step(struct dialog *dialog, uint64_t mono_us, struct dialog_act *act)
{
	*act = (struct dialog_act){.order = DIALOG_WAIT};
	dialog->now_us = mono_us;
	record_clock(dialog->record, mono_us);
	hold_memory(dialog);
	dialog_watch_server(dialog);
	advance(dialog, act);
	dialog_watch_text(dialog);
	give_back_memory(dialog);
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

void
dialog_keep_detail(struct dialog *dialog, struct slice detail)
{
	if (dialog->detail[0] == '\0' && detail.len > 0)
		snprintf(dialog->detail, sizeof(dialog->detail), "%.*s",
		    SLICE_FMT(detail));
}

/* The client was greeted before there was a connection, or talks on while
 * another one is made. */
static bool
is_late(const struct dialog *dialog)
{
	return dialog->engine.state != SMTP_ST_CONNECT;
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
	dialog->resolving = dialog->delaying = false;
	dialog->connect_due = dialog->connecting = false;
	dialog_keep_detail(dialog, detail);
	if (dialog->listener->reset_upstream && why != DIALOG_NO_LOG &&
	    why != DIALOG_NO_RESOURCES) {
		dialog->reset_client = true;
		smtp_engine_over(&dialog->engine, failures[why].code[0],
		    failures[why].reason);
		return;
	}
	int len = snprintf(reply, sizeof(reply), "421 %s [ref %s]",
	    failures[why].text, dialog->start.ref);
	if (is_late(dialog))
		smtp_engine_leg_failed(&dialog->engine,
		    slice_of(reply, (size_t)len), failures[why].code,
		    failures[why].reason);
	else
		smtp_engine_turn_away(&dialog->engine,
		    slice_of(reply, (size_t)len), failures[why].code,
		    failures[why].reason);
}

/* The connect stage needs time: there is nobody yet whom a client could wait
 * for. */
static bool
is_before_server(const struct dialog *dialog)
{
	return !dialog->begun && (dialog->resolving || dialog->delaying);
}

void
dialog_eof(struct dialog *dialog, enum dialog_side side, struct slice detail)
{
	dialog_keep_detail(dialog, detail);
	if (side == DIALOG_CLIENT)
		smtp_engine_client_eof(&dialog->engine, detail.len > 0);
	else
		smtp_engine_server_eof(&dialog->engine);
	if (dialog->engine.blind || (dialog->connecting && !is_late(dialog)) ||
	    (is_before_server(dialog) && side == DIALOG_CLIENT))
		smtp_engine_over(&dialog->engine,
		    dialog->engine.blind && detail.len == 0 ? '-'
		    : side == DIALOG_CLIENT                 ? 'C'
							    : 'S',
		    side == DIALOG_CLIENT ? "client_closed" : "server_closed");
}

void
dialog_drain(struct dialog *dialog)
{
	smtp_engine_drain(&dialog->engine);
	/* A delay ends now; DNS has little time in any case. */
	if (dialog->delaying)
		dialog->wake_us = 0;
}

uint64_t
dialog_wake_us(const struct dialog *dialog)
{
	return dialog->wake_us;
}

struct dns_book *
dialog_book(struct dialog *dialog)
{
	return dialog->book;
}

bool
dialog_is_quiet(const struct dialog *dialog)
{
	return dialog->quiet && record_is_empty(dialog->record);
}

unsigned
dialog_progress(const struct dialog *dialog)
{
	return dialog->engine.progress;
}

const char *
dialog_ref(const struct dialog *dialog)
{
	return dialog->start.ref;
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
