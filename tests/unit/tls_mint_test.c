/* LINKS: proxy/io/stream.c proxy/io/loop.c proxy/io/tls*.c */
/*
 * Certificates that are made for a server's name.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls_private.h"
#include "tests/unit/tls_ends.h"

#include <string.h>

static struct certificate root, stranger, authority, host;
static struct tls_context *gate;
static struct tls_context *looks; /* a client that trusts the authority */
static char serial[80];
static X509 *shown;

static struct slice
der_of(const struct certificate *certificate, unsigned char **der)
{
	*der = NULL;
	int len = i2d_X509(certificate->x509, der);

	assert_true(len > 0);
	return slice_of((const char *)*der, (size_t)len);
}

/* A handshake with the gate, which has that target; whether the client took
 * the certificate. */
static bool
talk(
    struct tls_context *from, const char *asks, const struct tls_target *target)
{
	start(SLICE("hello"), SLICE("world"));
	client.got.max = server.got.max = 5;
	X509_free(shown);
	shown = NULL;
	assert_true(stream_start_tls(server.stream, gate, target));
	assert_true(stream_start_tls(client.stream, from,
	    &(struct tls_target){.name = slice_str(asks)}));
	run();
	bool taken = client.done && server.done;
	if (taken) {
		struct buf der;
		bool trusted;
		buf_init(&der, 65536);
		assert_true(
		    stream_tls_certificate(client.stream, &der, &trusted));
		assert_true(trusted || from != looks);
		const unsigned char *at =
		    (const unsigned char *)buf_slice(&der).ptr;
		shown = d2i_X509(NULL, &at, (long)buf_len(&der));
		BIGNUM *number =
		    ASN1_INTEGER_to_BN(X509_get0_serialNumber(shown), NULL);
		char *hex = BN_bn2hex(number);
		snprintf(serial, sizeof(serial), "%s", hex);
		OPENSSL_free(hex);
		BN_free(number);
		buf_fini(&der);
	}
	finish();
	return taken;
}

static struct tls_context *
client_of(enum tls_trust trust, const struct certificate *trusts, int version,
    const char *ciphers)
{
	char error[TLS_ERROR_MAX];
	struct tls_settings settings = {
	    .min = TLS_VERSION_1_2, .ciphers = ciphers};
	struct tls_context *context = tls_client_context(
	    &settings, trust, slice_str(trusts->chain), error);

	if (context == NULL)
		fail_msg("%s", error);
	SSL_CTX_set_max_proto_version(context->each[0], version);
	return context;
}

static int
set_up(void **unused)
{
	char error[TLS_ERROR_MAX];
	struct tls_settings settings = {.min = TLS_VERSION_1_2};

	(void)unused;
	certificate_make(&root, NULL, false, NULL);
	certificate_make(&stranger, NULL, false, NULL);
	certificate_make(&authority, NULL, false, NULL);
	certificate_make(&host, "DNS:mx.example,DNS:*.corp.example,IP:10.0.0.1",
	    false, &root);
	struct tls_pair pair = certificate_pair(&authority);
	gate = tls_mint_context(&settings, &pair, 8, error);
	if (gate == NULL)
		return -1;
	looks = client_of(TLS_TRUST_NAMED, &authority, 0, NULL);
	return 0;
}

static int
tear_down(void **unused)
{
	(void)unused;
	X509_free(shown);
	tls_context_free(&gate);
	tls_context_free(&looks);
	certificate_free(&root);
	certificate_free(&stranger);
	certificate_free(&authority);
	certificate_free(&host);
	return 0;
}

/* Every name of the original, by a client that looks. */
static void
copies(void **unused)
{
	unsigned char *der;
	struct tls_target target = {
	    .like = der_of(&host, &der), .trusted = true};
	char first[sizeof(serial)];

	(void)unused;
	assert_true(talk(looks, "mx.example", &target));
	memcpy(first, serial, sizeof(first));
	assert_true(talk(looks, "a.corp.example", &target));
	assert_true(talk(looks, "10.0.0.1", &target));
	assert_false(talk(looks, "other.example", &target));
	assert_true(talk(looks, "mx.example", &target));
	/* Kept, not made each time. */
	assert_string_equal(first, serial);
	assert_int_equal(strlen(serial), 32);
	assert_int_equal(X509_NAME_cmp(X509_get_subject_name(shown),
			     X509_get_subject_name(host.x509)),
	    0);
	assert_int_equal(X509_check_ca(shown), 0);
	assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(shown),
			     X509_get0_notAfter(host.x509)),
	    0);
	OPENSSL_free(der);
}

/* A key of either kind, as the client can. */
static void
kinds_of_keys(void **unused)
{
	static const char *const ciphers[] = {
	    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"};
	static const int kinds[] = {EVP_PKEY_RSA, EVP_PKEY_EC};
	unsigned char *der;
	struct tls_target target = {
	    .like = der_of(&host, &der), .trusted = true};

	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		struct tls_context *from = client_of(
		    TLS_TRUST_NAMED, &authority, TLS1_2_VERSION, ciphers[i]);
		struct tls_context *keep = looks;
		looks = from;
		assert_true(talk(from, "mx.example", &target));
		looks = keep;
		assert_int_equal(
		    EVP_PKEY_get_base_id(X509_get0_pubkey(shown)), kinds[i]);
		tls_context_free(&from);
	}
	OPENSSL_free(der);
}

/* What the gate could not believe nobody is to believe. */
static void
untrusted(void **unused)
{
	unsigned char *der;
	struct tls_target target = {.like = der_of(&host, &der)};
	struct tls_context *any = client_of(TLS_TRUST_ALL, &authority, 0, NULL);

	(void)unused;
	assert_false(talk(looks, "mx.example", &target));
	assert_true(talk(any, "mx.example", &target));
	char *issuer = X509_NAME_oneline(X509_get_issuer_name(shown), NULL, 0);
	assert_non_null(strstr(issuer, "is not trusted"));
	OPENSSL_free(issuer);
	tls_context_free(&any);
	OPENSSL_free(der);
}

/* No original: what the client asks for, else what the target says. */
static void
by_name(void **unused)
{
	struct tls_target target = {
	    .name = SLICE("target.example"), .trusted = true};

	(void)unused;
	assert_true(talk(looks, "asked.example", &target));
	target.name = SLICE("10.0.0.9");
	assert_true(talk(looks, "10.0.0.9", &target));
	target.name = SLICE("fd00::1");
	assert_true(talk(looks, "fd00::1", &target));
}

static void
is_bounded(void **unused)
{
	char name[32], first[sizeof(serial)];
	struct tls_target target = {.trusted = true};

	(void)unused;
	assert_true(talk(looks, "n0.example", &target));
	memcpy(first, serial, sizeof(first));
	for (unsigned i = 1; i < 60; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		assert_true(talk(looks, name, &target));
	}
	assert_true(talk(looks, "n0.example", &target));
	assert_string_not_equal(first, serial);
}

/* --- originals that mean harm (THREATS A2-85) ----------------------------------------------- */

static void
add_names(X509 *x509, const unsigned char *octets, int len, unsigned count)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	for (unsigned i = 0; i < count; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();
		ASN1_STRING_set(text, octets, len);
		GENERAL_NAME_set0_value(name, GEN_DNS, text);
		sk_GENERAL_NAME_push(names, name);
	}
	X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0);
	GENERAL_NAMES_free(names);
}

static struct slice
hostile(const char *common, int common_len, const char *alt, int alt_len,
    unsigned count, unsigned char **der)
{
	X509 *x509 = X509_new();

	X509_set_version(x509, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x509), -86400);
	ASN1_TIME_set_string(X509_getm_notAfter(x509), "99991231235959Z");
	X509_set_pubkey(x509, host.pkey);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN",
	    MBSTRING_ASC, (const unsigned char *)common, common_len, -1, 0);
	X509_set_issuer_name(x509, X509_get_subject_name(root.x509));
	certificate_extend(x509, NID_basic_constraints, "critical,CA:TRUE");
	if (count > 0)
		add_names(x509, (const unsigned char *)alt, alt_len, count);
	X509_sign(x509, root.pkey, EVP_sha256());
	*der = NULL;
	int len = i2d_X509(x509, der);
	X509_free(x509);
	assert_true(len > 0);
	return slice_of((const char *)*der, (size_t)len);
}

static void
harm(void **unused)
{
	static const struct {
		const char *common, *alt;
		int common_len, alt_len;
		unsigned count;
	} cases[] = {
	    {"mx.example\0.evil.example", "mx.example\0.evil", 24, 16, 1},
	    {"a\r\nX: y", "a\r\nb", 7, 4, 1},
	    {"many", "mx.example", 4, 10, 9000}, {"none", NULL, 4, 0, 0}};
	struct tls_context *any = client_of(TLS_TRUST_ALL, &authority, 0, NULL);

	(void)unused;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned char *der;
		struct tls_target target = {.name = SLICE("said.example"),
		    .like = hostile(cases[i].common, cases[i].common_len,
			cases[i].alt, cases[i].alt_len, cases[i].count, &der),
		    .trusted = true};
		/* Never a name that the original does not have, whatever the
		 * server says it is. */
		assert_false(talk(looks, "mx.evil.example", &target));
		assert_false(talk(looks, "said.example", &target));
		assert_true(talk(any, "", &target));
		/* One that it has, where it has too many to copy. */
		target.name = SLICE("mx.example");
		assert_int_equal(
		    talk(looks, "mx.example", &target), cases[i].count > 1);
		OPENSSL_free(der);
	}
	/* What is no certificate at all. */
	struct tls_target target = {
	    .name = SLICE("said.example"), .like = SLICE("no DER")};
	assert_true(talk(any, "", &target));
	assert_int_equal(X509_check_ca(shown), 0);
	tls_context_free(&any);
}

/* --- authorities that are none ---------------------------------------------------------------- */

static void
authorities(void **unused)
{
	char error[TLS_ERROR_MAX];
	struct tls_settings settings = {.min = TLS_VERSION_1_2};
	struct tls_pair leaf = certificate_pair(&host);
	struct tls_pair crossed = {
	    slice_str(authority.chain), slice_str(host.key)};
	struct tls_pair none = {SLICE(""), SLICE("")};

	(void)unused;
	assert_null(tls_mint_context(&settings, &leaf, 10, error));
	assert_non_null(strstr(error, "may sign no others"));
	assert_null(tls_mint_context(&settings, &crossed, 10, error));
	assert_non_null(strstr(error, "certificate and key"));
	assert_null(tls_mint_context(&settings, &none, 10, error));
	assert_non_null(strstr(error, "the certificate"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(copies),
	    cmocka_unit_test(kinds_of_keys), cmocka_unit_test(untrusted),
	    cmocka_unit_test(by_name), cmocka_unit_test(is_bounded),
	    cmocka_unit_test(harm), cmocka_unit_test(authorities)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
