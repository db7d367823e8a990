/* LINKS: proxy/smtp/smtp_body.c proxy/smtp/smtp_line.c */
/*
 * Message text: every row of the dot-stuffing table, every end-of-data
 * variant, cut at every place; and random text against a slow reading of the
 * same rules.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_body.h"
#include "smtp/smtp_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
	TEXT_MAX = 4096,
	RANDOM_RUNS = 20000
};

struct outcome {
	int end; /* 1: the end of data was read */
	size_t used;
	bool bad;
	char text[4 * TEXT_MAX];
	size_t len;
};

/* Feeds `in` cut at `cut` (0: a byte a time). */
static void
feed(struct slice in, size_t cut, struct outcome *out)
{
	struct smtp_body body;
	struct buf to;
	size_t given = 0;

	smtp_body_start(&body, 0, false);
	body.in_header = false;
	buf_init(&to, sizeof(out->text));
	*out = (struct outcome){0};
	while (out->end == 0 && given < in.len) {
		size_t used;
		given = cut == 0 ? given + 1 : given < cut ? cut : in.len;
		if (given > in.len)
			given = in.len;
		out->end = smtp_body_step(&body,
		    slice_of(in.ptr + out->used, given - out->used), &used,
		    &to);
		out->used += used;
	}
	out->bad = body.bad != NULL;
	out->len = buf_len(&to);
	memcpy(out->text, buf_slice(&to).ptr, out->len);
	buf_fini(&to);
}

static bool
is_clean(const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->len; i++) {
		char c = outcome->text[i];
		bool lf = i + 1 < outcome->len && outcome->text[i + 1] == '\n';
		if (c == '\0' || (c == '\r' && !lf) ||
		    (c == '\n' && (i == 0 || outcome->text[i - 1] != '\r')))
			return false;
	}
	return true;
}

/* Where the end of data stands in what goes on: only at its end. */
static bool
ends_once(const struct outcome *outcome)
{
	static const char mark[] = "\r\n.\r\n";

	for (size_t i = 0; i + 5 < outcome->len; i++)
		if (memcmp(outcome->text + i, mark, 5) == 0)
			return false;
	return outcome->len < 3 || memcmp(outcome->text, ".\r\n", 3) != 0 ||
	       outcome->len == 3;
}

static void
check_all_cuts(struct slice in)
{
	static struct outcome whole, cut;

	feed(in, in.len, &whole);
	assert_true(is_clean(&whole));
	assert_true(ends_once(&whole));
	for (size_t at = 0; at < in.len; at++) {
		feed(in, at, &cut);
		assert_int_equal(cut.end, whole.end);
		assert_int_equal(cut.used, whole.used);
		assert_int_equal(cut.bad, whole.bad);
		if (whole.bad)
			continue;
		assert_int_equal(cut.len, whole.len);
		assert_memory_equal(cut.text, whole.text, whole.len);
	}
}

/* Calls `check` with the unescaped input and the verdict of each row. */
static void
each_row(
    const char *path, void (*check)(struct slice input, const char *expected))
{
	char line[TEXT_MAX], input[TEXT_MAX];
	FILE *file = fopen(path, "re");
	unsigned rows = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		char *tab = strchr(line, '\t');
		if (tab == NULL || rows++ == 0)
			continue;
		ptrdiff_t len =
		    slice_unescape(slice_of(line, (size_t)(tab - line)), input);
		assert_true(len >= 0);
		check(slice_of(input, (size_t)len), tab + 1);
	}
	fclose(file);
	assert_true(rows > 10);
}

static bool
begins(const char *text, const char *with)
{
	return slice_has_prefix_nocase(slice_str(text), slice_str(with));
}

static void
check_unit(struct slice input, const char *expected)
{
	static struct outcome outcome;

	check_all_cuts(input);
	feed(input, input.len, &outcome);
	/* One accepted row is a text whose end has yet to come. */
	if (begins(expected, "accept"))
		assert_int_equal(outcome.end,
		    strstr(expected, "not an end of data") == NULL);
	if (begins(expected, "incomplete"))
		assert_int_equal(outcome.end, 0);
	if (outcome.end == 1)
		assert_int_equal(outcome.used, input.len);
}

/* THREATS A1-06, A1-07: dots go and come, an empty text is one. */
static void
units_table(void **unused)
{
	(void)unused;
	each_row("tests/vectors/data_terminator_units.tsv", check_unit);
}

/* THREATS A1-01, A1-04: cut everywhere, what is no end is none. */
static void
check_variant(struct slice input, const char *expected)
{
	static const char evil[] = "MAIL FROM:<evil@x>\r\n";
	static struct outcome outcome;
	char text[TEXT_MAX];
	size_t len;

	memcpy(text, "body", 4);
	memcpy(text + 4, input.ptr, input.len);
	memcpy(text + 4 + input.len, evil, sizeof(evil) - 1);
	len = 4 + input.len + sizeof(evil) - 1;
	check_all_cuts(slice_of(text, len));
	feed(slice_of(text, len), len, &outcome);
	assert_int_equal(outcome.end, begins(expected, "EOD"));
}

static void
variants_table(void **unused)
{
	(void)unused;
	each_row("tests/vectors/smuggling_eod_variants.tsv", check_variant);
}

static void
random_text(void **unused)
{
	static const char alphabet[] = "\r\n\r\n\r\n..a\0b";
	char text[80];

	(void)unused;
	srand(1);
	for (unsigned run = 0; run < RANDOM_RUNS; run++) {
		size_t len = (size_t)rand() % sizeof(text);
		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[rand() % 12];
		check_all_cuts(slice_of(text, len));
	}
}

/* The fast path says the same as the slow one. */
static void
clean_prefix(void **unused)
{
	static const char alphabet[] = "abcdefgh..\r\n\r\n";
	char text[300];

	(void)unused;
	srand(2);
	for (unsigned run = 0; run < RANDOM_RUNS; run++) {
		size_t len = (size_t)rand() % sizeof(text);
		for (size_t i = 0; i < len; i++)
			text[i] = run % 3 == 0 ? alphabet[rand() % 14] : 'x';
		if (run % 3 != 0 && len > 70) {
			memcpy(text + len / 2, "\r\n", 2);
			text[len - 5] = "\r\n.\0x"[rand() % 5];
		}
		size_t clean = smtp_line_clean(slice_of(text, len), true);
		assert_true(clean <= len);
		bool start = true;
		for (size_t i = 0; i < clean; i++) {
			assert_false(start && text[i] == '.');
			assert_int_not_equal(text[i], '\0');
			if (text[i] == '\r')
				assert_int_equal(text[i + 1], '\n');
			if (text[i] == '\n')
				assert_int_equal(text[i - 1], '\r');
			start = text[i] == '\n';
		}
		assert_true(clean == 0 || text[clean - 1] != '\r');
	}
}

/* A chunk mended in pieces is the chunk mended whole. */
static void
pieces(void **unused)
{
	static const char alphabet[] = "\r\n\r\nab.";
	char text[64];
	static char once[SMTP_PIECE_ROOM], twice[SMTP_PIECE_ROOM];
	struct smtp_body body;

	(void)unused;
	srand(3);
	for (unsigned run = 0; run < RANDOM_RUNS; run++) {
		size_t len = (size_t)rand() % sizeof(text);
		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[rand() % 7];
		smtp_body_start(&body, 0, false);
		size_t whole =
		    smtp_body_piece(&body, slice_of(text, len), true, once);
		for (size_t cut = 0; cut <= len; cut++) {
			smtp_body_start(&body, 0, false);
			size_t first = smtp_body_piece(
			    &body, slice_of(text, cut), false, twice);
			first += smtp_body_piece(&body,
			    slice_of(text + cut, len - cut), true,
			    twice + first);
			assert_int_equal(first, whole);
			assert_memory_equal(once, twice, whole);
		}
	}
}

/* THREATS A1-08: refusing stray line ends moves no end of data: the same is
 * read, and a text is refused exactly where there was something to mend. */
static void
refused_strays(void **unused)
{
	static const char alphabet[] = "\r\n\r\n.a.\0";
	char text[64];
	struct smtp_body mends, refuses;
	struct buf out;

	(void)unused;
	srand(4);
	buf_init(&out, sizeof(text) * 2);
	for (unsigned run = 0; run < RANDOM_RUNS; run++) {
		size_t len = (size_t)rand() % sizeof(text);
		size_t used, other;
		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[(size_t)rand() % sizeof(alphabet)];
		smtp_body_start(&mends, 0, false);
		smtp_body_start(&refuses, 0, true);
		buf_clear(&out);
		int end =
		    smtp_body_step(&mends, slice_of(text, len), &used, &out);
		buf_clear(&out);
		assert_int_equal(end, smtp_body_step(&refuses,
					  slice_of(text, len), &other, &out));
		assert_int_equal(used, other);
		assert_int_equal(mends.octets, refuses.octets);
		assert_true((refuses.bad != NULL) ==
			    (mends.bad != NULL || mends.stray > 0));
	}
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(units_table),
	    cmocka_unit_test(variants_table),
	    cmocka_unit_test(random_text),
	    cmocka_unit_test(clean_prefix),
	    cmocka_unit_test(pieces),
	    cmocka_unit_test(refused_strays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
