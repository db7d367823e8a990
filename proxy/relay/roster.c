/*
 * All sessions of a worker: their records, their end.  See session.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "relay/session_private.h"

#include <stdlib.h>

enum {
	POOL_KEEP = 256,
	LINE_MAX = RECORD_MAX + 4096
};

/* --- the end of a session -------------------------------------------------------- */

static struct dialog_octets
octets_of(const struct session *session)
{
	struct dialog_octets octets = {
	    .client_in = stream_octets_in(session->client),
	    .client_out = stream_octets_out(session->client),
	    .server_in = session->server_in,
	    .server_out = session->server_out};

	if (session->server != NULL) {
		octets.server_in += stream_octets_in(session->server);
		octets.server_out += stream_octets_out(session->server);
	}
	return octets;
}

void
roster_publish(struct roster *roster)
{
	if (!ring_put(roster->ring, buf_slice(&roster->line)))
		log_error("a record is lost while the log takes none");
	buf_clear(&roster->line);
}

static void
write_record(struct session *session)
{
	struct roster *roster = session->roster;
	struct dialog_octets octets = octets_of(session);

	if (roster->ring == NULL)
		return;
	if (dialog_write_record(session->dialog, &octets, loop_mono_us(),
		++roster->seq, &roster->line)) {
		/* Should we be killed between this and the end of the record
		 * it is told that the line is there. */
		dialog_record_goes_out(
		    session->dialog, ring_tail(roster->ring));
		roster_publish(roster);
	} else
		log_error("a record is lost: no memory for it");
}

void
roster_leave(struct roster *roster, int place)
{
	if (roster->leave != NULL && place != SESSION_NO_PLACE)
		roster->leave(roster->leave_ctx, place);
}

void
session_leave(struct session *session)
{
	roster_leave(session->roster, session->place);
	session->place = SESSION_NO_PLACE;
}

void
session_mark_dead(struct session *session)
{
	struct roster *roster = session->roster;

	if (session->dead)
		return;
	session->dead = true;
	session_stop_asking(session);
	session_leave(session);
	if (!dialog_is_quiet(session->dialog))
		write_record(session);
	if (session->previous != NULL)
		session->previous->next = session->next;
	else
		roster->first = session->next;
	if (session->next != NULL)
		session->next->previous = session->previous;
	session->next_dead = roster->dead;
	roster->dead = session;
	roster->open--;
	loop_timer_stop(session->timer);
}

/* Those with a client's address come back to the gate's own listener alone,
 * which is known by its port. */
void
session_note_own(struct session *session, int fd)
{
	struct endpoint local;

	if (session->listener->source == NET_SOURCE_GATE &&
	    session->roster->own != NULL && net_local(fd, &local))
		session->own_tag = own_note(
		    session->roster->own, &local, &session->server_end);
}

static void
forget_own(struct session *session)
{
	if (session->own_tag != 0)
		own_forget(session->roster->own, session->own_tag);
	session->own_tag = 0;
}

void
session_drop_server(struct session *session, bool reset)
{
	forget_own(session);
	session->tls_begins[DIALOG_SERVER] = false;
	session->shakes[DIALOG_SERVER] = false;
	if (session->server == NULL)
		return;
	session->server_in += stream_octets_in(session->server);
	session->server_out += stream_octets_out(session->server);
	stream_free(&session->server, reset);
	buf_clear(&session->io.server_in);
	buf_clear(&session->io.server_out);
}

void
session_release(struct session *session)
{
	forget_own(session);
	session_stop_asking(session);
	stream_free(&session->client, false);
	stream_free(&session->server, false);
	loop_timer_free(&session->timer);
	dialog_free(&session->dialog);
	buf_fini(&session->io.client_in);
	buf_fini(&session->io.client_out);
	buf_fini(&session->io.server_in);
	buf_fini(&session->io.server_out);
	session->magic = 0;
	free(session);
}

void
session_reap(struct roster *roster)
{
	while (roster->dead != NULL) {
		struct session *session = roster->dead;
		roster->dead = session->next_dead;
		session_release(session);
	}
}

/* --- roster ------------------------------------------------------------------------ */

bool
roster_init(struct roster *roster, struct loop *loop, struct ring *ring)
{
	*roster = (struct roster){.loop = loop, .ring = ring};
	roster->pool = pool_new(SESSION_BLOCK, POOL_KEEP);
	buf_init(&roster->line, LINE_MAX);
	return roster->pool != NULL;
}

void
roster_fini(struct roster *roster)
{
	while (roster->first != NULL) {
		struct session *session = roster->first;
		session->dead = true;
		roster->first = session->next;
		session->next_dead = roster->dead;
		roster->dead = session;
	}
	session_reap(roster);
	buf_fini(&roster->line);
	pool_free(&roster->pool);
}

void
roster_drain(struct roster *roster)
{
	roster->draining = true;
	for (struct session *session = roster->first; session != NULL;
	     session = session->next) {
		dialog_drain(session->dialog);
		if (session->phase == PHASE_TALK)
			session_turn(session);
	}
}
