/*
 * The worker process.  See worker.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/worker.h"

#include "base/log.h"
#include "base/magic.h"
#include "io/resolver.h"
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
	struct loop_watch *control;
	struct loop_timer *back_off;
	bool closing; /* no more connections are accepted */
	bool said_full;
	uint64_t said_banned_ms; /* when the log told of a banned client */
	uint64_t said_lost_ms;   /* and of a ban that is lost */
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
accept_one(struct acceptor *acceptor)
{
	struct state *state = acceptor->state;
	struct endpoint client, server;
	int fd = net_accept(acceptor->socket->fd, &client);

	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			back_off(state, errno);
		/* Anything else is that one connection's trouble. */
		return errno == ECONNABORTED || errno == EINTR;
	}
	state->said_full = false;
	if (turn_away(state, fd, &client))
		return true;
	enum session_admit answer = find_server(acceptor, fd, &client, &server);
	if (answer == SESSION_ADMIT)
		answer = admit(state);
	if (!session_start(&state->roster, &acceptor->listener, fd, &client,
		&server, answer))
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

static struct session_listener
listener_of(const struct config *config, const struct config_listener *from)
{
	static const char *const modes[] = {"tproxy", "redirect", "explicit"};
	static const enum net_source sources[] = {
	    NET_SOURCE_CLIENT, NET_SOURCE_CLIENT_PORT, NET_SOURCE_GATE};

	return (struct session_listener){
	    .dialog = {.name = slice_str(from->name),
		.mode = modes[from->mode],
		.policy = from->policy,
		.hide_starttls = from->tls_client == CONFIG_TLS_HIDE,
		.dns_timeout_ms = config->dns.timeout_ms,
		.reset_upstream =
		    from->on_upstream_failure == CONFIG_UPSTREAM_RESET,
		.node = slice_str(config->node)},
	    .source = sources[from->source],
	    .upstream = from->upstream};
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
		acceptor->listener =
		    listener_of(worker->config, worker->sockets[i].listener);
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
	const struct config_timeouts *timeouts = &worker->config->timeouts;

	ignore_signals();
	state->loop = loop_new();
	if (state->loop == NULL ||
	    !roster_init(&state->roster, state->loop, worker->ring))
		log_fatal("no event loop: %s", strerror(errno));
	state->roster.timeouts =
	    (struct session_timeouts){timeouts->greeting, timeouts->command,
		timeouts->data_block, timeouts->data_end, timeouts->connect};
	state->roster.start_events = worker->config->log_start_events;
	state->roster.ban_events = worker->config->log_ban_events;
	state->roster.ban = ban;
	state->roster.ban_ctx = state;
	state->roster.lane = worker->lane;
	state->roster.own = &worker->shared->own[worker->slot];
	state->control =
	    loop_watch_new(state->loop, worker->control_fd, on_control, state);
	state->back_off = loop_timer_new(state->loop, on_back_off_end, state);
	if (state->control == NULL || state->back_off == NULL)
		log_fatal("no memory while starting");
	set_up_acceptors(state);
	loop_on_turn(state->loop, on_turn, state);
	log_set_hook(on_log_line, state);
	state->roster.resolver = make_resolver(state);
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
	loop_free(&state.loop);
	return 0;
}
