/*
 * A worker: accepts, relays, records.  One loop, no threads, no locks; an
 * immutable policy inherited at fork.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include "daemon/keys.h"
#include "daemon/shared.h"
#include "policy/config.h"

/* A listening socket and whose it is. */
struct worker_socket {
	int fd;
	struct endpoint bound;
	const struct config_listener *listener;
};

struct worker {
	const struct config *config;
	struct keys **keys; /* wiped when they have been used */
	const struct tls_tickets *tickets;
	const struct worker_socket *sockets;
	unsigned socket_count;
	struct ring *ring;
	struct arena *arena; /* of its sessions' records */
	struct shared *shared;
	unsigned slot;
	unsigned lane;  /* unique among workers and their respawns */
	int ban_fd;     /* bans_ask */
	int control_fd; /* orders; end of file: the monitor is gone */
	/* Closed when no more connections are accepted: the other end is at
	 * its end when the last worker of a generation has closed it. */
	int accepting_fd;
};

/* What the monitor writes, an octet each. */
enum worker_order {
	WORKER_DRAIN = 'd', /* sessions end at their next idle moment */
	WORKER_RETIRE = 'r' /* others accept from now on; sessions go on */
};

/* Runs until it is drained or retired, or the monitor is gone, and the last
 * session has ended.  The exit status. */
int worker_run(struct worker *worker);

#endif
