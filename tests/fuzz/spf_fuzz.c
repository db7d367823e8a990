/*
 * libFuzzer: hostile DNS.  The input is lines; which of them answers a question
 * is drawn from the question, so that the order of answers does not matter.
 * The oracle: every fact settles, after a bounded number of questions, on the
 * same value whether the answers come all at once or one at a time, and SPF
 * keeps to SPF_QUESTIONS_MAX.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/lookup.h"
#include "policy/spf.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	LINES_MAX = 64,
	RECORDS = 14,
	/* What all facts together may ask: SPF, ten names, MX and NS with two
	 * families of ten hosts each, the name itself, two zones. */
	ALL_MAX = SPF_QUESTIONS_MAX + 11 + 21 + 28 + 5
};

static struct slice lines[LINES_MAX];
static unsigned line_count;
static struct addr client;

static void
split(struct slice input)
{
	line_count = 0;
	while (line_count < LINES_MAX) {
		ptrdiff_t end = slice_find(input, '\n');
		size_t len = end == -1 ? input.len : (size_t)end;
		lines[line_count++] = slice_head(input, len);
		if (end == -1)
			break;
		input = slice_from(input, len + 1);
	}
}

static uint32_t
draw(uint32_t seed, uint32_t step)
{
	uint64_t x = (uint64_t)seed * UINT64_C(0x9e3779b97f4a7c15) + step;

	x ^= x >> 29;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(x >> 32);
}

static uint32_t
seed_of(const struct dns_question *question)
{
	uint32_t seed = UINT32_C(2166136261) + (uint32_t)question->type;

	for (size_t i = 0; i < question->name.len; i++)
		seed = (seed ^ (uint8_t)question->name.ptr[i]) * 16777619;
	return seed;
}

/* The text of one record: a line, more often than not as a record of SPF, or a
 * name that may be asked for. */
static struct slice
make_text(const struct dns_question *question, uint32_t pick, bool first,
    char out[DNS_TEXT_MAX])
{
	struct slice line = lines[first ? 0 : pick % line_count];
	bool txt = question->type == DNS_TXT;
	int len = 0;

	if (!txt && (pick >> 16 & 3) != 0)
		return slice_of(
		    out, (size_t)snprintf(out, DNS_TEXT_MAX, "%u.%st.example",
			     pick >> 18 & 15, pick >> 22 & 1 ? "sub." : ""));
	if (first || (txt && (pick >> 16 & 3) != 0))
		len = snprintf(out, DNS_TEXT_MAX, "v=spf1 ");
	line = slice_head(line, DNS_TEXT_MAX - (size_t)len);
	if (line.len > 0)
		memcpy(out + len, line.ptr, line.len);
	return slice_of(out, (size_t)len + line.len);
}

static struct addr
make_addr(const struct dns_question *question, uint32_t pick)
{
	struct addr addr = client;

	if ((pick >> 8 & 7) != 0)
		addr.bytes[3] = (uint8_t)(pick >> 11);
	if (question->type == DNS_A || question->type == DNS_AAAA)
		addr.family = question->type == DNS_A ? 4 : 6;
	return addr;
}

/* The name said always has the first line as its record, or there would be
 * little to see. */
static void
answer(struct dns_book *book, const struct dns_question *question)
{
	static char texts[RECORDS][DNS_TEXT_MAX];
	struct dns_record records[RECORDS];
	struct dns_answer out = {.status = DNS_FOUND, .records = records};
	uint32_t seed = seed_of(question), luck = draw(seed, 0) % 16;
	bool first = question->type == DNS_TXT &&
		     slice_eq(question->name, SLICE("t.example"));

	if (!first && luck < 3)
		out.status = (enum dns_status)(DNS_NODATA + (int)luck);
	out.count = first                       ? 1
		    : question->type == DNS_TXT ? 1 + (draw(seed, 1) % 8 == 0)
						: 1 + draw(seed, 1) % RECORDS;
	for (unsigned i = 0; i < out.count; i++) {
		uint32_t pick = draw(seed, 2 + i);
		records[i] = (struct dns_record){make_addr(question, pick),
		    make_text(question, pick, first, texts[i]),
		    (uint16_t)(pick >> 20)};
	}
	dns_book_answer(book, question, &out);
}

/* Answers what waits: all of it, or the last of it alone. */
static unsigned
serve(struct dns_book *book, bool all, struct dns_question *waiting,
    unsigned *count)
{
	unsigned taken = 0;

	while (dns_book_take(book, &waiting[*count])) {
		(*count)++;
		taken++;
	}
	assert(*count > 0 || dns_book_pending(book) == 0);
	while (*count > 0) {
		answer(book, &waiting[--*count]);
		if (!all)
			break;
	}
	return taken;
}

static enum spf_result
check_spf(bool all)
{
	static struct dns_question waiting[DNS_QUESTIONS_MAX + 1];
	struct spf_sender sender = {client, SLICE("postmaster"),
	    SLICE("t.example"), SLICE("T.example")};
	struct dns_book *book = dns_book_new();
	unsigned count = 0, taken = 0;
	enum spf_result result;

	while ((result = spf_check(book, &sender)) == SPF_PENDING)
		taken += serve(book, all, waiting, &count);
	while (count > 0)
		taken += serve(book, true, waiting, &count);
	assert(taken <= SPF_QUESTIONS_MAX);
	assert(spf_check(book, &sender) == result);
	dns_book_free(&book);
	return result;
}

static const struct lookup_value *
get(struct lookup *lookup, unsigned what)
{
	if (what < LOOKUP_FACT_COUNT)
		return lookup_get(lookup, (enum lookup_fact)what);
	return lookup_get_zone(lookup,
	    what == LOOKUP_FACT_COUNT ? LOOKUP_CLIENT_DNSBL : LOOKUP_HELO_RHSBL,
	    SLICE("list.example"));
}

/* All facts of one book, as a policy asks for them; the sum of what they say. */
static uint64_t
check_lookup(bool all)
{
	static struct dns_question waiting[DNS_QUESTIONS_MAX + 1];
	struct lookup_subject subject = {client, SLICE("t.example"), NULL};
	struct dns_book *book = dns_book_new();
	struct lookup *lookup = lookup_new(&subject, book);
	unsigned count = 0, taken = 0;
	uint64_t sum = 0;
	bool pending;

	do {
		pending = false;
		for (unsigned i = 0; i < LOOKUP_FACT_COUNT + 2; i++)
			pending |= get(lookup, i)->state == LOOKUP_PENDING;
		if (pending)
			taken += serve(book, all, waiting, &count);
	} while (pending);
	assert(taken <= ALL_MAX);
	for (unsigned i = 0; i < LOOKUP_FACT_COUNT + 2; i++) {
		const struct lookup_value *value = get(lookup, i);
		sum = sum * 31 + value->state;
		sum = sum * 31 + value->word;
		sum = sum * 31 + value->addr_count;
		for (unsigned n = 0; n < value->name_count; n++) {
			assert(dns_name_is_askable(value->names[n]));
			sum = sum * 31 + value->names[n].len;
		}
	}
	lookup_free(&lookup);
	dns_book_free(&book);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct addr v4 = {4, {192, 0, 2, 1}};
	static const struct addr v6 = {6, {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

	if (size == 0)
		return 0;
	client = data[0] & 1 ? v6 : v4;
	split(slice_of((const char *)data + 1, size - 1));
	enum spf_result result = check_spf(true);
	assert(check_spf(false) == result);
	uint64_t sum = check_lookup(true);
	assert(check_lookup(false) == sum);
	return 0;
}
