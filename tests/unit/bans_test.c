/*
 * LINKS: proxy/daemon/bans.c proxy/base/addr.c
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/bans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct ban_table *table;

static int
set_up(void **state)
{
	(void)state;
	table = calloc(1, sizeof(*table));
	return table == NULL;
}

static int
tear_down(void **state)
{
	(void)state;
	free(table);
	return 0;
}

static struct addr
addr_at(const char *text)
{
	struct addr addr;

	assert_true(addr_parse(slice_str(text), &addr));
	return addr;
}

static bool
is_banned(const char *text, uint64_t now_ms)
{
	struct addr addr = addr_at(text);

	return bans_has(table, &addr, now_ms);
}

static void
ends(void **state)
{
	struct addr client = addr_at("192.0.2.7");

	(void)state;
	assert_false(is_banned("192.0.2.7", 0));
	bans_add(table, &client, 5000);
	assert_true(is_banned("192.0.2.7", 4999));
	assert_false(is_banned("192.0.2.7", 5000));
	assert_false(is_banned("192.0.2.8", 1));
	bans_add(table, &client, 9000);
	assert_true(is_banned("192.0.2.7", 5000));
}

static void
ipv6_by_64(void **state)
{
	struct addr client = addr_at("2001:db8:0:1:aaaa::1");

	(void)state;
	bans_add(table, &client, 5000);
	assert_true(is_banned("2001:db8:0:1::", 1));
	assert_true(is_banned("2001:db8:0:1:ffff:ffff:ffff:ffff", 1));
	assert_false(is_banned("2001:db8:0:2:aaaa::1", 1));
	/* The same octets are another client in the other family. */
	assert_false(is_banned("32.1.13.184", 1));
}

struct heard {
	unsigned count;
	uint64_t left_ms;
	struct addr key;
};

static void
hear(void *arg, const struct addr *key, uint64_t left_ms)
{
	struct heard *heard = arg;

	heard->count++;
	heard->left_ms = left_ms;
	heard->key = *key;
}

static void
those_that_hold(void **state)
{
	struct addr one = addr_at("192.0.2.7"), other = addr_at("2001:db8::1");
	struct addr key = addr_at("2001:db8::");
	struct heard heard = {0};

	(void)state;
	bans_add(table, &one, 3000);
	bans_add(table, &other, 5000);
	bans_each(table, 3000, hear, &heard);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.left_ms, 2000);
	assert_memory_equal(&heard.key, &key, sizeof(key));
}

/* More than there is room for: the last one is always there, and those that
 * end first are the ones that are lost. */
static void
full(void **state)
{
	unsigned kept = 0;

	(void)state;
	for (unsigned i = 1; i <= 100000; i++) {
		struct addr addr = {
		    4, {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
		bans_add(table, &addr, i);
		assert_true(bans_has(table, &addr, i - 1));
	}
	for (unsigned i = 1; i <= 100000; i++) {
		struct addr addr = {
		    4, {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
		kept += bans_has(table, &addr, 0);
		if (i > 100000 - 1000)
			assert_true(bans_has(table, &addr, 0));
	}
	assert_int_equal(kept, BANS_BUCKETS * BANS_WAYS);
}

static void
requests(void **state)
{
	struct addr client = addr_at("2001:db8::1");
	struct ban_request got, bad;
	int channel[2];

	(void)state;
	memset(&bad, 0, sizeof(bad));
	bad.client.family = 5;
	bad.seconds = 1;
	assert_true(bans_open_channel(channel));
	assert_false(bans_take(channel[0], &got));
	/* Of the wrong length, family and duration: passed over. */
	assert_int_equal(write(channel[1], "x", 1), 1);
	assert_int_equal(write(channel[1], &bad, sizeof(bad)), sizeof(bad));
	assert_true(bans_ask(channel[1], &client, 0));
	assert_true(bans_ask(channel[1], &client, BAN_SECONDS_MAX + 1));
	assert_true(bans_ask(channel[1], &client, 60));
	assert_true(bans_ask(channel[1], &client, 61));
	assert_true(bans_take(channel[0], &got));
	assert_int_equal(got.seconds, 60);
	assert_memory_equal(&got.client, &client, sizeof(client));
	assert_true(bans_take(channel[0], &got));
	assert_int_equal(got.seconds, 61);
	assert_false(bans_take(channel[0], &got));
	/* Nobody reads: the worker goes on. */
	unsigned sent = 0;
	while (bans_ask(channel[1], &client, 60))
		sent++;
	assert_true(sent >= 16);
	close(channel[0]);
	close(channel[1]);
}

static void
spared(void **state)
{
	struct prefix never[2];
	const struct {
		const char *client;
		bool may;
	} cases[] = {{"192.0.2.7", false}, {"192.0.2.8", true},
	    {"2001:db8:0:1::7", false}, {"2001:db8:0:1::8", false},
	    {"2001:db8:0:2::7", true}, {"127.0.0.1", false}, {"::1", false},
	    {"224.0.0.1", false}};

	(void)state;
	assert_true(prefix_parse(SLICE("192.0.2.7"), &never[0]));
	assert_true(prefix_parse(SLICE("2001:db8:0:1::7"), &never[1]));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr client = addr_at(cases[i].client);
		assert_int_equal(bans_may(&client, never, 2), cases[i].may);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(ends, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(ipv6_by_64, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(those_that_hold, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(full, set_up, tear_down),
	    cmocka_unit_test(requests),
	    cmocka_unit_test(spared),
	};

	return cmocka_run_group_tests_name("bans", tests, NULL, NULL);
}
