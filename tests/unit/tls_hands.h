/*
 * A server's side of ours and a client of plain OpenSSL, on a pair of sockets:
 * for what no client of ours would do.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_TLS_HANDS_H
#define TESTS_TLS_HANDS_H

#include "io/tls_link.h"
#include "tests/unit/certificates.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	HANDS_TURNS = 50
};

struct hands {
	int fds[2]; /* the client's, the server's */
	struct tls_link *server;
	SSL *client;
	uint64_t octets[2];
	int alert; /* the last that the client heard: level << 8 | what */
	bool done; /* both */
	struct tls_facts facts; /* the server's */
};

static inline SSL_CTX *
hands_client(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	return ctx;
}

static inline void
hands_on_message(int outwards, int version, int type, const void *message,
    size_t len, SSL *ssl, void *arg)
{
	const unsigned char *alert = message;

	(void)version;
	(void)ssl;
	if (outwards == 0 && type == SSL3_RT_ALERT && len == 2)
		*(int *)arg = alert[0] << 8 | alert[1];
}

static inline void
hands_join(struct hands *hands, struct tls_context *server, SSL_CTX *client)
{
	*hands = (struct hands){.client = SSL_new(client)};
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, hands->fds), 0);
	SSL_set_fd(hands->client, hands->fds[0]);
	SSL_set_connect_state(hands->client);
	SSL_set_msg_callback(hands->client, hands_on_message);
	SSL_set_msg_callback_arg(hands->client, &hands->alert);
	hands->server = tls_link_open(
	    server, hands->fds[1], NULL, &hands->octets[0], &hands->octets[1]);
	assert_non_null(hands->server);
}

/* Until both are done, or one of them has failed; then what is under way has
 * come too. */
static inline bool
hands_shake(struct hands *hands)
{
	char waste[16];
	int client = 0, server = 0;

	for (unsigned i = 0; i < HANDS_TURNS && (client != 1 || server != 1);
	     i++) {
		ERR_clear_error();
		client = SSL_do_handshake(hands->client);
		if (server != 1)
			server = tls_link_shake(hands->server);
		if (server == TLS_FAILED)
			break;
	}
	hands->done = client == 1 && server == 1;
	if (hands->done)
		tls_link_facts(hands->server, &hands->facts);
	SSL_read(hands->client, waste, sizeof(waste));
	ERR_clear_error();
	return hands->done;
}

static inline void
hands_part(struct hands *hands)
{
	SSL_set_shutdown(hands->client, SSL_SENT_SHUTDOWN);
	SSL_free(hands->client);
	tls_link_free(&hands->server);
	close(hands->fds[0]);
	close(hands->fds[1]);
}

#endif
