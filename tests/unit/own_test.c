/*
 * LINKS: proxy/relay/own.c
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/own.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct endpoint
end_of(unsigned host, uint16_t port)
{
	return (struct endpoint){{4, {10, (uint8_t)(host >> 16),
					 (uint8_t)(host >> 8), (uint8_t)host}},
	    port};
}

static void
noted_until_forgotten(void **state)
{
	struct own_table *table = calloc(1, sizeof(*table));
	struct endpoint gate = end_of(1, 40000), server = end_of(2, 25);
	struct endpoint other = end_of(3, 25);

	(void)state;
	uint64_t tag = own_note(table, &gate, &server);
	assert_true(tag != 0);
	assert_true(own_has(table, &gate, &server));
	assert_false(own_has(table, &server, &gate));
	assert_false(own_has(table, &gate, &other));
	own_forget(table, tag);
	assert_false(own_has(table, &gate, &server));
	own_forget(table, 0);
	free(table);
}

/* As many as the sessions of a gate: all found, none left. */
static void
eight_thousand(void **state)
{
	struct own_table *table = calloc(1, sizeof(*table));
	static uint64_t tags[8000];
	struct endpoint gate = end_of(1, 0);
	unsigned missed = 0, left = 0;

	(void)state;
	for (unsigned i = 0; i < 8000; i++) {
		struct endpoint server = end_of(i, 25);

		gate.port = (uint16_t)(32768 + i);
		tags[i] = own_note(table, &gate, &server);
		if (!own_has(table, &gate, &server))
			missed++;
	}
	/* A full window is allowed; it must be rare. */
	assert_true(missed <= 8);
	for (unsigned i = 0; i < 8000; i++)
		own_forget(table, tags[i]);
	for (unsigned i = 0; i < OWN_SLOTS; i++)
		left += table->slot[i] != 0;
	assert_int_equal(left, 0);
	free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(noted_until_forgotten),
	    cmocka_unit_test(eight_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
