/*
 * What the engine's three files share: smtp_engine.c (the loop, answers,
 * endings), smtp_client.c (commands and text), smtp_server.c (replies).
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
/* After SMTP_ACT_RETRY: relays the refusal, or drops it. */
void smtp_server_relay_refusal(struct smtp_engine *engine);
void smtp_server_drop_refusal(struct smtp_engine *engine);

/* The gate's own reply: now, or when its turn comes. `line`: code, status and
 * text without reference and CRLF. */
void smtp_engine_say(
    struct smtp_engine *engine, enum smtp_verb verb, const char *line);
void smtp_engine_note(
    struct smtp_engine *engine, const struct smtp_noted *noted);
void smtp_engine_violation(
    struct smtp_engine *engine, const char *word, struct slice text);
/* The session is over; `who` is the first letter of the code, the second is
 * told by the state. */
void smtp_engine_over(struct smtp_engine *engine, char who, const char *reason);
/* The server broke the protocol: 421 and over. */
void smtp_engine_server_broke(
    struct smtp_engine *engine, const char *word, struct slice text);

#endif
