/*
 * The monitor: starts the others, respawns what dies, keeps the kernel's
 * rules in place.  It never reads a byte that a client or a server sent.  A
 * plain poll loop: it is the privileged one, and should be boring.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/kernel.h"
#include "daemon/start.h"
#include "net/privilege.h"

#include "audit/record.h"

#include <stdio.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	/* A worker that dies at once is not started again at once. */
	RESPAWN_MIN_MS = 100,
	RESPAWN_MAX_MS = 10000,
	STEADY_MS = 30000
};

struct child {
	pid_t pid;      /* 0: not running */
	int control_fd; /* our end; -1 */
	uint64_t started_ms;
	uint64_t respawn_ms; /* when to start it again */
	uint32_t delay_ms;
};

struct monitor {
	const struct config *config;
	struct start start;
	struct kernel *kernel;
	struct child workers[SHARED_WORKERS_MAX];
	struct child logger;
	int log_stop[2]; /* the logger ends when every copy of [1] is closed */
	int signal_fd;
	unsigned spawned;
	uint64_t seq;
	bool draining, forced;
};

static uint64_t
now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- children --------------------------------------------------------------------------- */

/* In a child: what is the monitor's alone goes. */
static void
leave_monitor(struct monitor *monitor, const char *role, unsigned keeps)
{
	sigset_t none;

	log_set_hook(NULL, NULL);
	log_set_role(role);
	kernel_forget(&monitor->kernel);
	close(monitor->signal_fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (unsigned i = 0; i < monitor->config->workers; i++)
		if (monitor->workers[i].control_fd != -1)
			close(monitor->workers[i].control_fd);
	if (net_drop_privileges(
		monitor->start.uid, monitor->start.gid, keeps) == -1)
		log_fatal("privileges cannot be dropped: %s", strerror(errno));
}

static int
run_logger(struct monitor *monitor)
{
	const struct start *start = &monitor->start;
	struct logger logger = {.sinks = start->sinks,
	    .sink_count = monitor->config->sink_count,
	    .rings = start->rings,
	    .ring_count = start->ring_count,
	    .state = &start->shared->log,
	    .stop_fd = monitor->log_stop[0],
	    .hand_over_fd = -1};

	leave_monitor(monitor, "logger", 0);
	close(monitor->log_stop[1]);
	for (unsigned i = 0; i < start->socket_count; i++)
		close(start->sockets[i].fd);
	return logger_run(&logger);
}

static void
spawn_logger(struct monitor *monitor)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(run_logger(monitor));
	if (pid == -1)
		log_error("no logger: %s while forking", strerror(errno));
	monitor->logger.pid = pid == -1 ? 0 : pid;
	monitor->logger.started_ms = now_ms(CLOCK_MONOTONIC);
}

static int
run_worker(struct monitor *monitor, unsigned slot, int control_fd)
{
	const struct start *start = &monitor->start;
	char role[16];
	struct worker worker = {.config = monitor->config,
	    .sockets = start->sockets,
	    .socket_count = start->socket_count,
	    .ring = start->rings[slot + 1],
	    .shared = start->shared,
	    .slot = slot,
	    .lane = monitor->spawned,
	    .control_fd = control_fd};

	snprintf(role, sizeof(role), "worker %u", slot + 1);
	leave_monitor(monitor, role, NET_NEEDS_RAW);
	/* log_stop[1] stays: the logger must outlive the last session. */
	close(monitor->log_stop[0]);
	for (unsigned i = 0; i < monitor->config->sink_count; i++)
		if (start->sinks[i].path != NULL)
			close(start->sinks[i].fd);
	return worker_run(&worker);
}

static void
spawn_worker(struct monitor *monitor, unsigned slot)
{
	struct child *child = &monitor->workers[slot];
	int control[2];

	child->started_ms = now_ms(CLOCK_MONOTONIC);
	if (pipe2(control, O_CLOEXEC) == -1) {
		log_error("no worker: %s while making a pipe", strerror(errno));
		return;
	}
	/* References are unique by the time, and by this within one. */
	monitor->spawned = (monitor->spawned + 1) & 0xfff;
	pid_t pid = fork();
	if (pid == 0) {
		close(control[1]);
		_exit(run_worker(monitor, slot, control[0]));
	}
	close(control[0]);
	if (pid == -1) {
		log_error("no worker: %s while forking", strerror(errno));
		close(control[1]);
		return;
	}
	child->pid = pid;
	child->control_fd = control[1];
}

static void
plan_respawn(struct child *child)
{
	uint64_t now = now_ms(CLOCK_MONOTONIC);

	if (now - child->started_ms > STEADY_MS)
		child->delay_ms = 0;
	child->respawn_ms = now + child->delay_ms;
	child->delay_ms =
	    child->delay_ms == 0 ? RESPAWN_MIN_MS : child->delay_ms * 2;
	if (child->delay_ms > RESPAWN_MAX_MS)
		child->delay_ms = RESPAWN_MAX_MS;
}

static void
describe(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		snprintf(out, size, "with status %d", WEXITSTATUS(status));
}

static void
worker_ended(struct monitor *monitor, unsigned slot, int status)
{
	struct child *child = &monitor->workers[slot];
	char how[64];

	child->pid = 0;
	close(child->control_fd);
	child->control_fd = -1;
	unsigned sessions = shared_forget_worker(monitor->start.shared, slot);
	if (monitor->draining)
		return;
	describe(status, how, sizeof(how));
	log_error("worker %u ended %s; sessions lost: %u; another takes its "
		  "place",
	    slot + 1, how, sessions);
	plan_respawn(child);
}

static void
reap(struct monitor *monitor)
{
	int status;
	pid_t pid;
	char how[64];

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < monitor->config->workers; i++)
			if (monitor->workers[i].pid == pid)
				worker_ended(monitor, i, status);
		if (pid != monitor->logger.pid)
			continue;
		monitor->logger.pid = 0;
		describe(status, how, sizeof(how));
		log_error("the logger ended %s; another takes its place", how);
		plan_respawn(&monitor->logger);
	}
}

/* Starts what is due; returns how long to wait for the next, or -1. */
static int
respawn(struct monitor *monitor)
{
	uint64_t now = now_ms(CLOCK_MONOTONIC);
	int wait = -1;

	for (unsigned i = 0; i <= monitor->config->workers; i++) {
		bool logger = i == monitor->config->workers;
		struct child *child =
		    logger ? &monitor->logger : &monitor->workers[i];
		if (child->pid != 0 || (monitor->draining && !logger))
			continue;
		if (child->respawn_ms <= now) {
			if (logger)
				spawn_logger(monitor);
			else
				spawn_worker(monitor, i);
			continue;
		}
		int due = (int)(child->respawn_ms - now);
		if (wait == -1 || due < wait)
			wait = due;
	}
	return wait;
}

/* --- the end ---------------------------------------------------------------------------- */

static unsigned
workers_alive(const struct monitor *monitor)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < monitor->config->workers; i++)
		alive += monitor->workers[i].pid != 0;
	return alive;
}

static void
drain(struct monitor *monitor)
{
	unsigned sessions =
	    shared_sessions(monitor->start.shared, monitor->config->workers);

	if (monitor->draining) {
		log_notice("ending now; sessions that are cut: %u", sessions);
		monitor->forced = true;
		for (unsigned i = 0; i < monitor->config->workers; i++)
			if (monitor->workers[i].pid != 0)
				kill(monitor->workers[i].pid, SIGKILL);
		return;
	}
	monitor->draining = true;
	start_stop_listening(&monitor->start);
	if (sessions == 0)
		log_notice("ending");
	else
		log_notice("ending; open sessions, which may finish: %u; "
			   "the signal once more cuts them",
		    sessions);
	for (unsigned i = 0; i < monitor->config->workers; i++)
		if (monitor->workers[i].pid != 0 &&
		    write(monitor->workers[i].control_fd, "d", 1) == -1)
			kill(monitor->workers[i].pid, SIGKILL);
}

static void
stop(struct monitor *monitor)
{
	if (monitor->kernel != NULL)
		log_notice("%s", kernel_promise(monitor->kernel));
	kernel_close(&monitor->kernel);
	log_set_hook(NULL, NULL);
	close(monitor->log_stop[1]);
	if (monitor->logger.pid != 0)
		waitpid(monitor->logger.pid, NULL, 0);
	close(monitor->log_stop[0]);
	close(monitor->signal_fd);
}

/* --- events ------------------------------------------------------------------------------ */

static void
on_signal(struct monitor *monitor)
{
	struct signalfd_siginfo info;

	while (read(monitor->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(monitor);
			break;
		case SIGTERM:
		case SIGINT:
			drain(monitor);
			break;
		case SIGUSR1:
			if (monitor->logger.pid != 0)
				kill(monitor->logger.pid, SIGUSR1);
			break;
		default:
			log_error("signal %u: reload and upgrade are not built "
				  "in this version; nothing was changed",
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

static void
on_log_line(enum log_level level, const char *text, void *arg)
{
	static const char *const names[] = {
	    "debug", "info", "notice", "warning", "error"};
	struct monitor *monitor = arg;
	struct buf line;

	if (!monitor->config->log_daemon_events)
		return;
	buf_init(&line, 8192);
	if (record_write_daemon(slice_str(monitor->config->node),
		now_ms(CLOCK_REALTIME) * 1000, names[level], "monitor", text,
		++monitor->seq, &line))
		ring_put(monitor->start.rings[0], buf_slice(&line));
	buf_fini(&line);
}

static void
serve(struct monitor *monitor)
{
	struct pollfd fds[2] = {{.fd = monitor->signal_fd, .events = POLLIN},
	    {.fd = -1, .events = POLLIN}};

	while (!monitor->draining || workers_alive(monitor) > 0) {
		int wait = respawn(monitor);
		if (monitor->kernel != NULL)
			fds[1].fd = kernel_watch_fd(monitor->kernel);
		if (poll(fds, 2, wait) == -1 && errno != EINTR)
			log_fatal("poll: %s", strerror(errno));
		if ((fds[0].revents & POLLIN) != 0)
			on_signal(monitor);
		if (fds[1].revents != 0 && monitor->kernel != NULL)
			kernel_mend(monitor->kernel);
	}
}

static bool
set_up(struct monitor *monitor)
{
	unsigned keeps = NET_NEEDS_ADMIN | NET_NEEDS_RAW | NET_NEEDS_BIND;

	if (!start_open(&monitor->start, monitor->config))
		return false;
	if (pipe2(monitor->log_stop, O_CLOEXEC) == -1 ||
	    (monitor->signal_fd = open_signals()) == -1) {
		log_error("cannot start: %s", strerror(errno));
		return false;
	}
	/* From here on as little as can be: what follows needs no root. */
	if (net_drop_privileges(
		monitor->start.uid, monitor->start.gid, keeps) == -1) {
		log_error("privileges cannot be dropped: %s", strerror(errno));
		return false;
	}
	if (kernel_is_needed(monitor->config)) {
		monitor->kernel =
		    kernel_open(monitor->config, monitor->start.uid);
		if (monitor->kernel == NULL)
			return false;
	}
	return true;
}

int
daemon_run(const struct config *config)
{
	struct monitor monitor = {
	    .config = config, .log_stop = {-1, -1}, .signal_fd = -1};

	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
		monitor.workers[i].control_fd = -1;
	log_set_role("monitor");
	if (!set_up(&monitor)) {
		start_close(&monitor.start);
		return 1;
	}
	log_set_hook(on_log_line, &monitor);
	respawn(&monitor);
	log_notice("ready: listening sockets: %u, workers: %u%s%s",
	    monitor.start.socket_count, config->workers,
	    monitor.kernel == NULL ? "" : "; ",
	    monitor.kernel == NULL ? "" : kernel_promise(monitor.kernel));
	serve(&monitor);
	stop(&monitor);
	start_close(&monitor.start);
	return 0;
}
