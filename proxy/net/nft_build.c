/*
 * Matches and actions of a rule.  See nft_build.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/nft_build.h"

#include "base/log.h"

#include <netinet/in.h>
#include <stdio.h>

/* The kernel's headers yield to libc's only when they come second. */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

enum {
	TCP_SYN_ONLY = 0x02,
	TCP_FLAG_BITS = 0x17
};

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

void
build_match_family(struct build *build)
{
	uint8_t family = build->v6 ? NFPROTO_IPV6 : NFPROTO_IPV4;

	buf_printf(
	    &build->text, "meta nfproto %s ", build->v6 ? "ipv6" : "ipv4");
	add_meta(build, NFT_META_NFPROTO);
	add_compare(build, NFT_CMP_EQ, &family, 1);
}

void
build_match_protocol(struct build *build, uint8_t protocol, const char *name)
{
	buf_printf(&build->text, "meta l4proto %s ", name);
	add_meta(build, NFT_META_L4PROTO);
	add_compare(build, NFT_CMP_EQ, &protocol, 1);
}

void
build_match_interface(struct build *build, const char *name, bool outgoing)
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

void
build_match_address(
    struct build *build, const struct prefix *prefix, bool source)
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

void
build_match_port(struct build *build, uint16_t port)
{
	uint16_t wire = htons(port);

	buf_printf(&build->text, "tcp dport %u ", (unsigned)port);
	add_payload(build, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(wire));
	add_compare(build, NFT_CMP_EQ, &wire, sizeof(wire));
}

/* A connection's first packet: sessions that are open already pass by. */
void
build_match_syn(struct build *build)
{
	uint8_t mask = TCP_FLAG_BITS, none = 0, syn = TCP_SYN_ONLY;

	buf_append_str(
	    &build->text, "tcp flags & (fin | syn | rst | ack) == syn ");
	add_payload(build, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
	add_bitwise(build, &mask, &none, 1);
	add_compare(build, NFT_CMP_EQ, &syn, 1);
}

/* A client in the set: of IPv6 its /64. */
void
build_match_banned(struct build *build)
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
void
build_match_not_local(struct build *build)
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

void
build_match_socket(
    struct build *build, const char *words, uint32_t key, uint8_t value)
{
	struct nftnl_expr *expr = add(build, "socket");

	buf_printf(&build->text, "%s ", words);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_DREG, NFT_REG_1);
	add_compare(build, NFT_CMP_EQ, &value, 1);
}

void
build_match_not_user(struct build *build, uid_t uid)
{
	uint32_t value = uid;

	buf_printf(&build->text, "meta skuid != %u ", (unsigned)uid);
	add_meta(build, NFT_META_SKUID);
	add_compare(build, NFT_CMP_NEQ, &value, sizeof(value));
}

/* --- what a rule does --------------------------------------------------------------------- */

void
build_mark(struct build *build)
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

void
build_count(struct build *build)
{
	buf_append_str(&build->text, "counter ");
	add(build, "counter");
}

void
build_accept(struct build *build)
{
	struct nftnl_expr *expr = add(build, "immediate");

	buf_append_str(&build->text, "accept ");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
}

void
build_tproxy(struct build *build, const struct endpoint *target)
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

void
build_reset(struct build *build)
{
	struct nftnl_expr *expr = add(build, "reject");

	buf_append_str(&build->text, "reject with tcp reset ");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, 0);
}

void
build_redirect(struct build *build, uint16_t port)
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

void
build_comment(struct build *build, const char *comment)
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
