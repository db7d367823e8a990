/*
 * DANE for mail (RFC 7672): what senders that go by TLSA records (RFC 6698)
 * make of the certificates that a server shows.  For tools: nothing of it is
 * asked while mail flows.
 *
 * Records come from strangers; every read of them is bounded here.  Whether a
 * chain is taken is left to OpenSSL's own DANE, which Postfix and Exim ask too:
 * another opinion than theirs would be of no use.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_TLS_DANE_H
#define IO_TLS_DANE_H

#include "base/dns.h"
#include "io/tls.h"

enum {
	TLS_TLSA_TEXT = 160 /* room for "3 1 2", a SHA-512 in hex and a NUL */
};

/* A TLSA record (RFC 6698 2.1). */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	struct slice data; /* the caller's */
};

/* Reads the data of a record (RFC 6698 2.1).  False: it is too short to be
 * one. */
bool tls_tlsa_parse(struct slice rdata, struct tls_tlsa *out);
/* Why no sender of mail can use the record, or NULL: usages 0 and 1 are not for
 * mail (RFC 7672 3.1.3), others, unknown selectors and matching types are
 * nobody's (RFC 7671 2), and what cannot be a digest, a certificate or a key is
 * malformed (RFC 6698 4.1). */
const char *tls_tlsa_refusal(const struct tls_tlsa *record);
/* As a zone has it (RFC 6698 2.2), a long one cut; returns `out`. */
const char *tls_tlsa_format(
    const struct tls_tlsa *record, char out[TLS_TLSA_TEXT]);

/* A certificate and what leads from it to its root. */
struct tls_chain;

/* NULL: `error` says why the PEM has none. */
struct tls_chain *tls_chain_new(struct slice pem, char error[TLS_ERROR_MAX]);
void tls_chain_free(struct tls_chain **chain);
/* The i-th DNS name of the certificate, lower case, also a wildcard ("*.a.b");
 * its common name where it has no alternative ones (RFC 7672 3.2.3).  What is no
 * name that can be asked for is left out.  False: there are no more. */
bool tls_chain_name(
    const struct tls_chain *chain, unsigned i, char out[DNS_NAME_MAX + 1]);
/* The record to publish for the certificate's key, "3 1 1 HEX": it outlives the
 * certificate as long as the key does (RFC 7671 5.1).  False: no memory. */
bool tls_chain_record(const struct tls_chain *chain, char out[TLS_TLSA_TEXT]);
/* Which of a listener's certificates are shown to who asks for that name, by
 * tls_server_context's rule: a sender must be content with each. */
void tls_chain_choose(struct tls_chain *const *chains, unsigned count,
    const char *name, bool *shown);

/* Whether a sender that goes by these records, all together, takes the chain as
 * that of `name` (RFC 7672 3.1): by usage 3 the certificate alone counts,
 * neither its name nor its validity; by usage 2 it must be valid, bear the name
 * and lead to the record's.  Of digests the strongest counts (RFC 7671 9).
 * Records that tls_tlsa_refusal refuses are passed over.  `why`: what is in the
 * way, NULL where no record matches. */
bool tls_chain_is_taken(const struct tls_chain *chain, const char *name,
    const struct tls_tlsa *records, unsigned count, const char **why);

#endif
