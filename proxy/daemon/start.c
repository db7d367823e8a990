/*
 * Start-up.  See start.h.  Each failure names the mend.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/start.h"

#include "base/arena.h"
#include "base/log.h"
#include "net/privilege.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	RING_SIZE = 4 * 1024 * 1024,
	/* Address space for the open records of a worker: 2 KiB an idle one, 300
	 * at the most; memory is taken as it is touched. */
	ARENA_SIZE = 512 * 1024 * 1024,
	FIRST_UNPRIVILEGED_PORT = 1024,
	SPARE_DESCRIPTORS = 64
};

_Static_assert((int)LOGGER_RINGS_MAX > (int)SHARED_WORKERS_MAX,
    "the logger reads a ring of each slot and the monitor's");

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
find_user(struct start *start, const struct config *config)
{
	const struct passwd *user;

	start->uid = geteuid();
	start->gid = getegid();
	start->as_root = geteuid() == 0;
	if (!start->as_root || config->user == NULL)
		return true;
	start->user = slice_dup(slice_str(config->user));
	user = getpwnam(start->user);
	if (user == NULL) {
		log_error("there is no user `%s` to run as; create it (useradd "
			  "--system --no-create-home %s) or name another with "
			  "`user:`",
		    start->user, start->user);
		return false;
	}
	start->uid = user->pw_uid;
	start->gid = user->pw_gid;
	return true;
}

bool
start_check_capabilities(const struct config *config)
{
	const char *missing = net_missing_capability(start_needs(config));

	if (missing == NULL)
		return true;
	log_error("this configuration needs the capability %s; run as root, or "
		  "by the systemd unit, which grants it (a listener with "
		  "`mode: explicit` on a port from 1024 needs none)",
	    missing);
	return false;
}

void
start_raise_descriptors(const struct config *config)
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

/* --- shared memory ------------------------------------------------------------------------ */

bool
start_open_rings(struct start *start, unsigned slots)
{
	while (start->ring_count < slots + 1) {
		struct ring *ring = ring_open(RING_SIZE);
		struct arena *arena = arena_open(ARENA_SIZE);
		if (ring == NULL || arena == NULL) {
			log_error("no memory for the log's rings: %s",
			    strerror(errno));
			ring_close(&ring);
			arena_close(&arena);
			return false;
		}
		start->arenas[start->ring_count] = arena;
		start->rings[start->ring_count++] = ring;
	}
	return true;
}

static bool
open_shared(struct start *start, const struct config *config)
{
	start->rings = calloc(SHARED_WORKERS_MAX + 1, sizeof(struct ring *));
	start->shared = shared_new();
	start->arenas = calloc(SHARED_WORKERS_MAX + 1, sizeof(struct arena *));
	start->tickets = tls_tickets_open();
	if (start->rings == NULL || start->arenas == NULL ||
	    start->shared == NULL || start->tickets == NULL)
		log_fatal("no memory while starting");
	/* Until the logger has found out otherwise. */
	atomic_store(&start->shared->log.writable, true);
	return start_open_rings(start, config->workers);
}

bool
start_open(struct start *start, const struct config *config)
{
	*start = (struct start){0};
	start_raise_descriptors(config);
	return find_user(start, config) && start_check_capabilities(config) &&
	       open_shared(start, config);
}

void
start_close(struct start *start)
{
	for (unsigned i = 0; i < start->ring_count; i++)
		ring_close(&start->rings[i]);
	for (unsigned i = 0; i < start->ring_count; i++)
		arena_close(&start->arenas[i]);
	tls_tickets_close(&start->tickets);
	free(start->rings);
	free(start->arenas);
	free(start->user);
}
