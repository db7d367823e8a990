/*
 * Certificates, keys and roots as PEM has them.  See tls_private.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls_private.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static BIO *
memory_of(struct slice text)
{
	return BIO_new_mem_buf(text.ptr, (int)text.len);
}

/* One PEM object after another; NULL: no more. */
static X509 *
read_certificate(BIO *from)
{
	return PEM_read_bio_X509(from, NULL, NULL, NULL);
}

/* What Debian makes of the roots that it trusts: one file, read at once, where
 * OpenSSL's own folder would be looked into at each handshake. */
static const char system_roots[] = "/etc/ssl/certs/ca-certificates.crt";

bool
tls_load_roots(SSL_CTX *ctx, struct slice roots, char *error)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *from = memory_of(roots);
	unsigned count = 0;

	if (roots.len == 0) {
		BIO_free(from);
		if (SSL_CTX_load_verify_file(ctx, system_roots) != 1)
			SSL_CTX_set_default_verify_paths(ctx);
		ERR_clear_error();
		return true;
	}
	for (X509 *one; (one = read_certificate(from)) != NULL; count++) {
		X509_STORE_add_cert(store, one);
		X509_free(one);
	}
	BIO_free(from);
	if (count == 0)
		tls_explain(error, "the roots");
	ERR_clear_error();
	return count > 0;
}

static EVP_PKEY *
read_key(struct slice text)
{
	BIO *from = memory_of(text);
	/* The empty word: a key that is sealed is no key, and nobody is asked. */
	char none[] = "";
	EVP_PKEY *key = PEM_read_bio_PrivateKey(from, NULL, NULL, none);

	BIO_free(from);
	return key;
}

STACK_OF(X509) * tls_read_chain(struct slice text, X509 **first)
{
	BIO *from = memory_of(text);
	STACK_OF(X509) *chain = sk_X509_new_null();

	*first = read_certificate(from);
	for (X509 *more; *first != NULL && chain != NULL &&
			 (more = read_certificate(from)) != NULL;)
		sk_X509_push(chain, more);
	BIO_free(from);
	if (*first != NULL)
		ERR_clear_error(); /* there is always one at the end */
	return chain;
}

bool
tls_read_pair(const struct tls_pair *pair, X509 **certificate, EVP_PKEY **key,
    STACK_OF(X509) * *chain, char *error)
{
	*chain = tls_read_chain(pair->chain, certificate);
	if (*certificate == NULL || *chain == NULL)
		tls_explain(error, "the certificate");
	else if ((*key = read_key(pair->key)) == NULL)
		tls_explain(error, "the key");
	else if (X509_check_private_key(*certificate, *key) != 1)
		tls_explain(error, "certificate and key");
	else
		return true;
	return false;
}
