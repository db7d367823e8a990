/*
 * What a process that talks to peers gives up besides capabilities.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NET_SANDBOX_H
#define NET_SANDBOX_H

/* For good: no file is opened, made, changed or run any more (Landlock); what
 * is open stays.  -1 with errno: this kernel cannot. */
int net_forbid_files(void);

#endif
