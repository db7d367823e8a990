/* LINKS: proxy/audit/logger.c proxy/audit/ring.c proxy/audit/sink.c */
/*
 * From one logger to the next: no line is lost, doubled or torn where one
 * hands over to another, with the same sinks or with others.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/logger.h"
#include "tests/unit/temp.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

enum {
	RINGS = 3,
	RING_BYTES = 65536,
	TEXT_BYTES = 262144
};

struct bench {
	struct ring *rings[RINGS];
	struct logger_sink sinks[2];
	struct logger logger;
	int stop[2], orders[2];
	pid_t pid;
	char path[2][TEMP_PATH];
	unsigned line;
};

static int
set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	for (int i = 0; i < RINGS; i++)
		bench->rings[i] = ring_open(RING_BYTES);
	void *memory = mmap(NULL, sizeof(struct logger_state),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	assert_int_equal(pipe(bench->stop), 0);
	for (int i = 0; i < 2; i++)
		temp_path(i == 0 ? "a" : "b", bench->path[i]);
	bench->logger = (struct logger){.sinks = bench->sinks,
	    .rings = bench->rings,
	    .ring_count = RINGS,
	    .state = memory,
	    .stop_fd = bench->stop[0]};
	*state = bench;
	return 0;
}

static int
tear_down(void **state)
{
	struct bench *bench = *state;

	munmap(bench->logger.state, sizeof(struct logger_state));
	for (int i = 0; i < RINGS; i++)
		ring_close(&bench->rings[i]);
	free(bench);
	temp_remove();
	return 0;
}

/* With these sinks: letters of paths. */
static void
begin(struct bench *bench, const char *letters)
{
	struct logger_sink before[2];
	struct logger from = bench->logger;

	memcpy(before, bench->sinks, sizeof(before));
	from.sinks = before;
	bench->logger.sink_count = (unsigned)strlen(letters);
	for (unsigned i = 0; i < bench->logger.sink_count; i++) {
		bench->sinks[i].path = bench->path[letters[i] - 'a'];
		assert_int_equal(logger_open_sink(&bench->sinks[i]), 0);
	}
	if (from.sink_count > 0)
		logger_change_sinks(&from, &bench->logger);
	assert_int_equal(pipe(bench->orders), 0);
	bench->logger.hand_over_fd = bench->orders[0];
	fflush(NULL);
	bench->pid = fork();
	if (bench->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(bench->stop[1]);
		close(bench->orders[1]);
		_exit(logger_run(&bench->logger));
	}
	for (unsigned i = 0; i < bench->logger.sink_count; i++)
		close(bench->sinks[i].fd);
	close(bench->orders[0]);
}

static int
end(struct bench *bench)
{
	int status;

	assert_int_equal(waitpid(bench->pid, &status, 0), bench->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
hand_over(struct bench *bench)
{
	assert_int_equal(write(bench->orders[1], "h", 1), 1);
	assert_int_equal(end(bench), 0);
	close(bench->orders[1]);
}

static int
stop(struct bench *bench)
{
	close(bench->stop[1]);
	return end(bench);
}

static void
put(struct bench *bench, unsigned count)
{
	char text[64];

	for (unsigned i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "%05u %.*s\n", bench->line,
		    (int)(bench->line % 31), "..............................");
		assert_true(ring_put(
		    bench->rings[bench->line % RINGS], slice_str(text)));
		bench->line++;
	}
}

/* Whether the text is these lines, each once, in any order of the rings. */
static void
expect_lines(const char *text, size_t len, unsigned from, unsigned to)
{
	unsigned char seen[20000] = {0};
	unsigned count = 0;

	for (const char *at = text; at < text + len; count++) {
		const char *newline = memchr(at, '\n', len);
		unsigned number = (unsigned)strtoul(at, NULL, 10);
		assert_non_null(newline);
		assert_in_range(number, from, to - 1);
		assert_int_equal(newline - at, 6 + number % 31);
		assert_int_equal(seen[number]++, 0);
		at = newline + 1;
	}
	assert_int_equal(count, to - from);
}

static void
expect_file(const char *path, unsigned from, unsigned to)
{
	static char text[TEXT_BYTES];
	int fd = open(path, O_RDONLY);

	assert_int_not_equal(fd, -1);
	ssize_t got = read(fd, text, sizeof(text));
	close(fd);
	expect_lines(text, (size_t)got, from, to);
}

static void
the_next_goes_on(void **state)
{
	struct bench *bench = *state;

	begin(bench, "a");
	for (int i = 0; i < 20; i++) {
		put(bench, 100);
		hand_over(bench);
		put(bench, 100);
		begin(bench, "a");
	}
	assert_int_equal(stop(bench), 0);
	expect_file(bench->path[0], 0, 4000);
	assert_int_equal(atomic_load(&bench->logger.state->lines), 4000);
	assert_int_equal(atomic_load(&bench->logger.state->lost), 0);
}

static void
sinks_come_and_go(void **state)
{
	struct bench *bench = *state;

	begin(bench, "a");
	put(bench, 50);
	hand_over(bench);
	begin(bench, "ba");
	put(bench, 50);
	hand_over(bench);
	begin(bench, "b");
	put(bench, 50);
	assert_int_equal(stop(bench), 0);
	expect_file(bench->path[0], 0, 100);
	expect_file(bench->path[1], 50, 150);
	assert_int_equal(atomic_load(&bench->logger.state->lost), 0);
}

/* A pipe that is full when one hands over, in the middle of a line most
 * likely; the next one has it at another place. */
static void
a_full_pipe_goes_on(void **state)
{
	static char text[TEXT_BYTES];
	struct bench *bench = *state;
	size_t len = 0;

	assert_int_equal(mkfifo(bench->path[1], 0600), 0);
	int reader = open(bench->path[1], O_RDONLY | O_NONBLOCK);
	fcntl(reader, F_SETPIPE_SZ, 4096);
	begin(bench, "ab");
	put(bench, 1000);
	hand_over(bench);
	put(bench, 100);
	begin(bench, "ba");
	for (unsigned lines = 0; lines < 1100;) {
		struct pollfd ask = {.fd = reader, .events = POLLIN};
		assert_int_equal(poll(&ask, 1, 10000), 1);
		ssize_t got = read(reader, text + len, sizeof(text) - len);
		for (ssize_t i = 0; i < got; i++)
			lines += text[len + (size_t)i] == '\n';
		len += got > 0 ? (size_t)got : 0;
	}
	assert_int_equal(stop(bench), 0);
	close(reader);
	expect_lines(text, len, 0, 1100);
	expect_file(bench->path[0], 0, 1100);
}

/* What a sink had still to get when it went is counted. */
static void
a_sink_that_goes_is_owed(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(mkfifo(bench->path[1], 0600), 0);
	int reader = open(bench->path[1], O_RDONLY | O_NONBLOCK);
	fcntl(reader, F_SETPIPE_SZ, 4096);
	begin(bench, "ab");
	put(bench, 1000);
	hand_over(bench);
	begin(bench, "a");
	put(bench, 100);
	assert_int_equal(stop(bench), 1);
	close(reader);
	expect_file(bench->path[0], 0, 1100);
	assert_in_range(atomic_load(&bench->logger.state->lost), 1, 999);
}

/* The end of the pipe of orders is no order, and takes back the one before:
 * nobody is left to start another. */
static void
no_order_is_none(void **state)
{
	struct bench *bench = *state;

	begin(bench, "a");
	kill(bench->pid, SIGSTOP);
	assert_int_equal(waitpid(bench->pid, NULL, WUNTRACED), bench->pid);
	assert_int_equal(write(bench->orders[1], "h", 1), 1);
	close(bench->orders[1]);
	kill(bench->pid, SIGCONT);
	put(bench, 10);
	while (atomic_load(&bench->logger.state->lines) < 10)
		assert_int_equal(waitpid(bench->pid, NULL, WNOHANG), 0);
	put(bench, 10);
	assert_int_equal(stop(bench), 0);
	expect_file(bench->path[0], 0, 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		the_next_goes_on, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		sinks_come_and_go, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_full_pipe_goes_on, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_sink_that_goes_is_owed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		no_order_is_none, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
