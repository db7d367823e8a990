/*
 * A sink of the logger.  See sink.h.
 *
 * Before a write the mark says what is asked for and how long the file is; so
 * a logger that takes over after a crash in the middle of a write finds in
 * the file's length how much of it was done.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	/* The newline that is owed, and two pieces of each ring. */
	PIECES_MAX = 1 + 2 * LOGGER_RINGS_MAX
};

_Static_assert((int)PIECES_MAX <= IOV_MAX, "one writev takes them all");

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

/* --- lines ---------------------------------------------------------------- */

unsigned
sink_count_lines(const struct ring *ring, uint64_t from, uint64_t to)
{
	unsigned lines = 0;

	while (from < to) {
		struct slice piece = ring_at(ring, from, to);
		ptrdiff_t newline = slice_find(piece, '\n');
		lines += newline != -1;
		from += newline == -1 ? piece.len : (size_t)newline + 1;
	}
	return lines;
}

/* Where the line begins that the sink has a part of; where it has whole lines
 * only, how far it has got.  The ring's head is always at a line's start. */
uint64_t
sink_done_with(const struct sink *sink, unsigned ring)
{
	const struct ring *from = sink->logger->rings[ring];
	uint64_t head = ring_head(from);
	uint64_t at = sink->mark->at[ring];

	if (at - head > ring_size(from))
		return at;
	while (at > head && ring_at(from, at - 1, at).ptr[0] != '\n')
		at--;
	return at;
}

static bool
is_in_line(const struct sink *sink, unsigned ring)
{
	return sink_done_with(sink, ring) != sink->mark->at[ring];
}

/* The file without the part of a line at its end; false: it cannot be cut.
 * Its length is asked for, since somebody may have emptied it meanwhile. */
static bool
cut_part(struct sink *sink, uint64_t part)
{
	struct stat is;
	int fd = sink->given->fd;

	if (!sink->regular || fstat(fd, &is) == -1 ||
	    (uint64_t)is.st_size < part ||
	    ftruncate(fd, is.st_size - (off_t)part) == -1)
		return false;
	sink->mark->size = (uint64_t)is.st_size - part;
	return true;
}

unsigned
sink_give_up(struct sink *sink, unsigned ring, uint64_t to)
{
	struct logger_mark *mark = sink->mark;
	uint64_t start = sink_done_with(sink, ring);
	uint64_t part = mark->at[ring] - start;
	unsigned lost = sink_count_lines(sink->logger->rings[ring], start, to);

	if (part > 0 && !cut_part(sink, part))
		mark->owes_newline = true;
	mark->at[ring] = to;
	return lost;
}

/* --- accounts --------------------------------------------------------------- */

/* `len` more octets of what was asked for are in the file. */
static void
account(struct sink *sink, uint64_t len)
{
	struct logger_mark *mark = sink->mark;
	unsigned count = sink->logger->ring_count;
	unsigned first = mark->first % count;

	mark->size += len;
	if (mark->owes_newline && len > 0) {
		mark->owes_newline = false;
		len--;
	}
	for (unsigned i = 0; i < count && len > 0; i++) {
		unsigned ring = (first + i) % count;
		uint64_t take = mark->goal[ring] - mark->at[ring];
		if (take > len)
			take = len;
		mark->at[ring] += take;
		len -= take;
		if (take > 0)
			mark->first = ring;
	}
}

/* Marks and counters are in memory that others can write: whatever they say,
 * only what is in the ring is written. */
static void
check_places(struct sink *sink)
{
	struct logger_mark *mark = sink->mark;

	for (unsigned i = 0; i < sink->logger->ring_count; i++) {
		const struct ring *ring = sink->logger->rings[i];
		uint64_t head = ring_head(ring);
		uint64_t waiting = ring_tail(ring) - head;
		if (mark->at[i] - head > waiting)
			mark->at[i] = head;
		if (mark->goal[i] - head > waiting ||
		    mark->goal[i] < mark->at[i])
			mark->goal[i] = mark->at[i];
	}
	mark->first %= sink->logger->ring_count;
}

/* --- opening ---------------------------------------------------------------- */

static bool
ends_in_half_line(const char *path, off_t size)
{
	char last = '\n';
	int fd;

	if (path == NULL || size == 0)
		return false;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return false;
	bool got = pread(fd, &last, 1, size - 1) == 1;
	close(fd);
	return got && last != '\n';
}

/* Learns what the descriptor is, and compares with what the mark is about. */
static void
adopt(struct sink *sink)
{
	struct logger_mark *mark = sink->mark;
	struct stat is;

	check_places(sink);
	if (sink->given->fd == -1 || fstat(sink->given->fd, &is) == -1)
		return;
	sink->regular = S_ISREG(is.st_mode);
	if (is.st_dev == mark->device && is.st_ino == mark->inode) {
		if (sink->regular && (uint64_t)is.st_size > mark->size)
			account(sink, (uint64_t)is.st_size - mark->size);
		mark->size = (uint64_t)is.st_size;
		return;
	}
	mark->device = is.st_dev;
	mark->inode = is.st_ino;
	mark->size = (uint64_t)is.st_size;
	mark->owes_newline =
	    sink->regular && ends_in_half_line(sink->given->path, is.st_size);
	for (unsigned i = 0; i < sink->logger->ring_count; i++)
		mark->at[i] = sink_done_with(sink, i);
}

static bool
open_again(struct sink *sink)
{
	struct logger_sink fresh = {.path = sink->given->path, .fd = -1};

	if (logger_open_sink(&fresh) == -1)
		return false;
	if (sink->given->fd != -1)
		close(sink->given->fd);
	sink->given->fd = fresh.fd;
	sink->error = 0;
	adopt(sink);
	return true;
}

/* Whether the path names the file that is open. */
static bool
is_current(const struct sink *sink)
{
	struct stat open_one, named;

	return sink->given->fd != -1 &&
	       fstat(sink->given->fd, &open_one) == 0 &&
	       lstat(sink->given->path, &named) == 0 &&
	       open_one.st_dev == named.st_dev &&
	       open_one.st_ino == named.st_ino;
}

void
sink_init(struct sink *sink, const struct logger *logger, unsigned index)
{
	*sink = (struct sink){.logger = logger,
	    .given = &logger->sinks[index],
	    .mark = &logger->state->marks[index]};
	if (sink->given->path != NULL && !is_current(sink) && open_again(sink))
		return;
	adopt(sink);
}

bool
sink_reopen(struct sink *sink)
{
	unsigned first = sink->mark->first;
	uint64_t part;
	struct logger_sink probe = {.path = sink->given->path, .fd = -1};

	if (sink->given->path == NULL || is_current(sink))
		return true;
	/* The old file loses its half line only if the new one can have it. */
	if (logger_open_sink(&probe) == -1)
		return false;
	close(probe.fd);
	part = sink->mark->at[first] - sink_done_with(sink, first);
	if (part > 0 && sink->given->fd != -1)
		cut_part(sink, part);
	return open_again(sink);
}

/* --- writing ---------------------------------------------------------------- */

/* No worker may lead us out of its ring, whatever it does to the counters. */
static void
check_tails(struct sink *sink, const uint64_t *tails)
{
	struct logger_mark *mark = sink->mark;

	for (unsigned i = 0; i < sink->logger->ring_count; i++)
		if (tails[i] - mark->at[i] > ring_size(sink->logger->rings[i]))
			mark->at[i] = tails[i];
}

/* Fills in what is asked for; returns its length. */
static size_t
gather(struct sink *sink, const uint64_t *tails,
    struct iovec pieces[PIECES_MAX], int *count)
{
	static const char newline = '\n';
	struct logger_mark *mark = sink->mark;
	uint64_t room = sink->regular ? SSIZE_MAX : PIPE_BUF;
	size_t len = 0;

	*count = 0;
	if (mark->owes_newline) {
		pieces[(*count)++] = (struct iovec){
		    .iov_base = (void *)(uintptr_t)&newline, .iov_len = 1};
		room--;
	}
	for (unsigned i = 0; i < sink->logger->ring_count; i++) {
		unsigned ring = (mark->first + i) % sink->logger->ring_count;
		uint64_t from = mark->at[ring];
		uint64_t to = tails[ring];
		if (to - from > room - len)
			to = from + (room - len);
		mark->goal[ring] = to;
		while (from < to) {
			struct slice piece =
			    ring_at(sink->logger->rings[ring], from, to);
			pieces[(*count)++] = (struct iovec){
			    .iov_base = (void *)(uintptr_t)piece.ptr,
			    .iov_len = piece.len};
			from += piece.len;
			len += piece.len;
		}
	}
	return len;
}

/* Our standard output may be a pipe or terminal that somebody else made, and
 * whose descriptor others share: it is not made non-blocking.  Where poll
 * says that there is room a write of PIPE_BUF does not wait. */
static bool
is_ready(const struct sink *sink)
{
	struct pollfd ask = {.fd = sink->given->fd, .events = POLLOUT};

	return sink->regular || poll(&ask, 1, 0) == 1;
}

/* One write; 0, or what went wrong. */
static int
write_once(struct sink *sink, struct iovec *pieces, int count)
{
	ssize_t got;

	if (!is_ready(sink))
		return EAGAIN;
	do
		got = writev(sink->given->fd, pieces, count);
	while (got == -1 && errno == EINTR);
	if (got == -1)
		return errno;
	account(sink, (uint64_t)got);
	return got == 0 ? EIO : 0;
}

static void
set_error(struct sink *sink, int error, uint64_t now_ms)
{
	if (error == EAGAIN && sink->error != EAGAIN)
		sink->blocked_ms = now_ms;
	sink->error = error;
}

void
sink_write(struct sink *sink, const uint64_t *tails, uint64_t now_ms)
{
	struct iovec pieces[PIECES_MAX];
	struct logger_mark *mark = sink->mark;
	bool progress = false;
	int count, error = 0;

	check_tails(sink, tails);
	if (sink->given->fd == -1 && !open_again(sink)) {
		set_error(sink, errno, now_ms);
		return;
	}
	/* Every ring has its turn, but a line once begun is ended first. */
	if (!is_in_line(sink, mark->first))
		mark->first = (mark->first + 1) % sink->logger->ring_count;
	while (error == 0 && gather(sink, tails, pieces, &count) > 0) {
		error = write_once(sink, pieces, count);
		progress = progress || error == 0;
	}
	if (progress && error == EAGAIN)
		sink->error = 0; /* it moves: its time begins anew */
	if (progress || error != 0)
		set_error(sink, error, now_ms);
}
