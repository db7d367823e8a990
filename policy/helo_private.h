/*
 * What the files of the HELO module share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_HELO_PRIVATE_H
#define POLICY_HELO_PRIVATE_H

#include "policy/helo.h"

/* Blank, TAB or CR: what stands at the edge of an argument by mistake. */
bool helo_is_edge(char c);
struct slice helo_trim(struct slice s);

/* A dotted quad as RFC 5321 4.1.3 has it (Snum: one to three digits, leading
 * zeros allowed). */
bool helo_parse_snum4(struct slice text, struct addr *out, bool *leading_zero);
/* An IPv6 address as inet_pton reads it, without zone. */
bool helo_parse_ipv6(struct slice text, struct addr *out);
/* Of an address that helo_parse_ipv6 reads: also by RFC 5321's grammar, where
 * "::" stands for two groups or more. */
bool helo_ipv6_is_strict(struct slice text);
/* The text before a zone ("%eth0"), or all of it. */
struct slice helo_without_zone(struct slice text);
bool helo_has_zone(struct slice text);

/* Who would refuse an argument, of which all else is known. */
uint32_t helo_refused_by(struct slice argument, const struct helo *helo);

/* Advisory flaws of a domain name, of an address. */
uint64_t helo_advise_name(struct slice name, const struct addr *client);
uint64_t helo_advise_address(const struct addr *address);
/* Whether the address is spelled out inside the name. */
bool helo_name_holds_address(struct slice name, const struct addr *addr);

#endif
