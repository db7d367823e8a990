/*
 * The names a client gave in one session, so that the same name gets the same
 * verdict again: after a fallback from EHLO to HELO, a repetition, a RSET.
 * What is kept is not the verdict but what it was judged by; a policy never
 * changes within a session, so that is the same.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef RELAY_GREETINGS_H
#define RELAY_GREETINGS_H

#include "policy/lookup.h"
#include "policy/policy.h"

struct greeting {
	struct greeting *next;
	struct slice received;  /* owned, as first received */
	struct slice forwarded; /* owned; the name the server saw last */
	struct helo judged;     /* helo_analyse of it */
	struct lookup *lookup;  /* owned; NULL: the policy asks DNS nothing */
	uint64_t dns_us;        /* waited for DNS so far */
	enum policy_verb verb;  /* of the first time */
	unsigned repeat;
	bool fallback;
	unsigned retries; /* candidates of on_server_refusal tried */
	bool settled;     /* the server took the name */
	bool kept;        /* the session goes by it: not to be forgotten */
};

enum {
	GREETINGS_MAX = 8
};

struct greetings {
	struct greeting *first;
	unsigned count;
};

/* Who says it, and where what DNS says of it is kept. */
struct greeting_subject {
	const struct addr *client;
	struct dns_book *book; /* NULL: the policy asks DNS nothing */
};

/* The entry of a name (letters compared without case); a new one of these
 * facts where there is none.  Over GREETINGS_MAX names the oldest that is not
 * kept is forgotten.  NULL: no memory. */
struct greeting *greetings_get(struct greetings *greetings,
    const struct greeting_subject *subject, struct slice received,
    enum policy_verb verb, unsigned repeat, bool fallback);
void greetings_fini(struct greetings *greetings);
/* Copies the name; false: there is no memory. */
bool greeting_set_forwarded(struct greeting *greeting, struct slice name);

#endif
