/*
 * What the program puts into the kernel: its nftables table and the policy
 * route, both by the configuration.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_KERNEL_H
#define DAEMON_KERNEL_H

#include "policy/config.h"

#include <sys/types.h>

struct kernel;

struct nft_ruleset;

/* Whether any listener needs the kernel's help. */
bool kernel_is_needed(const struct config *config);
/* Route first, then the table; what was done is undone if a later step fails.
 * `gate_uid` is who the gate's own connections belong to.  NULL with the
 * reason logged. */
struct kernel *kernel_open(const struct config *config, uid_t gate_uid);
/*
 * Another configuration, while connections come: what is there already stays,
 * what it needs besides is added, and the table is put in place of the old one
 * in one transaction, if they differ; its counters then begin anew.  The policy
 * route of a family that it needs no more stays for the sessions that are open.
 * `*kernel` may be NULL, before and after.  False with the reason logged:
 * nothing is changed.
 */
bool kernel_change(
    struct kernel **kernel, const struct config *config, uid_t gate_uid);
/* The description alone, for printing and comparing; kernel_free frees it. */
struct kernel *kernel_describe(const struct config *config, uid_t gate_uid);
const struct nft_ruleset *kernel_ruleset(const struct kernel *kernel);
bool kernel_has_tproxy(const struct kernel *kernel);
void kernel_free(struct kernel **kernel);
/* Lets go: under `open` the table goes with it, and the route too; under
 * `closed` both stay until `ehlogate nft remove`. */
void kernel_close(struct kernel **kernel);
/* In a child after fork: no child may hold the descriptor that owns the
 * table. */
void kernel_forget(struct kernel **kernel);
/* Readable when the ruleset changed; -1: nothing to watch. */
int kernel_watch_fd(const struct kernel *kernel);
/* After a change: puts the table back where it is gone or differs, and says
 * so. */
void kernel_mend(struct kernel *kernel);
/* Keeps a client away, in the kernel; where nothing is intercepted the workers
 * alone do.  Says why it cannot. */
void kernel_ban(
    struct kernel *kernel, const struct addr *client, uint64_t milliseconds);
/* Whether the table was made anew since this was asked last: the bans are to
 * be put into it again. */
bool kernel_lost_bans(struct kernel *kernel);
/* One line for people: what happens to connections when the gate is gone. */
const char *kernel_promise(const struct kernel *kernel);

#endif
