/*
 * What the engine's files share: smtp_engine.c (the loop, answers, endings),
 * smtp_client.c (commands), smtp_text.c (message text), smtp_server.c
 * (replies), smtp_leg.c (the connection to the server, where it is made late
 * or anew).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SMTP_SMTP_ENGINE_PRIVATE_H
#define SMTP_SMTP_ENGINE_PRIVATE_H

#include "smtp/smtp_engine.h"

enum smtp_progress {
	SMTP_MOVED,  /* something was done: look again */
	SMTP_HUNGRY, /* needs more bytes of its side */
	SMTP_BLOCKED /* waits for the other side, or for room */
};

/* One thing of the client's input, of the server's. */
enum smtp_progress smtp_client_step(struct smtp_engine *engine);
enum smtp_progress smtp_server_step(struct smtp_engine *engine);

/* The same for what is not lines: message text, the octets of a chunk, which a
 * BDAT has announced. */
enum smtp_progress smtp_text_step(struct smtp_engine *engine);
void smtp_text_start(struct smtp_engine *engine);
enum smtp_progress smtp_text_chunk_step(struct smtp_engine *engine);
/* A chunk was refused in a transaction that had no recipient for it: what
 * follows must not become a message without it (RFC 3030 2). */
void smtp_text_kill_transaction(struct smtp_engine *engine);
void smtp_text_start_chunk(
    struct smtp_engine *engine, const struct smtp_command *command);

/* Writes a command to the server and awaits its reply. */
void smtp_client_forward(
    struct smtp_engine *engine, const struct smtp_command *command);
/* Does what a whole command asks for. */
void smtp_client_take_command(
    struct smtp_engine *engine, const struct smtp_command *command);
/* A command that the policy refuses, for the record. */
void smtp_client_note_refused(
    struct smtp_engine *engine, const struct smtp_command *command);
/* After SMTP_ACT_ASK: the line that was asked about is dealt with. */
void smtp_client_take_line(struct smtp_engine *engine);
/* The line that was asked about, as a command. */
void smtp_client_asked(
    const struct smtp_engine *engine, struct smtp_command *out);
/* The leg is on its way: nothing of the client goes on. */
bool smtp_leg_is_coming(const struct smtp_engine *engine);
/* What the server says on a leg that is not up yet. */
void smtp_leg_take(struct smtp_engine *engine, const struct smtp_reply *reply);
/* The server's leg is given up: by RST, without an end of data. */
void smtp_leg_cut(struct smtp_engine *engine);
/* The name goes on, at once or when there is a leg, and it is as it has to be:
 * in TLS or not. */
void smtp_leg_forward_name(struct smtp_engine *engine, struct slice name);

/* The server refuses the name that the client says within TLS, as it took one
 * before: true, it is said over another leg. */
bool smtp_leg_renames(
    struct smtp_engine *engine, const struct smtp_reply *reply);

/* No refusal, and no success of that verb's: 250 alone takes a name (RFC 5321 4.3.2),
 * 220 alone begins TLS (RFC 3207 4). */
bool smtp_server_is_odd(enum smtp_verb verb, unsigned code);

/* The client's STARTTLS is answered when the server's leg has TLS. */
void smtp_leg_secure_first(struct smtp_engine *engine);
/* STARTTLS ends here: 220, and the handshake is due. */
void smtp_client_begin_tls(struct smtp_engine *engine, struct slice behind);

/* The server's answer to EHLO has STARTTLS in it, or has not. */
void smtp_leg_note_offer(
    struct smtp_engine *engine, const struct smtp_reply *reply);

/* smtp_guard.c.  The client spoke before the greeting that is due: true, it was
 * answered so. */
bool smtp_guard_is_early(struct smtp_engine *engine);
/* TLS where a command is due: true, it was answered so. */
bool smtp_guard_is_hello(struct smtp_engine *engine);
/* A line of HTTP and its like, and what becomes of it: true, as above. */
bool smtp_guard_is_foreign(struct slice line);
bool smtp_guard_sends_away(struct smtp_engine *engine, struct slice line);
/* The reply to `verb` is here: was more sent before it than may be?  Asked
 * before the state moves; then, when the reply is said, refused. */
bool smtp_guard_is_eager(const struct smtp_engine *engine, enum smtp_verb verb);
void smtp_guard_refuse_eager(struct smtp_engine *engine);
void smtp_guard_count(
    struct smtp_engine *engine, const struct smtp_command *command);
/* A limit is passed: nothing more goes on; with the last reply it ends. */
bool smtp_guard_is_over(struct smtp_engine *engine);
bool smtp_guard_ends(struct smtp_engine *engine);

/* After SMTP_ACT_RETRY: relays the refusal, or drops it. */
void smtp_server_relay_refusal(struct smtp_engine *engine);
void smtp_server_drop_refusal(struct smtp_engine *engine);
/* Relays a reply; takes it out of the input. */
void smtp_server_relay(
    struct smtp_engine *engine, const struct smtp_reply *reply);
void smtp_server_consume(
    struct smtp_engine *engine, const struct smtp_reply *reply);
void smtp_server_note_reply(struct smtp_engine *engine, enum smtp_verb verb,
    const struct smtp_reply *reply);

/* The gate's own reply: now, or when its turn comes. `line`: code, status and
 * text without reference and CRLF. */
void smtp_engine_say(
    struct smtp_engine *engine, enum smtp_verb verb, const char *line);
void smtp_engine_note(
    struct smtp_engine *engine, const struct smtp_noted *noted);
void smtp_engine_violation(
    struct smtp_engine *engine, const char *word, struct slice text);
/* 554 in place of a greeting, and over. */
void smtp_engine_turn_away_early(struct smtp_engine *engine, const char *word);
/* A greeting that is not the server's. */
void smtp_engine_greet_so(struct smtp_engine *engine, struct slice reply);
/* The server does not take another connection: 421, and over. */
void smtp_engine_leg_lost(struct smtp_engine *engine);
/* The session is over; `who` is the first letter of the code, the second is
 * told by the state. */
void smtp_engine_over(struct smtp_engine *engine, char who, const char *reason);
/* The server broke the protocol: 421 and over. */
void smtp_engine_server_broke(
    struct smtp_engine *engine, const char *word, struct slice text);

#endif
