/*
 * MAIL, RCPT and other commands that the policy wants to know of.  See
 * dialog_private.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/dialog_private.h"

#include <stdio.h>
#include <stdlib.h>

/* "@one,@two:user@example.com" is to user@example.com (RFC 5321 C). */
static struct slice
without_route(struct slice path)
{
	ptrdiff_t colon = slice_find(path, ':');

	if (path.len == 0 || path.ptr[0] != '@' || colon == -1)
		return path;
	return slice_from(path, (size_t)colon + 1);
}

static bool
has_parameter(struct slice params, struct slice wanted)
{
	while (params.len > 0) {
		ptrdiff_t blank = slice_find(params, ' ');
		struct slice one =
		    blank == -1 ? params : slice_head(params, (size_t)blank);
		if (slice_eq_nocase(one, wanted))
			return true;
		params = slice_from(params, one.len + 1);
	}
	return false;
}

static bool
keep_sender(struct dialog *dialog, const struct smtp_command *command)
{
	struct slice path = without_route(command->path);
	char *copy = realloc(dialog->mail_from, path.len + 1);

	if (copy == NULL)
		return false;
	if (path.len > 0)
		memcpy(copy, path.ptr, path.len);
	dialog->mail_from = copy;
	dialog->mail_from_len = path.len;
	dialog->mail_size = command->size;
	dialog->mail_utf8 = has_parameter(command->params, SLICE("SMTPUTF8"));
	dialog->rcpt_count = 0;
	return true;
}

/* A limit of the policy that this command would pass: the reply, or NULL. */
static const char *
over_limit(const struct dialog *dialog, enum smtp_verb verb, const char **note)
{
	const struct policy_limits *limits = &dialog->limits;

	if (verb == SMTP_RCPT && limits->recipients > 0 &&
	    dialog->rcpt_count >= limits->recipients) {
		*note = "limit_recipients";
		return "452 4.5.3 too many recipients";
	}
	if (verb != SMTP_MAIL)
		return NULL;
	if (limits->size > 0 && dialog->mail_size > 0 &&
	    (uint64_t)dialog->mail_size > limits->size) {
		*note = "limit_size";
		return "552 5.3.4 the message is larger than this gate lets "
		       "pass";
	}
	if (limits->messages > 0 && dialog->message_count >= limits->messages) {
		*note = "limit_messages";
		return "452 4.5.3 too many messages in one session";
	}
	return NULL;
}

/* True: the command was answered. */
static bool
apply_limits(struct dialog *dialog, enum smtp_verb verb)
{
	struct policy_facts facts = dialog_facts(dialog);
	const char *note, *text;
	char line[160];

	policy_limits(dialog_policy(dialog), &facts, &dialog->limits);
	text = over_limit(dialog, verb, &note);
	if (text == NULL)
		return false;
	snprintf(line, sizeof(line), "%s%s",
	    dialog->limits.monitor ? "would_" : "", note);
	record_note(dialog->record, line);
	if (dialog->limits.monitor)
		return false;
	int len = snprintf(
	    line, sizeof(line), "%s [ref %s]", text, dialog->start.ref);
	smtp_engine_permit(
	    &dialog->engine, SMTP_SAY_REPLY, slice_of(line, (size_t)len));
	return true;
}

/* A refusal of the name that was put off until now. */
static bool
refuse_deferred(struct dialog *dialog, enum smtp_verb verb)
{
	const struct deferred *deferred = dialog->deferred;

	/* Inside TLS nothing could be refused any more, and a secret is not
	 * asked of a client that is refused anyway. */
	if (deferred == NULL ||
	    (verb == SMTP_MAIL && deferred->at != POLICY_AT_MAIL) ||
	    (verb != SMTP_MAIL && verb != SMTP_RCPT && verb != SMTP_AUTH &&
		verb != SMTP_STARTTLS))
		return false;
	smtp_engine_permit(&dialog->engine, SMTP_SAY_REPLY,
	    slice_of(deferred->reply, deferred->len));
	return true;
}

/* The rules of MAIL and RCPT.  False: they need time. */
static bool
ask_envelope(struct dialog *dialog, const struct smtp_command *command)
{
	enum policy_stage stage =
	    command->verb == SMTP_MAIL ? POLICY_STAGE_MAIL : POLICY_STAGE_RCPT;
	struct policy_facts facts = dialog_facts(dialog);
	struct policy_verdict verdict;
	uint64_t none = 0;

	facts.rcpt_to = without_route(command->path);
	if (!dialog_decide(dialog, stage, &facts,
		dialog->greeted == NULL ? &none : &dialog->greeted->dns_us,
		&verdict))
		return false;
	dialog_note_modifiers(dialog, &verdict);
	if (dialog_is_spoken_of(&verdict))
		record_envelope_verdict(dialog->record, &verdict);
	enum smtp_say say = dialog_say(&verdict);
	if (say == SMTP_SAY_SPLICE)
		record_blind(dialog->record, "splice");
	dialog->rcpt_count +=
	    say == SMTP_SAY_FORWARD && command->verb == SMTP_RCPT;
	smtp_engine_permit(
	    &dialog->engine, say, slice_of(verdict.reply, verdict.reply_len));
	return true;
}

bool
dialog_ask_command(struct dialog *dialog)
{
	struct smtp_command command;

	smtp_engine_asked_command(&dialog->engine, &command);
	if (command.verb == SMTP_MAIL && !keep_sender(dialog, &command)) {
		dialog_no_memory(dialog);
		return true;
	}
	if (!dialog_is_put_again(dialog) &&
	    (refuse_deferred(dialog, command.verb) ||
		dialog_is_denied(dialog, command.verb)))
		return true;
	if (command.verb != SMTP_MAIL && command.verb != SMTP_RCPT) {
		smtp_engine_permit(
		    &dialog->engine, SMTP_SAY_FORWARD, SLICE(""));
		return true;
	}
	if (!dialog_is_put_again(dialog) && apply_limits(dialog, command.verb))
		return true;
	if (!dialog->accepted)
		return ask_envelope(dialog, &command);
	dialog->rcpt_count += command.verb == SMTP_RCPT;
	smtp_engine_permit(&dialog->engine, SMTP_SAY_FORWARD, SLICE(""));
	return true;
}
