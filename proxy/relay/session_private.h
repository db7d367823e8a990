/*
 * A session, as its files see it: session.c (events and the connection to the
 * server), session_tls.c (its handshakes), session_close.c (blind relay and endings), roster.c (all sessions,
 * their records and their end).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef RELAY_SESSION_PRIVATE_H
#define RELAY_SESSION_PRIVATE_H

#include "io/stream.h"
#include "relay/session.h"

enum {
	SESSION_MAGIC = 0x5e550001
};

enum session_phase {
	PHASE_TALK,  /* the dialog reads everything */
	PHASE_BLIND, /* bytes are relayed unread */
	PHASE_CLOSE  /* the last bytes go out, then the peers close */
};

struct session {
	unsigned magic;
	enum session_phase phase;
	struct roster *roster;
	const struct session_listener *listener;
	struct session *next, *previous; /* in the roster */
	struct session *next_dead;
	struct stream *client, *server;
	struct loop_timer *timer;
	struct dialog *dialog;
	struct dialog_io io;
	struct endpoint client_end, server_end;
	int place;                      /* of the client, in the count of all */
	uint64_t deadline_us;           /* of what the dialog waits for */
	uint64_t server_in, server_out; /* of a server stream that is gone */
	unsigned progress; /* dialog_progress when the deadline was set */
	enum dialog_wait waits;
	uint64_t own_tag;              /* 0: none is noted */
	struct session_query *queries; /* of DNS, on their way */
	bool tls_begins[2]; /* by side, when what stands in `out` is sent */
	bool shakes[2];     /* its handshake is under way */
	bool intercepts;    /* the client's is answered in the server's name */
	bool unwrapped;     /* the client's connection begins with TLS, which
			     * has not begun */
	bool held;          /* the dialog waits for it */
	bool connected;
	bool tls_due; /* blind: the client's first byte must begin TLS */
	bool dead;
};

/* Does all that can be done now; the end of every callback. */
void session_turn(struct session *session);
/* Writes the record and leaves the roster; freed by session_reap. */
void session_mark_dead(struct session *session);
void session_release(struct session *session);
void session_drop_server(struct session *session, bool reset);
/* TLS of either side (session_tls.c).  The dialog orders it; then, once its last
 * clear text is sent, it begins. */
void session_order_tls(
    struct session *session, enum dialog_side side, bool intercepts);
void session_begin_tls(struct session *session, enum dialog_side side);
/* True: the event was the handshake's. */
bool session_take_handshake(
    struct session *session, enum dialog_side side, enum stream_event event);
/* Of an implicit listener: at the start, and where the server's connection
 * stands. */
void session_wrap_client(struct session *session);
void session_wrap_server(struct session *session);
/* Notes a connection of our own, while it lasts.  See own.h. */
void session_note_own(struct session *session, int fd);
/* The dialog is over: what is left is to send and to close. */
void session_begin_close(struct session *session, const struct dialog_act *act);
void session_close_step(struct session *session);
void session_blind_step(struct session *session);
/* Fetches what the dialog asks of DNS.  True: some of it was known already, the
 * dialog is to look again. */
bool session_resolve(struct session *session);
void session_stop_asking(struct session *session);
/* Sends the line that stands in roster->line to the log. */
void roster_publish(struct roster *roster);
void roster_leave(struct roster *roster, int place);
/* The session counts no more for its client. */
void session_leave(struct session *session);

#endif
