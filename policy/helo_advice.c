/*
 * Advisory flaws: what is valid and yet tells an operator something.
 *
 * Sources: RFC 2606, 6761, 6762, 8375 and ICANN's .internal (names); IANA's
 * IPv4 and IPv6 special-purpose address registries (addresses).
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/helo_private.h"

static const char *const reserved_names[] = {"test", "example", "invalid",
    "localhost", "local", "onion", "example.com", "example.net", "example.org",
    "internal", "lan", "corp", "home", "home.arpa"};

static const struct {
	uint8_t bytes[4];
	uint8_t bits;
} special4[] = {
    {{0, 0, 0, 0}, 8},
    {{10, 0, 0, 0}, 8},
    {{100, 64, 0, 0}, 10},
    {{127, 0, 0, 0}, 8},
    {{169, 254, 0, 0}, 16},
    {{172, 16, 0, 0}, 12},
    {{192, 0, 0, 0}, 24},
    {{192, 0, 2, 0}, 24},
    {{192, 31, 196, 0}, 24},
    {{192, 52, 193, 0}, 24},
    {{192, 88, 99, 0}, 24},
    {{192, 168, 0, 0}, 16},
    {{192, 175, 48, 0}, 24},
    {{198, 18, 0, 0}, 15},
    {{198, 51, 100, 0}, 24},
    {{203, 0, 113, 0}, 24},
    {{240, 0, 0, 0}, 4},
};

static const struct {
	uint8_t bytes[8];
	uint8_t bits;
} special6[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0}, 64}, /* ::, ::1 and the like */
    {{0x00, 0x64, 0xff, 0x9b}, 96},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48},
    {{0x01, 0x00, 0, 0, 0, 0, 0, 0}, 64},
    {{0x01, 0x00, 0, 0, 0, 0, 0, 0x01}, 64},
    {{0x20, 0x01, 0x00, 0x00}, 23},
    {{0x20, 0x01, 0x0d, 0xb8}, 32},
    {{0x20, 0x02}, 16},
    {{0x26, 0x20, 0x00, 0x4f, 0x80}, 48},
    {{0x3f, 0xff, 0x00}, 20},
    {{0x5f, 0x00}, 16},
    {{0xfc, 0x00}, 7},
    {{0xfe, 0x80}, 10},
    {{0xff, 0x00}, 8},
};

uint64_t
helo_advise_address(const struct addr *address)
{
	struct prefix prefix = {.addr.family = address->family};
	bool v4 = address->family == 4;
	size_t count = v4 ? sizeof(special4) / sizeof(special4[0])
			  : sizeof(special6) / sizeof(special6[0]);

	for (size_t i = 0; i < count; i++) {
		if (v4)
			memcpy(prefix.addr.bytes, special4[i].bytes, 4);
		else
			memcpy(prefix.addr.bytes, special6[i].bytes, 8);
		prefix.bits = v4 ? special4[i].bits : special6[i].bits;
		if (prefix_contains(&prefix, address))
			return HELO_BIT(HELO_FLAW_RESERVED_ADDRESS);
	}
	return 0;
}

/* The name itself or one below it. */
static bool
is_under(struct slice name, const char *domain)
{
	struct slice under = slice_str(domain);

	if (!slice_has_suffix_nocase(name, under))
		return false;
	return name.len == under.len ||
	       name.ptr[name.len - under.len - 1] == '.';
}

static bool
is_reserved(struct slice name)
{
	for (size_t i = 0;
	     i < sizeof(reserved_names) / sizeof(reserved_names[0]); i++)
		if (is_under(name, reserved_names[i]))
			return true;
	return false;
}

static bool
last_label_is_numeric(struct slice name)
{
	size_t start = name.len;

	while (start > 0 && name.ptr[start - 1] != '.')
		start--;
	for (size_t i = start; i < name.len; i++)
		if (!ascii_is_digit(name.ptr[i]))
			return false;
	return start < name.len;
}

uint64_t
helo_advise_name(struct slice name, const struct addr *client)
{
	uint64_t flaws = 0;

	while (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	if (slice_find(name, '.') == -1)
		flaws |= HELO_BIT(HELO_FLAW_SINGLE_LABEL);
	if (is_under(name, "localhost") ||
	    is_under(name, "localhost.localdomain"))
		flaws |= HELO_BIT(HELO_FLAW_LOCALHOST);
	if (last_label_is_numeric(name))
		flaws |= HELO_BIT(HELO_FLAW_ALL_NUMERIC);
	if (is_reserved(name))
		flaws |= HELO_BIT(HELO_FLAW_RESERVED_NAME);
	if (client != NULL && helo_name_holds_address(name, client))
		flaws |= HELO_BIT(HELO_FLAW_DYNAMIC_NAME);
	return flaws;
}
