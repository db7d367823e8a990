/* LINKS: policy/lookup.c policy/lookup_facts.c policy/lookup_lists.c policy/reverse.c policy/spf.c policy/spf_record.c policy/spf_macro.c policy/spf_mechanism.c policy/helo.c policy/helo_advice.c policy/helo_dynamic.c policy/helo_receivers.c */
/*
 * Facts from DNS: what DNS holds, who the client is and what it says, the
 * value.  Each case also with the answers coming one at a time in any order:
 * the value is the same and stays.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/lookup.h"
#include "tests/unit/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define V4 "192.0.2.1"
#define V6 "2001:db8::1"
#define R4 "1.2.0.192.in-addr.arpa PTR "
#define R6                                                                \
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2" \
	".ip6.arpa PTR "

struct lookup_case {
	const char *client;
	const char *helo;
	const char *zone;
	const char *value; /* a word; names or addresses with blanks between;
			    * behind "temperror " what is there nevertheless */
};

static const struct lookup_case dns_cases[] = {
    {V4, "mx.example", "mx.example A 192.0.2.1", "pass"},
    {V4, "MX.Example.", "mx.example A 192.0.2.9\nmx.example A 192.0.2.1",
	"pass"},
    {V4, "mx.example", "mx.example A 192.0.2.1\nmx.example AAAA !", "pass"},
    {V4, "mx.example", "mx.example A 192.0.2.9\nmx.example AAAA !", "exists"},
    {V4, "mx.example", "mx.example AAAA 2001:db8::1", "exists"},
    {V4, "mx.example", "mx.example TXT x", "none"},
    {V4, "mx.example", "mx.example AAAA !", "temperror"},
    {V4, "mx.example", "mx.example A !\nmx.example AAAA 2001:db8::1",
	"temperror"},
    {V4, "mx.example", "", "nxdomain"},
    {V6, "mx.example", "mx.example AAAA 2001:db8::1\nmx.example A !", "pass"},
    {V6, "mx.example", "mx.example A 192.0.2.1", "exists"},
    {V6, "mx.example", "mx.example A !", "temperror"},
    {"::ffff:192.0.2.1", "mx.example", "mx.example A 192.0.2.1", "pass"},
    {V4, "EXCH_01", "exch_01 A 192.0.2.1", "pass"},
    {V4, "[192.0.2.1]", "", "pass"},
    {V4, "192.0.2.1", "", "pass"},
    {V4, "[192.0.2.2]", "", "exists"},
    {V6, "[IPv6:2001:db8::1]", "", "pass"},
    {V4, "[mx.example]", "mx.example A 192.0.2.1", "nxdomain"},
    {V4, "a b.example", "", "nxdomain"},
    {V4, "", "", "nxdomain"},
};

static const struct lookup_case client_ptr_cases[] = {
    {V4, "", R4 "a.example\na.example A 192.0.2.1", "a.example"},
    {V4, "", R4 "a.example\na.example A 192.0.2.2", ""},
    {V4, "", R4 "a.example", ""},
    {V4, "", "", ""},
    {V4, "", R4 "!", "temperror"},
    {V4, "", R4 "a.example\na.example A !", "temperror"},
    {V4, "",
	R4 "a.example\na.example A !\n" R4 "b.example\nb.example A 192.0.2.1",
	"temperror b.example"},
    {V6, "", R6 "a.example\na.example AAAA 2001:db8::1\na.example A !",
	"a.example"},
    {V4, "mx.example.org",
	R4 "a.example\na.example A 192.0.2.1\n" R4
	   "z.example.org\nz.example.org A 192.0.2.1\n" R4
	   "mx.example.org\nmx.example.org A 192.0.2.1\n" R4
	   "0.example\n0.example A 192.0.2.1\n" R4 "a.example\n" R4
	   "y.example.org\ny.example.org A 192.0.2.1",
	"mx.example.org y.example.org z.example.org 0.example a.example"},
    {V4, "", R4 "b c.example\n" R4 "\\000\n" R4 ".", ""},
};

static const struct lookup_case fcrdns_cases[] = {
    {V4, "", R4 "a.example\na.example A 192.0.2.1", "pass"},
    {V4, "",
	R4 "b.example\nb.example A !\n" R4 "c.example\n" R4
	   "a.example\na.example A 192.0.2.1",
	"pass"},
    {V4, "", R4 "a.example\na.example A 192.0.2.2", "fail"},
    {V4, "", R4 "a.example", "fail"},
    {V4, "", R4 "a.example\na.example A !\n" R4 "b.example", "temperror"},
    {V4, "", "", "none"},
    {V4, "", R4 "-", "none"},
    {V4, "", R4 "!", "temperror"},
    {V4, "",
	R4 "0.x\n" R4 "1.x\n" R4 "2.x\n" R4 "3.x\n" R4 "4.x\n" R4 "5.x\n" R4
	   "6.x\n" R4 "7.x\n" R4 "8.x\n" R4 "9.x\n9.x A 192.0.2.1",
	"pass"},
    {V4, "",
	R4 "0.x\n" R4 "1.x\n" R4 "2.x\n" R4 "3.x\n" R4 "4.x\n" R4 "5.x\n" R4
	   "6.x\n" R4 "7.x\n" R4 "8.x\n" R4 "9.x\n" R4 "10.x\n10.x A 192.0.2.1",
	"fail"},
};

static const struct lookup_case ptr_cases[] = {
    {V4, "MX.example.org", R4 "mx.example.org\nmx.example.org A 192.0.2.1",
	"exact"},
    {V4, "mx.example.org.", R4 "mx.example.org\nmx.example.org A 192.0.2.1",
	"exact"},
    {V4, "mx.example.org", R4 "mx.example.org\nmx.example.org A 192.0.2.2",
	"none"},
    {V4, "mx.example.org",
	R4 "b.example.org\nb.example.org A !\n" R4
	   "mx.example.org\nmx.example.org A 192.0.2.1",
	"exact"},
    {V4, "mx.example.org", R4 "out.example.org\nout.example.org A 192.0.2.1",
	"organisation"},
    {V4, "a.b.example.co.uk", R4 "c.example.co.uk\nc.example.co.uk A 192.0.2.1",
	"organisation"},
    {V4, "a.example.co.uk", R4 "a.other.co.uk\na.other.co.uk A 192.0.2.1",
	"none"},
    {V4, "co.uk", R4 "a.co.uk\na.co.uk A 192.0.2.1", "none"},
    {V4, "mx.example.org",
	R4 "b.example.org\nb.example.org A !\n" R4
	   "c.example.org\nc.example.org A 192.0.2.1",
	"organisation"},
    {V4, "mx.example.org",
	R4 "mx.example.org\nmx.example.org A !\n" R4
	   "c.example.org\nc.example.org A 192.0.2.1",
	"temperror"},
    {V4, "mx.example.org", R4 "c.example.org\nc.example.org A !", "temperror"},
    {V4, "mx.example.org", R4 "mx.example.net\nmx.example.net A !", "none"},
    {V4, "mx.example.org", R4 "!", "temperror"},
    {V4, "mx.example.org", "", "none"},
    {V4, "[192.0.2.1]", R4 "a.example\na.example A 192.0.2.1", "none"},
    {V4, "exch", R4 "exch\nexch A 192.0.2.1", "exact"},
};

static const struct lookup_case spf_cases[] = {
    {V4, "mx.example", "mx.example TXT v=spf1 a -all\nmx.example A 192.0.2.1",
	"pass"},
    {V4, "MX.EXAMPLE.", "mx.example TXT v=spf1 -all", "fail"},
    {V4, "mx.example", "mx.example TXT v=spf1 ~all", "softfail"},
    {V4, "mx.example", "mx.example TXT v=spf1", "neutral"},
    {V4, "mx.example", "mx.example TXT v=spf1 x", "permerror"},
    {V4, "mx.example", "mx.example TXT !", "temperror"},
    {V4, "mx.example", "", "none"},
    {V4, "exch", "exch TXT v=spf1 -all", "none"},
    {V4, "[192.0.2.1]", "", "none"},
    {V4, "192.0.2.1", "192.0.2.1 TXT v=spf1 -all", "none"},
    {V4, "mx.example",
	"mx.example TXT v=spf1 exists:%{s}.x exists:%{l}.%{h}.x.y -all\n"
	"postmaster.mx.example.x.y A 127.0.0.2",
	"pass"},
};

static const struct lookup_case address_cases[] = {
    {V4, "mx.example", "mx.example A 192.0.2.1\nmx.example AAAA 2001:db8::1",
	"192.0.2.1 2001:db8::1"},
    {V4, "mx.example", "mx.example A 192.0.2.1\nmx.example AAAA !",
	"temperror 192.0.2.1"},
    {V4, "mx.example", "mx.example TXT x", ""},
    {V4, "mx.example", "", ""},
    {V4, "[192.0.2.7]", "", "192.0.2.7"},
    {V4, "not a name", "", ""},
};

static const struct lookup_case mx_cases[] = {
    {V4, "x.example",
	"x.example MX 20 b.example\nx.example MX 10 a.example\n"
	"a.example A 192.0.2.1\nb.example A 192.0.2.2\n"
	"a.example AAAA 2001:db8::1",
	"192.0.2.2 192.0.2.1 2001:db8::1"},
    {V4, "x.example", "x.example A 192.0.2.3", "192.0.2.3"},
    {V4, "x.example", "x.example MX 0 \nx.example A 192.0.2.3", ""},
    {V4, "x.example", "x.example MX !\nx.example A 192.0.2.3", "temperror"},
    {V4, "x.example",
	"x.example MX 1 a.example\nx.example MX 2 b.example\n"
	"a.example A !\nb.example A 192.0.2.2",
	"temperror 192.0.2.2"},
    {V4, "x.example", "", ""},
    {V4, "[192.0.2.7]", "", ""},
    {V4, "x.example",
	"x.example MX 11 k.x\nx.example MX 10 j.x\nx.example MX 9 i.x\n"
	"x.example MX 8 h.x\nx.example MX 7 g.x\nx.example MX 6 f.x\n"
	"x.example MX 5 e.x\nx.example MX 4 d.x\nx.example MX 3 c.x\n"
	"x.example MX 2 b.x\nx.example MX 1 a.x\n"
	"a.x A 10.0.0.1\nj.x A 10.0.0.10\nk.x A 10.0.0.11",
	"10.0.0.10 10.0.0.1"},
};

static const struct lookup_case ns_cases[] = {
    {V4, "mx.x.example",
	"mx.x.example A 192.0.2.1\nx.example NS ns.x.example\n"
	"ns.x.example A 192.0.2.53",
	"192.0.2.53"},
    {V4, "a.b.x.example",
	"a.b.x.example A 192.0.2.1\nb.x.example NS ns.b.example\n"
	"ns.b.example A 192.0.2.54\nx.example NS ns.x.example\n"
	"ns.x.example A 192.0.2.53",
	"192.0.2.54"},
    {V4, "mx.x.example",
	"mx.x.example NS !\nx.example NS ns.x.example\n"
	"ns.x.example A 192.0.2.53",
	"temperror"},
    /* never above the registrable domain */
    {V4, "x.co.uk", "x.co.uk A 192.0.2.1\nco.uk NS n.uk\nn.uk A 192.0.2.5", ""},
    {V4, "mx.x.example", "x.example NS n.example\nn.example A 192.0.2.5", ""},
    {V4, "exch", "exch A 192.0.2.1", ""},
    {V4, "[192.0.2.7]", "", ""},
};

static const struct lookup_case dnsbl_cases[] = {
    {V4, "", "1.2.0.192.l.example A 127.0.0.2\n1.2.0.192.l.example A 127.0.0.9",
	"127.0.0.2 127.0.0.9"},
    {V4, "", "", ""},
    {V4, "", "1.2.0.192.l.example TXT listed", ""},
    {V4, "", "1.2.0.192.l.example A !", "temperror"},
    {V4, "", "1.2.0.192.l.example A 192.0.2.80", "temperror"},
    {V4, "", "1.2.0.192.l.example A 127.255.255.254", "temperror"},
    {V4, "", "1.2.0.192.l.example A 127.255.254.1", "127.255.254.1"},
    {V4, "", "1.2.0.192.l.example A 127.0.0.2\n1.2.0.192.l.example A 10.0.0.1",
	"temperror 127.0.0.2"},
    {V6, "",
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
	".l.example A 127.0.0.2",
	"127.0.0.2"},
};

static const struct lookup_case rhsbl_cases[] = {
    {V4, "Spam.example.", "spam.example.l.example A 127.0.1.2", "127.0.1.2"},
    {V4, "ham.example", "spam.example.l.example A 127.0.1.2", ""},
    {V4, "spam.example", "spam.example.l.example A 203.0.113.1", "temperror"},
    {V4, "[192.0.2.1]", "", ""},
    {V4, "192.0.2.1", "192.0.2.1.l.example A 127.0.1.255", ""},
    {V4, "", "l.example A 127.0.0.2", ""},
    {V4, "no name", "", ""},
};

/* --- the runner ------------------------------------------------------------- */

enum {
	DNSBL = LOOKUP_FACT_COUNT,
	RHSBL
};

static const struct lookup_value *
get(struct lookup *lookup, int what)
{
	if (what == DNSBL)
		return lookup_get_zone(
		    lookup, LOOKUP_CLIENT_DNSBL, SLICE("l.example"));
	if (what == RHSBL)
		return lookup_get_zone(
		    lookup, LOOKUP_HELO_RHSBL, SLICE("l.example."));
	return lookup_get(lookup, (enum lookup_fact)what);
}

static void
add(char *out, size_t size, struct slice word)
{
	size_t len = strlen(out);

	snprintf(out + len, size - len, "%s%.*s", len > 0 ? " " : "",
	    SLICE_FMT(word));
}

/* The value as it stands in a case. */
static void
show(int what, const struct lookup_value *value, char *out, size_t size)
{
	const char *const *words =
	    what < LOOKUP_FACT_COUNT ? lookup_words(what) : NULL;
	char text[ADDR_TEXT];
	bool failed = value->state == LOOKUP_TEMPERROR;

	out[0] = '\0';
	assert_true(failed || value->state == LOOKUP_KNOWN);
	if (words != NULL) {
		add(out, size, slice_str(words[value->word]));
		assert_true(failed == (strcmp(out, "temperror") == 0));
		assert_int_equal(value->name_count + value->addr_count, 0);
		return;
	}
	if (failed)
		add(out, size, SLICE("temperror"));
	for (unsigned i = 0; i < value->name_count; i++)
		add(out, size, value->names[i]);
	for (unsigned i = 0; i < value->addr_count; i++)
		add(out, size, slice_str(addr_format(&value->addrs[i], text)));
}

static struct lookup *
lookup_of(const char *client, const char *helo, struct dns_book *book)
{
	struct lookup_subject subject = {.helo = slice_str(helo)};
	struct helo judged;

	assert_true(addr_parse(slice_str(client), &subject.client));
	helo_analyse(subject.helo, &subject.client, &judged);
	subject.judged = &judged;
	return lookup_new(&subject, book);
}

static void
run(const struct lookup_case *c, int what, uint64_t seed, char *out,
    size_t size)
{
	static struct zone_waiting waiting;
	struct dns_book *book = dns_book_new();
	struct lookup *lookup = lookup_of(c->client, c->helo, book);
	struct lookup *second = lookup_of(c->client, c->helo, book);
	const struct lookup_value *value;
	char again[1024];
	uint64_t rest = seed + 1;

	waiting.count = waiting.taken = 0;
	while ((value = get(lookup, what))->state == LOOKUP_PENDING) {
		zone_take(&waiting, book);
		if (waiting.count == 0)
			fail_msg("pending without a question");
		if (seed == 0)
			zone_answer_all(&waiting, c->zone, book);
		else
			zone_answer_one(&waiting, c->zone, book, &seed);
	}
	show(what, value, out, size);
	zone_take(&waiting, book);
	while (zone_answer_one(&waiting, c->zone, book, &rest))
		;
	assert_ptr_equal(get(lookup, what), value);
	/* The whole book says the same. */
	show(what, get(second, what), again, sizeof(again));
	assert_string_equal(again, out);
	lookup_free(&lookup);
	lookup_free(&second);
	dns_book_free(&book);
}

static void
check_cases(int what, const struct lookup_case *cases, size_t count)
{
	unsigned orders = random_runs(40);
	char got[1024];

	for (size_t i = 0; i < count; i++)
		for (unsigned seed = 0; seed <= orders; seed++) {
			run(&cases[i], what, seed * 7919, got, sizeof(got));
			if (strcmp(got, cases[i].value) != 0)
				fail_msg("case %zu, order %u, %s says %s: %s, "
					 "not %s",
				    i, seed, cases[i].client, cases[i].helo,
				    got, cases[i].value);
		}
}

#define CHECK(what, cases) \
	check_cases(what, cases, sizeof(cases) / sizeof((cases)[0]))

static void
all_facts(void **state)
{
	(void)state;
	CHECK(LOOKUP_HELO_DNS, dns_cases);
	CHECK(LOOKUP_CLIENT_PTR, client_ptr_cases);
	CHECK(LOOKUP_CLIENT_FCRDNS, fcrdns_cases);
	CHECK(LOOKUP_HELO_PTR, ptr_cases);
	CHECK(LOOKUP_HELO_SPF, spf_cases);
	CHECK(LOOKUP_HELO_ADDRESS, address_cases);
	CHECK(LOOKUP_HELO_MX_ADDRESS, mx_cases);
	CHECK(LOOKUP_HELO_NS_ADDRESS, ns_cases);
	CHECK(DNSBL, dnsbl_cases);
	CHECK(RHSBL, rhsbl_cases);
}

/* --- what is asked ---------------------------------------------------------- */

static unsigned
asked(int what, const char *helo, const char *zone)
{
	static struct zone_waiting waiting;
	struct dns_book *book = dns_book_new();
	struct lookup *lookup = lookup_of(V4, helo, book);

	waiting.count = waiting.taken = 0;
	while (get(lookup, what)->state == LOOKUP_PENDING) {
		zone_take(&waiting, book);
		zone_answer_all(&waiting, zone, book);
	}
	zone_take(&waiting, book);
	lookup_free(&lookup);
	dns_book_free(&book);
	return waiting.taken;
}

static void
asks_what_is_needed(void **state)
{
	(void)state;
	assert_int_equal(asked(LOOKUP_HELO_DNS, "a.example", ""), 1);
	assert_int_equal(
	    asked(LOOKUP_HELO_DNS, "a.example", "a.example A 192.0.2.1"), 1);
	assert_int_equal(
	    asked(LOOKUP_HELO_DNS, "a.example", "a.example A 192.0.2.9"), 1);
	assert_int_equal(
	    asked(LOOKUP_HELO_DNS, "a.example", "a.example TXT x"), 2);
	for (int what = LOOKUP_HELO_DNS; what <= LOOKUP_HELO_NS_ADDRESS; what++)
		assert_int_equal(asked(what, "[192.0.2.1]", ""), 0);
	assert_int_equal(asked(RHSBL, "[192.0.2.1]", ""), 0);
	/* From the name down to the registrable domain, at once. */
	assert_int_equal(asked(LOOKUP_HELO_NS_ADDRESS, "a.b.x.example", ""), 3);
	assert_int_equal(asked(LOOKUP_HELO_NS_ADDRESS, "x.co.uk", ""), 1);
	assert_int_equal(
	    asked(LOOKUP_HELO_NS_ADDRESS, "1.2.3.4.5.6.7.8.9.10.x.example", ""),
	    8);
	/* Names of other organisations need no confirmation. */
	assert_int_equal(
	    asked(LOOKUP_HELO_PTR, "a.example", R4 "b.other\n" R4 "c.other"),
	    1);
}

/* --- memory ------------------------------------------------------------------ */

static void
without_a_book(void **state)
{
	struct lookup *lookup = lookup_of(V4, "mx.example", NULL);
	struct slice name = SLICE("ptr.example");
	char zone_text[] = "z.example";
	struct addr listed = {4, {127, 0, 0, 2}};
	struct lookup_value value = {
	    .state = LOOKUP_KNOWN, .name_count = 1, .names = &name};
	struct lookup_value other = {.state = LOOKUP_KNOWN};
	const struct lookup_value *got;
	enum lookup_zone kind;
	struct slice zone;

	(void)state;
	assert_int_equal(get(lookup, LOOKUP_HELO_DNS)->state, LOOKUP_UNKNOWN);
	assert_int_equal(get(lookup, DNSBL)->state, LOOKUP_UNKNOWN);
	assert_int_equal(
	    lookup_peek(lookup, LOOKUP_HELO_DNS)->state, LOOKUP_UNKNOWN);
	assert_null(lookup_peek(lookup, LOOKUP_CLIENT_PTR));
	lookup_give(lookup, LOOKUP_CLIENT_PTR, &value);
	assert_null(lookup_peek(lookup, LOOKUP_CLIENT_PTR));
	got = lookup_get(lookup, LOOKUP_CLIENT_PTR);
	assert_int_equal(got->state, LOOKUP_KNOWN);
	assert_int_equal(got->name_count, 1);
	assert_true(slice_eq(got->names[0], name));
	assert_ptr_not_equal(got->names[0].ptr, name.ptr);
	assert_ptr_equal(lookup_peek(lookup, LOOKUP_CLIENT_PTR), got);
	/* What was told stays. */
	lookup_give(lookup, LOOKUP_CLIENT_PTR, &other);
	assert_int_equal(got->name_count, 1);
	value = (struct lookup_value){
	    .state = LOOKUP_KNOWN, .addr_count = 1, .addrs = &listed};
	lookup_give_zone(
	    lookup, LOOKUP_HELO_RHSBL, slice_str(zone_text), &other);
	lookup_give_zone(
	    lookup, LOOKUP_HELO_RHSBL, slice_str(zone_text), &value);
	memset(zone_text, 'x', sizeof(zone_text) - 1);
	listed.bytes[3] = 9;
	got = lookup_get_zone(lookup, LOOKUP_HELO_RHSBL, SLICE("Z.example"));
	assert_int_equal(got->addr_count, 1);
	assert_int_equal(got->addrs[0].bytes[3], 2);
	/* Of the same zone, the other kind is another fact. */
	got = lookup_get_zone(lookup, LOOKUP_CLIENT_DNSBL, SLICE("z.example"));
	assert_int_equal(got->state, LOOKUP_UNKNOWN);
	assert_true(lookup_peek_zone(lookup, 1, &kind, &zone, &got));
	assert_int_equal(kind, LOOKUP_HELO_RHSBL);
	assert_true(slice_eq(zone, SLICE("z.example")));
	assert_int_equal(got->addr_count, 1);
	assert_true(lookup_peek_zone(lookup, 2, &kind, &zone, &got));
	assert_false(lookup_peek_zone(lookup, 3, &kind, &zone, &got));
	lookup_free(&lookup);
	assert_null(lookup);
	lookup_free(&lookup);
}

/* Given and not asked for is not on record. */
static void
peeks_at_what_was_asked(void **state)
{
	struct dns_book *book = dns_book_new();
	struct lookup *lookup = lookup_of(V4, "mx.example", book);
	struct lookup_value value = {.state = LOOKUP_KNOWN, .word = 1};
	const struct lookup_value *got;
	enum lookup_zone kind;
	struct slice zone;

	(void)state;
	lookup_give_zone(
	    lookup, LOOKUP_HELO_RHSBL, SLICE("given.example"), &value);
	assert_false(lookup_peek_zone(lookup, 0, &kind, &zone, &got));
	assert_int_equal(get(lookup, LOOKUP_HELO_DNS)->state, LOOKUP_PENDING);
	assert_int_equal(
	    lookup_peek(lookup, LOOKUP_HELO_DNS)->state, LOOKUP_PENDING);
	dns_book_give_up(book);
	got = lookup_peek(lookup, LOOKUP_HELO_DNS);
	assert_ptr_equal(get(lookup, LOOKUP_HELO_DNS), got);
	assert_int_equal(got->state, LOOKUP_TEMPERROR);
	assert_string_equal(
	    lookup_words(LOOKUP_HELO_DNS)[got->word], "temperror");
	/* A value that is pending may still be given. */
	assert_int_equal(get(lookup, LOOKUP_HELO_SPF)->state, LOOKUP_PENDING);
	lookup_give(lookup, LOOKUP_HELO_SPF, &value);
	assert_int_equal(get(lookup, LOOKUP_HELO_SPF)->word, 1);
	/* A zone without a name cannot say anything. */
	got = lookup_get_zone(lookup, LOOKUP_CLIENT_DNSBL, SLICE("."));
	assert_int_equal(got->state, LOOKUP_TEMPERROR);
	lookup_free(&lookup);
	dns_book_free(&book);
}

static void
words(void **state)
{
	(void)state;
	for (int fact = 0; fact < LOOKUP_FACT_COUNT; fact++) {
		const char *const *list = lookup_words(fact);
		unsigned n = 0;
		assert_non_null(lookup_fact_name(fact));
		while (list != NULL && list[n] != NULL)
			n++;
		assert_true(n <= LOOKUP_WORDS_MAX);
		if (n > 0)
			assert_string_equal(list[n - 1], "temperror");
	}
	assert_string_equal(lookup_fact_name(LOOKUP_HELO_SPF), "helo.spf");
	assert_null(lookup_words(LOOKUP_HELO_ADDRESS));
}

static void
organisation(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {{"a.b.example.co.uk", "example.co.uk"},
	    {"example.co.uk", "example.co.uk"}, {"co.uk", ""}, {"uk", ""},
	    {"A.Example.COM", "Example.COM"}, {"localhost", ""}, {"", ""},
	    {"a.exch_01.example.com", "example.com"}, {"a b.com", ""},
	    {"host.corp.internal", "corp.internal"}, {"a..com", ""},
	    {"www.city.kawasaki.jp", "city.kawasaki.jp"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice name = slice_str(cases[i].name);
		struct slice got = lookup_organisation(name);
		if (!slice_eq(got, slice_str(cases[i].want)))
			fail_msg("%s: %.*s", cases[i].name, SLICE_FMT(got));
		if (got.len > 0)
			assert_ptr_equal(
			    got.ptr + got.len, name.ptr + name.len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(all_facts),
	    cmocka_unit_test(asks_what_is_needed),
	    cmocka_unit_test(without_a_book),
	    cmocka_unit_test(peeks_at_what_was_asked), cmocka_unit_test(words),
	    cmocka_unit_test(organisation)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
