/* LINKS: proxy/smtp/smtp_command.c proxy/smtp/smtp_line.c proxy/smtp/smtp_fsm.c proxy/smtp/smtp_reply.c proxy/smtp/smtp_ehlo.c proxy/smtp/smtp_sasl.c */
/*
 * The small parsers, line by line: a command and what is written of it, a
 * reply and what is relayed of it, a keyword of EHLO, a response of SASL.  (Each
 * is fuzzed as well.)
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_command.h"
#include "smtp/smtp_ehlo.h"
#include "smtp/smtp_line.h"
#include "smtp/smtp_reply.h"
#include "smtp/smtp_sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void
same(struct slice got, const char *wanted)
{
	if (slice_eq(got, slice_str(wanted)))
		return;
	fail_msg("`%.*s`, not `%s`", SLICE_FMT(got), wanted);
}

/* --- commands ------------------------------------------------------------------- */

static void
commands(void **unused)
{
	static const struct {
		const char *line;
		enum smtp_fault fault;
		const char *written; /* NULL: as it was */
	} rows[] = {
	    {"NOOP", SMTP_FAULT_NONE, NULL},
	    {"noop   with  words ", SMTP_FAULT_NONE, "NOOP with  words"},
	    {"MAIL FROM:<>", SMTP_FAULT_NONE, NULL},
	    {"mail from: a@b.example", SMTP_FAULT_NONE,
		"MAIL FROM:<a@b.example>"},
	    {"MAIL FROM:<\"a>b\"@c.example> SMTPUTF8  SIZE=9", SMTP_FAULT_NONE,
		"MAIL FROM:<\"a>b\"@c.example> SMTPUTF8 SIZE=9"},
	    {"MAIL FROM:<\"a\\\"b\"@c.example>", SMTP_FAULT_NONE, NULL},
	    {"MAIL FROM:<\"a\".\"<b>\"@c.example>", SMTP_FAULT_NONE, NULL},
	    {"MAIL FROM:<@r.example:\"a>b\"@c.example>", SMTP_FAULT_NONE, NULL},
	    {"MAIL FROM:<\"postmaster\">", SMTP_FAULT_NONE, NULL},
	    {"MAIL FROM:<a\"<b@c.example>\"@d.example>", SMTP_FAULT_SENDER,
		NULL},
	    {"MAIL FROM:<\"a\":\"<b@c.example>\"@d.example>", SMTP_FAULT_SENDER,
		NULL},
	    {"MAIL FROM:<a:\"<b@c.example>\"@d.example>", SMTP_FAULT_SENDER,
		NULL},
	    {"MAIL FROM:<\"a>b\"c@d.example>", SMTP_FAULT_SENDER, NULL},
	    {"MAIL FROM:<\"a@b.example>", SMTP_FAULT_SENDER, NULL},
	    {"MAIL FROM:<\"", SMTP_FAULT_SENDER, NULL},
	    {"MAIL FROM:<a\\>b@c.example>", SMTP_FAULT_NONE, NULL},
	    {"MAIL FROM:<a b@c.example>", SMTP_FAULT_SENDER, NULL},
	    {"MAIL FROM:<a@b.example", SMTP_FAULT_SENDER, NULL},
	    {"MAIL FROM:<a@b.example>x", SMTP_FAULT_SENDER, NULL},
	    {"MAIL FROM:", SMTP_FAULT_SENDER, NULL},
	    {"MAIL FROM:a>b", SMTP_FAULT_SENDER, NULL},
	    {"MAIL TO:<a@b.example>", SMTP_FAULT_ARGUMENT, NULL},
	    {"MAIL FROM:<a@b.example> SIZE=x", SMTP_FAULT_ARGUMENT, NULL},
	    {"MAIL FROM:<a@b.example> SIZE=", SMTP_FAULT_ARGUMENT, NULL},
	    {"MAIL FROM:<a@b.example> =x", SMTP_FAULT_ARGUMENT, NULL},
	    {"MAIL FROM:<a@b.example> A\tB", SMTP_FAULT_ARGUMENT, NULL},
	    {"MAIL FROM:<a@b.example> SIZE=99999999999999999999",
		SMTP_FAULT_ARGUMENT, NULL},
	    {"RCPT TO:<>", SMTP_FAULT_RECIPIENT, NULL},
	    {"RCPT TO:<a@b.example> NOTIFY=NEVER", SMTP_FAULT_NONE, NULL},
	    {"AUTH PLAIN AGEAYg==", SMTP_FAULT_NONE, NULL},
	    {"AUTH PLAIN =", SMTP_FAULT_NONE, NULL},
	    {"AUTH PLAIN a b", SMTP_FAULT_ARGUMENT, NULL},
	    {"AUTH PL*IN", SMTP_FAULT_ARGUMENT, NULL},
	    {"AUTH", SMTP_FAULT_ARGUMENT, NULL},
	    {"AUTH A-MECHANISM-WITH-TOO-LONG-A-NAME", SMTP_FAULT_ARGUMENT,
		NULL},
	    {"BDAT 10", SMTP_FAULT_NONE, NULL},
	    {"bdat 0010 last", SMTP_FAULT_NONE, "BDAT 10 LAST"},
	    {"BDAT -1", SMTP_FAULT_CHUNK, NULL},
	    {"BDAT 9223372036854775808", SMTP_FAULT_CHUNK, NULL},
	    {"BDATS 10", SMTP_FAULT_CHUNK, NULL},
	    {"DATA now", SMTP_FAULT_ARGUMENT, NULL},
	    {"VRFY a\001b", SMTP_FAULT_ARGUMENT, NULL},
	    {"XYZZY", SMTP_FAULT_VERB, NULL},
	    {"", SMTP_FAULT_VERB, NULL},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *written =
		    rows[i].written == NULL ? rows[i].line : rows[i].written;
		struct smtp_command command;
		struct buf out;

		enum smtp_fault fault =
		    smtp_command_parse(slice_str(rows[i].line), &command);
		if (fault != rows[i].fault)
			fail_msg("`%s`: %d", rows[i].line, (int)fault);
		if (fault != SMTP_FAULT_NONE)
			continue;
		buf_init(&out, SMTP_COMMAND_MAX);
		assert_true(smtp_command_write(&command, &out));
		same(slice_head(buf_slice(&out), buf_len(&out) - 2), written);
		buf_fini(&out);
	}
}

/* Whole, or nothing of it. */
static void
no_room_for_a_command(void **unused)
{
	struct smtp_command command;
	struct buf out;

	(void)unused;
	smtp_command_parse(
	    SLICE("MAIL FROM:<a@client.example> SIZE=1"), &command);
	buf_init(&out, 40);
	assert_false(smtp_command_write(&command, &out));
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
}

/* --- lines ---------------------------------------------------------------------- */

/* The CR at the limit: its LF may follow, and ends what is too long. */
static void
cr_at_the_limit(void **unused)
{
	struct smtp_line line;
	bool skip = false;

	(void)unused;
	assert_int_equal(
	    smtp_line_parse(SLICE("1234567\r"), 8, &skip, &line), 1);
	assert_int_equal(line.faults, SMTP_LINE_TOO_LONG | SMTP_LINE_BARE_CR);
	assert_int_equal(line.used, 7);
	assert_true(skip);
	assert_int_equal(smtp_line_skip(SLICE("\r"), &skip), 0);
	assert_int_equal(smtp_line_skip(SLICE("\r\nNOOP"), &skip), 2);
	assert_false(skip);
}

/* --- replies -------------------------------------------------------------------- */

static void
replies(void **unused)
{
	static const struct {
		const char *said;
		int got;
		const char *relayed;
	} rows[] = {
	    {"250 ok\r\n", 1, "250 ok\r\n"},
	    {"250\r\n", 1, "250\r\n"},
	    {"250-a\r\n250 b\r\n", 1, "250-a\r\n250 b\r\n"},
	    {"250-\001\r\n250\r\n", 1, "250-?\r\n250 \r\n"},
	    {"250 ok\r\n354 go\r\n", 1, "250 ok\r\n"},
	    {"250-a\r\n", 0, NULL},
	    {"250-a\r\n251 b\r\n", -1, NULL},
	    {"2500 ok\r\n", -1, NULL},
	    {"199 ok\r\n", -1, NULL},
	    {"600 ok\r\n", -1, NULL},
	    {"2x0 ok\r\n", -1, NULL},
	    {"25\r\n", -1, NULL},
	    {"250 a\rb\r\n", -1, NULL},
	    {"250 ok\n", -1, NULL},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct smtp_reply reply;
		struct buf out;
		int got = smtp_reply_parse(slice_str(rows[i].said), &reply);

		if (got != rows[i].got)
			fail_msg("%s: %d", rows[i].said, got);
		if (got != 1)
			continue;
		buf_init(&out, SMTP_REPLY_MAX);
		assert_true(smtp_reply_write(&reply, &out));
		same(buf_slice(&out), rows[i].relayed);
		buf_fini(&out);
	}
}

static void
no_room_for_a_reply(void **unused)
{
	struct smtp_reply reply;
	struct buf out;

	(void)unused;
	buf_init(&out, 10);
	assert_false(
	    smtp_reply_write_line(250, true, SLICE("much too long"), &out));
	assert_int_equal(
	    smtp_reply_parse(SLICE("250-\001\r\n250 much\r\n"), &reply), 1);
	assert_false(smtp_reply_write(&reply, &out));
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
}

/* --- keywords -------------------------------------------------------------------- */

static void
keywords(void **unused)
{
	static const struct {
		const char *line, *keyword;
		bool good;
	} rows[] = {
	    {"SIZE 1000", "SIZE", true},
	    {"AUTH=LOGIN PLAIN", "AUTH", true},
	    {"X_PIPE_CONNECT", "X_PIPE_CONNECT", true},
	    {"8BITMIME", "8BITMIME", true},
	    {"", "", false},
	    {" SIZE", "", false},
	    {"SI!ZE", "SI!ZE", false},
	    {"SIZE 1\0010", "SIZE", false},
	    {"SIZE\t10", "SIZE\t10", false},
	    {"SIZE 1\177", "SIZE", false},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice line = slice_str(rows[i].line);
		same(smtp_ehlo_keyword(line), rows[i].keyword);
		assert_int_equal(smtp_ehlo_is_line(line), rows[i].good);
	}
}

/* --- SASL ----------------------------------------------------------------------- */

static void
users(void **unused)
{
	static const struct {
		const char *mechanism, *response;
		unsigned step;
		const char *user;
	} rows[] = {
	    {"PLAIN", "AGpvZQBzZWNyZXQ=", 0, "joe"},
	    {"plain", "YWRtAGpvZQBzZWNyZXQ=", 0, "joe"},
	    {"PLAIN", "am9l", 0, ""},
	    {"PLAIN", "AGpvZQ==", 0, ""},
	    {"PLAIN", "AGpvZQBzZWNyZXQ=", 1, ""},
	    {"LOGIN", "am9l", 0, "joe"},
	    {"LOGIN", "am9l*", 0, "joe"},
	    {"LOGIN", "Pj4+Pz8/", 0, ">>>???"},
	    {"LOGIN", "", 0, ""},
	    {"CRAM-MD5", "am9lIGRvZSAwMTIzNDU2Nzg5YWJjZGVm", 0, "joe doe"},
	    {"CRAM-MD5", "am9l", 0, ""},
	    {"GSSAPI", "AGpvZQBzZWNyZXQ=", 0, ""},
	};
	char out[SMTP_SASL_USER_MAX];

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = smtp_sasl_user(slice_str(rows[i].mechanism),
		    slice_str(rows[i].response), rows[i].step, out);
		same(slice_of(out, len), rows[i].user);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands),
	    cmocka_unit_test(no_room_for_a_command),
	    cmocka_unit_test(cr_at_the_limit),
	    cmocka_unit_test(replies),
	    cmocka_unit_test(no_room_for_a_reply),
	    cmocka_unit_test(keywords),
	    cmocka_unit_test(users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
