/*
 * LINKS: proxy/io/resolver_cache.c proxy/io/resolver_answer.c
 *
 * What is remembered, for how long, and what goes first.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/resolver_cache.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t key[16] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static struct dns_question
question_of(unsigned number, char room[32])
{
	snprintf(room, 32, "n%u.example", number);
	return (struct dns_question){
	    slice_str(room), (enum dns_type)(number % DNS_TYPE_COUNT)};
}

static void
put(struct resolver_cache *cache, unsigned number, uint32_t ttl, uint64_t now)
{
	char room[32];
	struct dns_question question = question_of(number, room);
	struct resolver_answer *answer = resolver_answer_new(DNS_NODATA, ttl);

	assert_non_null(answer);
	resolver_cache_put(cache, &question, answer, now);
	resolver_answer_unref(&answer);
	assert_null(answer);
}

/* Seconds left; 0: it is not there. */
static uint32_t
left(struct resolver_cache *cache, unsigned number, uint64_t now)
{
	char room[32];
	struct dns_question question = question_of(number, room);
	uint32_t ttl = 0;
	struct resolver_answer *answer =
	    resolver_cache_get(cache, &question, now, &ttl);

	assert_int_equal(answer != NULL, ttl != 0);
	return ttl;
}

static void
time_runs(void **state)
{
	struct resolver_cache *cache = resolver_cache_new(10, 10000, key);

	(void)state;
	put(cache, 1, 5, 1000);
	assert_int_equal(left(cache, 1, 1000), 5);
	assert_int_equal(left(cache, 1, 1001), 5);
	assert_int_equal(left(cache, 1, 2000), 4);
	assert_int_equal(left(cache, 1, 5999), 1);
	assert_int_equal(resolver_cache_entries(cache), 1);
	assert_int_equal(left(cache, 1, 6000), 0);
	assert_int_equal(resolver_cache_entries(cache), 0);
	assert_int_equal(resolver_cache_bytes(cache), 0);
	resolver_cache_free(&cache);
	assert_null(cache);
}

static void
name_and_type(void **state)
{
	struct resolver_cache *cache = resolver_cache_new(10, 10000, key);
	struct resolver_answer *answer = resolver_answer_new(DNS_NXDOMAIN, 9);
	struct dns_question mx = {SLICE("a.example"), DNS_MX};
	struct dns_question ns = {SLICE("a.example"), DNS_NS};
	struct dns_question other = {SLICE("b.example"), DNS_MX};
	uint32_t ttl;

	(void)state;
	resolver_cache_put(cache, &mx, answer, 0);
	assert_ptr_equal(resolver_cache_get(cache, &mx, 0, &ttl), answer);
	assert_null(resolver_cache_get(cache, &ns, 0, &ttl));
	assert_null(resolver_cache_get(cache, &other, 0, &ttl));
	resolver_answer_unref(&answer);
	resolver_cache_free(&cache);
}

static void
replaced(void **state)
{
	struct resolver_cache *cache = resolver_cache_new(10, 10000, key);

	(void)state;
	put(cache, 1, 5, 0);
	size_t bytes = resolver_cache_bytes(cache);
	put(cache, 1, 50, 0);
	assert_int_equal(left(cache, 1, 0), 50);
	assert_int_equal(resolver_cache_entries(cache), 1);
	assert_int_equal(resolver_cache_bytes(cache), bytes);
	resolver_cache_free(&cache);
}

static void
least_recently_used(void **state)
{
	struct resolver_cache *cache = resolver_cache_new(3, 10000, key);

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		put(cache, i, 5, 0);
	left(cache, 1, 0);
	put(cache, 4, 5, 0);
	assert_int_equal(left(cache, 2, 0), 0);
	assert_int_equal(left(cache, 1, 0), 5);
	assert_int_equal(left(cache, 3, 0), 5);
	assert_int_equal(left(cache, 4, 0), 5);
	resolver_cache_free(&cache);
}

/* An answer that somebody still holds outlives its place in the cache. */
static void
held(void **state)
{
	struct resolver_cache *cache = resolver_cache_new(1, 10000, key);
	char room[32];
	struct dns_question question = question_of(1, room);
	uint32_t ttl;

	(void)state;
	put(cache, 1, 5, 0);
	struct resolver_answer *answer =
	    resolver_answer_ref(resolver_cache_get(cache, &question, 0, &ttl));
	put(cache, 2, 5, 0);
	assert_int_equal(left(cache, 1, 0), 0);
	assert_int_equal(answer->answer.status, DNS_NODATA);
	assert_int_equal(answer->refs, 1);
	resolver_answer_unref(&answer);
	resolver_cache_free(&cache);
}

static void
nothing_fits(void **state)
{
	struct resolver_cache *none = resolver_cache_new(0, 10000, key);
	struct resolver_cache *small = resolver_cache_new(10, 50, key);

	(void)state;
	put(none, 1, 5, 0);
	put(small, 1, 5, 0);
	assert_int_equal(left(none, 1, 0), 0);
	assert_int_equal(left(small, 1, 0), 0);
	assert_int_equal(resolver_cache_bytes(small), 0);
	resolver_cache_free(&none);
	resolver_cache_free(&small);
}

/* Against a model that knows only what was put last and when. */
static void
bounds_hold(void **state)
{
	enum {
		NAMES = 64,
		ENTRIES = 20,
		BYTES = 2500
	};
	struct resolver_cache *cache = resolver_cache_new(ENTRIES, BYTES, key);
	uint64_t expires[NAMES] = {0}, now = 0;
	uint64_t seed = 1;
	unsigned hits = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned number = random_next(&seed) % NAMES;
		now += random_next(&seed) % 100;
		if (random_next(&seed) % 2 == 0) {
			uint32_t ttl = 1 + random_next(&seed) % 5;
			put(cache, number, ttl, now);
			expires[number] = now + ttl * UINT64_C(1000);
			assert_int_equal(left(cache, number, now), ttl);
		} else {
			uint32_t ttl = left(cache, number, now);
			assert_true(ttl == 0 ||
				    expires[number] > now + (ttl - 1) * 1000);
			hits += ttl > 0;
		}
		assert_true(resolver_cache_entries(cache) <= ENTRIES);
		assert_true(resolver_cache_bytes(cache) <= BYTES);
	}
	assert_true(hits > 1000);
	resolver_cache_free(&cache);
}

/* SipHash-2-4 as its authors' vectors have it: the key 00..0f, the input
 * 00 01 02 ... of as many bytes.  The first byte here is the type. */
static void
siphash(void **state)
{
	struct dns_question one = {SLICE(""), DNS_A};
	struct dns_question eight = {
	    SLICE("\x01\x02\x03\x04\x05\x06\x07"), DNS_A};
	struct dns_question fifteen = {
	    SLICE("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"),
	    DNS_A};

	(void)state;
	assert_int_equal(
	    resolver_hash(key, &one), UINT64_C(0x74f839c593dc67fd));
	assert_int_equal(
	    resolver_hash(key, &eight), UINT64_C(0x93f5f5799a932462));
	assert_int_equal(
	    resolver_hash(key, &fifteen), UINT64_C(0xa129ca6149be45e5));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(time_runs),
	    cmocka_unit_test(name_and_type), cmocka_unit_test(replaced),
	    cmocka_unit_test(least_recently_used), cmocka_unit_test(held),
	    cmocka_unit_test(nothing_fits), cmocka_unit_test(bounds_hold),
	    cmocka_unit_test(siphash)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
