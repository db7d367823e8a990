/* LINKS: policy/config.c policy/config_listener.c policy/diag.c policy/helo.c policy/helo_advice.c policy/helo_dynamic.c policy/helo_receivers.c policy/helo_repair.c policy/list_address.c policy/list_domain.c policy/policy.c policy/policy_check.c policy/policy_decide.c policy/policy_lists.c policy/policy_match.c policy/policy_reply.c policy/policy_tests.c policy/policy_then.c policy/policy_when.c policy/reader.c policy/yaml.c policy/yaml_read.c */
/*
 * The published schema is the one that the table of fields makes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/tool/schema.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PUBLISHED "contrib/session.schema.json"

static void
up_to_date(void **state)
{
	char *made = NULL, *published;
	size_t size = 0;
	FILE *memory = open_memstream(&made, &size);
	FILE *file = fopen(PUBLISHED, "r");

	(void)state;
	assert_non_null(memory);
	assert_non_null(file);
	schema_print(memory);
	assert_int_equal(fclose(memory), 0);
	published = calloc(1, size + 2);
	assert_non_null(published);
	size_t got = fread(published, 1, size + 1, file);
	fclose(file);
	if (got != size || memcmp(published, made, size) != 0)
		fail_msg("build/tool/schema >" PUBLISHED " has not been run");
	free(published);
	free(made);
}

/* Each field stands in an object that is a field before it, and once. */
static void
table(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SCHEMA_FIELDS; i++) {
		const char *path = schema_fields[i].path;
		const char *dot = strrchr(path, '.');
		size_t len = dot == NULL ? 0 : (size_t)(dot - path);
		bool found = dot == NULL;
		if (len > 2 && path[len - 1] == ']')
			len -= 2;
		for (unsigned k = 0; k < i; k++) {
			const char *other = schema_fields[k].path;
			assert_string_not_equal(path, other);
			found |= strlen(other) == len &&
				 strncmp(other, path, len) == 0;
		}
		assert_true(found);
		assert_true(strlen(schema_fields[i].text) > 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(up_to_date), cmocka_unit_test(table)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
