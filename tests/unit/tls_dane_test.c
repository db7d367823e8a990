/* LINKS: proxy/io/stream.c proxy/io/loop.c proxy/io/tls*.c */
/*
 * TLSA records against certificates: each usage, selector and matching type,
 * what is of no use, and data that lie.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls_dane.h"
#include "tests/unit/certificates.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
	RDATA_MAX = 4096
};

static struct certificate root, other_root, host, other, expired;
static struct tls_chain *host_chain, *alone, *other_chain, *expired_chain;

/* --- what is made --------------------------------------------------------------- */

static size_t
data_of(const struct certificate *of, unsigned selector, unsigned matching,
    unsigned char out[RDATA_MAX])
{
	unsigned char *der = NULL;
	unsigned size = 0;
	int len = selector == 0
		      ? i2d_X509(of->x509, &der)
		      : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(of->x509), &der);

	assert_in_range(len, 1, RDATA_MAX);
	if (matching == 0)
		memcpy(out, der, size = (unsigned)len);
	else
		EVP_Digest(der, (size_t)len, out, &size,
		    matching == 1 ? EVP_sha256() : EVP_sha512(), NULL);
	OPENSSL_free(der);
	return size;
}

/* The data of a record, in memory of its own; the caller frees it. */
static struct slice
rdata_of(const struct certificate *of, unsigned usage, unsigned selector,
    unsigned matching)
{
	unsigned char data[RDATA_MAX];
	size_t len = data_of(of, selector, matching, data);
	char *out = malloc(3 + len);

	assert_non_null(out);
	out[0] = (char)usage;
	out[1] = (char)selector;
	out[2] = (char)matching;
	memcpy(out + 3, data, len);
	return slice_of(out, 3 + len);
}

static void
drop(struct slice rdata)
{
	free((void *)(uintptr_t)rdata.ptr);
}

static struct tls_chain *
chain_of(const struct certificate *one, const struct certificate *above)
{
	char pem[2 * CERTIFICATE_PEM], error[TLS_ERROR_MAX];

	snprintf(pem, sizeof(pem), "%s%s", one->chain,
	    above == NULL ? "" : above->chain);
	struct tls_chain *chain = tls_chain_new(slice_str(pem), error);
	assert_non_null(chain);
	return chain;
}

static int
set_up(void **state)
{
	(void)state;
	certificate_make(&root, NULL, false, NULL);
	certificate_make(&other_root, NULL, false, NULL);
	certificate_make(&host,
	    "DNS:MX.example,IP:192.0.2.1,DNS:*.any.example,DNS:mail.example",
	    false, &root);
	certificate_make(&other, "DNS:mx.example", true, &other_root);
	certificate_make(&expired, "DNS:mx.example", false, &root);
	X509_gmtime_adj(X509_getm_notAfter(expired.x509), -60);
	X509_sign(expired.x509, root.pkey, EVP_sha256());
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, expired.x509);
	certificate_text(bio, expired.chain);
	host_chain = chain_of(&host, &root);
	alone = chain_of(&host, NULL);
	other_chain = chain_of(&other, &other_root);
	expired_chain = chain_of(&expired, &root);
	return 0;
}

static int
tear_down(void **state)
{
	struct certificate *all[] = {
	    &root, &other_root, &host, &other, &expired};

	(void)state;
	tls_chain_free(&host_chain);
	tls_chain_free(&alone);
	tls_chain_free(&other_chain);
	tls_chain_free(&expired_chain);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		certificate_free(all[i]);
	return 0;
}

/* By one record, whether or not it is of use. */
static bool
takes(const struct tls_chain *chain, const char *name, struct slice rdata,
    const char **why)
{
	struct tls_tlsa record;

	*why = NULL;
	return tls_tlsa_parse(rdata, &record) &&
	       tls_chain_is_taken(chain, name, &record, 1, why);
}

/* The same of a record made for that. */
static bool
takes_of(const struct tls_chain *chain, const char *name,
    const struct certificate *of, unsigned usage, unsigned selector,
    unsigned matching, const char **why)
{
	struct slice rdata = rdata_of(of, usage, selector, matching);
	bool taken = takes(chain, name, rdata, why);

	drop(rdata);
	return taken;
}

/* --- records -------------------------------------------------------------------- */

static void
too_short(void **state)
{
	static const char data[] = {3, 1, 1, 0};
	struct tls_tlsa record;

	(void)state;
	for (size_t len = 0; len < 4; len++)
		assert_false(tls_tlsa_parse(slice_of(data, len), &record));
	assert_true(tls_tlsa_parse(slice_of(data, 4), &record));
	assert_int_equal(record.data.len, 1);
}

static void
refusals(void **state)
{
	static const struct {
		unsigned usage, selector, matching, len;
		const char *word;
	} rows[] = {{0, 1, 1, 32, "usages 0 and 1"},
	    {1, 1, 1, 32, "usages 0 and 1"}, {4, 1, 1, 32, "usage"},
	    {255, 1, 1, 32, "usage"}, {3, 2, 1, 32, "selector"},
	    {3, 255, 1, 32, "selector"}, {3, 1, 3, 32, "matching"},
	    {3, 1, 255, 32, "matching"}, {3, 1, 1, 31, "SHA-256"},
	    {3, 1, 1, 33, "SHA-256"}, {3, 1, 2, 63, "SHA-512"},
	    {2, 0, 2, 65, "SHA-512"}, {3, 0, 0, 32, "certificate"},
	    {2, 1, 0, 32, "certificate"}};
	static const char data[80];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_tlsa record = {(uint8_t)rows[i].usage,
		    (uint8_t)rows[i].selector, (uint8_t)rows[i].matching,
		    slice_of(data, rows[i].len)};
		const char *why = tls_tlsa_refusal(&record);
		assert_non_null(why);
		assert_non_null(strstr(why, rows[i].word));
		assert_false(tls_chain_is_taken(
		    host_chain, "mx.example", &record, 1, &why));
		assert_null(why);
	}
}

static void
formats(void **state)
{
	char data[100], text[TLS_TLSA_TEXT];
	struct tls_tlsa record = {3, 1, 1, slice_of("\0\x7f\xff", 3)};

	(void)state;
	assert_string_equal(tls_tlsa_format(&record, text), "3 1 1 007fff");
	memset(data, 0xab, sizeof(data));
	record = (struct tls_tlsa){255, 255, 255, slice_of(data, 64)};
	tls_tlsa_format(&record, text);
	assert_int_equal(strlen(text), 12 + 128);
	record.data.len = 65;
	tls_tlsa_format(&record, text);
	assert_string_equal(text + 12 + 126, "ab...");
}

/* --- certificates --------------------------------------------------------------- */

static void
names(void **state)
{
	static const char *const wanted[] = {
	    "mx.example", "*.any.example", "mail.example"};
	char name[DNS_NAME_MAX + 1], error[TLS_ERROR_MAX];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(tls_chain_name(host_chain, i, name));
		assert_string_equal(name, wanted[i]);
	}
	assert_false(tls_chain_name(host_chain, 3, name));
	/* "a root of tests" is no host. */
	struct tls_chain *chain = chain_of(&root, NULL);
	assert_false(tls_chain_name(chain, 0, name));
	tls_chain_free(&chain);
	assert_null(tls_chain_new(SLICE("no certificate"), error));
	assert_non_null(strstr(error, "the certificate"));
	assert_null(tls_chain_new(slice_str(host.key), error));
}

static void
record_to_publish(void **state)
{
	char text[TLS_TLSA_TEXT], wanted[TLS_TLSA_TEXT];
	struct slice rdata = rdata_of(&host, 3, 1, 1);
	struct tls_tlsa record;

	(void)state;
	assert_true(tls_chain_record(host_chain, text));
	assert_true(tls_tlsa_parse(rdata, &record));
	assert_string_equal(text, tls_tlsa_format(&record, wanted));
	drop(rdata);
}

static void
choice(void **state)
{
	struct certificate made[6];
	struct tls_chain *chains[6];
	bool shown[6];
	static const struct {
		const char *names;
		bool rsa;
	} rows[] = {{"DNS:first.test", false}, {"DNS:*.a.example", false},
	    {"DNS:mx.a.example", true}, {"DNS:mx.a.example", false},
	    {"DNS:mx.a.example", true},
	    {"DNS:mx.a.example,DNS:other.a.example", false}};
	static const struct {
		const char *name;
		bool shown[6];
	} wanted[] = {
	    {"mx.a.example", {false, false, true, true, false, false}},
	    {"other.a.example", {false, false, false, false, false, true}},
	    {"any.a.example", {false, true, false, false, false, false}},
	    {"elsewhere.test", {true, false, false, false, false, false}}};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		certificate_make(&made[i], rows[i].names, rows[i].rsa, &root);
		chains[i] = chain_of(&made[i], NULL);
	}
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		tls_chain_choose(chains, 6, wanted[i].name, shown);
		assert_memory_equal(shown, wanted[i].shown, sizeof(shown));
	}
	for (unsigned i = 0; i < 6; i++) {
		tls_chain_free(&chains[i]);
		certificate_free(&made[i]);
	}
}

/* --- both ------------------------------------------------------------------------- */

/* Usage 3 (RFC 7672 3.1.1): the certificate, whatever its name and age. */
static void
end_entity(void **state)
{
	const char *why;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		unsigned selector = i / 3, matching = i % 3;
		assert_true(takes_of(host_chain, "mx.example", &host, 3,
		    selector, matching, &why));
		assert_true(takes_of(alone, "elsewhere.test", &host, 3,
		    selector, matching, &why));
		assert_true(takes_of(expired_chain, "mx.example", &expired, 3,
		    selector, matching, &why));
		assert_false(takes_of(other_chain, "mx.example", &host, 3,
		    selector, matching, &why));
		assert_null(why);
		/* What is above it is none of usage 3's. */
		assert_false(takes_of(host_chain, "mx.example", &root, 3,
		    selector, matching, &why));
	}
}

/* Usage 2 (RFC 7672 3.1.2): what the certificate leads to. */
static void
trust_anchor(void **state)
{
	const char *why;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		unsigned selector = i / 3, matching = i % 3;
		assert_true(takes_of(host_chain, "mx.example", &root, 2,
		    selector, matching, &why));
		assert_false(takes_of(other_chain, "mx.example", &root, 2,
		    selector, matching, &why));
		assert_false(takes_of(host_chain, "elsewhere.test", &root, 2,
		    selector, matching, &why));
		assert_string_equal(why, "hostname mismatch");
		assert_false(takes_of(expired_chain, "mx.example", &root, 2,
		    selector, matching, &why));
		assert_string_equal(why, "certificate has expired");
		/* A digest of what is not sent leads nowhere. */
		assert_int_equal(takes_of(alone, "mx.example", &root, 2,
				     selector, matching, &why),
		    matching == 0);
	}
}

/* Several: any may match, but of digests only the strongest is looked at. */
static void
together(void **state)
{
	struct slice data[] = {rdata_of(&other, 3, 1, 1),
	    rdata_of(&host, 3, 1, 1), rdata_of(&other, 3, 1, 2),
	    rdata_of(&host, 0, 1, 1)};
	struct tls_tlsa records[4];
	const char *why;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_true(tls_tlsa_parse(data[i], &records[i]));
	assert_true(
	    tls_chain_is_taken(host_chain, "mx.example", records, 2, &why));
	assert_false(
	    tls_chain_is_taken(host_chain, "mx.example", records, 3, &why));
	assert_null(why);
	assert_false(
	    tls_chain_is_taken(host_chain, "mx.example", records + 2, 2, &why));
	for (unsigned i = 0; i < 4; i++)
		drop(data[i]);
}

/* Records cut at each place and with octets changed: nothing is read beyond
 * their end, and none of them matches. */
static void
damaged(void **state)
{
	uint64_t seed = 1;
	const char *why;

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		unsigned usage = 2 + i / 6;
		struct slice rdata = rdata_of(
		    usage == 2 ? &root : &host, usage, i / 3 % 2, i % 3);
		for (size_t len = 0; len < rdata.len; len++) {
			char *copy = malloc(len + 1);
			memcpy(copy, rdata.ptr, len);
			char *exact = realloc(copy, len == 0 ? 1 : len);
			assert_false(takes(host_chain, "mx.example",
			    slice_of(exact, len), &why));
			free(exact);
		}
		for (unsigned run = random_runs(20000) / 40; run > 0; run--) {
			uint32_t pick = random_next(&seed);
			char *at =
			    (char *)(uintptr_t)rdata.ptr + pick % rdata.len;
			char old = *at;
			*at = (char)(pick >> 24);
			/* Of the first three octets another may be as good;
			 * and a whole authority with a changed octet is one
			 * still, while its name and key are the same. */
			if (takes(host_chain, "mx.example", rdata, &why))
				assert_true(*at == old || at - rdata.ptr < 3 ||
					    (usage == 2 && i % 3 == 0));
			*at = old;
		}
		drop(rdata);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(too_short),
	    cmocka_unit_test(refusals), cmocka_unit_test(formats),
	    cmocka_unit_test(names), cmocka_unit_test(record_to_publish),
	    cmocka_unit_test(choice), cmocka_unit_test(end_entity),
	    cmocka_unit_test(trust_anchor), cmocka_unit_test(together),
	    cmocka_unit_test(damaged)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
