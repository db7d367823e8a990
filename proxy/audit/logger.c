/*
 * The logger.  See logger.h.
 *
 * Each sink has a position of its own within what waits in a ring, so a sink
 * that is stuck holds nobody else up; the ring is freed up to where every
 * sink that works has written.  Whole lines only are handed out, one bulk of
 * one ring after another, so lines of two workers never mix.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/logger.h"

#include "base/buf.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	RINGS_MAX = 80,
	/* After a wake-up lines gather for this long: one write for many. */
	GATHER_MS = 20,
	RETRY_MS = 500,
	BULK = 256 * 1024
};

static volatile sig_atomic_t reopen_asked;

static void
on_reopen(int signal)
{
	(void)signal;
	reopen_asked = 1;
}

int
logger_open_sink(struct logger_sink *sink)
{
	if (sink->path == NULL) {
		sink->fd = STDOUT_FILENO;
		return 0;
	}
	int fd = open(sink->path,
	    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
	    0640);
	if (fd == -1)
		return -1;
	sink->fd = fd;
	return 0;
}

static void
reopen_sinks(struct logger *logger)
{
	for (unsigned i = 0; i < logger->sink_count; i++) {
		struct logger_sink *sink = &logger->sinks[i];
		struct logger_sink fresh = {.path = sink->path, .fd = -1};
		if (sink->path == NULL)
			continue;
		if (logger_open_sink(&fresh) == -1) {
			log_error("log file %s stays as it is: %s while"
				  " opening it anew",
			    sink->path, strerror(errno));
			continue;
		}
		if (sink->fd != -1)
			close(sink->fd);
		sink->fd = fresh.fd;
		log_notice("log file %s is open anew", sink->path);
	}
}

/* One sink's share of a bulk: the bytes already written of it. */
struct progress {
	size_t done;
	bool failed;
};

static void
write_sink(
    struct logger_sink *sink, struct slice bulk, struct progress *progress)
{
	while (progress->done < bulk.len) {
		struct slice rest = slice_from(bulk, progress->done);
		ssize_t got = write(sink->fd, rest.ptr, rest.len);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0) {
			progress->failed = true;
			return;
		}
		progress->done += (size_t)got;
	}
	progress->failed = false;
}

static void
say_change(struct logger *logger, bool writable, int error)
{
	bool before = atomic_exchange(&logger->state->writable, writable);

	if (before && !writable)
		log_error("no log can be written: %s; make room or repair the"
			  " sink, it is tried again twice a second",
		    strerror(error));
	else if (!before && writable)
		log_notice("the log can be written again");
}

static void
nap(unsigned ms)
{
	struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};

	nanosleep(&time, NULL);
}

static unsigned
count_lines(struct slice bulk)
{
	unsigned lines = 0;

	for (size_t i = 0; i < bulk.len; i++)
		lines += bulk.ptr[i] == '\n';
	return lines;
}

static bool
is_stopping(const struct logger *logger)
{
	struct pollfd poll_fd = {.fd = logger->stop_fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

/* Writes one bulk to every sink.  It is done with when at least one sink has
 * it whole and none has it in part: a line once begun is ended. */
static void
write_bulk(struct logger *logger, struct slice bulk)
{
	struct progress progress[8] = {{0, false}};
	bool stopping = false;

	assert(logger->sink_count <= 8);
	for (;;) {
		unsigned whole = 0, partial = 0;
		int error = 0;
		for (unsigned i = 0; i < logger->sink_count; i++) {
			write_sink(&logger->sinks[i], bulk, &progress[i]);
			if (!progress[i].failed)
				whole++;
			else if (progress[i].done > 0)
				partial++;
			if (progress[i].failed)
				error = errno;
		}
		say_change(logger, whole > 0, error);
		if (whole > 0 && (partial == 0 || stopping))
			break;
		if (stopping) {
			atomic_fetch_add(
			    &logger->state->lost, count_lines(bulk));
			return;
		}
		nap(RETRY_MS);
		stopping = is_stopping(logger);
		if (reopen_asked) {
			reopen_asked = 0;
			/* What was begun in the old file is not repeated in
			 * the new one; a line cut at its end is told apart
			 * by its missing newline. */
			reopen_sinks(logger);
		}
	}
	atomic_fetch_add(&logger->state->lines, count_lines(bulk));
}

/* What waits in a ring, in order and whole lines: a wrapped line is joined in
 * `spare`. */
static bool
drain_ring(struct logger *logger, struct ring *ring, struct buf *spare)
{
	struct slice waiting = ring_peek(ring);
	size_t whole = waiting.len;

	if (waiting.len == 0)
		return false;
	while (whole > 0 && waiting.ptr[whole - 1] != '\n')
		whole--;
	if (whole > 0 && buf_len(spare) == 0) {
		write_bulk(logger, slice_head(waiting, whole));
		ring_consume(ring, whole);
		return true;
	}
	/* The rest of the ring up to its end, or the beginning after the
	 * wrap: one line in two pieces. */
	ptrdiff_t newline = slice_find(waiting, '\n');
	size_t take = newline == -1 ? waiting.len : (size_t)newline + 1;
	if (!buf_append(spare, slice_head(waiting, take)))
		log_fatal("no memory while joining a line of the log");
	ring_consume(ring, take);
	if (newline != -1) {
		write_bulk(logger, buf_slice(spare));
		buf_clear(spare);
	}
	return true;
}

static bool
drain_all(struct logger *logger, struct buf *spares)
{
	bool any = false;

	for (unsigned i = 0; i < logger->ring_count; i++)
		while (drain_ring(logger, logger->rings[i], &spares[i]))
			any = true;
	return any;
}

/* Sleeps until a line comes, the monitor goes, or a signal arrives.  True:
 * the monitor is gone. */
static bool
wait_for_lines(struct logger *logger)
{
	struct pollfd fds[RINGS_MAX + 1];
	unsigned asleep = 0;

	assert(logger->ring_count <= RINGS_MAX);
	for (unsigned i = 0; i < logger->ring_count; i++) {
		fds[i] = (struct pollfd){
		    .fd = ring_fd(logger->rings[i]), .events = POLLIN};
		asleep += ring_sleep(logger->rings[i]);
	}
	fds[logger->ring_count] =
	    (struct pollfd){.fd = logger->stop_fd, .events = POLLIN};
	if (asleep == logger->ring_count && !reopen_asked)
		poll(fds, logger->ring_count + 1, -1);
	for (unsigned i = 0; i < logger->ring_count; i++)
		ring_awake(logger->rings[i]);
	return is_stopping(logger);
}

static void
set_signals(void)
{
	struct sigaction reopen = {.sa_handler = on_reopen};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	/* Who ends the program is the monitor, by closing stop_fd: a Ctrl-C
	 * reaches every process of the group. */
	sigaction(SIGUSR1, &reopen, NULL);
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGTERM, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

int
logger_run(struct logger *logger)
{
	struct buf spares[RINGS_MAX];
	bool stopping = false;

	set_signals();
	for (unsigned i = 0; i < logger->ring_count; i++)
		buf_init(&spares[i], BULK);
	atomic_store(&logger->state->writable, true);
	while (!stopping) {
		stopping = wait_for_lines(logger);
		if (!stopping)
			nap(GATHER_MS);
		if (reopen_asked) {
			reopen_asked = 0;
			reopen_sinks(logger);
		}
		drain_all(logger, spares);
	}
	for (unsigned i = 0; i < logger->ring_count; i++)
		buf_fini(&spares[i]);
	return atomic_load(&logger->state->lost) == 0 ? 0 : 1;
}
