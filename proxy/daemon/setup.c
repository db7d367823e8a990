/*
 * What a configuration has open.  See setup.h.  Each failure names the mend.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/setup.h"

#include "base/log.h"
#include "net/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const struct setup nothing;

/* --- listening ------------------------------------------------------------------------ */

static bool
is_transparent(const struct config_listener *listener)
{
	return listener->mode == CONFIG_TPROXY;
}

/* The socket that listens there already, or NULL. */
static const struct worker_socket *
find_socket(const struct setup *setup, const struct endpoint *at)
{
	for (unsigned i = 0; i < setup->socket_count; i++) {
		const struct worker_socket *socket = &setup->sockets[i];
		if (socket->bound.port == at->port &&
		    addr_eq(&socket->bound.addr, &at->addr))
			return socket;
	}
	return NULL;
}

/* Whether it is we who stand in the way: all addresses of a port, and one of
 * them, exclude each other. */
static bool
is_ours(const struct setup *before, const struct endpoint *at)
{
	for (unsigned i = 0; i < before->socket_count; i++) {
		const struct endpoint *bound = &before->sockets[i].bound;
		if (bound->port == at->port &&
		    bound->addr.family == at->addr.family &&
		    (addr_is_any(&bound->addr) || addr_is_any(&at->addr)))
			return true;
	}
	return false;
}

static void
explain_listen(const struct config_listener *listener,
    const struct endpoint *endpoint, const struct setup *before, int error)
{
	char text[ENDPOINT_TEXT];
	const char *mend = "";

	if (error == EADDRINUSE && is_ours(before, endpoint))
		mend = "; the gate itself listens on that port until the "
		       "reload is done: restart, or choose another port with "
		       "`bind:`";
	else if (error == EADDRINUSE)
		mend = "; another program listens there (see `ss -ltnp`), or "
		       "choose another place with `bind:`";
	else if (error == EADDRNOTAVAIL)
		mend = "; this host does not have that address";
	else if (error == EACCES)
		mend = "; ports below 1024 need CAP_NET_BIND_SERVICE";
	log_error("listener `%s` cannot listen on %s: %s%s", listener->name,
	    endpoint_format(endpoint, text), strerror(error), mend);
}

/* -1, logged; -2: this host does not have the family, which is no matter. */
static int
listen_on(const struct config_listener *listener, const struct endpoint *bind,
    const struct setup *before)
{
	const struct worker_socket *there = find_socket(before, bind);
	char text[ENDPOINT_TEXT];

	if (there != NULL &&
	    is_transparent(there->listener) == is_transparent(listener))
		return there->fd;
	if (there != NULL) {
		log_error("listener `%s`: the socket on %s cannot go from or "
			  "to `mode: tproxy` while it is open: restart, or "
			  "choose another port with `bind:`",
		    listener->name, endpoint_format(bind, text));
		return -1;
	}
	int fd = net_listen(bind, is_transparent(listener));
	/* A host without IPv6 still has the IPv4 default. */
	if (fd == -1 && errno == EAFNOSUPPORT && addr_is_any(&bind->addr) &&
	    listener->bind_count > 1)
		return -2;
	if (fd == -1)
		explain_listen(listener, bind, before, errno);
	return fd;
}

static bool
open_listener(struct setup *setup, const struct config_listener *listener,
    const struct setup *before)
{
	unsigned count = setup->socket_count;

	for (unsigned i = 0; i < listener->bind_count; i++) {
		int fd = listen_on(listener, &listener->bind[i], before);
		if (fd == -1)
			return false;
		if (fd >= 0)
			setup->sockets[setup->socket_count++] =
			    (struct worker_socket){
				fd, listener->bind[i], listener};
	}
	if (setup->socket_count == count)
		log_error(
		    "listener `%s` has nowhere to listen", listener->name);
	return setup->socket_count > count;
}

static bool
open_listeners(struct setup *setup, const struct setup *before)
{
	const struct config *config = setup->config;
	unsigned count = 0;

	for (unsigned i = 0; i < config->listener_count; i++)
		count += config->listeners[i].bind_count;
	setup->sockets = calloc(count, sizeof(struct worker_socket));
	if (setup->sockets == NULL)
		log_fatal("no memory for listening sockets");
	for (unsigned i = 0; i < config->listener_count; i++)
		if (!open_listener(setup, &config->listeners[i], before))
			return false;
	return true;
}

/* --- log ------------------------------------------------------------------------------- */

/* The descriptor that the path has already, or -1. */
static int
find_sink(const struct setup *setup, const char *path)
{
	for (unsigned i = 0; i < setup->sink_count; i++)
		if (setup->sinks[i].path != NULL && path != NULL &&
		    slice_eq(slice_str(setup->sinks[i].path), slice_str(path)))
			return setup->sinks[i].fd;
	return -1;
}

/* A file that is open already is opened anew, since it may have been rotated;
 * where that fails the old descriptor does. */
static bool
open_sink(struct logger_sink *sink, const struct setup *before,
    const struct start *start)
{
	if (logger_open_sink(sink) == -1) {
		sink->fd = find_sink(before, sink->path);
		if (sink->fd != -1)
			return true;
		log_error("the log %s cannot be opened: %s; its folder must "
			  "exist and be writable by the gate's user",
		    sink->path, strerror(errno));
		return false;
	}
	/* It is opened anew after a rotation by who we become. */
	if (sink->path != NULL && geteuid() == 0 &&
	    fchown(sink->fd, start->uid, start->gid) == -1)
		log_warn("the log %s stays root's: %s while giving it to the "
			 "gate's user",
		    sink->path, strerror(errno));
	return true;
}

static bool
open_sinks(
    struct setup *setup, const struct setup *before, const struct start *start)
{
	const struct config *config = setup->config;

	setup->sinks = calloc(config->sink_count, sizeof(struct logger_sink));
	if (setup->sinks == NULL)
		log_fatal("no memory for the log");
	for (unsigned i = 0; i < config->sink_count; i++) {
		struct logger_sink *sink = &setup->sinks[i];
		*sink = (struct logger_sink){config->sinks[i].path, -1};
		if (!open_sink(sink, before, start))
			return false;
		setup->sink_count++;
	}
	return true;
}

/* --- keys ------------------------------------------------------------------------------ */

static bool
open_keys(struct setup *setup, const struct start *start)
{
	struct keys_error error;

	if (!keys_are_named(setup->config))
		return true;
	/* Without root there is nobody else than who the workers are. */
	setup->keys = keys_load(setup->config,
	    start->as_root ? start->uid : KEYS_NOBODY, start->gid, &error);
	if (setup->keys == NULL)
		log_error("certificates and keys: %s", error.text);
	return setup->keys != NULL;
}

/* --- both ------------------------------------------------------------------------------ */

static bool
has_descriptor(const struct setup *setup, int fd)
{
	for (unsigned i = 0; i < setup->socket_count; i++)
		if (setup->sockets[i].fd == fd)
			return true;
	for (unsigned i = 0; i < setup->sink_count; i++)
		if (setup->sinks[i].fd == fd)
			return true;
	return false;
}

bool
setup_open(struct setup *setup, struct config *config,
    const struct setup *before, const struct start *start)
{
	if (before == NULL)
		before = &nothing;
	*setup = (struct setup){.config = config};
	if (open_listeners(setup, before) && open_sinks(setup, before, start) &&
	    open_keys(setup, start))
		return true;
	setup->config = NULL;
	setup_close(setup, before);
	return false;
}

void
setup_stop_listening(struct setup *setup)
{
	for (unsigned i = 0; i < setup->socket_count; i++)
		close(setup->sockets[i].fd);
	setup->socket_count = 0;
}

void
setup_close(struct setup *setup, const struct setup *heir)
{
	if (heir == NULL)
		heir = &nothing;
	for (unsigned i = 0; i < setup->socket_count; i++)
		if (!has_descriptor(heir, setup->sockets[i].fd))
			close(setup->sockets[i].fd);
	for (unsigned i = 0; i < setup->sink_count; i++)
		if (setup->sinks[i].path != NULL &&
		    !has_descriptor(heir, setup->sinks[i].fd))
			close(setup->sinks[i].fd);
	free(setup->sockets);
	free(setup->sinks);
	keys_free(&setup->keys);
	config_free(&setup->config);
	*setup = (struct setup){0};
}
