/*
 * An IP address as a value: 4 or 16 bytes and the family.  In base because
 * policy and audit speak of addresses and know no sockets.  IPv4-mapped IPv6
 * addresses are stored as IPv4, so that 10.0.0.1 has one form only.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "base/slice.h"

struct addr {
	uint8_t family;    /* 0 none, 4, 6 */
	uint8_t bytes[16]; /* network order, 4 or 16 used, the rest zero */
};

/* An address with a port; port 0 means any, or unknown. */
struct endpoint {
	struct addr addr;
	uint16_t port; /* host order */
};

/* A network: the address with its host bits clear. */
struct prefix {
	struct addr addr;
	uint8_t bits; /* 0..32 or 0..128 */
};

enum {
	ADDR_TEXT = 46,    /* room for any address as text, with NUL */
	ENDPOINT_TEXT = 54 /* "[v6]:65535" with NUL */
};

/* The canonical text (RFC 5952; no brackets) into out; returns out. */
const char *addr_format(const struct addr *addr, char out[ADDR_TEXT]);
/* "192.0.2.1:25" or "[2001:db8::1]:25" into out; returns out. */
const char *endpoint_format(
    const struct endpoint *endpoint, char out[ENDPOINT_TEXT]);
/* Reads what inet_pton reads (no zone, no leading zeros in IPv4). */
bool addr_parse(struct slice text, struct addr *out);
/* "v4:port", "[v6]:port"; the port is required. */
bool endpoint_parse(struct slice text, struct endpoint *out);
/* "ADDR" or "ADDR/BITS".  False also where host bits are set. */
bool prefix_parse(struct slice text, struct prefix *out);
bool prefix_contains(const struct prefix *prefix, const struct addr *addr);
bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_is_loopback(const struct addr *addr);
/* 0.0.0.0 or :: */
bool addr_is_any(const struct addr *addr);

#endif
