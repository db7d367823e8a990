/*
 * What the processes share: one anonymous mapping made before the first fork.
 * Each slot is written by its worker alone, but for the monitor clearing the
 * slot of a worker that died.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_SHARED_H
#define DAEMON_SHARED_H

#include "audit/logger.h"
#include "daemon/bans.h"
#include "daemon/clients.h"
#include "relay/own.h"

enum {
	/* Four times what a configuration may ask for: after a reload the
	 * workers before it keep their slots until their sessions have ended. */
	SHARED_WORKERS_MAX = 256
};

struct shared {
	struct logger_state log;
	_Atomic unsigned slots; /* of those below no more were ever in use */
	_Atomic unsigned sessions[SHARED_WORKERS_MAX];
	struct own_table own[SHARED_WORKERS_MAX];
	struct ban_table bans; /* written by the monitor */
	struct client_table clients;
	struct client_share client_shares[SHARED_WORKERS_MAX];
};

/* NULL: no memory. */
struct shared *shared_new(void);
/* A slot is about to be a worker's. */
void shared_use_slot(struct shared *shared, unsigned slot);
/* Sessions open in all workers, of every generation. */
unsigned shared_sessions(const struct shared *shared);
/* Those of one worker. */
unsigned shared_sessions_of(const struct shared *shared, unsigned slot);
/* A worker has ended: nothing is left of its sessions, whose number this
 * returns. */
unsigned shared_forget_worker(struct shared *shared, unsigned slot);
/* Whether a client's connection is one that a worker made itself. */
bool shared_has_own(const struct shared *shared, const struct endpoint *client,
    const struct endpoint *server);

#endif
