/*
 * Start-up.  See start.h.  Each failure names the mend.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/start.h"

#include "base/log.h"
#include "net/privilege.h"
#include "net/socket.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	RING_SIZE = 4 * 1024 * 1024,
	FIRST_UNPRIVILEGED_PORT = 1024,
	SPARE_DESCRIPTORS = 64
};

unsigned
start_needs(const struct config *config)
{
	unsigned needs = 0;

	for (unsigned i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];
		if (listener->mode != CONFIG_EXPLICIT)
			needs |= NET_NEEDS_ADMIN;
		if (listener->mode == CONFIG_TPROXY)
			needs |= NET_NEEDS_RAW;
		for (unsigned b = 0; b < listener->bind_count; b++)
			if (listener->bind[b].port < FIRST_UNPRIVILEGED_PORT)
				needs |= NET_NEEDS_BIND;
	}
	return needs;
}

static bool
find_user(struct start *start)
{
	const struct passwd *user;

	start->uid = geteuid();
	start->gid = getegid();
	if (geteuid() != 0 || start->config->user == NULL)
		return true;
	user = getpwnam(start->config->user);
	if (user == NULL) {
		log_error("there is no user `%s` to run as; create it (useradd "
			  "--system --no-create-home %s) or name another with "
			  "`user:`",
		    start->config->user, start->config->user);
		return false;
	}
	start->uid = user->pw_uid;
	start->gid = user->pw_gid;
	return true;
}

static bool
check_capabilities(const struct start *start)
{
	const char *missing =
	    net_missing_capability(start_needs(start->config));

	if (missing == NULL)
		return true;
	log_error("this configuration needs the capability %s; run as root, or "
		  "by the systemd unit, which grants it (a listener with "
		  "`mode: explicit` on a port from 1024 needs none)",
	    missing);
	return false;
}

static void
raise_descriptors(const struct config *config)
{
	struct rlimit limit;
	/* Two a session, shared among the workers. */
	rlim_t wanted = 2 * (rlim_t)config->sessions_max / config->workers +
			SPARE_DESCRIPTORS;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur < wanted)
		log_warn("%llu descriptors a process are not enough for "
			 "limits.sessions %u with %u workers (needs %llu): "
			 "raise LimitNOFILE= or lower the limit",
		    (unsigned long long)limit.rlim_cur, config->sessions_max,
		    config->workers, (unsigned long long)wanted);
}

/* --- listening ------------------------------------------------------------------------ */

static void
explain_listen(const struct config_listener *listener,
    const struct endpoint *endpoint, int error)
{
	char text[ENDPOINT_TEXT];
	const char *mend = "";

	if (error == EADDRINUSE)
		mend = "; another program listens there (see `ss -ltnp`), or "
		       "choose another place with `bind:`";
	else if (error == EADDRNOTAVAIL)
		mend = "; this host does not have that address";
	else if (error == EACCES)
		mend = "; ports below 1024 need CAP_NET_BIND_SERVICE";
	log_error("listener `%s` cannot listen on %s: %s%s", listener->name,
	    endpoint_format(endpoint, text), strerror(error), mend);
}

static bool
open_listener(struct start *start, const struct config_listener *listener)
{
	unsigned before = start->socket_count;

	for (unsigned i = 0; i < listener->bind_count; i++) {
		const struct endpoint *bind = &listener->bind[i];
		int fd = net_listen(bind, listener->mode == CONFIG_TPROXY);
		/* A host without IPv6 still has the IPv4 default. */
		if (fd == -1 && errno == EAFNOSUPPORT &&
		    addr_is_any(&bind->addr) && listener->bind_count > 1)
			continue;
		if (fd == -1) {
			explain_listen(listener, bind, errno);
			return false;
		}
		start->sockets[start->socket_count++] =
		    (struct worker_socket){fd, *bind, listener};
	}
	if (start->socket_count == before)
		log_error(
		    "listener `%s` has nowhere to listen", listener->name);
	return start->socket_count > before;
}

static bool
open_listeners(struct start *start)
{
	const struct config *config = start->config;
	unsigned count = 0;

	for (unsigned i = 0; i < config->listener_count; i++)
		count += config->listeners[i].bind_count;
	start->sockets = calloc(count, sizeof(struct worker_socket));
	if (start->sockets == NULL)
		log_fatal("no memory while starting");
	for (unsigned i = 0; i < config->listener_count; i++)
		if (!open_listener(start, &config->listeners[i]))
			return false;
	return true;
}

/* --- log ------------------------------------------------------------------------------- */

static bool
open_sinks(struct start *start)
{
	const struct config *config = start->config;

	start->sinks = calloc(config->sink_count, sizeof(struct logger_sink));
	if (start->sinks == NULL)
		log_fatal("no memory while starting");
	for (unsigned i = 0; i < config->sink_count; i++) {
		struct logger_sink *sink = &start->sinks[i];
		sink->path = config->sinks[i].path;
		sink->fd = -1;
		if (logger_open_sink(sink) == -1) {
			log_error("the log %s cannot be opened: %s; its folder "
				  "must exist and be writable by the gate's "
				  "user",
			    sink->path, strerror(errno));
			return false;
		}
		/* It is opened anew after a rotation by who we become. */
		if (sink->path != NULL && geteuid() == 0 &&
		    fchown(sink->fd, start->uid, start->gid) == -1)
			log_warn("the log %s stays root's: %s while giving it "
				 "to the gate's user",
			    sink->path, strerror(errno));
	}
	return true;
}

static bool
open_rings(struct start *start)
{
	start->ring_count = start->config->workers + 1;
	start->rings = calloc(start->ring_count, sizeof(struct ring *));
	start->shared = shared_new();
	if (start->rings == NULL || start->shared == NULL)
		log_fatal("no memory while starting");
	for (unsigned i = 0; i < start->ring_count; i++) {
		start->rings[i] = ring_open(RING_SIZE);
		if (start->rings[i] == NULL) {
			log_error("no memory for the log's rings: %s",
			    strerror(errno));
			return false;
		}
	}
	/* Until the logger has found out otherwise. */
	atomic_store(&start->shared->log.writable, true);
	return true;
}

bool
start_open(struct start *start, const struct config *config)
{
	*start = (struct start){.config = config};
	raise_descriptors(config);
	return find_user(start) && check_capabilities(start) &&
	       open_listeners(start) && open_sinks(start) && open_rings(start);
}

void
start_stop_listening(struct start *start)
{
	for (unsigned i = 0; i < start->socket_count; i++)
		close(start->sockets[i].fd);
	start->socket_count = 0;
}

void
start_close(struct start *start)
{
	start_stop_listening(start);
	free(start->sockets);
	for (unsigned i = 0;
	     start->sinks != NULL && i < start->config->sink_count; i++)
		if (start->sinks[i].path != NULL && start->sinks[i].fd != -1)
			close(start->sinks[i].fd);
	free(start->sinks);
	for (unsigned i = 0; start->rings != NULL && i < start->ring_count; i++)
		ring_close(&start->rings[i]);
	free(start->rings);
}
