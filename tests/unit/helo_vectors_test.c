/* LINKS: policy/helo*.c */
/*
 * THREATS A3-01: every row of the measured table: rfc5321 is helo.valid, the
 * others are helo.refused_by.  A deviation needs its line, with the reason, in
 * tests/vectors/helo_exceptions.tsv, and a line there that no row needs is an
 * error too.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/helo_vectors.h"

#include "policy/helo.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define EXCEPTIONS "tests/vectors/helo_exceptions.tsv"

static struct vectors vectors;

static const enum helo_receiver column_receiver[VECTOR_COLUMNS] = {
    HELO_BY_RFC5321, HELO_BY_POSTFIX, HELO_BY_OPENSMTPD, HELO_BY_EXIM};

/* Lines of the exceptions file, used up as rows need them. */
static char exceptions[64][4096];
static unsigned exception_count;

static void
load_exceptions(void)
{
	FILE *file = fopen(EXCEPTIONS, "r");

	assert_non_null(file);
	while (fgets(exceptions[exception_count], sizeof(exceptions[0]), file))
		if (exceptions[exception_count][0] != '#')
			exception_count++;
	fclose(file);
}

/* Takes the line "argument TAB receiver TAB ours TAB reason" out. */
static bool
is_excepted(const struct vector *row, enum helo_receiver by, bool refused)
{
	char wanted[4200];
	int len = snprintf(wanted, sizeof(wanted), "%s\t%s\t%s\t", row->escaped,
	    helo_receiver_name(by), refused ? "reject" : "accept");

	for (unsigned i = 0; i < exception_count; i++) {
		if (strncmp(exceptions[i], wanted, (size_t)len) != 0)
			continue;
		exceptions[i][0] = '\0';
		return true;
	}
	return false;
}

static unsigned
check_row(const struct vector *row)
{
	struct helo helo;
	unsigned wrong = 0;

	helo_analyse(row->argument, NULL, &helo);
	assert_int_equal(
	    helo.valid, !(helo.refused_by & 1U << HELO_BY_RFC5321));
	for (int i = 0; i < VECTOR_COLUMNS; i++) {
		enum helo_receiver by = column_receiver[i];
		bool refused = helo.refused_by & 1U << by;
		if (row->verdict[i] == 'n' ||
		    refused == (row->verdict[i] == 'r') ||
		    is_excepted(row, by, refused))
			continue;
		print_error("line %u: `%.60s`: %s %s, measured %c\n", row->line,
		    row->escaped, helo_receiver_name(by),
		    refused ? "reject" : "accept", row->verdict[i]);
		wrong++;
	}
	return wrong;
}

static void
test_every_row(void **state)
{
	unsigned wrong = 0;

	(void)state;
	load_exceptions();
	for (unsigned i = 0; i < vectors.count; i++)
		wrong += check_row(&vectors.rows[i]);
	assert_int_equal(wrong, 0);
	assert_true(vectors.count > 250);
	for (unsigned i = 0; i < exception_count; i++)
		assert_string_equal(exceptions[i], "");
}

/* postfix_fqdn has no column: it refuses all that postfix refuses, bare
 * addresses, and names without a dot. */
static void
test_postfix_fqdn(void **state)
{
	(void)state;
	for (unsigned i = 0; i < vectors.count; i++) {
		struct slice argument = vectors.rows[i].argument;
		struct helo helo;
		helo_analyse(argument, NULL, &helo);
		bool refused = helo.refused_by & 1U << HELO_BY_POSTFIX;
		bool bare = helo.form == HELO_FORM_BARE_ADDRESS ||
			    slice_find(argument, ':') >= 0;
		bool dotless =
		    slice_find(argument, '.') == (ptrdiff_t)argument.len - 1 ||
		    slice_find(argument, '.') < 0;
		bool literal = argument.len > 0 && argument.ptr[0] == '[';
		bool edge = helo.flaws & HELO_BIT(HELO_FLAW_BLANKS);
		bool wanted = refused || (!literal && (bare || dotless));
		if (!edge)
			assert_int_equal(wanted,
			    !!(helo.refused_by & 1U << HELO_BY_POSTFIX_FQDN));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_row),
	    cmocka_unit_test(test_postfix_fqdn),
	};

	vectors_load("tests/vectors/helo_receivers.tsv", &vectors);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	vectors_free(&vectors);
	return failed;
}
