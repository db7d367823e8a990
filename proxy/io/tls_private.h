/*
 * What the files of TLS share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_TLS_PRIVATE_H
#define IO_TLS_PRIVATE_H

#include "io/tls.h"

#include <openssl/ssl.h>

enum {
	TLS_ID_LEN = 32
};

struct tls_context {
	bool server;
	enum tls_trust trust;
	unsigned count;               /* at least one */
	unsigned char id[TLS_ID_LEN]; /* of a server: sessions are resumed by
				       * who asks for the same */
	SSL_CTX **each; /* of a server: one for each set of names */
	const struct tls_tickets *tickets; /* of a server; NULL: its own */
	struct tls_sessions *sessions;     /* of a client; NULL: none */
	struct tls_mint *mint; /* of a server: who makes its certificates */
};

/* As SSL_CTX_sess_set_new_cb(3) has it. */
int tls_link_on_session(SSL *ssl, SSL_SESSION *session);

/* Of a server's side: the target's. */
struct slice tls_link_name(const SSL *ssl);
bool tls_link_is_trusted(const SSL *ssl);

/* The session id context (RFC 5077 5.10) of what a connection stands for
 * besides its context's. */
bool tls_set_id(SSL *ssl, const struct tls_context *context, struct slice what,
    bool trusted);

/* The pair's parts are the caller's, also where false. */
bool tls_read_pair(const struct tls_pair *pair, X509 **certificate,
    EVP_PKEY **key, STACK_OF(X509) * *chain, char *error);
/* The first certificate, NULL where there is none, and those behind it; both are
 * the caller's. */
STACK_OF(X509) * tls_read_chain(struct slice text, X509 **first);
/* Whether they are for the same names: then one of each kind of key is shown. */
bool tls_has_same_names(const X509 *a, const X509 *b);
bool tls_load_roots(SSL_CTX *ctx, struct slice roots, char *error);

/* The oldest error of OpenSSL's queue, which is emptied. */
void tls_explain(char error[TLS_ERROR_MAX], const char *what);

#endif
