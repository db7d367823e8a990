/*
 * How many sessions each client has, and how often it connects: one count for
 * all workers, in a bounded table of the mapping that they share.  No locks: an
 * entry's name and its sessions are one atomic word, each window another.
 *
 * A client is an IPv4 address, or an IPv6 prefix.  An entry is named by a keyed
 * hash of it, so that nobody can choose whose entry is his.  Where a bucket is
 * full the client without a session that was seen longest ago gives way; where
 * all have sessions the newcomer is not counted, and counted as such.
 *
 * The rate is a sliding window of two halves: exact within a window, and of the
 * one before it as if its connections had come evenly.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_CLIENTS_H
#define DAEMON_CLIENTS_H

#include "base/addr.h"

#include <stdatomic.h>
#include <stdbool.h>

enum {
	CLIENTS_BUCKETS = 4096,
	CLIENTS_WAYS = 8,
	CLIENTS_PLACES = CLIENTS_BUCKETS * CLIENTS_WAYS,
	CLIENTS_WINDOWS = 4, /* of different lengths at once */
	CLIENTS_NONE = -1
};

struct client_place {
	_Atomic uint64_t who; /* name and sessions; 0: free */
	_Atomic uint64_t seen_ms;
	/* Which window it is, connections in it and in the one before. */
	_Atomic uint64_t windows[CLIENTS_WINDOWS];
};

/* What one worker has entered: taken back when it dies. */
struct client_share {
	_Atomic uint16_t sessions[CLIENTS_PLACES];
};

struct client_table {
	uint64_t secret; /* set before the first fork */
	_Atomic uint64_t uncounted;
	struct client_place places[CLIENTS_PLACES];
};

/* Windows that are counted: lengths in milliseconds, 0 behind the last. */
struct client_windows {
	uint32_t ms[CLIENTS_WINDOWS];
};

struct client_counts {
	unsigned sessions;               /* now, with this one */
	unsigned rates[CLIENTS_WINDOWS]; /* within each window, likewise */
};

/* Which client an address is: IPv6 cut to so many bits. */
uint64_t clients_name(
    const struct client_table *table, const struct addr *addr, unsigned prefix);

/* A session begins.  The place to leave by, or CLIENTS_NONE: not counted.  The
 * clock is CLOCK_MONOTONIC in milliseconds. */
int clients_enter(struct client_table *table, struct client_share *own,
    uint64_t name, const struct client_windows *windows, uint64_t now_ms,
    struct client_counts *out);
void clients_leave(
    struct client_table *table, struct client_share *own, int place);
/* The worker is no more: what it had entered is taken back. */
void clients_forget(struct client_table *table, struct client_share *share);

#endif
