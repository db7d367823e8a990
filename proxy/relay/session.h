/*
 * One proxied connection: two streams and one dialog.  Nothing is decided
 * here; the dialog's orders are carried out.  No callback frees a session: it
 * is marked, and session_reap frees what is marked once a turn of the loop.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include "audit/ring.h"
#include "base/pool.h"
#include "io/loop.h"
#include "io/tls.h"
#include "net/socket.h"
#include "relay/dialog.h"
#include "relay/own.h"

/* How connections of one listener are served; outlives its sessions. */
struct session_listener {
	struct dialog_listener dialog;
	enum net_source source;
	struct endpoint upstream; /* of explicit; port 0: the original one */
	/* NULL where the dialog orders none. */
	struct {
		struct tls_context *terminate, *intercept, *server;
		struct slice server_name; /* empty: as the client asks for, or
					   * as the server says */
		bool verify;
	} tls;
	const struct prefix *bypass; /* servers that are not intercepted */
	unsigned bypass_count;
};

struct session;

/* All sessions of a worker and what they share. */
struct roster {
	struct loop *loop;
	struct pool *pool;   /* of SESSION_BLOCK bytes */
	struct ring *ring;   /* finished records; NULL: none are kept */
	struct arena *arena; /* open ones; NULL: on the heap */
	bool start_events, ban_events; /* such lines are written */
	unsigned lane;  /* of the references: unique per worker and start */
	unsigned count; /* references so far */
	uint64_t seq;   /* lines so far */
	unsigned open;  /* sessions now */
	struct session *first;
	struct session *dead; /* marked, to be freed */
	struct buf line;      /* where a record is written before it goes */
	bool draining;
	struct own_table *own; /* NULL: loops are not looked for */
	/* Keeps a client away; NULL, or false: it is not. */
	bool (*ban)(void *ctx, const struct addr *client, uint32_t seconds);
	void *ban_ctx;
	/* A client has a session less; NULL: clients are not counted. */
	void (*leave)(void *ctx, int place);
	void *leave_ctx;
	struct resolver *resolver; /* NULL: DNS has temporary errors only */
};

enum {
	SESSION_NO_PLACE = -1,
	/* Of each of the four buffers of a session, held only while bytes
	 * wait in it. */
	SESSION_BLOCK = 64 * 1024
};

/* Storage is the caller's.  False: no memory. */
bool roster_init(struct roster *roster, struct loop *loop, struct ring *ring);
void roster_fini(struct roster *roster);
/* Asks every session to end at its next idle moment, and sessions yet to come
 * likewise. */
void roster_drain(struct roster *roster);

/* Why a session may not begin: it is answered 421 and recorded. */
enum session_admit {
	SESSION_ADMIT,
	SESSION_FULL,   /* limits.sessions */
	SESSION_NO_LOG, /* log.on_failure: refuse */
	SESSION_LOOP    /* the connection would come back to the gate */
};

/* A connection that was accepted. */
struct session_arrival {
	int fd;
	struct endpoint client, server;
	enum session_admit admit;
	int place; /* of the client, for roster->leave; or SESSION_NO_PLACE */
	struct dialog_counts counts;
};

/* Takes the client's descriptor over and begins.  False: no memory, the
 * descriptor is closed by RST, the place is left. */
bool session_start(struct roster *roster,
    const struct session_listener *listener,
    const struct session_arrival *arrival);

/* Frees the marked sessions. */
void session_reap(struct roster *roster);

#endif
