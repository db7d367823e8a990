/*
 * The logger's loop.  See logger.h; a sink is in sink.h.
 *
 * A turn: take note of what waits, write it to every sink, free what all have.
 * Then it sleeps until a worker rings, and lets lines gather before the next
 * turn: one write for many.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/sink.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum {
	/* How long lines gather.  Measured with 2000 lines a second: a fifth
	 * of the processor time that a turn per wake-up takes; more saves
	 * little, and a record is to be in the file soon. */
	GATHER_MS = 20,
	RETRY_MS = 500,
	/* At the end: how long a sink that does not work is waited for. */
	DRAIN_MS = 3000,
	DRAIN_STEP_MS = 50
};

struct run {
	struct logger *logger;
	struct sink sinks[LOGGER_SINKS_MAX];
	uint64_t tails[LOGGER_RINGS_MAX]; /* what waited at the turn's begin */
	sigset_t asleep;                  /* signals blocked while it sleeps */
	int hand_over_fd;                 /* -1: nobody can ask for it */
	bool stop;                        /* the monitor is gone */
	bool hand_over;                   /* another takes our place */
};

static volatile sig_atomic_t reopen_asked;

static void
on_reopen(int signal)
{
	(void)signal;
	reopen_asked = 1;
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- what the operator hears ------------------------------------------------ */

/* Standard error may be the very pipe that nobody reads. */
static bool
can_speak(void)
{
	struct pollfd ask = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&ask, 1, 0) == 1;
}

static const char *
name_of(const struct sink *sink)
{
	return sink->given->path == NULL ? "standard output"
					 : sink->given->path;
}

static bool
is_failing(const struct sink *sink, uint64_t now)
{
	return sink->error != 0 &&
	       (sink->error != EAGAIN || now - sink->blocked_ms >= RETRY_MS);
}

/* Once when a sink fails, once when it works again. */
static void
say_state(struct sink *sink, bool failing)
{
	if (failing == sink->said || !can_speak())
		return;
	sink->said = failing;
	if (failing)
		log_error("the log %s takes no lines: %s; make room or repair"
			  " it, it is tried again twice a second",
		    name_of(sink),
		    sink->error == EAGAIN ? "its reader is too slow"
					  : strerror(sink->error));
	else
		log_notice("the log %s takes lines again", name_of(sink));
}

static void
reopen_all(struct run *run)
{
	reopen_asked = 0;
	for (unsigned i = 0; i < run->logger->sink_count; i++) {
		struct sink *sink = &run->sinks[i];
		if (sink->given->path == NULL)
			continue;
		if (sink_reopen(sink))
			log_notice("log file %s is open anew", name_of(sink));
		else
			log_error("log file %s stays as it is: %s while"
				  " opening it anew",
			    name_of(sink), strerror(errno));
	}
}

/* --- a turn ------------------------------------------------------------------- */

/* Frees what every sink has.  One that does not work must not fill the ring
 * while others do: a quarter of it is what it may be behind. */
static void
settle_ring(struct run *run, unsigned index, bool writable)
{
	struct logger_state *state = run->logger->state;
	struct ring *ring = run->logger->rings[index];
	uint64_t head = ring_head(ring);
	uint64_t done = run->tails[index];

	for (unsigned i = 0; i < run->logger->sink_count; i++) {
		struct sink *sink = &run->sinks[i];
		uint64_t behind = run->tails[index] - sink->mark->at[index];
		if (sink->error != 0 && writable &&
		    behind > ring_size(ring) / 4)
			atomic_fetch_add(&state->lost,
			    sink_give_up(sink, index, run->tails[index]));
		uint64_t of_sink = sink_done_with(sink, index);
		if (of_sink < done)
			done = of_sink;
	}
	if (done <= head)
		return;
	atomic_fetch_add(&state->lines, sink_count_lines(ring, head, done));
	ring_free_to(ring, done);
}

static bool
any_works(const struct run *run)
{
	for (unsigned i = 0; i < run->logger->sink_count; i++)
		if (run->sinks[i].error == 0)
			return true;
	return false;
}

static void
take_turn(struct run *run)
{
	struct logger *logger = run->logger;
	uint64_t now = now_ms();
	bool writable = false;

	if (reopen_asked)
		reopen_all(run);
	for (unsigned i = 0; i < logger->ring_count; i++)
		run->tails[i] = ring_tail(logger->rings[i]);
	for (unsigned i = 0; i < logger->sink_count; i++) {
		sink_write(&run->sinks[i], run->tails, now);
		bool failing = is_failing(&run->sinks[i], now);
		say_state(&run->sinks[i], failing);
		writable = writable || !failing;
	}
	atomic_store(&logger->state->writable, writable);
	bool works = any_works(run);
	for (unsigned i = 0; i < logger->ring_count; i++)
		settle_ring(run, i, works);
}

/* --- waiting ------------------------------------------------------------------ */

enum {
	FD_STOP,
	FD_HAND_OVER,
	FD_REST /* where the others begin */
};

/* At the end of the pipe the monitor is gone: nobody comes after us, and stop_fd
 * tells when to follow. */
static void
read_hand_over(struct run *run, bool monitor_gone)
{
	char order;

	if (monitor_gone)
		run->hand_over_fd = -1;
	else
		run->hand_over = read(run->hand_over_fd, &order, 1) == 1;
}

/* Waits for `fds`, of which the first two are those of `enum`; a reopen ends
 * it too. */
static void
wait_fds(struct run *run, struct pollfd *fds, unsigned count, int ms)
{
	struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};

	fds[FD_STOP] =
	    (struct pollfd){.fd = run->logger->stop_fd, .events = POLLIN};
	fds[FD_HAND_OVER] =
	    (struct pollfd){.fd = run->hand_over_fd, .events = POLLIN};
	if (ppoll(fds, count, ms < 0 ? NULL : &time, &run->asleep) == -1)
		for (unsigned i = 0; i < count; i++)
			fds[i].revents = 0;
	run->stop = fds[FD_STOP].revents != 0;
	if (fds[FD_HAND_OVER].revents != 0)
		read_hand_over(run, (fds[FD_HAND_OVER].revents & POLLHUP) != 0);
}

/* Adds full pipes, to be told when there is room; returns whether some sink
 * is to be tried again in any case. */
static bool
watch_sinks(const struct run *run, struct pollfd *fds, unsigned *count)
{
	bool retry = false;

	for (unsigned i = 0; i < run->logger->sink_count; i++) {
		const struct sink *sink = &run->sinks[i];
		retry = retry || sink->error != 0;
		if (sink->error == EAGAIN)
			fds[(*count)++] = (struct pollfd){
			    .fd = sink->given->fd, .events = POLLOUT};
	}
	return retry;
}

/* Sleeps until there is something to do.  False: there is no more for us. */
static bool
wait_for_work(struct run *run)
{
	struct pollfd fds[FD_REST + LOGGER_RINGS_MAX + LOGGER_SINKS_MAX] = {0};
	struct logger *logger = run->logger;
	unsigned rings = any_works(run) ? logger->ring_count : 0;
	unsigned count = FD_REST + rings;
	bool asleep = true;

	for (unsigned i = 0; i < rings; i++) {
		asleep = ring_sleep(logger->rings[i], run->tails[i]) && asleep;
		fds[FD_REST + i] = (struct pollfd){
		    .fd = ring_fd(logger->rings[i]), .events = POLLIN};
	}
	bool retry = watch_sinks(run, fds, &count);
	wait_fds(run, fds, count, !asleep ? 0 : retry ? RETRY_MS : -1);
	for (unsigned i = 0; i < rings; i++)
		ring_awake(logger->rings[i], fds[FD_REST + i].revents != 0);
	if (!run->stop && !run->hand_over && !reopen_asked)
		wait_fds(run, fds, FD_REST, GATHER_MS);
	return !run->stop && !run->hand_over;
}

/* --- the end ------------------------------------------------------------------ */

/* Lines that some sink has not got. */
static uint64_t
missing(const struct run *run)
{
	uint64_t lines = 0;

	for (unsigned i = 0; i < run->logger->ring_count; i++) {
		const struct ring *ring = run->logger->rings[i];
		for (unsigned s = 0; s < run->logger->sink_count; s++)
			lines += sink_count_lines(
			    ring, run->sinks[s].mark->at[i], ring_tail(ring));
	}
	return lines;
}

static int
drain(struct run *run)
{
	struct logger_state *state = run->logger->state;
	struct timespec step = {0, DRAIN_STEP_MS * 1000000};
	uint64_t until = now_ms() + DRAIN_MS;
	uint64_t left;

	take_turn(run);
	while ((left = missing(run)) > 0 && now_ms() < until) {
		nanosleep(&step, NULL);
		take_turn(run);
	}
	if (left > 0 && can_speak())
		log_error("%llu lines of the log are lost: a sink takes none"
			  " while stopping",
		    (unsigned long long)left);
	atomic_fetch_add(&state->lost, left);
	return atomic_load(&state->lost) == 0 ? 0 : 1;
}

static void
set_signals(struct run *run)
{
	struct sigaction reopen = {.sa_handler = on_reopen};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t blocked;

	/* Only while it sleeps, so that none comes between a look at
	 * reopen_asked and the sleep. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, &run->asleep);
	sigdelset(&run->asleep, SIGUSR1);
	sigaction(SIGUSR1, &reopen, NULL);
	/* Who ends the program is the monitor, by closing stop_fd: a Ctrl-C
	 * reaches every process of the group. */
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGTERM, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	sigaction(SIGUSR2, &ignore, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

int
logger_run(struct logger *logger)
{
	struct run run = {
	    .logger = logger, .hand_over_fd = logger->hand_over_fd};

	assert(logger->ring_count > 0 && logger->sink_count > 0);
	assert(logger->ring_count <= LOGGER_RINGS_MAX);
	assert(logger->sink_count <= LOGGER_SINKS_MAX);
	set_signals(&run);
	for (unsigned i = 0; i < logger->sink_count; i++)
		sink_init(&run.sinks[i], logger, i);
	/* What a predecessor left is written before the first sleep. */
	do
		take_turn(&run);
	while (wait_for_work(&run));
	if (!run.hand_over)
		return drain(&run);
	take_turn(&run);
	return 0;
}

/* --- from one to the next ----------------------------------------------------- */

static bool
is_same_sink(const struct logger_sink *a, const struct logger_sink *b)
{
	if (a->path == NULL || b->path == NULL)
		return a->path == b->path;
	return slice_eq(slice_str(a->path), slice_str(b->path));
}

static int
find_sink(const struct logger *logger, const struct logger_sink *sink)
{
	for (unsigned i = 0; i < logger->sink_count; i++)
		if (is_same_sink(&logger->sinks[i], sink))
			return (int)i;
	return -1;
}

/* What was asked of its last write and is not there. */
static void
count_lost(const struct logger *logger, const struct logger_mark *mark)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < logger->ring_count; i++) {
		const struct ring *ring = logger->rings[i];
		uint64_t head = ring_head(ring), tail = ring_tail(ring);
		if (mark->at[i] - head <= tail - head &&
		    mark->goal[i] - head <= tail - head)
			lost +=
			    sink_count_lines(ring, mark->at[i], mark->goal[i]);
	}
	atomic_fetch_add(&logger->state->lost, lost);
}

void
logger_change_sinks(const struct logger *from, const struct logger *to)
{
	struct logger_mark *marks = to->state->marks;
	struct logger_mark before[LOGGER_SINKS_MAX];

	memcpy(before, marks, sizeof(before));
	for (unsigned i = 0; i < from->sink_count; i++)
		if (find_sink(to, &from->sinks[i]) == -1)
			count_lost(from, &before[i]);
	for (unsigned i = 0; i < to->sink_count; i++) {
		int was = find_sink(from, &to->sinks[i]);
		if (was == -1)
			memset(&marks[i], 0, sizeof(marks[i]));
		else
			marks[i] = before[was];
	}
}
