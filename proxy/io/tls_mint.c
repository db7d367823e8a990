/*
 * Certificates that are made.  See tls_mint.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls_mint.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	KINDS = 2, /* of keys: P-256, RSA */
	DIGEST = 32,
	WAYS = 4, /* as in tls_sessions.c */
	RSA_BITS = 2048,
	SERIAL_LEN = 16,
	ALT_NAMES_MAX = 16 * 1024, /* octets; of more none is copied */
	AHEAD_S = 3600,            /* clocks of clients may be late */
	VALID_S = 30 * 86400,
	/* A copy is made anew that has less left. */
	LEAST_S = 3600
};

/* Who signs. */
struct signer {
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* what is sent behind a copy */
};

struct copy {
	unsigned char digest[DIGEST];
	X509 *each[KINDS]; /* NULL: free */
	time_t until;
	bool trusted; /* it is signed by the authority */
	unsigned used;
};

struct tls_mint {
	struct signer authority, nobody;
	EVP_PKEY *keys[KINDS]; /* of all copies; made here */
	unsigned rows, clock;
	struct copy *copies;
};

/* --- who signs ------------------------------------------------------------------------ */

static void
free_signer(struct signer *signer)
{
	X509_free(signer->certificate);
	EVP_PKEY_free(signer->key);
	sk_X509_pop_free(signer->chain, X509_free);
}

static const char *
what_is_wrong(const struct signer *signer)
{
	X509 *certificate = signer->certificate;

	if (X509_check_ca(certificate) != 1 ||
	    (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) == 0)
		return "the certificate may sign no others (CA:TRUE, "
		       "keyCertSign)";
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
		return "the certificate has expired";
	return NULL;
}

static bool
is_root(X509 *certificate)
{
	return X509_check_issued(certificate, certificate) == X509_V_OK;
}

/* Clients have the root themselves. */
static void
keep_chain(struct signer *signer)
{
	if (is_root(signer->certificate))
		return;
	X509_up_ref(signer->certificate);
	sk_X509_unshift(signer->chain, signer->certificate);
	int last = sk_X509_num(signer->chain) - 1;
	if (is_root(sk_X509_value(signer->chain, last)))
		X509_free(sk_X509_pop(signer->chain));
}

static bool
read_authority(struct signer *signer, const struct tls_pair *pair, char *error)
{
	if (!tls_read_pair(pair, &signer->certificate, &signer->key,
		&signer->chain, error))
		return false;
	const char *wrong = what_is_wrong(signer);
	if (wrong != NULL) {
		snprintf(error, TLS_ERROR_MAX, "%s", wrong);
		return false;
	}
	keep_chain(signer);
	return true;
}

static bool
set_serial(X509 *certificate)
{
	unsigned char octets[SERIAL_LEN];
	BIGNUM *number = NULL;
	bool good;

	if (RAND_bytes(octets, sizeof(octets)) != 1)
		return false;
	/* Positive, and of that length in any case (RFC 5280 4.1.2.2). */
	octets[0] = (unsigned char)((octets[0] & 0x3f) | 0x40);
	number = BN_bin2bn(octets, sizeof(octets), NULL);
	good = number != NULL &&
	       BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) !=
		   NULL;
	BN_free(number);
	return good;
}

static bool
extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension =
	    X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool good =
	    extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

static bool
sign(X509 *certificate, EVP_PKEY *key)
{
	int kind = EVP_PKEY_get_base_id(key);
	bool plain = kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448;

	return X509_sign(certificate, key, plain ? NULL : EVP_sha256()) > 0;
}

/* One whom nobody has among his roots. */
static bool
make_nobody(struct signer *signer)
{
	static const char name[] =
	    "ehlogate: the server's certificate is not trusted";
	X509 *made = signer->certificate = X509_new();

	signer->key = EVP_EC_gen("P-256");
	signer->chain = sk_X509_new_null();
	if (made == NULL || signer->key == NULL || signer->chain == NULL)
		return false;
	return X509_set_version(made, X509_VERSION_3) == 1 &&
	       set_serial(made) &&
	       X509_gmtime_adj(X509_getm_notBefore(made), -AHEAD_S) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(made), 10L * 365 * 86400) !=
		   NULL &&
	       X509_set_pubkey(made, signer->key) == 1 &&
	       X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN",
		   MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(made, X509_get_subject_name(made)) == 1 &&
	       extend(made, made, NID_basic_constraints, "critical,CA:TRUE") &&
	       extend(made, made, NID_subject_key_identifier, "hash") &&
	       sign(made, signer->key);
}

/* --- a copy --------------------------------------------------------------------------- */

/* What a name may consist of that comes from nowhere but the wire. */
static bool
is_host_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		bool letter = (c >= '0' && c <= '9') || c == '-' || c == '.' ||
			      c == '_' ||
			      ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
		if (!letter)
			return false;
	}
	return name.len > 0 && name.len < 256;
}

static bool
name_it(X509 *certificate, struct slice name)
{
	char text[300], common[65];
	ASN1_OCTET_STRING *address;

	snprintf(text, sizeof(text), "%.*s", SLICE_FMT(slice_head(name, 255)));
	address = a2i_IPADDRESS(text);
	ASN1_OCTET_STRING_free(address);
	ERR_clear_error();
	if (address == NULL && !is_host_name(name))
		return false;
	snprintf(text, sizeof(text), "%s:%.*s", address == NULL ? "DNS" : "IP",
	    SLICE_FMT(slice_head(name, 255)));
	snprintf(
	    common, sizeof(common), "%.*s", SLICE_FMT(slice_head(name, 64)));
	return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate),
		   "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1,
		   0) == 1 &&
	       extend(certificate, NULL, NID_subject_alt_name, text);
}

/* A name as clients look for, an address of either family. */
static bool
is_plain(const GENERAL_NAME *name)
{
	int kind, len;
	const ASN1_STRING *text = GENERAL_NAME_get0_value(name, &kind);

	len = ASN1_STRING_length(text);
	struct slice octets =
	    slice_of((const char *)ASN1_STRING_get0_data(text), (size_t)len);
	if (kind == GEN_IPADD)
		return len == 4 || len == 16;
	if (kind == GEN_DNS && octets.len > 2 &&
	    memcmp(octets.ptr, "*.", 2) == 0)
		octets = slice_from(octets, 2);
	return kind == GEN_DNS && is_host_name(octets);
}

/* The original's names that are names; NULL: it has none, or too many. */
static GENERAL_NAMES *
names_of(const X509 *like)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(like, NID_subject_alt_name, NULL, NULL);

	for (int i = sk_GENERAL_NAME_num(names); i-- > 0;)
		if (!is_plain(sk_GENERAL_NAME_value(names, i)))
			GENERAL_NAME_free(sk_GENERAL_NAME_delete(names, i));
	if (sk_GENERAL_NAME_num(names) > 0 &&
	    i2d_GENERAL_NAMES(names, NULL) <= ALT_NAMES_MAX)
		return names;
	GENERAL_NAMES_free(names);
	return NULL;
}

/* Its subject and names; or, where there are none that can be had, `name`. */
static bool
copy_names(X509 *certificate, const X509 *like, struct slice name)
{
	GENERAL_NAMES *names = like == NULL ? NULL : names_of(like);

	if (names == NULL)
		return name_it(certificate, name);
	bool good = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names,
			0, X509V3_ADD_DEFAULT) == 1 &&
		    X509_set_subject_name(
			certificate, X509_get_subject_name(like)) == 1;
	GENERAL_NAMES_free(names);
	return good;
}

/* Whether a copy may be believed that bears `name` in place of the original's
 * names, which are too many: the server may have said any. */
static bool
bears(X509 *original, struct slice name)
{
	char text[256];
	GENERAL_NAMES *names = names_of(original);

	GENERAL_NAMES_free(names);
	if (names != NULL)
		return true;
	snprintf(text, sizeof(text), "%.*s", SLICE_FMT(name));
	return X509_check_host(original, text, 0,
		   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1 ||
	       X509_check_ip_asc(original, text, 0) == 1;
}

static const ASN1_TIME *
later(const ASN1_TIME *a, const ASN1_TIME *b)
{
	return ASN1_TIME_compare(a, b) > 0 ? a : b;
}

static const ASN1_TIME *
earlier(const ASN1_TIME *a, const ASN1_TIME *b)
{
	return ASN1_TIME_compare(a, b) < 0 ? a : b;
}

/* No longer than the original or its signer; one that has expired stays so. */
static bool
set_validity(X509 *certificate, const X509 *like, const X509 *signer)
{
	ASN1_TIME *from = X509_gmtime_adj(NULL, -AHEAD_S);
	ASN1_TIME *to = X509_gmtime_adj(NULL, VALID_S);
	const ASN1_TIME *first = from, *last = to;

	if (like != NULL && from != NULL && to != NULL) {
		first = later(from, X509_get0_notBefore(like));
		last = earlier(to, X509_get0_notAfter(like));
	}
	bool good = from != NULL && to != NULL &&
		    X509_set1_notBefore(certificate, first) == 1 &&
		    X509_set1_notAfter(certificate,
			earlier(last, X509_get0_notAfter(signer))) == 1;
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return good;
}

static bool
fill(X509 *certificate, const X509 *like, struct slice name,
    const struct signer *signer, EVP_PKEY *key)
{
	bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;

	return X509_set_version(certificate, X509_VERSION_3) == 1 &&
	       set_serial(certificate) &&
	       X509_set_issuer_name(certificate,
		   X509_get_subject_name(signer->certificate)) == 1 &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       set_validity(certificate, like, signer->certificate) &&
	       copy_names(certificate, like, name) &&
	       extend(certificate, NULL, NID_basic_constraints,
		   "critical,CA:FALSE") &&
	       extend(certificate, NULL, NID_key_usage,
		   rsa ? "critical,digitalSignature,keyEncipherment"
		       : "critical,digitalSignature") &&
	       extend(certificate, NULL, NID_ext_key_usage, "serverAuth") &&
	       extend(certificate, NULL, NID_subject_key_identifier, "hash") &&
	       (X509_get0_subject_key_id(signer->certificate) == NULL ||
		   extend(certificate, signer->certificate,
		       NID_authority_key_identifier, "keyid")) &&
	       sign(certificate, signer->key);
}

static X509 *
make(const X509 *like, struct slice name, const struct signer *signer,
    EVP_PKEY *key)
{
	X509 *made = X509_new();

	if (made != NULL && !fill(made, like, name, signer, key)) {
		X509_free(made);
		made = NULL;
	}
	ERR_clear_error();
	return made;
}

static time_t
end_of(const X509 *certificate)
{
	struct tm broken;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &broken) != 1)
		return 0;
	return timegm(&broken);
}

/* --- copies that are kept ---------------------------------------------------------------- */

static void
forget(struct copy *copy)
{
	for (unsigned i = 0; i < KINDS; i++)
		X509_free(copy->each[i]);
	*copy = (struct copy){0};
}

static bool
digest_of(
    struct slice like, struct slice name, bool trusted, unsigned char *out)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t head[] = {like.len, name.len, trusted}; /* no gaps */
	bool good = context != NULL &&
		    EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(context, head, sizeof(head)) == 1 &&
		    EVP_DigestUpdate(context, like.ptr, like.len) == 1 &&
		    EVP_DigestUpdate(context, name.ptr, name.len) == 1 &&
		    EVP_DigestFinal_ex(context, out, NULL) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

/* What is there, else the place for it. */
static struct copy *
find(struct tls_mint *mint, const unsigned char digest[DIGEST], bool *there)
{
	uint32_t hash;

	memcpy(&hash, digest, sizeof(hash));
	struct copy *row = &mint->copies[(size_t)(hash % mint->rows) * WAYS];
	struct copy *oldest = row;
	for (unsigned i = 0; i < WAYS; i++) {
		*there = row[i].each[0] != NULL &&
			 memcmp(row[i].digest, digest, DIGEST) == 0;
		if (*there)
			return &row[i];
		if (row[i].used < oldest->used)
			oldest = &row[i];
	}
	return oldest;
}

/* An original of no length: there is none.  One that cannot be read is nobody's,
 * and its names are not known. */
static bool
make_copy(struct tls_mint *mint, struct copy *copy, struct slice like,
    struct slice name, bool trusted)
{
	const unsigned char *der = (const unsigned char *)like.ptr;
	X509 *original =
	    like.len == 0 ? NULL : d2i_X509(NULL, &der, (long)like.len);
	bool good = true;

	trusted = trusted &&
		  (original == NULL ? like.len == 0 : bears(original, name));
	copy->trusted = trusted;
	for (unsigned i = 0; i < KINDS; i++) {
		copy->each[i] = make(original, name,
		    trusted ? &mint->authority : &mint->nobody, mint->keys[i]);
		good = good && copy->each[i] != NULL;
	}
	X509_free(original);
	if (good)
		copy->until = end_of(copy->each[0]);
	else
		forget(copy);
	return good;
}

static const struct copy *
get_copy(
    struct tls_mint *mint, struct slice like, struct slice name, bool trusted)
{
	unsigned char digest[DIGEST];
	bool there;

	if (!digest_of(like, name, trusted, digest))
		return NULL;
	struct copy *copy = find(mint, digest, &there);
	if (there && copy->until < time(NULL) + LEAST_S) {
		/* An original that ends as soon is copied each time. */
		forget(copy);
		there = false;
	}
	if (!there) {
		forget(copy);
		if (!make_copy(mint, copy, like, name, trusted))
			return NULL;
		memcpy(copy->digest, digest, DIGEST);
	}
	copy->used = ++mint->clock;
	return copy;
}

bool
tls_mint_put(struct tls_mint *mint, SSL *ssl, struct slice like,
    struct slice name, bool trusted)
{
	const struct copy *copy = get_copy(mint, like, name, trusted);
	STACK_OF(X509) *chain = copy != NULL && copy->trusted
				    ? mint->authority.chain
				    : mint->nobody.chain;

	for (unsigned i = 0; copy != NULL && i < KINDS; i++)
		if (SSL_use_cert_and_key(
			ssl, copy->each[i], mint->keys[i], chain, 1) != 1)
			return false;
	return copy != NULL;
}

/* The slow part. */
static bool
make_keys(struct tls_mint *mint)
{
	mint->keys[0] = EVP_EC_gen("P-256");
	mint->keys[1] = EVP_RSA_gen(RSA_BITS);
	return mint->keys[0] != NULL && mint->keys[1] != NULL &&
	       make_nobody(&mint->nobody);
}

struct tls_mint *
tls_mint_new(const struct tls_pair *authority, unsigned remembered,
    char error[TLS_ERROR_MAX])
{
	struct tls_mint *mint = calloc(1, sizeof(*mint));

	snprintf(error, TLS_ERROR_MAX, "no memory");
	if (mint == NULL)
		return NULL;
	mint->rows = remembered / WAYS + 1;
	mint->copies = calloc((size_t)mint->rows * WAYS, sizeof(struct copy));
	if (mint->copies == NULL ||
	    !read_authority(&mint->authority, authority, error) ||
	    !make_keys(mint))
		tls_mint_free(&mint);
	return mint;
}

void
tls_mint_free(struct tls_mint **mint_p)
{
	struct tls_mint *mint = *mint_p;

	if (mint == NULL)
		return;
	for (unsigned i = 0; mint->copies != NULL && i < mint->rows * WAYS; i++)
		forget(&mint->copies[i]);
	for (unsigned i = 0; i < KINDS; i++)
		EVP_PKEY_free(mint->keys[i]);
	free_signer(&mint->authority);
	free_signer(&mint->nobody);
	free(mint->copies);
	free(mint);
	*mint_p = NULL;
}
