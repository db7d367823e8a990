/*
 * Our nftables table `inet ehlogate`: made from a description, printed,
 * installed in one transaction, compared with the kernel's, watched, removed.
 *
 * Measured facts behind it:
 * - The divert rule needs `socket wildcard 0`, or connections to other hosts
 *   on the listener's port are taken; and the ICMP protocols, or path-MTU
 *   discovery of the server's leg breaks.
 * - tproxy fails open where nobody listens: a guard in the forward chain
 *   resets what would pass the gate by.
 * - `reject with tcp reset` works in a prerouting chain of type filter, so a
 *   banned client is told at once, and needs no route to be so.
 * - `nft flush ruleset` deletes a plain table, but not one that a process
 *   owns.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NET_NFT_H
#define NET_NFT_H

#include "base/addr.h"
#include "base/buf.h"

#include <sys/types.h>

#define NFT_TABLE "ehlogate"

enum {
	/* The bit of the packet mark that leads to the local route; the other
	 * bits are left as they are. */
	NFT_MARK = 0x00100000
};

enum nft_mode {
	NFT_TPROXY,
	NFT_REDIRECT
};

/* One listener; the arrays are the caller's.  Empty ones mean any. */
struct nft_listener {
	const char *name;
	enum nft_mode mode;
	char *const *interfaces;
	unsigned interface_count;
	const uint16_t *ports;
	unsigned port_count;
	const struct prefix *from, *to;
	unsigned from_count, to_count;
	bool from_host; /* redirect what this host itself sends */
	/* Where the gate listens; port 0: not for this family. */
	struct endpoint target4, target6;
};

struct nft_ruleset {
	const struct nft_listener *listeners;
	unsigned count;
	bool closed;    /* the table stays when its owner goes */
	uid_t gate_uid; /* whose own connections a redirect leaves alone */
};

/* The ruleset in nft's own language, as `nft -f -` reads it. */
void nft_print(const struct nft_ruleset *ruleset, struct buf *out);

/* How the table is kept. */
enum nft_keeping {
	NFT_OWNED_PERSISTENT, /* nobody else touches it; it stays after us */
	NFT_OWNED,            /* nobody else touches it; it goes with us */
	NFT_PLAIN             /* anybody can delete it: watch it */
};

struct nft_handle; /* the netlink socket that owns the table */

/*
 * Installs the whole table in place of an old one, in one transaction, and
 * begins to watch the ruleset.  NULL with a sentence in `why` (of 256 bytes).
 * Closing the handle gives up the ownership: a persistent table stays.
 */
struct nft_handle *nft_install(const struct nft_ruleset *ruleset,
    enum nft_keeping *keeping, char why[256]);
/* Puts the table back, through the socket that owns it.  False: why. */
bool nft_reinstall(struct nft_handle *handle, const struct nft_ruleset *ruleset,
    char why[256]);
/* Another table in its place, in one transaction and kept as it suits the new
 * one.  False: why, and the old one is there as it was. */
bool nft_change(struct nft_handle *handle, const struct nft_ruleset *ruleset,
    enum nft_keeping *keeping, char why[256]);
/* Resets new connections of a client for a time: an IPv4 address, or the /64
 * of an IPv6 one.  Where it is there already it stays as it is.  False: why. */
bool nft_ban(struct nft_handle *handle, const struct addr *client,
    uint64_t milliseconds, char why[256]);
void nft_close(struct nft_handle **handle);
/* In a child after fork. */
void nft_forget(struct nft_handle **handle);
/* Readable when somebody changed the ruleset. */
int nft_watch_fd(const struct nft_handle *handle);
/* Reads what happened.  True: somebody else changed something; `who` (of 64
 * bytes) names the process. */
bool nft_watch_read(struct nft_handle *handle, char who[64]);

/* 1: the kernel's table is the one described; 0: it differs, the differences
 * are appended to `out`, a line each; -1: there is none, or why. */
int nft_compare(
    const struct nft_ruleset *ruleset, struct buf *out, char why[256]);
/* Deletes the table.  1 done, 0 there was none, -1 why. */
int nft_remove(char why[256]);

#endif
