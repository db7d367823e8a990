/*
 * The names that a client says: judged, mended, refused.  See
 * dialog_private.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/dialog_private.h"

#include <stdio.h>
#include <stdlib.h>

static bool
is_forwarded(const struct policy_verdict *verdict)
{
	return dialog_is_deferred(verdict) ||
	       (verdict->action != POLICY_REJECT &&
		   verdict->action != POLICY_TEMPFAIL &&
		   verdict->action != POLICY_DROP);
}

static bool
changes_name(const struct policy_verdict *verdict)
{
	return verdict->action == POLICY_REPAIR ||
	       verdict->action == POLICY_REWRITE || dialog_is_deferred(verdict);
}

/* A name that the server took in place of this one stays. */
static bool
has_candidate(const struct greeting *greeting)
{
	return greeting->retries > 0 && greeting->settled;
}

static struct slice
name_to_forward(
    const struct greeting *greeting, const struct policy_verdict *verdict)
{
	if (has_candidate(greeting))
		return greeting->forwarded;
	if (changes_name(verdict))
		return slice_of(verdict->repaired.name, verdict->repaired.len);
	return greeting->received;
}

/* One verdict for one name in a session, whatever the verb: what the name was
 * judged by at first holds again.  False: it needs time. */
static bool
judge_name(struct dialog *dialog, struct greeting *greeting,
    struct policy_verdict *out)
{
	struct policy_facts facts = dialog_facts_before(dialog);

	dialog_add_name(&facts, greeting);
	if (!dialog->accepted)
		return dialog_decide(
		    dialog, POLICY_STAGE_HELO, &facts, &greeting->dns_us, out);
	*out = (struct policy_verdict){.action = POLICY_ACCEPT,
	    .would = POLICY_ACCEPT,
	    .by_default = true};
	return true;
}

static void
record_greeted(struct dialog *dialog, enum policy_verb verb, bool fallback,
    struct slice forwarded, const struct policy_verdict *verdict)
{
	const struct greeting *greeting = dialog->current;

	record_helo(dialog->record,
	    &(struct record_helo){.verb = verb,
		.received = greeting->received,
		.forwarded = forwarded,
		.judged = greeting->judged,
		.repairs = changes_name(verdict) ? verdict->repaired.steps : 0,
		.fallback = fallback,
		.tls = dialog->engine.client_tls,
		.tls_lost = fallback && dialog->engine.tls_lost,
		.verdict = verdict,
		.lookup = greeting->lookup,
		.dns_us = greeting->dns_us});
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

/* Of the candidate that goes on in the name's place, or of the verdict. */
static enum policy_starttls
starttls_of(const struct dialog *dialog, const struct policy_verdict *verdict)
{
	enum policy_starttls candidates =
	    policy_server_refusal_starttls(dialog_policy(dialog));

	return has_candidate(dialog->current) &&
		       candidates != POLICY_STARTTLS_UNSAID
		   ? candidates
		   : verdict->starttls;
}

/* The refusal goes with the name: it is in force when the server has taken the
 * name, and until it takes another one (dialog_note.c). */
static void
keep_deferred(struct dialog *dialog, const struct policy_verdict *verdict)
{
	free(dialog->coming);
	dialog->coming = NULL;
	if (!dialog_is_deferred(verdict))
		return;
	dialog->coming = malloc(sizeof(*dialog->coming));
	if (dialog->coming == NULL) {
		dialog_no_memory(dialog);
		return;
	}
	dialog->coming->at = verdict->at;
	dialog->coming->len = verdict->reply_len;
	memcpy(dialog->coming->reply, verdict->reply, verdict->reply_len);
}

static void
answer_name(struct dialog *dialog, enum policy_verb verb, bool fallback,
    const struct policy_verdict *verdict)
{
	struct greeting *greeting = dialog->current;
	enum smtp_say say = dialog_say(verdict);
	struct slice name = {NULL, 0};

	if (is_forwarded(verdict))
		name = name_to_forward(greeting, verdict);
	bool writable = smtp_command_is_text(name);
	record_greeted(dialog, verb, fallback,
	    writable ? name : (struct slice){NULL, 0}, verdict);
	if (!writable) {
		refuse_unwritable(dialog, greeting->received);
		return;
	}
	if (name.ptr != NULL) {
		record_capabilities_clear(dialog->record);
		if (!greeting_set_forwarded(greeting, name))
			dialog_no_memory(dialog);
		keep_deferred(dialog, verdict);
		/* It counts already: the EHLO reply promises a SIZE. */
		dialog_set_wants(dialog, greeting);
	}
	if (say == SMTP_SAY_SPLICE)
		record_blind(dialog->record, "splice");
	if (say == SMTP_SAY_REPLY)
		name = slice_of(verdict->reply, verdict->reply_len);
	if (dialog->engine.ended)
		return;
	bool hides = is_forwarded(verdict) && dialog_order_starttls(dialog,
						  starttls_of(dialog, verdict));
	smtp_engine_answer(&dialog->engine, say, name, hides);
}

/* The client introduces itself: the question this program exists for. */
bool
dialog_ask_name(
    struct dialog *dialog, enum smtp_verb smtp_verb, struct slice received)
{
	const struct greeting_subject subject = {
	    &dialog->start.client.addr, dialog->book};
	struct policy_verdict verdict;
	enum policy_verb verb =
	    smtp_verb == SMTP_EHLO ? POLICY_VERB_EHLO : POLICY_VERB_HELO;
	bool fallback = verb == POLICY_VERB_HELO && dialog->ehlo_refused;
	struct greeting *greeting = greetings_get(&dialog->greetings, &subject,
	    received, verb, dialog->greeting_count, fallback);

	if (greeting == NULL) {
		dialog_no_memory(dialog);
		return true;
	}
	if (!judge_name(dialog, greeting, &verdict))
		return false;
	dialog->greeting_count++;
	dialog->current = greeting;
	dialog_note_modifiers(dialog, &verdict);
	answer_name(dialog, verb, fallback, &verdict);
	return true;
}

void
dialog_retry(struct dialog *dialog)
{
	struct greeting *greeting = dialog->current;
	struct policy_facts facts = dialog_facts_before(dialog);
	enum policy_starttls starttls =
	    policy_server_refusal_starttls(dialog_policy(dialog));
	struct helo_repaired candidate;

	dialog_add_name(&facts, greeting);
	if (greeting->settled || dialog->coming != NULL ||
	    !policy_server_refusal_candidate(dialog_policy(dialog), &facts,
		greeting->forwarded, greeting->retries, &candidate)) {
		smtp_engine_answer(&dialog->engine, SMTP_SAY_RELAY, SLICE(""),
		    dialog->engine.hide_starttls);
		return;
	}
	struct slice name = slice_of(candidate.name, candidate.len);
	greeting->retries++;
	if (!greeting_set_forwarded(greeting, name)) {
		dialog_no_memory(dialog);
		return;
	}
	dialog_set_wants(dialog, greeting);
	bool hides = starttls != POLICY_STARTTLS_UNSAID &&
		     dialog_order_starttls(dialog, starttls);
	smtp_engine_answer(&dialog->engine, SMTP_SAY_FORWARD, name,
	    dialog->engine.hide_starttls || hides);
	record_helo_retry(dialog->record, name, candidate.steps);
}
