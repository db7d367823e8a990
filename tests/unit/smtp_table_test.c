/* LINKS: proxy/smtp/smtp_fsm.c */
/*
 * The SMTP table can be proved: every state has a way in and a way out, every
 * cell is what the golden matrix says.  A change of the table shows here as a
 * change of a file that people read.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/buf.h"
#include "smtp/smtp_fsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The states that replies and events lead to from those in `seen`. */
static unsigned
spread(unsigned seen)
{
	static const unsigned codes[] = {220, 354, 550};
	unsigned next = seen;

	for (unsigned state = 0; state < SMTP_ST_COUNT; state++) {
		if ((seen & 1u << state) == 0)
			continue;
		for (unsigned verb = 0; verb < SMTP_VERB_COUNT; verb++)
			for (unsigned i = 0; i < 3; i++) {
				enum smtp_state to;
				if (smtp_fsm_row((enum smtp_state)state,
					(enum smtp_verb)verb) != NULL &&
				    smtp_fsm_after((enum smtp_state)state,
					(enum smtp_verb)verb, codes[i],
					&to) == 1)
					next |= 1u << to;
			}
	}
	if ((seen & 1u << SMTP_ST_CONNECT) != 0)
		next |=
		    1u << smtp_fsm_event(SMTP_ST_CONNECT, SMTP_EV_GREETS) |
		    1u << smtp_fsm_event(SMTP_ST_CONNECT, SMTP_EV_TURNS_AWAY);
	if ((seen & 1u << SMTP_ST_BODY) != 0)
		next |= 1u << smtp_fsm_event(SMTP_ST_BODY, SMTP_EV_TEXT_BAD);
	return next;
}

static void
every_state_can_be_reached(void **unused)
{
	unsigned seen = 1u << SMTP_ST_CONNECT, last = 0;

	(void)unused;
	while (seen != last) {
		last = seen;
		seen = spread(seen);
	}
	assert_int_equal(seen, (1u << SMTP_ST_COUNT) - 1);
}

static void
every_state_can_be_left(void **unused)
{
	(void)unused;
	for (unsigned state = 0; state < SMTP_ST_COUNT; state++) {
		if (state == SMTP_ST_CLOSING || state == SMTP_ST_TLS)
			continue;
		assert_int_not_equal(spread(1u << state), 1u << state);
	}
}

/* RFC 2920 3.1: these must end a pipelined group. */
static void
last_verbs(void **unused)
{
	static const enum smtp_verb last[] = {
	    SMTP_EHLO, SMTP_DATA, SMTP_VRFY, SMTP_EXPN, SMTP_QUIT, SMTP_NOOP};

	(void)unused;
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
		const struct smtp_row *row =
		    smtp_fsm_row(SMTP_ST_RCPT, last[i]);
		assert_non_null(row);
		assert_true(smtp_row_flags(row) & SMTP_FLAG_LAST);
	}
	assert_false(smtp_row_flags(smtp_fsm_row(SMTP_ST_READY, SMTP_MAIL)) &
		     SMTP_FLAG_LAST);
}

static void
golden_matrix(void **unused)
{
	struct buf now;
	char golden[32 * 1024];
	FILE *file = fopen("tests/unit/smtp_table.ref", "re");

	(void)unused;
	buf_init(&now, sizeof(golden));
	smtp_fsm_print(&now);
	assert_non_null(file);
	size_t len = fread(golden, 1, sizeof(golden), file);
	fclose(file);
	if (!slice_eq(buf_slice(&now), slice_of(golden, len))) {
		printf("the table now:\n%.*s", SLICE_FMT(buf_slice(&now)));
		fail_msg("the table differs from tests/unit/smtp_table.ref");
	}
	buf_fini(&now);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_state_can_be_reached),
	    cmocka_unit_test(every_state_can_be_left),
	    cmocka_unit_test(last_verbs),
	    cmocka_unit_test(golden_matrix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
