/*
 * Between the files of lookup: lookup.c remembers values, lookup_facts.c
 * computes them, lookup_lists.c those that are lists of addresses.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_LOOKUP_PRIVATE_H
#define POLICY_LOOKUP_PRIVATE_H

#include "policy/lookup.h"

enum {
	/* Hosts of one MX or NS whose addresses are looked up. */
	LOOKUP_HOSTS_MAX = 10,
	/* Names from the one said up to its registrable domain that are asked
	 * for NS; the nearest. */
	LOOKUP_CLIMB_MAX = 8,
	/* Two families of each host. */
	LOOKUP_ADDRS_MAX = 2 * LOOKUP_HOSTS_MAX * DNS_RECORDS_MAX
};

/* What is asked about. */
struct lookup_about {
	struct dns_book *book;
	struct addr client;
	struct slice said;   /* the argument as it came */
	struct slice name;   /* the same without the root's dot */
	struct addr literal; /* the address that was said; family 0: a name */
};

/* A value while it is computed: the lists have room. */
struct lookup_draft {
	struct lookup_value value;
	struct slice names[DNS_RECORDS_MAX];
	struct addr addrs[LOOKUP_ADDRS_MAX];
};

/* Each sets draft->value; LOOKUP_PENDING when questions were noted. */
void lookup_compute(const struct lookup_about *about, enum lookup_fact fact,
    struct lookup_draft *draft);
void lookup_compute_zone(const struct lookup_about *about,
    enum lookup_zone kind, struct slice zone, struct lookup_draft *draft);

void lookup_helo_address(
    const struct lookup_about *about, struct lookup_draft *draft);
void lookup_helo_mx_address(
    const struct lookup_about *about, struct lookup_draft *draft);
void lookup_helo_ns_address(
    const struct lookup_about *about, struct lookup_draft *draft);

/* The word of LOOKUP_TEMPERROR: the last one of the fact's. */
unsigned lookup_last_word(enum lookup_fact fact);

#endif
