/*
 * A scripted server that takes everything: what stands behind the gate in
 * `ehlogate session`.  It reads what the gate sends, which is canonical, so it
 * can be simple.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_POLITE_H
#define CLI_POLITE_H

#include "base/buf.h"

enum polite_state {
	POLITE_COMMAND,
	POLITE_AUTH, /* a line of AUTH is awaited */
	POLITE_DATA, /* text up to the dot */
	POLITE_CHUNK /* octets of BDAT */
};

struct polite {
	enum polite_state state;
	uint64_t left; /* of the chunk */
	bool last;
	unsigned messages;
	/* Told of each line that came, without CRLF; of message text too. */
	void (*saw)(void *arg, struct slice line);
	void *arg;
};

/* A new connection: the greeting into `out`. */
void polite_connected(struct polite *polite, struct buf *out);
/* Reads what stands in `in` and answers into `out`.  False: it needs more. */
bool polite_step(struct polite *polite, struct buf *in, struct buf *out);

#endif
