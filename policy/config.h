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
	CONFIG_TLS_HIDE,
	CONFIG_TLS_UPLIFT, /* the server's leg is encrypted, the client's not */
	CONFIG_TLS_TERMINATE, /* with certificates of ours */
	CONFIG_TLS_INTERCEPT, /* with one made for the server's name */
	CONFIG_TLS_REFUSE     /* STARTTLS is offered, and refused */
};
/* Whether the gate encrypts the server's leg. */
enum config_tls_server {
	CONFIG_SERVER_UNSAID, /* as of uplift `require`, else `mirror` */
	CONFIG_SERVER_MIRROR, /* as the client's is */
	CONFIG_SERVER_REQUIRE,
	CONFIG_SERVER_VERIFY, /* and it must be who it ought to be */
	CONFIG_SERVER_OPPORTUNISTIC,
	CONFIG_SERVER_NONE
};
enum config_sink_kind {
	CONFIG_SINK_FILE,
	CONFIG_SINK_STDOUT
};

/* Who the program becomes that is started as root. */
#define CONFIG_DEFAULT_USER "ehlogate"

enum {
	CONFIG_BASE_PORT = 12525, /* of interception listeners without `bind` */
	CONFIG_DNS_SERVERS_MAX = 4,
	CONFIG_WINDOWS_MAX = 4
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

/* PEM files. */
struct config_pair {
	char *chain, *key;
};

/* Of a listener: TLS on both its legs.  NULL: the default. */
struct config_tls {
	enum config_tls_client client;
	enum config_tls_server server;
	struct config_pair *certificates;
	unsigned certificate_count;
	struct config_pair authority; /* of intercept */
	struct prefix *bypass;        /* servers whose handshake passes */
	unsigned bypass_count;
	bool implicit; /* TLS from the first octet on */
	bool only_1_3;
	char *ciphers, *groups;
	bool ask_certificate; /* of clients */
	char *client_roots;   /* ... and who vouches for them */
	char *roots;          /* who vouches for servers */
	char *server_name;    /* who every server ought to be */
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
	struct config_tls tls;
	bool greet_first; /* greeting: gate */
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
	uint32_t handshake;  /* a whole one of TLS */
};

struct config_dns {
	struct endpoint *servers; /* port 0: 53 */
	unsigned server_count;    /* 0: those of the system */
	uint32_t timeout_ms;
	unsigned cache; /* answers, of each worker */
};

/* `limits`, as far as they are counted per client. */
struct config_client_limits {
	unsigned sessions;
	struct policy_rate rate;
	unsigned ipv6_prefix;
	bool enforce;
	struct prefix *never;
	unsigned never_count;
	/* Milliseconds of all rates that are asked for, here and by policies;
	 * 0 behind the last. */
	uint32_t windows[CONFIG_WINDOWS_MAX];
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
	struct config_client_limits client_limits;
	char *node; /* the host's name, or `node` */
};

/* Whether the listener, or a rule of its policy, orders that (not:
 * POLICY_STARTTLS_UNSAID). */
bool config_uses_tls(
    const struct config_listener *listener, enum policy_starttls what);

/* As policy_load: every error of the configuration and of its policies goes
 * to `diag`; NULL where there was one. */
struct config *config_load(const char *path, struct diag *diag);
void config_free(struct config **config);

#endif
