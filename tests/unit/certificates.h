/*
 * Certificates of a moment: a root of our own, and what it signs.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_CERTIFICATES_H
#define TESTS_CERTIFICATES_H

#include "io/tls.h"

#include <assert.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum {
	CERTIFICATE_PEM = 8192
};

struct certificate {
	char chain[CERTIFICATE_PEM], key[CERTIFICATE_PEM];
	EVP_PKEY *pkey;
	X509 *x509;
};

static inline void
certificate_extend(X509 *x509, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert(extension != NULL);
	X509_add_ext(x509, extension, -1);
	X509_EXTENSION_free(extension);
}

static inline void
certificate_text(BIO *from, char *to)
{
	int len = BIO_read(from, to, CERTIFICATE_PEM - 1);

	assert(len > 0);
	to[len] = '\0';
	BIO_free(from);
}

/* `names`: as in subjectAltName ("DNS:a.example,IP:10.0.0.1"); NULL: a root,
 * which signs itself.  `rsa`: else of P-256. */
static inline void
certificate_make(struct certificate *out, const char *names, bool rsa,
    const struct certificate *signer)
{
	static long serial = 1;
	X509 *x509 = X509_new();
	const char *common = names == NULL ? "a root of tests" : "a host";

	out->pkey = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	out->x509 = x509;
	X509_set_version(x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
	X509_set_pubkey(x509, out->pkey);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN",
	    MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
	if (names == NULL) {
		X509_set_issuer_name(x509, X509_get_subject_name(x509));
		certificate_extend(
		    x509, NID_basic_constraints, "critical,CA:TRUE");
	} else {
		X509_set_issuer_name(x509, X509_get_subject_name(signer->x509));
		certificate_extend(x509, NID_subject_alt_name, names);
	}
	X509_sign(x509, names == NULL ? out->pkey : signer->pkey, EVP_sha256());
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, x509);
	certificate_text(bio, out->chain);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, out->pkey, NULL, NULL, 0, NULL, NULL);
	certificate_text(bio, out->key);
}

static inline void
certificate_free(struct certificate *certificate)
{
	X509_free(certificate->x509);
	EVP_PKEY_free(certificate->pkey);
}

static inline struct tls_pair
certificate_pair(const struct certificate *certificate)
{
	return (struct tls_pair){
	    slice_str(certificate->chain), slice_str(certificate->key)};
}

#endif
