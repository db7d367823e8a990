/*
 * One rule that is being built: each match and action is written twice, as
 * nft's words and as the kernel's expression.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NET_NFT_BUILD_H
#define NET_NFT_BUILD_H

#include "base/buf.h"
#include "net/nft_rules.h"

/* `rule` is the builder's until it is emitted; `text` grows with it. */
struct build {
	struct nftnl_rule *rule;
	struct buf text;
	bool v6;
};

/* Matches: a packet that is not so is not the rule's. */
void build_match_family(struct build *build);
void build_match_protocol(
    struct build *build, uint8_t protocol, const char *name);
/* NULL: any. */
void build_match_interface(
    struct build *build, const char *name, bool outgoing);
/* `source`, else the destination; NULL: any. */
void build_match_address(
    struct build *build, const struct prefix *prefix, bool source);
void build_match_port(struct build *build, uint16_t port);
/* The first packet of a connection. */
void build_match_syn(struct build *build);
/* A client in the set of its family: of IPv6 its /64. */
void build_match_banned(struct build *build);
/* What is meant for this host itself is not ours to take. */
void build_match_not_local(struct build *build);
/* `key` is one of NFT_SOCKET_*; `words` are nft's for it. */
void build_match_socket(
    struct build *build, const char *words, uint32_t key, uint8_t value);
/* Packets of this host that another user sent. */
void build_match_not_user(struct build *build, uid_t uid);
/* Actions.  The mark is the one of the policy route. */
void build_mark(struct build *build);
void build_count(struct build *build);
void build_accept(struct build *build);
void build_tproxy(struct build *build, const struct endpoint *target);
/* RST to the sender. */
void build_reset(struct build *build);
void build_redirect(struct build *build, uint16_t port);
/* At the end; nft shows it. */
void build_comment(struct build *build, const char *comment);

#endif
