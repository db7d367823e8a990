/*
 * Is a name made from the client's address?  Providers name their customers'
 * lines so: 192-0-2-1.dyn.example.net, and in many other spellings.  The whole
 * address is asked for: a part of it would match good servers' numbers.
 *
 * IPv4: four fields, decimal (zeros in front or not) or two hexadecimal
 * digits, forwards or backwards; the same joined; one 32-bit number.
 * IPv6: groups, zeros in front or not, shortened or not; 32 nibbles, forwards
 * or backwards, joined or separated.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/helo_private.h"

#include <assert.h>

enum {
	/* Fewer joined digits match by chance: 10.0.0.1 is in host10001. */
	JOINED_MIN = 6,
	NUMBER_MIN = 8
};

/* What stands between the parts of an address in a name. */
static bool
is_separator(char c)
{
	return c == '-' || c == '.' || c == '_' || c == 'x' || c == 'X';
}

static size_t
digit_run(struct slice name, size_t at)
{
	size_t n = 0;

	while (at + n < name.len && ascii_is_digit(name.ptr[at + n]))
		n++;
	return n;
}

static size_t
hex_run(struct slice name, size_t at)
{
	size_t n = 0;

	while (at + n < name.len && ascii_hex(name.ptr[at + n]) >= 0)
		n++;
	return n;
}

/* --- IPv4 ------------------------------------------------------------------ */

/* One field at *at: decimal of up to three digits, or two hexadecimal ones. */
static bool
field(struct slice name, size_t *at, bool hex, unsigned *value)
{
	size_t n = hex ? hex_run(name, *at) : digit_run(name, *at);

	if (hex ? n != 2 : n < 1 || n > 3)
		return false;
	*value = 0;
	for (size_t i = 0; i < n; i++)
		*value = *value * (hex ? 16 : 10) +
			 (unsigned)ascii_hex(name.ptr[*at + i]);
	*at += n;
	return *value <= 255;
}

/* Four fields from `at` on are the address, or its reverse. */
static bool
fields_match(struct slice name, size_t at, bool hex, const uint8_t address[4])
{
	bool forward = true;
	bool backward = true;
	unsigned value;

	for (int i = 0; i < 4; i++) {
		if (i > 0 && (at >= name.len || !is_separator(name.ptr[at++])))
			return false;
		if (!field(name, &at, hex, &value))
			return false;
		forward = forward && value == address[i];
		backward = backward && value == address[3 - i];
		if (!forward && !backward)
			return false;
	}
	return true;
}

/* The run is the four numbers one behind the other, each of `width` digits
 * (0: as many as it needs). */
static bool
joined_match(
    struct slice run, const uint8_t address[4], unsigned width, bool backward)
{
	size_t at = 0;

	for (int i = 0; i < 4; i++) {
		unsigned value = address[backward ? 3 - i : i];
		unsigned digits = value > 99 ? 3 : value > 9 ? 2 : 1;
		if (width > 0)
			digits = width;
		if (run.len - at < digits)
			return false;
		for (unsigned d = digits; d-- > 0; value /= 10)
			if (run.ptr[at + d] != (char)('0' + value % 10))
				return false;
		at += digits;
	}
	return at == run.len;
}

static uint32_t
as_number(const uint8_t address[4], bool backward)
{
	uint32_t number = 0;

	for (int i = 0; i < 4; i++)
		number = number << 8 | address[backward ? 3 - i : i];
	return number;
}

/* A run of digits on its own. */
static bool
digits_match(struct slice run, const uint8_t address[4])
{
	uint64_t number;

	if (run.len < JOINED_MIN || run.len > 12)
		return false;
	for (int backward = 0; backward < 2; backward++)
		if (joined_match(run, address, 3, backward) ||
		    joined_match(run, address, 0, backward))
			return true;
	if (run.len < NUMBER_MIN || !slice_to_u64(run, &number))
		return false;
	return number == as_number(address, false) ||
	       number == as_number(address, true);
}

/* Eight hexadecimal digits anywhere in the run: where it begins cannot be
 * told, names like host-abc0000201 go on in letters that are digits too. */
static bool
hex_match(struct slice run, const uint8_t address[4])
{
	uint32_t window = 0;

	for (size_t i = 0; i < run.len; i++) {
		window = window << 4 | (uint32_t)ascii_hex(run.ptr[i]);
		if (i >= 7 && (window == as_number(address, false) ||
				  window == as_number(address, true)))
			return true;
	}
	return false;
}

static bool
holds_v4(struct slice name, const uint8_t address[4])
{
	for (size_t i = 0; i < name.len;) {
		size_t run = hex_run(name, i);
		if (run == 0) {
			i++;
			continue;
		}
		if (run >= 8 && hex_match(slice_of(name.ptr + i, run), address))
			return true;
		if (run == 2 && fields_match(name, i, true, address))
			return true;
		for (size_t end = i + run; i < end; i++) {
			size_t digits = digit_run(name, i);
			if (digits == 0)
				continue;
			if (digits_match(
				slice_of(name.ptr + i, digits), address) ||
			    fields_match(name, i, false, address))
				return true;
			i += digits - 1;
		}
	}
	return false;
}

/* --- IPv6 ------------------------------------------------------------------ */

static unsigned
nibble(const uint8_t address[16], int i)
{
	return i % 2 == 0 ? address[i / 2] >> 4 : address[i / 2] & 0x0f;
}

/* 32 nibbles from `at` on, separated or not. */
static bool
nibbles_match(
    struct slice name, size_t at, const uint8_t address[16], bool backward)
{
	for (int i = 0; i < 32; i++) {
		if (i > 0 && at < name.len && is_separator(name.ptr[at]))
			at++;
		if (at >= name.len ||
		    ascii_hex(name.ptr[at]) !=
			(int)nibble(address, backward ? 31 - i : i))
			return false;
		at++;
	}
	return true;
}

static unsigned
group(const uint8_t address[16], int i)
{
	return (unsigned)address[i * 2] << 8 | address[i * 2 + 1];
}

/* One group of one to four digits at `at`: its length, or 0. */
static size_t
group_at(struct slice name, size_t at, unsigned wanted)
{
	size_t n = hex_run(name, at);
	unsigned value = 0;

	if (n < 1 || n > 4)
		return 0;
	for (size_t i = 0; i < n; i++)
		value = value << 4 | (unsigned)ascii_hex(name.ptr[at + i]);
	return value == wanted ? n : 0;
}

/* Groups from number `i` on; two separators stand for groups of zeros, as
 * many as the rest needs. */
static bool
groups_match(struct slice name, size_t at, const uint8_t address[16], int i)
{
	bool shortened = false;

	for (; i < 8; i++) {
		size_t n = group_at(name, at, group(address, i));
		if (n == 0)
			return false;
		at += n;
		if (i == 7)
			return true;
		if (at >= name.len || !is_separator(name.ptr[at]))
			return false;
		at++;
		shortened = at < name.len && name.ptr[at] == name.ptr[at - 1];
		if (shortened)
			break;
	}
	assert(shortened);
	at++;
	for (i++; i < 8 && group(address, i) == 0; i++) {
		/* zeros written out behind the gap belong to the rest */
		bool rest = i == 7 ? hex_run(name, at) == 0
				   : groups_match(name, at, address, i + 1);
		if (rest)
			return true;
	}
	return false;
}

static bool
holds_v6(struct slice name, const uint8_t address[16])
{
	for (size_t i = 0; i < name.len; i++) {
		bool inside = i > 0 && ascii_hex(name.ptr[i - 1]) >= 0;
		if (ascii_hex(name.ptr[i]) < 0)
			continue;
		if (nibbles_match(name, i, address, false) ||
		    nibbles_match(name, i, address, true))
			return true;
		if (!inside && groups_match(name, i, address, 0))
			return true;
	}
	return false;
}

bool
helo_name_holds_address(struct slice name, const struct addr *addr)
{
	if (addr->family == 4)
		return holds_v4(name, addr->bytes);
	return addr->family == 6 && holds_v6(name, addr->bytes);
}
