/*
 * Lists of addresses and of domains: compact, and what a look-up costs hardly
 * grows with their length.  A million entries of each are what they are made
 * for (tests/bench/list_bench.c).
 *
 * Addresses are kept as sorted, merged ranges (8 bytes of IPv4, 32 of IPv6)
 * with a small table over them; domains in a hash table that is asked for the
 * name and each parent of it (a name's text, one byte, and 7 to 13 more).
 * The tables' content is the operator's, so no client can choose what
 * collides.
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
/* IPv4-mapped IPv6 is IPv4, here and in what is asked; ::/0 is all of IPv6
 * and nothing of IPv4.  Twice the same is no error. */
void address_list_add(struct address_list *list, const struct prefix *prefix);
/* After the last add, before the first question of any kind. */
void address_list_seal(struct address_list *list);
/* False also for the address of family 0, which is none. */
bool address_list_has(
    const struct address_list *list, const struct addr *address);
/* Whether every address of the prefix is listed, by one entry or by several
 * together. */
bool address_list_covers(
    const struct address_list *list, const struct prefix *prefix);
/* Whether every address of `inner` is in `outer`; an empty list is in any. */
bool address_list_covers_list(
    const struct address_list *outer, const struct address_list *inner);
/* How many ranges there are: entries that overlap or touch are one.  0: no
 * address is listed. */
size_t address_list_count(const struct address_list *list);
/* The lowest listed address, IPv4 before IPv6; false: there is none. */
bool address_list_first(const struct address_list *list, struct addr *out);

/* The i-th range, in order, IPv4 first; both ends are in it. */
void address_list_range(const struct address_list *list, size_t i,
    struct addr *low, struct addr *high);

struct domain_list *domain_list_new(void);
void domain_list_free(struct domain_list **list);
/*
 * A name, in any case, with or without a trailing dot; it stands for itself
 * and all below it.  Labels of letters, digits, hyphens and underscores, up to
 * 63 octets each, 255 in all: an international name is listed by its A-labels
 * (xn--), and there are no wildcards.  False: it is no such name, or there is
 * no room (see domain_list_is_full), and the list is as before.  Twice the
 * same is no error.
 */
bool domain_list_add(struct domain_list *list, struct slice name);
/* Whether the last add failed because the names are longer together than can
 * be addressed (4 GiB, or what domain_list_limit said). */
bool domain_list_is_full(const struct domain_list *list);
/* At most so many octets of names, each with one more. */
void domain_list_limit(struct domain_list *list, uint32_t octets);
/* Whether the name or a parent of it is listed. */
bool domain_list_has(const struct domain_list *list, struct slice name);
/* Whether `outer` has every name of `inner`; an empty list is in any. */
bool domain_list_covers_list(
    const struct domain_list *outer, const struct domain_list *inner);
/* How many different names were added. */
size_t domain_list_count(const struct domain_list *list);
/* The names, in the order of adding, lower case: `at` is 0 for the first and is
 * moved on.  False: there are no more.  Each is the list's, until the next add. */
bool domain_list_next(
    const struct domain_list *list, size_t *at, struct slice *out);
/* The name that was added first, lower case, into out with its NUL (256 are
 * always enough); false: there is none, or no room for it. */
bool domain_list_first(const struct domain_list *list, char *out, size_t size);

#endif
