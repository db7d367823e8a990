/*
 * A simulated session: a client and a server of our own, and between them a
 * dialog as the gate has it, moved by a scheduler that chooses everything from
 * a seed: what is said, how bytes are cut, when they come, what breaks.
 *
 *   client.c  says things, and knows which reply answers what
 *   server.c  the model: parses what arrives by a reading of its own
 *   world.c   the scheduler
 *   check.c   what must hold while a session goes on, and at its end
 *   main.c    seeds, processes, figures
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "base/pool.h"
#include "relay/dialog_private.h"

#include <stdio.h>

enum {
	BLOCK = 64 * 1024,
	MESSAGES_MAX = 16,
	LEGS_MAX = 16,
	AWAITED_MAX = 64,
	STREAM_MAX = 256 * 1024
};

/* --- chance ---------------------------------------------------------------- */

struct chance {
	uint64_t state;
};
/* A stream of its own for each purpose: one does not move another. */
struct chance chance_of(uint64_t seed, unsigned purpose, unsigned number);
uint32_t chance_next(struct chance *chance);
/* 0 to n - 1. */
unsigned chance_below(struct chance *chance, unsigned n);
/* One time in n. */
bool chance_one_in(struct chance *chance, unsigned n);

/* --- what is played --------------------------------------------------------- */

enum manner {
	POLITE,    /* waits where it must */
	PIPELINES, /* groups, and waits at their ends */
	EAGER      /* waits for nothing */
};

/* TLS of the gate's own.  (That of the client's end is one in which a server's
 * STARTTLS never passes.) */
enum plan_tls {
	TLS_NONE,
	TLS_TERMINATE, /* the client's ends at the gate, the server has none */
	TLS_MIRROR,    /* ... the server's leg is as the client's */
	TLS_INTERCEPT, /* ... and before it */
	TLS_MUST,      /* the server's leg is encrypted */
	TLS_TRY,       /* ... where it can be */
	TLS_RULE       /* ... from the first name on that a rule mends */
};

struct plan {
	uint64_t seed;
	unsigned policy;
	enum plan_tls tls;
	bool greet_first, hide;
	enum manner manner;
	bool breaks;   /* connections and time-outs may */
	bool hostile;  /* the server breaks the protocol */
	bool friendly; /* it refuses nothing */
	unsigned schedule;
};

/* --- messages ----------------------------------------------------------------- */

/* A text as the client sent it and as the server took it. */
struct message {
	unsigned id; /* the server's, from 1 */
	unsigned leg;
	struct buf body;
	char sender[64];
	unsigned rcpts;
	bool reply_out;   /* its reply was given to the network */
	bool reply_heard; /* and all of it reached the gate */
};

/* --- the server ------------------------------------------------------------------ */

enum server_at {
	SERVER_COMMAND,
	SERVER_TEXT,
	SERVER_CHUNK,
	SERVER_AUTH,
	SERVER_OVER
};

struct server {
	struct world *world;
	struct chance chance;
	unsigned leg;
	enum server_at at;
	bool greeted, esmtp, named, auth_done;
	bool tls, lied;
	bool mail;
	unsigned rcpts;
	char sender[64];
	uint64_t chunk;
	bool last, chunk_bad, chunk_dead;
	unsigned commands, replies;
	struct buf in, out; /* what came and is not read; what is said */
	struct buf chunks;
	bool closed; /* it sends no more */
};

void server_begin(struct server *server, struct world *world, unsigned leg);
void server_end(struct server *server);
/* Reads what has come and answers. */
void server_serve(struct server *server);

/* --- the client ------------------------------------------------------------------- */

enum awaited {
	AWAITS_GREETING,
	AWAITS_NAME,
	AWAITS_HELO, /* the same, and the reply offers nothing (RFC 5321 4.1.1.1) */
	AWAITS_MAIL,
	AWAITS_RCPT,
	AWAITS_DATA,
	AWAITS_DOT,
	AWAITS_CHUNK,
	AWAITS_LAST_CHUNK,
	AWAITS_AUTH,
	AWAITS_TLS,
	AWAITS_QUIT,
	AWAITS_OTHER
};

struct client {
	struct world *world;
	struct chance chance;
	struct buf out, in; /* what it says; what it hears and has not read */
	enum awaited awaited[AWAITED_MAX];
	unsigned first, awaiting; /* a ring */
	bool pipelining;          /* was offered */
	bool chunking, starttls;
	bool named, mail, must_reset;
	bool begins_tls; /* it heard the 220 */
	bool secured;
	unsigned rcpts, left; /* of its will to go on */
	struct buf text;      /* of the message under way, decoded */
	char sender[64];
	unsigned texts;     /* ends of data that it sent */
	unsigned acked[64]; /* the server's numbers that it heard */
	unsigned acked_count;
	bool quit, over, gone;
	unsigned commands, replies;
};

void client_begin(struct client *client, struct world *world);
void client_end(struct client *client);
/* Says the next things, where it need not wait. */
void client_speak(struct client *client);
/* Reads the replies that have come. */
void client_listen(struct client *client);

/* --- all of it ---------------------------------------------------------------------- */

struct world {
	const struct plan *plan;
	struct chance chance;
	struct pool *pool;
	struct dialog *dialog;
	struct dialog_listener listener;
	struct dialog_io io;
	struct client client;
	struct server server; /* of the leg that stands */
	unsigned legs;
	size_t leg_from; /* of arrived */
	bool leg_stands, leg_asked;
	bool shakes[2]; /* by side: TLS was ordered, and is not there yet */
	bool over, reset_client, reset_server;
	bool blind, fell; /* the server said 421 */
	bool mended;      /* TLS_RULE: the server was told a mended name */
	uint64_t now_us;
	unsigned steps, timeouts;
	struct message messages[MESSAGES_MAX];
	unsigned message_count;
	/* All that went by, to be compared with another schedule's. */
	struct buf heard, arrived, record;
	bool verbose;
	unsigned states; /* 1 << enum smtp_state, those that were seen */
	uint64_t orders; /* 1 << enum dialog_order */
	unsigned verbs;  /* of the server's commands, by check.c */
};

/* Plays a session to its end. */
void world_play(struct world *world, const struct plan *plan, bool verbose);
void world_fini(struct world *world);
struct policy *world_policy(unsigned number);
/* How many there are for any plan; behind them stands that of TLS_RULE. */
unsigned world_policies(void);
/* What the gate does with STARTTLS. */
enum policy_starttls plan_starttls(const struct plan *plan);
bool world_rejects_strays(unsigned policy);

/* The seed does not hold: says so, in a line, and ends the process. */
_Noreturn void fail(const struct world *world, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void trace(const struct world *world, const char *who, struct slice bytes);

/* --- checks ---------------------------------------------------------------------------- */

void check_line(const struct server *server, struct slice line);
/* What must be said in TLS is. */
void check_secret(const struct server *server, struct slice line);
void check_clean(const struct world *world, struct slice bytes);
/* Nothing is under way anywhere: server and engine are of one mind. */
void check_rest(struct world *world);
void check_message(struct world *world, const struct message *message);
void check_end(struct world *world);
/* The text as the gate must pass it on.  False: it must refuse it. */
bool check_mend(const struct world *world, struct slice text, struct buf *out);

#endif
