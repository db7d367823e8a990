/*
 * What the policy is asked, and what its answers do.  See dialog_private.h.
 *
 * An answer can need time: DNS has to be asked, or a rule says `delay`.  Then
 * the question is put again, from the start, when the time has come; nothing
 * of the client is read meanwhile.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/dialog_private.h"

#include <stdio.h>
#include <stdlib.h>

const struct policy *
dialog_policy(const struct dialog *dialog)
{
	return dialog->listener->policy;
}

static struct slice
ref_of(const struct dialog *dialog)
{
	return slice_str(dialog->start.ref);
}

/* --- facts ------------------------------------------------------------------------ */

/* What is known before a name is said. */
struct policy_facts
dialog_facts_before(const struct dialog *dialog)
{
	uint64_t elapsed_us = dialog->now_us - dialog->start.mono_us;

	return (struct policy_facts){.client = dialog->start.client.addr,
	    .server = dialog->start.server,
	    .listener = dialog->listener->name,
	    .tls = dialog->engine.client_tls,
	    .tls_of = dialog->tls_of,
	    .auth = dialog->auth,
	    .auth_user = slice_of(dialog->user, dialog->user_len),
	    .mail_size = -1,
	    .lookup = dialog->lookup,
	    .wall_s = (dialog->start.wall_us + elapsed_us) / 1000000,
	    .ref = ref_of(dialog)};
}

void
dialog_add_name(struct policy_facts *facts, const struct greeting *greeting)
{
	facts->verb = greeting->verb;
	facts->helo = greeting->received;
	facts->judged = &greeting->judged;
	facts->repeat = greeting->repeat;
	facts->fallback = greeting->fallback;
	facts->lookup = greeting->lookup;
}

/* What is known of a session that goes by a name (NULL: none was said), and of
 * the envelope. */
static struct policy_facts
facts_under(const struct dialog *dialog, const struct greeting *greeting)
{
	/* No name was said: the same as a missing one. */
	static const struct helo none = {
	    .form = HELO_FORM_MISSING, .flaws = HELO_BIT(HELO_FLAW_MISSING)};
	struct policy_facts facts = dialog_facts_before(dialog);

	facts.judged = &none;
	if (greeting != NULL)
		dialog_add_name(&facts, greeting);
	facts.mail_from = slice_of(dialog->mail_from, dialog->mail_from_len);
	facts.mail_size = dialog->mail_size;
	facts.mail_utf8 = dialog->mail_utf8;
	facts.rcpt_count = dialog->rcpt_count;
	return facts;
}

struct policy_facts
dialog_facts(const struct dialog *dialog)
{
	return facts_under(dialog, dialog->greeted);
}

/* --- decisions that take time ----------------------------------------------------- */

static uint64_t
dns_left_us(const struct dialog *dialog)
{
	uint64_t all = dialog->listener->dns_timeout_ms * UINT64_C(1000);
	uint64_t spent = dialog->waited_us;

	if (dialog->resolving)
		spent += dialog->now_us - dialog->wait_from_us;
	return spent < all ? all - spent : 0;
}

static void
end_wait(struct dialog *dialog, uint64_t *dns_us)
{
	uint64_t waited = dialog->now_us - dialog->wait_from_us;

	if (!dialog->resolving)
		return;
	dialog->resolving = false;
	dialog->waited_us += waited;
	*dns_us += waited;
}

static enum policy_outcome
ask_policy(const struct dialog *dialog, enum policy_stage stage,
    const struct policy_facts *facts, struct policy_verdict *out)
{
	const struct dialog_listener *listener = dialog->listener;

	if (listener->decide == NULL)
		return policy_decide(listener->policy, stage, facts, out);
	return listener->decide(
	    listener->decide_arg, listener->policy, stage, facts, out);
}

/* What there is no time to wait for is a temporary error: each round answers
 * at least one question, so this ends. */
static enum policy_outcome
decide_at_last(const struct dialog *dialog, enum policy_stage stage,
    const struct policy_facts *facts, struct policy_verdict *out)
{
	enum policy_outcome outcome;

	do {
		dns_book_give_up(dialog->book);
		outcome = ask_policy(dialog, stage, facts, out);
	} while (outcome == POLICY_PENDING);
	return outcome;
}

/* Facts are missing that DNS was to give, and there is no memory to ask. */
static void
cannot_decide(const struct dialog *dialog, struct policy_verdict *out)
{
	*out = (struct policy_verdict){
	    .action = POLICY_TEMPFAIL, .would = POLICY_TEMPFAIL};
	out->reply_len = (size_t)snprintf(out->reply, sizeof(out->reply),
	    "451 4.3.0 the gate cannot decide now, try again later [ref %s]",
	    dialog->start.ref);
}

/* True: `out` is the verdict.  False: it needs time; the dialog waits until
 * wake_us or for an answer, and then the question is put again. */
bool
dialog_decide(struct dialog *dialog, enum policy_stage stage,
    const struct policy_facts *facts, uint64_t *dns_us,
    struct policy_verdict *out)
{
	enum policy_outcome outcome = ask_policy(dialog, stage, facts, out);

	if (outcome == POLICY_PENDING && dns_left_us(dialog) > 0) {
		if (!dialog->resolving)
			dialog->wait_from_us = dialog->now_us;
		dialog->resolving = true;
		dialog->wake_us = dialog->now_us + dns_left_us(dialog);
		return false;
	}
	if (outcome == POLICY_PENDING)
		outcome = decide_at_last(dialog, stage, facts, out);
	end_wait(dialog, dns_us);
	if (outcome == POLICY_UNKNOWN)
		cannot_decide(dialog, out);
	if (out->delay_ms > 0 && !dialog->delaying)
		dialog->wake_us =
		    dialog->now_us + out->delay_ms * UINT64_C(1000);
	dialog->delaying =
	    out->delay_ms > 0 && dialog->now_us < dialog->wake_us;
	return !dialog->delaying;
}

/* The question was put before. */
bool
dialog_is_put_again(const struct dialog *dialog)
{
	return dialog->resolving || dialog->delaying;
}

/* What any verdict may bring along. */
void
dialog_note_modifiers(
    struct dialog *dialog, const struct policy_verdict *verdict)
{
	dialog->quiet |= verdict->quiet;
	if (verdict->action == POLICY_ACCEPT_SESSION)
		dialog->accepted = true;
	if (verdict->ban_s == 0)
		return;
	dialog->ban_s = verdict->ban_s;
	dialog->ban_rule = verdict->rule;
}

bool
dialog_is_spoken_of(const struct policy_verdict *verdict)
{
	return verdict->rule.name.len > 0 || verdict->would_rule.name.len > 0 ||
	       verdict->continued_count > 0;
}

/* --- what the policy wants -------------------------------------------------------- */

static uint32_t
bit(enum smtp_verb verb)
{
	return UINT32_C(1) << verb;
}

static uint32_t
wanted_verbs(const struct dialog *dialog)
{
	const struct policy *policy = dialog_policy(dialog);
	uint32_t verbs = 0;

	if (policy_has_stage(policy, POLICY_STAGE_MAIL) ||
	    policy_has_stage(policy, POLICY_STAGE_RCPT) ||
	    policy_has_limits(policy))
		verbs |= bit(SMTP_MAIL) | bit(SMTP_RCPT);
	if (dialog->deferred != NULL)
		verbs |= bit(SMTP_MAIL) | bit(SMTP_RCPT) | bit(SMTP_AUTH) |
			 bit(SMTP_STARTTLS);
	for (unsigned verb = 0; verb < SMTP_VERB_COUNT; verb++)
		if (policy_has_command(policy,
			slice_str(smtp_verb_name((enum smtp_verb)verb))))
			verbs |= bit((enum smtp_verb)verb);
	return verbs;
}

static void
set_guard(struct dialog *dialog)
{
	static const enum smtp_pipelining groups[] = {
	    SMTP_PIPELINING_AUTO, SMTP_PIPELINING_REJECT, SMTP_PIPELINING_HOLD};
	const struct policy_protocol *protocol =
	    policy_protocol(dialog_policy(dialog));
	struct smtp_guard *guard = &dialog->engine.guard;

	guard->monitor = dialog->limits.monitor;
	guard->error_limit = dialog->limits.errors;
	guard->junk_limit = dialog->limits.junk;
	guard->command_limit = dialog->limits.commands;
	guard->log_early = protocol->log_early_talker;
	guard->pipelining = groups[protocol->pipelining];
	dialog->engine.refuse_stray =
	    protocol->reject_bare_newline && !guard->monitor;
}

void
dialog_set_wants(struct dialog *dialog, const struct greeting *greeting)
{
	struct policy_facts facts = facts_under(dialog, greeting);
	struct smtp_engine *engine = &dialog->engine;

	policy_limits(dialog_policy(dialog), &facts, &dialog->limits);
	engine->ask_verbs = wanted_verbs(dialog);
	set_guard(dialog);
	engine->size_limit = dialog->limits.monitor ? 0 : dialog->limits.size;
}

/* --- connect ---------------------------------------------------------------------- */

static bool
prepare_lookup(struct dialog *dialog)
{
	const struct lookup_subject subject = {
	    .client = dialog->start.client.addr};

	if (!policy_asks_dns(dialog_policy(dialog)) ||
	    dialog->listener->decide != NULL || dialog->book != NULL)
		return true;
	dialog->book = dns_book_new();
	if (dialog->book != NULL)
		dialog->lookup = lookup_new(&subject, dialog->book);
	return dialog->lookup != NULL;
}

size_t
dialog_banner(const struct dialog *dialog, char out[POLICY_REPLY_MAX])
{
	struct policy_facts facts = dialog_facts_before(dialog);

	return policy_banner(dialog_policy(dialog), &facts, out);
}

/* In the server's stead, which is connected to when a name is to go on. */
static void
greet(struct dialog *dialog)
{
	char reply[POLICY_REPLY_MAX];
	size_t len = dialog_banner(dialog, reply);

	if (len == 0)
		len = (size_t)snprintf(reply, sizeof(reply), "220 %.*s ESMTP",
		    SLICE_FMT(slice_head(dialog->listener->node, 255)));
	smtp_engine_greet(&dialog->engine, slice_of(reply, len));
}

static void
obey_connect(struct dialog *dialog, const struct policy_verdict *verdict)
{
	switch (verdict->action) {
	case POLICY_REJECT:
	case POLICY_TEMPFAIL:
		smtp_engine_turn_away(&dialog->engine,
		    slice_of(verdict->reply, verdict->reply_len), "PG",
		    "refused");
		return;
	case POLICY_DROP:
		smtp_engine_end(&dialog->engine, "4.7.1", "", "P", "dropped");
		buf_clear(dialog->engine.client_out);
		dialog->reset_client = verdict->reset;
		return;
	case POLICY_SPLICE:
		dialog->splice = true;
		break;
	case POLICY_ACCEPT_SESSION:
	case POLICY_ACCEPT:
	case POLICY_REPAIR:
	case POLICY_REWRITE:
		break;
	}
	/* TLS that is not ours to end, from the first octet on. */
	dialog->splice |= dialog->listener->implicit && dialog->start.bypass;
	if (dialog->listener->greet_first && !dialog->splice)
		greet(dialog);
	else
		dialog->connect_due = true;
}

static bool
is_refused(const struct policy_verdict *verdict)
{
	return verdict->action == POLICY_REJECT ||
	       verdict->action == POLICY_TEMPFAIL ||
	       verdict->action == POLICY_DROP;
}

/* The connect stage, before anything else happens. */
bool
dialog_begin(struct dialog *dialog)
{
	struct policy_verdict verdict;
	uint64_t dns_us = 0;

	if (!prepare_lookup(dialog)) {
		dialog->begun = true;
		dialog_no_memory(dialog);
		return true;
	}
	struct policy_facts facts = dialog_facts_before(dialog);
	if (!dialog_decide(
		dialog, POLICY_STAGE_CONNECT, &facts, &dns_us, &verdict))
		return false;
	dialog->begun = true;
	if (dialog_is_spoken_of(&verdict) || dialog->waited_us > 0)
		record_connect_verdict(dialog->record, &verdict, dialog->lookup,
		    dialog->waited_us);
	dialog_note_modifiers(dialog, &verdict);
	dialog_set_wants(dialog, NULL);
	if (is_refused(&verdict) || !dialog_is_over_limits(dialog))
		obey_connect(dialog, &verdict);
	return true;
}

/* --- answers ---------------------------------------------------------------------- */

bool
dialog_is_deferred(const struct policy_verdict *verdict)
{
	return verdict->at != POLICY_AT_ONCE &&
	       (verdict->action == POLICY_REJECT ||
		   verdict->action == POLICY_TEMPFAIL);
}

enum smtp_say
dialog_say(const struct policy_verdict *verdict)
{
	switch (verdict->action) {
	case POLICY_REJECT:
	case POLICY_TEMPFAIL:
		return dialog_is_deferred(verdict) ? SMTP_SAY_FORWARD
						   : SMTP_SAY_REPLY;
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

/* `commands` may deny the verb itself. */
bool
dialog_is_denied(struct dialog *dialog, enum smtp_verb verb)
{
	struct policy_facts facts = dialog_facts(dialog);
	struct policy_reply reply;
	char note[40];
	enum policy_permit permit = policy_command(dialog_policy(dialog),
	    slice_str(smtp_verb_name(verb)), &facts, &reply);

	if (permit == POLICY_PERMIT)
		return false;
	snprintf(note, sizeof(note), "%sdeny_%s",
	    permit == POLICY_WOULD_DENY ? "would_" : "", smtp_verb_name(verb));
	record_note(dialog->record, note);
	if (permit == POLICY_WOULD_DENY)
		return false;
	if (verb == SMTP_EHLO || verb == SMTP_HELO)
		smtp_engine_answer(&dialog->engine, SMTP_SAY_REPLY,
		    slice_of(reply.text, reply.len), false);
	else
		smtp_engine_permit(&dialog->engine, SMTP_SAY_REPLY,
		    slice_of(reply.text, reply.len));
	return true;
}

bool
dialog_ask(struct dialog *dialog)
{
	enum smtp_verb verb;
	struct slice received;

	smtp_engine_asked(&dialog->engine, &verb, &received);
	if (verb != SMTP_EHLO && verb != SMTP_HELO)
		return dialog_ask_command(dialog);
	return (!dialog_is_put_again(dialog) &&
		   dialog_is_denied(dialog, verb)) ||
	       dialog_ask_name(dialog, verb, received);
}

void
dialog_fini_policy(struct dialog *dialog)
{
	greetings_fini(&dialog->greetings);
	lookup_free(&dialog->lookup);
	dns_book_free(&dialog->book);
	free(dialog->deferred);
	free(dialog->coming);
	free(dialog->mail_from);
}
