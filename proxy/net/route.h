/*
 * The policy route that delivers marked packets to this host: `ip rule fwmark
 * MARK/MARK lookup TABLE` and `ip route local default dev lo table TABLE`, for
 * both families, through rtnetlink.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

#include <stdbool.h>

enum {
	ROUTE_TABLE = 25025,
	ROUTE_PRIORITY = 1025 /* before the main table's 32766 */
};

/* Adds rule and route of a family (4 or 6), whichever is missing.  False with
 * a sentence in `why` (of 256 bytes); what was added is then taken back. */
bool route_install(int family, char why[256]);
/* Removes both, as often as they are there.  False: why. */
bool route_remove(int family, char why[256]);
/* Whether rule and route are there; -1: why it cannot be told. */
int route_check(int family, bool *rule, bool *route, char why[256]);

#endif
