/*
 * Building the rules.  See nft_rules.h.
 *
 * Lists become one rule a member, so that no set has to be compared.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/nft_rules.h"

#include "base/log.h"
#include "net/nft_build.h"

#include <netinet/in.h>
#include <stdio.h>

/* The kernel's headers yield to libc's only when they come second. */
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

enum {
	TEXT_MAX = 1024
};

const struct nft_chain nft_chains[NFT_CHAINS] = {
    {"prerouting", "filter", "prerouting", NF_INET_PRE_ROUTING, -150},
    {"forward", "filter", "forward", NF_INET_FORWARD, 0},
    {"redirect_in", "nat", "prerouting", NF_INET_PRE_ROUTING, -100},
    {"redirect_out", "nat", "output", NF_INET_LOCAL_OUT, -100},
};

const struct nft_set nft_sets[NFT_SETS] = {
    {"banned4", "ipv4_addr", 7, 4, 1},
    {"banned6", "ipv6_addr", 8, 16, 2},
};

/* Where rules go. */
struct target {
	nft_rule_fn *emit;
	void *arg;
	const struct nft_ruleset *ruleset;
};

static void
begin(struct build *build, enum nft_chain_id chain, bool v6)
{
	build->rule = nftnl_rule_alloc();
	if (build->rule == NULL)
		log_fatal("no memory for a rule");
	build->v6 = v6;
	buf_init(&build->text, TEXT_MAX);
	nftnl_rule_set_str(build->rule, NFTNL_RULE_TABLE, NFT_TABLE);
	nftnl_rule_set_str(
	    build->rule, NFTNL_RULE_CHAIN, nft_chains[chain].name);
	nftnl_rule_set_u32(build->rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
}

static void
end(struct build *build, enum nft_chain_id chain, const struct target *target)
{
	target->emit(chain, build->rule, buf_slice(&build->text), target->arg);
	buf_fini(&build->text);
}

/* Replies to connections that the gate made with a client's address come to
 * this host only by this. */
static void
divert_rules(const struct target *target)
{
	static const struct {
		uint8_t number;
		const char *name;
	} protocols[] = {{IPPROTO_TCP, "tcp"}, {IPPROTO_ICMP, "icmp"},
	    {IPPROTO_ICMPV6, "ipv6-icmp"}};
	struct build build;

	for (unsigned i = 0; i < 3; i++) {
		begin(&build, NFT_CHAIN_PREROUTING, false);
		build_match_protocol(
		    &build, protocols[i].number, protocols[i].name);
		build_match_socket(
		    &build, "socket wildcard 0", NFT_SOCKET_WILDCARD, 0);
		build_match_socket(
		    &build, "socket transparent 1", NFT_SOCKET_TRANSPARENT, 1);
		build_mark(&build);
		build_count(&build);
		build_accept(&build);
		build_comment(&build, "ehlogate: packets of relayed sessions");
		end(&build, NFT_CHAIN_PREROUTING, target);
	}
}

/* One selection of a listener: its lists' members, NULL for any. */
struct selection {
	const struct nft_listener *listener;
	const char *interface;
	const struct prefix *from, *to;
	uint16_t port;
	bool v6;
};

static void
match_selection(
    struct build *build, const struct selection *selection, bool outgoing)
{
	build_match_family(build);
	build_match_protocol(build, IPPROTO_TCP, "tcp");
	build_match_interface(build, selection->interface, outgoing);
	build_match_address(build, selection->from, true);
	build_match_address(build, selection->to, false);
	build_match_port(build, selection->port);
}

static void
comment_for(
    struct build *build, const char *what, const struct selection *selection)
{
	char comment[128];

	snprintf(comment, sizeof(comment), "ehlogate: %s %.60s", what,
	    selection->listener->name);
	build_comment(build, comment);
}

/* New connections alone: what is open goes on, or was ended by the rule that
 * said `ban`. */
static void
ban_rule(const struct target *target, const struct selection *selection)
{
	struct build build;

	begin(&build, NFT_CHAIN_PREROUTING, selection->v6);
	match_selection(&build, selection, false);
	build_match_syn(&build);
	build_match_banned(&build);
	build_count(&build);
	build_reset(&build);
	comment_for(&build, "banned clients of listener", selection);
	end(&build, NFT_CHAIN_PREROUTING, target);
}

static void
tproxy_rule(const struct target *target, const struct selection *selection)
{
	const struct nft_listener *listener = selection->listener;
	struct build build;

	begin(&build, NFT_CHAIN_PREROUTING, selection->v6);
	match_selection(&build, selection, false);
	if (!target->ruleset->closed)
		build_match_syn(&build);
	build_match_not_local(&build);
	build_tproxy(
	    &build, selection->v6 ? &listener->target6 : &listener->target4);
	build_mark(&build);
	build_count(&build);
	build_accept(&build);
	comment_for(&build, "to listener", selection);
	end(&build, NFT_CHAIN_PREROUTING, target);
}

/* The packet that ends a handshake belongs to no whole socket yet, and the
 * divert rule passes it by; the tproxy rule, which takes it under `closed`,
 * sees only first packets under `open`. */
static void
handshake_rule(const struct target *target, const struct selection *selection)
{
	struct build build;

	begin(&build, NFT_CHAIN_PREROUTING, selection->v6);
	match_selection(&build, selection, false);
	build_match_socket(
	    &build, "socket transparent 1", NFT_SOCKET_TRANSPARENT, 1);
	build_mark(&build);
	build_count(&build);
	build_accept(&build);
	comment_for(&build, "handshakes of listener", selection);
	end(&build, NFT_CHAIN_PREROUTING, target);
}

static void
guard_rule(const struct target *target, const struct selection *selection)
{
	struct build build;

	begin(&build, NFT_CHAIN_FORWARD, selection->v6);
	match_selection(&build, selection, false);
	build_count(&build);
	build_reset(&build);
	comment_for(&build, "guard of listener", selection);
	end(&build, NFT_CHAIN_FORWARD, target);
}

static void
redirect_rule(const struct target *target, const struct selection *selection)
{
	const struct nft_listener *listener = selection->listener;
	enum nft_chain_id chain = listener->from_host ? NFT_CHAIN_REDIRECT_OUT
						      : NFT_CHAIN_REDIRECT_IN;
	struct build build;

	begin(&build, chain, selection->v6);
	match_selection(&build, selection, listener->from_host);
	if (listener->from_host)
		build_match_not_user(&build, target->ruleset->gate_uid);
	build_match_not_local(&build);
	build_count(&build);
	build_redirect(&build,
	    selection->v6 ? listener->target6.port : listener->target4.port);
	comment_for(&build, "to listener", selection);
	end(&build, chain, target);
}

typedef void selection_fn(
    const struct target *target, const struct selection *selection);

static bool
fits(const struct prefix *prefix, bool v6)
{
	return prefix == NULL || (prefix->addr.family == 6) == v6;
}

/* Every combination of the lists' members, one family after the other. */
static void
each_selection(const struct target *target, const struct nft_listener *listener,
    bool v6, selection_fn *make)
{
	unsigned interfaces =
	    listener->interface_count == 0 ? 1 : listener->interface_count;
	unsigned from = listener->from_count == 0 ? 1 : listener->from_count;
	unsigned to = listener->to_count == 0 ? 1 : listener->to_count;
	unsigned total = interfaces * from * to * listener->port_count;

	for (unsigned i = 0; i < total; i++) {
		unsigned rest = i;
		struct selection selection = {.listener = listener, .v6 = v6};
		selection.port = listener->ports[rest % listener->port_count];
		rest /= listener->port_count;
		if (listener->to_count > 0)
			selection.to = &listener->to[rest % to];
		rest /= to;
		if (listener->from_count > 0)
			selection.from = &listener->from[rest % from];
		rest /= from;
		if (listener->interface_count > 0)
			selection.interface = listener->interfaces[rest];
		if (fits(selection.from, v6) && fits(selection.to, v6))
			make(target, &selection);
	}
}

static void
listener_rules(const struct target *target, const struct nft_listener *listener,
    selection_fn *make)
{
	if (listener->target4.port != 0)
		each_selection(target, listener, false, make);
	if (listener->target6.port != 0)
		each_selection(target, listener, true, make);
}

bool
nft_has_chain(const struct nft_ruleset *ruleset, enum nft_chain_id chain)
{
	for (unsigned i = 0; i < ruleset->count; i++) {
		const struct nft_listener *listener = &ruleset->listeners[i];
		bool tproxy = listener->mode == NFT_TPROXY;
		if ((chain == NFT_CHAIN_PREROUTING && !listener->from_host) ||
		    (chain == NFT_CHAIN_FORWARD && tproxy && ruleset->closed) ||
		    (chain == NFT_CHAIN_REDIRECT_IN && !tproxy &&
			!listener->from_host) ||
		    (chain == NFT_CHAIN_REDIRECT_OUT && !tproxy &&
			listener->from_host))
			return true;
	}
	return false;
}

bool
nft_has_sets(const struct nft_ruleset *ruleset)
{
	return nft_has_chain(ruleset, NFT_CHAIN_PREROUTING);
}

static bool
has_tproxy(const struct nft_ruleset *ruleset)
{
	for (unsigned i = 0; i < ruleset->count; i++)
		if (ruleset->listeners[i].mode == NFT_TPROXY)
			return true;
	return false;
}

void
nft_rules(const struct nft_ruleset *ruleset, nft_rule_fn *emit, void *arg)
{
	struct target target = {emit, arg, ruleset};

	for (unsigned i = 0; i < ruleset->count; i++)
		if (!ruleset->listeners[i].from_host)
			listener_rules(
			    &target, &ruleset->listeners[i], ban_rule);
	if (has_tproxy(ruleset))
		divert_rules(&target);
	for (unsigned i = 0; i < ruleset->count; i++) {
		const struct nft_listener *listener = &ruleset->listeners[i];
		if (listener->mode == NFT_REDIRECT) {
			listener_rules(&target, listener, redirect_rule);
			continue;
		}
		listener_rules(&target, listener, tproxy_rule);
		if (ruleset->closed)
			listener_rules(&target, listener, guard_rule);
		else
			listener_rules(&target, listener, handshake_rule);
	}
}
