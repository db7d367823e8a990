/*
 * A proxied connection.  See session.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/session.h"

#include "base/magic.h"
#include "relay/session_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void on_client(
    struct stream *stream, enum stream_event event, void *arg);
static void on_server(
    struct stream *stream, enum stream_event event, void *arg);
static void on_timer(void *arg);

/* --- the upstream connection ------------------------------------------------------------ */

static enum dialog_failure
failure_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ECONNRESET:
		return DIALOG_REFUSED;
	case ETIMEDOUT:
		return DIALOG_TIMED_OUT;
	case EADDRNOTAVAIL:
	case EADDRINUSE:
		return DIALOG_NO_PORT;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return DIALOG_NO_RESOURCES;
	default:
		return DIALOG_UNREACHABLE;
	}
}

static void
connect_failed(struct session *session, int error)
{
	session_drop_server(session, false);
	dialog_failed(
	    session->dialog, failure_of(error), slice_str(strerror(error)));
}

static void
connect_server(struct session *session)
{
	struct net_connect request = {.to = session->server_end,
	    .client = session->client_end,
	    .source = session->listener->source};
	int fd = net_connect(&request);

	session->connected = false;
	if (fd == -1) {
		connect_failed(session, errno);
		return;
	}
	session_note_own(session, fd);
	if (request.port_taken)
		dialog_note(session->dialog, "source_port_taken");
	session->server =
	    stream_new(session->roster->loop, fd, &session->io.server_in,
		&session->io.server_out, on_server, session);
	if (session->server == NULL) {
		close(fd);
		connect_failed(session, ENOMEM);
		return;
	}
	/* A server speaks first, so its greeting tells that it is there; not to
	 * a session that is blind from the start, or speaks TLS first. */
	if (dialog_is_spliced(session->dialog) || session->unwrapped ||
	    dialog_wraps_server(session->dialog))
		stream_want_ready(session->server);
}

/* We hear of it with the greeting; the two waits are told apart.  Returns when
 * the connection came to stand. */
static uint64_t
note_connected(struct session *session)
{
	int fd = stream_fd(session->server);
	uint64_t stood_us = loop_mono_us() - net_quiet_us(fd);
	struct endpoint local = {0};

	session->connected = true;
	net_local(fd, &local);
	dialog_connected(session->dialog, &local, stood_us);
	return stood_us;
}

/* --- a turn -------------------------------------------------------------------------------- */

static uint32_t
allowance(const struct session *session, enum dialog_wait waits)
{
	const struct dialog_timeouts *timeouts =
	    &session->listener->dialog.timeouts;

	switch (waits) {
	case DIALOG_WAIT_CONNECT:
		return timeouts->connect;
	case DIALOG_WAIT_GREETING:
		return timeouts->greeting;
	case DIALOG_WAIT_BLOCK:
		return timeouts->data_block;
	case DIALOG_WAIT_END:
		return timeouts->data_end;
	case DIALOG_WAIT_HANDSHAKE:
		return timeouts->handshake;
	case DIALOG_WAIT_COMMAND:
	case DIALOG_WAIT_BLIND:
	case DIALOG_WAIT_DNS: /* these two say themselves when they end */
	case DIALOG_WAIT_DELAY:
		break;
	}
	return timeouts->command;
}

/* A connection is heard of with the greeting, so that whether it stands must
 * be asked before a greeting can be late. */
static void
start_timer(struct session *session)
{
	const struct dialog_timeouts *timeouts =
	    &session->listener->dialog.timeouts;
	uint64_t now_us = loop_mono_us();
	uint64_t left_ms = session->deadline_us > now_us
			       ? (session->deadline_us - now_us) / 1000
			       : 0;

	if (session->waits == DIALOG_WAIT_CONNECT &&
	    left_ms > timeouts->greeting)
		left_ms = timeouts->greeting;
	loop_timer_start(session->timer, (uint32_t)left_ms + 1);
}

static uint64_t
deadline_of(
    const struct session *session, enum dialog_wait waits, uint64_t since_us)
{
	uint64_t due_us = since_us + allowance(session, waits) * UINT64_C(1000);

	if (waits == DIALOG_WAIT_DNS || waits == DIALOG_WAIT_DELAY)
		return dialog_wake_us(session->dialog);
	if (waits == DIALOG_WAIT_BLOCK &&
	    dialog_text_due_us(session->dialog) < due_us)
		return dialog_text_due_us(session->dialog);
	return due_us;
}

/* The deadline moves with the dialog's progress, not with every read; the wait
 * began at `since_us`.  The timer is not moved: when it fires early it is set anew, which costs less
 * than moving it at every command. */
static void
set_deadline(struct session *session, uint64_t since_us)
{
	enum dialog_wait waits = dialog_waits(session->dialog);
	unsigned progress = dialog_progress(session->dialog);
	bool blind = session->phase == PHASE_BLIND;

	if (blind)
		progress = (unsigned)(stream_octets_in(session->client) +
				      stream_octets_in(session->server));
	if (waits == session->waits && progress == session->progress &&
	    waits != DIALOG_WAIT_DNS && waits != DIALOG_WAIT_DELAY)
		return;
	uint64_t deadline_us = deadline_of(session, waits, since_us);
	bool earlier =
	    session->deadline_us == 0 || deadline_us < session->deadline_us;
	session->waits = waits;
	session->progress = progress;
	session->deadline_us = deadline_us;
	if (earlier)
		start_timer(session);
}

static void
session_ban(struct session *session, const struct policy_rule_id *rule,
    uint32_t seconds)
{
	struct roster *roster = session->roster;

	if (roster->ban == NULL ||
	    !roster->ban(roster->ban_ctx, &session->client_end.addr, seconds))
		return;
	if (roster->ring != NULL && roster->ban_events &&
	    dialog_write_ban(
		session->dialog, rule, seconds, ++roster->seq, &roster->line))
		roster_publish(roster);
}

/* Carries out one order.  False: nothing is left to do for now. */
static bool
obey(struct session *session, const struct dialog_act *act)
{
	switch (act->order) {
	case DIALOG_CONNECT:
		connect_server(session);
		return true;
	case DIALOG_RESOLVE:
		return session_resolve(session);
	case DIALOG_BAN:
		session_ban(session, act->ban_rule, act->ban_s);
		return true;
	case DIALOG_CUT:
		session_drop_server(session, true);
		return true;
	case DIALOG_TLS_CLIENT:
		session_order_tls(session, DIALOG_CLIENT, act->intercepts);
		return false;
	case DIALOG_TLS_SERVER:
		session_order_tls(session, DIALOG_SERVER, false);
		return false;
	case DIALOG_BLIND:
		session->phase = PHASE_BLIND;
		session->tls_due = act->tls_only;
		return false;
	case DIALOG_CLOSE:
		session_begin_close(session, act);
		return false;
	case DIALOG_WAIT:
		break;
	}
	return false;
}

static size_t
flush(struct session *session)
{
	struct dialog_io *io = &session->io;
	size_t before = buf_len(&io->client_out) + buf_len(&io->server_out);

	if (before == 0)
		return 0;
	stream_flush(session->client);
	if (session->server != NULL && session->connected)
		stream_flush(session->server);
	return before - buf_len(&io->client_out) - buf_len(&io->server_out);
}

static void
talk_step(struct session *session)
{
	struct dialog_act act;

	do {
		do
			dialog_step(session->dialog, loop_mono_us(), &act);
		while (obey(session, &act));
		/* What was sent made room: more may be waiting to be read
		 * out of the inputs. */
	} while (
	    session->phase == PHASE_TALK && flush(session) > 0 &&
	    buf_len(&session->io.client_in) + buf_len(&session->io.server_in) >
		0);
}

void
session_turn(struct session *session)
{
	if (session->dead)
		return;
	if (session->phase == PHASE_TALK && !session->held)
		talk_step(session);
	if (session->phase == PHASE_TALK) {
		session_begin_tls(session, DIALOG_CLIENT);
		session_begin_tls(session, DIALOG_SERVER);
	}
	if (session->phase == PHASE_BLIND && !session->dead)
		session_blind_step(session);
	if (session->phase == PHASE_CLOSE && !session->dead)
		session_close_step(session);
	if (session->dead)
		return;
	if (session->phase != PHASE_CLOSE)
		set_deadline(session, loop_mono_us());
	stream_update(session->client);
	if (session->server != NULL)
		stream_update(session->server);
}

static void
on_client(struct stream *stream, enum stream_event event, void *arg)
{
	struct session *session;

	MAGIC_CAST(session, arg, SESSION_MAGIC);
	if (session->dead)
		return;
	if (session_take_handshake(session, DIALOG_CLIENT, event)) {
		session_turn(session);
		return;
	}
	if (session->phase == PHASE_TALK && event == STREAM_EOF)
		dialog_eof(session->dialog, DIALOG_CLIENT, SLICE(""));
	if (session->phase == PHASE_TALK && event == STREAM_ERROR)
		dialog_eof(session->dialog, DIALOG_CLIENT,
		    slice_str(strerror(stream_error(stream))));
	session_turn(session);
}

static void
on_server(struct stream *stream, enum stream_event event, void *arg)
{
	struct session *session;

	MAGIC_CAST(session, arg, SESSION_MAGIC);
	if (session->dead)
		return;
	if (event == STREAM_ERROR && !session->connected) {
		connect_failed(session, stream_error(stream));
		session_turn(session);
		return;
	}
	if (!session->connected)
		note_connected(session);
	if (event == STREAM_READY)
		session_wrap_server(session);
	if (session_take_handshake(session, DIALOG_SERVER, event)) {
		session_turn(session);
		return;
	}
	if (session->phase == PHASE_TALK && event == STREAM_EOF)
		dialog_eof(session->dialog, DIALOG_SERVER, SLICE(""));
	if (session->phase == PHASE_TALK && event == STREAM_ERROR)
		dialog_eof(session->dialog, DIALOG_SERVER,
		    slice_str(strerror(stream_error(stream))));
	session_turn(session);
}

/* The connection may stand, and only the greeting be missing: that is another
 * wait, which began when it came to stand.  False: it does not stand yet. */
static bool
is_late_connect(struct session *session)
{
	if (session->phase == PHASE_CLOSE || session->server == NULL ||
	    session->waits != DIALOG_WAIT_CONNECT)
		return false;
	int state = net_is_connected(stream_fd(session->server));
	if (state == -1)
		connect_failed(session, errno);
	if (state != 1)
		return state != 0;
	session->deadline_us = 0;
	set_deadline(session, note_connected(session));
	return true;
}

static void
on_timer(void *arg)
{
	struct session *session;
	uint64_t now_us = loop_mono_us();

	MAGIC_CAST(session, arg, SESSION_MAGIC);
	if (session->dead)
		return;
	if (is_late_connect(session)) {
		session_turn(session);
		return;
	}
	if (now_us < session->deadline_us) {
		start_timer(session);
		return;
	}
	session->deadline_us = 0;
	if (session->phase == PHASE_CLOSE) {
		session_mark_dead(session);
		return;
	}
	if (session->waits == DIALOG_WAIT_CONNECT)
		session_drop_server(session, true);
	if (session->waits == DIALOG_WAIT_DNS)
		session_stop_asking(session);
	dialog_timed_out(session->dialog);
	session->held = false;
	/* A blind session takes no orders from the dialog but this one. */
	if (session->phase == PHASE_BLIND)
		session->phase = PHASE_TALK;
	session_turn(session);
}

/* --- begin ------------------------------------------------------------------------------------ */

static bool
is_bypassed(const struct session *session)
{
	const struct session_listener *listener = session->listener;

	for (unsigned i = 0; i < listener->bypass_count; i++)
		if (prefix_contains(
			&listener->bypass[i], &session->server_end.addr))
			return true;
	return false;
}

static bool
prepare(struct session *session, const struct session_arrival *arrival)
{
	struct roster *roster = session->roster;
	struct dialog_start start = {.client = session->client_end,
	    .server = session->server_end,
	    .bypass = is_bypassed(session),
	    .arena = roster->arena,
	    .counts = arrival->counts,
	    .wall_us = loop_wall_us(),
	    .mono_us = loop_mono_us()};

	record_make_ref(
	    start.wall_us / 1000, roster->lane, roster->count++, start.ref);
	buf_init_pool(&session->io.client_in, roster->pool);
	buf_init_pool(&session->io.client_out, roster->pool);
	buf_init_pool(&session->io.server_in, roster->pool);
	buf_init_pool(&session->io.server_out, roster->pool);
	session->dialog =
	    dialog_new(&session->listener->dialog, &start, &session->io);
	session->timer = loop_timer_new(roster->loop, on_timer, session);
	if (session->dialog == NULL || session->timer == NULL)
		return false;
	session->client =
	    stream_new(roster->loop, arrival->fd, &session->io.client_in,
		&session->io.client_out, on_client, session);
	return session->client != NULL;
}

static void
refuse(struct session *session, enum session_admit admit)
{
	static const enum dialog_failure why[] = {
	    [SESSION_FULL] = DIALOG_NO_RESOURCES,
	    [SESSION_NO_LOG] = DIALOG_NO_LOG,
	    [SESSION_LOOP] = DIALOG_LOOP};

	if (admit != SESSION_ADMIT)
		dialog_failed(session->dialog, why[admit], SLICE(""));
}

static void
say_start(struct session *session)
{
	struct roster *roster = session->roster;

	if (roster->ring != NULL && roster->start_events &&
	    dialog_write_start(session->dialog, ++roster->seq, &roster->line))
		roster_publish(roster);
}

bool
session_start(struct roster *roster, const struct session_listener *listener,
    const struct session_arrival *arrival)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL) {
		close(arrival->fd);
		roster_leave(roster, arrival->place);
		return false;
	}
	session->magic = SESSION_MAGIC;
	session->roster = roster;
	session->listener = listener;
	session->client_end = arrival->client;
	session->server_end = arrival->server;
	session->place = arrival->place;
	session->waits = DIALOG_WAIT_BLIND; /* any other sets a deadline */
	if (!prepare(session, arrival)) {
		if (session->client == NULL)
			close(arrival->fd);
		roster_leave(roster, arrival->place);
		session_release(session);
		return false;
	}
	session->next = roster->first;
	if (roster->first != NULL)
		roster->first->previous = session;
	roster->first = session;
	roster->open++;
	say_start(session);
	refuse(session, arrival->admit);
	if (roster->draining)
		dialog_drain(session->dialog);
	session_wrap_client(session);
	session_turn(session);
	return true;
}
