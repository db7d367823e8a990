/*
 * The configuration: how the program is deployed (ehlogate.yaml), as against
 * what is allowed (the policies).  Read by the same strict loader.  Paths in
 * it are absolute once it is loaded.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_CONFIG_H
#define POLICY_CONFIG_H

#include "base/addr.h"
#include "policy/policy.h"

enum config_mode {
	CONFIG_TPROXY,
	CONFIG_REDIRECT,
	CONFIG_EXPLICIT
};
enum config_source {
	CONFIG_SOURCE_CLIENT,      /* the client's address, any port */
	CONFIG_SOURCE_CLIENT_PORT, /* and its port, where it is free */
	CONFIG_SOURCE_GATE         /* the gate's own */
};
enum config_on_failure {
	CONFIG_CLOSED,
	CONFIG_OPEN
};
enum config_on_upstream {
	CONFIG_UPSTREAM_TEMPFAIL,
	CONFIG_UPSTREAM_RESET
};
enum config_tls_client {
	CONFIG_TLS_PASS,
	CONFIG_TLS_HIDE
};
enum config_sink_kind {
	CONFIG_SINK_FILE,
	CONFIG_SINK_STDOUT
};

/* Who the program becomes that is started as root. */
#define CONFIG_DEFAULT_USER "ehlogate"

enum {
	CONFIG_BASE_PORT = 12525, /* of interception listeners without `bind` */
	CONFIG_DNS_SERVERS_MAX = 4
};

struct config_intercept {
	char **interfaces; /* empty: any */
	unsigned interface_count;
	uint16_t *ports; /* default: 25 */
	unsigned port_count;
	struct prefix *from; /* empty: any */
	unsigned from_count;
	struct prefix *to;
	unsigned to_count;
	bool from_host; /* redirect: what the host itself sends */
};

struct config_listener {
	char *name;
	enum config_mode mode;
	struct config_intercept intercept;
	/* Of `explicit`, required.  Of the other modes, where the program
	 * listens for what is intercepted: default port CONFIG_BASE_PORT plus
	 * the listener's number, both families. */
	struct endpoint *bind;
	unsigned bind_count;
	struct endpoint upstream; /* of `explicit` */
	char *policy_path;
	struct policy *policy; /* loaded; the config owns it */
	enum config_source source;
	enum config_on_failure on_failure;
	enum config_on_upstream on_upstream_failure;
	enum config_tls_client tls_client;
	bool require_inspection;
	unsigned line; /* in the configuration file */
};

struct config_sink {
	enum config_sink_kind kind;
	char *path; /* of a file */
};

/* Milliseconds. */
struct config_timeouts {
	uint32_t greeting;   /* the server's 220 */
	uint32_t command;    /* a whole command, and the reply to one */
	uint32_t data_block; /* between two blocks of message text */
	uint32_t data_end;   /* the reply to the end of data */
	uint32_t connect;    /* the upstream connection */
};

struct config_dns {
	struct endpoint *servers; /* port 0: 53 */
	unsigned server_count;    /* 0: those of the system */
	uint32_t timeout_ms;
	unsigned cache; /* answers, of each worker */
};

struct config {
	struct config_listener *listeners;
	unsigned listener_count;
	unsigned workers; /* `auto` is resolved to the number of CPUs */
	char *user; /* NULL: stay who we are; default "ehlogate" as root */
	struct config_sink *sinks;
	unsigned sink_count;
	bool log_on_failure_continue; /* log.on_failure: continue */
	bool log_start_events;        /* `start` in log.events */
	bool log_ban_events;          /* `ban` */
	bool log_daemon_events;       /* `daemon`, on unless events leaves it */
	struct config_timeouts timeouts;
	struct config_dns dns;
	struct prefix *never_ban; /* whom no rule keeps away */
	unsigned never_ban_count;
	unsigned sessions_max; /* limits.sessions, over all workers */
	char *node;            /* the host's name, or `node` */
};

/* As policy_load: every error of the configuration and of its policies goes
 * to `diag`; NULL where there was one. */
struct config *config_load(const char *path, struct diag *diag);
void config_free(struct config **config);

#endif
