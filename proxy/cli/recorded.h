/*
 * The facts of a session's record, as a policy asks for them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_RECORDED_H
#define CLI_RECORDED_H

#include "audit/log_read.h"
#include "policy/lookup.h"
#include "policy/policy.h"

/* What every stage shares; what the record lacks is marked unknown. */
void recorded_begin(
    const struct log_session *session, struct policy_facts *facts);
/* The greeting's own; `judged` is the caller's room, and stays in the facts. */
void recorded_helo(const struct log_session *session,
    const struct log_helo *helo, struct helo *judged,
    struct policy_facts *facts);
void recorded_mail(const struct log_session *session,
    const struct log_mail *mail, struct policy_facts *facts);
/* Nothing is known of the greeting that a message came under. */
void recorded_no_helo(struct helo *judged, struct policy_facts *facts);

/* What the record says that DNS said, of the connection and of one greeting
 * (NULL: none); NULL where it says nothing.  Freed with lookup_free. */
struct lookup *recorded_lookup(const struct log_session *session,
    const struct log_helo *helo, const struct policy_facts *facts);

#endif
