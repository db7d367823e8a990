/*
 * A little DNS for tests: text of lines "NAME TYPE DATA", and what it answers.
 * DATA is an address, a name, "PREFERENCE NAME" of an MX, the text of a TXT
 * (C-escaped); "!" fails (SERVFAIL), "-" is no record of this type.  A name
 * that has lines of other types only is NODATA, one without lines NXDOMAIN.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_ZONE_H
#define TESTS_ZONE_H

#include "base/dns.h"
#include "tests/unit/random.h"

#include <assert.h>

static inline struct slice
zone_word(struct slice *line)
{
	ptrdiff_t blank = slice_find(*line, ' ');
	struct slice word =
	    slice_head(*line, blank == -1 ? line->len : (size_t)blank);

	*line = slice_from(*line, word.len + 1);
	return word;
}

/* The next line without its end; false: there is none. */
static inline bool
zone_line(struct slice *zone, struct slice *line)
{
	ptrdiff_t end = slice_find(*zone, '\n');

	if (zone->len == 0)
		return false;
	*line = slice_head(*zone, end == -1 ? zone->len : (size_t)end);
	*zone = slice_from(*zone, line->len + 1);
	return true;
}

/* Text of records is made in `texts`. */
static inline void
zone_record(
    enum dns_type type, struct slice data, char **texts, struct dns_record *out)
{
	uint64_t preference;

	*out = (struct dns_record){0};
	if (type == DNS_A || type == DNS_AAAA) {
		/* A mapped address is tried as one too. */
		assert(addr_parse(data, &out->addr));
		return;
	}
	if (type == DNS_MX) {
		assert(slice_to_u64(zone_word(&data), &preference));
		out->preference = (uint16_t)preference;
	}
	ptrdiff_t len = slice_unescape(data, *texts);
	assert(len >= 0);
	out->text = slice_of(*texts, (size_t)len);
	*texts += len;
}

static inline void
zone_answer(const char *text, const struct dns_question *question,
    struct dns_book *book)
{
	struct dns_record records[DNS_RECORDS_MAX];
	struct dns_answer answer = {DNS_NXDOMAIN, 60, 0, records, false};
	struct slice zone = slice_str(text), line;
	char *texts = malloc(zone.len + 1), *at = texts;

	assert(texts != NULL);
	while (zone_line(&zone, &line)) {
		if (!slice_eq_nocase(zone_word(&line), question->name))
			continue;
		if (answer.status == DNS_NXDOMAIN)
			answer.status = DNS_NODATA;
		struct slice type = zone_word(&line);
		if (!slice_eq(type, slice_str(dns_type_name(question->type))))
			continue;
		if (slice_eq(line, SLICE("!")))
			answer.status = DNS_TEMPERROR;
		if (slice_eq(line, SLICE("!")) || slice_eq(line, SLICE("-")))
			continue;
		assert(answer.count < DNS_RECORDS_MAX);
		answer.status = DNS_FOUND;
		zone_record(
		    question->type, line, &at, &records[answer.count++]);
	}
	dns_book_answer(book, question, &answer);
	free(texts);
}

/* Questions that were taken and have no answer yet. */
struct zone_waiting {
	struct dns_question questions[DNS_QUESTIONS_MAX];
	unsigned count;
	unsigned taken; /* ever */
};

static inline void
zone_take(struct zone_waiting *waiting, struct dns_book *book)
{
	while (dns_book_take(book, &waiting->questions[waiting->count])) {
		waiting->count++;
		waiting->taken++;
	}
}

/* Answers one of them, by chance; false: none waits. */
static inline bool
zone_answer_one(struct zone_waiting *waiting, const char *zone,
    struct dns_book *book, uint64_t *seed)
{
	if (waiting->count == 0)
		return false;
	unsigned pick = random_next(seed) % waiting->count;
	struct dns_question question = waiting->questions[pick];
	waiting->questions[pick] = waiting->questions[--waiting->count];
	zone_answer(zone, &question, book);
	return true;
}

static inline void
zone_answer_all(
    struct zone_waiting *waiting, const char *zone, struct dns_book *book)
{
	for (unsigned i = 0; i < waiting->count; i++)
		zone_answer(zone, &waiting->questions[i], book);
	waiting->count = 0;
}

#endif
