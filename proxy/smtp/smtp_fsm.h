/*
 * Reads smtp_table.h and nothing else: which command is legal where, and what
 * a reply does to the state.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SMTP_SMTP_FSM_H
#define SMTP_SMTP_FSM_H

#include "base/slice.h"

enum smtp_state {
#define SMTP_STATE(name, text) SMTP_ST_##name,
#include "smtp/smtp_table.h"
	SMTP_ST_COUNT
};

/* How the argument of a verb is read. */
enum smtp_args {
	SMTP_ARGS_NONE,  /* none allowed */
	SMTP_ARGS_NAME,  /* the rest of the line, any byte */
	SMTP_ARGS_PATH,  /* FROM:<path> or TO:<path>, parameters */
	SMTP_ARGS_CHUNK, /* a size, perhaps LAST */
	SMTP_ARGS_SASL,  /* a mechanism, perhaps an initial response */
	SMTP_ARGS_TEXT,  /* optional printable text */
	SMTP_ARGS_LINE   /* the whole line is the argument */
};

enum smtp_verb {
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_DOT,
	SMTP_BDAT,
	SMTP_LASTBDAT,
	SMTP_RSET,
	SMTP_STARTTLS,
	SMTP_AUTH,
	SMTP_CONT,
	SMTP_VRFY,
	SMTP_EXPN,
	SMTP_HELP,
	SMTP_NOOP,
	SMTP_ETRN,
	SMTP_QUIT,
	SMTP_UNKNOWN, /* no row */
	SMTP_VERB_COUNT = SMTP_UNKNOWN
};

enum smtp_event {
#define SMTP_EVENT(name, from, to, rfc, text) SMTP_EV_##name,
#include "smtp/smtp_table.h"
	SMTP_EV_COUNT
};

enum {
	SMTP_FLAG_LAST = 1,
	SMTP_FLAG_ASK = 2,
	SMTP_FLAG_VOID = 4
};

/* A row of the table; NULL: the verb is not legal in this state. */
struct smtp_row;
const struct smtp_row *smtp_fsm_row(enum smtp_state state, enum smtp_verb verb);
unsigned smtp_row_flags(const struct smtp_row *row);
enum smtp_args smtp_verb_args(enum smtp_verb verb);

/*
 * The state after a final reply (`code` 200 to 599) to `verb` given in
 * `state`.  -1: the protocol does not know such a reply.
 */
int smtp_fsm_after(enum smtp_state state, enum smtp_verb verb, unsigned code,
    enum smtp_state *out);
/* The state if the reply is the hoped-for one: what a pipelined successor is
 * judged by. */
enum smtp_state smtp_fsm_hoped(enum smtp_state state, enum smtp_verb verb);
/* The state after an event; events are defined for every state that they can
 * meet, others are a mistake of ours. */
enum smtp_state smtp_fsm_event(enum smtp_state state, enum smtp_event event);

const char *smtp_state_name(enum smtp_state state);
const char *smtp_verb_name(enum smtp_verb verb);
/* The verb with this name on the wire, in any case; SMTP_UNKNOWN for others. */
enum smtp_verb smtp_verb_parse(struct slice word);

/* For the table's own test and for documentation: prints the matrix of verbs
 * and states, one row a line, to standard output's buffer `out`. */
struct buf;
void smtp_fsm_print(struct buf *out);

#endif
