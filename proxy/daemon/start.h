/*
 * What has to stand before the first fork: user, descriptors, listening
 * sockets, log.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_START_H
#define DAEMON_START_H

#include "daemon/worker.h"

#include <sys/types.h>

struct start {
	const struct config *config;
	uid_t uid;
	gid_t gid;
	struct worker_socket *sockets;
	unsigned socket_count;
	struct logger_sink *sinks;
	struct ring **rings; /* the monitor's, then one a worker */
	unsigned ring_count;
	struct shared *shared;
};

/* False: it cannot be done, and the log says why and what to do. */
bool start_open(struct start *start, const struct config *config);
void start_close(struct start *start);
/* The listening sockets alone, when no worker is to be started any more: one
 * that is open here keeps clients waiting that nobody will serve. */
void start_stop_listening(struct start *start);
/* The capabilities that the configuration needs (NET_NEEDS_). */
unsigned start_needs(const struct config *config);

#endif
