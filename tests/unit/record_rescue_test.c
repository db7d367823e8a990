/* LINKS: proxy/audit/record*.c proxy/audit/json_text.c policy/ */
/*
 * Records of a writer that was killed: what was told before is in the line,
 * and whatever it was in the middle of, a line is JSON.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/json_text.h"
#include "audit/record_private.h"
#include "tests/unit/random.h"
#include "tests/unit/record_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SIZE = 16 * 1024 * 1024
};

static struct arena *arena;
static struct buf lines;
static unsigned count;

static int
set_up(void **unused)
{
	(void)unused;
	arena = arena_open(SIZE);
	buf_init(&lines, 64 * RECORD_MAX);
	count = 0;
	return arena == NULL;
}

static int
tear_down(void **unused)
{
	(void)unused;
	arena_close(&arena);
	buf_fini(&lines);
	return 0;
}

static bool
take(void *arg, struct slice line)
{
	(void)arg;
	count++;
	assert_true(json_text_is_valid(line));
	assert_int_equal(slice_find(line, '\n'), line.len - 1);
	return buf_append(&lines, line);
}

static bool
says(const char *text)
{
	struct slice all = buf_slice(&lines);

	return memmem(all.ptr, all.len, text, strlen(text)) != NULL;
}

static unsigned
rescue(uint64_t published)
{
	buf_clear(&lines);
	count = 0;
	return record_rescue_all(arena, 2000000, published, take, NULL);
}

/* All that a finished record has, and its end. */
static void
same(void **unused)
{
	struct record *record = fixture_record_in(arena);
	struct record_end end = {
	    .code = "I-", .reason = "worker_died", .mono_us = 2000000};
	struct buf line;

	(void)unused;
	fixture_fill(record);
	fixture_tls(record);
	buf_init(&line, RECORD_MAX);
	assert_true(record_write(record, &end, 1, &line));
	assert_int_equal(rescue(0), 0);
	assert_int_equal(count, 1);
	assert_true(slice_eq(buf_slice(&lines), buf_slice(&line)));
	buf_fini(&line);
	record_free(&record);
	assert_int_equal(rescue(0), 0);
	assert_int_equal(count, 0);
}

/* What was open: a name without its reply, a message without its own. */
static void
open_ends(void **unused)
{
	struct record *record = fixture_record_in(arena);

	(void)unused;
	fixture_mail(record, SLICE("first@example.com"), SLICE("b@c.example"));
	record_mail(record, SLICE("second@example.com"), -1);
	record_rcpt(record, SLICE("d@c.example"));
	record_rcpt_reply(record, SLICE("250 ok"), "server");
	record_rcpt(record, SLICE("e@c.example"));
	record_text(record, 77, 0);
	assert_int_equal(rescue(0), 0);
	assert_true(says("\"from\":\"second@example.com\""));
	assert_true(says("\"to\":\"e@c.example\",\"reply\":null"));
	assert_true(says("\"size\":77"));
	assert_true(says("queued as 4F2AB1C3D4"));
	assert_true(says("\"reason\":\"worker_died\""));
	record_free(&record);
}

/* The configuration of its time is gone. */
static void
other_names(void **unused)
{
	char *name = strdup("node-of-then");
	struct record_start start = {.arena = arena,
	    .node = slice_str(name),
	    .listener = slice_from(slice_str(name), 5),
	    .policy_version = slice_from(slice_str(name), 8),
	    .mode = "tproxy"};
	struct record *record = record_new(&start);

	(void)unused;
	memset(name, 'x', strlen(name));
	free(name);
	assert_int_equal(rescue(0), 0);
	assert_true(says("\"node\":\"node-of-then\""));
	assert_true(says("\"listener\":\"of-then\""));
	assert_true(says("\"policy_version\":\"then\""));
	record->start.node.ptr = "elsewhere";
	record->start.listener.len = (size_t)-1;
	assert_int_equal(rescue(0), 0);
	assert_true(says("\"node\":\"\""));
	assert_true(says("\"listener\":\"\""));
	record_free(&record);
}

/* The lines went out, of one or of many, and the places were not given up
 * yet. */
static void
published(void **unused)
{
	struct record *first = fixture_record_in(arena);
	struct record *second = fixture_record_in(arena);
	struct record *third = fixture_record_in(arena);

	(void)unused;
	record_goes_out(first, 1000);
	record_goes_out(second, 1500);
	assert_int_equal(rescue(1000), 0);
	assert_int_equal(count, 3);
	assert_int_equal(rescue(1500), 0);
	assert_int_equal(count, 2);
	assert_int_equal(rescue(2000), 0);
	assert_int_equal(count, 1);
	record_free(&first);
	record_free(&second);
	record_free(&third);
}

static bool
refuse(void *arg, struct slice line)
{
	(void)arg;
	(void)line;
	return false;
}

static void
counted(void **unused)
{
	struct record *one = fixture_record_in(arena);
	struct record *two = fixture_record_in(arena);

	(void)unused;
	assert_int_equal(record_rescue_all(arena, 1, 0, refuse, NULL), 2);
	record_free(&one);
	record_free(&two);
}

/* A full arena: the record says that it is not whole. */
static void
full(void **unused)
{
	struct record *record = fixture_record_in(arena);

	(void)unused;
	while (arena_alloc(arena, 32) != NULL)
		continue;
	assert_null(fixture_record_in(arena));
	fixture_fill(record);
	assert_int_equal(rescue(0), 0);
	assert_true(says("\"truncated\":true"));
	record_free(&record);
}

/* Bytes of lists, and their bounds, are anything. */
static void
spoil(struct record *record, uint64_t *seed)
{
	struct buf *bufs[] = {&record->helo.text, &record->mail.text,
	    &record->message.rcpt, &record->message.awaiting, &record->notes,
	    &record->violations, &record->connect, &record->auth};
	struct buf *buf = bufs[random_next(seed) % 8];
	size_t *bounds[] = {&buf->head, &buf->tail, &buf->size, &buf->max};

	if (random_next(seed) % 2 == 0 && buf->head < buf->tail &&
	    arena_has(arena, buf->data, buf->tail))
		buf->data[buf->head + random_next(seed) % buf_len(buf)] =
		    (char)random_next(seed);
	else if (random_next(seed) % 2 == 0)
		*bounds[random_next(seed) % 4] = random_next(seed) % 2 == 0
						     ? random_next(seed) % 2000
						     : (size_t)-1;
	else
		record->message.from.len = (uint16_t)random_next(seed);
}

static void
spoiled(void **unused)
{
	uint64_t seed = 11;

	(void)unused;
	for (unsigned i = 0; i < 3000; i++) {
		arena_reset(arena);
		struct record *record = fixture_record_in(arena);
		fixture_fill(record);
		record_mail(record, SLICE("open@example.com"), -1);
		record_rcpt(record, SLICE("x@example.com"));
		for (unsigned k = 0; k < 1 + i % 4; k++)
			spoil(record, &seed);
		rescue(0);
		assert_true(count <= 1);
	}
}

/* A word without an end, and a pointer to nowhere. */
static void
words(void **unused)
{
	struct record *record = fixture_record_in(arena);
	struct record_word *all[] = {&record->mode, &record->greeting_by,
	    &record->name.reply_by, &record->message.reply_by,
	    &record->message.refused_by, &record->tls[0], &record->tls[1],
	    &record->blind};

	(void)unused;
	fixture_fill(record);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		memset(all[i]->text, 'w', sizeof(all[i]->text));
	memset(&record->start.mode, 0x5a, sizeof(record->start.mode));
	assert_int_equal(rescue(0), 0);
	assert_true(says("\"mode\":\"wwwwwwwwwwwwwww\""));
	assert_true(says("\"uninspected_after\":\"wwwwwwwwwwwwwww\""));
	record_free(&record);
}

/* Killed in the middle of anything. */
static void
killed(void **unused)
{
	(void)unused;
	for (unsigned round = 0; round < 40; round++) {
		arena_reset(arena);
		int begun[2];
		assert_int_equal(pipe(begun), 0);
		pid_t pid = fork();
		if (pid == 0) {
			struct record *first = fixture_record_in(arena);
			fixture_fill(first);
			close(begun[1]);
			for (;;) {
				struct record *record =
				    fixture_record_in(arena);
				fixture_fill(record);
				fixture_mail(record, SLICE("a@b.example"),
				    SLICE("c@d.example"));
				record_free(&record);
			}
		}
		char none;
		close(begun[1]);
		assert_int_equal(read(begun[0], &none, 1), 0);
		close(begun[0]);
		usleep(round * 37 % 1000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		assert_int_equal(rescue(0), 0);
		assert_in_range(count, 1, 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(same, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(open_ends, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(other_names, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(published, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(counted, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(full, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(spoiled, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(words, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(killed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
