/*
 * Sockets.  See socket.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel's headers yield to libc's only when they come second. */
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

enum {
	BACKLOG = 4096,
	/* A peer that vanished is noticed after about six minutes of silence:
	 * longer than any pause that RFC 5321 4.5.3.2 allows but the one
	 * after the end of data. */
	KEEPALIVE_IDLE = 120,
	KEEPALIVE_INTERVAL = 60,
	KEEPALIVE_COUNT = 4
};

union sockaddr_any {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t
to_sockaddr(const struct endpoint *endpoint, union sockaddr_any *out)
{
	memset(out, 0, sizeof(*out));
	if (endpoint->addr.family == 4) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(endpoint->port);
		memcpy(&out->v4.sin_addr, endpoint->addr.bytes, 4);
		return sizeof(out->v4);
	}
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(endpoint->port);
	memcpy(&out->v6.sin6_addr, endpoint->addr.bytes, 16);
	return sizeof(out->v6);
}

static bool
from_sockaddr(const union sockaddr_any *from, struct endpoint *out)
{
	memset(out, 0, sizeof(*out));
	if (from->sa.sa_family == AF_INET) {
		out->addr.family = 4;
		memcpy(out->addr.bytes, &from->v4.sin_addr, 4);
		out->port = ntohs(from->v4.sin_port);
		return true;
	}
	if (from->sa.sa_family != AF_INET6)
		return false;
	out->port = ntohs(from->v6.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&from->v6.sin6_addr)) {
		out->addr.family = 4;
		memcpy(out->addr.bytes, &from->v6.sin6_addr.s6_addr[12], 4);
		return true;
	}
	out->addr.family = 6;
	memcpy(out->addr.bytes, &from->v6.sin6_addr, 16);
	return true;
}

static int
set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int
set_transparent(int fd, bool v6)
{
	return v6 ? set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
		  : set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
}

static int
set_inherited(int fd)
{
	if (set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) == -1 ||
	    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1) == -1 ||
	    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE) == -1 ||
	    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL) == -1 ||
	    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT) == -1)
		return -1;
	return 0;
}

int
net_listen(const struct endpoint *to_bind, bool transparent)
{
	union sockaddr_any address;
	socklen_t len = to_sockaddr(to_bind, &address);
	bool v6 = address.sa.sa_family == AF_INET6;
	int fd = socket(address.sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
	    (!v6 || set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0) &&
	    (!transparent || set_transparent(fd, v6) == 0) &&
	    set_inherited(fd) == 0 && bind(fd, &address.sa, len) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

uint64_t
net_quiet_us(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	/* The end of the handshake counts as the first sending. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return 0;
	return info.tcpi_last_data_sent * UINT64_C(1000);
}

int
net_accept(int listener, struct endpoint *peer)
{
	union sockaddr_any address;
	socklen_t len = sizeof(address);
	int fd =
	    accept4(listener, &address.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1)
		return -1;
	if (!from_sockaddr(&address, peer)) {
		close(fd);
		errno = EPROTO;
		return -1;
	}
	return fd;
}

void
net_reset(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

bool
net_local(int fd, struct endpoint *out)
{
	union sockaddr_any address;
	socklen_t len = sizeof(address);

	return getsockname(fd, &address.sa, &len) == 0 &&
	       from_sockaddr(&address, out);
}

bool
net_original_dst(int fd, const struct endpoint *local, struct endpoint *out)
{
	union sockaddr_any address;
	socklen_t len = sizeof(address);
	bool v6 = local->addr.family == 6;

	/* A socket on [::] may hold an IPv4 connection: ask by its address. */
	if (getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		v6 ? IP6T_SO_ORIGINAL_DST : SO_ORIGINAL_DST, &address,
		&len) == -1 ||
	    !from_sockaddr(&address, out))
		return false;
	/* With the nat table loaded the kernel answers for connections that
	 * it did not redirect too: with the listener's own address. */
	return out->port != local->port || !addr_eq(&out->addr, &local->addr);
}

static int
bind_source(int fd, struct net_connect *request, bool v6)
{
	union sockaddr_any address;
	struct endpoint from = request->client;
	bool keep = request->source == NET_SOURCE_CLIENT_PORT;

	if (set_transparent(fd, v6) == -1)
		return -1;
	if (keep && set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0) {
		socklen_t len = to_sockaddr(&from, &address);
		if (bind(fd, &address.sa, len) == 0)
			return 0;
	}
	request->port_taken = keep;
	from.port = 0;
	socklen_t len = to_sockaddr(&from, &address);
	/* The option is of IPPROTO_IP for both families. */
	if (set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) == -1)
		return -1;
	return bind(fd, &address.sa, len);
}

static int
try_connect(struct net_connect *request)
{
	union sockaddr_any to;
	socklen_t len = to_sockaddr(&request->to, &to);
	bool v6 = to.sa.sa_family == AF_INET6;
	int fd = socket(
	    to.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	if (set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) == 0 &&
	    (request->source == NET_SOURCE_GATE ||
		bind_source(fd, request, v6) == 0) &&
	    (connect(fd, &to.sa, len) == 0 || errno == EINPROGRESS))
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

int
net_connect(struct net_connect *request)
{
	int fd;

	request->port_taken = false;
	fd = try_connect(request);
	if (fd != -1 || request->source != NET_SOURCE_CLIENT_PORT ||
	    request->port_taken ||
	    (errno != EADDRNOTAVAIL && errno != EADDRINUSE))
		return fd;
	/* The very four-tuple is in use: it was bound, but not connected. */
	request->source = NET_SOURCE_CLIENT;
	fd = try_connect(request);
	request->source = NET_SOURCE_CLIENT_PORT;
	request->port_taken = true;
	return fd;
}

int
net_is_connected(int fd)
{
	union sockaddr_any peer;
	socklen_t len = sizeof(peer);
	int error = 0;
	socklen_t error_len = sizeof(error);

	if (getpeername(fd, &peer.sa, &len) == 0)
		return 1;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) == -1)
		return -1;
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}
