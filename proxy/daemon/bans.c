/*
 * Bans.  See bans.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/bans.h"

#include <fcntl.h>
#include <unistd.h>

struct addr
bans_key(const struct addr *client)
{
	struct addr key = *client;

	if (key.family == 6)
		memset(key.bytes + 8, 0, 8);
	return key;
}

static uint64_t
half_of(const uint8_t bytes[8])
{
	uint64_t half;

	memcpy(&half, bytes, sizeof(half));
	return half;
}

/* A key as two numbers, never both 0: the family is among them. */
struct number {
	uint64_t high, low;
};

static struct number
number_of(const struct addr *key)
{
	return (struct number){half_of(key->bytes), key->family};
}

static struct addr
addr_of(struct number number)
{
	struct addr addr = {.family = (uint8_t)number.low};

	memcpy(addr.bytes, &number.high, sizeof(number.high));
	return addr;
}

static unsigned
bucket_of(struct number number)
{
	uint64_t mixed =
	    (number.high ^ number.low) * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned)(mixed >> 32) % BANS_BUCKETS;
}

/* The place of the key, or the one that is free or ends first. */
static unsigned
place_for(const struct ban_table *table, unsigned bucket, struct number number)
{
	unsigned best = 0;

	for (unsigned i = 0; i < BANS_WAYS; i++) {
		if (table->places[bucket][i].high == number.high &&
		    table->places[bucket][i].low == number.low)
			return i;
		if (table->places[bucket][i].until_ms <
		    table->places[bucket][best].until_ms)
			best = i;
	}
	return best;
}

void
bans_add(struct ban_table *table, const struct addr *client, uint64_t until_ms)
{
	struct addr key = bans_key(client);
	struct number number = number_of(&key);
	unsigned bucket = bucket_of(number);
	unsigned i = place_for(table, bucket, number);

	table->sequence[bucket]++;
	table->places[bucket][i].high = number.high;
	table->places[bucket][i].low = number.low;
	table->places[bucket][i].until_ms = until_ms;
	table->sequence[bucket]++;
}

static bool
look(const struct ban_table *table, unsigned bucket, struct number number,
    uint64_t now_ms)
{
	for (unsigned i = 0; i < BANS_WAYS; i++)
		if (table->places[bucket][i].high == number.high &&
		    table->places[bucket][i].low == number.low)
			return table->places[bucket][i].until_ms > now_ms;
	return false;
}

bool
bans_has(
    const struct ban_table *table, const struct addr *client, uint64_t now_ms)
{
	struct addr key = bans_key(client);
	struct number number = number_of(&key);
	unsigned bucket = bucket_of(number);
	bool found = false;

	/* A monitor that died in the middle must not hold anybody up. */
	for (unsigned tries = 0; tries < 1000; tries++) {
		uint32_t before = table->sequence[bucket];
		found = look(table, bucket, number, now_ms);
		if (before % 2 == 0 && table->sequence[bucket] == before)
			break;
	}
	return found;
}

void
bans_each(const struct ban_table *table, uint64_t now_ms,
    void (*each)(void *arg, const struct addr *key, uint64_t left_ms),
    void *arg)
{
	for (unsigned bucket = 0; bucket < BANS_BUCKETS; bucket++)
		for (unsigned i = 0; i < BANS_WAYS; i++) {
			uint64_t until = table->places[bucket][i].until_ms;
			struct addr key = addr_of(
			    (struct number){table->places[bucket][i].high,
				table->places[bucket][i].low});
			if (until > now_ms)
				each(arg, &key, until - now_ms);
		}
}

/* --- the channel -------------------------------------------------------------------- */

bool
bans_open_channel(int channel[2])
{
	return pipe2(channel, O_CLOEXEC | O_NONBLOCK | O_DIRECT) == 0;
}

bool
bans_ask(int fd, const struct addr *client, uint32_t seconds)
{
	struct ban_request request;

	memset(&request, 0, sizeof(request));
	request.client = *client;
	request.seconds = seconds;
	return write(fd, &request, sizeof(request)) == sizeof(request);
}

/* Who can be kept away at all. */
static bool
is_client(const struct addr *addr)
{
	struct addr copy = *addr;

	if (addr->family != 4 && addr->family != 6)
		return false;
	if (addr->family == 4)
		memset(copy.bytes + 4, 0, 12);
	bool multicast =
	    addr->family == 4 ? addr->bytes[0] >= 224 : addr->bytes[0] == 0xff;
	return !multicast && !addr_is_loopback(&copy) && !addr_is_any(&copy);
}

bool
bans_may(const struct addr *client, const struct prefix *never, unsigned count)
{
	struct addr key = bans_key(client);

	for (unsigned i = 0; i < count; i++) {
		struct prefix spared = never[i];
		if (spared.addr.family == 6 && spared.bits > 64) {
			spared.addr = bans_key(&spared.addr);
			spared.bits = 64;
		}
		if (prefix_contains(&spared, &key))
			return false;
	}
	return is_client(client);
}

bool
bans_take(int fd, struct ban_request *out)
{
	struct ban_request request;
	ssize_t got;

	while ((got = read(fd, &request, sizeof(request))) > 0) {
		if (got != sizeof(request) || !is_client(&request.client) ||
		    request.seconds == 0 || request.seconds > BAN_SECONDS_MAX)
			continue;
		*out = request;
		if (out->client.family == 4)
			memset(out->client.bytes + 4, 0, 12);
		return true;
	}
	return false;
}
