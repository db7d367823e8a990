/*
 * What connections need to speak TLS: certificates and keys, or the roots that a
 * server is checked against.  Made once, by who may read keys, and inherited by
 * those who talk to peers; one connection's own part stands in its stream
 * (stream_start_tls).
 *
 * TLS 1.2 and 1.3 (RFC 5246, 8446), by default with the ciphers of Mozilla's
 * intermediate profile (5.7); no renegotiation, no compression.  Tickets
 * (RFC 5077) are sealed with the context's own keys, so all that inherit it
 * resume what one of them began.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "base/slice.h"

struct tls_context;

enum tls_version {
	TLS_VERSION_1_2,
	TLS_VERSION_1_3
};

enum {
	TLS_ERROR_MAX = 256
};

/* A certificate with those that lead to its root, and its key; PEM. */
struct tls_pair {
	struct slice chain, key;
};

/* NULL: the default. */
struct tls_settings {
	enum tls_version min;
	const char *ciphers; /* of TLS 1.2, in OpenSSL's words */
	const char *groups;
	/* Of a server: clients are asked for a certificate, and none is refused
	 * for what it shows; who vouches for them (PEM; empty: the system's). */
	bool ask;
	struct slice client_roots;
};

/* The pair is chosen by the name that the client asks for (RFC 6066 3), an exact
 * one before a wildcard, else the first; of pairs for the same names, RSA and
 * ECDSA stand side by side.  NULL: `error` says why. */
struct tls_context *tls_server_context(const struct tls_settings *settings,
    const struct tls_pair *pairs, unsigned count, char error[TLS_ERROR_MAX]);

/* A server's, whose certificates are made for each connection by its target,
 * and signed by `authority`: a certificate that may sign others, those that lead
 * to its root, and its key.  `remembered`: so many certificates are kept. */
struct tls_context *tls_mint_context(const struct tls_settings *settings,
    const struct tls_pair *authority, unsigned remembered,
    char error[TLS_ERROR_MAX]);

enum tls_trust {
	TLS_TRUST_ALL,  /* whoever answers: the link is encrypted, no more */
	TLS_TRUST_NAMED /* the certificate must lead to a root and bear the
			 * name, where there is one, else the handshake fails */
};

/* `roots`: PEM of who vouches for servers; empty: those of the system. */
struct tls_context *tls_client_context(const struct tls_settings *settings,
    enum tls_trust trust, struct slice roots, char error[TLS_ERROR_MAX]);
void tls_context_free(struct tls_context **context);
/* Of a client's: so many sessions are kept and resumed.  False: no memory. */
bool tls_context_remember(struct tls_context *context, unsigned sessions);

/* Whom a connection is with; of a server's side NULL, but where certificates are
 * minted. */
struct tls_target {
	struct slice name;  /* of a client: whom it asks for, and whose
			     * certificate it must be; empty: nobody */
	struct slice place; /* of a client: sessions with the same name and
			     * place are resumed; empty: none */
	struct slice like;  /* of minting: the certificate (DER) that is copied;
			     * empty: one for the name that the client asks for,
			     * else for `name` */
	bool trusted;       /* ... its chain leads to a root; else the copy must
			     * not be believed either */
};

/* What came of a handshake.  Text is the connection's, and valid as long. */
struct tls_facts {
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* OpenSSL's name */
	struct slice name;   /* that was asked for; of a server's side as the
			      * client sent it */
	bool resumed;
	const char *verified; /* "ok", or OpenSSL's word for what is wrong with
			       * the peer's certificate; NULL: it showed none */
	/* Of a server's side: of a client's certificate, as RFC 2253 writes it,
	 * where its chain leads to a root; SHA-256 of it, lower-case hex. */
	struct slice subject, fingerprint;
};

#endif
