/*
 * Each allocation of a session fails once, and from each on all of them
 * (THREATS A4-08).  What is played are scripts, as tests/fuzz/script.h reads
 * them; first with all the memory that is wanted.
 *
 *     nomemory FOLDER     every script of a folder, by as many processes as
 *                         processors; ends `N passed, N failed`
 *     nomemory FILE N M   one, the N-th allocation failing, and the M - 1 behind
 *                         it
 *
 * A session that has no memory may end, and say so; it must not hang, leak, nor
 * lose octets that others stand behind: every line that comes to the server
 * came there with memory too, and every reply that the client hears, unless it
 * is a temporary failure.
 *
 * Linked with malloc, calloc and realloc of our own objects wrapped.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/dialog.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

/* --- memory that is not there ------------------------------------------------------ */

static bool armed;              /* within the code that is tested */
static unsigned asked;          /* allocations so far */
static unsigned fail_at, fails; /* from 1; 0: none */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool
fails_now(void)
{
	if (!armed)
		return false;
	asked++;
	return fail_at > 0 && asked >= fail_at && asked - fail_at < fails;
}

void *
__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return fails_now() ? NULL : __real_realloc(old, size);
}

/* drive.h calls the dialog through these. */
#define ARMED(call)                   (armed = true, call, armed = false)
#define dialog_step(dialog, now, act) ARMED((dialog_step)(dialog, now, act))
#define dialog_connected(dialog, end, now) \
	ARMED((dialog_connected)(dialog, end, now))
#define dialog_eof(dialog, side, text) ARMED((dialog_eof)(dialog, side, text))
#define dialog_timed_out(dialog)       ARMED((dialog_timed_out)(dialog))
#define dialog_drain(dialog)           ARMED((dialog_drain)(dialog))

#include "tests/fuzz/script.h"

#include <sys/wait.h>

/* --- the oracle ---------------------------------------------------------------------- */

static const char *playing;

static _Noreturn void
fail(const char *what, struct slice line)
{
	printf("nomemory %s %u %u: %s: %.*s\n", playing, fail_at, fails, what,
	    SLICE_FMT(line));
	exit(1);
}

static struct slice
next_line(struct slice *rest)
{
	ptrdiff_t end = slice_find(*rest, '\n');
	size_t len = end == -1 ? rest->len : (size_t)end + 1;
	struct slice line = slice_head(*rest, len);

	*rest = slice_from(*rest, len);
	return line;
}

/* A reply's line, whether more follow it or not: hidden keywords make another
 * one the last.  A leg that is cut ends within a line. */
static bool
is_same(struct slice all, struct slice some, bool reply)
{
	if (some.ptr[some.len - 1] != '\n')
		return slice_eq(slice_head(all, some.len), some);
	if (!reply || all.len < 5 || some.len < 5)
		return slice_eq(all, some);
	return slice_eq(slice_head(all, 3), slice_head(some, 3)) &&
	       slice_eq(slice_from(all, 4), slice_from(some, 4));
}

/* Every line stands in `all`, in this order. */
static void
check_lines(const struct buf *some, const struct buf *all, bool replies,
    const char *what)
{
	struct slice rest = buf_slice(some), from = buf_slice(all);

	while (rest.len > 0) {
		struct slice line = next_line(&rest);
		if (replies && line.ptr[0] == '4')
			continue;
		do {
			if (from.len == 0)
				fail(what, line);
		} while (!is_same(next_line(&from), line, replies));
	}
}

static unsigned
play(struct drive *drive, struct slice input, unsigned at, unsigned count)
{
	static const size_t wholes[] = {0, 0};

	asked = 0;
	fail_at = at;
	fails = count;
	script_play(drive, input, wholes);
	return asked;
}

static unsigned
play_failing(
    const struct drive *clean, struct slice input, unsigned at, unsigned count)
{
	static struct drive drive;

	play(&drive, input, at, count);
	if (!drive_is_clean(buf_slice(&drive.to_server)))
		fail("a stray line end or NUL for the server", SLICE(""));
	/* Whoever is relayed unread says what nobody has read; a question of DNS
	 * that could not be kept is a temporary error, and rules say what that
	 * is to do. */
	if (!drive.blind && !clean->blind && !script_asks_dns(input)) {
		check_lines(&drive.to_client, &clean->to_client, true,
		    "a reply that is none with memory");
		check_lines(&drive.to_server, &clean->to_server, false,
		    "a line for the server that is none with memory");
	}
	drive_close(&drive);
	return 1;
}

static unsigned
play_all(struct slice input)
{
	static struct drive clean;
	unsigned runs = 0, wanted = play(&clean, input, 0, 0);

	for (unsigned at = 1; at <= wanted; at++)
		runs += play_failing(&clean, input, at, 1) +
			play_failing(&clean, input, at, UINT32_MAX);
	drive_close(&clean);
	return runs;
}

/* --- files ---------------------------------------------------------------------------- */

static struct slice
read_file(const char *path, char *to, size_t size)
{
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(2);
	}
	size_t len = fread(to, 1, size, file);
	fclose(file);
	return slice_of(to, len);
}

static unsigned
play_folder(
    const char *folder, struct dirent **files, int count, int lane, int lanes)
{
	static char octets[64 * 1024], path[1024];
	unsigned runs = 0;

	for (int i = lane; i < count; i += lanes) {
		if (files[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]->d_name);
		playing = path;
		struct slice input = read_file(path, octets, sizeof(octets));
		if (input.len > 0)
			runs += play_all(input);
	}
	return runs;
}

static int
play_lanes(const char *folder)
{
	struct dirent **files;
	int count = scandir(folder, &files, NULL, alphasort);
	int lanes = (int)sysconf(_SC_NPROCESSORS_ONLN), results[2];
	unsigned runs = 0, failed = 0, more;

	if (count <= 0 || pipe(results) == -1) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return 2;
	}
	for (int lane = 0; lane < lanes; lane++) {
		fflush(stdout);
		if (fork() != 0)
			continue;
		more = play_folder(folder, files, count, lane, lanes);
		bool told = write(results[1], &more, sizeof(more)) != -1;
		exit(told ? 0 : 1);
	}
	close(results[1]);
	for (int status; wait(&status) != -1;)
		failed += status != 0;
	while (read(results[0], &more, sizeof(more)) == sizeof(more))
		runs += more;
	printf("%u passed, %u failed\n", runs, failed);
	for (int i = 0; i < count; i++)
		free(files[i]);
	free(files);
	return failed > 0 || runs == 0;
}

int
main(int argc, char **argv)
{
	static char octets[64 * 1024];
	static struct drive clean;

	script_load();
	if (argc == 2)
		return play_lanes(argv[1]);
	if (argc != 4) {
		fprintf(stderr, "usage: nomemory FOLDER | FILE N M\n");
		return 2;
	}
	playing = argv[1];
	struct slice input = read_file(playing, octets, sizeof(octets));
	printf("%u allocations\n", play(&clean, input, 0, 0));
	play_failing(&clean, input, (unsigned)strtoul(argv[2], NULL, 10),
	    (unsigned)strtoul(argv[3], NULL, 10));
	drive_close(&clean);
	return 0;
}
