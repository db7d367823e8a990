/*
 * The rules of the table, one after another: in words and as libnftnl's
 * objects, from one description.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NET_NFT_RULES_H
#define NET_NFT_RULES_H

#include "net/nft.h"

struct nftnl_rule;

/* A base chain of ours. */
struct nft_chain {
	const char *name, *type, *hook;
	unsigned hook_number;
	int priority;
};

enum nft_chain_id {
	NFT_CHAIN_PREROUTING,
	NFT_CHAIN_FORWARD,
	NFT_CHAIN_REDIRECT_IN,
	NFT_CHAIN_REDIRECT_OUT,
	NFT_CHAINS
};

extern const struct nft_chain nft_chains[NFT_CHAINS];

/* The sets of banned clients, IPv4 and IPv6: their elements are whoever is
 * banned now, and no part of the description. */
struct nft_set {
	const char *name, *type;
	uint32_t type_number; /* as nft knows it */
	uint32_t key_len;
	uint32_t id; /* within a transaction */
};

enum {
	NFT_SETS = 2,
	NFT_SET_SIZE = 65536
};

extern const struct nft_set nft_sets[NFT_SETS];
/* Whether the ruleset has them: where connections come in from outside. */
bool nft_has_sets(const struct nft_ruleset *ruleset);

/* Called for each rule in order.  The rule is the callee's to free; `text` is
 * valid during the call. */
typedef void nft_rule_fn(enum nft_chain_id chain, struct nftnl_rule *rule,
    struct slice text, void *arg);

/* All rules of the ruleset. */
void nft_rules(const struct nft_ruleset *ruleset, nft_rule_fn *emit, void *arg);
/* Whether a chain has any rule. */
bool nft_has_chain(const struct nft_ruleset *ruleset, enum nft_chain_id chain);

#endif
