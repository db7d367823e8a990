/*
 * The conversation: bytes of either side and answers of the policy go in;
 * bytes for either side come out, and one action at a time.  Deterministic:
 * it owns no descriptor and no clock, and how the bytes were cut on their way
 * makes no difference to what comes out.
 *
 * Whoever drives it appends what was received to client_in and server_in,
 * calls smtp_engine_step until it says SMTP_ACT_WAIT, and sends what stands
 * in client_out and server_out.  A full `out` stops the reading of the other
 * side's `in`: back-pressure.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SMTP_SMTP_ENGINE_H
#define SMTP_SMTP_ENGINE_H

#include "smtp/smtp_body.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_pending.h"
#include "smtp/smtp_reply.h"

enum smtp_act {
	SMTP_ACT_WAIT,       /* nothing more without I/O */
	SMTP_ACT_ASK,        /* HELO or EHLO: smtp_engine_asked, then _answer;
			      * a verb of ask_verbs: smtp_engine_asked_command,
			      * then _permit */
	SMTP_ACT_RETRY,      /* the server refused the name: likewise */
	SMTP_ACT_CONNECT,    /* a leg to the server is needed now: _connected
			      * or _leg_failed follows */
	SMTP_ACT_CUT_SERVER, /* reset the server's connection, keep the client */
	SMTP_ACT_TLS_CLIENT, /* when client_out is sent: TLS on the client's
			      * connection; _client_secured or _tls_failed
			      * follows */
	SMTP_ACT_TLS_SERVER, /* the same of the server's */
	SMTP_ACT_BLIND,      /* relay both ways unread from here on */
	SMTP_ACT_CLOSE       /* flush, then close; see smtp_engine_ending */
};

/* What happened, for the record.  Text is valid during the call only. */
enum smtp_note {
	SMTP_NOTE_GREETING,  /* text: the first line; by_gate */
	SMTP_NOTE_LEG,       /* text: the server's greeting, which the client
			      * does not hear; flag: it heard another one */
	SMTP_NOTE_REPLY,     /* verb, code, text: what the client heard */
	SMTP_NOTE_HELO_SAID, /* verb, text: the server's reply to a name */
	SMTP_NOTE_KEYWORD,   /* text: of the EHLO reply; flag: masked */
	SMTP_NOTE_AUTH,      /* text: mechanism, more: user */
	SMTP_NOTE_MAIL,      /* text: path, number: SIZE or -1 */
	SMTP_NOTE_RCPT,      /* text: path */
	SMTP_NOTE_TEXT,      /* number: octets, other: stray line ends,
			      * text: the Message-ID */
	SMTP_NOTE_VOID,      /* a transaction ended without a message */
	SMTP_NOTE_LIMIT,     /* word: which was passed */
	SMTP_NOTE_VIOLATION  /* word: which, text: the bytes concerned */
};

struct smtp_noted {
	enum smtp_note note;
	enum smtp_verb verb;
	unsigned code;
	struct slice text, more;
	int64_t number;
	uint64_t other;
	bool by_gate;
	bool flag;
	const char *word;
};

enum {
	/* Of a refused message, octets that are still waited for its end. */
	SMTP_DRAIN_MAX = 64 * 1024 * 1024
};

/* Why and how a session ends. */
struct smtp_ending {
	bool reset_server; /* a message was under way: no end of data, ever */
	bool reset_client;
	char code[3];       /* two letters: who, where */
	const char *reason; /* our own words */
};

enum {
	SMTP_BANNER_MAX = 512
};

struct smtp_hooks {
	/* Called within smtp_engine_step; must not call the engine. */
	void (*note)(void *ctx, const struct smtp_noted *noted);
	/* The policy on an EHLO keyword: 1 allow, -1 hide, 0 silent. */
	int (*keyword)(void *ctx, struct slice keyword);
	/* The name that goes on: what the server took last, or the one that
	 * was answered with FORWARD last. */
	struct slice (*name)(void *ctx, bool taken);
	/* What greets in place of the server's 220, whole, without CRLF; its
	 * length, 0 for nothing. */
	size_t (*banner)(void *ctx, char out[SMTP_BANNER_MAX]);
};

/* The connection to the server. */
enum smtp_leg {
	SMTP_LEG_NONE,       /* there is none; made when something must go on */
	SMTP_LEG_DUE,        /* SMTP_ACT_CONNECT is due */
	SMTP_LEG_CONNECTING, /* ... was given */
	SMTP_LEG_GREETING,   /* it stands; the server has to greet */
	SMTP_LEG_PROBE,      /* a name is said to hear of STARTTLS */
	SMTP_LEG_STARTTLS,   /* ... which is said */
	SMTP_LEG_TLS_DUE,    /* SMTP_ACT_TLS_SERVER is due */
	SMTP_LEG_TLS,        /* ... was given */
	SMTP_LEG_HELLO,      /* the name is said again, for us alone */
	SMTP_LEG_UP
};

/* Whether the server's leg is to be encrypted, by STARTTLS of ours. */
enum smtp_wish {
	SMTP_WISH_NONE,   /* it is not; or the client's own passes through */
	SMTP_WISH_MIRROR, /* as the client's is */
	SMTP_WISH_TRY,    /* where the server offers it */
	SMTP_WISH_MUST
};

/* What a client must not do, set by the owner at any time; see smtp_guard.c. */
enum smtp_pipelining {
	SMTP_PIPELINING_AUTO, /* refused where it was not offered */
	SMTP_PIPELINING_REJECT,
	SMTP_PIPELINING_HOLD
};
struct smtp_guard {
	enum smtp_pipelining pipelining;
	unsigned error_limit, junk_limit, command_limit; /* 0: none */
	bool monitor;   /* it is noted and goes on */
	bool log_early; /* who speaks before the 220 is not refused */
	/* Ours. */
	bool greeted; /* a name was said */
	bool tls_noted;
	unsigned noted; /* limits that were passed */
};

/* What becomes of the client's STARTTLS; none of it: it passes. */
struct smtp_starttls {
	bool ends;         /* here */
	bool server_first; /* ... once the server has taken one of ours, where
			    * both legs are to have TLS */
	bool refused;      /* it is offered, and answered 454 */
};

struct smtp_engine {
	const struct smtp_hooks *hooks;
	void *ctx;
	struct slice ref; /* put behind every reply of the gate */
	struct buf *client_in, *client_out, *server_in, *server_out;

	enum smtp_state state; /* by replies that have come */
	enum smtp_state hoped; /* as if all awaited ones were successes */
	struct smtp_pending_queue pending;
	struct smtp_body body;
	struct {
		uint64_t left; /* octets of the client's chunk not yet read */
		bool active;
		bool last;
		bool discard;  /* refused: its octets are only counted off */
		bool answered; /* the client has its reply already */
	} chunk;
	unsigned offered;  /* SMTP_EXT_ bits that the client was shown */
	unsigned progress; /* commands, replies and blocks so far */
	/* What the policy wants, set by the owner at any time. */
	uint32_t ask_verbs;  /* 1 << enum smtp_verb: ask before it goes on */
	uint64_t size_limit; /* octets of a message; 0: none */
	struct smtp_guard guard;
	unsigned errors;   /* refusals of the gate's own so far */
	unsigned commands; /* lines of the client so far, chunks too */
	unsigned junk;     /* of those that lead to no message, since one was
			    * taken */
	enum smtp_act asked;
	enum smtp_leg leg;
	enum smtp_verb helo_verb;  /* of the name now at the server */
	enum smtp_verb taken_verb; /* of the name that it took last */
	/* TLS, as the owner wants it; the rest is ours. */
	struct smtp_starttls
	    wanted; /* of the client's, from the next offer on */
	struct smtp_starttls shown; /* ours: with the last one */
	enum smtp_wish wish;
	bool client_tls, server_tls; /* both ends know nothing of before */
	bool tls_due;                /* SMTP_ACT_TLS_CLIENT is due */
	bool server_offers;          /* STARTTLS, when it was last asked */
	bool in_clear;      /* it has no TLS for us, and goes on without */
	bool starttls_held; /* the client's waits for the server's */
	bool hide_starttls;
	bool tls_lost;     /* the server had offered STARTTLS in an EHLO */
	bool greets;       /* the client was greeted in the server's stead */
	bool name_held;    /* the name goes on when the leg is up */
	bool renamed;      /* the name within TLS took another leg */
	bool splice_held;  /* and nothing is read behind it */
	bool bound;        /* AUTH was taken: another leg would not know */
	bool refuse_stray; /* of message text: stray line ends are refused */
	uint64_t drained;  /* octets of refused text that were passed over */
	bool early_reply;  /* the reply to the end of data came before it */
	bool client_skip;  /* within a refused line */
	bool client_eof, client_gone, server_eof;
	bool draining;
	bool in_transaction;
	bool cut;      /* SMTP_ACT_CUT_SERVER is due */
	bool blind;    /* SMTP_ACT_BLIND is due or was given */
	bool tls_only; /* of blind: TLS must follow */
	bool ended;    /* SMTP_ACT_CLOSE is due or was given */
	unsigned sasl_step;
	char mechanism[21];
	struct smtp_ending ending;
};

/* All storage is the caller's and outlives the engine. */
void smtp_engine_init(struct smtp_engine *engine,
    const struct smtp_hooks *hooks, void *ctx, struct slice ref);
void smtp_engine_fini(struct smtp_engine *engine);

/* The next action; the same one again until it is dealt with. */
enum smtp_act smtp_engine_step(struct smtp_engine *engine);

/* After SMTP_ACT_ASK, of a name: the verb and the argument as received. */
void smtp_engine_asked(
    const struct smtp_engine *engine, enum smtp_verb *verb, struct slice *text);

enum smtp_say {
	SMTP_SAY_FORWARD, /* on to the server with `text` as the name */
	SMTP_SAY_REPLY,   /* `text` is the whole reply without CRLF */
	SMTP_SAY_RELAY,   /* of RETRY: the client hears the server */
	SMTP_SAY_SPLICE,  /* forward `text`, then SMTP_ACT_BLIND */
	SMTP_SAY_DROP,    /* close without a word */
	SMTP_SAY_RESET    /* the same by RST */
};

/* The command that is asked about, of a verb in ask_verbs.  Slices are valid
 * until it is answered. */
void smtp_engine_asked_command(
    const struct smtp_engine *engine, struct smtp_command *out);
/* Answers it: FORWARD, SPLICE, DROP, RESET, or REPLY with a whole reply line
 * without CRLF, which is said in its turn. */
void smtp_engine_permit(
    struct smtp_engine *engine, enum smtp_say say, struct slice text);

/* `hide_starttls` holds until the next answer that forwards. */
void smtp_engine_answer(struct smtp_engine *engine, enum smtp_say say,
    struct slice text, bool hide_starttls);

/* The upstream connection stands. */
void smtp_engine_connected(struct smtp_engine *engine);
/* The handshake of SMTP_ACT_TLS_CLIENT, of _SERVER, is done: nothing of before
 * is in any buffer; or it failed, and that connection is of no use. */
void smtp_engine_client_secured(struct smtp_engine *engine);
void smtp_engine_server_secured(struct smtp_engine *engine);
void smtp_engine_tls_failed(struct smtp_engine *engine, bool server);
/* The connection that smtp_engine_connected told of began with TLS. */
void smtp_engine_server_wrapped(struct smtp_engine *engine);
/* The leg of SMTP_ACT_CONNECT cannot be had: a whole 421 without CRLF answers
 * what waits for it, and the session is over. */
void smtp_engine_leg_failed(struct smtp_engine *engine, struct slice reply,
    const char *code, const char *reason);
/* Greets with a whole 220 without CRLF before there is a server: a leg is made
 * when a name is to go on. */
void smtp_engine_greet(struct smtp_engine *engine, struct slice reply);
/* Greets in the server's stead with a whole reply line without CRLF: 554
 * leaves only QUIT, anything else ends the session.  For a policy's refusal
 * and an upstream that cannot be reached. */
void smtp_engine_turn_away(struct smtp_engine *engine, struct slice reply,
    const char *code, const char *reason);
/* Relays blindly from the start, once connected. */
void smtp_engine_splice(struct smtp_engine *engine);
/* End of file on a side; of the client, `hard`: nothing reaches it any more. */
void smtp_engine_client_eof(struct smtp_engine *engine, bool hard);
void smtp_engine_server_eof(struct smtp_engine *engine);
void smtp_engine_drain(struct smtp_engine *engine);
/* Ends the session now with a 421 where that can still be said. */
void smtp_engine_end(struct smtp_engine *engine, const char *status,
    const char *text, const char *code, const char *reason);

/* Ends it without a word; `who` is the first letter of the code. */
void smtp_engine_over(struct smtp_engine *engine, char who, const char *reason);
/* The server owes a reply, to the client or to us. */
bool smtp_engine_awaits_server(const struct smtp_engine *engine);
/* A whole message is at the server, its reply is awaited. */
bool smtp_engine_awaits_end(const struct smtp_engine *engine);

const struct smtp_ending *smtp_engine_ending(const struct smtp_engine *engine);

#endif
