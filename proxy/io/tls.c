/*
 * Contexts of TLS.  See tls.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls.h"

#include "io/tls_mint.h"
#include "io/tls_sessions.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	READ_AHEAD = 64 * 1024 /* as a stream's buffer: a recv fills it */
};

/* https://wiki.mozilla.org/Security/Server_Side_TLS, intermediate, 5.7. */
static const char intermediate[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:"
    "DHE-RSA-CHACHA20-POLY1305";
static const char default_groups[] = "X25519:P-256:P-384";

void
tls_explain(char error[TLS_ERROR_MAX], const char *what)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_reason_error_string(code);

	snprintf(error, TLS_ERROR_MAX, "%s: %s", what,
	    reason == NULL ? "unknown error" : reason);
	ERR_clear_error();
}

/* --- all contexts --------------------------------------------------------------- */

static bool
set_up(SSL_CTX *ctx, const struct tls_settings *settings, char *error)
{
	int min =
	    settings->min == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
	const char *ciphers =
	    settings->ciphers == NULL ? intermediate : settings->ciphers;
	const char *groups =
	    settings->groups == NULL ? default_groups : settings->groups;

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_NO_COMPRESSION |
				     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_dh_auto(ctx, 1);
	/* An idle connection holds no buffer; what is written may have moved;
	 * the chain that is sent is the one that is configured. */
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	if (SSL_CTX_set_min_proto_version(ctx, min) != 1) {
		tls_explain(error, "the lowest version");
		return false;
	}
	if (SSL_CTX_set_cipher_list(ctx, ciphers) != 1) {
		tls_explain(error, "the ciphers");
		return false;
	}
	if (SSL_CTX_set1_groups_list(ctx, groups) != 1) {
		tls_explain(error, "the groups");
		return false;
	}
	return true;
}

static struct tls_context *
new_context(bool server, unsigned room)
{
	struct tls_context *context = calloc(1, sizeof(*context));

	if (context == NULL)
		return NULL;
	context->server = server;
	context->each = calloc(room, sizeof(SSL_CTX *));
	if (context->each == NULL)
		tls_context_free(&context);
	return context;
}

void
tls_context_free(struct tls_context **context_p)
{
	struct tls_context *context = *context_p;

	if (context == NULL)
		return;
	for (unsigned i = 0; i < context->count; i++)
		SSL_CTX_free(context->each[i]);
	tls_sessions_free(&context->sessions);
	tls_mint_free(&context->mint);
	free(context->each);
	free(context);
	*context_p = NULL;
}

/* --- a server's ----------------------------------------------------------------- */

bool
tls_has_same_names(const X509 *a, const X509 *b)
{
	int at_a = X509_get_ext_by_NID(a, NID_subject_alt_name, -1);
	int at_b = X509_get_ext_by_NID(b, NID_subject_alt_name, -1);

	if ((at_a < 0) != (at_b < 0))
		return false;
	if (at_a < 0)
		return X509_NAME_cmp(X509_get_subject_name(a),
			   X509_get_subject_name(b)) == 0;
	return ASN1_OCTET_STRING_cmp(
		   X509_EXTENSION_get_data(X509_get_ext(a, at_a)),
		   X509_EXTENSION_get_data(X509_get_ext(b, at_b))) == 0;
}

/* Where another kind of key for the same names is already; else a new one. */
static SSL_CTX *
context_for(struct tls_context *context, const X509 *certificate,
    const struct tls_settings *settings, char *error)
{
	int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(certificate));

	for (unsigned i = 0; i < context->count; i++) {
		const X509 *other = SSL_CTX_get0_certificate(context->each[i]);
		if (other != NULL && tls_has_same_names(other, certificate) &&
		    EVP_PKEY_get_base_id(X509_get0_pubkey(other)) != kind)
			return context->each[i];
	}
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL) {
		tls_explain(error, "a context");
		return NULL;
	}
	context->each[context->count++] = ctx;
	return set_up(ctx, settings, error) ? ctx : NULL;
}

static bool
add_pair(struct tls_context *context, const struct tls_settings *settings,
    const struct tls_pair *pair, char *error)
{
	X509 *certificate = NULL;
	EVP_PKEY *key = NULL;
	STACK_OF(X509) *chain = NULL;
	SSL_CTX *ctx = NULL;
	bool good = tls_read_pair(pair, &certificate, &key, &chain, error);

	if (good)
		ctx = context_for(context, certificate, settings, error);
	if (ctx == NULL) {
		good = false;
	} else if (SSL_CTX_use_cert_and_key(ctx, certificate, key, chain, 1) !=
		   1) {
		tls_explain(error, "certificate and key");
		good = false;
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	sk_X509_pop_free(chain, X509_free);
	return good;
}

static SSL_CTX *
named(const struct tls_context *context, const char *name, unsigned flags)
{
	for (unsigned i = 0; i < context->count; i++) {
		X509 *certificate = SSL_CTX_get0_certificate(context->each[i]);
		if (certificate != NULL &&
		    X509_check_host(certificate, name, 0, flags, NULL) == 1)
			return context->each[i];
	}
	return NULL;
}

static int
choose_by_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls_context *context = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *ctx;

	(void)alert;
	if (name == NULL)
		return SSL_TLSEXT_ERR_OK;
	ctx = named(context, name, X509_CHECK_FLAG_NO_WILDCARDS);
	if (ctx == NULL)
		ctx = named(context, name, 0);
	if (ctx != NULL)
		SSL_set_SSL_CTX(ssl, ctx);
	return SSL_TLSEXT_ERR_OK;
}

/* A client may show what it likes: it is looked at, not held to. */
static int
take_any(int good, X509_STORE_CTX *store)
{
	(void)good;
	(void)store;
	return 1;
}

static bool
ask_clients(SSL_CTX *ctx, const struct tls_settings *settings, char *error)
{
	if (!settings->ask)
		return true;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, take_any);
	return tls_load_roots(ctx, settings->client_roots, error);
}

/* Who means another protocol has been sent here by somebody else (ALPACA). */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	static const char smtp[] = "smtp";

	(void)ssl;
	(void)arg;
	for (unsigned at = 0; at < in_len; at += in[at] + 1u) {
		if (in[at] != sizeof(smtp) - 1 || at + in[at] >= in_len ||
		    memcmp(in + at + 1, smtp, sizeof(smtp) - 1) != 0)
			continue;
		*out = in + at + 1;
		*out_len = in[at];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool
add_to(EVP_MD_CTX *digest, struct slice what)
{
	uint64_t len = what.len;

	return EVP_DigestUpdate(digest, &len, sizeof(len)) == 1 &&
	       EVP_DigestUpdate(digest, what.ptr, what.len) == 1;
}

/* What a session was begun under: another listener may share its tickets. */
static bool
make_id(struct tls_context *context, const struct tls_settings *settings)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	char asks[] = {(char)settings->min, settings->ask ? 'a' : '-'};
	bool good = digest != NULL &&
		    EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
		    add_to(digest, slice_of(asks, sizeof(asks))) &&
		    add_to(digest, slice_str(settings->ciphers)) &&
		    add_to(digest, settings->client_roots) &&
		    EVP_DigestFinal_ex(digest, context->id, NULL) == 1;

	EVP_MD_CTX_free(digest);
	return good;
}

bool
tls_set_id(SSL *ssl, const struct tls_context *context, struct slice what,
    bool trusted)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char id[TLS_ID_LEN];
	char trust = trusted ? 't' : '-';
	bool good =
	    digest != NULL &&
	    EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
	    add_to(digest,
		slice_of((const char *)context->id, sizeof(context->id))) &&
	    add_to(digest, what) && add_to(digest, slice_of(&trust, 1)) &&
	    EVP_DigestFinal_ex(digest, id, NULL) == 1 &&
	    SSL_set_session_id_context(ssl, id, sizeof(id)) == 1;

	EVP_MD_CTX_free(digest);
	return good;
}

static bool
set_up_server(struct tls_context *context, SSL_CTX *ctx,
    const struct tls_settings *settings, char *error)
{
	if (!make_id(context, settings))
		return false;
	SSL_CTX_set_session_id_context(ctx, context->id, TLS_ID_LEN);
	if (context->mint == NULL) {
		SSL_CTX_set_tlsext_servername_callback(ctx, choose_by_name);
		SSL_CTX_set_tlsext_servername_arg(ctx, context);
	}
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	/* Tickets alone: what one process keeps another has not. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	return ask_clients(ctx, settings, error);
}

struct tls_context *
tls_server_context(const struct tls_settings *settings,
    const struct tls_pair *pairs, unsigned count, char error[TLS_ERROR_MAX])
{
	struct tls_context *context = new_context(true, count);

	if (context == NULL) {
		snprintf(error, TLS_ERROR_MAX, "no memory");
		return NULL;
	}
	for (unsigned i = 0; i < count; i++)
		if (!add_pair(context, settings, &pairs[i], error)) {
			tls_context_free(&context);
			return NULL;
		}
	for (unsigned i = 0; i < context->count; i++)
		if (!set_up_server(
			context, context->each[i], settings, error)) {
			tls_context_free(&context);
			return NULL;
		}
	return context;
}

/* Where there is no original: the name that the client asks for decides. */
static int
make_certificate(SSL *ssl, void *arg)
{
	struct tls_context *context = arg;
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct slice name = slice_str(asked);

	if (SSL_get_certificate(ssl) != NULL)
		return 1;
	if (asked != NULL && tls_mint_put(context->mint, ssl, SLICE(""), name,
				 tls_link_is_trusted(ssl)))
		return 1;
	return tls_mint_put(context->mint, ssl, SLICE(""), tls_link_name(ssl),
	    tls_link_is_trusted(ssl));
}

struct tls_context *
tls_mint_context(const struct tls_settings *settings,
    const struct tls_pair *authority, unsigned remembered,
    char error[TLS_ERROR_MAX])
{
	struct tls_context *context = new_context(true, 1);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (context == NULL || ctx == NULL) {
		snprintf(error, TLS_ERROR_MAX, "no memory");
		SSL_CTX_free(ctx);
		tls_context_free(&context);
		return NULL;
	}
	context->each[context->count++] = ctx;
	SSL_CTX_set_cert_cb(ctx, make_certificate, context);
	context->mint = tls_mint_new(authority, remembered, error);
	if (context->mint == NULL || !set_up(ctx, settings, error) ||
	    !set_up_server(context, ctx, settings, error))
		tls_context_free(&context);
	return context;
}

/* --- a client's ----------------------------------------------------------------- */

struct tls_context *
tls_client_context(const struct tls_settings *settings, enum tls_trust trust,
    struct slice roots, char error[TLS_ERROR_MAX])
{
	struct tls_context *context = new_context(false, 1);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (context == NULL || ctx == NULL) {
		snprintf(error, TLS_ERROR_MAX, "no memory");
		SSL_CTX_free(ctx);
		tls_context_free(&context);
		return NULL;
	}
	context->trust = trust;
	context->each[context->count++] = ctx;
	/* What it is worth is known in any case; whether it matters is asked
	 * for the one connection. */
	if (!set_up(ctx, settings, error) || !tls_load_roots(ctx, roots, error))
		tls_context_free(&context);
	return context;
}

bool
tls_context_remember(struct tls_context *context, unsigned sessions)
{
	SSL_CTX *ctx = context->each[0];

	context->sessions = tls_sessions_new(sessions);
	if (context->sessions == NULL)
		return false;
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, tls_link_on_session);
	return true;
}
