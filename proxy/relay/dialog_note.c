/*
 * What the engine tells, written to the record.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/dialog_private.h"

#include <stdio.h>
#include <stdlib.h>

/* The server's word ends a message; a refusal of the gate's leaves the server's
 * transaction as it is, and so does one of a chunk that had no recipient yet. */
static bool
ends_message(const struct dialog *dialog, const struct smtp_noted *noted)
{
	if (noted->verb == SMTP_DOT)
		return true;
	return noted->verb == SMTP_LASTBDAT && !noted->by_gate &&
	       (noted->code < 400 ||
		   smtp_fsm_row(dialog->engine.state, noted->verb) != NULL);
}

static void
on_text_reply(
    struct dialog *dialog, const struct smtp_noted *noted, const char *by)
{
	bool ends = ends_message(dialog, noted);
	bool delivered = !dialog->engine.client_gone;

	if (ends) {
		dialog->message_count += noted->code < 400;
		record_message_end(dialog->record, noted->text, by, delivered);
		dialog->mail_open = false;
	} else if (noted->code >= 400) {
		record_data_refused(dialog->record, noted->text, by, delivered);
	}
}

/* A claim is nothing before the server's 235, and one whose name cannot be read
 * leaves none from an earlier attempt. */
static void
claim_user(struct dialog *dialog, struct slice user)
{
	user = slice_head(user, sizeof(dialog->claimed));
	if (user.len > 0)
		memcpy(dialog->claimed, user.ptr, user.len);
	dialog->claimed_len = user.len;
}

static void
take_user(struct dialog *dialog)
{
	dialog->auth = true;
	memcpy(dialog->user, dialog->claimed, dialog->claimed_len);
	dialog->user_len = dialog->claimed_len;
	dialog_set_wants(dialog, dialog->greeted);
}

static void
on_reply(struct dialog *dialog, const struct smtp_noted *noted, const char *by)
{
	struct record *record = dialog->record;
	bool failed = noted->code >= 400;

	switch (noted->verb) {
	case SMTP_EHLO:
	case SMTP_HELO:
		record_helo_reply(record, noted->text, by);
		dialog->ehlo_refused = noted->verb == SMTP_EHLO && failed;
		break;
	case SMTP_AUTH:
	case SMTP_CONT:
		if (noted->code < 300 || failed)
			record_auth_reply(record, noted->text, by);
		if (noted->code < 300)
			take_user(dialog);
		break;
	case SMTP_MAIL:
		record_mail_reply(record, noted->text, by);
		break;
	case SMTP_RCPT:
		record_rcpt_reply(record, noted->text, by);
		if (failed && !noted->by_gate && dialog->rcpt_count > 0)
			dialog->rcpt_count--;
		break;
	case SMTP_DATA:
	case SMTP_BDAT:
	case SMTP_DOT:
	case SMTP_LASTBDAT:
		on_text_reply(dialog, noted, by);
		break;
	case SMTP_RSET:
	case SMTP_STARTTLS:
	case SMTP_VRFY:
	case SMTP_EXPN:
	case SMTP_HELP:
	case SMTP_NOOP:
	case SMTP_ETRN:
	case SMTP_QUIT:
	case SMTP_UNKNOWN:
		break;
	}
}

void
dialog_close_mail(struct dialog *dialog)
{
	if (dialog->mail_open)
		record_transaction_end(dialog->record);
	dialog->mail_open = false;
}

static void
on_text(struct dialog *dialog, const struct smtp_noted *noted)
{
	const struct policy_protocol *protocol =
	    policy_protocol(dialog_policy(dialog));

	record_text(dialog->record, (uint64_t)noted->number, noted->other);
	if (noted->other > 0 && protocol->reject_bare_newline &&
	    dialog->limits.monitor)
		record_note(dialog->record, "would_bare_newline");
	if (noted->text.len > 0)
		record_message_id(dialog->record, noted->text);
}

/* The server's word on the name: what it took, the session goes by. */
static void
settle_name(struct dialog *dialog, bool taken)
{
	dialog->current->settled = taken;
	if (taken) {
		if (dialog->greeted != NULL)
			dialog->greeted->kept = false;
		dialog->greeted = dialog->current;
		dialog->greeted->kept = true;
		free(dialog->deferred);
		dialog->deferred = dialog->coming;
	} else {
		free(dialog->coming);
	}
	dialog->coming = NULL;
	dialog_set_wants(dialog, dialog->greeted);
}

static void
on_helo_said(struct dialog *dialog, const struct smtp_noted *noted)
{
	record_helo_server_reply(dialog->record, noted->text);
	if (dialog->current != NULL)
		settle_name(dialog, noted->code < 400);
}

/* The client heard another one, or this one before. */
static void
on_leg(struct dialog *dialog, const struct smtp_noted *noted)
{
	record_server_greeting(dialog->record,
	    noted->flag ? noted->text : slice_of(NULL, 0), dialog->now_us);
}

static void
on_limit(struct dialog *dialog, const char *word)
{
	char note[40];

	snprintf(note, sizeof(note), "%s%s",
	    dialog->limits.monitor ? "would_" : "", word);
	record_note(dialog->record, note);
}

static void
on_note(void *ctx, const struct smtp_noted *noted)
{
	struct dialog *dialog = ctx;
	struct record *record = dialog->record;
	const char *by = noted->by_gate ? "gate" : "server";

	switch (noted->note) {
	case SMTP_NOTE_GREETING:
		record_greeting(record, noted->text, by, dialog->now_us);
		if (!noted->by_gate)
			dialog_keep_server_name(dialog, noted->text);
		break;
	case SMTP_NOTE_LEG:
		on_leg(dialog, noted);
		dialog_keep_server_name(dialog, noted->text);
		break;
	case SMTP_NOTE_REPLY:
		on_reply(dialog, noted, by);
		break;
	case SMTP_NOTE_HELO_SAID:
		on_helo_said(dialog, noted);
		break;
	case SMTP_NOTE_KEYWORD:
		record_capability(record, noted->text, noted->flag);
		break;
	case SMTP_NOTE_AUTH:
		record_auth(record, noted->text, noted->more);
		claim_user(dialog, noted->more);
		break;
	case SMTP_NOTE_MAIL:
		dialog_close_mail(dialog);
		record_mail(record, noted->text, noted->number);
		dialog->mail_open = true;
		break;
	case SMTP_NOTE_RCPT:
		record_rcpt(record, noted->text);
		break;
	case SMTP_NOTE_TEXT:
		on_text(dialog, noted);
		break;
	case SMTP_NOTE_VOID:
		dialog_close_mail(dialog);
		break;
	case SMTP_NOTE_LIMIT:
		on_limit(dialog, noted->word);
		break;
	case SMTP_NOTE_VIOLATION:
		record_violation(record, noted->word, noted->text);
		break;
	}
}

static int
on_keyword(void *ctx, struct slice keyword)
{
	struct dialog *dialog = ctx;

	return policy_capability(dialog->listener->policy, keyword);
}

static struct slice
on_name(void *ctx, bool taken)
{
	const struct dialog *dialog = ctx;

	return (taken ? dialog->greeted : dialog->current)->forwarded;
}

static size_t
on_banner(void *ctx, char out[SMTP_BANNER_MAX])
{
	_Static_assert((int)SMTP_BANNER_MAX == (int)POLICY_REPLY_MAX,
	    "the policy writes into it");

	return dialog_banner(ctx, out);
}

const struct smtp_hooks dialog_hooks = {
    on_note, on_keyword, on_name, on_banner};
