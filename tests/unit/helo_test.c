/* LINKS: policy/helo*.c */
/*
 * Unit tables of the HELO module: every form, every flaw and every repair step
 * by name, with the smallest argument that shows it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/helo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* `has` and `lacks`: flaw names with blanks between. */
struct flaw_case {
	const char *argument; /* C-escaped */
	const char *client;   /* NULL: none */
	const char *form;
	const char *has;
	const char *lacks;
};

static const struct flaw_case flaw_cases[] = {
    {"", NULL, "missing", "missing", "blanks"},
    {" \\t", NULL, "missing", "missing blanks", ""},
    {" a.b.c", NULL, "domain", "blanks", "extra_argument"},
    {"a.b.c\\t", NULL, "domain", "blanks", "control_character"},
    {"a.b.c\\r", NULL, "domain", "blanks", "control_character"},
    {"a.b.c d", NULL, "malformed", "extra_argument", "blanks"},
    {"a.b\\tc.d", NULL, "malformed", "extra_argument", ""},
    {"a\\001.b.c", NULL, "malformed", "control_character", ""},
    {"a.b.c\\000", NULL, "malformed", "control_character", ""},
    {"a\\177.b.c", NULL, "malformed", "control_character", ""},
    {"b\\303\\274cher.de", NULL, "domain", "non_ascii", "invalid_utf8"},
    {"b\\374cher.de", NULL, "malformed", "invalid_utf8", "non_ascii"},
    {"a\\300\\200.de", NULL, "malformed", "invalid_utf8", ""},
    {"a!b.c", NULL, "malformed", "bad_character", ""},
    {"EXCH_01", NULL, "domain", "underscore single_label", "bad_character"},
    {"a..b", NULL, "domain", "empty_label", "trailing_dot"},
    {".a.b", NULL, "domain", "empty_label", "trailing_dot"},
    {"a.b.", NULL, "domain", "trailing_dot", "empty_label"},
    {"-a.b", NULL, "domain", "hyphen_edge", ""},
    {"a-.b", NULL, "domain", "hyphen_edge", ""},
    {"a-b.c--d.e", NULL, "domain", "", "hyphen_edge"},
    {"<a.b.c>", NULL, "malformed", "angle_brackets", "bad_character"},
    {"2001:db8::1", NULL, "bare_address", "bare_ipv6", "bad_character"},
    {"[1.2.3.4", NULL, "malformed", "unclosed_literal", ""},
    {"1.2.3.4]", NULL, "malformed", "unclosed_literal", ""},
    {"[1.2.3.4.5]", NULL, "malformed", "bad_literal", ""},
    {"[]", NULL, "malformed", "bad_literal", ""},
    {"[IPv6:1:2:3:4:5:6:7::]", NULL, "address_literal", "bad_literal", ""},
    {"[2001:db8::1]", NULL, "address_literal", "untagged_ipv6", ""},
    {"[IPv6:1.2.3.4]", NULL, "address_literal", "tagged_ipv4", ""},
    {"[IPv4:1.2.3.4]", NULL, "address_literal", "tagged_ipv4", ""},
    {"[IPv6:fe80::1%eth0]", NULL, "address_literal", "zone_id", ""},
    {"[fe80::1%eth0]", NULL, "address_literal", "zone_id untagged_ipv6", ""},
    {"[mail.example.com]", NULL, "malformed", "literal_of_name", ""},
    {"[x-tag:whatever]", NULL, "general_literal", "unknown_tag", ""},
    {"mailhost", NULL, "domain", "single_label", ""},
    {"localhost", NULL, "domain", "localhost single_label", ""},
    {"LOCALHOST.localdomain", NULL, "domain", "localhost", "single_label"},
    {"a.localhost", NULL, "domain", "localhost", ""},
    {"notlocalhost.de", NULL, "domain", "", "localhost reserved_name"},
    {"1.2.3", NULL, "domain", "all_numeric", "bare_ipv4"},
    {"a.1", NULL, "domain", "all_numeric", ""},
    {"1.a", NULL, "domain", "", "all_numeric"},
    {"8.8.8.8", NULL, "bare_address", "bare_ipv4", "reserved_address"},
    {"[001.2.3.4]", NULL, "address_literal", "leading_zero", "bad_literal"},
    {"[1.2.3.0]", NULL, "address_literal", "", "leading_zero"},
    {"a.example.com", NULL, "domain", "reserved_name", ""},
    {"a.notexample.com", NULL, "domain", "", "reserved_name"},
    {"a.test", NULL, "domain", "reserved_name", ""},
    {"a.invalid", NULL, "domain", "reserved_name", ""},
    {"a.local", NULL, "domain", "reserved_name", ""},
    {"a.lan", NULL, "domain", "reserved_name", ""},
    {"a.corp", NULL, "domain", "reserved_name", ""},
    {"a.home", NULL, "domain", "reserved_name", ""},
    {"a.HOME.ARPA", NULL, "domain", "reserved_name", ""},
    {"a.internal", NULL, "domain", "reserved_name", ""},
    {"[10.0.0.1]", NULL, "address_literal", "reserved_address", ""},
    {"172.31.0.1", NULL, "bare_address", "reserved_address", ""},
    {"172.32.0.1", NULL, "bare_address", "bare_ipv4", "reserved_address"},
    {"[100.64.0.1]", NULL, "address_literal", "reserved_address", ""},
    {"[198.19.255.1]", NULL, "address_literal", "reserved_address", ""},
    {"[255.255.255.255]", NULL, "address_literal", "reserved_address", ""},
    {"[192.31.196.1]", NULL, "address_literal", "reserved_address", ""},
    {"[192.52.193.1]", NULL, "address_literal", "reserved_address", ""},
    {"[192.175.48.1]", NULL, "address_literal", "reserved_address", ""},
    {"[IPv6:::1]", NULL, "address_literal", "reserved_address", ""},
    {"[IPv6:fe80::1]", NULL, "address_literal", "reserved_address", ""},
    {"[IPv6:fd00::1]", NULL, "address_literal", "reserved_address", ""},
    {"[IPv6:2001:db8::1]", NULL, "address_literal", "reserved_address", ""},
    {"[IPv6:64:ff9b::808:808]", NULL, "address_literal", "reserved_address",
	""},
    {"[IPv6:2620:4f:8000::1]", NULL, "address_literal", "reserved_address", ""},
    {"[IPv6:2a00:1450::1]", NULL, "address_literal", "", "reserved_address"},
    {"[8.8.8.8]", "8.8.8.8", "address_literal", "", "literal_mismatch"},
    {"[8.8.8.8]", "8.8.4.4", "address_literal", "literal_mismatch", ""},
    {"[IPv6:2A00::0:1]", "2a00::1", "address_literal", "", "literal_mismatch"},
    {"[IPv6:::ffff:8.8.8.8]", "8.8.8.8", "address_literal", "",
	"literal_mismatch"},
};

/* The name holds the client's address, or does not. */
static const struct {
	const char *argument;
	const char *client;
	bool dynamic;
} dynamic_cases[] = {
    {"c-76-121-96-159.hsd1.wa.net", "76.121.96.159", true},
    {"76.121.96.159.isp.net", "76.121.96.159", true},
    {"159.96.121.76.isp.net", "76.121.96.159", true},
    {"dsl159-96-121-76.isp.net", "76.121.96.159", true},
    {"host_76_121_96_159.isp.net", "76.121.96.159", true},
    {"76x121x96x159.isp.net", "76.121.96.159", true},
    {"076-121-096-159.isp.net", "76.121.96.159", true},
    {"ip076121096159.isp.net", "76.121.96.159", true},
    {"ip159096121076.isp.net", "76.121.96.159", true},
    {"ip7612196159.isp.net", "76.121.96.159", true},
    {"4c79609f.isp.net", "76.121.96.159", true},
    {"ip4C79609F.isp.net", "76.121.96.159", true},
    {"9f60794c.isp.net", "76.121.96.159", true},
    {"ip76121961.isp.net", "76.121.96.159", false},
    {"ip761219.isp.net", "76.121.96.159", false},
    {"2001-db8--7.isp.net", "2001:db8::7", true},
    {"2001-db8-0-0-0-0-0-7.isp.net", "2001:db8::7", true},
    {"2001-db8-0--7.isp.net", "2001:db8::7", true},
    {"2001-db8--1-7.isp.net", "2001:db8::7", false},
    {"2001-db8--.isp.net", "2001:db8::", true},
    {"2001-db8-0.isp.net", "2001:db8::7", false},
    {"2001-db8", "2001:db8::7", false},
    {"2001-db8--1--7.isp.net", "2001:db8:0:0:1::7", true},
    {"4c-79-60-9f.isp.net", "76.121.96.159", true},
    {"1283023007.isp.net", "76.121.96.159", true},
    {"c-76-121-96-158.isp.net", "76.121.96.159", false},
    {"c-176-121-96-159.isp.net", "76.121.96.159", false},
    {"c-76-121-96-1590.isp.net", "76.121.96.159", false},
    {"mail76.isp.net", "76.121.96.159", false},
    {"host10001.isp.net", "10.0.0.1", false},
    {"20010db8000000000000000000000001.isp.net", "2001:db8::1", true},
    {"2001-0db8-0000-0000-0000-0000-0000-0001.isp.net", "2001:db8::1", true},
    {"2001-db8-0-0-0-0-0-1.isp.net", "2001:db8::1", true},
    {"2001-db8--1.isp.net", "2001:db8::1", true},
    {"dyn-2001-DB8--1.isp.net", "2001:db8::1", true},
    {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.isp.net",
	"2001:db8::1", true},
    {"2001-db8--2.isp.net", "2001:db8::1", false},
    {"mail.isp.net", "2001:db8::1", false},
};

static uint64_t
flaw_bits(const char *names)
{
	uint64_t bits = 0;

	for (struct slice rest = slice_str(names); rest.len > 0;) {
		ptrdiff_t blank = slice_find(rest, ' ');
		size_t len = blank < 0 ? rest.len : (size_t)blank;
		enum helo_flaw flaw;
		if (helo_flaw_parse(slice_head(rest, len), &flaw) < 0)
			fail_msg("no flaw `%s`", names);
		bits |= HELO_BIT(flaw);
		rest = slice_from(rest, len + 1);
	}
	return bits;
}

/* Undoes the escapes into a buffer of its own size, so that the sanitizers
 * see a read behind the argument's end. */
static struct slice
unescaped(const char *text)
{
	char *bytes = malloc(strlen(text) + 1);
	ptrdiff_t len = slice_unescape(slice_str(text), bytes);

	assert_true(len >= 0);
	return slice_of(bytes, (size_t)len);
}

static struct helo
analyse(const char *text, const char *client)
{
	struct slice argument = unescaped(text);
	struct addr addr;
	struct helo helo;

	if (client != NULL)
		assert_true(addr_parse(slice_str(client), &addr));
	helo_analyse(argument, client == NULL ? NULL : &addr, &helo);
	free((void *)(uintptr_t)argument.ptr);
	return helo;
}

static unsigned
count_wrong(const char *what, const char *argument, uint64_t bits)
{
	for (unsigned i = 0; i < HELO_FLAW_COUNT; i++)
		if (bits & HELO_BIT(i))
			print_error("`%s`: %s %s\n", argument, what,
			    helo_flaw_name((enum helo_flaw)i));
	return bits != 0;
}

static void
test_flaws(void **state)
{
	uint64_t shown = 0;
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(flaw_cases) / sizeof(flaw_cases[0]);
	     i++) {
		const struct flaw_case *c = &flaw_cases[i];
		struct helo helo = analyse(c->argument, c->client);
		shown |= helo.flaws;
		wrong += count_wrong(
		    "lacks", c->argument, flaw_bits(c->has) & ~helo.flaws);
		wrong += count_wrong(
		    "has", c->argument, flaw_bits(c->lacks) & helo.flaws);
		if (strcmp(helo_form_name(helo.form), c->form) != 0) {
			print_error("`%s`: form %s, wanted %s\n", c->argument,
			    helo_form_name(helo.form), c->form);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
	shown |= HELO_BIT(HELO_FLAW_LABEL_TOO_LONG) |
		 HELO_BIT(HELO_FLAW_NAME_TOO_LONG) |
		 HELO_BIT(HELO_FLAW_DYNAMIC_NAME);
	assert_true(shown == HELO_BIT(HELO_FLAW_COUNT) - 1);
}

static void
test_dynamic_names(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(dynamic_cases) / sizeof(dynamic_cases[0]);
	     i++) {
		struct helo helo =
		    analyse(dynamic_cases[i].argument, dynamic_cases[i].client);
		bool found = helo.flaws & HELO_BIT(HELO_FLAW_DYNAMIC_NAME);
		if (found == dynamic_cases[i].dynamic)
			continue;
		print_error("`%s` from %s: dynamic_name is %d\n",
		    dynamic_cases[i].argument, dynamic_cases[i].client, found);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* valid is exactly "no syntax flaw", and says what rfc5321 says. */
static void
test_valid(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(flaw_cases) / sizeof(flaw_cases[0]);
	     i++) {
		struct helo helo = analyse(flaw_cases[i].argument, NULL);
		bool syntax = false;
		for (unsigned f = 0; f < HELO_FLAW_COUNT; f++)
			if (helo.flaws & HELO_BIT(f))
				syntax |=
				    !helo_flaw_is_advisory((enum helo_flaw)f);
		assert_int_equal(helo.valid, !syntax);
		assert_int_equal(
		    helo.valid, !(helo.refused_by & 1U << HELO_BY_RFC5321));
	}
}

static void
test_lengths(void **state)
{
	static char name[2 * HELO_ARGUMENT_MAX];
	struct helo helo;

	(void)state;
	memset(name, 'a', sizeof(name));
	helo_analyse(slice_of(name, 63), NULL, &helo);
	assert_true(helo.valid);
	helo_analyse(slice_of(name, 64), NULL, &helo);
	assert_true(helo.flaws & HELO_BIT(HELO_FLAW_LABEL_TOO_LONG));
	for (size_t i = 63; i < sizeof(name); i += 64)
		name[i] = '.';
	helo_analyse(slice_of(name, 255), NULL, &helo);
	assert_true(helo.valid);
	name[255] = 'a';
	helo_analyse(slice_of(name + 1, 256), NULL, &helo);
	assert_true(helo.flaws & HELO_BIT(HELO_FLAW_NAME_TOO_LONG));
	helo_analyse(slice_of(name, sizeof(name)), NULL, &helo);
	assert_true(helo.flaws & HELO_BIT(HELO_FLAW_NAME_TOO_LONG));
	memset(name + 3, ' ', sizeof(name) - 3);
	helo_analyse(slice_of(name, sizeof(name)), NULL, &helo);
	assert_true(helo.flaws & HELO_BIT(HELO_FLAW_NAME_TOO_LONG));
}

/* What office365 and gmail are said to refuse, and what they are not. */
static void
test_documented_receivers(void **state)
{
	static const struct {
		const char *argument;
		bool office365, gmail;
	} rows[] = {
	    {"", false, true},
	    {"  ", false, true},
	    {"PhpStorm 9.0.3", false, true},
	    {"mantis.*", false, true},
	    {"someone@gmail.com", false, true},
	    {"mylaptopname.", true, false},
	    {"mx.example.org.", true, false},
	    {"mx.example.org ", true, false},
	    {" mx.example.org", false, false},
	    {"mx.example.org\t", false, false},
	    {"a b ", true, true},
	    {"mx.example.org", false, false},
	    {"HELO", false, false},
	    {"localhost", false, false},
	    {"EXCH_01", false, false},
	    {"[192.0.2.1]", false, false},
	    {"192.0.2.1", false, false},
	};
	struct helo helo;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		helo_analyse(slice_str(rows[i].argument), NULL, &helo);
		bool office365 = helo.refused_by & 1U << HELO_BY_OFFICE365;
		bool gmail = helo.refused_by & 1U << HELO_BY_GMAIL;
		if (office365 != rows[i].office365 || gmail != rows[i].gmail)
			fail_msg("`%s`: office365 %d, gmail %d",
			    rows[i].argument, office365, gmail);
	}
	for (unsigned i = 0; i < HELO_RECEIVER_COUNT; i++)
		assert_int_equal(
		    helo_receiver_is_documented((enum helo_receiver)i),
		    i == HELO_BY_OFFICE365 || i == HELO_BY_GMAIL);
}

/* Every word reads back as itself; no prefix of one is taken. */
static void
test_words(void **state)
{
	enum helo_flaw flaw;
	enum helo_form form;
	enum helo_step step;
	enum helo_receiver receiver;

	(void)state;
	for (unsigned i = 0; i < HELO_FLAW_COUNT; i++) {
		const char *name = helo_flaw_name((enum helo_flaw)i);
		assert_int_equal(helo_flaw_parse(slice_str(name), &flaw), 1);
		assert_int_equal(flaw, i);
		assert_true(strlen(helo_flaw_text((enum helo_flaw)i)) > 0);
	}
	for (unsigned i = 0; i < HELO_FORM_COUNT; i++) {
		const char *name = helo_form_name((enum helo_form)i);
		assert_int_equal(helo_form_parse(slice_str(name), &form), 1);
		assert_int_equal(form, i);
	}
	for (unsigned i = 0; i < HELO_STEP_COUNT; i++) {
		const char *name = helo_step_name((enum helo_step)i);
		assert_int_equal(helo_step_parse(slice_str(name), &step), 1);
		assert_int_equal(step, i);
	}
	for (unsigned i = 0; i < HELO_RECEIVER_COUNT; i++) {
		const char *name = helo_receiver_name((enum helo_receiver)i);
		assert_int_equal(
		    helo_receiver_parse(slice_str(name), &receiver), 1);
		assert_int_equal(receiver, i);
	}
	assert_int_equal(helo_flaw_parse(SLICE("under"), &flaw), -1);
	assert_int_equal(helo_form_parse(SLICE(""), &form), -1);
	assert_int_equal(helo_step_parse(SLICE("trimm"), &step), -1);
	assert_int_equal(helo_receiver_parse(SLICE("Exim"), &receiver), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_flaws),
	    cmocka_unit_test(test_dynamic_names),
	    cmocka_unit_test(test_valid),
	    cmocka_unit_test(test_lengths),
	    cmocka_unit_test(test_documented_receivers),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
