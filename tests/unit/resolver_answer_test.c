/*
 * LINKS: proxy/io/resolver_answer.c
 *
 * Packets: what counts, what is nonsense, and that no cut or changed byte is
 * read beyond (the sanitizers run this too).
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/resolver_answer.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
	OWNER = 0xc00c /* a pointer to the question's name */
};

static uint8_t packet[8192];
static size_t len;

static void
put8(unsigned value)
{
	assert_true(len < sizeof(packet));
	packet[len++] = (uint8_t)value;
}

static void
put16(unsigned value)
{
	put8(value >> 8);
	put8(value & 0xff);
}

static void
put_name(const char *name)
{
	while (*name != '\0') {
		size_t label = strcspn(name, ".");
		put8((unsigned)label);
		for (size_t i = 0; i < label; i++)
			put8((unsigned char)name[i]);
		name += label + (name[label] == '.');
	}
	put8(0);
}

/* The header and the question "q.example". */
static void
begin(unsigned flags, unsigned type, unsigned answers, unsigned authority)
{
	static const unsigned numbers[] = {1, 28, 12, 15, 2, 16, 52};

	len = 0;
	put16(0x1234);
	put16(flags);
	put16(1);
	put16(answers);
	put16(authority);
	put16(0);
	put_name("q.example");
	put16(numbers[type]);
	put16(1);
}

static void
put_head(unsigned type, unsigned ttl, unsigned size)
{
	put16(OWNER);
	put16(type);
	put16(1);
	put16(ttl >> 16);
	put16(ttl & 0xffff);
	put16(size);
}

static struct resolver_answer *
parse(enum dns_type type)
{
	struct dns_question question = {SLICE("q.example"), type};
	/* A copy of its own, so that the sanitizer sees its end. */
	char *copy = malloc(len == 0 ? 1 : len);

	assert_non_null(copy);
	memcpy(copy, packet, len);
	struct resolver_answer *answer =
	    resolver_answer_parse(slice_of(copy, len), &question);
	free(copy);
	assert_non_null(answer);
	assert_int_equal(answer->refs, 1);
	assert_int_equal(
	    answer->answer.status == DNS_FOUND, answer->answer.count > 0);
	return answer;
}

static void
expect(enum dns_type type, enum dns_status status, uint32_t ttl)
{
	struct resolver_answer *answer = parse(type);

	assert_int_equal(answer->answer.status, status);
	assert_int_equal(answer->answer.ttl, ttl);
	resolver_answer_unref(&answer);
}

/* A host and a null MX, with `junk` bytes behind the first name. */
static void
make_mx(unsigned junk)
{
	begin(0x8180, DNS_MX, 2, 0);
	put_head(15, 70, 12 + junk);
	put16(10);
	put_name("MX.ample");
	while (junk-- > 0)
		put8(0);
	put_head(15, 60, 3);
	put16(20);
	put8(0);
}

static void
smallest_ttl(void **state)
{
	(void)state;
	begin(0x8180, DNS_A, 2, 0);
	put_head(1, 70, 4);
	put16(0xc000);
	put16(0x0201);
	put_head(1, 60, 4);
	put16(0xc000);
	put16(0x0202);
	struct resolver_answer *answer = parse(DNS_A);
	assert_int_equal(answer->answer.count, 2);
	assert_int_equal(answer->answer.ttl, 60);
	assert_int_equal(answer->answer.records[1].addr.family, 4);
	assert_memory_equal(
	    answer->answer.records[1].addr.bytes, "\xc0\0\2\2", 4);
	resolver_answer_unref(&answer);
}

static void
hosts(void **state)
{
	(void)state;
	make_mx(0);
	struct resolver_answer *answer = parse(DNS_MX);
	assert_int_equal(answer->answer.count, 1);
	assert_int_equal(answer->answer.ttl, 60);
	assert_int_equal(answer->answer.records[0].preference, 10);
	assert_true(
	    slice_eq(answer->answer.records[0].text, SLICE("mx.ample")));
	resolver_answer_unref(&answer);
	make_mx(1);
	expect(DNS_MX, DNS_TEMPERROR, 1);
}

static void
headers(void **state)
{
	static const unsigned bad[] = {
	    0x0180, 0x8980, 0x8380, 0x8181, 0x8182, 0x8185, 0x8189, 0x818f};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(bad[i], DNS_A, 0, 0);
		expect(DNS_A, DNS_TEMPERROR, 1);
	}
	begin(0x8180, DNS_A, 0, 0);
	expect(DNS_A, DNS_NODATA, 1);
	begin(0x8183, DNS_A, 0, 0);
	expect(DNS_A, DNS_NXDOMAIN, 1);
	/* Another question than ours. */
	expect(DNS_AAAA, DNS_TEMPERROR, 1);
	packet[5] = 2;
	expect(DNS_A, DNS_TEMPERROR, 1);
}

static void
soa(void **state)
{
	(void)state;
	begin(0x8183, DNS_A, 0, 1);
	put_head(6, 500, 22);
	put16(0);
	for (unsigned i = 1; i <= 5; i++) {
		put16(0);
		put16(i * 100);
	}
	expect(DNS_A, DNS_NXDOMAIN, 500);
	packet[len - 1] = 7;
	packet[len - 2] = 0;
	expect(DNS_A, DNS_NXDOMAIN, 7);
	packet[len - 4] = 1;
	expect(DNS_A, DNS_NXDOMAIN, 500);
}

static void
null_mx_with_servers(void **state)
{
	(void)state;
	begin(0x8180, DNS_MX, 1, 1);
	put_head(15, 600, 3);
	put16(0);
	put8(0);
	put_head(2, 5, 2);
	put16(OWNER);
	expect(DNS_MX, DNS_NODATA, 600);
}

static void
referral(void **state)
{
	(void)state;
	begin(0x8100, DNS_A, 0, 1);
	put_head(2, 5, 2);
	put16(OWNER);
	expect(DNS_A, DNS_TEMPERROR, 1);
}

static void
text_is_cut(void **state)
{
	(void)state;
	begin(0x8180, DNS_TXT, 1, 0);
	put_head(16, 9, 16 * 200);
	for (unsigned i = 0; i < 16; i++) {
		put8(199);
		for (unsigned n = 0; n < 199; n++)
			put8(i + 'a');
	}
	struct resolver_answer *answer = parse(DNS_TXT);
	assert_int_equal(answer->answer.count, 1);
	assert_int_equal(answer->answer.records[0].text.len, 16 * 199);
	assert_int_equal(answer->answer.records[0].text.ptr[200], 'b');
	resolver_answer_unref(&answer);
	packet[len - 200] = 200;
	expect(DNS_TXT, DNS_TEMPERROR, 1);
}

static void
make_tlsa(void)
{
	begin(0x81a0, DNS_TLSA, 2, 0);
	put_head(52, 9, 4);
	put16(0x0301);
	put16(0x01ff);
	put_head(52, 9, 0);
}

static void
tlsa(void **state)
{
	(void)state;
	make_tlsa();
	struct resolver_answer *answer = parse(DNS_TLSA);
	assert_int_equal(answer->answer.count, 2);
	assert_true(answer->answer.authentic);
	assert_true(slice_eq(
	    answer->answer.records[0].text, slice_of("\3\1\1\xff", 4)));
	assert_int_equal(answer->answer.records[1].text.len, 0);
	resolver_answer_unref(&answer);
	/* Without AD; and nonsense with it. */
	packet[3] = 0x80;
	answer = parse(DNS_TLSA);
	assert_false(answer->answer.authentic);
	resolver_answer_unref(&answer);
	packet[3] = 0xa2;
	answer = parse(DNS_TLSA);
	assert_int_equal(answer->answer.status, DNS_TEMPERROR);
	assert_false(answer->answer.authentic);
	resolver_answer_unref(&answer);
}

static void
tlsa_is_not_cut(void **state)
{
	(void)state;
	for (unsigned over = 0; over < 2; over++) {
		len = 0;
		begin(0x8180, DNS_TLSA, 1, 0);
		put_head(52, 9, DNS_TEXT_MAX + over);
		for (unsigned i = 0; i < DNS_TEXT_MAX + over; i++)
			put8(3);
		expect(
		    DNS_TLSA, over ? DNS_TEMPERROR : DNS_FOUND, over ? 1 : 9);
	}
}

/* Every packet above, cut at each place, and with bytes changed. */
static void
damaged(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		static const enum dns_type types[] = {
		    DNS_MX, DNS_MX, DNS_A, DNS_TLSA};
		if (round == 0)
			make_mx(0);
		else if (round == 1)
			null_mx_with_servers(state);
		else if (round == 2)
			soa(state);
		else
			make_tlsa();
		enum dns_type type = types[round];
		size_t whole = len;
		for (len = 0; len < whole; len++)
			expect(type, DNS_TEMPERROR, 1);
		for (unsigned run = random_runs(20000); run > 0; run--) {
			uint32_t pick = random_next(&seed);
			uint8_t *at = &packet[pick % whole], old = *at;
			*at = (uint8_t)(pick >> 16);
			struct resolver_answer *answer = parse(type);
			resolver_answer_unref(&answer);
			*at = old;
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(smallest_ttl),
	    cmocka_unit_test(hosts), cmocka_unit_test(headers),
	    cmocka_unit_test(soa), cmocka_unit_test(null_mx_with_servers),
	    cmocka_unit_test(referral), cmocka_unit_test(text_is_cut),
	    cmocka_unit_test(tlsa), cmocka_unit_test(tlsa_is_not_cut),
	    cmocka_unit_test(damaged)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
