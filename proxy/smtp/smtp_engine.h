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
	SMTP_ACT_CUT_SERVER, /* reset the server's connection, keep the client */
	SMTP_ACT_BLIND,      /* relay both ways unread from here on */
	SMTP_ACT_CLOSE       /* flush, then close; see smtp_engine_ending */
};

/* What happened, for the record.  Text is valid during the call only. */
enum smtp_note {
	SMTP_NOTE_GREETING,  /* text: the first line; by_gate */
	SMTP_NOTE_REPLY,     /* verb, code, text: what the client heard */
	SMTP_NOTE_HELO_SAID, /* verb, text: the server's reply to a name */
	SMTP_NOTE_KEYWORD,   /* text: of the EHLO reply; flag: masked */
	SMTP_NOTE_AUTH,      /* text: mechanism, more: user */
	SMTP_NOTE_MAIL,      /* text: path, number: SIZE or -1 */
	SMTP_NOTE_RCPT,      /* text: path */
	SMTP_NOTE_TEXT,      /* number: octets, other: stray line ends,
			      * text: the Message-ID */
	SMTP_NOTE_VOID,      /* a transaction ended without a message */
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

/* Why and how a session ends. */
struct smtp_ending {
	bool reset_server; /* a message was under way: no end of data, ever */
	bool reset_client;
	char code[3];       /* two letters: who, where */
	const char *reason; /* our own words */
};

struct smtp_hooks {
	/* Called within smtp_engine_step; must not call the engine. */
	void (*note)(void *ctx, const struct smtp_noted *noted);
	/* The policy on an EHLO keyword: 1 allow, -1 hide, 0 silent. */
	int (*keyword)(void *ctx, struct slice keyword);
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
	uint32_t ask_verbs;   /* 1 << enum smtp_verb: ask before it goes on */
	uint64_t size_limit;  /* octets of a message; 0: none */
	unsigned error_limit; /* refusals of the gate's own; 0: none */
	unsigned errors;      /* those so far */
	enum smtp_act asked;
	enum smtp_verb helo_verb; /* of the name now at the server */
	bool hide_starttls;
	bool tls_lost; /* the server had offered STARTTLS in an EHLO */
	bool has_server;
	bool client_skip; /* within a refused line */
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

/* After SMTP_ACT_ASK and SMTP_ACT_RETRY: the verb and the argument as
 * received; of RETRY `text` is the server's reply, first line. */
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
/* A whole message is at the server, its reply is awaited. */
bool smtp_engine_awaits_end(const struct smtp_engine *engine);

const struct smtp_ending *smtp_engine_ending(const struct smtp_engine *engine);

#endif
