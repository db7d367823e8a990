/*
 * A configuration and what it has open: listening sockets, log files, keys.  At a
 * reload the new one is opened beside the old one, takes the descriptors over
 * that both have, and only then the rest of the old one is closed.  Until then
 * the old one is untouched.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_SETUP_H
#define DAEMON_SETUP_H

#include "audit/logger.h"
#include "daemon/keys.h"
#include "daemon/start.h"
#include "daemon/worker.h"

struct setup {
	struct config *config;
	struct worker_socket *sockets;
	unsigned socket_count;
	struct logger_sink *sinks;
	unsigned sink_count;
	struct keys *keys; /* NULL: none are named */
};

/*
 * Opens what the configuration needs; `before` is what is open already, or
 * NULL.  The configuration is the setup's from then on.  False, and the log
 * says why: nothing new stays open, and the configuration is the caller's.
 */
bool setup_open(struct setup *setup, struct config *config,
    const struct setup *before, const struct start *start);
/* Closes what `heir` (or NULL) has not taken over; frees the configuration. */
void setup_close(struct setup *setup, const struct setup *heir);
/* The listening sockets alone, when no worker is to be started any more: one
 * that is open here keeps clients waiting that nobody will serve. */
void setup_stop_listening(struct setup *setup);

#endif
