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

static const struct policy *
policy_of(const struct dialog *dialog)
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
static struct policy_facts
facts_of(const struct dialog *dialog)
{
	uint64_t elapsed_us = dialog->now_us - dialog->start.mono_us;

	return (struct policy_facts){.client = dialog->start.client.addr,
	    .server = dialog->start.server,
	    .listener = dialog->listener->name,
	    .auth = dialog->auth,
	    .auth_user = slice_of(dialog->user, dialog->user_len),
	    .mail_size = -1,
	    .lookup = dialog->lookup,
	    .wall_s = (dialog->start.wall_us + elapsed_us) / 1000000,
	    .ref = ref_of(dialog)};
}

static void
add_name(struct policy_facts *facts, const struct greeting *greeting)
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
	struct policy_facts facts = facts_of(dialog);

	facts.judged = &none;
	if (greeting != NULL)
		add_name(&facts, greeting);
	facts.mail_from = slice_of(dialog->mail_from, dialog->mail_from_len);
	facts.mail_size = dialog->mail_size;
	facts.mail_utf8 = dialog->mail_utf8;
	facts.rcpt_count = dialog->rcpt_count;
	return facts;
}

static struct policy_facts
facts_now(const struct dialog *dialog)
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

/* What there is no time to wait for is a temporary error: each round answers
 * at least one question, so this ends. */
static enum policy_outcome
decide_at_last(const struct dialog *dialog, enum policy_stage stage,
    const struct policy_facts *facts, struct policy_verdict *out)
{
	enum policy_outcome outcome;

	do {
		dns_book_give_up(dialog->book);
		outcome = policy_decide(policy_of(dialog), stage, facts, out);
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
static bool
decide(struct dialog *dialog, enum policy_stage stage,
    const struct policy_facts *facts, uint64_t *dns_us,
    struct policy_verdict *out)
{
	enum policy_outcome outcome =
	    policy_decide(policy_of(dialog), stage, facts, out);

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
static bool
is_put_again(const struct dialog *dialog)
{
	return dialog->resolving || dialog->delaying;
}

/* What any verdict may bring along. */
static void
note_modifiers(struct dialog *dialog, const struct policy_verdict *verdict)
{
	dialog->quiet |= verdict->quiet;
	if (verdict->action == POLICY_ACCEPT_SESSION)
		dialog->accepted = true;
	if (verdict->ban_s == 0)
		return;
	dialog->ban_s = verdict->ban_s;
	dialog->ban_rule = verdict->rule;
}

static bool
is_spoken_of(const struct policy_verdict *verdict)
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
	const struct policy *policy = policy_of(dialog);
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

void
dialog_set_wants(struct dialog *dialog)
{
	/* A name that is on its way to the server counts already: its EHLO
	 * reply promises a SIZE. */
	struct policy_facts facts = facts_under(dialog,
	    dialog->current == NULL ? dialog->greeted : dialog->current);
	struct smtp_engine *engine = &dialog->engine;

	policy_limits(policy_of(dialog), &facts, &dialog->limits);
	engine->ask_verbs = wanted_verbs(dialog);
	engine->error_limit =
	    dialog->limits.monitor ? 0 : dialog->limits.errors;
	engine->size_limit = dialog->limits.monitor ? 0 : dialog->limits.size;
}

/* --- connect ---------------------------------------------------------------------- */

static bool
prepare_lookup(struct dialog *dialog)
{
	const struct lookup_subject subject = {
	    .client = dialog->start.client.addr};

	if (!policy_asks_dns(policy_of(dialog)) || dialog->book != NULL)
		return true;
	dialog->book = dns_book_new();
	if (dialog->book != NULL)
		dialog->lookup = lookup_new(&subject, dialog->book);
	return dialog->lookup != NULL;
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
	dialog->connect_due = true;
}

/* The connect stage, before anything else happens. */
bool
dialog_begin(struct dialog *dialog)
{
	struct policy_verdict verdict;
	uint64_t dns_us = 0;

	if (!prepare_lookup(dialog)) {
		dialog->begun = true;
		smtp_engine_end(&dialog->engine, "4.3.0", "out of memory", "R",
		    "no_memory");
		return true;
	}
	struct policy_facts facts = facts_of(dialog);
	if (!decide(dialog, POLICY_STAGE_CONNECT, &facts, &dns_us, &verdict))
		return false;
	dialog->begun = true;
	if (is_spoken_of(&verdict) || dialog->waited_us > 0)
		record_connect_verdict(dialog->record, &verdict, dialog->lookup,
		    dialog->waited_us);
	note_modifiers(dialog, &verdict);
	dialog_set_wants(dialog);
	obey_connect(dialog, &verdict);
	return true;
}

/* --- names ------------------------------------------------------------------------ */

static bool
is_deferred(const struct policy_verdict *verdict)
{
	return verdict->at != POLICY_AT_ONCE &&
	       (verdict->action == POLICY_REJECT ||
		   verdict->action == POLICY_TEMPFAIL);
}

static bool
is_forwarded(const struct policy_verdict *verdict)
{
	return is_deferred(verdict) || (verdict->action != POLICY_REJECT &&
					   verdict->action != POLICY_TEMPFAIL &&
					   verdict->action != POLICY_DROP);
}

static bool
changes_name(const struct policy_verdict *verdict)
{
	return verdict->action == POLICY_REPAIR ||
	       verdict->action == POLICY_REWRITE || is_deferred(verdict);
}

static struct slice
name_to_forward(
    const struct greeting *greeting, const struct policy_verdict *verdict)
{
	/* A name that the server took in place of this one stays. */
	if (greeting->retries > 0 && greeting->settled)
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
	struct policy_facts facts = facts_of(dialog);

	add_name(&facts, greeting);
	if (!dialog->accepted)
		return decide(
		    dialog, POLICY_STAGE_HELO, &facts, &greeting->dns_us, out);
	*out = (struct policy_verdict){.action = POLICY_ACCEPT,
	    .would = POLICY_ACCEPT,
	    .by_default = true};
	return true;
}

static enum smtp_say
say_of(const struct policy_verdict *verdict)
{
	switch (verdict->action) {
	case POLICY_REJECT:
	case POLICY_TEMPFAIL:
		return is_deferred(verdict) ? SMTP_SAY_FORWARD : SMTP_SAY_REPLY;
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

static bool
hides_starttls(
    const struct dialog *dialog, const struct policy_verdict *verdict)
{
	return dialog->listener->hide_starttls ||
	       verdict->starttls == POLICY_STARTTLS_HIDE;
}

/* The refusal goes with the name: another name that is taken ends it. */
static void
keep_deferred(struct dialog *dialog, const struct policy_verdict *verdict)
{
	if (!is_deferred(verdict)) {
		free(dialog->deferred);
		dialog->deferred = NULL;
		return;
	}
	if (dialog->deferred == NULL)
		dialog->deferred = malloc(sizeof(*dialog->deferred));
	if (dialog->deferred == NULL) {
		smtp_engine_end(&dialog->engine, "4.3.0", "out of memory", "R",
		    "no_memory");
		return;
	}
	dialog->deferred->at = verdict->at;
	dialog->deferred->len = verdict->reply_len;
	memcpy(dialog->deferred->reply, verdict->reply, verdict->reply_len);
}

static void
answer_name(struct dialog *dialog, enum policy_verb verb, bool fallback,
    const struct policy_verdict *verdict)
{
	struct greeting *greeting = dialog->current;
	enum smtp_say say = say_of(verdict);
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
		greeting_set_forwarded(greeting, name);
		keep_deferred(dialog, verdict);
		dialog_set_wants(dialog);
	}
	if (say == SMTP_SAY_SPLICE)
		record_blind(dialog->record, "splice");
	if (say == SMTP_SAY_REPLY)
		name = slice_of(verdict->reply, verdict->reply_len);
	if (dialog->engine.ended)
		return;
	smtp_engine_answer(
	    &dialog->engine, say, name, hides_starttls(dialog, verdict));
}

/* `commands` may deny the verb itself. */
static bool
is_verb_denied(struct dialog *dialog, enum smtp_verb verb)
{
	struct policy_facts facts = facts_now(dialog);
	struct policy_reply reply;
	char note[40];
	enum policy_permit permit = policy_command(
	    policy_of(dialog), slice_str(smtp_verb_name(verb)), &facts, &reply);

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

/* The client introduces itself: the question this program exists for. */
static bool
ask_name(struct dialog *dialog, enum smtp_verb smtp_verb, struct slice received)
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
		smtp_engine_end(&dialog->engine, "4.3.0", "out of memory", "R",
		    "no_memory");
		return true;
	}
	if (!judge_name(dialog, greeting, &verdict))
		return false;
	dialog->greeting_count++;
	dialog->current = greeting;
	note_modifiers(dialog, &verdict);
	answer_name(dialog, verb, fallback, &verdict);
	return true;
}

void
dialog_retry(struct dialog *dialog)
{
	struct greeting *greeting = dialog->current;
	struct policy_facts facts = facts_of(dialog);
	struct helo_repaired candidate;

	add_name(&facts, greeting);
	if (greeting->settled || dialog->deferred != NULL ||
	    !policy_server_refusal_candidate(policy_of(dialog), &facts,
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

/* --- the envelope ----------------------------------------------------------------- */

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
	struct policy_facts facts = facts_now(dialog);
	const char *note, *text;
	char line[160];

	policy_limits(policy_of(dialog), &facts, &dialog->limits);
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
	struct policy_facts facts = facts_now(dialog);
	struct policy_verdict verdict;
	uint64_t none = 0;

	facts.rcpt_to = without_route(command->path);
	if (!decide(dialog, stage, &facts,
		dialog->greeted == NULL ? &none : &dialog->greeted->dns_us,
		&verdict))
		return false;
	note_modifiers(dialog, &verdict);
	if (is_spoken_of(&verdict))
		record_envelope_verdict(dialog->record, &verdict);
	enum smtp_say say = say_of(&verdict);
	if (say == SMTP_SAY_SPLICE)
		record_blind(dialog->record, "splice");
	dialog->rcpt_count +=
	    say == SMTP_SAY_FORWARD && command->verb == SMTP_RCPT;
	smtp_engine_permit(
	    &dialog->engine, say, slice_of(verdict.reply, verdict.reply_len));
	return true;
}

static bool
ask_command(struct dialog *dialog)
{
	struct smtp_command command;

	smtp_engine_asked_command(&dialog->engine, &command);
	if (command.verb == SMTP_MAIL && !keep_sender(dialog, &command)) {
		smtp_engine_end(&dialog->engine, "4.3.0", "out of memory", "R",
		    "no_memory");
		return true;
	}
	if (!is_put_again(dialog) && (refuse_deferred(dialog, command.verb) ||
					 is_verb_denied(dialog, command.verb)))
		return true;
	if (command.verb != SMTP_MAIL && command.verb != SMTP_RCPT) {
		smtp_engine_permit(
		    &dialog->engine, SMTP_SAY_FORWARD, SLICE(""));
		return true;
	}
	if (!is_put_again(dialog) && apply_limits(dialog, command.verb))
		return true;
	if (!dialog->accepted)
		return ask_envelope(dialog, &command);
	dialog->rcpt_count += command.verb == SMTP_RCPT;
	smtp_engine_permit(&dialog->engine, SMTP_SAY_FORWARD, SLICE(""));
	return true;
}

bool
dialog_ask(struct dialog *dialog)
{
	enum smtp_verb verb;
	struct slice received;

	smtp_engine_asked(&dialog->engine, &verb, &received);
	if (verb != SMTP_EHLO && verb != SMTP_HELO)
		return ask_command(dialog);
	return (!is_put_again(dialog) && is_verb_denied(dialog, verb)) ||
	       ask_name(dialog, verb, received);
}

void
dialog_fini_policy(struct dialog *dialog)
{
	greetings_fini(&dialog->greetings);
	lookup_free(&dialog->lookup);
	dns_book_free(&dialog->book);
	free(dialog->deferred);
	free(dialog->mail_from);
}
