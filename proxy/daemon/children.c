/*
 * The children.  See children.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/children.h"

#include "base/log.h"
#include "daemon/undertaker.h"
#include "net/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* A worker that dies at once is not started again at once. */
	RESPAWN_MIN_MS = 100,
	RESPAWN_MAX_MS = 10000,
	STEADY_MS = 30000
};

/* --- starting one ------------------------------------------------------- */

void
children_init(struct monitor *monitor)
{
	monitor->logger.control_fd = -1;
	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
		monitor->workers[i].control_fd = -1;
}

/* In a child: what is the monitor's alone, or another generation's, goes. */
static void
leave_monitor(struct monitor *monitor, const struct generation *own,
    const char *role, unsigned keeps)
{
	sigset_t none;

	log_set_hook(NULL, NULL);
	log_set_role(role);
	kernel_forget(&monitor->kernel);
	close(monitor->signal_fd);
	close(monitor->bans[0]);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
		if (monitor->workers[i].control_fd != -1)
			close(monitor->workers[i].control_fd);
	if (monitor->logger.control_fd != -1)
		close(monitor->logger.control_fd);
	generation_leave_all(monitor->newest, own);
	if (net_drop_privileges(
		monitor->start.uid, monitor->start.gid, keeps) == -1)
		log_fatal("privileges cannot be dropped: %s", strerror(errno));
}

/* Of a child that does not speak TLS. */
static void
leave_secrets(struct monitor *monitor)
{
	keys_free(&monitor->setup.keys);
	tls_tickets_close(&monitor->start.tickets);
}

static void
plan_respawn(struct child *child)
{
	uint64_t now = monitor_now_ms(CLOCK_MONOTONIC);

	if (now - child->started_ms > STEADY_MS)
		child->delay_ms = 0;
	child->respawn_ms = now + child->delay_ms;
	child->delay_ms =
	    child->delay_ms == 0 ? RESPAWN_MIN_MS : child->delay_ms * 2;
	if (child->delay_ms > RESPAWN_MAX_MS)
		child->delay_ms = RESPAWN_MAX_MS;
}

/* With a pipe that the monitor gives orders by.  0 in the child, which has the
 * reading end in `order_fd`; -1 where it failed, which is logged. */
static pid_t
fork_child(struct child *child, const char *what, int *order_fd)
{
	int control[2];

	child->started_ms = monitor_now_ms(CLOCK_MONOTONIC);
	if (pipe2(control, O_CLOEXEC) == -1) {
		log_error(
		    "no %s: %s while making a pipe", what, strerror(errno));
		plan_respawn(child);
		return -1;
	}
	pid_t pid = fork();
	if (pid == -1) {
		log_error("no %s: %s while forking", what, strerror(errno));
		plan_respawn(child);
		close(control[1]);
	} else if (pid > 0) {
		child->pid = pid;
		child->control_fd = control[1];
	} else {
		close(control[1]);
		*order_fd = control[0];
		return 0;
	}
	close(control[0]);
	return pid;
}

static void
child_ended(struct child *child)
{
	child->pid = 0;
	close(child->control_fd);
	child->control_fd = -1;
}

/* --- the logger ------------------------------------------------------------ */

static struct logger
make_logger(struct monitor *monitor, struct logger_sink *sinks, unsigned count)
{
	return (struct logger){.sinks = sinks,
	    .sink_count = count,
	    .rings = monitor->start.rings,
	    .ring_count = monitor->start.ring_count,
	    .state = &monitor->start.shared->log,
	    .stop_fd = monitor->log_stop[0],
	    .hand_over_fd = -1};
}

/* The next logger has the sinks of the newest configuration, and goes on in
 * each where the one before it was. */
static void
change_sinks(struct monitor *monitor)
{
	struct setup *setup = &monitor->setup;
	struct logger_sink old[LOGGER_SINKS_MAX];
	struct logger from = make_logger(monitor, old, monitor->logged_count);
	struct logger to =
	    make_logger(monitor, setup->sinks, setup->sink_count);

	for (unsigned i = 0; i < monitor->logged_count; i++)
		old[i] = (struct logger_sink){monitor->logged[i], -1};
	logger_change_sinks(&from, &to);
	for (unsigned i = 0; i < LOGGER_SINKS_MAX; i++) {
		const char *path =
		    i < setup->sink_count ? setup->sinks[i].path : NULL;
		free(monitor->logged[i]);
		monitor->logged[i] =
		    path == NULL ? NULL : slice_dup(slice_str(path));
	}
	monitor->logged_count = setup->sink_count;
}

static int
run_logger(struct monitor *monitor, int hand_over_fd)
{
	struct setup *setup = &monitor->setup;
	struct logger logger =
	    make_logger(monitor, setup->sinks, setup->sink_count);

	logger.hand_over_fd = hand_over_fd;
	leave_monitor(monitor, NULL, "logger", 0);
	leave_secrets(monitor);
	close(monitor->log_stop[1]);
	setup_stop_listening(setup);
	return logger_run(&logger);
}

static void
spawn_logger(struct monitor *monitor)
{
	int hand_over_fd;

	change_sinks(monitor);
	if (fork_child(&monitor->logger, "logger", &hand_over_fd) == 0)
		_exit(run_logger(monitor, hand_over_fd));
}

void
children_change_logger(struct monitor *monitor)
{
	/* One that makes room already, or does not run, is followed by one
	 * that has everything. */
	if (monitor->logger.pid != 0 && !monitor->handing_over)
		monitor->handing_over =
		    write(monitor->logger.control_fd, "h", 1) == 1;
}

/* --- workers --------------------------------------------------------------- */

static int
run_worker(struct monitor *monitor, unsigned slot, int control_fd)
{
	struct setup *setup = &monitor->setup;
	char role[16];
	struct worker worker = {.config = setup->config,
	    .keys = &setup->keys,
	    .tickets = monitor->start.tickets,
	    .sockets = setup->sockets,
	    .socket_count = setup->socket_count,
	    .ring = monitor->start.rings[slot + 1],
	    .arena = monitor->start.arenas[slot + 1],
	    .shared = monitor->start.shared,
	    .slot = slot,
	    .lane = monitor->spawned,
	    .ban_fd = monitor->bans[1],
	    .control_fd = control_fd,
	    .accepting_fd = monitor->newest->accepting_fd};

	snprintf(role, sizeof(role), "worker %u", slot + 1);
	leave_monitor(monitor, monitor->newest, role, NET_NEEDS_RAW);
	/* log_stop[1] stays: the logger must outlive the last session. */
	close(monitor->log_stop[0]);
	for (unsigned i = 0; i < setup->sink_count; i++)
		if (setup->sinks[i].path != NULL)
			close(setup->sinks[i].fd);
	arena_reset(worker.arena);
	return worker_run(&worker);
}

static void
spawn_worker(struct monitor *monitor, unsigned slot)
{
	int control_fd;

	/* References are unique by the time, and by this within one. */
	monitor->spawned = (monitor->spawned + 1) & 0xfff;
	shared_use_slot(monitor->start.shared, slot);
	if (fork_child(&monitor->workers[slot], "worker", &control_fd) == 0)
		_exit(run_worker(monitor, slot, control_fd));
}

/* Takes the slot until the records of the worker that had it are written.
 * False: there are none. */
static bool
spawn_undertaker(struct monitor *monitor, unsigned slot)
{
	struct child *child = &monitor->workers[slot];
	struct arena *arena = monitor->start.arenas[slot + 1];
	uint64_t started_ms = child->started_ms;
	int control_fd;

	if (arena_next(arena, NULL, 1) == NULL)
		return false;
	pid_t pid = fork_child(child, "undertaker", &control_fd);
	child->started_ms = started_ms;
	if (pid == 0) {
		leave_monitor(monitor, NULL, "undertaker", 0);
		leave_secrets(monitor);
		close(monitor->log_stop[0]);
		setup_stop_listening(&monitor->setup);
		_exit(undertaker_run(arena, monitor->start.rings[slot + 1]));
	}
	child->buries = pid > 0;
	return child->buries;
}

static void
order(struct child *worker, enum worker_order order)
{
	char octet = (char)order;

	if (worker->pid != 0 && write(worker->control_fd, &octet, 1) == -1)
		kill(worker->pid, SIGKILL);
}

void
children_order_all(struct monitor *monitor, enum worker_order what)
{
	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
		order(&monitor->workers[i], what);
}

void
children_kill_all(struct monitor *monitor)
{
	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
		if (monitor->workers[i].pid != 0)
			kill(monitor->workers[i].pid, SIGKILL);
}

unsigned
children_workers(const struct monitor *monitor)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
		alive += monitor->workers[i].pid != 0;
	return alive;
}

/* --- their end ------------------------------------------------------------- */

static void
describe(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		snprintf(out, size, "with status %d", WEXITSTATUS(status));
}

static bool
is_current(const struct monitor *monitor, const struct child *worker)
{
	return worker->generation != NULL &&
	       worker->generation == monitor->newest;
}

/* The slot is free for another worker, or another generation. */
static void
leave_slot(struct monitor *monitor, unsigned slot)
{
	struct child *child = &monitor->workers[slot];

	if (is_current(monitor, child))
		plan_respawn(child);
	else
		*child = (struct child){.control_fd = -1};
}

static void
undertaker_ended(struct monitor *monitor, unsigned slot, int status)
{
	struct child *child = &monitor->workers[slot];
	char how[64];

	child_ended(child);
	child->buries = false;
	if (status != 0) {
		describe(status, how, sizeof(how));
		log_error("the undertaker of worker %u ended %s: records of "
			  "sessions are lost",
		    slot + 1, how);
	}
	leave_slot(monitor, slot);
}

static void
worker_ended(struct monitor *monitor, unsigned slot, int status)
{
	struct child *child = &monitor->workers[slot];
	bool current = is_current(monitor, child);
	char how[64];

	child_ended(child);
	unsigned sessions = shared_forget_worker(monitor->start.shared, slot);
	if (!monitor->draining && (current || status != 0)) {
		describe(status, how, sizeof(how));
		log_error("worker %u ended %s; sessions lost: %u%s", slot + 1,
		    how, sessions, current ? "; another takes its place" : "");
	}
	if (status == 0 || !spawn_undertaker(monitor, slot))
		leave_slot(monitor, slot);
}

static void
slot_ended(struct monitor *monitor, unsigned slot, int status)
{
	if (monitor->workers[slot].buries)
		undertaker_ended(monitor, slot, status);
	else
		worker_ended(monitor, slot, status);
}

static void
logger_ended(struct monitor *monitor, int status)
{
	char how[64];

	child_ended(&monitor->logger);
	bool expected = monitor->handing_over && status == 0;
	monitor->handing_over = false;
	if (expected) {
		monitor->logger.respawn_ms = 0;
		return;
	}
	describe(status, how, sizeof(how));
	log_error("the logger ended %s; another takes its place", how);
	plan_respawn(&monitor->logger);
}

void
children_reap(struct monitor *monitor)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
			if (monitor->workers[i].pid == pid)
				slot_ended(monitor, i, status);
		if (pid == monitor->logger.pid)
			logger_ended(monitor, status);
	}
}

/* Whether it should run and does not. */
static bool
is_missing(const struct monitor *monitor, const struct child *child)
{
	if (child->pid != 0)
		return false;
	return child == &monitor->logger ||
	       (!monitor->draining && is_current(monitor, child));
}

int
children_respawn(struct monitor *monitor)
{
	uint64_t now = monitor_now_ms(CLOCK_MONOTONIC);
	int wait = -1;

	for (unsigned i = 0; i <= SHARED_WORKERS_MAX; i++) {
		bool logger = i == SHARED_WORKERS_MAX;
		struct child *child =
		    logger ? &monitor->logger : &monitor->workers[i];
		if (!is_missing(monitor, child))
			continue;
		if (child->respawn_ms <= now) {
			if (logger)
				spawn_logger(monitor);
			else
				spawn_worker(monitor, i);
		}
		if (!is_missing(monitor, child))
			continue;
		int due = (int)(child->respawn_ms - now);
		if (wait == -1 || due < wait)
			wait = due;
	}
	return wait;
}

/* The last lines have their logger, even where one was just making room. */
void
children_stop_logger(struct monitor *monitor)
{
	if (monitor->handing_over) {
		waitpid(monitor->logger.pid, NULL, 0);
		child_ended(&monitor->logger);
	}
	if (monitor->logger.pid == 0)
		spawn_logger(monitor);
	close(monitor->log_stop[1]);
	if (monitor->logger.pid != 0) {
		waitpid(monitor->logger.pid, NULL, 0);
		child_ended(&monitor->logger);
	}
	close(monitor->log_stop[0]);
	for (unsigned i = 0; i < LOGGER_SINKS_MAX; i++)
		free(monitor->logged[i]);
}

/* --- generations ------------------------------------------------------------------------ */

unsigned
children_free_slots(const struct monitor *monitor)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
		count += monitor->workers[i].generation == NULL;
	return count;
}

unsigned
children_take_slots(
    struct monitor *monitor, struct generation *generation, unsigned count)
{
	unsigned slot = 0;

	for (; count > 0; slot++) {
		struct child *child = &monitor->workers[slot];
		if (child->generation != NULL)
			continue;
		*child =
		    (struct child){.control_fd = -1, .generation = generation};
		count--;
	}
	return slot;
}

void
children_give_slots_back(
    struct monitor *monitor, const struct generation *generation)
{
	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
		if (monitor->workers[i].generation == generation &&
		    monitor->workers[i].pid == 0)
			monitor->workers[i].generation = NULL;
}

static void
retire(struct monitor *monitor, struct generation *old)
{
	generation_retire(old);
	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
		if (monitor->workers[i].generation == old)
			order(&monitor->workers[i], WORKER_RETIRE);
}

void
children_retire_older(struct monitor *monitor)
{
	struct generation *one = monitor->newest;
	bool accepts = false;

	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++)
		accepts =
		    accepts || (monitor->workers[i].pid != 0 &&
				   is_current(monitor, &monitor->workers[i]));
	while (accepts && (one = one->before) != NULL)
		if (one->accepting_fd != -1)
			retire(monitor, one);
}

/* What is left of a generation: workers, and their sessions. */
static unsigned
count_workers(const struct monitor *monitor,
    const struct generation *generation, unsigned *sessions)
{
	unsigned workers = 0;

	*sessions = 0;
	for (unsigned i = 0; i < SHARED_WORKERS_MAX; i++) {
		if (monitor->workers[i].generation != generation)
			continue;
		workers++;
		*sessions += shared_sessions_of(monitor->start.shared, i);
	}
	return workers;
}

void
children_settle(struct monitor *monitor)
{
	struct generation **at = &monitor->newest->before;
	unsigned sessions;

	while (*at != NULL) {
		struct generation *one = *at;
		unsigned workers = count_workers(monitor, one, &sessions);
		if (generation_stops(one))
			log_notice("generation %u accepts no more; sessions "
				   "that finish by its policies: %u",
			    one->number, sessions);
		if (workers > 0 || !one->has_stopped) {
			at = &one->before;
			continue;
		}
		log_notice("generation %u has ended", one->number);
		*at = one->before;
		generation_free(&one);
	}
}
