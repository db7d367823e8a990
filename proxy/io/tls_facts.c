/*
 * What is known of a connection's TLS.  See tls_link.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls_link_private.h"

#include <openssl/x509v3.h>
#include <stdio.h>

static struct slice
fingerprint_of(struct tls_link *link, const X509 *certificate)
{
	unsigned char digest[SHA256_LEN];

	if (X509_digest(certificate, EVP_sha256(), digest, NULL) != 1)
		return SLICE("");
	for (unsigned i = 0; i < SHA256_LEN; i++)
		snprintf(link->fingerprint + 2 * i, 3, "%02x", digest[i]);
	return slice_str(link->fingerprint);
}

/* Octets that are no printable ASCII come out escaped, by RFC 2253. */
static struct slice
subject_of(struct tls_link *link, const X509 *certificate)
{
	BIO *out = BIO_new(BIO_s_mem());
	const X509_NAME *name = X509_get_subject_name(certificate);

	if (out != NULL &&
	    X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0)
		BIO_gets(out, link->subject, sizeof(link->subject));
	BIO_free(out);
	return slice_str(link->subject);
}

void
tls_link_facts(struct tls_link *link, struct tls_facts *out)
{
	const char *asked =
	    SSL_get_servername(link->ssl, TLSEXT_NAMETYPE_host_name);
	const X509 *certificate = SSL_get0_peer_certificate(link->ssl);
	bool server = SSL_is_server(link->ssl) == 1;
	long verified = SSL_get_verify_result(link->ssl);

	*out = (struct tls_facts){.version = SSL_get_version(link->ssl),
	    .cipher = SSL_get_cipher_name(link->ssl),
	    .name = slice_str(server ? asked : link->name),
	    .resumed = SSL_session_reused(link->ssl) == 1};
	if (certificate == NULL)
		return;
	out->verified = verified == X509_V_OK
			    ? "ok"
			    : X509_verify_cert_error_string(verified);
	if (server)
		out->fingerprint = fingerprint_of(link, certificate);
	if (server && verified == X509_V_OK)
		out->subject = subject_of(link, certificate);
}

bool
tls_link_certificate(
    const struct tls_link *link, struct buf *out, bool *trusted)
{
	X509 *certificate = SSL_get0_peer_certificate(link->ssl);
	int len = certificate == NULL ? 0 : i2d_X509(certificate, NULL);
	unsigned char *to;

	if (SSL_is_server(link->ssl) || len <= 0)
		return false;
	to = (unsigned char *)buf_reserve(out, (size_t)len);
	if (to == NULL)
		return false;
	i2d_X509(certificate, &to);
	buf_commit(out, (size_t)len);
	/* Where a name is checked too, nobody comes here without it. */
	*trusted = SSL_get_verify_result(link->ssl) == X509_V_OK;
	return true;
}
