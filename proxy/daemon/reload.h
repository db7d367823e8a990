/*
 * Reload: what the files say now, in place of what runs.  Everything is built
 * new beside the old, which may fail and then changes nothing; then new workers
 * take the listening sockets over, and the old ones finish their sessions by
 * the policies that these began with.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include "daemon/monitor.h"

/* Does it or not; the log tells, with every diagnostic in a line. */
void reload(struct monitor *monitor);

/* At the start: warns of files that the user who we have become cannot read,
 * so that this is known before a reload is wanted. */
void reload_warn_unreadable(const struct monitor *monitor);

#endif
