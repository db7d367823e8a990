/*
 * The kernel's table beside the one that the configuration asks for.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "net/nft_private.h"
#include "net/nft_rules.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>

enum {
	RULES_MAX = 4096,
	RULE_TEXT = 2048
};

/* Rules as libnftnl words them, without what changes by itself. */
struct listing {
	char *lines[RULES_MAX];
	unsigned count;
};

static bool
is_counter_field(const char *at)
{
	return strncmp(at, "pkts ", 5) == 0 || strncmp(at, "bytes ", 6) == 0;
}

/* Counters run. */
static void
mask_counters(char *text)
{
	char *to = text;

	for (char *at = text; *at != '\0';) {
		if (!is_counter_field(at)) {
			*to++ = *at++;
			continue;
		}
		while (*at != '\0' && *at != ' ')
			*to++ = *at++;
		while (*at == ' ' || ascii_is_digit(*at))
			at++;
		*to++ = ' ';
	}
	*to = '\0';
}

static void
list_rule(struct listing *listing, const struct nftnl_rule *rule)
{
	char text[RULE_TEXT], line[RULE_TEXT + 64];
	struct nftnl_expr_iter *iter = nftnl_expr_iter_create(rule);
	size_t len = 0;

	if (iter == NULL || listing->count == RULES_MAX)
		return;
	for (struct nftnl_expr *expr = nftnl_expr_iter_next(iter);
	     expr != NULL && len + 256 < sizeof(text);
	     expr = nftnl_expr_iter_next(iter)) {
		int got = nftnl_expr_snprintf(text + len, sizeof(text) - len,
		    expr, NFTNL_OUTPUT_DEFAULT, 0);
		len += (size_t)snprintf(text + len + got,
			   sizeof(text) - len - (size_t)got, " [%s] ",
			   nftnl_expr_get_str(expr, NFTNL_EXPR_NAME)) +
		       (size_t)got;
	}
	text[len] = '\0';
	nftnl_expr_iter_destroy(iter);
	mask_counters(text);
	snprintf(line, sizeof(line), "%s: %s",
	    nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN), text);
	listing->lines[listing->count++] = slice_dup(slice_str(line));
}

static void
list_ours(enum nft_chain_id chain, struct nftnl_rule *rule, struct slice text,
    void *arg)
{
	(void)chain;
	(void)text;
	list_rule(arg, rule);
	nftnl_rule_free(rule);
}

static int
list_theirs(const struct nlmsghdr *header, void *data)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	if (rule == NULL)
		return MNL_CB_ERROR;
	if (nftnl_rule_nlmsg_parse(header, rule) == 0 &&
	    slice_eq(slice_str(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE)),
		SLICE(NFT_TABLE)))
		list_rule(data, rule);
	nftnl_rule_free(rule);
	return MNL_CB_OK;
}

static void
free_listing(struct listing *listing)
{
	while (listing->count > 0)
		free(listing->lines[--listing->count]);
	free(listing);
}

/* The same rules chain by chain; the order of chains is no difference. */
static int
by_chain(const void *a, const void *b)
{
	const char *first = *(char *const *)a, *second = *(char *const *)b;

	return strncmp(first, second, strcspn(first, ":"));
}

static bool
is_listed(const struct listing *listing, const char *line)
{
	for (unsigned i = 0; i < listing->count; i++)
		if (slice_eq(slice_str(listing->lines[i]), slice_str(line)))
			return true;
	return false;
}

static bool
compare(
    const struct listing *ours, const struct listing *theirs, struct buf *out)
{
	bool same = ours->count == theirs->count;

	for (unsigned i = 0; i < ours->count; i++) {
		if (is_listed(theirs, ours->lines[i]))
			continue;
		same = false;
		buf_printf(out, "missing: %.900s\n", ours->lines[i]);
	}
	for (unsigned i = 0; i < theirs->count; i++) {
		if (is_listed(ours, theirs->lines[i]))
			continue;
		same = false;
		buf_printf(out, "foreign: %.900s\n", theirs->lines[i]);
	}
	if (!same && buf_len(out) == 0)
		buf_append_str(out, "a rule stands more or less often\n");
	return same;
}

static int
list_kernel(struct mnl_socket *socket, struct listing *listing)
{
	char request[NETLINK_BUFFER];
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(request,
	    NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP, nft_next_sequence());

	return nft_ask(socket, header, list_theirs, listing);
}

int
nft_compare(
    const struct nft_ruleset *ruleset, struct buf *out, char why[NFT_WHY])
{
	struct mnl_socket *socket = nft_open_socket(0);
	struct listing *ours = calloc(1, sizeof(*ours));
	struct listing *theirs = calloc(1, sizeof(*theirs));
	int error = socket == NULL ? errno : nft_find_table(socket);
	bool same = false;

	if (ours == NULL || theirs == NULL)
		log_fatal("no memory for a ruleset");
	if (error == 0)
		error = list_kernel(socket, theirs);
	if (error == 0) {
		nft_rules(ruleset, list_ours, ours);
		qsort(ours->lines, ours->count, sizeof(char *), by_chain);
		qsort(theirs->lines, theirs->count, sizeof(char *), by_chain);
		same = compare(ours, theirs, out);
	} else if (error == ENOENT) {
		snprintf(why, NFT_WHY, "there is no table inet " NFT_TABLE);
	} else {
		nft_explain(why, error);
	}
	free_listing(ours);
	free_listing(theirs);
	if (socket != NULL)
		mnl_socket_close(socket);
	return error != 0 ? -1 : same;
}
