/*
 * Sockets of the relay.  The only code that knows sockaddr; addresses leave
 * here as values (IPv4-mapped ones as IPv4).  As few system calls as the work
 * allows: they are what a relay spends its time on.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "base/addr.h"

#include <sys/types.h>

/*
 * A listening socket, non-blocking, close-on-exec, SO_REUSEADDR; what accepted
 * sockets inherit is set here once: TCP_NODELAY, keep-alive.  `transparent`:
 * IP_TRANSPARENT, for tproxy.  -1 with errno.
 */
int net_listen(const struct endpoint *bind, bool transparent);

/* The next connection, non-blocking; -1 with errno (EAGAIN: none). */
int net_accept(int listener, struct endpoint *peer);
/* Closes by RST. */
void net_reset(int fd);

/* The local end of a socket; under tproxy, whom the client meant to reach. */
bool net_local(int fd, struct endpoint *out);
/* Whom the client meant to reach under `redirect` (SO_ORIGINAL_DST).  False
 * where the connection was not redirected: somebody came to the listener
 * itself.  `local` is net_local of it. */
bool net_original_dst(
    int fd, const struct endpoint *local, struct endpoint *out);

enum net_source {
	NET_SOURCE_CLIENT,      /* the client's address, the kernel's port */
	NET_SOURCE_CLIENT_PORT, /* the client's address and port; any other
				 * port where that is taken or privileged */
	NET_SOURCE_GATE         /* our own */
};

struct net_connect {
	struct endpoint to;
	struct endpoint client; /* of CLIENT and CLIENT_PORT */
	enum net_source source;
	bool port_taken; /* out: CLIENT_PORT fell back to another port */
};

/*
 * Begins a connection, non-blocking: IP_TRANSPARENT and
 * IP_BIND_ADDRESS_NO_PORT where a source is asked for (else ephemeral ports
 * run out for all destinations at once), TCP_NODELAY.  The descriptor, or -1
 * with errno: EADDRNOTAVAIL no free port, ECONNREFUSED, EHOSTUNREACH,
 * ENETUNREACH, EACCES (prohibited), EPERM (capability).
 */
int net_connect(struct net_connect *request);

/* Whether the peer has answered: 1 connected, 0 not yet, -1 errno. */
int net_is_connected(int fd);

/* How long ago a connection that we made came to stand, in microseconds, to
 * the kernel's tick (1 to 10 ms); right until something is sent on it.  0 where
 * the kernel does not tell. */
uint64_t net_quiet_us(int fd);

#endif
