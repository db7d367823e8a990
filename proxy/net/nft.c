/*
 * The table and the kernel.  See nft.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/nft.h"

#include "base/log.h"
#include "net/nft_private.h"
#include "net/nft_rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Linux 6.9; younger than the headers that this is built with. */
#ifndef NFT_TABLE_F_PERSIST
#define NFT_TABLE_F_PERSIST 0x4
#endif

enum {
	BATCH_SIZE = 1024 * 1024,
	WHY = NFT_WHY,
	WHO = 64
};

struct nft_handle {
	struct mnl_socket *socket; /* the owner */
	struct mnl_socket *watch;
	uint32_t flags;
	uint32_t own_port; /* the owner's netlink port: its changes are ours */
};

/* --- printing ---------------------------------------------------------------------- */

struct printing {
	struct buf *out;
	const struct nft_ruleset *ruleset;
	enum nft_chain_id chain;
};

static void
print_rule(enum nft_chain_id chain, struct nftnl_rule *rule, struct slice text,
    void *arg)
{
	struct printing *printing = arg;

	nftnl_rule_free(rule);
	if (chain != printing->chain)
		return;
	buf_append_str(printing->out, "\t\t");
	buf_append(printing->out, text);
	buf_append_str(printing->out, "\n");
}

void
nft_print(const struct nft_ruleset *ruleset, struct buf *out)
{
	struct printing printing = {out, ruleset, NFT_CHAIN_PREROUTING};

	buf_append_str(out, "table inet " NFT_TABLE " {\n");
	for (int i = 0; nft_has_sets(ruleset) && i < NFT_SETS; i++)
		buf_printf(out,
		    "\tset %s {\n\t\ttype %s\n\t\tsize %d\n\t\tflags "
		    "timeout\n\t}\n",
		    nft_sets[i].name, nft_sets[i].type, (int)NFT_SET_SIZE);
	for (int i = 0; i < NFT_CHAINS; i++) {
		const struct nft_chain *chain = &nft_chains[i];
		if (!nft_has_chain(ruleset, (enum nft_chain_id)i))
			continue;
		buf_printf(out,
		    "\tchain %s {\n\t\ttype %s hook %s priority %d; policy "
		    "accept;\n",
		    chain->name, chain->type, chain->hook, chain->priority);
		printing.chain = (enum nft_chain_id)i;
		nft_rules(ruleset, print_rule, &printing);
		buf_append_str(out, "\t}\n");
	}
	buf_append_str(out, "}\n");
}

/* --- netlink ------------------------------------------------------------------------- */

struct mnl_socket *
nft_open_socket(unsigned groups)
{
	struct mnl_socket *socket = mnl_socket_open(NETLINK_NETFILTER);

	if (socket == NULL)
		return NULL;
	if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0 ||
	    fcntl(mnl_socket_get_fd(socket), F_SETFD, FD_CLOEXEC) == -1) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

uint32_t
nft_next_sequence(void)
{
	static uint32_t sequence;

	if (sequence == 0)
		sequence = (uint32_t)time(NULL);
	return ++sequence;
}

/* A transaction that is being written. */
struct batch {
	struct mnl_nlmsg_batch *batch;
	char *memory;
	uint32_t last; /* the sequence number of the last message */
};

static void *
batch_tail(const struct batch *batch)
{
	return mnl_nlmsg_batch_current(batch->batch);
}

static void
batch_open(struct batch *batch)
{
	batch->memory = malloc(BATCH_SIZE + NETLINK_BUFFER);
	if (batch->memory == NULL)
		log_fatal("no memory for a ruleset");
	batch->batch = mnl_nlmsg_batch_start(batch->memory, BATCH_SIZE);
	batch->last = nft_next_sequence();
	nftnl_batch_begin(batch_tail(batch), batch->last);
	mnl_nlmsg_batch_next(batch->batch);
}

static struct nlmsghdr *
batch_message(struct batch *batch, uint16_t type, uint16_t flags)
{
	batch->last = nft_next_sequence();
	return nftnl_nlmsg_build_hdr(
	    batch_tail(batch), type, NFPROTO_INET, flags, batch->last);
}

/* Sends the whole transaction and waits for its end.  0, or an errno. */
static int
batch_commit(struct batch *batch, struct mnl_socket *socket)
{
	char answer[NETLINK_BUFFER];
	uint32_t port = mnl_socket_get_portid(socket);
	int error = 0;

	uint32_t end = nft_next_sequence();
	nftnl_batch_end(batch_tail(batch), end);
	mnl_nlmsg_batch_next(batch->batch);
	if (mnl_socket_sendto(socket, mnl_nlmsg_batch_head(batch->batch),
		mnl_nlmsg_batch_size(batch->batch)) < 0)
		error = errno;
	/* Each message that fails is answered; the last one always is. */
	while (error == 0) {
		ssize_t got =
		    mnl_socket_recvfrom(socket, answer, sizeof(answer));
		if (got <= 0) {
			error = got == 0 ? EIO : errno;
			break;
		}
		if (mnl_cb_run(answer, (size_t)got, 0, port, NULL, NULL) < 0)
			error = errno;
		const struct nlmsghdr *header = (const void *)answer;
		if (header->nlmsg_seq == batch->last)
			break;
	}
	mnl_nlmsg_batch_stop(batch->batch);
	free(batch->memory);
	return error;
}

static void
put_table(struct batch *batch, uint16_t type, uint16_t flags,
    const uint32_t *table_flags)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *header = batch_message(batch, type, flags);

	if (table == NULL)
		log_fatal("no memory for a ruleset");
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, NFT_TABLE);
	nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, NFPROTO_INET);
	if (table_flags != NULL)
		nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, *table_flags);
	nftnl_table_nlmsg_build_payload(header, table);
	nftnl_table_free(table);
	mnl_nlmsg_batch_next(batch->batch);
}

static void
put_chain(struct batch *batch, const struct nft_chain *from)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *header =
	    batch_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK);

	if (chain == NULL)
		log_fatal("no memory for a ruleset");
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, NFT_TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, from->name);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, from->type);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, from->hook_number);
	nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, from->priority);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	nftnl_chain_nlmsg_build_payload(header, chain);
	nftnl_chain_free(chain);
	mnl_nlmsg_batch_next(batch->batch);
}

static void
put_set(struct batch *batch, const struct nft_set *from)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nlmsghdr *header =
	    batch_message(batch, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_ACK);

	if (set == NULL)
		log_fatal("no memory for a ruleset");
	nftnl_set_set_str(set, NFTNL_SET_TABLE, NFT_TABLE);
	nftnl_set_set_str(set, NFTNL_SET_NAME, from->name);
	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_u32(set, NFTNL_SET_ID, from->id);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, from->type_number);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, from->key_len);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, NFT_SET_TIMEOUT);
	nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, NFT_SET_SIZE);
	nftnl_set_nlmsg_build_payload(header, set);
	nftnl_set_free(set);
	mnl_nlmsg_batch_next(batch->batch);
}

static void
put_element(struct batch *batch, const struct nft_set *into,
    const struct addr *key, uint64_t milliseconds)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nftnl_set_elem *element = nftnl_set_elem_alloc();
	struct nlmsghdr *header =
	    batch_message(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_ACK);

	if (set == NULL || element == NULL)
		log_fatal("no memory for a ruleset");
	nftnl_set_set_str(set, NFTNL_SET_TABLE, NFT_TABLE);
	nftnl_set_set_str(set, NFTNL_SET_NAME, into->name);
	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_elem_set(
	    element, NFTNL_SET_ELEM_KEY, key->bytes, into->key_len);
	nftnl_set_elem_set_u64(element, NFTNL_SET_ELEM_TIMEOUT, milliseconds);
	nftnl_set_elem_add(set, element);
	nftnl_set_elems_nlmsg_build_payload(header, set);
	nftnl_set_free(set);
	mnl_nlmsg_batch_next(batch->batch);
}

static void
put_rule(enum nft_chain_id chain, struct nftnl_rule *rule, struct slice text,
    void *arg)
{
	struct batch *batch = arg;
	struct nlmsghdr *header = batch_message(
	    batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);

	(void)chain;
	(void)text;
	nftnl_rule_nlmsg_build_payload(header, rule);
	nftnl_rule_free(rule);
	mnl_nlmsg_batch_next(batch->batch);
}

/* One request whose answer is read by `each`; 0, or an errno. */
int
nft_ask(struct mnl_socket *socket, struct nlmsghdr *header, mnl_cb_t each,
    void *arg)
{
	char answer[NETLINK_BUFFER];
	uint32_t sequence = header->nlmsg_seq;
	int more = 1;

	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return errno;
	while (more > 0) {
		ssize_t got =
		    mnl_socket_recvfrom(socket, answer, sizeof(answer));
		if (got <= 0)
			return got == 0 ? EIO : errno;
		more = mnl_cb_run(answer, (size_t)got, sequence,
		    mnl_socket_get_portid(socket), each, arg);
	}
	return more < 0 ? errno : 0;
}

/* 0: the table is there; ENOENT; or another errno. */
int
nft_find_table(struct mnl_socket *socket)
{
	char request[NETLINK_BUFFER];
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(request,
	    NFT_MSG_GETTABLE, NFPROTO_INET, NLM_F_ACK, nft_next_sequence());
	struct nftnl_table *table = nftnl_table_alloc();

	if (table == NULL)
		log_fatal("no memory for a ruleset");
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, NFT_TABLE);
	nftnl_table_nlmsg_build_payload(header, table);
	nftnl_table_free(table);
	return nft_ask(socket, header, NULL, NULL);
}

static int
install(struct mnl_socket *socket, const struct nft_ruleset *ruleset,
    uint32_t flags)
{
	struct batch batch;
	int there = nft_find_table(socket);

	if (there != 0 && there != ENOENT)
		return there;
	batch_open(&batch);
	if (there == 0)
		put_table(&batch, NFT_MSG_DELTABLE, NLM_F_ACK, NULL);
	put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, &flags);
	for (int i = 0; nft_has_sets(ruleset) && i < NFT_SETS; i++)
		put_set(&batch, &nft_sets[i]);
	for (int i = 0; i < NFT_CHAINS; i++)
		if (nft_has_chain(ruleset, (enum nft_chain_id)i))
			put_chain(&batch, &nft_chains[i]);
	nft_rules(ruleset, put_rule, &batch);
	return batch_commit(&batch, socket);
}

void
nft_explain(char why[WHY], int error)
{
	const char *mend = "";

	if (error == EPERM)
		mend = " (CAP_NET_ADMIN is missing, or another ehlogate owns "
		       "the table)";
	else if (error == ENOENT || error == EOPNOTSUPP)
		mend = " (the kernel lacks nft_tproxy, nft_socket, nft_fib or "
		       "nf_tables itself: `modprobe nft_tproxy nft_socket "
		       "nft_fib_inet`)";
	snprintf(why, WHY, "%s%s", strerror(error), mend);
}

static uint32_t
owned_flags(const struct nft_ruleset *ruleset, enum nft_keeping *keeping)
{
	*keeping = ruleset->closed ? NFT_OWNED_PERSISTENT : NFT_OWNED;
	return ruleset->closed ? NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST
			       : NFT_TABLE_F_OWNER;
}

/* The strongest keeping that the kernel has for what is asked. */
static int
install_somehow(struct nft_handle *handle, const struct nft_ruleset *ruleset,
    enum nft_keeping *keeping)
{
	int error;

	handle->flags = owned_flags(ruleset, keeping);
	error = install(handle->socket, ruleset, handle->flags);
	if (error != EOPNOTSUPP && error != EINVAL)
		return error;
	handle->flags = 0;
	*keeping = NFT_PLAIN;
	return install(handle->socket, ruleset, handle->flags);
}

struct nft_handle *
nft_install(
    const struct nft_ruleset *ruleset, enum nft_keeping *keeping, char why[WHY])
{
	struct nft_handle *handle = calloc(1, sizeof(*handle));
	int error;

	if (handle == NULL)
		log_fatal("no memory for a ruleset");
	handle->socket = nft_open_socket(0);
	handle->watch = nft_open_socket(1 << (NFNLGRP_NFTABLES - 1));
	if (handle->socket == NULL || handle->watch == NULL) {
		nft_explain(why, errno);
		nft_close(&handle);
		return NULL;
	}
	int fd = mnl_socket_get_fd(handle->watch);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	handle->own_port = mnl_socket_get_portid(handle->socket);
	error = install_somehow(handle, ruleset, keeping);
	if (error != 0) {
		nft_explain(why, error);
		nft_close(&handle);
	}
	return handle;
}

bool
nft_reinstall(
    struct nft_handle *handle, const struct nft_ruleset *ruleset, char why[WHY])
{
	int error = install(handle->socket, ruleset, handle->flags);

	if (error != 0)
		nft_explain(why, error);
	return error == 0;
}

bool
nft_change(struct nft_handle *handle, const struct nft_ruleset *ruleset,
    enum nft_keeping *keeping, char why[WHY])
{
	enum nft_keeping kept = NFT_PLAIN;
	/* What the kernel could not do at the start it cannot do now. */
	uint32_t flags = handle->flags == 0 ? 0 : owned_flags(ruleset, &kept);
	int error = install(handle->socket, ruleset, flags);

	if (error != 0) {
		nft_explain(why, error);
		return false;
	}
	handle->flags = flags;
	*keeping = kept;
	return true;
}

bool
nft_ban(struct nft_handle *handle, const struct addr *client,
    uint64_t milliseconds, char why[WHY])
{
	struct addr key = *client;
	struct batch batch;

	if (key.family == 6)
		memset(key.bytes + 8, 0, 8);
	batch_open(&batch);
	put_element(&batch, &nft_sets[key.family == 6], &key, milliseconds);
	int error = batch_commit(&batch, handle->socket);
	if (error != 0 && error != EEXIST)
		nft_explain(why, error);
	return error == 0 || error == EEXIST;
}

void
nft_close(struct nft_handle **handle_p)
{
	struct nft_handle *handle = *handle_p;

	if (handle == NULL)
		return;
	if (handle->socket != NULL)
		mnl_socket_close(handle->socket);
	if (handle->watch != NULL)
		mnl_socket_close(handle->watch);
	free(handle);
	*handle_p = NULL;
}

void
nft_forget(struct nft_handle **handle)
{
	/* The kernel counts descriptors: closing a copy gives nothing up. */
	nft_close(handle);
}

/* --- watching ---------------------------------------------------------------------------- */

int
nft_watch_fd(const struct nft_handle *handle)
{
	return mnl_socket_get_fd(handle->watch);
}

/* Who changed something, of the generation message that ends each change. */
struct culprit {
	uint32_t own_pid;
	bool other;
	char *who;
};

static int
take_attribute(const struct nlattr *attribute, void *data)
{
	const struct nlattr **table = data;
	int type = mnl_attr_get_type(attribute);

	if (type <= NFTA_GEN_MAX)
		table[type] = attribute;
	return MNL_CB_OK;
}

static int
on_change(const struct nlmsghdr *header, void *data)
{
	struct culprit *culprit = data;
	const struct nlattr *table[NFTA_GEN_MAX + 1] = {NULL};
	uint32_t pid = 0;

	if ((header->nlmsg_type & 0xff) != NFT_MSG_NEWGEN)
		return MNL_CB_OK;
	mnl_attr_parse(header, sizeof(struct nfgenmsg), take_attribute, table);
	if (table[NFTA_GEN_PROC_PID] != NULL)
		pid = ntohl(mnl_attr_get_u32(table[NFTA_GEN_PROC_PID]));
	if (pid == culprit->own_pid)
		return MNL_CB_OK;
	culprit->other = true;
	snprintf(culprit->who, WHO, "%.32s (pid %u)",
	    table[NFTA_GEN_PROC_NAME] == NULL
		? "another process"
		: mnl_attr_get_str(table[NFTA_GEN_PROC_NAME]),
	    (unsigned)pid);
	return MNL_CB_OK;
}

bool
nft_watch_read(struct nft_handle *handle, char who[WHO])
{
	char answer[NETLINK_BUFFER];
	struct culprit culprit = {(uint32_t)getpid(), false, who};
	ssize_t got;

	snprintf(who, WHO, "another process");
	while ((got = mnl_socket_recvfrom(
		    handle->watch, answer, sizeof(answer))) > 0)
		mnl_cb_run(answer, (size_t)got, 0, 0, on_change, &culprit);
	/* Too much happened to be told: look for ourselves. */
	return culprit.other || errno == ENOBUFS;
}

int
nft_remove(char why[WHY])
{
	struct mnl_socket *socket = nft_open_socket(0);
	struct batch batch;
	int error = socket == NULL ? errno : nft_find_table(socket);

	if (error == 0) {
		batch_open(&batch);
		put_table(&batch, NFT_MSG_DELTABLE, NLM_F_ACK, NULL);
		error = batch_commit(&batch, socket);
		if (error == EPERM)
			snprintf(why, WHY,
			    "a running ehlogate owns the table: stop it "
			    "first");
		else if (error != 0)
			nft_explain(why, error);
	} else if (error != ENOENT) {
		nft_explain(why, error);
	}
	if (socket != NULL)
		mnl_socket_close(socket);
	if (error == 0)
		return 1;
	return error == ENOENT ? 0 : -1;
}
