/*
 * What a dialog waits for, and what it means when that does not come.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/dialog_private.h"

enum dialog_wait
dialog_waits(const struct dialog *dialog)
{
	const struct smtp_engine *engine = &dialog->engine;

	if (engine->blind)
		return DIALOG_WAIT_BLIND;
	if (dialog->shaking[DIALOG_CLIENT] || dialog->shaking[DIALOG_SERVER])
		return DIALOG_WAIT_HANDSHAKE;
	if (dialog->resolving)
		return DIALOG_WAIT_DNS;
	if (dialog->delaying)
		return DIALOG_WAIT_DELAY;
	if (dialog->connecting)
		return DIALOG_WAIT_CONNECT;
	if (engine->state == SMTP_ST_CONNECT ||
	    engine->leg == SMTP_LEG_GREETING)
		return DIALOG_WAIT_GREETING;
	if (smtp_engine_awaits_end(engine))
		return DIALOG_WAIT_END;
	if (engine->state == SMTP_ST_BODY || engine->chunk.active)
		return DIALOG_WAIT_BLOCK;
	return DIALOG_WAIT_COMMAND;
}

/* --- message text ----------------------------------------------------------------- */

static uint64_t
text_octets(const struct dialog *dialog)
{
	return dialog->engine.body.octets + dialog->engine.drained;
}

/* The server has not read what stands here since the last step: while that is
 * so a client cannot send faster. */
void
dialog_watch_server(struct dialog *dialog)
{
	bool stalls = dialog->text.on && buf_len(dialog->engine.server_out) > 0;

	if (stalls && dialog->text.stalled_since_us == 0)
		dialog->text.stalled_since_us = dialog->now_us;
	if (stalls || dialog->text.stalled_since_us == 0)
		return;
	dialog->text.stalled_us +=
	    dialog->now_us - dialog->text.stalled_since_us;
	dialog->text.stalled_since_us = 0;
}

void
dialog_watch_text(struct dialog *dialog)
{
	bool on = dialog_waits(dialog) == DIALOG_WAIT_BLOCK;

	if (on && !dialog->text.on) {
		dialog->text.since_us = dialog->now_us;
		dialog->text.stalled_us = dialog->text.stalled_since_us = 0;
		dialog->text.from = text_octets(dialog);
	}
	dialog->text.on = on;
}

uint64_t
dialog_text_due_us(const struct dialog *dialog)
{
	uint64_t octets = text_octets(dialog) - dialog->text.from;

	if (dialog->limits.monitor || dialog->limits.data_rate == 0 ||
	    dialog->text.stalled_since_us != 0)
		return UINT64_MAX;
	return dialog->text.since_us + dialog->text.stalled_us +
	       dialog->listener->timeouts.data_block * UINT64_C(1000) +
	       octets * 1000000 / dialog->limits.data_rate;
}

/* The last that came would have given it more time than the rate does. */
static bool
is_too_slow(const struct dialog *dialog)
{
	return dialog_text_due_us(dialog) <
	       dialog->now_us +
		   dialog->listener->timeouts.data_block * UINT64_C(1000);
}

/* --- over ------------------------------------------------------------------------- */

/* What was said long ago still stands here: its reader does not read. */
static bool
blame_reader(struct dialog *dialog)
{
	struct smtp_engine *engine = &dialog->engine;

	if (buf_len(engine->client_out) > 0)
		smtp_engine_end(engine, "4.4.2",
		    "the client does not read its replies", "c",
		    "client_does_not_read");
	else if (buf_len(engine->server_out) > 0)
		smtp_engine_end(engine, "4.4.2", "the server does not read",
		    "s", "server_does_not_read");
	else
		return false;
	return true;
}

static void
end_slow_text(struct dialog *dialog)
{
	if (is_too_slow(dialog))
		smtp_engine_end(&dialog->engine, "4.4.2",
		    "the message comes too slowly", "c", "data_too_slow");
	else
		smtp_engine_end(&dialog->engine, "4.4.2",
		    "the message did not come in time", "c",
		    "data_block_timeout");
}

void
dialog_timed_out(struct dialog *dialog)
{
	struct smtp_engine *engine = &dialog->engine;

	switch (dialog_waits(dialog)) {
	case DIALOG_WAIT_DNS:
	case DIALOG_WAIT_DELAY:
		/* The question is put again, and knows what time it is. */
		return;
	case DIALOG_WAIT_HANDSHAKE:
		dialog_shook_too_long(dialog);
		return;
	case DIALOG_WAIT_CONNECT:
		dialog_failed(dialog, DIALOG_TIMED_OUT, SLICE(""));
		return;
	case DIALOG_WAIT_GREETING:
		smtp_engine_end(engine, "4.4.2",
		    "the server did not greet in time", "s",
		    "greeting_timeout");
		return;
	case DIALOG_WAIT_END:
		if (blame_reader(dialog))
			return;
		smtp_engine_end(engine, "4.4.2",
		    "the server did not answer in time", "s",
		    "data_end_timeout");
		return;
	case DIALOG_WAIT_BLOCK:
		if (!blame_reader(dialog))
			end_slow_text(dialog);
		return;
	case DIALOG_WAIT_COMMAND:
		if (blame_reader(dialog))
			return;
		smtp_engine_end(engine, "4.4.2",
		    smtp_engine_awaits_server(engine)
			? "the server did not answer in time"
			: "no command came in time",
		    smtp_engine_awaits_server(engine) ? "s" : "c",
		    "command_timeout");
		return;
	case DIALOG_WAIT_BLIND:
		smtp_engine_over(engine, 'c', "idle_timeout");
		return;
	}
}
