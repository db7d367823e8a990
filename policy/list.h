/*
 * Lists of addresses and of domains: what a lookup costs does not grow with
 * their length.
 *
 * Addresses are kept as sorted, merged ranges; domains in a hash table that
 * is asked for the name and each parent of it.  The table's content is the
 * operator's, so no client can choose what collides.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_LIST_H
#define POLICY_LIST_H

#include "base/addr.h"

struct address_list;
struct domain_list;

struct address_list *address_list_new(void);
void address_list_free(struct address_list **list);
void address_list_add(struct address_list *list, const struct prefix *prefix);
/* After the last add, before the first lookup. */
void address_list_seal(struct address_list *list);
bool address_list_has(
    const struct address_list *list, const struct addr *address);

/* The list as ranges that are apart, in order, IPv4 first: how many, and the
 * i-th, both ends in it. */
size_t address_list_ranges(const struct address_list *list);
void address_list_range(const struct address_list *list, size_t i,
    struct addr *low, struct addr *high);

struct domain_list *domain_list_new(void);
void domain_list_free(struct domain_list **list);
/* A name, in any case, with or without a trailing dot; it stands for itself
 * and all below it.  False: it is no domain name. */
bool domain_list_add(struct domain_list *list, struct slice name);
/* Whether the name or a parent of it is listed. */
bool domain_list_has(const struct domain_list *list, struct slice name);

#endif
