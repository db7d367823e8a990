/* LINKS: proxy/io/stream.c proxy/io/loop.c proxy/io/tls*.c */
/*
 * What outlives one connection: tickets that workers share, sessions with
 * servers, a client's certificate.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls_private.h"
#include "io/tls_tickets.h"
#include "tests/unit/tls_ends.h"

#include <openssl/err.h>

enum {
	REMEMBERS = 12,
	PLACES = 40
};

static struct certificate root, host, other, stranger;
static struct tls_tickets *tickets;
/* As two workers have them. */
static struct tls_context *one, *two;
static struct tls_facts client_facts, server_facts;
static char subject[TLS_ERROR_MAX]; /* what the last client showed */

static struct tls_context *
server_of(bool ask)
{
	char error[TLS_ERROR_MAX];
	struct tls_pair pairs[] = {
	    certificate_pair(&host), certificate_pair(&other)};
	struct tls_settings settings = {
	    .ask = ask, .client_roots = slice_str(root.chain)};
	struct tls_context *context =
	    tls_server_context(&settings, pairs, 2, error);

	if (context == NULL)
		fail_msg("%s", error);
	tls_context_use_tickets(context, tickets);
	return context;
}

static struct tls_context *
client_of(int version)
{
	char error[TLS_ERROR_MAX];
	struct tls_settings settings = {.min = TLS_VERSION_1_2};
	struct tls_context *context = tls_client_context(
	    &settings, TLS_TRUST_NAMED, slice_str(root.chain), error);

	if (context == NULL)
		fail_msg("%s", error);
	assert_true(tls_context_remember(context, REMEMBERS));
	SSL_CTX_set_max_proto_version(context->each[0], version);
	return context;
}

/* A whole connection; whether it was one that was resumed. */
static bool
talk_at(struct tls_context *from, struct tls_context *to, const char *name,
    const char *place)
{
	struct tls_target target = {
	    .name = slice_str(name), .place = slice_str(place)};

	start(SLICE("hello"), SLICE("world"));
	client.got.max = server.got.max = 5;
	assert_true(stream_start_tls(server.stream, to, NULL));
	assert_true(stream_start_tls(client.stream, from, &target));
	run();
	assert_true(client.done && server.done);
	assert_true(slice_eq(buf_slice(&client.got), SLICE("world")));
	assert_true(stream_tls_facts(client.stream, &client_facts));
	assert_true(stream_tls_facts(server.stream, &server_facts));
	assert_int_equal(client_facts.resumed, server_facts.resumed);
	snprintf(
	    subject, sizeof(subject), "%.*s", SLICE_FMT(server_facts.subject));
	assert_string_equal(client_facts.verified, "ok");
	finish();
	return client_facts.resumed;
}

static bool
talk(struct tls_context *from, struct tls_context *to)
{
	return talk_at(from, to, "a.example", "10.0.0.1:25");
}

static int
set_up(void **unused)
{
	(void)unused;
	certificate_make(&root, NULL, false, NULL);
	certificate_make(&stranger, NULL, false, NULL);
	certificate_make(&host, "DNS:a.example", true, &root);
	certificate_make(&other, "DNS:b.example", false, &root);
	tickets = tls_tickets_open();
	if (tickets == NULL)
		return -1;
	one = server_of(false);
	two = server_of(false);
	return 0;
}

static int
tear_down(void **unused)
{
	(void)unused;
	tls_context_free(&one);
	tls_context_free(&two);
	tls_tickets_close(&tickets);
	certificate_free(&root);
	certificate_free(&stranger);
	certificate_free(&host);
	certificate_free(&other);
	return 0;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* --- tickets ---------------------------------------------------------------------------- */

static void
workers_share(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		struct tls_context *from = client_of(versions[i]);
		assert_false(talk(from, one));
		for (unsigned turn = 0; turn < 4; turn++)
			assert_true(talk(from, turn % 2 == 0 ? two : one));
		tls_context_free(&from);
	}
}

static void
keys_rotate(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		struct tls_context *from = client_of(versions[i]);
		assert_false(talk(from, one));
		/* Opened by an older key it is renewed, so that this could go
		 * on for ever. */
		for (unsigned turn = 0; turn < 6; turn++) {
			assert_true(tls_tickets_rotate(tickets));
			assert_true(talk(from, turn % 2 == 0 ? two : one));
		}
		assert_true(tls_tickets_rotate(tickets));
		assert_true(tls_tickets_rotate(tickets));
		assert_true(talk(from, one));
		for (unsigned turn = 0; turn < 3; turn++)
			assert_true(tls_tickets_rotate(tickets));
		assert_false(talk(from, one));
		assert_true(talk(from, two));
		tls_context_free(&from);
	}
}

/* By the name that is asked for, too. */
static void
names_have_their_own(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		struct tls_context *from = client_of(versions[i]);
		assert_false(talk_at(from, one, "a.example", "10.0.0.1:25"));
		assert_false(talk_at(from, one, "b.example", "10.0.0.1:25"));
		assert_false(talk_at(from, one, "b.example", "10.0.0.2:25"));
		assert_true(talk_at(from, two, "b.example", "10.0.0.1:25"));
		assert_true(talk_at(from, two, "a.example", "10.0.0.1:25"));
		assert_false(talk_at(from, two, "a.example", ""));
		tls_context_free(&from);
	}
}

static void
memory_is_bounded(void **unused)
{
	struct tls_context *from = client_of(TLS1_3_VERSION);
	char place[32];
	unsigned kept = 0;

	(void)unused;
	for (unsigned i = 0; i < PLACES; i++) {
		snprintf(place, sizeof(place), "10.0.0.%u:25", i);
		assert_false(talk_at(from, one, "b.example", place));
	}
	/* Those of last come first, or each would push out the next. */
	for (unsigned i = PLACES; i-- > 0;) {
		snprintf(place, sizeof(place), "10.0.0.%u:25", i);
		kept += talk_at(from, one, "b.example", place);
	}
	assert_in_range(kept, 4, REMEMBERS + 4);
	tls_context_free(&from);
}

/* --- what a client brings ----------------------------------------------------------------- */

static void
show_certificate(struct tls_context *from, const struct certificate *shown)
{
	SSL_CTX_use_certificate(from->each[0], shown->x509);
	SSL_CTX_use_PrivateKey(from->each[0], shown->pkey);
}

static void
client_certificates(void **unused)
{
	struct tls_context *asks = server_of(true);
	struct certificate self;

	(void)unused;
	certificate_make(&self, "DNS:self.example", false, &stranger);
	for (unsigned i = 0; i < 2; i++) {
		struct tls_context *from = client_of(versions[i]);
		assert_false(talk(from, asks));
		assert_null(server_facts.verified);
		assert_int_equal(server_facts.fingerprint.len, 0);
		tls_context_free(&from);
		from = client_of(versions[i]);
		show_certificate(from, &other);
		for (unsigned turn = 0; turn < 2; turn++) {
			assert_int_equal(talk(from, asks), turn);
			assert_string_equal(server_facts.verified, "ok");
			assert_int_equal(server_facts.fingerprint.len, 64);
			assert_string_equal(subject, "CN=a host");
		}
		tls_context_free(&from);
		from = client_of(versions[i]);
		show_certificate(from, &self);
		assert_false(talk(from, asks));
		assert_string_not_equal(server_facts.verified, "ok");
		assert_int_equal(server_facts.fingerprint.len, 64);
		assert_int_equal(server_facts.subject.len, 0);
		tls_context_free(&from);
	}
	certificate_free(&self);
	tls_context_free(&asks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(workers_share),
	    cmocka_unit_test(keys_rotate),
	    cmocka_unit_test(names_have_their_own),
	    cmocka_unit_test(memory_is_bounded),
	    cmocka_unit_test(client_certificates)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
