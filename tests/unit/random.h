/*
 * Random bytes for property tests: the same in each run.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include "base/slice.h"

#include <stdlib.h>

/* xorshift64*; the caller's state is not 0. */
static inline uint32_t
random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)(*state * UINT64_C(2685821657736338717) >> 32);
}

/* Bytes that make trouble more often than chance would: quotes, line ends,
 * beginnings of UTF-8, and any byte at all. */
static inline size_t
random_text(uint64_t *state, char *out, size_t max)
{
	static const struct slice pieces[] = {{"\\", 1}, {"\"", 1},
	    {"\\x41", 4}, {"\n", 1}, {"\r", 1}, {"\0", 1}, {"\x7f", 1},
	    {"\xc2\x85", 2}, {"\xe2\x80\xa8", 3}, {"\xe2\x80\xa9", 3},
	    {"\xe2\x80\xae", 3}, {"\xc0\x80", 2}, {"\xed\xa0\x80", 3},
	    {"\xf0\x9f\x93\xa7", 4}, {"\xf4\x90\x80\x80", 4},
	    {"\xef\xbf\xbe", 3}, {"\xe2\x80", 2}, {"\\u0041", 6},
	    {"\",\"verdict\":\"", 13}, {"mx.example.com", 14}};
	size_t count = sizeof(pieces) / sizeof(pieces[0]);
	size_t len = max == 0 ? 0 : random_next(state) % max;
	size_t n = 0;

	while (n < len) {
		uint32_t pick = random_next(state);
		struct slice piece = pieces[pick % count];
		if (pick >> 16 & 1 || piece.len > len - n)
			out[n++] = (char)(pick >> 24);
		else {
			memcpy(out + n, piece.ptr, piece.len);
			n += piece.len;
		}
	}
	return n;
}

/* How often a property is tried: EHLOGATE_PROPERTY_RUNS, or `normal`. */
static inline unsigned
random_runs(unsigned normal)
{
	const char *runs = getenv("EHLOGATE_PROPERTY_RUNS");
	unsigned asked = runs == NULL ? 0 : (unsigned)atoi(runs);

	return asked == 0 || asked > normal ? normal : asked;
}

#endif
