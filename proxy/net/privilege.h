/*
 * Who may do what: each process keeps the capabilities that its work needs
 * and no other.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NET_PRIVILEGE_H
#define NET_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

/* Capabilities that a configuration needs. */
enum {
	NET_NEEDS_ADMIN = 1, /* nftables, routes */
	NET_NEEDS_RAW = 2,   /* transparent source addresses */
	NET_NEEDS_BIND = 4,  /* ports below 1024 */
	NET_NEEDS_READ = 8   /* files that are root's; kept asleep */
};

/* The name of the first capability of `needs` that this process lacks
 * ("CAP_NET_ADMIN"), or NULL. */
const char *net_missing_capability(unsigned needs);

/*
 * For good: no new privileges, no core dump of peers' data, and of the
 * capabilities only those of `keeps` (as far as they are there).  Started as
 * root, the process becomes uid and gid; otherwise it stays who it is and they
 * are not looked at.  -1 with errno: it could not be done.
 */
int net_drop_privileges(uid_t uid, gid_t gid, unsigned keeps);
/* In a child that is there to read: what NET_NEEDS_READ kept, if it did. */
void net_use_read_privilege(void);

#endif
