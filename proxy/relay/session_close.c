/*
 * Blind relay, and how a session closes.  See session_private.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/session_private.h"

enum {
	/* How long a peer that was told the end may take to close. */
	LINGER_MS = 2000,
	TLS_HANDSHAKE = 0x16 /* RFC 8446 5.1: the first byte of TLS */
};

/* --- closing ------------------------------------------------------------------------ */

static bool
is_drained(struct stream *stream, const struct buf *out)
{
	return stream == NULL || stream_error(stream) != 0 || buf_len(out) == 0;
}

/* The dialog is over.  Peers close first where they do so soon: the port of a
 * closed leg then rests with them, not here.  What they still send is thrown
 * away, since closing upon unread bytes would reset the connection and could
 * take our last reply with it. */
void
session_begin_close(struct session *session, const struct dialog_act *act)
{
	session->phase = PHASE_CLOSE;
	/* Where TLS has not begun, or is not done, nothing can be said. */
	if (session->unwrapped || session->shakes[DIALOG_CLIENT])
		buf_clear(&session->io.client_out);
	if (session->shakes[DIALOG_SERVER])
		session_drop_server(session, true);
	/* What lingers is no session of its client's any more. */
	session_leave(session);
	if (act->reset_client) {
		/* First: the record has the octets of both. */
		session_mark_dead(session);
		stream_free(&session->client, true);
		session_drop_server(session, act->reset_server);
		return;
	}
	if (act->reset_server || !session->connected)
		session_drop_server(session, act->reset_server);
	stream_discard(session->client);
	stream_last(session->client);
	if (session->server != NULL)
		stream_discard(session->server);
	session->deadline_us = loop_mono_us() + LINGER_MS * 1000u;
	loop_timer_start(session->timer, LINGER_MS);
}

static bool
is_over(const struct stream *stream)
{
	return stream == NULL || stream_is_eof(stream) ||
	       stream_error(stream) != 0;
}

void
session_close_step(struct session *session)
{
	stream_flush(session->client);
	if (session->server != NULL)
		stream_flush(session->server);
	if (!is_drained(session->client, &session->io.client_out))
		return;
	/* Whoever hung up first, the other has nothing to wait for: our last
	 * bytes are in its socket. */
	bool client_over = is_over(session->client);
	bool server_over = is_over(session->server);
	if (!client_over)
		stream_shutdown(session->client);
	if (client_over ||
	    (server_over && session->connected && session->server != NULL))
		session_mark_dead(session);
}

/* --- blind relay ----------------------------------------------------------------------- */

/* Moves what was read on one side to the other's output, without a copy where
 * that is empty. */
static void
pass_on(struct buf *in, struct buf *out)
{
	if (buf_len(out) == 0) {
		struct buf swap = *in;
		*in = *out;
		*out = swap;
		return;
	}
	struct slice bytes = slice_head(buf_slice(in), buf_room(out));
	buf_append(out, bytes);
	buf_consume(in, bytes.len);
}

static void
blind_over(struct session *session, enum dialog_side side, int error)
{
	struct dialog_act act;

	dialog_eof(session->dialog, side,
	    slice_str(error == 0 ? NULL : strerror(error)));
	dialog_step(session->dialog, loop_mono_us(), &act);
	act.order = DIALOG_CLOSE;
	session_begin_close(session, &act);
	if (!session->dead)
		session_close_step(session);
}

/* TLS was announced, and this is none: nothing goes on. */
static bool
is_not_tls(struct session *session)
{
	struct slice first = buf_slice(&session->io.client_in);

	if (!session->tls_due || first.len == 0)
		return false;
	session->tls_due = false;
	if ((unsigned char)first.ptr[0] == TLS_HANDSHAKE)
		return false;
	dialog_not_tls(session->dialog, slice_head(first, 64));
	return true;
}

void
session_blind_step(struct session *session)
{
	struct dialog_io *io = &session->io;

	if (is_not_tls(session)) {
		struct dialog_act act = {.order = DIALOG_CLOSE,
		    .reset_client = true,
		    .reset_server = true};
		session_begin_close(session, &act);
		return;
	}
	pass_on(&io->client_in, &io->server_out);
	pass_on(&io->server_in, &io->client_out);
	stream_flush(session->server);
	stream_flush(session->client);
	if (stream_error(session->client) != 0) {
		blind_over(
		    session, DIALOG_CLIENT, stream_error(session->client));
		return;
	}
	if (stream_error(session->server) != 0) {
		blind_over(
		    session, DIALOG_SERVER, stream_error(session->server));
		return;
	}
	/* A half-closed side stays half-closed on the other leg. */
	if (stream_is_eof(session->client) && buf_len(&io->server_out) == 0)
		stream_shutdown(session->server);
	if (stream_is_eof(session->server) && buf_len(&io->client_out) == 0)
		stream_shutdown(session->client);
	if (stream_is_eof(session->client) && stream_is_eof(session->server) &&
	    buf_len(&io->server_out) == 0 && buf_len(&io->client_out) == 0)
		blind_over(session, DIALOG_SERVER, 0);
}
