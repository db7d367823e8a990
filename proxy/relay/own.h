/*
 * The gate's own connections to servers, so that one which comes back as a
 * client's is known for what it is: a loop.  That happens where a redirect
 * catches what the gate itself sends, or where `upstream` is a listener.
 *
 * One table a worker, in memory that all workers see: a worker writes its own
 * and looks into all.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef RELAY_OWN_H
#define RELAY_OWN_H

#include "base/addr.h"

#include <stdatomic.h>

enum {
	OWN_SLOTS = 32768 /* four for each of 8000 sessions */
};

/* All zero: none. */
struct own_table {
	_Atomic uint64_t slot[OWN_SLOTS];
};

/* Notes a connection from one of our ports to a server.  The result is for
 * own_forget; 0 where there is no room, which a loop meets a turn later. */
uint64_t own_note(struct own_table *table, const struct endpoint *from,
    const struct endpoint *to);
void own_forget(struct own_table *table, uint64_t tag);
bool own_has(const struct own_table *table, const struct endpoint *from,
    const struct endpoint *to);

#endif
