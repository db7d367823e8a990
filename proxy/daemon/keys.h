/*
 * Certificates and private keys of a configuration, as their files had them
 * when it was loaded.  The files are read by a child that lives as long as that
 * takes; it alone may read what only root can.  What it read reaches workers by
 * inheritance: no process that talks to a peer can open a key.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_KEYS_H
#define DAEMON_KEYS_H

#include "io/tls.h"
#include "policy/config.h"

#include <limits.h>
#include <sys/types.h>

struct keys_error {
	unsigned line; /* of the listener, in the configuration */
	char text[PATH_MAX + TLS_ERROR_MAX];
};
#define KEYS_NOBODY ((uid_t)-1)

/* Of a listener; numbered as the configuration's. */
struct keys_listener {
	struct tls_pair *certificates; /* as many as its `certificates` */
	struct tls_pair authority;
	struct slice roots, client_roots; /* empty: the system's */
};

struct keys {
	struct keys_listener *listeners;
	unsigned count;
	/* All that was read; never in a core dump. */
	char *text;
	size_t size;
};

/* Whether the configuration names any, or anything else that must be tried. */
bool keys_are_named(const struct config *config);
/* What a listener's contexts are made by. */
struct tls_settings keys_settings(const struct config_tls *tls);
/* Reads and tries them: each key fits its certificate, each list of ciphers is
 * one.  `uid`, `gid`: who must not be able to read a key; one that they can is
 * warned of in the log.  NULL: `error` says what is wrong. */
struct keys *keys_load(const struct config *config, uid_t uid, gid_t gid,
    struct keys_error *error);
/* Wipes them, in this process; those that inherited them have theirs. */
void keys_free(struct keys **keys);

#endif
