/*
 * The daemon: the monitor process and its children.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "policy/config.h"

/* Runs in the foreground until it is told to end.  `config` is what `path` says,
 * where a reload looks again; it is taken over.  The exit status: 0 after a
 * drain, 1 when it could not start (the reason is on standard error). */
int daemon_run(const char *path, struct config *config);

#endif
