/* LINKS: policy/list_address.c policy/list_domain.c */
/*
 * Lists of addresses and of domains: the edges by hand, then random ones
 * against a search through all entries.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/random.h"

#include "policy/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum {
	ENTRIES_MAX = 600
};

static struct prefix
prefix_of(const char *text)
{
	struct prefix prefix;

	assert_true(prefix_parse(slice_str(text), &prefix));
	return prefix;
}

/* A sealed list of the words of `text`. */
static struct address_list *
addresses_of(const char *text)
{
	struct address_list *list = address_list_new();
	char word[64];
	int used;

	for (; sscanf(text, "%63s%n", word, &used) == 1; text += used) {
		struct prefix prefix = prefix_of(word);
		address_list_add(list, &prefix);
	}
	address_list_seal(list);
	return list;
}

static bool
in(const struct address_list *list, const char *text)
{
	struct addr addr;

	assert_true(addr_parse(slice_str(text), &addr));
	return address_list_has(list, &addr);
}

static bool
covers(const struct address_list *list, const char *text)
{
	struct prefix prefix = prefix_of(text);

	return address_list_covers(list, &prefix);
}

static void
test_address_edges(void **state)
{
	struct address_list *list = addresses_of(
	    "10.0.0.0/8 0.0.0.0 255.255.255.255 192.0.2.128/25 2001:db8::/32 "
	    "2001:db9::1 :: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");

	(void)state;
	assert_true(in(list, "10.0.0.0") && in(list, "10.255.255.255"));
	assert_false(in(list, "9.255.255.255") || in(list, "11.0.0.0"));
	assert_true(in(list, "0.0.0.0") && !in(list, "0.0.0.1"));
	assert_true(in(list, "255.255.255.255"));
	assert_false(in(list, "255.255.255.254") || in(list, "192.0.2.127"));
	assert_true(in(list, "192.0.2.128") && in(list, "192.0.2.255"));
	assert_true(in(list, "2001:db8::") && in(list, "::"));
	assert_true(in(list, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
	assert_false(in(list, "2001:db9::") || in(list, "2001:db9::2"));
	assert_true(in(list, "2001:db9::1") && !in(list, "::1"));
	assert_true(in(list, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
	assert_int_equal(address_list_count(list), 8);
	address_list_free(&list);
	assert_null(list);
}

/* All of IPv6 is nothing of IPv4, which has one form only. */
static void
test_address_families(void **state)
{
	struct address_list *list = addresses_of("::/0");
	struct addr mapped = {
	    6, {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}};
	struct addr none = {0};
	struct prefix tens = {{6, {[10] = 0xff, [11] = 0xff, [12] = 10}}, 104};

	(void)state;
	assert_true(in(list, "2001:db8::1") && in(list, "::"));
	assert_false(in(list, "10.0.0.1"));
	assert_false(in(list, "::ffff:10.0.0.1"));
	assert_false(address_list_has(list, &mapped));
	assert_false(address_list_has(list, &none));
	assert_true(covers(list, "::/0") && !covers(list, "0.0.0.0/0"));
	address_list_free(&list);
	list = addresses_of("10.0.0.0/8");
	assert_true(in(list, "::ffff:10.0.0.1"));
	assert_true(address_list_has(list, &mapped));
	assert_true(address_list_covers(list, &tens));
	assert_false(address_list_has(list, &none));
	address_list_free(&list);
	list = address_list_new();
	address_list_add(list, &tens);
	address_list_seal(list);
	assert_true(in(list, "10.1.2.3") && !in(list, "11.0.0.0"));
	address_list_free(&list);
	/* All that is mapped is all of IPv4; what is wider is IPv6. */
	struct prefix all = {{6, {[10] = 0xff, [11] = 0xff}}, 96};
	struct prefix wider = {{6, {[10] = 0xff, [11] = 0xfe}}, 95};
	list = address_list_new();
	address_list_add(list, &all);
	address_list_seal(list);
	assert_true(covers(list, "0.0.0.0/0") && !in(list, "::"));
	assert_false(address_list_covers(list, &wider));
	address_list_free(&list);
}

static void
test_address_covers(void **state)
{
	struct address_list *list = addresses_of(
	    "10.128.0.0/9 10.0.0.0/9 10.1.0.0/16 10.1.0.0/16 192.0.2.0/25 "
	    "192.0.2.129 2001:db8:8000::/33 2001:db8::/33 "
	    "2001:db8:0:1:8000::/65");

	(void)state;
	assert_true(covers(list, "10.0.0.0/8") && covers(list, "10.1.2.3"));
	assert_false(covers(list, "10.0.0.0/7") || covers(list, "0.0.0.0/0"));
	assert_true(covers(list, "192.0.2.0/26"));
	assert_false(covers(list, "192.0.2.0/24"));
	assert_true(covers(list, "2001:db8::/32"));
	assert_false(covers(list, "2001:db8::/31"));
	assert_int_equal(address_list_count(list), 4);
	address_list_free(&list);
	/* The border of the two halves of an IPv6 address. */
	list = addresses_of(
	    "2001:db8::/65 2001:db8:0:0:8000::/65 2001:db8:0:1::/64");
	assert_true(covers(list, "2001:db8::/63"));
	assert_int_equal(address_list_count(list), 1);
	address_list_free(&list);
}

static void
test_address_lists(void **state)
{
	struct address_list *outer = addresses_of("10.0.0.0/8 2001:db8::/32");
	struct address_list *inner =
	    addresses_of("2001:db8:1::/48 10.2.0.0/16 10.1.0.0/16 10.9.9.9");
	struct address_list *empty = addresses_of("");
	struct addr addr;
	char text[ADDR_TEXT];

	(void)state;
	assert_true(address_list_covers_list(outer, inner));
	assert_false(address_list_covers_list(inner, outer));
	assert_true(address_list_covers_list(outer, outer));
	assert_true(address_list_covers_list(outer, empty));
	assert_true(address_list_covers_list(empty, empty));
	assert_false(address_list_covers_list(empty, inner));
	assert_int_equal(address_list_count(empty), 0);
	assert_false(in(empty, "10.0.0.1") || in(empty, "::1"));
	assert_false(address_list_first(empty, &addr));
	assert_true(address_list_first(inner, &addr));
	assert_string_equal(addr_format(&addr, text), "10.1.0.0");
	address_list_free(&inner);
	inner = addresses_of("2001:db8:1::/48 2001:db8::a/128");
	assert_true(address_list_first(inner, &addr));
	assert_string_equal(addr_format(&addr, text), "2001:db8::a");
	assert_true(address_list_has(inner, &addr));
	address_list_free(&outer);
	address_list_free(&inner);
	address_list_free(&empty);
}

/* --- random addresses ----------------------------------------------------- */

/* Few different bytes, so that entries nest, touch and repeat. */
static struct prefix
random_prefix(uint64_t *random)
{
	static const uint8_t bytes[] = {0, 1, 2, 127, 128, 255};
	struct prefix prefix = {{random_next(random) & 1 ? 4 : 6, {0}}, 0};
	unsigned width = prefix.addr.family == 4 ? 32 : 128;

	for (unsigned i = 0; i < width / 8; i++)
		prefix.addr.bytes[i] = bytes[random_next(random) % 6];
	prefix.bits = (uint8_t)(width - random_next(random) % (width / 2 + 1));
	for (unsigned bit = prefix.bits; bit < width; bit++)
		prefix.addr.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return prefix;
}

static bool
is_in_one(
    const struct prefix *prefixes, unsigned count, const struct addr *addr)
{
	for (unsigned i = 0; i < count; i++)
		if (prefix_contains(&prefixes[i], addr))
			return true;
	return false;
}

/* One up or down from an entry's edge, or anywhere. */
static struct addr
random_question(uint64_t *random, const struct prefix *prefix)
{
	struct addr addr = prefix->addr;
	unsigned width = addr.family == 4 ? 4 : 16;
	uint32_t pick = random_next(random);

	if (pick & 1)
		for (unsigned bit = prefix->bits; bit < width * 8; bit++)
			addr.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	for (unsigned i = width; i-- > 0 && pick & 2;)
		if (pick & 4 ? ++addr.bytes[i] != 0 : addr.bytes[i]-- != 0)
			break;
	if (pick % 5 == 0)
		addr = random_prefix(random).addr;
	return addr;
}

static void
test_random_addresses(void **state)
{
	static struct prefix prefixes[ENTRIES_MAX];
	unsigned runs = random_runs(200);
	uint64_t random = 1;

	(void)state;
	for (unsigned run = 0; run < runs; run++) {
		struct address_list *list = address_list_new();
		unsigned count = random_next(&random) % ENTRIES_MAX;
		for (unsigned i = 0; i < count; i++) {
			prefixes[i] = random_prefix(&random);
			address_list_add(list, &prefixes[i]);
		}
		address_list_seal(list);
		for (unsigned i = 0; i < count; i++) {
			struct addr addr =
			    random_question(&random, &prefixes[i]);
			assert_int_equal(address_list_has(list, &addr),
			    is_in_one(prefixes, count, &addr));
			assert_true(address_list_covers(list, &prefixes[i]));
		}
		address_list_free(&list);
	}
}

/* --- domains -------------------------------------------------------------- */

static bool
below(const struct domain_list *list, const char *name)
{
	return domain_list_has(list, slice_str(name));
}

static struct domain_list *
domains_of(const char *text)
{
	struct domain_list *list = domain_list_new();
	char word[300];
	int used;

	for (; sscanf(text, "%299s%n", word, &used) == 1; text += used)
		assert_true(domain_list_add(list, slice_str(word)));
	return list;
}

static void
test_domain_names(void **state)
{
	struct domain_list *list =
	    domains_of("Example.COM example.com. "
		       "_spf.a_b.example.org "
		       "xn--bcher-kva.example localhost");

	(void)state;
	assert_int_equal(domain_list_count(list), 4);
	assert_true(below(list, "example.com") && below(list, "EXAMPLE.com."));
	assert_true(below(list, "a.b.c.Example.Com"));
	assert_false(below(list, "badexample.com") || below(list, "com"));
	assert_false(below(list, "example.com.org") || below(list, ""));
	assert_false(below(list, ".") || below(list, "example.com.."));
	assert_true(below(list, ".example.com") && below(list, "..localhost"));
	assert_true(below(list, "x._SPF.A_B.example.org"));
	assert_false(below(list, "a_b.example.org"));
	assert_true(below(list, "mail.xn--bcher-kva.example"));
	assert_false(below(list, "b\xc3\xbc"
				 "cher.example"));
	assert_true(domain_list_has(list, slice_of("\0.localhost", 11)));
	assert_false(domain_list_has(list, slice_of("localhost\0", 10)));
	domain_list_free(&list);
	assert_null(list);
}

static void
test_not_a_name(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a..b", ".a", "a b",
	    "*.example.com", "a@b", "a/b", "[192.0.2.1]", "a..",
	    "b\xc3\xbc"
	    "cher.example"};
	struct domain_list *list = domain_list_new();
	char name[300];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(domain_list_add(list, slice_str(bad[i])));
		assert_false(domain_list_is_full(list));
	}
	assert_false(domain_list_add(list, slice_of("a\0b", 3)));
	memset(name, 'a', sizeof(name));
	assert_false(domain_list_add(list, slice_of(name, 64)));
	assert_true(domain_list_add(list, slice_of(name, 63)));
	assert_int_equal(domain_list_count(list), 1);
	domain_list_free(&list);
}

/* 255 octets can be listed and asked, 256 asked; what is asked may be longer
 * than any name, and is not cut within a label. */
static void
test_long_names(void **state)
{
	struct domain_list *list = domain_list_new();
	char name[4096];

	(void)state;
	for (unsigned i = 0; i < sizeof(name); i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	assert_false(domain_list_add(list, slice_of(name, 257)));
	assert_true(domain_list_add(list, slice_of(name, 255)));
	assert_true(domain_list_has(list, slice_of(name, 255)));
	assert_true(domain_list_has(list, slice_of(name, 4095)));
	assert_false(domain_list_has(list, slice_of(name, 253)));
	name[256] = 'b'; /* now the 255 before it are no suffix */
	assert_false(domain_list_has(list, slice_of(name, 257)));
	name[256] = 'a';
	name[1] = 'x'; /* axa.a. ... : the last 255 begin within a label */
	assert_false(domain_list_has(list, slice_of(name, 256)));
	assert_true(domain_list_has(list, slice_of(name, 259)));
	domain_list_free(&list);
}

static void
test_full(void **state)
{
	struct domain_list *list = domain_list_new();

	(void)state;
	domain_list_limit(list, 10);
	assert_true(domain_list_add(list, SLICE("a.bcd")));
	assert_false(domain_list_add(list, SLICE("efgh")));
	assert_true(domain_list_is_full(list));
	assert_false(below(list, "efgh"));
	assert_int_equal(domain_list_count(list), 1);
	assert_true(domain_list_add(list, SLICE("A.BCD")));
	assert_false(domain_list_is_full(list));
	assert_true(domain_list_add(list, SLICE("e.g")));
	assert_false(domain_list_add(list, SLICE("")));
	assert_false(domain_list_is_full(list));
	assert_true(below(list, "e.g") && below(list, "a.bcd"));
	domain_list_free(&list);
}

static void
test_domain_lists(void **state)
{
	struct domain_list *outer = domains_of("example.com org");
	struct domain_list *inner = domains_of("A.example.COM x.y.org");
	struct domain_list *empty = domains_of("");
	struct slice each;
	size_t at = 0;
	char name[16];

	(void)state;
	assert_true(domain_list_next(inner, &at, &each));
	assert_true(slice_eq(each, SLICE("a.example.com")));
	assert_true(domain_list_next(inner, &at, &each));
	assert_true(slice_eq(each, SLICE("x.y.org")));
	assert_false(domain_list_next(inner, &at, &each));
	at = 0;
	assert_false(domain_list_next(empty, &at, &each));
	assert_true(domain_list_covers_list(outer, inner));
	assert_false(domain_list_covers_list(inner, outer));
	assert_true(domain_list_covers_list(outer, outer));
	assert_true(domain_list_covers_list(outer, empty));
	assert_false(domain_list_covers_list(empty, inner));
	assert_false(domain_list_first(empty, name, sizeof(name)));
	assert_false(domain_list_first(inner, name, 13));
	assert_true(domain_list_first(inner, name, 14));
	assert_string_equal(name, "a.example.com");
	assert_false(below(empty, "a") || below(empty, ""));
	domain_list_free(&outer);
	domain_list_free(&inner);
	domain_list_free(&empty);
}

/* Names of few letters, so that they repeat and are each other's parents. */
static size_t
random_name(uint64_t *random, char out[16])
{
	static const char letters[] = "aAb.";
	size_t len = 1 + random_next(random) % 12;

	for (size_t i = 0; i < len; i++)
		out[i] = letters[random_next(random) % 4];
	return len;
}

static bool
is_under_one(
    char (*names)[16], const size_t *lens, unsigned count, struct slice name)
{
	for (unsigned i = 0; i < count; i++) {
		struct slice domain = slice_of(names[i], lens[i]);
		if (slice_has_suffix_nocase(name, domain) &&
		    (name.len == domain.len ||
			name.ptr[name.len - domain.len - 1] == '.'))
			return true;
	}
	return false;
}

static void
test_random_domains(void **state)
{
	static char names[ENTRIES_MAX][16];
	static size_t lens[ENTRIES_MAX];
	unsigned runs = random_runs(200);
	uint64_t random = 2;

	(void)state;
	for (unsigned run = 0; run < runs; run++) {
		struct domain_list *list = domain_list_new();
		unsigned wanted = random_next(&random) % ENTRIES_MAX, count = 0;
		for (unsigned i = 0; i < wanted; i++) {
			size_t len = random_name(&random, names[count]);
			lens[count] = len - (names[count][len - 1] == '.');
			count +=
			    domain_list_add(list, slice_of(names[count], len));
		}
		for (unsigned i = 0; i < ENTRIES_MAX; i++) {
			char name[16];
			size_t len = random_name(&random, name);
			bool has = domain_list_has(list, slice_of(name, len));
			len -= name[len - 1] == '.';
			assert_int_equal(has, is_under_one(names, lens, count,
						  slice_of(name, len)));
		}
		domain_list_free(&list);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_address_edges),
	    cmocka_unit_test(test_address_families),
	    cmocka_unit_test(test_address_covers),
	    cmocka_unit_test(test_address_lists),
	    cmocka_unit_test(test_random_addresses),
	    cmocka_unit_test(test_domain_names),
	    cmocka_unit_test(test_not_a_name),
	    cmocka_unit_test(test_long_names),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_domain_lists),
	    cmocka_unit_test(test_random_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
