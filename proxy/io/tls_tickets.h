/*
 * Keys that seal session tickets (RFC 5077, RFC 8446 4.6.1), in memory that
 * every worker of every generation shares: what one began another resumes.  One
 * process rotates them; who opens tickets reads without a lock.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_TLS_TICKETS_H
#define IO_TLS_TICKETS_H

#include "io/tls.h"

struct tls_tickets;

enum {
	/* How long a key seals.  The two before it still open: a ticket is
	 * good for that long at least, and twice that at most. */
	TLS_TICKETS_ROTATE_S = 6 * 3600
};

/* In a mapping of its own, shared, and never in a core dump.  NULL: no memory
 * or no randomness. */
struct tls_tickets *tls_tickets_open(void);
void tls_tickets_close(struct tls_tickets **tickets);
/* A fresh key.  False: no randomness; the one before seals on. */
bool tls_tickets_rotate(struct tls_tickets *tickets);
/* Of a server's context; outlives it. */
void tls_context_use_tickets(
    struct tls_context *context, const struct tls_tickets *tickets);

#endif
