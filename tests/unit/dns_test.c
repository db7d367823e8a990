/* LINKS: */
/*
 * Names that may be asked for, reverse names, and the book: what is noted, in
 * which order it is taken, which answer holds, and its bounds.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct slice
text(const char *str)
{
	return slice_str(str);
}

static void
askable(void **state)
{
	static const char *const good[] = {"a", "example.com",
	    "_spf.Example.COM", "xn--bcher-kva.example", "1.2.3.4", "-a-.b_",
	    "a23456789012345678901234567890123456789012345678901234567890123."
	    "b"};
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a b",
	    "a@b", "a/b", "[192.0.2.1]", "b\xc3\xbc.de", "a\nb", "a:b", "a*",
	    "a234567890123456789012345678901234567890123456789012345678901234"};
	char name[DNS_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!dns_name_is_askable(text(good[i])))
			fail_msg("%s may be asked for", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (dns_name_is_askable(text(bad[i])))
			fail_msg("%s may not be asked for", bad[i]);
	assert_false(dns_name_is_askable(slice_of("a\0b", 3)));
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	assert_true(dns_name_is_askable(slice_of(name, 253)));
	name[253] = 'a';
	assert_false(dns_name_is_askable(slice_of(name, 254)));
}

static void
reverse(void **state)
{
	static const char v6[] =
	    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.f.1.e.d.8.b.d.0.1.0.0.2.";
	char out[DNS_NAME_MAX + 1], want[DNS_NAME_MAX + 1];
	char zone[DNS_NAME_MAX + 1];
	struct addr addr;

	(void)state;
	assert_true(addr_parse(text("192.0.2.10"), &addr));
	assert_int_equal(dns_reverse_name(&addr, text(""), out),
	    strlen("10.2.0.192.in-addr.arpa"));
	assert_string_equal(out, "10.2.0.192.in-addr.arpa");
	assert_true(dns_reverse_name(&addr, text("zen.example"), out) > 0);
	assert_string_equal(out, "10.2.0.192.zen.example");
	/* "10.2.0.192." is 11 octets. */
	memset(zone, 'z', sizeof(zone));
	assert_int_equal(
	    dns_reverse_name(&addr, slice_of(zone, 242), out), 253);
	assert_int_equal(dns_reverse_name(&addr, slice_of(zone, 243), out), 0);
	assert_string_equal(out, "");
	assert_true(addr_parse(text("2001:db8:de1f::1"), &addr));
	assert_true(dns_reverse_name(&addr, text(""), out) < DNS_REVERSE_TEXT);
	snprintf(want, sizeof(want), "%sip6.arpa", v6);
	assert_string_equal(out, want);
	assert_true(dns_reverse_name(&addr, text("l.example"), out) > 0);
	snprintf(want, sizeof(want), "%sl.example", v6);
	assert_string_equal(out, want);
	addr.family = 0;
	assert_int_equal(dns_reverse_name(&addr, text(""), out), 0);
}

static void
answer(struct dns_book *book, const char *name, enum dns_type type,
    enum dns_status status, unsigned count, const struct dns_record *records)
{
	struct dns_question question = {text(name), type};
	struct dns_answer with = {status, 60, count, records, true};

	dns_book_answer(book, &question, &with);
}

static void
notes_and_takes(void **state)
{
	struct dns_book *book = dns_book_new();
	struct dns_question question;

	(void)state;
	assert_non_null(book);
	assert_false(dns_book_take(book, &question));
	assert_null(dns_book_ask(book, text("One.Example"), DNS_A));
	assert_null(dns_book_ask(book, text("one.example"), DNS_AAAA));
	assert_null(dns_book_ask(book, text("one.EXAMPLE"), DNS_A));
	assert_null(dns_book_ask(book, text("two.example"), DNS_TXT));
	assert_int_equal(dns_book_pending(book), 3);
	answer(book, "one.example", DNS_AAAA, DNS_NODATA, 0, NULL);
	assert_int_equal(dns_book_pending(book), 2);
	assert_true(dns_book_take(book, &question));
	assert_int_equal(question.type, DNS_A);
	assert_true(slice_eq(question.name, text("one.example")));
	/* What is answered already is not taken. */
	assert_true(dns_book_take(book, &question));
	assert_int_equal(question.type, DNS_TXT);
	assert_false(dns_book_take(book, &question));
	assert_null(dns_book_ask(book, text("two.example"), DNS_TXT));
	assert_false(dns_book_take(book, &question));
	assert_null(dns_book_ask(book, text("three.example"), DNS_MX));
	assert_true(dns_book_take(book, &question));
	assert_int_equal(question.type, DNS_MX);
	assert_int_equal(dns_book_pending(book), 3);
	dns_book_free(&book);
	assert_null(book);
	dns_book_free(&book);
}

static void
copies_and_keeps_the_first(void **state)
{
	struct dns_book *book = dns_book_new();
	char host[] = "mx.example";
	struct dns_record record = {.text = text(host), .preference = 7};
	const struct dns_answer *got, *again;

	(void)state;
	assert_null(dns_book_ask(book, text("a.example"), DNS_MX));
	answer(book, "A.example", DNS_MX, DNS_FOUND, 1, &record);
	memset(host, 'x', sizeof(host));
	record.preference = 9;
	got = dns_book_ask(book, text("a.example"), DNS_MX);
	assert_non_null(got);
	assert_int_equal(got->status, DNS_FOUND);
	assert_int_equal(got->ttl, 60);
	assert_true(got->authentic);
	assert_int_equal(got->count, 1);
	assert_int_equal(got->records[0].preference, 7);
	assert_true(slice_eq(got->records[0].text, text("mx.example")));
	answer(book, "a.example", DNS_MX, DNS_NXDOMAIN, 0, NULL);
	again = dns_book_ask(book, text("a.example"), DNS_MX);
	assert_ptr_equal(again, got);
	/* An answer may come before anyone asks. */
	answer(book, "early.example", DNS_A, DNS_NXDOMAIN, 0, NULL);
	assert_int_equal(dns_book_pending(book), 0);
	got = dns_book_ask(book, text("early.example"), DNS_A);
	assert_int_equal(got->status, DNS_NXDOMAIN);
	/* Status and records agree. */
	answer(book, "none.example", DNS_A, DNS_FOUND, 0, NULL);
	got = dns_book_ask(book, text("none.example"), DNS_A);
	assert_int_equal(got->status, DNS_NODATA);
	answer(book, "bad.example", DNS_A, DNS_TEMPERROR, 1, &record);
	got = dns_book_ask(book, text("bad.example"), DNS_A);
	assert_int_equal(got->status, DNS_TEMPERROR);
	assert_int_equal(got->count, 0);
	dns_book_free(&book);
}

static void
bounds(void **state)
{
	struct dns_book *book = dns_book_new();
	static struct dns_record many[DNS_RECORDS_MAX + 5];
	static char long_text[DNS_TEXT_MAX + 1];
	struct dns_record record = {.text = {long_text, DNS_TEXT_MAX}};
	const struct dns_answer *got;
	struct dns_question question;
	char name[32];
	unsigned taken = 0;

	(void)state;
	got = dns_book_ask(book, text("a b.example"), DNS_A);
	assert_int_equal(got->status, DNS_NXDOMAIN);
	assert_int_equal(dns_book_pending(book), 0);
	answer(
	    book, "many.example", DNS_A, DNS_FOUND, DNS_RECORDS_MAX + 5, many);
	got = dns_book_ask(book, text("many.example"), DNS_A);
	assert_int_equal(got->count, DNS_RECORDS_MAX);
	answer(book, "long.example", DNS_TXT, DNS_FOUND, 1, &record);
	got = dns_book_ask(book, text("long.example"), DNS_TXT);
	assert_int_equal(got->records[0].text.len, DNS_TEXT_MAX);
	record.text.len++;
	answer(book, "longer.example", DNS_TXT, DNS_FOUND, 1, &record);
	got = dns_book_ask(book, text("longer.example"), DNS_TXT);
	assert_int_equal(got->status, DNS_TEMPERROR);
	for (unsigned i = 3; i < DNS_QUESTIONS_MAX; i++) {
		snprintf(name, sizeof(name), "%u.example", i);
		assert_null(dns_book_ask(book, text(name), DNS_A));
	}
	got = dns_book_ask(book, text("more.example"), DNS_A);
	assert_int_equal(got->status, DNS_TEMPERROR);
	assert_int_equal(dns_book_pending(book), DNS_QUESTIONS_MAX - 3);
	answer(book, "more.example", DNS_A, DNS_NODATA, 0, NULL);
	got = dns_book_ask(book, text("more.example"), DNS_A);
	assert_int_equal(got->status, DNS_TEMPERROR);
	while (dns_book_take(book, &question))
		taken++;
	assert_int_equal(taken, DNS_QUESTIONS_MAX - 3);
	dns_book_free(&book);
}

static void
gives_up(void **state)
{
	struct dns_book *book = dns_book_new();
	struct dns_record record = {.addr = {4, {192, 0, 2, 1}}};
	struct dns_question question;
	const struct dns_answer *got;

	(void)state;
	answer(book, "a.example", DNS_A, DNS_FOUND, 1, &record);
	assert_null(dns_book_ask(book, text("b.example"), DNS_A));
	assert_null(dns_book_ask(book, text("c.example"), DNS_A));
	assert_true(dns_book_take(book, &question));
	dns_book_give_up(book);
	assert_int_equal(dns_book_pending(book), 0);
	assert_false(dns_book_take(book, &question));
	got = dns_book_ask(book, text("a.example"), DNS_A);
	assert_int_equal(got->status, DNS_FOUND);
	got = dns_book_ask(book, text("b.example"), DNS_A);
	assert_int_equal(got->status, DNS_TEMPERROR);
	/* Too late. */
	answer(book, "b.example", DNS_A, DNS_FOUND, 1, &record);
	got = dns_book_ask(book, text("b.example"), DNS_A);
	assert_int_equal(got->status, DNS_TEMPERROR);
	/* A new question is a question again. */
	assert_null(dns_book_ask(book, text("d.example"), DNS_A));
	assert_true(dns_book_take(book, &question));
	dns_book_free(&book);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(askable),
	    cmocka_unit_test(reverse), cmocka_unit_test(notes_and_takes),
	    cmocka_unit_test(copies_and_keeps_the_first),
	    cmocka_unit_test(bounds), cmocka_unit_test(gives_up)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
