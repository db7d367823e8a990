/*
 * References of sessions, and the queue ids in servers' replies.  See
 * record.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/record_private.h"

void
record_make_ref(
    uint64_t wall_ms, unsigned lane, unsigned count, char out[RECORD_REF + 1])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint64_t high = wall_ms & UINT64_C(0xffffffffffff);
	uint64_t low = (uint64_t)(lane & 0xfff) << 20 | (count & 0xfffff);

	/* 48 bits of time and 32 of the rest are sixteen digits of five. */
	for (int i = RECORD_REF - 1; i >= 0; i--) {
		out[i] = digits[low & 31];
		low = low >> 5 | (high & 31) << 27;
		high >>= 5;
	}
	out[RECORD_REF] = '\0';
}

/* --- queue ids ------------------------------------------------------------ */

static bool
is_id_char(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' ||
	       c == '_' || c == '@';
}

/* The id that begins at an offset. */
static struct slice
id_behind(struct slice text, size_t at)
{
	size_t len = 0;

	text = slice_from(text, at);
	while (len < text.len && is_id_char(text.ptr[len]))
		len++;
	while (len > 0 && text.ptr[len - 1] == '.')
		len--;
	return slice_head(text, len);
}

/* The id that ends before an offset. */
static struct slice
id_before(struct slice text, size_t at)
{
	size_t start = at;

	while (start > 0 && is_id_char(text.ptr[start - 1]))
		start--;
	return slice_of(text.ptr + start, at - start);
}

/* The last place of a word, or -1.  The last: Exchange repeats the sender's
 * Message-ID before its own words. */
static ptrdiff_t
find_last(struct slice text, struct slice word)
{
	for (size_t i = text.len; i >= word.len; i--)
		if (slice_eq_nocase(
			slice_of(text.ptr + i - word.len, word.len), word))
			return (ptrdiff_t)(i - word.len);
	return -1;
}

/* Of a reply of many lines the last ones say it (Exim's to BDAT). */
enum {
	SEARCHED = 1024
};

/* What stands next to the id, and on which side of it the id is. */
struct spelling {
	const char *words;
	bool before;
};

static const struct spelling spellings[] = {
    {"[internalid=", false},                  /* Exchange */
    {"queued as ", false},                    /* Postfix */
    {"ok id=", false},                        /* Exim */
    {" message accepted for delivery", true}, /* Sendmail, OpenSMTPD */
    {"queued for delivery as ", false},       /* various */
    {"queued with id ", false},               /* Stalwart */
    {"ids=", false},                          /* KumoMTA */
    {" - gsmtp", true},                       /* Gmail */
    {" qp ", false},                          /* qmail: its process id */
    {"queue-id=", false}};

struct slice
record_queue_id(struct slice reply)
{
	if (reply.len < 4 || reply.ptr[0] != '2')
		return SLICE("");
	reply = slice_from(reply, 4); /* the code is no id */
	if (reply.len > SEARCHED)
		reply = slice_from(reply, reply.len - SEARCHED);
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		struct slice words = slice_str(spellings[i].words);
		ptrdiff_t at = find_last(reply, words);
		if (at == -1)
			continue;
		return spellings[i].before
			   ? id_before(reply, (size_t)at)
			   : id_behind(reply, (size_t)at + words.len);
	}
	return SLICE("");
}
