/* LINKS: proxy/audit/record*.c proxy/audit/json_text.c proxy/audit/log_*.c policy/ */
/*
 * The log read back: what the writer wrote comes out again, byte by byte, and
 * what is no line of ours is said to be none.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/log_read.h"
#include "tests/unit/random.h"
#include "tests/unit/record_fixture.h"
#include "tests/unit/temp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char path[TEMP_PATH];
static struct log_reader *reader;
static struct log_session session;

static void
open_text(struct slice text)
{
	FILE *file = fopen(temp_path("log", path), "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text.ptr, 1, text.len, file), text.len);
	fclose(file);
	reader = log_reader_open(path);
	assert_non_null(reader);
}

static int
tear_down(void **state)
{
	(void)state;
	log_reader_close(&reader);
	temp_remove();
	return 0;
}

static void
open_record(struct record *record)
{
	struct buf out;

	buf_init(&out, RECORD_MAX);
	assert_true(record_write(record, &fixture_end, 7, &out));
	log_reader_close(&reader);
	open_text(buf_slice(&out));
	assert_int_equal(log_reader_next(reader, &session), LOG_SESSION);
	assert_int_equal(log_reader_unusual(reader), 0);
	buf_fini(&out);
}

static void
assert_text(struct slice got, const char *want)
{
	if (want == NULL)
		assert_null(got.ptr);
	else if (!slice_eq(got, slice_str(want)))
		fail_msg("%.*s, not %s", SLICE_FMT(got), want);
}

static void
test_whole_record(void **state)
{
	struct record *record = fixture_record();

	(void)state;
	fixture_fill(record);
	open_record(record);
	assert_text(session.event_type, "session");
	assert_int_equal(session.ref.len, RECORD_REF);
	assert_text(session.src_ip, "192.0.2.7");
	assert_text(session.dest_ip, "2001:db8::25");
	assert_int_equal(session.dest_port, 25);
	assert_text(session.listener, "inbound");
	assert_text(session.tls_client, "passed");
	assert_text(session.uninspected_after, "starttls");
	assert_true(session.has_connect);
	assert_text(session.connect.verdict.verdict, "accept");
	assert_text(session.connect.verdict.would, "repair");
	assert_text(session.connect.verdict.would_rule, "mend");
	assert_text(session.connect.verdict.rule, NULL);
	assert_int_equal(session.helo_listed, 3);
	assert_int_equal(session.helo_count, 3);
	assert_text(session.helos[0].received, "EXCH_01");
	assert_text(session.helos[0].forwarded, "[192.0.2.7]");
	assert_text(session.helos[0].verdict.rule, "mend");
	assert_int_equal(session.helos[0].fallback, LOG_FALSE);
	assert_int_equal(session.helos[0].tls, LOG_FALSE);
	assert_int_equal(session.auth_listed, 2);
	assert_text(session.auths[0].user, "user@example.com");
	assert_text(session.auths[1].user, NULL);
	assert_int_equal(session.mail_listed, 4);
	assert_text(session.mails[0].from, "a@example.com");
	assert_int_equal(session.mails[0].declared_size, 2048);
	assert_int_equal(session.mails[3].declared_size, -1);
	assert_text(session.mails[1].verdict.rule, "mend");
	assert_text(
	    session.rcpts[session.mails[1].rcpt.first].verdict.rule, "mend");
	assert_true(session.helos[2].dns.count + session.helos[1].dns.count +
			session.helos[0].dns.count >
		    0);
	assert_text(session.mails[3].from, "");
	assert_int_equal(session.mails[3].rcpt.count, 1);
	assert_text(
	    session.rcpts[session.mails[3].rcpt.first].to, "c@example.net");
	assert_int_equal(log_reader_next(reader, &session), LOG_END);
	record_free(&record);
}

/* No byte of a name is lost, whatever it is. */
static void
test_any_bytes(void **state)
{
	char name[RECORD_TEXT_MAX];
	uint64_t seed = 1;

	(void)state;
	for (unsigned run = 0; run < 300; run++) {
		struct record *record = fixture_record();
		size_t len =
		    random_text(&seed, name, run < 200 ? 12 : sizeof(name));
		fixture_helo(record, slice_of(name, len), run % 2 == 1);
		fixture_mail(record, slice_of(name, len), slice_of(name, len));
		open_record(record);
		assert_true(
		    slice_eq(session.helos[0].received, slice_of(name, len)));
		assert_true(
		    slice_eq(session.mails[0].from, slice_of(name, len)));
		assert_true(slice_eq(session.rcpts[0].to, slice_of(name, len)));
		record_free(&record);
	}
}

#define LINE(text) text "\n"

static void
test_kinds_of_lines(void **state)
{
	static const struct {
		struct slice text;
		enum log_line kind;
		bool unusual;
	} lines[] = {
	    {SLICE("{\"event_type\":\"session\"}"), LOG_SESSION, false},
	    {SLICE(" { \"event_type\" : \"session\" } "), LOG_SESSION, false},
	    {SLICE("{\"event_type\":\"start\"}"), LOG_OTHER, false},
	    {SLICE("{}"), LOG_OTHER, false},
	    {SLICE("[1]"), LOG_OTHER, true},
	    {SLICE("7"), LOG_BAD, true},
	    {SLICE("{\"event_type\":\"session\""), LOG_BAD, true},
	    {SLICE("{\"event_type\":\"session\"}}"), LOG_BAD, true},
	    {SLICE("\x80\xff\0binary"), LOG_BAD, true},
	    {SLICE("{\"a\":01}"), LOG_BAD, true},
	    {SLICE("{\"a\":\"\x80\"}"), LOG_BAD, true},
	    {SLICE("{\"a\":\"\\q\"}"), LOG_BAD, true},
	    {SLICE("{\"a\":nul}"), LOG_BAD, true},
	    {SLICE("{\"event_type\":\"session\",\"a\":1.5}"), LOG_SESSION,
		true},
	    {SLICE("{\"a\":\"\\ud83d\\ude00\"}"), LOG_OTHER, true},
	    {SLICE("{\"\\u0065vent_type\":\"session\"}"), LOG_SESSION, true},
	    {SLICE("{\"event_type\":\"a\",\"event_type\":\"session\"}"),
		LOG_SESSION, true},
	    {SLICE("{\"event_type\":\"session\",\"helo\":null,\"mail\":7,"
		   "\"x\":null}"),
		LOG_SESSION, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		open_text(lines[i].text);
		enum log_line kind = log_reader_next(reader, &session);
		if (kind != lines[i].kind ||
		    log_reader_unusual(reader) != lines[i].unusual)
			fail_msg("%.*s: %d, %s", SLICE_FMT(lines[i].text),
			    (int)kind, log_reader_reason(reader));
		assert_int_equal(log_reader_line(reader), 1);
		assert_int_equal(log_reader_next(reader, &session), LOG_END);
		log_reader_close(&reader);
	}
}

/* jansson writes null anew: were it to call our json_null, this would end. */
static void
test_null_in_an_unusual_line(void **state)
{
	(void)state;
	open_text(SLICE("{\"event_type\":\"session\",\"helo\":[{\"rule\":null,"
			"\"received\":\"\\ud83d\\ude00\",\"x\":1e3}]}"));
	assert_int_equal(log_reader_next(reader, &session), LOG_SESSION);
	assert_text(session.helos[0].verdict.rule, NULL);
	assert_text(session.helos[0].received, "\xf0\x9f\x98\x80");
}

static void
test_dns(void **state)
{
	(void)state;
	open_text(SLICE(
	    "{\"event_type\":\"session\",\"connect\":{\"dns\":{\"client.ptr\":["
	    "\"a.test\",\"b.test\"]}},\"helo\":[{\"dns\":{\"helo.dns\":\"pass\""
	    ",\"client.dnsbl\":{\"z.test\":[\"127.0.0.2\"],\"y.test\":[],"
	    "\"x.test\":\"temperror\"}}}]}"));
	assert_int_equal(log_reader_next(reader, &session), LOG_SESSION);
	const struct log_fact *facts = session.facts;
	assert_int_equal(session.connect.dns.count, 1);
	assert_text(facts[0].fact, "client.ptr");
	assert_int_equal(facts[0].texts.count, 2);
	assert_text(session.texts[facts[0].texts.first + 1], "b.test");
	assert_int_equal(session.helos[0].dns.first, 1);
	assert_int_equal(session.helos[0].dns.count, 4);
	assert_text(facts[1].word, "pass");
	assert_text(facts[2].zone, "z.test");
	assert_text(session.texts[facts[2].texts.first], "127.0.0.2");
	assert_int_equal(facts[3].texts.count, 0);
	assert_text(facts[4].word, "temperror");
}

/* A fact that is there twice, of which one leaves no trace: jansson's order
 * and its last value hold. */
static void
test_dns_twice(void **state)
{
	(void)state;
	open_text(SLICE("{\"event_type\":\"session\",\"helo\":[{\"dns\":{"
			"\"helo.spf\":4,\"helo.dns\":\"pass\",\"client.dnsbl\":"
			"{},\"helo.spf\":\"fail\"}}]}"));
	assert_int_equal(log_reader_next(reader, &session), LOG_SESSION);
	assert_int_equal(log_reader_unusual(reader), 1);
	assert_int_equal(session.helos[0].dns.count, 2);
	assert_text(session.facts[0].fact, "helo.spf");
	assert_text(session.facts[0].word, "fail");
	assert_text(session.facts[1].fact, "helo.dns");
}

/* No key has a NUL in it, also where nobody looks. */
static void
test_nul_in_a_key(void **state)
{
	(void)state;
	open_text(SLICE("{\"event_type\":\"session\",\"x\":[{\"a\\u0000\":1}]}"
			"\n{\"event_type\":\"session\",\"x\":\"a\\u0000\"}\n"));
	assert_int_equal(log_reader_next(reader, &session), LOG_BAD);
	assert_int_equal(log_reader_next(reader, &session), LOG_SESSION);
}

static void
test_long_lines(void **state)
{
	size_t size = 3 * LOG_LINE_MAX;
	char *text = malloc(size);

	(void)state;
	memset(text, 'x', size);
	text[0] = '\n';
	text[2 * LOG_LINE_MAX] = '\n';
	memcpy(text + 2 * LOG_LINE_MAX + 1, "{}\n", 3);
	open_text(slice_of(text, 2 * LOG_LINE_MAX + 4));
	free(text);
	assert_int_equal(log_reader_next(reader, &session), LOG_BAD);
	assert_int_equal(log_reader_line(reader), 2);
	assert_int_equal(log_reader_next(reader, &session), LOG_OTHER);
	assert_int_equal(log_reader_line(reader), 3);
	assert_int_equal(log_reader_next(reader, &session), LOG_END);
}

static void
test_unreadable(void **state)
{
	(void)state;
	assert_null(log_reader_open("/nowhere/at/all"));
	assert_int_equal(errno, ENOENT);
	reader = log_reader_open("/");
	assert_non_null(reader);
	assert_int_equal(log_reader_next(reader, &session), LOG_FAILED);
	assert_int_equal(errno, EISDIR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_whole_record, tear_down),
	    cmocka_unit_test_teardown(test_any_bytes, tear_down),
	    cmocka_unit_test_teardown(test_kinds_of_lines, tear_down),
	    cmocka_unit_test_teardown(test_null_in_an_unusual_line, tear_down),
	    cmocka_unit_test_teardown(test_dns, tear_down),
	    cmocka_unit_test_teardown(test_dns_twice, tear_down),
	    cmocka_unit_test_teardown(test_nul_in_a_key, tear_down),
	    cmocka_unit_test_teardown(test_long_lines, tear_down),
	    cmocka_unit_test_teardown(test_unreadable, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
