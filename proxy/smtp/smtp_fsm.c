/*
 * The interpreter of smtp_table.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_fsm.h"

#include "base/buf.h"

#include <assert.h>

/* State bits, as the table's rows list them. */
enum {
#define SMTP_STATE(name, text) IN_##name = 1u << SMTP_ST_##name,
#include "smtp/smtp_table.h"
	IN_ANYWHERE = (1u << SMTP_ST_COUNT) - 1
};

/* What a class of replies leads to. */
enum {
	TO_KEEP = -1,
	TO_NEVER = -2
};

struct smtp_row {
	enum smtp_verb verb;
	unsigned legal;
	enum smtp_args args;
	int on2, on3, on45; /* enum smtp_state, or TO_ */
	unsigned flags;
	const char *rfc;
};

/* The table's words, each for the column it stands in. */
#define GREETED  IN_GREETED
#define READY    IN_READY
#define SASL     IN_SASL
#define MAIL     IN_MAIL
#define RCPT     IN_RCPT
#define BODY     IN_BODY
#define CHUNK    IN_CHUNK
#define FAILED   IN_FAILED
#define REFUSED  IN_REFUSED
#define CONNECT  IN_CONNECT
#define CUT      IN_CUT
#define TLS      IN_TLS
#define ANYWHERE IN_ANYWHERE
#define LAST     SMTP_FLAG_LAST
#define ASK      SMTP_FLAG_ASK
#define VOID     SMTP_FLAG_VOID

static const unsigned legal_of[] = {
#define SMTP_COMMAND(verb, legal, args, on2, on3, on45, flags, rfc) legal,
#include "smtp/smtp_table.h"
};
static const unsigned event_from[] = {
#define SMTP_EVENT(name, from, to, rfc, text) from,
#include "smtp/smtp_table.h"
};
static const unsigned flags_of[] = {
#define SMTP_COMMAND(verb, legal, args, on2, on3, on45, flags, rfc) flags,
#include "smtp/smtp_table.h"
};

#undef GREETED
#undef READY
#undef SASL
#undef MAIL
#undef RCPT
#undef BODY
#undef CHUNK
#undef FAILED
#undef REFUSED
#undef CONNECT
#undef CUT
#undef TLS
#undef ANYWHERE
#undef LAST
#undef ASK
#undef VOID

#define SMTP_ST_KEEP  TO_KEEP
#define SMTP_ST_NEVER TO_NEVER

enum {
	ROWS = sizeof(legal_of) / sizeof(legal_of[0])
};

/* legal and flags stand in arrays of their own above: in them the words are
 * bits, here they are states. */
static const struct smtp_row rows[] = {
#define SMTP_COMMAND(verb, legal, args, on2, on3, on45, flags, rfc)      \
	{SMTP_##verb, 0, SMTP_ARGS_##args, SMTP_ST_##on2, SMTP_ST_##on3, \
	    SMTP_ST_##on45, 0, rfc},
#include "smtp/smtp_table.h"
};

static const enum smtp_state event_to[] = {
#define SMTP_EVENT(name, from, to, rfc, text) SMTP_ST_##to,
#include "smtp/smtp_table.h"
};

const struct smtp_row *
smtp_fsm_row(enum smtp_state state, enum smtp_verb verb)
{
	for (unsigned i = 0; i < ROWS; i++)
		if (rows[i].verb == verb && (legal_of[i] & (1u << state)) != 0)
			return &rows[i];
	return NULL;
}

unsigned
smtp_row_flags(const struct smtp_row *row)
{
	return flags_of[row - rows];
}

enum smtp_args
smtp_verb_args(enum smtp_verb verb)
{
	for (unsigned i = 0; i < ROWS; i++)
		if (rows[i].verb == verb)
			return rows[i].args;
	return SMTP_ARGS_LINE;
}

int
smtp_fsm_after(enum smtp_state state, enum smtp_verb verb, unsigned code,
    enum smtp_state *out)
{
	const struct smtp_row *row = smtp_fsm_row(state, verb);
	int to;

	/* A pipelined command whose forerunner failed: the server refuses it
	 * and nothing moves; a success would contradict its own reply. */
	if (row == NULL)
		to = code >= 400 ? TO_KEEP : TO_NEVER;
	else if (code < 300)
		to = row->on2;
	else
		to = code < 400 ? row->on3 : row->on45;
	if (to == TO_NEVER)
		return -1;
	*out = to == TO_KEEP ? state : (enum smtp_state)to;
	return 1;
}

enum smtp_state
smtp_fsm_hoped(enum smtp_state state, enum smtp_verb verb)
{
	const struct smtp_row *row = smtp_fsm_row(state, verb);

	if (row == NULL)
		return state;
	int to = row->on2 == TO_NEVER ? row->on3 : row->on2;
	return to < 0 ? state : (enum smtp_state)to;
}

enum smtp_state
smtp_fsm_event(enum smtp_state state, enum smtp_event event)
{
	if (state == SMTP_ST_CLOSING)
		return state;
	assert((event_from[event] & (1u << state)) != 0);
	return event_to[event];
}

const char *
smtp_state_name(enum smtp_state state)
{
	static const char *const names[] = {
#define SMTP_STATE(name, text) #name,
#include "smtp/smtp_table.h"
	};

	return names[state];
}

static const char *const verb_names[] = {"EHLO", "HELO", "MAIL", "RCPT", "DATA",
    ".", "BDAT", "BDAT LAST", "RSET", "STARTTLS", "AUTH", "(response)", "VRFY",
    "EXPN", "HELP", "NOOP", "ETRN", "QUIT", "?"};

const char *
smtp_verb_name(enum smtp_verb verb)
{
	return verb_names[verb];
}

enum smtp_verb
smtp_verb_parse(struct slice word)
{
	if (word.len != 4 && word.len != 8)
		return SMTP_UNKNOWN;
	for (unsigned verb = 0; verb < SMTP_VERB_COUNT; verb++)
		if (slice_eq_nocase(word, slice_str(verb_names[verb])))
			return (enum smtp_verb)verb;
	return SMTP_UNKNOWN;
}

static const char *
target_name(int to)
{
	if (to == TO_KEEP)
		return "keep";
	return to == TO_NEVER ? "-" : smtp_state_name((enum smtp_state)to);
}

void
smtp_fsm_print(struct buf *out)
{
	for (unsigned i = 0; i < ROWS; i++)
		for (unsigned state = 0; state < SMTP_ST_COUNT; state++)
			if (smtp_fsm_row((enum smtp_state)state,
				rows[i].verb) == &rows[i])
				buf_printf(out,
				    "%-10s in %-8s 2xx %-8s 3xx %-6s"
				    " 4xx/5xx %-8s RFC %s\n",
				    smtp_verb_name(rows[i].verb),
				    smtp_state_name((enum smtp_state)state),
				    target_name(rows[i].on2),
				    target_name(rows[i].on3),
				    target_name(rows[i].on45), rows[i].rfc);
}
