/*
 * LINKS: proxy/daemon/clients.c proxy/base/addr.c
 *
 * The count of clients: exact over processes that write at once, windows that
 * slide, prefixes, and places that give way.  THREATS A5-08.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WORKERS = 4,
	ROUNDS = 20000
};

struct all {
	struct client_table table;
	struct client_share shares[WORKERS];
};

static const struct client_windows minute = {{60000}};
static struct all *all;

static int
set_up(void **unused)
{
	(void)unused;
	all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	all->table.secret = 12345;
	return all == MAP_FAILED;
}

static int
tear_down(void **unused)
{
	(void)unused;
	return munmap(all, sizeof(*all));
}

static uint64_t
name(const char *text, unsigned prefix)
{
	struct addr addr;

	assert_true(addr_parse(slice_str(text), &addr));
	return clients_name(&all->table, &addr, prefix);
}

static int
enter(unsigned worker, uint64_t who, uint64_t now_ms,
    struct client_counts *counts)
{
	return clients_enter(
	    &all->table, &all->shares[worker], who, &minute, now_ms, counts);
}

static void
prefixes(void **unused)
{
	(void)unused;
	assert_int_equal(name("2001:db8::1", 64), name("2001:db8::ffff", 64));
	assert_int_not_equal(
	    name("2001:db8::1", 64), name("2001:db8:0:1::1", 64));
	assert_int_equal(
	    name("2001:db8:0:7f::1", 57), name("2001:db8:0:1::1", 57));
	assert_int_not_equal(
	    name("2001:db8:0:80::1", 57), name("2001:db8:0:1::1", 57));
	assert_int_not_equal(
	    name("2001:db8::1", 128), name("2001:db8::2", 128));
	assert_int_not_equal(name("192.0.2.1", 64), name("192.0.2.2", 64));
	assert_int_not_equal(name("192.0.2.1", 1), name("203.0.113.1", 1));
}

static void
sessions(void **unused)
{
	struct client_counts counts;
	uint64_t one = name("192.0.2.1", 64), other = name("192.0.2.2", 64);

	(void)unused;
	int first = enter(0, one, 1000, &counts);
	assert_int_equal(counts.sessions, 1);
	assert_int_equal(enter(1, one, 1000, &counts), first);
	assert_int_equal(counts.sessions, 2);
	assert_int_equal(counts.rates[0], 2);
	assert_int_not_equal(enter(1, other, 1000, &counts), first);
	assert_int_equal(counts.sessions, 1);
	clients_leave(&all->table, &all->shares[0], first);
	enter(0, one, 1000, &counts);
	assert_int_equal(counts.sessions, 2);
	assert_int_equal(counts.rates[0], 3);
	clients_leave(&all->table, &all->shares[0], CLIENTS_NONE);
}

/* A worker is killed: what it had is taken back, what others have stays. */
static void
dead_worker(void **unused)
{
	struct client_counts counts;
	uint64_t one = name("192.0.2.1", 64);

	(void)unused;
	for (int i = 0; i < 5; i++)
		enter(0, one, 1000, &counts);
	enter(1, one, 1000, &counts);
	clients_forget(&all->table, &all->shares[0]);
	clients_forget(&all->table, &all->shares[0]);
	enter(1, one, 1000, &counts);
	assert_int_equal(counts.sessions, 2);
}

static void
windows(void **unused)
{
	struct client_counts counts;
	uint64_t one = name("192.0.2.1", 64);

	(void)unused;
	for (int i = 0; i < 10; i++)
		enter(0, one, 60000, &counts);
	assert_int_equal(counts.rates[0], 10);
	/* Half of the window before still counts. */
	enter(0, one, 150000, &counts);
	assert_int_equal(counts.rates[0], 6);
	enter(0, one, 179999, &counts);
	assert_int_equal(counts.rates[0], 2);
	/* And nothing of what is two windows old. */
	enter(0, one, 400000, &counts);
	assert_int_equal(counts.rates[0], 1);
	/* Other lengths are counted beside it. */
	struct client_windows two = {{1000, 3600000}};
	uint64_t other = name("192.0.2.9", 64);
	for (int i = 0; i < 3; i++)
		clients_enter(&all->table, &all->shares[0], other, &two,
		    3600000 + 2000 * (uint64_t)i, &counts);
	assert_int_equal(counts.rates[0], 1);
	assert_int_equal(counts.rates[1], 3);
}

/* Many clients: those without a session give way, those with one never. */
static void
eviction(void **unused)
{
	struct client_counts counts;
	uint64_t kept = name("192.0.2.1", 64);
	int place = enter(0, kept, 1, &counts);
	unsigned counted = 0;

	(void)unused;
	for (uint64_t i = 1; i < 20 * CLIENTS_PLACES; i++) {
		int at =
		    enter(0, kept + i * UINT64_C(0x100000001), 2 + i, &counts);
		assert_int_not_equal(at, place);
		counted += at != CLIENTS_NONE;
		if (at != CLIENTS_NONE)
			clients_leave(&all->table, &all->shares[0], at);
	}
	assert_int_equal(counted, 20 * CLIENTS_PLACES - 1);
	enter(0, kept, 3, &counts);
	assert_int_equal(counts.sessions, 2);
}

/* No room at all: not counted, and counted as such. */
static void
full(void **unused)
{
	struct client_counts counts;
	unsigned refused = 0;

	(void)unused;
	for (uint64_t i = 0; i < 4 * CLIENTS_PLACES; i++)
		refused += enter(0, i << 20 | i % CLIENTS_BUCKETS, 1,
			       &counts) == CLIENTS_NONE;
	assert_true(refused >= 3 * CLIENTS_PLACES);
	assert_int_equal(refused, atomic_load(&all->table.uncounted));
	assert_int_equal(counts.sessions, 0);
}

static void
work(unsigned worker)
{
	struct client_counts counts;

	srand(worker);
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* Few clients, and now and then one that drives others out. */
		uint64_t who = (uint64_t)(rand() % 24 + 1) << 40;
		int place = enter(worker, who, 1000 + i, &counts);
		if (place != CLIENTS_NONE && i % 64 != 0)
			clients_leave(&all->table, &all->shares[worker], place);
	}
	_exit(0);
}

/* What is left in the table is what the workers still have, to the last. */
static void
at_once(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < WORKERS; i++)
		if (fork() == 0)
			work(i);
	for (unsigned i = 0; i < WORKERS; i++) {
		int status;
		assert_true(wait(&status) > 0 && status == 0);
	}
	unsigned held = 0;
	for (unsigned at = 0; at < CLIENTS_PLACES; at++) {
		unsigned sum = 0;
		for (unsigned i = 0; i < WORKERS; i++)
			sum += atomic_load(&all->shares[i].sessions[at]);
		assert_int_equal(
		    sum, atomic_load(&all->table.places[at].who) & 0xfffff);
		held += sum;
	}
	assert_true(held > 0);
	for (unsigned i = 0; i < WORKERS; i++)
		clients_forget(&all->table, &all->shares[i]);
	for (unsigned at = 0; at < CLIENTS_PLACES; at++)
		assert_int_equal(
		    atomic_load(&all->table.places[at].who) & 0xfffff, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(prefixes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(sessions, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(dead_worker, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(windows, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(eviction, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(full, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(at_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
