/*
 * DANE for mail.  See tls_dane.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls_dane.h"

#include "io/tls_private.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	FIXED = 3, /* usage, selector, matching type */
	USAGE_TA = 2,
	USAGE_EE = 3,
	SELECTOR_KEY = 1, /* else the whole certificate */
	MATCHING_FULL = 0,
	MATCHING_SHA256 = 1,
	MATCHING_SHA512 = 2,
	SHA256_LEN = 32,
	SHA512_LEN = 64
};

struct tls_chain {
	X509 *first;
	STACK_OF(X509) * more;
};

/* --- records -------------------------------------------------------------------- */

bool
tls_tlsa_parse(struct slice rdata, struct tls_tlsa *out)
{
	if (rdata.len <= FIXED)
		return false;
	*out = (struct tls_tlsa){(uint8_t)rdata.ptr[0], (uint8_t)rdata.ptr[1],
	    (uint8_t)rdata.ptr[2], slice_from(rdata, FIXED)};
	return true;
}

/* Whether it is one certificate or key in DER, and nothing behind it. */
static bool
is_der(struct slice data, bool key)
{
	const unsigned char *at = (const unsigned char *)data.ptr;
	X509 *certificate = NULL;
	EVP_PKEY *found = NULL;

	if (key)
		found = d2i_PUBKEY(NULL, &at, (long)data.len);
	else
		certificate = d2i_X509(NULL, &at, (long)data.len);
	bool there = found != NULL || certificate != NULL;
	EVP_PKEY_free(found);
	X509_free(certificate);
	ERR_clear_error();
	return there && at == (const unsigned char *)data.ptr + data.len;
}

const char *
tls_tlsa_refusal(const struct tls_tlsa *record)
{
	if (record->usage < USAGE_TA)
		return "usages 0 and 1 are not for mail (RFC 7672 3.1.3)";
	if (record->usage > USAGE_EE)
		return "there is no such usage";
	if (record->selector > SELECTOR_KEY)
		return "there is no such selector";
	if (record->matching > MATCHING_SHA512)
		return "there is no such matching type";
	if (record->matching == MATCHING_SHA256 &&
	    record->data.len != SHA256_LEN)
		return "that is not the length of a SHA-256";
	if (record->matching == MATCHING_SHA512 &&
	    record->data.len != SHA512_LEN)
		return "that is not the length of a SHA-512";
	if (record->matching == MATCHING_FULL &&
	    !is_der(record->data, record->selector == SELECTOR_KEY))
		return "its data are no certificate or key";
	return NULL;
}

const char *
tls_tlsa_format(const struct tls_tlsa *record, char out[TLS_TLSA_TEXT])
{
	struct slice data = slice_head(record->data, SHA512_LEN);
	int len = snprintf(out, TLS_TLSA_TEXT, "%u %u %u ", record->usage,
	    record->selector, record->matching);

	for (size_t i = 0; i < data.len; i++)
		len += snprintf(out + len, (size_t)(TLS_TLSA_TEXT - len),
		    "%02x", (unsigned char)data.ptr[i]);
	if (data.len < record->data.len)
		snprintf(out + len, (size_t)(TLS_TLSA_TEXT - len), "...");
	return out;
}

/* --- certificates --------------------------------------------------------------- */

struct tls_chain *
tls_chain_new(struct slice pem, char error[TLS_ERROR_MAX])
{
	struct tls_chain *chain = calloc(1, sizeof(*chain));

	if (chain == NULL) {
		snprintf(error, TLS_ERROR_MAX, "no memory");
		return NULL;
	}
	chain->more = tls_read_chain(pem, &chain->first);
	if (chain->first == NULL || chain->more == NULL) {
		tls_explain(error, "the certificate");
		tls_chain_free(&chain);
	}
	return chain;
}

void
tls_chain_free(struct tls_chain **chain_p)
{
	struct tls_chain *chain = *chain_p;

	if (chain == NULL)
		return;
	X509_free(chain->first);
	sk_X509_pop_free(chain->more, X509_free);
	free(chain);
	*chain_p = NULL;
}

/* Lower case; false: nobody can ask for it, nor for a name that it covers. */
static bool
take_name(const ASN1_STRING *from, char out[DNS_NAME_MAX + 1])
{
	struct slice name = slice_of((const char *)ASN1_STRING_get0_data(from),
	    (size_t)ASN1_STRING_length(from));
	bool wild = slice_has_prefix_nocase(name, SLICE("*."));

	if (name.len > DNS_NAME_MAX ||
	    !dns_name_is_askable(slice_from(name, wild ? 2 : 0)))
		return false;
	for (size_t i = 0; i < name.len; i++)
		out[i] = ascii_lower(name.ptr[i]);
	out[name.len] = '\0';
	return true;
}

static bool
take_common_name(const X509 *certificate, char out[DNS_NAME_MAX + 1])
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	return at >= 0 && take_name(X509_NAME_ENTRY_get_data(
					X509_NAME_get_entry(subject, at)),
			      out);
}

bool
tls_chain_name(
    const struct tls_chain *chain, unsigned i, char out[DNS_NAME_MAX + 1])
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(chain->first, NID_subject_alt_name, NULL, NULL);
	bool any = false, found = false;

	for (int k = 0; !found && k < sk_GENERAL_NAME_num(names); k++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, k);
		if (name->type != GEN_DNS)
			continue;
		any = true;
		found = take_name(name->d.dNSName, out) && i-- == 0;
	}
	GENERAL_NAMES_free(names);
	if (!any && i == 0)
		found = take_common_name(chain->first, out);
	return found;
}

bool
tls_chain_record(const struct tls_chain *chain, char out[TLS_TLSA_TEXT])
{
	unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(chain->first), &der);
	unsigned size = 0;
	bool made = len > 0 && EVP_Digest(der, (size_t)len, digest, &size,
				   EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	if (!made)
		return false;
	tls_tlsa_format(
	    &(struct tls_tlsa){USAGE_EE, SELECTOR_KEY, MATCHING_SHA256,
		slice_of((const char *)digest, size)},
	    out);
	return true;
}

static int
kind_of(const struct tls_chain *chain)
{
	return EVP_PKEY_get_base_id(X509_get0_pubkey(chain->first));
}

/* Its number, or `count`. */
static unsigned
find_named(struct tls_chain *const *chains, unsigned count, const char *name,
    unsigned flags)
{
	unsigned i = 0;

	while (i < count &&
	       X509_check_host(chains[i]->first, name, 0, flags, NULL) != 1)
		i++;
	return i;
}

void
tls_chain_choose(struct tls_chain *const *chains, unsigned count,
    const char *name, bool *shown)
{
	unsigned first =
	    find_named(chains, count, name, X509_CHECK_FLAG_NO_WILDCARDS);

	if (first == count)
		first = find_named(chains, count, name, 0);
	if (first == count)
		first = 0;
	for (unsigned i = 0; i < count; i++) {
		shown[i] = i == first || (i > first && tls_has_same_names(
							   chains[first]->first,
							   chains[i]->first));
		/* One of each kind of key, the first. */
		for (unsigned k = first; shown[i] && k < i; k++)
			if (shown[k] &&
			    kind_of(chains[k]) == kind_of(chains[i]))
				shown[i] = false;
	}
}

/* --- both ------------------------------------------------------------------------- */

static bool
add_records(SSL *ssl, const struct tls_tlsa *records, unsigned count)
{
	unsigned added = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct tls_tlsa *record = &records[i];
		if (tls_tlsa_refusal(record) == NULL &&
		    SSL_dane_tlsa_add(ssl, record->usage, record->selector,
			record->matching,
			(const unsigned char *)record->data.ptr,
			record->data.len) > 0)
			added++;
	}
	ERR_clear_error();
	return added > 0;
}

/* What OpenSSL does when a server's Certificate message has come. */
static bool
verify(const struct tls_chain *chain, SSL *ssl, const char **why)
{
	X509_STORE *nobody = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	bool taken = false;

	*why = "no memory";
	if (nobody != NULL && context != NULL &&
	    X509_STORE_CTX_init(context, nobody, chain->first, chain->more) ==
		1) {
		X509_STORE_CTX_set0_dane(context, SSL_get0_dane(ssl));
		X509_STORE_CTX_set_default(context, "ssl_server");
		X509_VERIFY_PARAM_set1(
		    X509_STORE_CTX_get0_param(context), SSL_get0_param(ssl));
		taken = X509_verify_cert(context) == 1;
		int error = X509_STORE_CTX_get_error(context);
		*why = error == X509_V_ERR_DANE_NO_MATCH
			   ? NULL
			   : X509_verify_cert_error_string(error);
	}
	X509_STORE_CTX_free(context);
	X509_STORE_free(nobody);
	ERR_clear_error();
	return taken;
}

bool
tls_chain_is_taken(const struct tls_chain *chain, const char *name,
    const struct tls_tlsa *records, unsigned count, const char **why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;
	bool taken = false;

	*why = "no memory";
	if (ctx != NULL && SSL_CTX_dane_enable(ctx) > 0)
		ssl = SSL_new(ctx);
	if (ssl != NULL && SSL_dane_enable(ssl, name) > 0) {
		/* RFC 7672 3.1.1: by usage 3 the name does not count. */
		SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
		*why = NULL;
		taken =
		    add_records(ssl, records, count) && verify(chain, ssl, why);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return taken;
}
