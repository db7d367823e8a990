/*
 * LINKS:
 *
 * Memory that outlives its writer: blocks do not overlap, come again, and end
 * with the arena; a reader finds what was entered, wherever its writer died.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/random.h"

enum {
	SIZE = 1024 * 1024,
	BLOCKS = 64
};

struct object {
	struct arena_link link;
	unsigned value;
};

static void
blocks(void **unused)
{
	struct arena *arena = arena_open(SIZE);
	unsigned char *at[BLOCKS] = {NULL};
	size_t len[BLOCKS];
	uint64_t seed = 7;

	(void)unused;
	assert_non_null(arena);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned k = (unsigned)(random_next(&seed) % BLOCKS);
		if (at[k] != NULL) {
			for (size_t j = 0; j < len[k]; j++)
				assert_int_equal(at[k][j], k);
			arena_free(arena, at[k]);
		}
		len[k] = random_next(&seed) % 3000;
		at[k] = arena_alloc(arena, len[k]);
		assert_non_null(at[k]);
		assert_int_equal((uintptr_t)at[k] % 16, 0);
		assert_true(arena_has(arena, at[k], len[k]));
		memset(at[k], (int)k, len[k]);
	}
	arena_close(&arena);
	assert_null(arena);
}

static void
full(void **unused)
{
	struct arena *arena = arena_open(SIZE);
	unsigned count = 0;
	void *last = NULL, *block;

	(void)unused;
	assert_null(arena_alloc(arena, 300 * 1024));
	while ((block = arena_alloc(arena, 1000)) != NULL) {
		last = block;
		count++;
	}
	assert_true(count > SIZE / 1200 && count < SIZE / 1000);
	arena_free(arena, last);
	assert_ptr_equal(arena_alloc(arena, 1024), last);
	assert_null(arena_alloc(arena, 1024));
	arena_reset(arena);
	assert_non_null(arena_alloc(arena, 1024));
	arena_close(&arena);
}

static unsigned
sum(const struct arena *arena)
{
	const struct arena_link *link = NULL;
	unsigned total = 0;

	while ((link = arena_next(arena, link, sizeof(struct object))) != NULL)
		total += ((const struct object *)(const void *)link)->value;
	return total;
}

static struct object *
make(struct arena *arena, unsigned value)
{
	struct object *object = arena_alloc(arena, sizeof(*object));

	assert_non_null(object);
	object->value = value;
	arena_enter(arena, &object->link);
	return object;
}

static void
list(void **unused)
{
	struct arena *arena = arena_open(SIZE);
	struct object *objects[4];

	(void)unused;
	assert_int_equal(sum(arena), 0);
	for (unsigned i = 0; i < 4; i++)
		objects[i] = make(arena, 1u << i);
	assert_int_equal(sum(arena), 15);
	arena_leave(arena, &objects[1]->link);
	assert_int_equal(sum(arena), 13);
	arena_leave(arena, &objects[3]->link);
	assert_int_equal(sum(arena), 5);
	arena_leave(arena, &objects[0]->link);
	arena_leave(arena, &objects[2]->link);
	assert_int_equal(sum(arena), 0);
	arena_close(&arena);
}

/* Whenever the writer is killed, the list can be walked, and holds what it did
 * not take out. */
static void
killed(void **unused)
{
	struct arena *arena = arena_open(SIZE);

	(void)unused;
	for (unsigned round = 0; round < 50; round++) {
		arena_reset(arena);
		pid_t pid = fork();
		if (pid == 0) {
			make(arena, 1000000);
			for (;;) {
				struct object *one = make(arena, 1);
				struct object *two = make(arena, 1);
				arena_leave(arena, &one->link);
				arena_free(arena, one);
				arena_leave(arena, &two->link);
				arena_free(arena, two);
			}
		}
		while (sum(arena) < 1000000)
			usleep(100);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		assert_in_range(sum(arena), 1000000, 1000003);
	}
	arena_close(&arena);
}

/* Links that lead nowhere end the list. */
static void
hostile(void **unused)
{
	struct arena *arena = arena_open(SIZE);
	struct object *one = make(arena, 1);
	static struct object outside;

	(void)unused;
	one->link.next = &outside.link;
	assert_int_equal(sum(arena), 1);
	one->link.next =
	    (struct arena_link *)(void *)((char *)arena + SIZE - 16);
	assert_int_equal(sum(arena), 1);
	one->link.next = (struct arena_link *)(void *)((char *)one + 3);
	assert_int_equal(sum(arena), 1);
	assert_false(arena_has(arena, one, SIZE));
	assert_false(arena_has(arena, one, SIZE_MAX));
	assert_false(arena_has(arena, NULL, 0));
	arena_close(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blocks),
	    cmocka_unit_test(full),
	    cmocka_unit_test(list),
	    cmocka_unit_test(killed),
	    cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
