/*
 * Clients that a rule said to keep away for a time (`ban`).
 *
 * A worker asks for it, by a packet of fixed size; the monitor, which trusts
 * nothing in it, decides, enters it into a table that all workers read when
 * they accept, and into the kernel's set, which resets the client's
 * connections before they come here.  IPv6 clients are kept away by their /64,
 * which is what a site has at least (RFC 6177).  Bans end with the program.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_BANS_H
#define DAEMON_BANS_H

#include "base/addr.h"

#include <stdatomic.h>

enum {
	BANS_BUCKETS = 1024,
	BANS_WAYS = 8, /* in one bucket; the one that ends first gives way */
	BAN_SECONDS_MAX = 30 * 86400
};

/* In the mapping that all processes share.  Written by the monitor alone. */
struct ban_table {
	/* Odd while the bucket is being written. */
	_Atomic uint32_t sequence[BANS_BUCKETS];
	struct {
		_Atomic uint64_t high, low; /* of the address */
		_Atomic uint64_t until_ms;  /* 0: free */
	} places[BANS_BUCKETS][BANS_WAYS];
	_Atomic uint64_t refused; /* connections, by all workers */
};

/* What is kept away when this client is: an IPv4 address, an IPv6 /64. */
struct addr bans_key(const struct addr *client);
/* The clock is CLOCK_MONOTONIC, in milliseconds. */
void bans_add(
    struct ban_table *table, const struct addr *client, uint64_t until_ms);
bool bans_has(
    const struct ban_table *table, const struct addr *client, uint64_t now_ms);
/* Calls back for each ban that holds, with the milliseconds that are left. */
void bans_each(const struct ban_table *table, uint64_t now_ms,
    void (*each)(void *arg, const struct addr *key, uint64_t left_ms),
    void *arg);

/* What a worker asks: one packet. */
struct ban_request {
	struct addr client;
	uint32_t seconds;
};

/* Whether the client may be kept away at all: none of the loopback, and none
 * of whom `never` speaks; a neighbour in an IPv6 client's /64 would be taken
 * along, and so speaks for it. */
bool bans_may(
    const struct addr *client, const struct prefix *never, unsigned count);

/* A pipe that keeps packets apart: [0] for the monitor, [1] for the workers;
 * neither blocks.  False: errno says why. */
bool bans_open_channel(int channel[2]);
/* False: the monitor has too much to do, or is gone. */
bool bans_ask(int fd, const struct addr *client, uint32_t seconds);
/* The next request that makes sense; false: there is none now.  What makes
 * none is passed over. */
bool bans_take(int fd, struct ban_request *out);

#endif
