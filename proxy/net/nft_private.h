/*
 * Talking to nf_tables, for nft.c and nft_compare.c.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NET_NFT_PRIVATE_H
#define NET_NFT_PRIVATE_H

#include <stdint.h>
#include <stdio.h>

#include <libmnl/libmnl.h>

enum {
	NFT_WHY = 256,
	/* What libmnl asks for on any page size. */
	NETLINK_BUFFER = 16 * 1024
};

struct mnl_socket *nft_open_socket(unsigned groups);
uint32_t nft_next_sequence(void);
/* One request whose answer is read by `each`; 0, or an errno. */
int nft_ask(struct mnl_socket *socket, struct nlmsghdr *header, mnl_cb_t each,
    void *arg);
/* 0: our table is there; ENOENT; or another errno. */
int nft_find_table(struct mnl_socket *socket);
/* The errno in words, with the mend. */
void nft_explain(char why[NFT_WHY], int error);

#endif
