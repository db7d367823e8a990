/*
 * The replies that are still awaited, in the order of the commands: RFC 2920
 * lets a client send a group of commands at once, and the answers of the gate
 * itself must take their place among the server's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SMTP_SMTP_PENDING_H
#define SMTP_SMTP_PENDING_H

#include "base/slice.h"
#include "smtp/smtp_fsm.h"

enum smtp_pending_kind {
	SMTP_PENDING_SERVER, /* the server's next reply goes to the client */
	SMTP_PENDING_PIECE,  /* of a chunk, not its last piece: a success is
			      * ours alone */
	SMTP_PENDING_OURS,   /* ours alone: of a chunk that has its reply
			    * already, or a command that we gave */
	SMTP_PENDING_LOCAL   /* the gate's own, held until its turn */
};

struct smtp_pending {
	uint8_t verb; /* enum smtp_verb */
	uint8_t kind;
	bool last;  /* nothing goes on before this one's reply */
	bool noted; /* LOCAL: the record has an entry that it answers */
	char *text; /* LOCAL: the whole reply with CRLF; owned */
};

enum {
	SMTP_PENDING_INLINE = 8,
	/* Commands that may be on their way at once; then the client waits. */
	SMTP_PENDING_MAX = 128
};

struct smtp_pending_queue {
	struct smtp_pending inlined[SMTP_PENDING_INLINE];
	struct smtp_pending *more; /* SMTP_PENDING_MAX of them, or NULL */
	unsigned head, count;
};

void smtp_pending_init(struct smtp_pending_queue *queue);
void smtp_pending_fini(struct smtp_pending_queue *queue);
/* False: full, or no memory. */
bool smtp_pending_push(struct smtp_pending_queue *queue, enum smtp_verb verb,
    enum smtp_pending_kind kind, bool last, char *text);
/* The oldest, the newest; NULL when empty. */
struct smtp_pending *smtp_pending_head(struct smtp_pending_queue *queue);
const struct smtp_pending *smtp_pending_tail(
    const struct smtp_pending_queue *queue);
/* The i-th from the oldest; i is below queue->count. */
struct smtp_pending *smtp_pending_at(
    struct smtp_pending_queue *queue, unsigned i);
/* Drops the oldest and frees its text. */
void smtp_pending_pop(struct smtp_pending_queue *queue);

#endif
