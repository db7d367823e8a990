/*
 * A worker's TLS: the contexts of each listener, made in the worker, so that
 * what they make themselves is its own.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_WORKER_TLS_H
#define DAEMON_WORKER_TLS_H

#include "daemon/keys.h"
#include "io/tls_tickets.h"

/* NULL: nothing of the listener asks for it. */
struct worker_tls {
	struct tls_context *terminate, *intercept, *server;
	bool lent; /* `server` is another listener's */
};

/* As many as the configuration has listeners.  `keys`: NULL where it names none;
 * wiped as soon as the contexts have them.  Ends the process where it fails. */
struct worker_tls *worker_tls_new(const struct config *config,
    struct keys **keys, const struct tls_tickets *tickets);
void worker_tls_free(struct worker_tls **tls, const struct config *config);

#endif
