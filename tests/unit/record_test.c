/* LINKS: proxy/audit/record*.c proxy/audit/json_text.c policy/ */
/*
 * The record: what a line holds, that it is valid by the published schema,
 * that no byte is lost, and that no client can make it too long.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/record_private.h"
#include "tests/unit/json_decode.h"
#include "tests/unit/random.h"
#include "tests/unit/record_fixture.h"
#include "tests/unit/temp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct record *record;
static struct buf out;

static int
set_up(void **state)
{
	(void)state;
	record = fixture_record();
	assert_non_null(record);
	buf_init(&out, RECORD_MAX);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	record_free(&record);
	assert_null(record);
	buf_fini(&out);
	return 0;
}

static void
write_line(void)
{
	buf_clear(&out);
	assert_true(record_write(record, &fixture_end, 9, &out));
	assert_int_equal(slice_find(buf_slice(&out), '\n'), buf_len(&out) - 1);
	assert_true(buf_append(&out, SLICE("\0")));
}

static bool
says(const char *text)
{
	return strstr(buf_slice(&out).ptr, text) != NULL;
}

/* --- the schema ----------------------------------------------------------- */

static FILE *log_file;
static char log_path[TEMP_PATH];

static void
to_log(void)
{
	buf_clear(&out);
	assert_true(record_write(record, &fixture_end, 9, &out));
	struct slice line = buf_slice(&out);
	assert_int_equal(fwrite(line.ptr, 1, line.len, log_file), line.len);
	buf_clear(&out);
}

/* One line of each kind of end, to be validated together. */
static void
write_log(void)
{
	to_log(); /* nothing happened */
	record_greeting(record, SLICE("554 no"), "gate", 1000300);
	record_server_greeting(record, SLICE("220 mx ESMTP"), 1000400);
	to_log();
	fixture_fill(record);
	to_log();
	fixture_tls(record);
	to_log();
	record_tls_failed(record, false, SLICE("TLS: no shared cipher"));
	record_tls_failed(record, true, SLICE(""));
	to_log();
	static struct policy_verdict verdict;
	fixture_verdict(&verdict, false);
	record_connect_verdict(record, &verdict, NULL, 0);
	to_log();
	assert_true(record_write_start(record, 1, &out));
	assert_true(
	    record_write_ban(record, &verdict.rule, 3600, 1000000, 3, &out));
	assert_true(record_write_daemon(SLICE("gate1"), 1, "warning", "monitor",
	    "a \"text\" with \\xff and a\ttab", 2, &out));
	struct slice lines = buf_slice(&out);
	assert_int_equal(fwrite(lines.ptr, 1, lines.len, log_file), lines.len);
	buf_clear(&out);
}

static void
write_random_log(uint64_t *seed)
{
	static char bytes[3][1200];
	struct slice text[3];

	for (int i = 0; i < 3; i++)
		text[i] = slice_of(
		    bytes[i], random_text(seed, bytes[i], sizeof(bytes[i])));
	record_free(&record);
	record = fixture_record();
	fixture_helo(record, text[0], random_next(seed) & 1);
	record_helo_reply(record, text[1], "gate");
	record_violation(record, "bare_cr", text[2]);
	record_mail(record, text[1], 5);
	record_rcpt(record, text[2]);
	record_rcpt_reply(record, text[0], "server");
	record_rcpt(record, text[0]);
	record_message_id(record, text[1]);
	record_message_end(record, text[2], "server", false);
	record_auth(record, text[0], text[1]);
	to_log();
}

static void
schema(void **state)
{
	uint64_t seed = 0x5eed0002;
	char command[TEMP_PATH + 80];

	(void)state;
	temp_path("log", log_path);
	log_file = fopen(log_path, "w");
	assert_non_null(log_file);
	write_log();
	for (int i = 0; i < 200; i++)
		write_random_log(&seed);
	assert_int_equal(fclose(log_file), 0);
	snprintf(command, sizeof(command),
	    "/usr/bin/python3 tests/tool/validate.py --fields %s", log_path);
	int status = system(command);
	temp_remove();
	assert_int_equal(status, 0);
}

/* --- content -------------------------------------------------------------- */

static void
content(void **state)
{
	(void)state;
	fixture_fill(record);
	write_line();
	assert_true(says("{\"timestamp\":\"2026-11-24T11:02:07.444456+0000\","
			 "\"event_type\":\"session\",\"session\":\""));
	assert_true(says(",\"seq\":9,\"node\":\"gate1\",\"src_ip\":"
			 "\"192.0.2.7\",\"src_port\":40001,\"dest_ip\":"
			 "\"2001:db8::25\",\"dest_port\":25,\"proto\":\"TCP\","
			 "\"listener\":\"inbound\",\"mode\":\"tproxy\""));
	assert_true(says("\"started\":\"2026-11-24T11:02:03.123456+0000\""));
	assert_true(says("\"program_version\":\"" EHLOGATE_VERSION "\""));
	assert_true(says("\"upstream\":{\"local_ip\":\"192.0.2.7\","
			 "\"local_port\":50001}"));
	assert_true(says("\"close\":{\"code\":\"C-\",\"reason\":\"quit\","
			 "\"error\":\"Connection reset by peer\"}"));
	assert_true(says("\"capabilities\":{\"offered\":[\"PIPELINING\","
			 "\"SIZE\"],\"masked\":[\"XCLIENT\"]}"));
	assert_true(says("\"truncated\":false"));
	assert_true(says("\"inspected\":false"));
	assert_true(says("\"result\":\"accepted\",\"mechanism\":\"PLAIN\","
			 "\"user\":\"user@example.com\""));
	assert_true(says("\"result\":\"unfinished\",\"mechanism\":\"GSSAPI\","
			 "\"user\":null"));
	assert_true(says("\"mail\":[{\"rcpt_count\":1,\"declared_size\":2048,"
			 "\"size\":2100,\"stray_newlines\":3,"
			 "\"from\":\"a@example.com\""));
	assert_true(says("\"queue_id\":\"4F2AB1C3D4\""));
	assert_true(says("{\"to\":\"c@example.net\",\"reply\":null,"
			 "\"reply_by\":null}],\"reply\":null}"));
}

static void
helo(void **state)
{
	(void)state;
	fixture_helo(record, SLICE("EXCH_01"), false);
	write_line();
	assert_true(says("\"helo\":[{\"verb\":\"EHLO\",\"verdict\":\"repair\","
			 "\"rule\":\"mend\",\"rule_file\":"
			 "\"rules/outbound.yaml\",\"rule_line\":14,"));
	assert_true(says("\"valid\":false,\"flaws\":[\"underscore\","
			 "\"single_label\"]"));
	assert_true(says("\"received\":\"EXCH_01\",\"forwarded\":"
			 "\"[192.0.2.7]\",\"repairs\":[\"client_literal\"],"
			 "\"server_reply\":\"250-mx.example.net\",\"reply\":"
			 "\"250-mx.example.net\",\"reply_by\":\"server\"}]"));
	assert_false(says("would"));
	/* A reply to a HELO that was not recorded belongs to none. */
	record_helo_reply(record, SLICE("503 5.5.1 no"), "gate");
	write_line();
	assert_false(says("503 5.5.1"));
	fixture_helo(record, SLICE("mx.example.com"), true);
	write_line();
	assert_true(says("\"verdict\":\"accept\",\"would\":\"repair\","
			 "\"would_rule\":\"mend\""));
}

/* What is open when the session ends is written without touching it. */
static void
open_ends(void **state)
{
	static struct policy_verdict verdict;
	struct record_helo open = {.received = SLICE("x"), .verdict = &verdict};

	(void)state;
	record_mail(record, SLICE("a@b"), -1);
	record_rcpt(record, SLICE("c@d"));
	record_auth(record, SLICE("LOGIN"), slice_of(NULL, 0));
	record_helo(record, &open);
	for (int i = 0; i < 2; i++) {
		write_line();
		assert_true(says("\"received\":\"x\",\"forwarded\":null,"));
		assert_true(says("\"rcpt\":[{\"to\":\"c@d\",\"reply\":null,"));
		assert_true(says("\"mechanism\":\"LOGIN\""));
	}
}

static void
durations(void **state)
{
	struct endpoint local = fixture_endpoint("192.0.2.7:50001");

	(void)state;
	record_connected(record, &local, 1000010);
	record_greeting(record, SLICE("220 x"), "server", 1000030);
	record_clock(record, 1000100);
	record_mail(record, SLICE("a@b"), -1);
	record_clock(record, 1000300);
	record_text(record, 1, 0);
	record_clock(record, 1000600);
	record_message_end(record, SLICE("250 ok"), "server", true);
	record_clock(record, 1000500); /* a clock never goes back */
	write_line();
	assert_true(says("\"durations_us\":{\"connect\":10,\"greeting\":20,"
			 "\"command\":4320470,\"mail\":200,\"accept\":300,"
			 "\"blind\":0,\"total\":4321000}"));
}

/* Replies come in order while other recipients are already told. */
static void
rcpt_order(void **state)
{
	char text[32];

	(void)state;
	record_mail(record, SLICE("a@b"), -1);
	for (int i = 0; i < 5; i++)
		record_rcpt(record,
		    slice_of(
			text, (size_t)snprintf(text, sizeof(text), "r%d", i)));
	for (int i = 0; i < 3; i++)
		record_rcpt_reply(record,
		    slice_of(text,
			(size_t)snprintf(text, sizeof(text), "250 %d", i)),
		    "gate");
	record_rcpt(record, SLICE("r5"));
	record_rcpt_reply(record, SLICE("250 3"), "server");
	record_rcpt_reply(record, SLICE("250 4"), "server");
	record_rcpt_reply(record, SLICE("550 5"), "server");
	record_rcpt_reply(record, SLICE("250 nobody"), "server");
	record_message_end(record, SLICE("250 ok"), "server", true);
	write_line();
	for (int i = 0; i < 5; i++) {
		char wanted[64];
		snprintf(wanted, sizeof(wanted),
		    "{\"to\":\"r%d\",\"reply\":\"250 %d\"", i, i);
		assert_true(says(wanted));
	}
	assert_true(says("{\"to\":\"r5\",\"reply\":\"550 5\""));
	assert_false(says("nobody"));
}

/* --- limits --------------------------------------------------------------- */

static void
flood_helo(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		fixture_helo(record, SLICE("EXCH_01"), true);
	fixture_helo(record, SLICE("the.last.example"), true);
	write_line();
	assert_true(says("\"helo_count\":101"));
	assert_true(says("\"truncated\":true"));
	assert_true(says("\"received\":\"the.last.example\""));
}

static void
flood_rcpt(void **state)
{
	char text[64];

	(void)state;
	record_mail(record, SLICE("a@b"), -1);
	for (int i = 0; i < 10000; i++) {
		record_rcpt(record,
		    slice_of(text,
			(size_t)snprintf(text, sizeof(text), "r%d@x", i)));
		if (i % 50 != 49)
			continue;
		for (int k = i - 49; k <= i; k++)
			record_rcpt_reply(record,
			    slice_of(text, (size_t)snprintf(text, sizeof(text),
					       "250 %d", k)),
			    "server");
	}
	record_message_end(record, SLICE("250 ok"), "server", true);
	write_line();
	assert_true(says("\"rcpt_count\":10000"));
	assert_true(says("\"truncated\":true"));
	assert_true(says("{\"to\":\"r500@x\",\"reply\":\"250 500\""));
	assert_false(says("\"to\":\"r1000@x\""));
	/* The next message has its recipients again. */
	fixture_mail(record, SLICE("c@d"), SLICE("e@f"));
	write_line();
	assert_true(says("{\"to\":\"e@f\",\"reply\":\"250 2.1.5 Ok\""));
}

static void
flood_mail(void **state)
{
	(void)state;
	for (int i = 0; i < 10000; i++)
		fixture_mail(record, SLICE("first@example.com"), SLICE("b@c"));
	fixture_mail(record, SLICE("last@example.com"), SLICE("b@c"));
	for (int i = 0; i < 10000; i++)
		record_violation(record, "bare_lf", SLICE("x"));
	write_line();
	assert_true(says("\"message_count\":10001"));
	assert_true(says("\"violation_count\":10000"));
	assert_true(says("\"from\":\"last@example.com\""));
	assert_true(says("\"truncated\":true"));
}

/* Nothing but the worst bytes in every text, as long as can be. */
static void
worst_texts(void **state)
{
	static char worst[5000];
	struct slice text = slice_of(worst, sizeof(worst));

	(void)state;
	memset(worst, 1, sizeof(worst));
	record_greeting(record, text, "server", 1000001);
	record_server_greeting(record, text, 1000001);
	for (int i = 0; i < 40; i++) {
		fixture_helo(record, text, false);
		record_auth(record, text, text);
		record_auth_reply(record, text, "server");
		record_capability(record, text, i & 1);
		record_violation(record, "bare_lf", text);
		record_note(record, "a_note");
		record_mail(record, text, 1);
		for (int k = 0; k < 40; k++)
			record_rcpt(record, text);
		for (int k = 0; k < 40; k++)
			record_rcpt_reply(record, text, "server");
		record_text(record, 1, 1);
		record_message_id(record, text);
		record_message_end(record, text, "server", true);
	}
	write_line();
	assert_true(says("\"truncated\":true"));
	assert_true(says("\"from\":\"\\u0001"));
	assert_true(says("\"received\":\"\\u0001"));
	assert_true(buf_len(&out) > RECORD_MAIL_FULL);
}

static void
no_room(void **state)
{
	struct buf small;

	(void)state;
	flood_mail(NULL);
	buf_init(&small, 4096);
	assert_true(buf_append(&small, SLICE("before\n")));
	assert_true(record_write(record, &fixture_end, 1, &small));
	assert_true(buf_append(&small, SLICE("\0")));
	assert_non_null(strstr(buf_slice(&small).ptr, "\"truncated\":true"));
	assert_non_null(strstr(buf_slice(&small).ptr, "\"mail\":[]"));
	buf_fini(&small);
	buf_init(&small, 100);
	assert_true(buf_append(&small, SLICE("before\n")));
	assert_false(record_write(record, &fixture_end, 1, &small));
	assert_false(record_write_start(record, 1, &small));
	assert_int_equal(buf_len(&small), 7);
	buf_fini(&small);
}

/* A session that waits after its EHLO. */
static void
idle_memory(void **state)
{
	size_t held = 0;
	struct endpoint local = fixture_endpoint("192.0.2.7:50001");

	(void)state;
	record_connected(record, &local, 1000100);
	record_greeting(record, SLICE("220 mx.example.net ESMTP Postfix"),
	    "server", 1000300);
	fixture_helo(record, SLICE("EXCH_01"), false);
	const char *const keywords[] = {"PIPELINING", "SIZE", "ETRN",
	    "STARTTLS", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "CHUNKING"};
	for (size_t i = 0; i < 8; i++)
		record_capability(record, slice_str(keywords[i]), false);
	const struct buf *bufs[] = {&record->connect, &record->helo.text,
	    &record->offered, &record->masked, &record->auth,
	    &record->mail.text, &record->message.rcpt,
	    &record->message.awaiting, &record->violations, &record->notes};
	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
		held += bufs[i]->size;
	held += record->greeting.len + 1;
	assert_null(record->name.reply.ptr);
	print_message("struct %zu, heap %zu\n", sizeof(*record), held);
	assert_true(held <= 1024);
}

/* --- losslessness --------------------------------------------------------- */

static void
assert_field(const char *key, struct slice bytes)
{
	static char back[8 * RECORD_TEXT_MAX];
	char quoted[64];
	size_t got;
	int len = snprintf(quoted, sizeof(quoted), "\"%s\":\"", key);
	const char *at = strstr(buf_slice(&out).ptr, quoted);

	assert_non_null(at);
	struct slice from = slice_str(at + len - 1);
	assert_int_not_equal(
	    decode_peer(slice_head(from, sizeof(back)), back, &got), -1);
	assert_int_equal(got, bytes.len);
	assert_memory_equal(back, bytes.ptr, got);
}

static void
lossless(void **state)
{
	static char bytes[4][RECORD_TEXT_MAX];
	uint64_t seed = 0x5eed0003;
	unsigned runs = random_runs(5000);

	(void)state;
	for (unsigned run = 0; run < runs; run++) {
		struct slice text[4];
		for (int i = 0; i < 4; i++)
			text[i] = slice_of(
			    bytes[i], random_text(&seed, bytes[i], 256));
		record_free(&record);
		record = fixture_record();
		record_greeting(record, text[3], "server", 1000002);
		fixture_helo(record, text[0], false);
		record_mail(record, text[1], -1);
		record_rcpt(record, text[2]);
		record_message_id(record, text[3]);
		record_rcpt_reply(record, text[0], "server");
		write_line();
		assert_field("received", text[0]);
		assert_field("from", text[1]);
		assert_field("to", text[2]);
		assert_field("greeting", text[3]);
		assert_true(says("\"truncated\":false"));
	}
}

/* --- references, queue ids ------------------------------------------------- */

static void
references(void **state)
{
	char ref[RECORD_REF + 1], last[RECORD_REF + 1] = "";
	uint64_t ms = UINT64_C(1795518123123);

	(void)state;
	record_make_ref(0, 0, 0, ref);
	assert_string_equal(ref, "0000000000000000");
	record_make_ref(UINT64_C(0xffffffffffff), 0xfff, 0xfffff, ref);
	assert_string_equal(ref, "ZZZZZZZZZZZZZZZZ");
	for (unsigned i = 0; i < 40000; i++) {
		record_make_ref(ms + i / 4, i / 2 & 1, i & 1, ref);
		assert_int_equal(strlen(ref), RECORD_REF);
		assert_int_equal(
		    strspn(ref, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
		    RECORD_REF);
		assert_true(strcmp(last, ref) < 0);
		memcpy(last, ref, sizeof(last));
	}
}

static void
queue_ids(void **state)
{
	static const char *const cases[][2] = {
	    {"250 2.0.0 Ok: queued as 4F2AB1C3D4", "4F2AB1C3D4"},
	    {"250 OK id=1rXyZ0-0001Ab-2C", "1rXyZ0-0001Ab-2C"},
	    {"250 2.0.0 4f2ab1c3 Message accepted for delivery", "4f2ab1c3"},
	    {"250 2.0.0 5ALB2abc012345 Message accepted for delivery",
		"5ALB2abc012345"},
	    {"250 5ALB2abc012345 Message accepted for delivery",
		"5ALB2abc012345"},
	    {"250 2.6.0 <x@y> [InternalId=123456789, Hostname=ex.example.com] "
	     "1234 bytes in 0.1, 9 KB/sec Queued mail for delivery",
		"123456789"},
	    {"250 2.6.0 <[InternalId=1@evil> [InternalId=22, Hostname=e] "
	     "Queued mail for delivery",
		"22"},
	    {"250 ok 1732446123 qp 567", "567"},
	    {"250 2.0.0 OK  1732446123 a1-20020a1si12.3 - gsmtp",
		"a1-20020a1si12.3"},
	    {"250 2.0.0 OK ids=0102abcd", "0102abcd"}, {"250 2.0.0 Ok", ""},
	    {"250", ""}, {"", ""}, {"250 2.0.0 Ok: queued as ", ""},
	    {"451 4.3.0 not queued as X", ""},
	    {"550 5.7.1 id=1rXyZ0-0001Ab-2C", ""}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice id = record_queue_id(slice_str(cases[i][0]));
		assert_int_equal(id.len, strlen(cases[i][1]));
		assert_memory_equal(id.ptr, cases[i][1], id.len);
	}
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {WITH(schema), WITH(content),
	    WITH(helo), WITH(open_ends), WITH(durations), WITH(rcpt_order),
	    WITH(flood_helo), WITH(flood_rcpt), WITH(flood_mail),
	    WITH(worst_texts), WITH(no_room), WITH(idle_memory), WITH(lossless),
	    cmocka_unit_test(references), cmocka_unit_test(queue_ids)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
