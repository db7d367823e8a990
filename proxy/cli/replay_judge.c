/*
 * One session of yesterday under another policy.  See replay.h.
 *
 * What the new policy would have ended is not judged further, and what the old
 * one ended is not on record.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "cli/recorded.h"
#include "cli/replay.h"
#include "relay/greetings.h"

#include <stdlib.h>

/* The session as it is gone through. */
struct walk {
	struct replay *replay;
	const struct log_session *session;
	struct policy_rule_id accepted; /* accept: session was said by it */
	bool is_accepted;
	bool ended;                     /* nothing after this can be told */
	struct greetings clear, secret; /* names in clear and inside TLS */
	/* The greeting that messages came under. */
	const struct log_helo *helo;
	struct policy_facts greeted; /* its verb, repeat and fallback */
	bool helo_stands;            /* under the new policy too */
};

const char *
replay_stage_name(enum policy_stage stage)
{
	static const char *const names[] = {"connect", "helo", "mail", "rcpt"};

	return names[stage];
}

static bool
refuses(enum policy_action action)
{
	return action == POLICY_REJECT || action == POLICY_TEMPFAIL ||
	       action == POLICY_DROP;
}

static bool
renames(enum policy_action action)
{
	return action == POLICY_REPAIR || action == POLICY_REWRITE;
}

static bool
is_word(struct slice text, enum policy_action action)
{
	return slice_eq(text, slice_str(policy_action_name(action)));
}

static bool
was_refused(const struct log_verdict *old)
{
	return is_word(old->verdict, POLICY_REJECT) ||
	       is_word(old->verdict, POLICY_TEMPFAIL) ||
	       is_word(old->verdict, POLICY_DROP);
}

/* --- changes --------------------------------------------------------------------- */

static struct change *
add_change(struct walk *walk)
{
	struct replay *replay = walk->replay;

	if (replay->change_count == replay->change_size) {
		replay->change_size =
		    replay->change_size == 0 ? 8 : replay->change_size * 2;
		struct change *grown = realloc(replay->changes,
		    replay->change_size * sizeof(struct change));
		if (grown == NULL)
			log_fatal("no memory");
		replay->changes = grown;
	}
	struct change *change = &replay->changes[replay->change_count++];
	*change = (struct change){.unknown = NULL};
	return change;
}

/* Where something stands in the session. */
struct where {
	enum policy_stage stage;
	unsigned index, rcpt;
	struct slice name;
	const struct log_helo *helo; /* the greeting in force, or NULL */
};

static void
old_of(const struct log_verdict *old, struct change *change)
{
	bool monitored = old->would.ptr != NULL;

	change->old_verdict = monitored ? old->would : old->verdict;
	change->old_rule = monitored ? old->would_rule : old->rule;
	if (change->old_verdict.ptr == NULL)
		change->old_verdict = SLICE("accept");
}

static void
place(struct change *change, const struct where *where,
    const struct log_verdict *old)
{
	change->stage = where->stage;
	change->index = where->index;
	change->rcpt = where->rcpt;
	change->name = where->name;
	old_of(old, change);
}

static void
add_unknown(struct walk *walk, const struct where *where,
    const struct log_verdict *old, const char *fact)
{
	struct change *change = add_change(walk);

	place(change, where, old);
	change->unknown = fact;
	change->verdict = "unknown";
	walk->replay->unknown++;
	walk->replay->has_unknown = true;
}

static void
copy_texts(struct change *change, const struct policy_verdict *verdict)
{
	if (renames(verdict->would) && renames(verdict->action)) {
		change->forwarded_len =
		    verdict->repaired.len < sizeof(change->forwarded)
			? verdict->repaired.len
			: sizeof(change->forwarded);
		memcpy(change->forwarded, verdict->repaired.name,
		    change->forwarded_len);
	}
	if (refuses(verdict->would) && verdict->action == verdict->would) {
		change->reply_len = verdict->reply_len;
		memcpy(change->reply, verdict->reply, verdict->reply_len);
	}
}

/* The same name as then?  Where the server had refused the first name, what
 * went on is a candidate of on_server_refusal. */
static bool
is_same_name(const struct walk *walk, const struct policy_facts *facts,
    const struct where *where, const struct policy_verdict *verdict)
{
	const struct log_helo *helo = where->helo;
	struct slice name =
	    slice_of(verdict->repaired.name, verdict->repaired.len);
	struct helo_repaired candidate;

	if (helo == NULL || helo->forwarded.ptr == NULL ||
	    where->stage != POLICY_STAGE_HELO || !renames(verdict->action) ||
	    helo->verdict.would.ptr != NULL || slice_eq(name, helo->forwarded))
		return true;
	for (unsigned n = 0; policy_server_refusal_candidate(
		 walk->replay->policy, facts, name, n, &candidate);
	     n++)
		if (slice_eq(slice_of(candidate.name, candidate.len),
			helo->forwarded))
			return true;
	return false;
}

static void
compare(struct walk *walk, const struct where *where,
    const struct policy_facts *facts, const struct log_verdict *old,
    const struct policy_verdict *verdict)
{
	struct change then = {.unknown = NULL};

	old_of(old, &then);
	if (is_word(then.old_verdict, verdict->would) &&
	    is_same_name(walk, facts, where, verdict))
		return;
	struct change *change = add_change(walk);
	place(change, where, old);
	change->verdict = policy_action_name(verdict->would);
	change->rule = verdict->would_rule;
	copy_texts(change, verdict);
	walk->replay->changed++;
	walk->replay->has_changed = true;
}

/* --- stages ---------------------------------------------------------------------- */

/* Judges one stage and compares.  False: it cannot be told. */
static bool
judge(struct walk *walk, const struct where *where, struct policy_facts *facts,
    const struct log_verdict *old, struct policy_verdict *verdict)
{
	struct replay *replay = walk->replay;

	replay->verdicts++;
	if (old->would.ptr != NULL)
		replay->monitored++;
	if (walk->is_accepted) {
		verdict->action = verdict->would = POLICY_ACCEPT;
		verdict->rule = verdict->would_rule = walk->accepted;
		verdict->at = POLICY_AT_ONCE;
	} else {
		facts->wall_s = replay->wall_s;
		facts->lookup =
		    recorded_lookup(walk->session, where->helo, facts);
		enum policy_outcome outcome =
		    policy_decide(replay->policy, where->stage, facts, verdict);
		lookup_free(&facts->lookup);
		if (outcome != POLICY_DECIDED) {
			add_unknown(walk, where, old,
			    verdict->unknown_fact == NULL
				? "dns"
				: verdict->unknown_fact);
			return false;
		}
	}
	compare(walk, where, facts, old, verdict);
	if (verdict->action == POLICY_ACCEPT_SESSION) {
		walk->is_accepted = true;
		walk->accepted = verdict->rule;
	}
	if (verdict->action == POLICY_DROP || verdict->action == POLICY_SPLICE)
		walk->ended = true;
	return true;
}

static void
judge_connect(struct walk *walk, struct policy_verdict *verdict)
{
	const struct log_session *session = walk->session;
	const struct where where = {.stage = POLICY_STAGE_CONNECT};
	struct policy_facts facts;

	recorded_begin(session, &facts);
	if (judge(walk, &where, &facts, &session->connect.verdict, verdict) &&
	    refuses(verdict->action))
		walk->ended = true;
	if (was_refused(&session->connect.verdict))
		walk->ended = true;
}

/* What the gate remembers of a name in a session holds for it again. */
static void
remember_name(struct walk *walk, const struct log_helo *helo, unsigned index,
    struct policy_facts *facts)
{
	const struct greeting_subject subject = {&facts->client, NULL};
	struct greeting *greeting =
	    greetings_get(helo->tls == LOG_TRUE ? &walk->secret : &walk->clear,
		&subject, helo->received, facts->verb, index, facts->fallback);

	if (greeting == NULL)
		log_fatal("no memory");
	facts->verb = greeting->verb;
	facts->repeat = greeting->repeat;
	facts->fallback = greeting->fallback;
}

/* Whether the session went on under this name. */
static bool
was_taken(const struct log_helo *helo)
{
	if (was_refused(&helo->verdict) || helo->forwarded.ptr == NULL)
		return false;
	return helo->reply.ptr == NULL ||
	       (helo->reply.len > 0 && helo->reply.ptr[0] == '2');
}

static void
judge_helo(struct walk *walk, unsigned index, struct policy_verdict *verdict)
{
	const struct log_helo *helo = &walk->session->helos[index];
	const struct where where = {.stage = POLICY_STAGE_HELO,
	    .index = index,
	    .name = helo->received,
	    .helo = helo};
	struct policy_facts facts;
	struct helo judged;

	recorded_begin(walk->session, &facts);
	recorded_helo(walk->session, helo, &judged, &facts);
	remember_name(walk, helo, index, &facts);
	bool told = judge(walk, &where, &facts, &helo->verdict, verdict);
	if (!was_taken(helo))
		return;
	walk->helo = helo;
	walk->greeted = facts;
	walk->helo_stands =
	    !told || !refuses(verdict->action) || verdict->at != POLICY_AT_ONCE;
}

static void
facts_of_mail(const struct walk *walk, const struct log_mail *mail,
    struct helo *judged, struct policy_facts *facts)
{
	recorded_begin(walk->session, facts);
	if (walk->helo != NULL)
		recorded_helo(walk->session, walk->helo, judged, facts);
	else
		recorded_no_helo(judged, facts);
	facts->verb = walk->greeted.verb;
	facts->repeat = walk->greeted.repeat;
	facts->fallback = walk->greeted.fallback;
	recorded_mail(walk->session, mail, facts);
}

static void
judge_rcpts(struct walk *walk, unsigned index, struct policy_facts *facts,
    struct policy_verdict *verdict)
{
	const struct log_mail *mail = &walk->session->mails[index];

	for (unsigned i = 0; i < mail->rcpt.count && !walk->ended; i++) {
		const struct log_rcpt *rcpt =
		    &walk->session->rcpts[mail->rcpt.first + i];
		const struct where where = {.stage = POLICY_STAGE_RCPT,
		    .index = index,
		    .rcpt = i,
		    .name = rcpt->to,
		    .helo = walk->helo};
		facts->rcpt_to = rcpt->to;
		facts->rcpt_count = i;
		judge(walk, &where, facts, &rcpt->verdict, verdict);
	}
	if (mail->rcpt_total > (int64_t)mail->rcpt.count)
		walk->replay->unlisted +=
		    (uint64_t)mail->rcpt_total - mail->rcpt.count;
}

static void
judge_mail(struct walk *walk, unsigned index, struct policy_verdict *verdict)
{
	const struct log_mail *mail = &walk->session->mails[index];
	const struct where where = {
	    .stage = POLICY_STAGE_MAIL, .index = index, .name = mail->from};
	struct policy_facts facts;
	struct helo judged;

	facts_of_mail(walk, mail, &judged, &facts);
	bool told = judge(walk, &where, &facts, &mail->verdict, verdict);
	if (!told || !refuses(verdict->action))
		judge_rcpts(walk, index, &facts, verdict);
}

static void
count_unseen(struct walk *walk)
{
	const struct log_session *session = walk->session;

	if (session->uninspected_after.ptr != NULL)
		walk->replay->uninspected++;
	if (session->helo_count > (int64_t)session->helo_listed)
		walk->replay->unlisted +=
		    (uint64_t)session->helo_count - session->helo_listed;
}

void
replay_session(struct replay *replay, const struct log_session *session)
{
	struct walk walk = {
	    .replay = replay, .session = session, .helo_stands = true};
	static struct policy_verdict verdict;

	replay->change_count = 0;
	replay->has_changed = replay->has_unknown = false;
	count_unseen(&walk);
	judge_connect(&walk, &verdict);
	for (unsigned i = 0; i < session->helo_listed && !walk.ended; i++)
		judge_helo(&walk, i, &verdict);
	for (unsigned i = 0;
	     i < session->mail_listed && !walk.ended && walk.helo_stands; i++)
		judge_mail(&walk, i, &verdict);
	greetings_fini(&walk.clear);
	greetings_fini(&walk.secret);
	replay->changed_sessions += replay->has_changed;
	replay->unknown_sessions += replay->has_unknown;
}

void
replay_fini(struct replay *replay)
{
	free(replay->changes);
	replay->changes = NULL;
}
