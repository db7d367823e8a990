/*
 * `ehlogate replay` in parts: what a session comes to under another policy
 * (replay_judge.c), and the groups of what changes (replay_groups.c).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_REPLAY_H
#define CLI_REPLAY_H

#include "audit/log_read.h"
#include "policy/policy.h"

#include <stdio.h>

/* A verdict that is not what it was, or that cannot be told.  Slices live as
 * long as the session's record or the policy. */
struct change {
	enum policy_stage stage;
	unsigned index; /* of the greeting; of the message */
	unsigned rcpt;  /* of the recipient, at rcpt */
	struct slice name;
	struct slice old_verdict, old_rule; /* rule empty: none */
	/* new */
	const char *unknown; /* the fact that the record lacks, or NULL */
	const char *verdict;
	struct policy_rule_id rule;
	size_t forwarded_len, reply_len; /* 0: none */
	char forwarded[HELO_NAME_MAX];
	char reply[POLICY_REPLY_MAX];
};

struct replay {
	const struct policy *policy;
	uint64_t wall_s;
	/* of the session that was judged last */
	struct change *changes;
	unsigned change_count, change_size;
	bool has_changed, has_unknown;
	/* of all */
	uint64_t verdicts, changed, unknown;
	uint64_t changed_sessions, unknown_sessions;
	uint64_t unlisted;    /* greetings and recipients */
	uint64_t uninspected; /* sessions */
	uint64_t monitored;   /* verdicts whose `would` was compared */
};

/* Judges every stage that the record shows, anew, as the gate would have. */
void replay_session(struct replay *replay, const struct log_session *session);
void replay_fini(struct replay *replay);

const char *replay_stage_name(enum policy_stage stage);

/* --- groups -------------------------------------------------------------------- */

struct groups;

struct groups *groups_new(void);
void groups_free(struct groups **groups);
void groups_add(struct groups *groups, const struct log_session *session,
    const struct change *change);
/* The most frequent of each stage first. */
void groups_sort(struct groups *groups);
void groups_print(const struct groups *groups, FILE *to);
/* As elements of an open JSON array. */
struct json;
void groups_json(const struct groups *groups, struct json *json);
/* "helo `a` reject -> `b` repair", or what cannot be told. */
void change_print(const struct change *change, FILE *to);

#endif
