/*
 * What has to stand before the first fork and stays as long as the program
 * runs: user, descriptors, shared memory.  What a configuration opens, and
 * another one takes over, is in setup.h.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_START_H
#define DAEMON_START_H

#include "daemon/shared.h"
#include "io/tls_tickets.h"
#include "policy/config.h"

#include <sys/types.h>

struct start {
	bool as_root; /* and `user` is who we become */
	char *user;   /* NULL: stay who we are */
	uid_t uid;
	gid_t gid;
	struct ring **rings;   /* the monitor's, then one a slot */
	unsigned ring_count;   /* open ones */
	struct arena **arenas; /* of open records; numbered as the rings */
	struct shared *shared;
	struct tls_tickets *tickets; /* what workers seal sessions with */
};

/* False: it cannot be done, and the log says why and what to do. */
bool start_open(struct start *start, const struct config *config);
void start_close(struct start *start);
/* Sees to it that there are rings and arenas for the slots before `slots`.  They stay, to
 * be used by whoever has the slot.  False: no memory, logged. */
bool start_open_rings(struct start *start, unsigned slots);
/* The capabilities that the configuration needs (NET_NEEDS_). */
unsigned start_needs(const struct config *config);
/* Whether this process has them; the log says what is missing. */
bool start_check_capabilities(const struct config *config);
/* As many descriptors as there may be; warns where they are not enough. */
void start_raise_descriptors(const struct config *config);

#endif
