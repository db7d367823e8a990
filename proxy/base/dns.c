/*
 * Names, types and the book of answers.  See dns.h.  Owns copies of whatever
 * it is given; never frees an answer before the book, because those who
 * decide keep slices of them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/dns.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	LABEL_MAX = 63,
	/* Names come from strangers, who may make them collide: with
	 * DNS_QUESTIONS_MAX entries in all, the worst chain is still short. */
	BUCKETS = 64
};

struct entry {
	struct entry *next;   /* of the bucket */
	struct entry *behind; /* in the order of asking */
	struct dns_question question;
	const struct dns_answer *answer; /* NULL: not here yet */
	void *owned; /* the answer and its records, in one block */
	bool taken;
	char name[];
};

struct dns_book {
	struct entry *buckets[BUCKETS];
	struct entry *first, *last;
	struct entry *untaken; /* nothing before it is to be taken */
	unsigned count, pending;
};

static const struct dns_answer no_such_name = {.status = DNS_NXDOMAIN};
static const struct dns_answer cannot_say = {.status = DNS_TEMPERROR};

/* --- names ---------------------------------------------------------------- */

static bool
is_label_byte(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_';
}

bool
dns_name_is_askable(struct slice name)
{
	size_t label = 0;

	if (name.len == 0 || name.len > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!is_label_byte(name.ptr[i]) || ++label > LABEL_MAX) {
			return false;
		}
	}
	return label > 0;
}

size_t
dns_reverse_name(
    const struct addr *addr, struct slice zone, char out[DNS_NAME_MAX + 1])
{
	size_t len = 0;

	out[0] = '\0';
	if (addr->family != 4 && addr->family != 6)
		return 0;
	for (int i = addr->family == 4 ? 3 : 15; i >= 0; i--) {
		unsigned byte = addr->bytes[i];
		int wrote = addr->family == 4
				? snprintf(out + len, 5, "%u.", byte)
				: snprintf(out + len, 5, "%x.%x.", byte & 15,
				      byte >> 4);
		len += (size_t)wrote;
	}
	if (zone.len == 0)
		zone = addr->family == 4 ? SLICE("in-addr.arpa")
					 : SLICE("ip6.arpa");
	if (zone.len > DNS_NAME_MAX - len) {
		out[0] = '\0';
		return 0;
	}
	memcpy(out + len, zone.ptr, zone.len);
	len += zone.len;
	out[len] = '\0';
	return len;
}

const char *
dns_type_name(enum dns_type type)
{
	static const char *const names[DNS_TYPE_COUNT] = {
	    "A", "AAAA", "PTR", "MX", "NS", "TXT", "TLSA"};

	return names[type];
}

/* --- the book ------------------------------------------------------------- */

struct dns_book *
dns_book_new(void)
{
	return calloc(1, sizeof(struct dns_book));
}

void
dns_book_free(struct dns_book **book_p)
{
	struct dns_book *book = *book_p;

	if (book == NULL)
		return;
	while (book->first != NULL) {
		struct entry *entry = book->first;
		book->first = entry->behind;
		free(entry->owned);
		free(entry);
	}
	free(book);
	*book_p = NULL;
}

/* FNV-1a over the lower case. */
static struct entry **
bucket_of(struct dns_book *book, struct slice name, enum dns_type type)
{
	uint32_t hash = UINT32_C(2166136261) ^ (uint32_t)type;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (uint8_t)ascii_lower(name.ptr[i])) *
		       UINT32_C(16777619);
	return &book->buckets[(hash ^ hash >> 16) % BUCKETS];
}

static struct entry *
find(struct entry *entry, struct slice name, enum dns_type type)
{
	for (; entry != NULL; entry = entry->next)
		if (entry->question.type == type &&
		    slice_eq_nocase(entry->question.name, name))
			return entry;
	return NULL;
}

/* The entry, made where it is not there; NULL: no room, no memory. */
static struct entry *
find_or_note(struct dns_book *book, struct slice name, enum dns_type type)
{
	struct entry **bucket = bucket_of(book, name, type);
	struct entry *entry = find(*bucket, name, type);

	if (entry != NULL)
		return entry;
	if (book->count == DNS_QUESTIONS_MAX ||
	    (entry = calloc(1, sizeof(*entry) + name.len)) == NULL)
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		entry->name[i] = ascii_lower(name.ptr[i]);
	entry->question.name = slice_of(entry->name, name.len);
	entry->question.type = type;
	entry->next = *bucket;
	*bucket = entry;
	if (book->last == NULL)
		book->first = entry;
	else
		book->last->behind = entry;
	book->last = entry;
	if (book->untaken == NULL)
		book->untaken = entry;
	book->count++;
	book->pending++;
	return entry;
}

const struct dns_answer *
dns_book_ask(struct dns_book *book, struct slice name, enum dns_type type)
{
	struct entry *entry;

	if (!dns_name_is_askable(name))
		return &no_such_name;
	entry = find_or_note(book, name, type);
	return entry == NULL ? &cannot_say : entry->answer;
}

/* A copy in one block: the answer, its records, their text.  NULL: no memory,
 * or a text that is longer than it may be. */
static struct dns_answer *
copy_answer(const struct dns_answer *from, unsigned count)
{
	size_t size = sizeof(*from) + count * sizeof(struct dns_record);
	struct dns_record *records;
	struct dns_answer *copy;
	char *text;

	for (unsigned i = 0; i < count; i++) {
		if (from->records[i].text.len > DNS_TEXT_MAX)
			return NULL;
		size += from->records[i].text.len;
	}
	copy = calloc(1, size);
	if (copy == NULL)
		return NULL;
	records = (struct dns_record *)(copy + 1);
	text = (char *)(records + count);
	for (unsigned i = 0; i < count; i++) {
		struct slice source = from->records[i].text;
		records[i] = from->records[i];
		records[i].text = slice_of(text, source.len);
		if (source.len > 0)
			memcpy(text, source.ptr, source.len);
		text += source.len;
	}
	*copy = (struct dns_answer){
	    from->status, from->ttl, count, records, from->authentic};
	return copy;
}

void
dns_book_answer(struct dns_book *book, const struct dns_question *question,
    const struct dns_answer *answer)
{
	unsigned count = answer->status == DNS_FOUND ? answer->count : 0;
	struct dns_answer *copy;
	struct entry *entry;

	if (!dns_name_is_askable(question->name))
		return;
	entry = find_or_note(book, question->name, question->type);
	if (entry == NULL || entry->answer != NULL)
		return;
	if (count > DNS_RECORDS_MAX)
		count = DNS_RECORDS_MAX;
	copy = copy_answer(answer, count);
	if (copy != NULL && copy->status == DNS_FOUND && count == 0)
		copy->status = DNS_NODATA;
	entry->owned = copy;
	entry->answer = copy == NULL ? &cannot_say : copy;
	book->pending--;
}

bool
dns_book_take(struct dns_book *book, struct dns_question *out)
{
	struct entry *entry = book->untaken;

	while (entry != NULL && (entry->taken || entry->answer != NULL))
		entry = entry->behind;
	if (entry == NULL) {
		book->untaken = NULL;
		return false;
	}
	entry->taken = true;
	book->untaken = entry->behind;
	*out = entry->question;
	return true;
}

unsigned
dns_book_pending(const struct dns_book *book)
{
	return book->pending;
}

void
dns_book_give_up(struct dns_book *book)
{
	struct entry *entry;

	for (entry = book->first; entry != NULL; entry = entry->behind)
		if (entry->answer == NULL)
			entry->answer = &cannot_say;
	book->pending = 0;
}
