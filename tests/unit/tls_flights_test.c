/* LINKS: proxy/io/stream.c proxy/io/loop.c proxy/io/tls*.c */
/*
 * System calls of a server's side: a flight of a handshake is one send, and
 * nobody reads just to hear that there is nothing.  The client is a process of
 * plain OpenSSL that blocks.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/stream.h"
#include "tests/unit/certificates.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	BLOCK = 64 * 1024, /* as a session's buffers */
	RECORD = 16 * 1024,
	BULK = 16 * BLOCK,
	CHAIN = 8,
	SECONDS = 60
};

static struct certificate root, host;
static char chain[CHAIN * CERTIFICATE_PEM];
static struct tls_context *server_context;

static struct {
	unsigned sends, receives, in_vain;
	size_t largest;
} calls;

/* What the program calls, in the place of the C library's. */
__attribute__((visibility("default"))) ssize_t
send(int fd, const void *from, size_t len, int flags)
{
	ssize_t did = sendto(fd, from, len, flags, NULL, 0);

	calls.sends++;
	calls.in_vain += did == -1;
	if (did > (ssize_t)calls.largest)
		calls.largest = (size_t)did;
	return did;
}

__attribute__((visibility("default"))) ssize_t
recv(int fd, void *to, size_t room, int flags)
{
	ssize_t did = recvfrom(fd, to, room, flags, NULL, NULL);

	calls.receives++;
	calls.in_vain += did == -1;
	return did;
}

static int
set_up(void **unused)
{
	char error[TLS_ERROR_MAX];
	size_t len = 0;

	(void)unused;
	certificate_make(&root, NULL, true, NULL);
	certificate_make(&host, "DNS:mx.example", true, &root);
	for (unsigned i = 0; i < CHAIN; i++)
		len += (size_t)snprintf(chain + len, sizeof(chain) - len, "%s",
		    i == 0 ? host.chain : root.chain);
	struct tls_pair pair = {slice_str(chain), slice_str(host.key)};
	server_context = tls_server_context(
	    &(struct tls_settings){.min = TLS_VERSION_1_2}, &pair, 1, error);
	return server_context == NULL ? -1 : 0;
}

static int
tear_down(void **unused)
{
	(void)unused;
	tls_context_free(&server_context);
	certificate_free(&root);
	certificate_free(&host);
	return 0;
}

/* --- the client ------------------------------------------------------------------------ */

static void
read_all(SSL *ssl, size_t len)
{
	static char room[BLOCK];

	while (len > 0) {
		int got = SSL_read(ssl, room, sizeof(room));
		if (got <= 0)
			_exit(3);
		len -= (size_t)got;
	}
}

static void
write_all(SSL *ssl, size_t len, size_t piece)
{
	static char octets[RECORD];

	for (; len > 0; len -= piece)
		if (SSL_write(ssl, octets, (int)piece) <= 0)
			_exit(4);
}

/* Sends and receives so much, in this order, then ends. */
static void
be_client(int fd, int version, size_t out, size_t in)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);

	alarm(SECONDS);
	SSL_set_min_proto_version(ssl, version);
	SSL_set_max_proto_version(ssl, version);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) != 1)
		_exit(2);
	write_all(ssl, out, out < RECORD ? out : RECORD);
	read_all(ssl, in);
	SSL_shutdown(ssl);
	_exit(0);
}

/* --- the server ------------------------------------------------------------------------ */

static struct loop *loop;
static struct buf in, out;
static size_t got, left;
static bool over, failed;

static void
pump(struct stream *stream)
{
	static const char octets[BLOCK];

	while (left > 0 && buf_len(&out) == 0) {
		size_t piece = left < BLOCK ? left : BLOCK;
		buf_append(&out, slice_of(octets, piece));
		left -= piece;
		stream_flush(stream);
	}
}

static size_t expected;

static void
on_event(struct stream *stream, enum stream_event event, void *arg)
{
	(void)arg;
	failed |= event == STREAM_ERROR;
	over |= event == STREAM_EOF || failed;
	if (event == STREAM_DATA) {
		got += buf_len(&in);
		buf_clear(&in);
	}
	if (got == expected && event != STREAM_ERROR)
		pump(stream);
	if (over)
		loop_stop(loop);
}

static void
late(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static int narrow; /* what the socket holds; 0: as it comes */

static void
serve(int version, size_t from_client, size_t from_server)
{
	int fds[2], status;
	pid_t child;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if ((child = fork()) == 0) {
		close(fds[1]);
		be_client(fds[0], version, from_client, from_server);
	}
	close(fds[0]);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	if (narrow > 0)
		setsockopt(
		    fds[1], SOL_SOCKET, SO_SNDBUF, &narrow, sizeof(narrow));
	loop = loop_new();
	buf_init(&in, BLOCK);
	buf_init(&out, BLOCK);
	got = 0;
	expected = from_client;
	left = from_server;
	over = failed = false;
	memset(&calls, 0, sizeof(calls));
	struct stream *stream =
	    stream_new(loop, fds[1], &in, &out, on_event, NULL);
	struct loop_timer *timer = loop_timer_new(loop, late, NULL);
	assert_true(stream_start_tls(stream, server_context, NULL));
	stream_update(stream);
	loop_timer_start(timer, SECONDS * 1000);
	loop_run(loop);
	loop_timer_free(&timer);
	assert_true(over && !failed && got == from_client);
	stream_free(&stream, false);
	buf_fini(&in);
	buf_fini(&out);
	loop_free(&loop);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* --- tests ------------------------------------------------------------------------------- */

static void
handshake(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		serve(i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION, 1, 1);
		print_message("TLS 1.%u: %u sends (the largest %zu), %u "
			      "receives, %u in vain\n",
		    i + 2, calls.sends, calls.largest, calls.receives,
		    calls.in_vain);
		/* Hello to done; what ends it, with the ticket; the octet. */
		assert_int_equal(calls.sends, 3);
		assert_true(calls.largest > 4096);
		/* Hello; what ends it; the octet; close_notify; the last three
		 * may come together. */
		assert_in_range(calls.receives, 2, 4);
		assert_int_equal(calls.in_vain, 0);
	}
}

static int
make_narrow(void **unused)
{
	(void)unused;
	narrow = 2048;
	return 0;
}

static int
make_wide(void **unused)
{
	(void)unused;
	narrow = 0;
	return 0;
}

/* Flights and records that the socket does not take at once; how much it takes
 * is a matter of how soon the client reads. */
static void
piecemeal(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		serve(i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION, 1, BULK);
		assert_in_range(calls.largest, 1, RECORD);
		assert_true(calls.sends > BULK / RECORD);
	}
}

static void
bulk_out(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		serve(i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION, 1, BULK);
		print_message("TLS 1.%u: %d octets in %u sends, %u in vain\n",
		    i + 2, BULK, calls.sends, calls.in_vain);
		assert_in_range(calls.largest, RECORD + 1, RECORD + 64);
		assert_true(calls.sends >= BULK / RECORD);
		/* Where the socket is full it takes a part, then nothing. */
		assert_true(calls.sends <= 3 * BULK / RECORD);
	}
}

static void
bulk_in(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		serve(i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION, BULK, 0);
		print_message("TLS 1.%u: %d octets in %u receives, %u in "
			      "vain\n",
		    i + 2, BULK, calls.receives, calls.in_vain);
		assert_int_equal(calls.in_vain, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(handshake),
	    cmocka_unit_test_setup_teardown(piecemeal, make_narrow, make_wide),
	    cmocka_unit_test(bulk_out),
	    cmocka_unit_test(bulk_in),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
