/*
 * The worker process.  See worker.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/worker.h"

#include "base/log.h"
#include "base/magic.h"
#include "daemon/worker_tls.h"
#include "io/resolver.h"
#include "net/sandbox.h"
#include "relay/session.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ACCEPTOR_MAGIC = 0xacce0001,
	/* Connections taken in one turn, so that one listener does not hold
	 * up sessions. */
	ACCEPT_BATCH = 64,
	/* At most that many can wait in a socket's queue. */
	ACCEPT_LAST = 4096,
	/* Without a descriptor or memory to spare, nothing is accepted for
	 * this long; what waits stays in the backlog. */
	BACK_OFF_MS = 100,
	/* Between two lines of the log on banned clients. */
	BAN_SAY_MS = 60000,
	/* Questions on the wire: far below what a socket's ids are good for,
	 * far above what clients cause that do not mean to. */
	DNS_IN_FLIGHT_MAX = 1000,
	/* Of the cache: for an answer on the average, and for a large one
	 * where there are few. */
	DNS_ANSWER_BYTES = 512,
	DNS_CACHE_BYTES = 64 * 1024
};

struct acceptor {
	unsigned magic;
	struct state *state;
	const struct worker_socket *socket;
	struct session_listener listener;
	struct loop_watch *watch;
};

struct state {
	struct worker *worker;
	struct loop *loop;
	struct roster roster;
	struct acceptor *acceptors;
	struct worker_tls *tls; /* by listener */
	struct loop_watch *control;
	struct loop_timer *back_off;
	bool closing; /* no more connections are accepted */
	bool said_full;
	uint64_t said_banned_ms;    /* when the log told of a banned client */
	uint64_t said_lost_ms;      /* and of a ban that is lost */
	uint64_t said_uncounted_ms; /* and of a client that is not counted */
};

/* --- accepting ------------------------------------------------------------------------ */

static void
set_accepting(struct state *state, bool accepting)
{
	for (unsigned i = 0; i < state->worker->socket_count; i++) {
		if (accepting)
			loop_watch_start(state->acceptors[i].watch);
		else
			loop_watch_stop(state->acceptors[i].watch);
	}
}

static void
on_back_off_end(void *arg)
{
	struct state *state = arg;

	if (!state->closing)
		set_accepting(state, true);
}

static void
back_off(struct state *state, int error)
{
	if (!state->said_full)
		log_error("no connection is accepted for now: %s while "
			  "accepting (see `ulimit -n`, LimitNOFILE=)",
		    strerror(error));
	state->said_full = true;
	set_accepting(state, false);
	loop_timer_start(state->back_off, BACK_OFF_MS);
}

/* Whom the client meant, and whether serving it would be a loop. */
static enum session_admit
find_server(const struct acceptor *acceptor, int fd,
    const struct endpoint *client, struct endpoint *server)
{
	const struct config_listener *config = acceptor->socket->listener;
	const struct worker *worker = acceptor->state->worker;
	struct endpoint local = {0};

	net_local(fd, &local);
	*server = local;
	if (config->mode == CONFIG_REDIRECT &&
	    !net_original_dst(fd, &local, server))
		return SESSION_LOOP;
	if (config->mode != CONFIG_EXPLICIT &&
	    server->port == acceptor->socket->bound.port)
		return SESSION_LOOP;
	if (shared_has_own(worker->shared, client, server))
		return SESSION_LOOP;
	if (config->mode == CONFIG_EXPLICIT)
		*server = config->upstream;
	return SESSION_ADMIT;
}

static enum session_admit
admit(const struct state *state)
{
	const struct worker *worker = state->worker;
	const struct config *config = worker->config;

	if (!config->log_on_failure_continue &&
	    !atomic_load(&worker->shared->log.writable))
		return SESSION_NO_LOG;
	if (!config->log_on_failure_continue &&
	    ring_room(worker->ring) < 2 * RECORD_MAX)
		return SESSION_NO_LOG;
	if (shared_sessions(worker->shared) >= config->sessions_max)
		return SESSION_FULL;
	return SESSION_ADMIT;
}

static void
publish_count(struct state *state)
{
	atomic_store_explicit(
	    &state->worker->shared->sessions[state->worker->slot],
	    state->roster.open, memory_order_relaxed);
}

/* Whether the log may say it again. */
static bool
is_due(uint64_t *said_ms)
{
	uint64_t now_ms = loop_mono_us() / 1000;

	if (*said_ms != 0 && now_ms - *said_ms < BAN_SAY_MS)
		return false;
	*said_ms = now_ms;
	return true;
}

/* Its connections of before the kernel knew it, and those that no ruleset
 * sees (explicit listeners).  No session, no record: a client that is kept
 * away must not fill the log. */
static bool
turn_away(struct state *state, int fd, const struct endpoint *client)
{
	struct ban_table *bans = &state->worker->shared->bans;
	uint64_t now_ms = loop_mono_us() / 1000;
	char text[ADDR_TEXT];

	if (!bans_has(bans, &client->addr, now_ms))
		return false;
	net_reset(fd);
	uint64_t refused = atomic_fetch_add(&bans->refused, 1) + 1;
	if (is_due(&state->said_banned_ms)) {
		addr_format(&client->addr, text);
		log_notice("%s is banned: its connection is reset; with it "
			   "%" PRIu64 " connections of banned clients",
		    text, refused);
	}
	return true;
}

static bool
is_never_counted(
    const struct config_client_limits *limits, const struct addr *client)
{
	for (unsigned i = 0; i < limits->never_count; i++)
		if (prefix_contains(&limits->never[i], client))
			return true;
	return false;
}

/* Counts the client's session, over all workers. */
static void
count_client(struct state *state, struct session_arrival *arrival)
{
	struct shared *shared = state->worker->shared;
	const struct config_client_limits *limits =
	    &state->worker->config->client_limits;
	const struct addr *client = &arrival->client.addr;
	struct client_windows windows;
	struct client_counts counts;

	arrival->place = CLIENTS_NONE;
	if (is_never_counted(limits, client))
		return;
	memcpy(windows.ms, limits->windows, sizeof(windows.ms));
	arrival->place = clients_enter(&shared->clients,
	    &shared->client_shares[state->worker->slot],
	    clients_name(&shared->clients, client, limits->ipv6_prefix),
	    &windows, loop_mono_us() / 1000, &counts);
	if (arrival->place == CLIENTS_NONE) {
		if (is_due(&state->said_uncounted_ms))
			log_warn("more clients have sessions than are "
				 "counted: no limit per client holds for "
				 "the newest");
		return;
	}
	arrival->counts.sessions = counts.sessions;
	for (unsigned i = 0; i < CLIENTS_WINDOWS; i++)
		arrival->counts.rates[i] =
		    (struct policy_rate){counts.rates[i], windows.ms[i]};
}

static void
leave(void *arg, int place)
{
	struct state *state = arg;
	struct shared *shared = state->worker->shared;

	clients_leave(&shared->clients,
	    &shared->client_shares[state->worker->slot], place);
}

static bool
accept_one(struct acceptor *acceptor)
{
	struct state *state = acceptor->state;
	struct session_arrival arrival = {.place = CLIENTS_NONE};

	arrival.fd = net_accept(acceptor->socket->fd, &arrival.client);
	if (arrival.fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			back_off(state, errno);
		/* Anything else is that one connection's trouble. */
		return errno == ECONNABORTED || errno == EINTR;
	}
	state->said_full = false;
	if (turn_away(state, arrival.fd, &arrival.client))
		return true;
	arrival.admit =
	    find_server(acceptor, arrival.fd, &arrival.client, &arrival.server);
	if (arrival.admit == SESSION_ADMIT)
		arrival.admit = admit(state);
	count_client(state, &arrival);
	if (!session_start(&state->roster, &acceptor->listener, &arrival))
		log_error("a connection is reset: no memory while accepting");
	publish_count(state);
	return true;
}

static void
on_connection(void *arg)
{
	struct acceptor *acceptor;

	MAGIC_CAST(acceptor, arg, ACCEPTOR_MAGIC);
	for (unsigned i = 0; i < ACCEPT_BATCH; i++)
		if (!accept_one(acceptor))
			return;
}

/* --- life ----------------------------------------------------------------------------- */

static void
stop_accepting(struct state *state)
{
	if (state->closing)
		return;
	state->closing = true;
	set_accepting(state, false);
	for (unsigned i = 0; i < state->worker->socket_count; i++)
		close(state->worker->sockets[i].fd);
	close(state->worker->accepting_fd);
}

/* Others listen on the same sockets by now, but for those that are no more:
 * who waits there has a connection, and is not to be reset. */
static void
retire(struct state *state)
{
	if (state->closing)
		return;
	for (unsigned i = 0; i < state->worker->socket_count; i++) {
		unsigned left = ACCEPT_LAST;
		while (left > 0 && accept_one(&state->acceptors[i]))
			left--;
	}
	stop_accepting(state);
}

static void
on_control(void *arg)
{
	struct state *state = arg;
	char order;
	ssize_t got = read(state->worker->control_fd, &order, 1);

	if (got == -1)
		return;
	if (got == 0) {
		/* Without the monitor nobody mends the ruleset or takes our
		 * place: finish what is begun, begin nothing. */
		log_error("the monitor is gone; sessions to finish: %u",
		    state->roster.open);
		loop_watch_stop(state->control);
		stop_accepting(state);
	} else if (order == WORKER_DRAIN) {
		stop_accepting(state);
		roster_drain(&state->roster);
	} else if (order == WORKER_RETIRE) {
		retire(state);
	}
}

static void
on_turn(void *arg)
{
	struct state *state = arg;

	session_reap(&state->roster);
	publish_count(state);
	if (state->closing && state->roster.open == 0)
		loop_stop(state->loop);
}

static uint32_t
shorter(uint32_t one, uint32_t policy)
{
	return policy != 0 && policy < one ? policy : one;
}

static struct dialog_timeouts
timeouts_of(
    const struct config_timeouts *config, const struct policy_timeouts *policy)
{
	return (struct dialog_timeouts){
	    .greeting = shorter(config->greeting, policy->greeting),
	    .command = shorter(config->command, policy->command),
	    .data_block = shorter(config->data_block, policy->data_block),
	    .data_end = shorter(config->data_end, policy->data_end),
	    .connect = shorter(config->connect, policy->connect),
	    .handshake = config->handshake};
}

/* What `server` says of a leg that is encrypted for the client (uplift), or
 * after it. */
static enum dialog_wish
wish_of(enum config_tls_server server, bool uplift)
{
	switch (server) {
	case CONFIG_SERVER_NONE:
		return DIALOG_WISH_NONE;
	case CONFIG_SERVER_OPPORTUNISTIC:
		return DIALOG_WISH_TRY;
	case CONFIG_SERVER_REQUIRE:
	case CONFIG_SERVER_VERIFY:
		return DIALOG_WISH_MUST;
	case CONFIG_SERVER_UNSAID:
	case CONFIG_SERVER_MIRROR:
		break;
	}
	return uplift ? DIALOG_WISH_MUST : DIALOG_WISH_MIRROR;
}

static struct dialog_listener
dialog_listener_of(
    const struct config *config, const struct config_listener *from)
{
	_Static_assert((int)CLIENTS_WINDOWS == (int)CONFIG_WINDOWS_MAX &&
			   (int)CLIENTS_WINDOWS == (int)DIALOG_RATES,
	    "every rate is counted");
	static const char *const modes[] = {"tproxy", "redirect", "explicit"};
	static const enum policy_starttls clients[] = {
	    [CONFIG_TLS_PASS] = POLICY_STARTTLS_PASS,
	    [CONFIG_TLS_HIDE] = POLICY_STARTTLS_HIDE,
	    [CONFIG_TLS_UPLIFT] = POLICY_STARTTLS_UPLIFT,
	    [CONFIG_TLS_TERMINATE] = POLICY_STARTTLS_TERMINATE,
	    [CONFIG_TLS_INTERCEPT] = POLICY_STARTTLS_INTERCEPT,
	    [CONFIG_TLS_REFUSE] = POLICY_STARTTLS_REFUSE};

	return (struct dialog_listener){.name = slice_str(from->name),
	    .mode = modes[from->mode],
	    .policy = from->policy,
	    .starttls = clients[from->tls.client],
	    .uplift_wish = wish_of(from->tls.server, true),
	    .end_wish = wish_of(from->tls.server, false),
	    .implicit = from->tls.implicit,
	    .greet_first = from->greet_first,
	    .dns_timeout_ms = config->dns.timeout_ms,
	    .client_limits = {config->client_limits.sessions,
		config->client_limits.rate, config->client_limits.enforce},
	    .timeouts =
		timeouts_of(&config->timeouts, policy_timeouts(from->policy)),
	    .reset_upstream =
		from->on_upstream_failure == CONFIG_UPSTREAM_RESET,
	    .node = slice_str(config->node)};
}

static struct session_listener
listener_of(const struct config *config, const struct config_listener *from,
    const struct worker_tls *tls)
{
	static const enum net_source sources[] = {
	    NET_SOURCE_CLIENT, NET_SOURCE_CLIENT_PORT, NET_SOURCE_GATE};

	return (struct session_listener){
	    .dialog = dialog_listener_of(config, from),
	    .source = sources[from->source],
	    .upstream = from->upstream,
	    .tls = {.terminate = tls->terminate,
		.intercept = tls->intercept,
		.server = tls->server,
		.server_name = slice_str(from->tls.server_name),
		.verify = from->tls.server == CONFIG_SERVER_VERIFY},
	    .bypass = from->tls.bypass,
	    .bypass_count = from->tls.bypass_count};
}

static void
set_up_acceptors(struct state *state)
{
	struct worker *worker = state->worker;

	state->acceptors =
	    calloc(worker->socket_count, sizeof(struct acceptor));
	if (state->acceptors == NULL)
		log_fatal("no memory while starting");
	for (unsigned i = 0; i < worker->socket_count; i++) {
		struct acceptor *acceptor = &state->acceptors[i];
		acceptor->magic = ACCEPTOR_MAGIC;
		acceptor->state = state;
		acceptor->socket = &worker->sockets[i];
		const struct config_listener *from =
		    worker->sockets[i].listener;
		acceptor->listener = listener_of(worker->config, from,
		    &state->tls[from - worker->config->listeners]);
		acceptor->watch = loop_watch_new(state->loop,
		    worker->sockets[i].fd, on_connection, acceptor);
		if (acceptor->watch == NULL)
			log_fatal("no memory while starting");
	}
}

/* Without one the gate works on: rules that ask DNS are told of a temporary
 * error. */
static struct resolver *
make_resolver(const struct state *state)
{
	const struct config_dns *dns = &state->worker->config->dns;
	struct resolver *resolver = resolver_new(state->loop,
	    &(struct resolver_config){.servers = dns->servers,
		.server_count = dns->server_count,
		.timeout_ms = dns->timeout_ms,
		.cache_entries = dns->cache,
		.cache_bytes =
		    DNS_CACHE_BYTES + (size_t)dns->cache * DNS_ANSWER_BYTES,
		.in_flight_max = DNS_IN_FLIGHT_MAX});

	if (resolver == NULL)
		log_error("there is no resolver: to every rule that asks DNS "
			  "its answer is `temperror`");
	return resolver;
}

static void
on_log_line(enum log_level level, const char *text, void *arg)
{
	static const char *const names[] = {
	    "debug", "info", "notice", "warning", "error"};
	struct state *state = arg;
	struct buf line;

	if (!state->worker->config->log_daemon_events)
		return;
	buf_init(&line, 8192);
	if (record_write_daemon(slice_str(state->worker->config->node),
		loop_wall_us(), names[level], "worker", text,
		++state->roster.seq, &line))
		ring_put(state->worker->ring, buf_slice(&line));
	buf_fini(&line);
}

static bool
ban(void *arg, const struct addr *client, uint32_t seconds)
{
	struct state *state = arg;
	const struct config *config = state->worker->config;

	if (!bans_may(client, config->never_ban, config->never_ban_count))
		return false;
	if (bans_ask(state->worker->ban_fd, client, seconds))
		return true;
	if (is_due(&state->said_lost_ms))
		log_error("bans are lost: the monitor has too many to do");
	return false;
}

/* What is open stays open, and no more is to be opened. */
static void
close_files(const struct state *state)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(COVERAGE)
	if (net_forbid_files() == -1 && keys_are_named(state->worker->config))
		log_warn("a worker can open files: %s while giving that up",
		    strerror(errno));
#else
	(void)state; /* what these write at their end are files */
#endif
}

static void
ignore_signals(void)
{
	static const int signals[] = {
	    SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &ignore, NULL);
}

static void
set_up(struct state *state)
{
	struct worker *worker = state->worker;

	ignore_signals();
	state->loop = loop_new();
	if (state->loop == NULL ||
	    !roster_init(&state->roster, state->loop, worker->ring))
		log_fatal("no event loop: %s", strerror(errno));
	state->roster.start_events = worker->config->log_start_events;
	state->roster.ban_events = worker->config->log_ban_events;
	state->roster.ban = ban;
	state->roster.ban_ctx = state;
	state->roster.leave = leave;
	state->roster.leave_ctx = state;
	state->roster.lane = worker->lane;
	state->roster.arena = worker->arena;
	state->roster.own = &worker->shared->own[worker->slot];
	state->control =
	    loop_watch_new(state->loop, worker->control_fd, on_control, state);
	state->back_off = loop_timer_new(state->loop, on_back_off_end, state);
	if (state->control == NULL || state->back_off == NULL)
		log_fatal("no memory while starting");
	state->tls =
	    worker_tls_new(worker->config, worker->keys, worker->tickets);
	set_up_acceptors(state);
	loop_on_turn(state->loop, on_turn, state);
	log_set_hook(on_log_line, state);
	state->roster.resolver = make_resolver(state);
	close_files(state);
}

int
worker_run(struct worker *worker)
{
	struct state state = {.worker = worker};

	set_up(&state);
	loop_watch_start(state.control);
	set_accepting(&state, true);
	loop_run(state.loop);
	log_set_hook(NULL, NULL);
	for (unsigned i = 0; i < worker->socket_count; i++)
		loop_watch_free(&state.acceptors[i].watch);
	free(state.acceptors);
	loop_watch_free(&state.control);
	loop_timer_free(&state.back_off);
	resolver_free(&state.roster.resolver);
	roster_fini(&state.roster);
	worker_tls_free(&state.tls, worker->config);
	loop_free(&state.loop);
	return 0;
}
