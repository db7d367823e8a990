/*
 * IP addresses as values.  See addr.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

const char *
addr_format(const struct addr *addr, char out[ADDR_TEXT])
{
	int family = addr->family == 4 ? AF_INET : AF_INET6;

	if (addr->family == 0 ||
	    inet_ntop(family, addr->bytes, out, ADDR_TEXT) == NULL)
		out[0] = '\0';
	return out;
}

const char *
endpoint_format(const struct endpoint *endpoint, char out[ENDPOINT_TEXT])
{
	char text[ADDR_TEXT];

	addr_format(&endpoint->addr, text);
	snprintf(out, ENDPOINT_TEXT,
	    endpoint->addr.family == 6 ? "[%s]:%u" : "%s:%u", text,
	    (unsigned)endpoint->port);
	return out;
}

static void
unmap(struct addr *addr)
{
	static const uint8_t mapped[12] = {
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (addr->family != 6 || memcmp(addr->bytes, mapped, 12) != 0)
		return;
	addr->family = 4;
	memmove(addr->bytes, addr->bytes + 12, 4);
	memset(addr->bytes + 4, 0, 12);
}

bool
addr_parse(struct slice text, struct addr *out)
{
	char copy[ADDR_TEXT];
	struct addr addr = {0};

	if (text.len == 0 || text.len >= sizeof(copy) ||
	    slice_find(text, '\0') != -1)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, addr.bytes) == 1)
		addr.family = 4;
	else if (inet_pton(AF_INET6, copy, addr.bytes) == 1)
		addr.family = 6;
	else
		return false;
	unmap(&addr);
	*out = addr;
	return true;
}

bool
endpoint_parse(struct slice text, struct endpoint *out)
{
	struct endpoint endpoint;
	uint64_t port;
	size_t colon = text.len;

	while (colon > 0 && text.ptr[colon - 1] != ':')
		colon--;
	if (colon < 2 || !slice_to_u64(slice_from(text, colon), &port) ||
	    port > UINT16_MAX)
		return false;
	struct slice host = slice_head(text, colon - 1);
	bool brackets = host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
	if (brackets)
		host = slice_of(host.ptr + 1, host.len - 2);
	if (!addr_parse(host, &endpoint.addr))
		return false;
	if (brackets != (slice_find(host, ':') != -1))
		return false;
	endpoint.port = (uint16_t)port;
	*out = endpoint;
	return true;
}

bool
prefix_parse(struct slice text, struct prefix *out)
{
	struct prefix prefix;
	ptrdiff_t slash = slice_find(text, '/');
	uint64_t bits;

	if (!addr_parse(slash == -1 ? text : slice_head(text, (size_t)slash),
		&prefix.addr))
		return false;
	unsigned width = prefix.addr.family == 4 ? 32 : 128;
	bits = width;
	if (slash != -1 &&
	    (!slice_to_u64(slice_from(text, (size_t)slash + 1), &bits) ||
		bits > width))
		return false;
	prefix.bits = (uint8_t)bits;
	for (unsigned bit = prefix.bits; bit < width; bit++)
		if (prefix.addr.bytes[bit / 8] & (0x80 >> bit % 8))
			return false;
	*out = prefix;
	return true;
}

bool
prefix_contains(const struct prefix *prefix, const struct addr *addr)
{
	unsigned whole = prefix->bits / 8;
	unsigned rest = prefix->bits % 8;

	if (prefix->addr.family != addr->family ||
	    memcmp(prefix->addr.bytes, addr->bytes, whole) != 0)
		return false;
	return rest == 0 || ((prefix->addr.bytes[whole] ^ addr->bytes[whole]) >>
				(8 - rest)) == 0;
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool
addr_is_loopback(const struct addr *addr)
{
	static const uint8_t one[16] = {[15] = 1};

	if (addr->family == 4)
		return addr->bytes[0] == 127;
	return addr->family == 6 && memcmp(addr->bytes, one, 16) == 0;
}

bool
addr_is_any(const struct addr *addr)
{
	static const uint8_t zero[16];

	return addr->family != 0 && memcmp(addr->bytes, zero, 16) == 0;
}
