/*
 * The monitor: starts the others, respawns what dies, keeps the kernel's
 * rules in place.  It never reads a byte that a client or a server sent.  A
 * plain poll loop: it is the privileged one, and should be boring.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/monitor.h"

#include "audit/record.h"
#include "base/log.h"
#include "daemon/children.h"
#include "daemon/daemon.h"
#include "daemon/reload.h"
#include "net/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	/* Signals, the kernel, bans, and generations that come to a stop. */
	WATCHED_MAX = 3 + SHARED_WORKERS_MAX,
	/* Bans in one turn, and how often the log tells of one. */
	BAN_BATCH = 64,
	BAN_SAY_MS = 1000
};

uint64_t
monitor_now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- the end ---------------------------------------------------------------------------- */

static void
drain(struct monitor *monitor)
{
	unsigned sessions = shared_sessions(monitor->start.shared);

	if (monitor->draining) {
		log_notice("ending now; sessions that are cut: %u", sessions);
		monitor->forced = true;
		children_kill_all(monitor);
		return;
	}
	monitor->draining = true;
	setup_stop_listening(&monitor->setup);
	if (sessions == 0)
		log_notice("ending");
	else
		log_notice("ending; open sessions, which may finish: %u; "
			   "the signal once more cuts them",
		    sessions);
	children_order_all(monitor, WORKER_DRAIN);
}

static void
stop(struct monitor *monitor)
{
	if (monitor->kernel != NULL)
		log_notice("%s", kernel_promise(monitor->kernel));
	kernel_close(&monitor->kernel);
	log_set_hook(NULL, NULL);
	children_stop_logger(monitor);
	close(monitor->signal_fd);
	close(monitor->bans[0]);
	close(monitor->bans[1]);
	while (monitor->newest != NULL) {
		struct generation *one = monitor->newest;
		monitor->newest = one->before;
		generation_free(&one);
	}
}

/* --- events ------------------------------------------------------------------------------ */

static void
on_signal(struct monitor *monitor)
{
	struct signalfd_siginfo info;

	while (read(monitor->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			children_reap(monitor);
			break;
		case SIGTERM:
		case SIGINT:
			drain(monitor);
			break;
		case SIGUSR1:
			if (monitor->logger.pid != 0)
				kill(monitor->logger.pid, SIGUSR1);
			break;
		case SIGHUP:
			reload(monitor);
			break;
		default:
			log_error("signal %u: upgrade is not built in this "
				  "version; nothing was changed",
			    info.ssi_signo);
			break;
		}
	}
}

static int
open_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* --- bans ---------------------------------------------------------------------------- */

static void
say_ban(
    struct monitor *monitor, const struct ban_request *request, uint64_t now_ms)
{
	char text[ADDR_TEXT];

	if (now_ms - monitor->ban_said_ms < BAN_SAY_MS) {
		monitor->ban_unsaid++;
		return;
	}
	addr_format(&request->client, text);
	if (monitor->ban_unsaid > 0)
		log_notice("%s%s is kept away for %u s; and so are, since the "
			   "last such line: %u",
		    text, request->client.family == 6 ? " (its /64)" : "",
		    request->seconds, monitor->ban_unsaid);
	else
		log_notice("%s%s is kept away for %u s", text,
		    request->client.family == 6 ? " (its /64)" : "",
		    request->seconds);
	monitor->ban_said_ms = now_ms;
	monitor->ban_unsaid = 0;
}

/* What workers ask is checked, then done. */
static void
take_bans(struct monitor *monitor)
{
	const struct config *config = monitor->setup.config;
	struct ban_request request;
	uint64_t now_ms = monitor_now_ms(CLOCK_MONOTONIC);

	for (unsigned i = 0;
	     i < BAN_BATCH && bans_take(monitor->bans[0], &request); i++) {
		if (!bans_may(&request.client, config->never_ban,
			config->never_ban_count))
			continue;
		bans_add(&monitor->start.shared->bans, &request.client,
		    now_ms + request.seconds * UINT64_C(1000));
		if (monitor->kernel != NULL)
			kernel_ban(monitor->kernel, &request.client,
			    request.seconds * UINT64_C(1000));
		say_ban(monitor, &request, now_ms);
	}
}

static void
put_ban(void *arg, const struct addr *key, uint64_t left_ms)
{
	kernel_ban(arg, key, left_ms);
}

/* A table that was made anew knows nobody. */
static void
restore_bans(struct monitor *monitor)
{
	if (monitor->kernel != NULL && kernel_lost_bans(monitor->kernel))
		bans_each(&monitor->start.shared->bans,
		    monitor_now_ms(CLOCK_MONOTONIC), put_ban, monitor->kernel);
}

static void
on_log_line(enum log_level level, const char *text, void *arg)
{
	static const char *const names[] = {
	    "debug", "info", "notice", "warning", "error"};
	struct monitor *monitor = arg;
	struct buf line;

	if (!monitor->setup.config->log_daemon_events)
		return;
	buf_init(&line, 8192);
	if (record_write_daemon(slice_str(monitor->setup.config->node),
		monitor_now_ms(CLOCK_REALTIME) * 1000, names[level], "monitor",
		text, ++monitor->seq, &line))
		ring_put(monitor->start.rings[0], buf_slice(&line));
	buf_fini(&line);
}

/* What the monitor sleeps for. */
static unsigned
watched(const struct monitor *monitor, struct pollfd *fds)
{
	unsigned count = 0;

	fds[count++] =
	    (struct pollfd){.fd = monitor->signal_fd, .events = POLLIN};
	fds[count++] = (struct pollfd){
	    .fd =
		monitor->kernel == NULL ? -1 : kernel_watch_fd(monitor->kernel),
	    .events = POLLIN};
	fds[count++] =
	    (struct pollfd){.fd = monitor->bans[0], .events = POLLIN};
	for (const struct generation *one = monitor->newest->before;
	     one != NULL && count < WATCHED_MAX; one = one->before)
		if (!one->has_stopped)
			fds[count++] = (struct pollfd){.fd = one->watch_fd};
	return count;
}

/* Milliseconds to the next time. */
static int
rotate_tickets(struct monitor *monitor)
{
	uint64_t now_ms = monitor_now_ms(CLOCK_MONOTONIC);

	if (now_ms >= monitor->tickets_due_ms) {
		if (monitor->tickets_due_ms != 0 &&
		    !tls_tickets_rotate(monitor->start.tickets))
			log_error("the key of session tickets stays as it is: "
				  "no randomness");
		monitor->tickets_due_ms =
		    now_ms + TLS_TICKETS_ROTATE_S * UINT64_C(1000);
	}
	return (int)(monitor->tickets_due_ms - now_ms);
}

/* -1: never. */
static int
sooner(int a, int b)
{
	return a == -1 || b < a ? b : a;
}

static void
serve(struct monitor *monitor)
{
	struct pollfd fds[WATCHED_MAX];

	while (!monitor->draining || children_workers(monitor) > 0) {
		int wait =
		    sooner(children_respawn(monitor), rotate_tickets(monitor));
		children_retire_older(monitor);
		unsigned count = watched(monitor, fds);
		if (poll(fds, count, wait) == -1) {
			if (errno != EINTR)
				log_fatal("poll: %s", strerror(errno));
			continue;
		}
		/* What stopped is told of before those who did are reaped. */
		children_settle(monitor);
		if ((fds[0].revents & POLLIN) != 0)
			on_signal(monitor);
		if (fds[1].revents != 0 && monitor->kernel != NULL)
			kernel_mend(monitor->kernel);
		if ((fds[2].revents & POLLIN) != 0)
			take_bans(monitor);
		restore_bans(monitor);
		children_settle(monitor);
	}
}

static bool
set_up(struct monitor *monitor, struct config *config)
{
	unsigned keeps = NET_NEEDS_ADMIN | NET_NEEDS_RAW | NET_NEEDS_BIND |
			 (keys_are_named(config) ? NET_NEEDS_READ : 0);
	struct start *start = &monitor->start;

	if (!start_open(start, config) ||
	    !setup_open(&monitor->setup, config, NULL, start)) {
		config_free(&config);
		return false;
	}
	monitor->newest = generation_new(NULL);
	if (monitor->newest == NULL ||
	    pipe2(monitor->log_stop, O_CLOEXEC) == -1 ||
	    !bans_open_channel(monitor->bans) ||
	    (monitor->signal_fd = open_signals()) == -1) {
		log_error("cannot start: %s", strerror(errno));
		return false;
	}
	/* From here on as little as can be: what follows needs no root. */
	if (net_drop_privileges(start->uid, start->gid, keeps) == -1) {
		log_error("privileges cannot be dropped: %s", strerror(errno));
		return false;
	}
	reload_warn_unreadable(monitor);
	children_take_slots(monitor, monitor->newest, config->workers);
	return kernel_change(&monitor->kernel, config, start->uid);
}

int
daemon_run(const char *path, struct config *config)
{
	struct monitor monitor = {.path = path,
	    .log_stop = {-1, -1},
	    .signal_fd = -1,
	    .bans = {-1, -1}};

	children_init(&monitor);
	log_set_role("monitor");
	if (!set_up(&monitor, config)) {
		generation_free(&monitor.newest);
		setup_close(&monitor.setup, NULL);
		start_close(&monitor.start);
		return 1;
	}
	log_set_hook(on_log_line, &monitor);
	children_respawn(&monitor);
	log_notice("ready: listening sockets: %u, workers: %u%s%s",
	    monitor.setup.socket_count, config->workers,
	    monitor.kernel == NULL ? "" : "; ",
	    monitor.kernel == NULL ? "" : kernel_promise(monitor.kernel));
	serve(&monitor);
	stop(&monitor);
	setup_close(&monitor.setup, NULL);
	start_close(&monitor.start);
	return 0;
}
