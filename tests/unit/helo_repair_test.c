/* LINKS: policy/helo*.c */
/*
 * Repairs of HELO arguments: every step on its own, lists in their order, and
 * the property that `repair: all` with a client makes any byte string valid,
 * at rest, and no longer than a name may be.
 *
 * EHLOGATE_PROPERTY_RUNS sets how many strings (a million).
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/helo_vectors.h"

#include "policy/helo.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct vectors vectors;

/* `list`: as in `ehlogate helo --repair`.  `steps`: those that changed it. */
static const struct {
	const char *list;
	const char *argument; /* C-escaped */
	const char *client;
	const char *ptr;
	const char *result;
	const char *steps;
} repair_cases[] = {
    {"trim", " a.b \\t\\r", NULL, "", "a.b", "trim"},
    {"first_word", "a.b c d", NULL, "", "a.b", "first_word"},
    {"brackets", "<a.b>", NULL, "", "a.b", "brackets"},
    {"brackets", "[a.b]", NULL, "", "a.b", "brackets"},
    {"brackets", "[1.2.3.4", NULL, "", "[1.2.3.4]", "brackets"},
    {"brackets", "1.2.3.4]", NULL, "", "[1.2.3.4]", "brackets"},
    {"control", "a\\001\\000.b\\177", NULL, "", "a.b", "control"},
    {"trailing_dot", "a.b.", NULL, "", "a.b", "trailing_dot"},
    {"underscore", "a_b.c_d", NULL, "", "a-b.c-d", "underscore"},
    {"hyphen_edge", "-a-.b--", NULL, "", "a.b", "hyphen_edge"},
    {"empty_label", "..a..b", NULL, "", "a.b", "empty_label"},
    {"idna", "b\\303\\274cher.de", NULL, "", "xn--bcher-kva.de", "idna"},
    {"lowercase", "MX.Domain.DE", NULL, "", "mx.domain.de", "lowercase"},
    {"tag_ipv6", "[2001:db8::1]", NULL, "", "[IPv6:2001:db8::1]", "tag_ipv6"},
    {"untag_ipv4", "[IPv4:1.2.3.4]", NULL, "", "[1.2.3.4]", "untag_ipv4"},
    {"untag_ipv4", "[IPv6:1.2.3.4]", NULL, "", "[1.2.3.4]", "untag_ipv4"},
    {"zone_id", "[IPv6:fe80::1%eth0]", NULL, "", "[IPv6:fe80::1]", "zone_id"},
    {"tag_ipv6,zone_id", "[fe80::1%eth0]", NULL, "", "[IPv6:fe80::1]",
	"tag_ipv6 zone_id"},
    {"bracket_address", "1.2.3.4", NULL, "", "[1.2.3.4]", "bracket_address"},
    {"bracket_address", "2001:db8::1", NULL, "", "[IPv6:2001:db8::1]",
	"bracket_address"},
    {"append_domain=corp.de", "host", NULL, "", "host.corp.de",
	"append_domain"},
    {"append_domain=corp.de", "host.de", NULL, "", "host.de", ""},
    {"replace=mx.de", "a_b", NULL, "", "mx.de", "replace"},
    {"replace=mx.de", "localhost", NULL, "", "mx.de", "replace"},
    {"replace=mx.de", "a.de", NULL, "", "a.de", ""},
    {"client_ptr", "a_b", "8.8.8.8", "dns.google", "dns.google", "client_ptr"},
    {"client_ptr", "a.b", "8.8.8.8", "dns.google", "a.b", ""},
    {"client_ptr", "a_b", "8.8.8.8", "dns.google.", "dns.google", "client_ptr"},
    {"idna,client_literal", "b\\303\\274\\000.de", "8.8.8.8", "", "[8.8.8.8]",
	"client_literal"},
    {"client_literal", "a_b", "8.8.8.8", "", "[8.8.8.8]", "client_literal"},
    {"client_literal", "", "2001:db8::1", "", "[IPv6:2001:db8::1]",
	"client_literal"},
    {"client_literal", "host", "8.8.8.8", "", "host", ""},
    {"underscore", "a.b", NULL, "", "a.b", ""},
    /* PRODUCT's example: the KB story */
    {"underscore,append_domain=corp.example.com,client_literal", "EXCH_01",
	"10.1.2.3", "", "EXCH-01.corp.example.com", "underscore append_domain"},
    {"underscore,append_domain=corp.example.com,client_literal", "", "10.1.2.3",
	"", "[10.1.2.3]", "client_literal"},
    /* `all` mends and leaves alone what needs no mending */
    {"all", "mx.domain.de", "8.8.8.8", "", "mx.domain.de", ""},
    {"all", "MixedCase.Domain.DE", "8.8.8.8", "", "MixedCase.Domain.DE", ""},
    {"all", "[IPV6:2001:DB8::1]", "8.8.8.8", "", "[IPV6:2001:DB8::1]", ""},
    {"all", "_.a", "8.8.8.8", "mx.de", "a",
	"underscore hyphen_edge empty_label"},
    {"all", "***", "8.8.8.8", "mx.de", "mx.de", "client_ptr"},
    {"all", "***", "8.8.8.8", "not_a_name", "[8.8.8.8]", "client_literal"},
};

static void
parse_list(struct slice list, struct helo_repair *out)
{
	if (slice_eq(list, SLICE("all"))) {
		helo_repair_all(out);
		return;
	}
	*out = (struct helo_repair){0};
	while (list.len > 0) {
		ptrdiff_t comma = slice_find(list, ',');
		size_t len = comma < 0 ? list.len : (size_t)comma;
		struct slice word = slice_head(list, len);
		ptrdiff_t equals = slice_find(word, '=');
		struct helo_repair_step *step = &out->steps[out->count++];
		step->name = SLICE("");
		if (equals >= 0)
			step->name = slice_from(word, (size_t)equals + 1);
		if (equals >= 0)
			word = slice_head(word, (size_t)equals);
		assert_int_equal(helo_step_parse(word, &step->step), 1);
		list = slice_from(list, len + 1);
	}
}

static bool
steps_are(uint32_t steps, const char *names)
{
	char said[512] = "";
	size_t len = 0;

	for (unsigned i = 0; i < HELO_STEP_COUNT; i++)
		if (steps & 1U << i)
			len += (size_t)snprintf(said + len, sizeof(said) - len,
			    "%s%s", len > 0 ? " " : "",
			    helo_step_name((enum helo_step)i));
	if (strcmp(said, names) == 0)
		return true;
	print_error("steps `%s`, wanted `%s`\n", said, names);
	return false;
}

static void
test_steps(void **state)
{
	static struct helo_repaired out;
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(repair_cases) / sizeof(repair_cases[0]);
	     i++) {
		struct helo_repair list;
		struct addr client;
		char bytes[256];
		const char *text = repair_cases[i].argument;
		const char *from = repair_cases[i].client;
		ptrdiff_t len = slice_unescape(slice_str(text), bytes);
		assert_true(len >= 0);
		if (from != NULL)
			assert_true(addr_parse(slice_str(from), &client));
		parse_list(slice_str(repair_cases[i].list), &list);
		helo_repair_apply(&list, slice_of(bytes, (size_t)len),
		    from == NULL ? NULL : &client,
		    slice_str(repair_cases[i].ptr), &out);
		if (out.valid &&
		    slice_eq(slice_of(out.name, out.len),
			slice_str(repair_cases[i].result)) &&
		    steps_are(out.steps, repair_cases[i].steps))
			continue;
		print_error("[%s] on `%s`: `%.*s`%s\n", repair_cases[i].list,
		    text, (int)out.len, out.name,
		    out.valid ? "" : ", not valid");
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* An argument as long as a line can be, and longer: a step that has no room
 * does nothing. */
static void
test_long(void **state)
{
	static char text[HELO_ARGUMENT_MAX + 100];
	static struct helo_repaired out;
	struct helo_repair list;

	(void)state;
	memset(text, 'a', sizeof(text));
	parse_list(SLICE("append_domain=corp.de"), &list);
	for (size_t len = HELO_ARGUMENT_MAX - 10; len <= sizeof(text); len++) {
		helo_repair_apply(
		    &list, slice_of(text, len), NULL, SLICE(""), &out);
		bool fits = len + strlen(".corp.de") <= HELO_ARGUMENT_MAX;
		assert_int_equal(out.len, fits ? len + strlen(".corp.de")
					  : len < HELO_ARGUMENT_MAX
					      ? len
					      : HELO_ARGUMENT_MAX);
	}
	memset(text, ' ', sizeof(text));
	memcpy(text, "[2001:db8::1]", 13);
	parse_list(SLICE("tag_ipv6"), &list);
	helo_repair_apply(&list, slice_of(text, HELO_ARGUMENT_MAX - 2), NULL,
	    SLICE(""), &out);
	assert_false(out.valid);
}

/* Without a client nothing vouches for validity, and valid says so. */
static void
test_without_client(void **state)
{
	static struct helo_repaired out;
	struct helo_repair all;

	(void)state;
	helo_repair_all(&all);
	helo_repair_apply(&all, SLICE("***"), NULL, SLICE(""), &out);
	assert_false(out.valid);
	helo_repair_apply(&all, SLICE("a_b"), NULL, SLICE(""), &out);
	assert_true(out.valid);
}

/* --- the property ---------------------------------------------------------- */

/* xorshift64: the same strings in every run. */
static uint64_t
next_random(void)
{
	static uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static size_t
random_bytes(char *out, size_t max)
{
	size_t len = next_random() % (max + 1);

	for (size_t i = 0; i < len; i++)
		out[i] = (char)next_random();
	return len;
}

static size_t
random_words(char *out, size_t max)
{
	static const char *const pieces[] = {"a", "B", "7", "-", "_", ".", "..",
	    " ", "\t", "\r", "[", "]", "<", ">", ":", "::", "%",
	    "IPv6:", "IPv4:", "1.2.3.4", "fe80::1", "2001:db8:0:1", "%eth0",
	    "\xc3\xbc", "\xc3", "\x01", "localhost", "example.com", "xn--", "0",
	    "@"};
	size_t len = 0;
	size_t count = next_random() % 12;

	for (size_t i = 0; i < count; i++) {
		const char *piece =
		    pieces[next_random() %
			   (sizeof(pieces) / sizeof(pieces[0]))];
		size_t n = strlen(piece);
		if (len + n > max)
			break;
		memcpy(out + len, piece, n);
		len += n;
	}
	return len;
}

static size_t
mutated_vector(char *out, size_t max)
{
	struct slice row = vectors.rows[next_random() % vectors.count].argument;
	size_t len = row.len < max ? row.len : max;

	if (len > 0)
		memcpy(out, row.ptr, len);
	for (unsigned i = next_random() % 4; i > 0 && len > 0; i--) {
		size_t at = next_random() % len;
		if (next_random() % 2 == 0)
			out[at] = "._-[]<>: \t\r\n%\0a9"[next_random() % 17];
		else
			memmove(out + at, out + at + 1, --len - at);
	}
	return len;
}

static size_t
random_string(char *out, uint64_t run)
{
	switch (run % 8) {
	case 0:
		return random_bytes(out, run % 512 == 0 ? 1000 : 40);
	case 1:
	case 2:
	case 3:
		return mutated_vector(out, 1000);
	default:
		return random_words(out, 1000);
	}
}

static void
check_at_rest(const struct helo_repair *all, struct slice argument,
    const struct addr *client)
{
	static struct helo_repaired once, twice;
	struct helo helo;

	helo_repair_apply(all, argument, client, SLICE(""), &once);
	struct slice name = slice_of(once.name, once.len);
	helo_analyse(name, client, &helo);
	helo_repair_apply(all, name, client, SLICE(""), &twice);
	if (once.valid && helo.valid && once.len <= HELO_NAME_MAX &&
	    twice.steps == 0 && slice_eq(name, slice_of(twice.name, twice.len)))
		return;
	for (size_t i = 0; i < argument.len; i++)
		print_error("%02x ", (unsigned char)argument.ptr[i]);
	fail_msg("valid %d, again `%.*s` -> `%.*s`", once.valid, (int)once.len,
	    once.name, (int)twice.len, twice.name);
}

static void
test_property(void **state)
{
	const char *asked = getenv("EHLOGATE_PROPERTY_RUNS");
	uint64_t runs = asked == NULL ? 1000000 : strtoull(asked, NULL, 10);
	struct helo_repair all;
	struct addr v4, v6;
	char bytes[1000];

	(void)state;
	helo_repair_all(&all);
	assert_true(addr_parse(SLICE("192.0.2.7"), &v4));
	assert_true(addr_parse(SLICE("2001:db8::7"), &v6));
	for (uint64_t run = 0; run < runs; run++) {
		size_t len = random_string(bytes, run);
		check_at_rest(
		    &all, slice_of(bytes, len), run % 2 == 0 ? &v4 : &v6);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_steps),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_without_client),
	    cmocka_unit_test(test_property),
	};

	vectors_load("tests/vectors/helo_receivers.tsv", &vectors);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	vectors_free(&vectors);
	return failed;
}
