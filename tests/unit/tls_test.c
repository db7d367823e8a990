/* LINKS: proxy/io/stream.c proxy/io/loop.c proxy/io/tls*.c */
/*
 * TLS inside a stream.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/tls_ends.h"

#include <errno.h>

static struct certificate root, exact, wild, rsa, other_root;
static struct tls_context *server_context;

static struct tls_context *
client_of(const struct tls_settings *settings, enum tls_trust trust)
{
	char error[TLS_ERROR_MAX];
	struct tls_context *context =
	    tls_client_context(settings, trust, slice_str(root.chain), error);

	if (context == NULL)
		fail_msg("%s", error);
	return context;
}

/* A handshake, and a few octets each way; the client stays until the end. */
static void
talk(struct tls_context *context, const char *name)
{
	start(SLICE("hello"), SLICE("world"));
	client.got.max = server.got.max = 5;
	assert_true(stream_start_tls(server.stream, server_context, NULL));
	assert_true(stream_start_tls(client.stream, context,
	    &(struct tls_target){.name = slice_str(name)}));
	run();
}

/* --- tests --------------------------------------------------------------------------- */

static int
set_up(void **unused)
{
	char error[TLS_ERROR_MAX];

	(void)unused;
	certificate_make(&root, NULL, false, NULL);
	certificate_make(&other_root, NULL, false, NULL);
	certificate_make(&exact, "DNS:mx.example,DNS:mail.example,IP:10.0.0.1",
	    false, &root);
	certificate_make(
	    &rsa, "DNS:mx.example,DNS:mail.example,IP:10.0.0.1", true, &root);
	certificate_make(&wild, "DNS:*.wild.example", false, &root);
	struct tls_pair pairs[] = {certificate_pair(&exact),
	    certificate_pair(&rsa), certificate_pair(&wild)};
	server_context = tls_server_context(
	    &(struct tls_settings){.min = TLS_VERSION_1_2}, pairs, 3, error);
	return server_context == NULL ? -1 : 0;
}

static int
tear_down(void **unused)
{
	(void)unused;
	tls_context_free(&server_context);
	certificate_free(&root);
	certificate_free(&other_root);
	certificate_free(&exact);
	certificate_free(&rsa);
	certificate_free(&wild);
	return 0;
}

static void
handshake(void **unused)
{
	struct tls_context *context = client_of(
	    &(struct tls_settings){.min = TLS_VERSION_1_2}, TLS_TRUST_NAMED);
	struct tls_facts facts;

	(void)unused;
	talk(context, "mx.example");
	assert_true(client.done && server.done && client.eof && server.eof);
	assert_true(slice_eq(buf_slice(&server.got), SLICE("hello")));
	assert_true(slice_eq(buf_slice(&client.got), SLICE("world")));
	assert_true(stream_tls_facts(client.stream, &facts));
	assert_string_equal(facts.version, "TLSv1.3");
	assert_string_equal(facts.verified, "ok");
	assert_true(stream_tls_facts(server.stream, &facts));
	assert_true(slice_eq(facts.name, SLICE("mx.example")));
	assert_true(stream_octets_in(client.stream) > 500);
	assert_int_equal(
	    stream_octets_in(client.stream), stream_octets_out(server.stream));
	finish();
	tls_context_free(&context);
}

/* Both ways at once, through buffers that hold little more than a record. */
static void
bulk(void **unused)
{
	static char there[BULK], back[BULK];
	struct tls_context *context = client_of(
	    &(struct tls_settings){.min = TLS_VERSION_1_2}, TLS_TRUST_ALL);

	(void)unused;
	for (size_t i = 0; i < BULK; i++) {
		there[i] = (char)(i * 7 + i / 251);
		back[i] = (char)(i * 13 + i / 241);
	}
	start(slice_of(there, BULK), slice_of(back, BULK));
	assert_true(stream_start_tls(server.stream, server_context, NULL));
	assert_true(stream_start_tls(client.stream, context, NULL));
	run();
	assert_true(slice_eq(buf_slice(&server.got), slice_of(there, BULK)));
	assert_true(slice_eq(buf_slice(&client.got), slice_of(back, BULK)));
	finish();
	tls_context_free(&context);
}

static struct loop_timer *soon;

static void
take_when_full(void)
{
	if (buf_room(&server.in) == 0)
		loop_timer_start(soon, 1);
	else if (buf_len(&server.got) > 0)
		loop_stop(loop);
}

static void
make_room(void *unused)
{
	(void)unused;
	buf_append(&server.got, buf_slice(&server.in));
	buf_clear(&server.in);
	stream_update(server.stream);
}

/* TLS has all octets, the socket none, and nothing was watched meanwhile: the
 * rest comes as soon as there is room. */
static void
room_comes_later(void **unused)
{
	static char text[ROOM + 5000];
	struct tls_context *context = client_of(
	    &(struct tls_settings){.min = TLS_VERSION_1_2}, TLS_TRUST_ALL);

	(void)unused;
	start(slice_of(text, sizeof(text)), SLICE(""));
	server.on_data = take_when_full;
	soon = loop_timer_new(loop, make_room, NULL);
	assert_true(stream_start_tls(server.stream, server_context, NULL));
	assert_true(stream_start_tls(client.stream, context, NULL));
	run();
	assert_int_equal(buf_len(&server.got), ROOM);
	assert_int_equal(buf_len(&server.in), sizeof(text) - ROOM);
	loop_timer_free(&soon);
	finish();
	tls_context_free(&context);
}

static void
versions(void **unused)
{
	struct tls_context *context =
	    client_of(&(struct tls_settings){.min = TLS_VERSION_1_2,
			  .ciphers = "ECDHE-RSA-AES128-GCM-SHA256"},
		TLS_TRUST_NAMED);
	struct tls_facts facts;
	char error[TLS_ERROR_MAX];

	(void)unused;
	talk(context, "mail.example");
	assert_true(client.done);
	finish();
	tls_context_free(&context);
	/* A server that asks for more than the client has is left. */
	struct tls_pair pair = certificate_pair(&exact);
	struct tls_context *strict = tls_server_context(
	    &(struct tls_settings){.min = TLS_VERSION_1_3}, &pair, 1, error);
	assert_non_null(strict);
	context = client_of(
	    &(struct tls_settings){.min = TLS_VERSION_1_3}, TLS_TRUST_ALL);
	start(SLICE(""), SLICE(""));
	assert_true(stream_start_tls(server.stream, strict, NULL));
	assert_true(stream_start_tls(client.stream, context,
	    &(struct tls_target){.name = SLICE("a.test")}));
	run();
	assert_true(stream_tls_facts(client.stream, &facts));
	assert_string_equal(facts.version, "TLSv1.3");
	finish();
	tls_context_free(&context);
	tls_context_free(&strict);
}

/* The name that is asked for chooses: exact, wildcard, the first. */
static void
names(void **unused)
{
	static const struct {
		const char *asked;
		bool works;
	} rows[] = {{"mx.example", true}, {"mail.example", true},
	    {"other.wild.example", true}, {"10.0.0.1", true},
	    {"a.other.wild.example", false}, {"mx.test", false},
	    {"10.0.0.2", false}};
	struct tls_context *context = client_of(
	    &(struct tls_settings){.min = TLS_VERSION_1_2}, TLS_TRUST_NAMED);

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		talk(context, rows[i].asked);
		if (client.done != rows[i].works)
			fail_msg("%s: %s", rows[i].asked,
			    stream_tls_error(client.stream));
		if (!rows[i].works)
			assert_non_null(strstr(
			    stream_tls_error(client.stream), "mismatch"));
		finish();
	}
	tls_context_free(&context);
}

static void
unknown_root(void **unused)
{
	char error[TLS_ERROR_MAX];

	(void)unused;
	struct tls_context *context =
	    tls_client_context(&(struct tls_settings){.min = TLS_VERSION_1_2},
		TLS_TRUST_NAMED, slice_str(other_root.chain), error);
	assert_non_null(context);
	talk(context, "mx.example");
	assert_true(client.failed && !client.done);
	assert_int_equal(stream_error(client.stream), EPROTO);
	assert_non_null(
	    strstr(stream_tls_error(client.stream), "certificate: "));
	assert_non_null(strstr(stream_tls_error(server.stream), "alert"));
	finish();
	tls_context_free(&context);
}

/* Something else in place of a ClientHello, and of a ServerHello. */
static void
garbage(void **unused)
{
	struct tls_context *context = client_of(
	    &(struct tls_settings){.min = TLS_VERSION_1_2}, TLS_TRUST_ALL);

	(void)unused;
	for (unsigned turn = 0; turn < 2; turn++) {
		struct end *tls = turn == 0 ? &server : &client;
		struct end *clear = tls->peer;
		start(SLICE(""), SLICE(""));
		tls = turn == 0 ? &server : &client;
		clear = tls->peer;
		assert_true(stream_start_tls(
		    tls->stream, turn == 0 ? server_context : context, NULL));
		clear->to_say = SLICE("EHLO client.example\r\n");
		pump(clear);
		clear->eof = true;
		run();
		assert_true(tls->failed && !tls->done);
		assert_string_not_equal(stream_tls_error(tls->stream), "");
		finish();
	}
	tls_context_free(&context);
}

/* What is no certificate, no key, or not its key. */
static void
bad_pairs(void **unused)
{
	struct tls_settings settings = {.min = TLS_VERSION_1_2};
	char error[TLS_ERROR_MAX];
	struct tls_pair good = certificate_pair(&exact);
	struct tls_pair bad[] = {{SLICE("text"), good.key},
	    {good.chain, SLICE("text")},
	    {good.chain, certificate_pair(&wild).key}};

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		assert_null(tls_server_context(&settings, &bad[i], 1, error));
		assert_string_not_equal(error, "");
	}
	settings.ciphers = "NONE-SUCH";
	assert_null(tls_server_context(&settings, &good, 1, error));
	assert_non_null(strstr(error, "the ciphers"));
	settings = (struct tls_settings){.groups = "none"};
	assert_null(tls_server_context(&settings, &good, 1, error));
	assert_null(
	    tls_client_context(&settings, TLS_TRUST_ALL, SLICE(""), error));
	settings.groups = NULL;
	assert_null(tls_client_context(
	    &settings, TLS_TRUST_NAMED, SLICE("no PEM"), error));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(handshake),
	    cmocka_unit_test(bulk),
	    cmocka_unit_test(room_comes_later),
	    cmocka_unit_test(versions),
	    cmocka_unit_test(names),
	    cmocka_unit_test(unknown_root),
	    cmocka_unit_test(garbage),
	    cmocka_unit_test(bad_pairs),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
