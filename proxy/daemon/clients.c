/*
 * Clients that are counted.  See clients.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/clients.h"

#include <string.h>

enum {
	SESSION_BITS = 20,
	SESSION_MASK = (1 << SESSION_BITS) - 1,
	COUNT_MAX = 0xffff /* of one window */
};

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

uint64_t
clients_name(
    const struct client_table *table, const struct addr *addr, unsigned prefix)
{
	struct addr cut = *addr;
	uint64_t halves[2];

	if (cut.family == 6)
		for (unsigned i = 0; i < sizeof(cut.bytes); i++) {
			unsigned bits = i * 8 >= prefix      ? 0
					: prefix - i * 8 < 8 ? prefix - i * 8
							     : 8;
			cut.bytes[i] &= (uint8_t)(0xff00 >> bits);
		}
	else
		memset(cut.bytes + 4, 0, sizeof(cut.bytes) - 4);
	memcpy(halves, cut.bytes, sizeof(halves));
	return mix(
	    mix(mix(table->secret ^ cut.family) ^ halves[0]) ^ halves[1]);
}

/* --- places -------------------------------------------------------------------- */

/* The bits of a name that its bucket does not tell; never 0. */
static uint64_t
tag_of(uint64_t name)
{
	uint64_t tag = name >> SESSION_BITS << SESSION_BITS;

	return tag == 0 ? UINT64_C(1) << 63 : tag;
}

static unsigned
bucket_of(uint64_t name)
{
	return (unsigned)(name % CLIENTS_BUCKETS);
}

static bool
is_of(uint64_t who, uint64_t tag)
{
	return (who & ~(uint64_t)SESSION_MASK) == tag;
}

static struct client_place *
find(struct client_place *bucket, uint64_t tag)
{
	for (unsigned i = 0; i < CLIENTS_WAYS; i++)
		if (is_of(atomic_load(&bucket[i].who), tag))
			return &bucket[i];
	return NULL;
}

/* Without sessions, and seen longest ago. */
static struct client_place *
idlest(struct client_place *bucket)
{
	struct client_place *best = NULL;

	for (unsigned i = 0; i < CLIENTS_WAYS; i++) {
		uint64_t who = atomic_load(&bucket[i].who);
		if (who == 0)
			return &bucket[i];
		if ((who & SESSION_MASK) == 0 &&
		    (best == NULL || atomic_load(&bucket[i].seen_ms) <
					 atomic_load(&best->seen_ms)))
			best = &bucket[i];
	}
	return best;
}

/* The client's place, made where there was none; NULL: no room. */
static struct client_place *
claim(struct client_place *bucket, uint64_t tag)
{
	for (;;) {
		struct client_place *place = find(bucket, tag);
		if (place != NULL)
			return place;
		place = idlest(bucket);
		if (place == NULL)
			return NULL;
		uint64_t was = atomic_load(&place->who);
		if ((was & SESSION_MASK) != 0 ||
		    !atomic_compare_exchange_strong(&place->who, &was, tag))
			continue;
		for (unsigned i = 0; i < CLIENTS_WINDOWS; i++)
			atomic_store(&place->windows[i], 0);
		return place;
	}
}

/* One session more; 0: the place is another client's by now, or full. */
static unsigned
add_session(struct client_place *place, uint64_t tag)
{
	uint64_t who = atomic_load(&place->who);

	do {
		if (!is_of(who, tag) || (who & SESSION_MASK) == SESSION_MASK)
			return 0;
	} while (!atomic_compare_exchange_weak(&place->who, &who, who + 1));
	return (unsigned)(who & SESSION_MASK) + 1;
}

static void
drop_sessions(struct client_place *place, unsigned count)
{
	uint64_t who = atomic_load(&place->who);
	uint64_t less;

	do {
		less = who & SESSION_MASK;
		less = less > count ? count : less;
	} while (!atomic_compare_exchange_weak(&place->who, &who, who - less));
}

/* --- rates ----------------------------------------------------------------------- */

static uint64_t
pack(uint32_t number, unsigned now, unsigned before)
{
	return (uint64_t)number << 32 | (uint64_t)now << 16 | before;
}

/* One connection more in this window; how many within its length. */
static unsigned
count_one(_Atomic uint64_t *window, uint32_t length_ms, uint64_t now_ms)
{
	uint32_t number = (uint32_t)(now_ms / length_ms);
	uint64_t into = now_ms % length_ms;
	uint64_t was = atomic_load(window);
	unsigned now, before;

	do {
		now = was >> 16 & COUNT_MAX;
		before = was & COUNT_MAX;
		if ((uint32_t)(was >> 32) + 1 == number) {
			before = now;
			now = 0;
		} else if ((uint32_t)(was >> 32) != number) {
			now = before = 0;
		}
		now += now < COUNT_MAX;
	} while (!atomic_compare_exchange_weak(
	    window, &was, pack(number, now, before)));
	return now + (unsigned)(before * (length_ms - into) / length_ms);
}

/* --- sessions --------------------------------------------------------------------- */

static int
enter(struct client_table *table, struct client_share *own, uint64_t name,
    unsigned *sessions)
{
	struct client_place *bucket =
	    &table->places[bucket_of(name) * CLIENTS_WAYS];

	for (;;) {
		struct client_place *place = claim(bucket, tag_of(name));
		if (place == NULL)
			return CLIENTS_NONE;
		int at = (int)(place - table->places);
		/* Ours first: a death in between takes one too many away, and
		 * never leaves one for ever. */
		atomic_fetch_add(&own->sessions[at], 1);
		*sessions = add_session(place, tag_of(name));
		if (*sessions > 0)
			return at;
		atomic_fetch_sub(&own->sessions[at], 1);
		if (is_of(atomic_load(&place->who), tag_of(name)))
			return CLIENTS_NONE;
	}
}

int
clients_enter(struct client_table *table, struct client_share *own,
    uint64_t name, const struct client_windows *windows, uint64_t now_ms,
    struct client_counts *out)
{
	*out = (struct client_counts){.sessions = 0};
	int at = enter(table, own, name, &out->sessions);
	if (at == CLIENTS_NONE) {
		atomic_fetch_add(&table->uncounted, 1);
		return CLIENTS_NONE;
	}
	struct client_place *place = &table->places[at];
	atomic_store(&place->seen_ms, now_ms);
	for (unsigned i = 0; i < CLIENTS_WINDOWS && windows->ms[i] > 0; i++)
		out->rates[i] =
		    count_one(&place->windows[i], windows->ms[i], now_ms);
	return at;
}

void
clients_leave(struct client_table *table, struct client_share *own, int place)
{
	if (place == CLIENTS_NONE)
		return;
	drop_sessions(&table->places[place], 1);
	atomic_fetch_sub(&own->sessions[place], 1);
}

void
clients_forget(struct client_table *table, struct client_share *share)
{
	for (unsigned i = 0; i < CLIENTS_PLACES; i++) {
		unsigned left = atomic_load(&share->sessions[i]);
		if (left == 0)
			continue;
		drop_sessions(&table->places[i], left);
		atomic_store(&share->sessions[i], 0);
	}
}
