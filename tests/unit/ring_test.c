/* LINKS: proxy/audit/ring.c */
/*
 * The ring of log lines: wrapping, fullness, two processes at full speed with
 * the sleeping protocol, and writers that are killed in the middle.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/ring.h"
#include "tests/unit/random.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static bool
put(struct ring *ring, const char *line)
{
	return ring_put(ring, slice_str(line));
}

/* Everything that waits, joined. */
static size_t
take(struct ring *ring, char *out)
{
	uint64_t from = ring_head(ring), to = ring_tail(ring);
	size_t n = 0;

	while (from < to) {
		struct slice piece = ring_at(ring, from, to);
		memcpy(out + n, piece.ptr, piece.len);
		n += piece.len;
		from += piece.len;
	}
	ring_free_to(ring, to);
	return n;
}

static void
wraps(void **state)
{
	struct ring *ring = ring_open(64);
	char back[64], line[40];

	(void)state;
	assert_non_null(ring);
	assert_int_equal(ring_size(ring), 64);
	assert_int_equal(ring_room(ring), 64);
	for (int i = 0; i < 1000; i++) {
		int len = snprintf(line, sizeof(line), "%d %.*s\n", i, i % 30,
		    "..............................");
		assert_true(put(ring, line));
		assert_int_equal(ring_room(ring), 64 - len);
		assert_int_equal(take(ring, back), len);
		assert_memory_equal(back, line, len);
	}
	ring_close(&ring);
	assert_null(ring);
	ring_close(&ring);
}

static void
fills(void **state)
{
	struct ring *ring = ring_open(16);
	char back[16];

	(void)state;
	assert_true(put(ring, "1234567\n"));
	assert_false(put(ring, "12345678\n"));
	assert_true(put(ring, "1234567\n"));
	assert_int_equal(ring_room(ring), 0);
	assert_false(put(ring, "\n"));
	assert_int_equal(take(ring, back), 16);
	assert_memory_equal(back, "1234567\n1234567\n", 16);
	assert_false(put(ring, "12345678901234567\n"));
	assert_true(put(ring, "123456789012345\n"));
	ring_close(&ring);
}

static bool
rings(const struct ring *ring)
{
	struct pollfd ask = {.fd = ring_fd(ring), .events = POLLIN};

	return poll(&ask, 1, 0) == 1;
}

static void
wakes_only_a_sleeper(void **state)
{
	struct ring *ring = ring_open(64);

	(void)state;
	assert_true(put(ring, "one\n"));
	assert_false(rings(ring));
	assert_false(ring_sleep(ring, ring_head(ring)));
	ring_awake(ring, rings(ring));
	/* What is seen but not freed does not keep it awake. */
	assert_true(ring_sleep(ring, ring_tail(ring)));
	assert_true(put(ring, "two\n"));
	assert_true(rings(ring));
	ring_awake(ring, true);
	assert_false(rings(ring));
	assert_true(put(ring, "three\n"));
	assert_false(rings(ring));
	ring_close(&ring);
}

/* A reader that was told nonsense stays within the ring. */
static void
survives_nonsense(void **state)
{
	struct ring *ring = ring_open(64);

	(void)state;
	assert_true(put(ring, "one\n"));
	ring_free_to(ring, UINT64_MAX - 5);
	assert_int_equal(ring_room(ring), 64 - 10);
	ring_free_to(ring, 1000);
	assert_true(ring_tail(ring) - ring_head(ring) <= 64);
	assert_int_equal(ring_room(ring), 0);
	struct slice piece = ring_at(ring, ring_head(ring), ring_tail(ring));
	assert_true(piece.len <= 64);
	ring_close(&ring);
}

/* --- two processes -------------------------------------------------------- */

enum {
	RING = 16384,
	LINE = 400
};

/* "NUMBER LENGTH xxx\n": what a reader can check. */
static struct slice
make_line(char out[LINE], unsigned number, uint64_t *seed)
{
	unsigned fill = random_next(seed) % 300;
	int len = snprintf(out, LINE, "%u %u ", number, fill);

	memset(out + len, 'a' + (int)(number % 26), fill);
	out[(unsigned)len + fill] = '\n';
	return slice_of(out, (size_t)len + fill + 1);
}

/* Reads one whole line at `from`; its length; -1: it is none. */
static long
check_line(
    const struct ring *ring, uint64_t from, uint64_t to, unsigned *number)
{
	char line[2 * LINE];
	size_t n = 0;
	unsigned fill;
	int skip = 0;

	while (from < to && n < LINE) {
		struct slice piece = ring_at(ring, from, to);
		piece = slice_head(piece, LINE - n);
		memcpy(line + n, piece.ptr, piece.len);
		n += piece.len;
		from += piece.len;
	}
	line[n] = '\0';
	if (sscanf(line, "%u %u%n", number, &fill, &skip) != 2 ||
	    line[skip++] != ' ' || (size_t)skip + fill >= n ||
	    line[(unsigned)skip + fill] != '\n')
		return -1;
	for (unsigned i = 0; i < fill; i++)
		if (line[(unsigned)skip + i] != 'a' + (char)(*number % 26))
			return -1;
	return skip + (long)fill + 1;
}

/* Writes lines from `first` on; counts those published in *next. */
static void
writer(struct ring *ring, unsigned first, unsigned count)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	uint64_t seed = 0x5eed0004 + first;
	char line[LINE];

	for (unsigned i = first; i < first + count; i++) {
		struct slice text = make_line(line, i, &seed);
		while (!ring_put(ring, text))
			sched_yield();
	}
	_exit(0);
}

/* Waits for a line behind `seen` as the logger does; false: none came in 20
 * seconds. */
static bool
wait_for_line(struct ring *ring, uint64_t seen)
{
	struct pollfd ask = {.fd = ring_fd(ring), .events = POLLIN};
	bool woken = true;

	if (ring_sleep(ring, seen))
		woken = poll(&ask, 1, 20000) == 1;
	ring_awake(ring, ask.revents != 0);
	return woken;
}

static void
hammer(void **state)
{
	struct ring *ring = ring_open(RING);
	unsigned count =
	    random_runs(50000) == 50000 ? 1000000 : random_runs(50000);
	unsigned next = 0;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		writer(ring, 0, count);
	while (next < count) {
		uint64_t from = ring_head(ring), to = ring_tail(ring);
		if (from == to) {
			if (!wait_for_line(ring, to))
				fail_msg("a wake-up was lost at %u", next);
			continue;
		}
		while (from < to) {
			unsigned number;
			long len = check_line(ring, from, to, &number);
			if (len == -1 || number != next)
				fail_msg("line %u is broken", next);
			next++;
			from += (uint64_t)len;
		}
		ring_free_to(ring, from);
	}
	assert_int_equal(ring_head(ring), ring_tail(ring));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	ring_close(&ring);
}

/* Whole lines only are there, whenever the writer dies, and another goes on
 * where it ended. */
static void
killed_writers(void **state)
{
	struct ring *ring = ring_open(RING);
	uint64_t seed = 0x5eed0005;
	unsigned rounds = random_runs(300) < 300 ? 20 : 300;
	unsigned lines = 0;

	(void)state;
	for (unsigned round = 0; round < rounds; round++) {
		struct timespec nap = {0, random_next(&seed) % 1500000};
		pid_t pid = fork();
		if (pid == 0)
			writer(ring, 0, UINT32_MAX);
		for (int i = 0; i < 3; i++) {
			nanosleep(&nap, NULL);
			if (i == 2)
				kill(pid, SIGKILL);
			uint64_t from = ring_head(ring), to = ring_tail(ring);
			while (from < to) {
				unsigned number;
				long len = check_line(ring, from, to, &number);
				if (len == -1)
					fail_msg("half a line is there");
				from += (uint64_t)len;
				lines++;
			}
			ring_free_to(ring, to);
		}
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	print_message("%u lines of %u killed writers\n", lines, rounds);
	ring_close(&ring);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(wraps),
	    cmocka_unit_test(fills), cmocka_unit_test(wakes_only_a_sleeper),
	    cmocka_unit_test(survives_nonsense), cmocka_unit_test(hammer),
	    cmocka_unit_test(killed_writers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
