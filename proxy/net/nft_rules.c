/*
 * Building the rules.  See nft_rules.h.
 *
 * Each match is written twice, side by side: as nft's words and as the
 * kernel's expression.  Lists become one rule a member, so that no set has to
 * be compared.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/nft_rules.h"

#include "base/log.h"

#include <stdio.h>

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>

enum {
	TEXT_MAX = 1024,
	TCP_SYN_ONLY = 0x02,
	TCP_FLAG_BITS = 0x17
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

/* A rule that is being built. */
struct build {
	struct nftnl_rule *rule;
	struct buf text;
	bool v6;
};

/* --- expressions ------------------------------------------------------------------ */

static struct nftnl_expr *
add(struct build *build, const char *name)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	if (expr == NULL)
		log_fatal("no memory for a rule");
	nftnl_rule_add_expr(build->rule, expr);
	return expr;
}

static void
add_compare(struct build *build, uint32_t how, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = add(build, "cmp");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, how);
	nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, len);
}

static void
add_meta(struct build *build, uint32_t key)
{
	struct nftnl_expr *expr = add(build, "meta");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void
add_payload(struct build *build, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *expr = add(build, "payload");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

/* register 1 = (register 1 & mask) ^ xor */
static void
add_bitwise(
    struct build *build, const void *mask, const void * xor, uint32_t len)
{
	struct nftnl_expr *expr = add(build, "bitwise");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, len);
	nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, xor, len);
}

static void
add_immediate(struct build *build, uint32_t reg, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = add(build, "immediate");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, reg);
	nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, data, len);
}

/* --- matches --------------------------------------------------------------------------- */

static void
match_family(struct build *build)
{
	uint8_t family = build->v6 ? NFPROTO_IPV6 : NFPROTO_IPV4;

	buf_printf(
	    &build->text, "meta nfproto %s ", build->v6 ? "ipv6" : "ipv4");
	add_meta(build, NFT_META_NFPROTO);
	add_compare(build, NFT_CMP_EQ, &family, 1);
}

static void
match_protocol(struct build *build, uint8_t protocol, const char *name)
{
	buf_printf(&build->text, "meta l4proto %s ", name);
	add_meta(build, NFT_META_L4PROTO);
	add_compare(build, NFT_CMP_EQ, &protocol, 1);
}

static void
match_interface(struct build *build, const char *name, bool outgoing)
{
	char padded[16] = {0}; /* as the kernel compares it: IFNAMSIZ */

	if (name == NULL)
		return;
	snprintf(padded, sizeof(padded), "%s", name);
	buf_printf(
	    &build->text, "%s \"%s\" ", outgoing ? "oifname" : "iifname", name);
	add_meta(build, outgoing ? NFT_META_OIFNAME : NFT_META_IIFNAME);
	add_compare(build, NFT_CMP_EQ, padded, sizeof(padded));
}

static void
match_address(struct build *build, const struct prefix *prefix, bool source)
{
	char text[ADDR_TEXT];
	uint8_t mask[16] = {0}, none[16] = {0};
	uint32_t len = build->v6 ? 16 : 4;
	uint32_t offset = build->v6 ? (source ? 8 : 24) : (source ? 12 : 16);

	if (prefix == NULL || prefix->bits == 0)
		return;
	buf_printf(&build->text, "%s %s %s", build->v6 ? "ip6" : "ip",
	    source ? "saddr" : "daddr", addr_format(&prefix->addr, text));
	if (prefix->bits < len * 8)
		buf_printf(&build->text, "/%u", (unsigned)prefix->bits);
	buf_append_str(&build->text, " ");
	add_payload(build, NFT_PAYLOAD_NETWORK_HEADER, offset, len);
	for (unsigned bit = 0; bit < prefix->bits; bit++)
		mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	if (prefix->bits < len * 8)
		add_bitwise(build, mask, none, len);
	add_compare(build, NFT_CMP_EQ, prefix->addr.bytes, len);
}

static void
match_port(struct build *build, uint16_t port)
{
	uint16_t wire = htons(port);

	buf_printf(&build->text, "tcp dport %u ", (unsigned)port);
	add_payload(build, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(wire));
	add_compare(build, NFT_CMP_EQ, &wire, sizeof(wire));
}

/* A connection's first packet: sessions that are open already pass by. */
static void
match_syn(struct build *build)
{
	uint8_t mask = TCP_FLAG_BITS, none = 0, syn = TCP_SYN_ONLY;

	buf_append_str(
	    &build->text, "tcp flags & (fin | syn | rst | ack) == syn ");
	add_payload(build, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
	add_bitwise(build, &mask, &none, 1);
	add_compare(build, NFT_CMP_EQ, &syn, 1);
}

/* A client in the set: of IPv6 its /64. */
static void
match_banned(struct build *build)
{
	static const uint8_t mask[16] = {
	    255, 255, 255, 255, 255, 255, 255, 255};
	static const uint8_t none[16];
	const struct nft_set *set = &nft_sets[build->v6];
	struct nftnl_expr *expr;

	buf_printf(&build->text, "%s @%s ",
	    build->v6 ? "ip6 saddr & ffff:ffff:ffff:ffff::" : "ip saddr",
	    set->name);
	add_payload(build, NFT_PAYLOAD_NETWORK_HEADER, build->v6 ? 8 : 12,
	    set->key_len);
	if (build->v6)
		add_bitwise(build, mask, none, set->key_len);
	expr = add(build, "lookup");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set->name);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SET_ID, set->id);
	/* As the kernel tells it. */
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, 0);
}

/* What is meant for this host itself is not ours to take. */
static void
match_not_local(struct build *build)
{
	uint32_t local = RTN_LOCAL;
	struct nftnl_expr *expr;

	buf_append_str(&build->text, "fib daddr type != local ");
	expr = add(build, "fib");
	nftnl_expr_set_u32(
	    expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
	add_compare(build, NFT_CMP_NEQ, &local, sizeof(local));
}

static void
match_socket(
    struct build *build, const char *words, uint32_t key, uint8_t value)
{
	struct nftnl_expr *expr = add(build, "socket");

	buf_printf(&build->text, "%s ", words);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_DREG, NFT_REG_1);
	add_compare(build, NFT_CMP_EQ, &value, 1);
}

static void
match_not_user(struct build *build, uid_t uid)
{
	uint32_t value = uid;

	buf_printf(&build->text, "meta skuid != %u ", (unsigned)uid);
	add_meta(build, NFT_META_SKUID);
	add_compare(build, NFT_CMP_NEQ, &value, sizeof(value));
}

/* --- what a rule does --------------------------------------------------------------------- */

static void
do_mark(struct build *build)
{
	uint32_t mask = ~(uint32_t)NFT_MARK, value = NFT_MARK;
	struct nftnl_expr *expr;

	buf_printf(&build->text, "meta mark set meta mark | 0x%08x ",
	    (unsigned)NFT_MARK);
	add_meta(build, NFT_META_MARK);
	add_bitwise(build, &mask, &value, sizeof(mask));
	expr = add(build, "meta");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_SREG, NFT_REG_1);
}

static void
do_count(struct build *build)
{
	buf_append_str(&build->text, "counter ");
	add(build, "counter");
}

static void
do_accept(struct build *build)
{
	struct nftnl_expr *expr = add(build, "immediate");

	buf_append_str(&build->text, "accept ");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
}

static void
do_tproxy(struct build *build, const struct endpoint *target)
{
	uint16_t port = htons(target->port);
	bool any = addr_is_any(&target->addr);
	char text[ADDR_TEXT];
	struct nftnl_expr *expr;

	buf_printf(&build->text,
	    build->v6 && !any ? "tproxy %s to [%s]:%u " : "tproxy %s to %s:%u ",
	    build->v6 ? "ip6" : "ip",
	    any ? "" : addr_format(&target->addr, text),
	    (unsigned)target->port);
	if (!any)
		add_immediate(
		    build, NFT_REG_1, target->addr.bytes, build->v6 ? 16 : 4);
	add_immediate(build, NFT_REG_2, &port, sizeof(port));
	expr = add(build, "tproxy");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_TPROXY_FAMILY,
	    build->v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
	if (!any)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_TPROXY_REG_ADDR, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_2);
}

static void
do_reset(struct build *build)
{
	struct nftnl_expr *expr = add(build, "reject");

	buf_append_str(&build->text, "reject with tcp reset ");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, 0);
}

static void
do_redirect(struct build *build, uint16_t port)
{
	uint16_t wire = htons(port);
	struct nftnl_expr *expr;

	buf_printf(&build->text, "redirect to :%u ", (unsigned)port);
	add_immediate(build, NFT_REG_1, &wire, sizeof(wire));
	expr = add(build, "redir");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1);
	nftnl_expr_set_u32(
	    expr, NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
}

static void
set_comment(struct build *build, const char *comment)
{
	struct nftnl_udata_buf *data =
	    nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

	if (data == NULL)
		log_fatal("no memory for a rule");
	buf_printf(&build->text, "comment \"%s\"", comment);
	nftnl_udata_put_strz(data, NFTNL_UDATA_RULE_COMMENT, comment);
	nftnl_rule_set_data(build->rule, NFTNL_RULE_USERDATA,
	    nftnl_udata_buf_data(data), nftnl_udata_buf_len(data));
	nftnl_udata_buf_free(data);
}

/* --- rules ------------------------------------------------------------------------------------ */

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
		match_protocol(&build, protocols[i].number, protocols[i].name);
		match_socket(
		    &build, "socket wildcard 0", NFT_SOCKET_WILDCARD, 0);
		match_socket(
		    &build, "socket transparent 1", NFT_SOCKET_TRANSPARENT, 1);
		do_mark(&build);
		do_count(&build);
		do_accept(&build);
		set_comment(&build, "ehlogate: packets of relayed sessions");
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
	match_family(build);
	match_protocol(build, IPPROTO_TCP, "tcp");
	match_interface(build, selection->interface, outgoing);
	match_address(build, selection->from, true);
	match_address(build, selection->to, false);
	match_port(build, selection->port);
}

static void
comment_for(
    struct build *build, const char *what, const struct selection *selection)
{
	char comment[128];

	snprintf(comment, sizeof(comment), "ehlogate: %s %.60s", what,
	    selection->listener->name);
	set_comment(build, comment);
}

/* New connections alone: what is open goes on, or was ended by the rule that
 * said `ban`. */
static void
ban_rule(const struct target *target, const struct selection *selection)
{
	struct build build;

	begin(&build, NFT_CHAIN_PREROUTING, selection->v6);
	match_selection(&build, selection, false);
	match_syn(&build);
	match_banned(&build);
	do_count(&build);
	do_reset(&build);
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
		match_syn(&build);
	match_not_local(&build);
	do_tproxy(
	    &build, selection->v6 ? &listener->target6 : &listener->target4);
	do_mark(&build);
	do_count(&build);
	do_accept(&build);
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
	match_socket(&build, "socket transparent 1", NFT_SOCKET_TRANSPARENT, 1);
	do_mark(&build);
	do_count(&build);
	do_accept(&build);
	comment_for(&build, "handshakes of listener", selection);
	end(&build, NFT_CHAIN_PREROUTING, target);
}

static void
guard_rule(const struct target *target, const struct selection *selection)
{
	struct build build;

	begin(&build, NFT_CHAIN_FORWARD, selection->v6);
	match_selection(&build, selection, false);
	do_count(&build);
	do_reset(&build);
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
		match_not_user(&build, target->ruleset->gate_uid);
	match_not_local(&build);
	do_count(&build);
	do_redirect(&build,
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
