/* LINKS: proxy/io/stream.c proxy/io/loop.c proxy/io/tls*.c */
/*
 * What a server's side does not do for a client: other protocols, old versions,
 * another handshake within the first; and that it waits for none of it by
 * turning.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/stream.h"
#include "tests/unit/tls_hands.h"

#include <time.h>

enum {
	FLOOD = 20000,
	WAIT_MS = 200,
	QUIET_MS = 20,
	RECORD_HEAD = 5
};

static struct certificate root, first, second;
static struct tls_context *server_context;
static const int both[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static int
set_up(void **unused)
{
	char error[TLS_ERROR_MAX];

	(void)unused;
	certificate_make(&root, NULL, false, NULL);
	certificate_make(&first, "DNS:first.example", false, &root);
	certificate_make(&second, "DNS:second.example", false, &root);
	struct tls_pair pairs[] = {
	    certificate_pair(&first), certificate_pair(&second)};
	server_context = tls_server_context(
	    &(struct tls_settings){.min = TLS_VERSION_1_2}, pairs, 2, error);
	return server_context == NULL ? -1 : 0;
}

static int
tear_down(void **unused)
{
	(void)unused;
	tls_context_free(&server_context);
	certificate_free(&root);
	certificate_free(&first);
	certificate_free(&second);
	return 0;
}

/* THREATS A2-85: who means another one was led here (ALPACA). */

/* --- protocols -------------------------------------------------------------------- */

static void
protocols(void **unused)
{
	static const struct {
		const char *offered; /* each with its length in front */
		bool works;
	} rows[] = {{"", true}, {"\4smtp", true}, {"\2h2\4smtp", true},
	    {"\4smtp\10http/1.1", true}, {"\10http/1.1", false},
	    {"\4imap\2h2", false}, {"\4SMTP", false}, {"\5smtps", false}};
	static const char *const names[] = {NULL, "second.example"};

	(void)unused;
	for (unsigned i = 0; i < 4 * sizeof(rows) / sizeof(rows[0]); i++) {
		const char *offered = rows[i / 4].offered;
		SSL_CTX *ctx = hands_client(both[i % 2]);
		const unsigned char *chosen;
		unsigned len;
		struct hands hands;
		hands_join(&hands, server_context, ctx);
		if (names[i / 2 % 2] != NULL)
			SSL_set_tlsext_host_name(
			    hands.client, names[i / 2 % 2]);
		if (offered[0] != '\0')
			SSL_set_alpn_protos(hands.client,
			    (const unsigned char *)offered,
			    (unsigned)strlen(offered));
		assert_int_equal(hands_shake(&hands), rows[i / 4].works);
		SSL_get0_alpn_selected(hands.client, &chosen, &len);
		if (rows[i / 4].works && offered[0] != '\0') {
			assert_int_equal(len, 4);
			assert_memory_equal(chosen, "smtp", 4);
		} else {
			assert_int_equal(len, 0);
		}
		if (!rows[i / 4].works)
			assert_int_equal(
			    hands.alert, SSL3_AL_FATAL << 8 |
					     SSL_AD_NO_APPLICATION_PROTOCOL);
		hands_part(&hands);
		SSL_CTX_free(ctx);
	}
}

/* --- versions ----------------------------------------------------------------------- */

static void
old_versions(void **unused)
{
	static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION};

	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		SSL_CTX *ctx = hands_client(versions[i]);
		struct hands hands;
		SSL_CTX_set_security_level(ctx, 0);
		hands_join(&hands, server_context, ctx);
		assert_false(hands_shake(&hands));
		assert_non_null(
		    strstr(tls_link_error(hands.server), "unsupported"));
		assert_int_equal(
		    hands.alert, SSL3_AL_FATAL << 8 | SSL_AD_PROTOCOL_VERSION);
		hands_part(&hands);
		SSL_CTX_free(ctx);
	}
}

/* --- handshakes within --------------------------------------------------------------- */

/* The server's side in a stream and a loop; the client's as memory, its octets
 * are carried by hand. */
struct within {
	SSL_CTX *ctx;
	SSL *client;
	int fd;
	struct loop *loop;
	struct buf in, out, got;
	struct stream *stream;
	bool done, ended;
	unsigned events;
};

static void
on_event(struct stream *stream, enum stream_event event, void *arg)
{
	struct within *within = arg;

	(void)stream;
	within->events++;
	within->done |= event == STREAM_TLS;
	within->ended |= event == STREAM_ERROR || event == STREAM_EOF;
	buf_append(&within->got, buf_slice(&within->in));
	buf_clear(&within->in);
}

static void
stop(void *loop)
{
	loop_stop(loop);
}

static void
run(struct within *within, uint32_t ms)
{
	struct loop_timer *timer =
	    loop_timer_new(within->loop, stop, within->loop);

	loop_timer_start(timer, ms);
	loop_run(within->loop);
	loop_timer_free(&timer);
}

static void
send_some(struct within *within, size_t len)
{
	char octets[64 * 1024];
	int got = BIO_read(SSL_get_wbio(within->client), octets,
	    (int)(len < sizeof(octets) ? len : sizeof(octets)));

	if (got > 0)
		assert_int_equal(
		    send(within->fd, octets, (size_t)got, MSG_NOSIGNAL), got);
}

/* False: there is no room, or nothing left. */
static bool
send_what_goes(struct within *within)
{
	char octets[1024];
	bool any = false;

	for (;;) {
		int len = BIO_read(
		    SSL_get_wbio(within->client), octets, sizeof(octets));
		if (len <= 0 ||
		    send(within->fd, octets, (size_t)len, MSG_NOSIGNAL) != len)
			return any;
		any = true;
	}
}

static void
take_all(struct within *within)
{
	char octets[4096];
	ssize_t got;

	while ((got = recv(within->fd, octets, sizeof(octets), 0)) > 0)
		BIO_write(SSL_get_rbio(within->client), octets, (int)got);
}

/* So that a hello needs more than one record, where those are small. */
static int
add_much(SSL *ssl, unsigned type, unsigned context, const unsigned char **out,
    size_t *len, X509 *certificate, size_t index, int *alert, void *arg)
{
	static const unsigned char much[1000];

	(void)ssl;
	(void)type;
	(void)context;
	(void)certificate;
	(void)index;
	(void)alert;
	(void)arg;
	*out = much;
	*len = sizeof(much);
	return 1;
}

static void
open_within(struct within *within, int version)
{
	int fds[2];

	*within = (struct within){.ctx = hands_client(version)};
	SSL_CTX_add_custom_ext(within->ctx, 0xfe00, SSL_EXT_CLIENT_HELLO,
	    add_much, NULL, NULL, NULL, NULL);
	within->client = SSL_new(within->ctx);
	SSL_set_bio(within->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(within->client);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	within->fd = fds[0];
	within->loop = loop_new();
	buf_init(&within->in, 65536);
	buf_init(&within->out, 65536);
	buf_init(&within->got, 65536);
	within->stream = stream_new(
	    within->loop, fds[1], &within->in, &within->out, on_event, within);
	assert_true(stream_start_tls(within->stream, server_context, NULL));
	stream_update(within->stream);
}

static void
shake_within(struct within *within)
{
	for (unsigned i = 0; i < HANDS_TURNS && !within->done; i++) {
		SSL_do_handshake(within->client);
		send_some(within, SIZE_MAX);
		run(within, 2);
		take_all(within);
	}
	assert_true(within->done && SSL_do_handshake(within->client) == 1);
}

static void
close_within(struct within *within)
{
	stream_free(&within->stream, true);
	buf_fini(&within->in);
	buf_fini(&within->out);
	buf_fini(&within->got);
	loop_free(&within->loop);
	close(within->fd);
	SSL_free(within->client);
	SSL_CTX_free(within->ctx);
}

/* Until nothing comes or goes any more. */
static void
quieten(struct within *within)
{
	uint64_t now = 0, before;

	do {
		before = now;
		run(within, QUIET_MS);
		now = within->events + stream_octets_in(within->stream) +
		      stream_octets_out(within->stream);
	} while (now != before);
}

/* What the process needs while nothing can be done must be next to nothing. */
static void
idle(struct within *within)
{
	quieten(within);
	clock_t before = clock();
	run(within, WAIT_MS);
	assert_true((clock() - before) * 1000 / CLOCKS_PER_SEC < WAIT_MS / 4);
}

static void
say(struct within *within, const char *text)
{
	buf_append_str(&within->out, text);
	stream_flush(within->stream);
	stream_update(within->stream);
}

static void
expect(struct within *within, const char *text)
{
	char octets[64];

	quieten(within);
	take_all(within);
	int got = SSL_read(within->client, octets, sizeof(octets));
	assert_int_equal(got, strlen(text));
	assert_memory_equal(octets, text, strlen(text));
}

/* It is answered with a warning, once, and what goes on goes on. */
static void
renegotiation(void **unused)
{
	struct within within;

	(void)unused;
	open_within(&within, TLS1_2_VERSION);
	shake_within(&within);
	assert_int_equal(SSL_renegotiate(within.client), 1);
	SSL_do_handshake(within.client);
	send_some(&within, SIZE_MAX);
	uint64_t octets = stream_octets_out(within.stream);
	idle(&within);
	assert_false(within.ended);
	assert_in_range(stream_octets_out(within.stream) - octets, 1, 64);
	take_all(&within);
	assert_int_not_equal(SSL_do_handshake(within.client), 1);
	assert_int_equal(
	    ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
	ERR_clear_error();
	say(&within, "hello");
	assert_int_equal(buf_len(&within.out), 0);
	assert_false(within.ended);
	close_within(&within);
}

/* The first record of a hello that needs two: what the server has to say waits,
 * and so does the loop. */
static void
half_a_renegotiation(void **unused)
{
	struct within within;
	char head[RECORD_HEAD];

	(void)unused;
	open_within(&within, TLS1_2_VERSION);
	shake_within(&within);
	SSL_set_max_send_fragment(within.client, 512);
	SSL_renegotiate(within.client);
	SSL_do_handshake(within.client);
	BIO_read(SSL_get_wbio(within.client), head, RECORD_HEAD);
	send(within.fd, head, RECORD_HEAD, MSG_NOSIGNAL);
	send_some(&within,
	    (size_t)((unsigned char)head[3] << 8 | (unsigned char)head[4]));
	quieten(&within);
	say(&within, "hello");
	idle(&within);
	assert_false(within.ended);
	assert_int_equal(buf_len(&within.out), 5);
	send_some(&within, SIZE_MAX);
	idle(&within);
	assert_false(within.ended);
	assert_int_equal(buf_len(&within.out), 0);
	close_within(&within);
}

/* Each asks for an answer, and none is read: the server stops reading too. */
static void
flood_of_keys(void **unused)
{
	struct within within;

	(void)unused;
	open_within(&within, TLS1_3_VERSION);
	shake_within(&within);
	take_all(&within);
	int room = 4096;
	setsockopt(stream_fd(within.stream), SOL_SOCKET, SO_SNDBUF, &room,
	    sizeof(room));
	for (unsigned i = 0; i < FLOOD; i++) {
		SSL_key_update(within.client, SSL_KEY_UPDATE_REQUESTED);
		SSL_do_handshake(within.client);
	}
	while (send_what_goes(&within))
		run(&within, 2);
	assert_false(BIO_eof(SSL_get_wbio(within.client)));
	idle(&within);
	assert_false(within.ended);
	close_within(&within);
}

/* None asks for an answer: they are not taken in without end. */
static void
keys_without_end(void **unused)
{
	struct within within;

	(void)unused;
	open_within(&within, TLS1_3_VERSION);
	shake_within(&within);
	for (unsigned i = 0; i < FLOOD / 100; i++) {
		SSL_key_update(within.client, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(within.client);
	}
	send_some(&within, SIZE_MAX);
	quieten(&within);
	assert_true(within.ended);
	assert_string_equal(
	    stream_tls_error(within.stream), "handshake messages without end");
	close_within(&within);
}

/* Asked for once, they are changed, and all goes on. */
static void
new_keys(void **unused)
{
	struct within within;

	(void)unused;
	open_within(&within, TLS1_3_VERSION);
	shake_within(&within);
	for (unsigned i = 0; i < 3; i++) {
		SSL_key_update(within.client, SSL_KEY_UPDATE_REQUESTED);
		SSL_write(within.client, "ping", 4);
		send_some(&within, SIZE_MAX);
		quieten(&within);
		say(&within, "pong");
		expect(&within, "pong");
	}
	assert_true(slice_eq(buf_slice(&within.got), SLICE("pingpingping")));
	close_within(&within);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(protocols),
	    cmocka_unit_test(old_versions),
	    cmocka_unit_test(renegotiation),
	    cmocka_unit_test(half_a_renegotiation),
	    cmocka_unit_test(flood_of_keys),
	    cmocka_unit_test(keys_without_end),
	    cmocka_unit_test(new_keys),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
