/*
 * One sink of the logger: a file, or standard output, and how far it has got
 * in each ring.  Private to audit/.
 *
 * Nothing is copied: what a sink still lacks stays in the rings.  A sink in
 * the middle of a line is only ever so in one ring, the one that is served
 * first, so lines of two workers never mix.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef AUDIT_SINK_H
#define AUDIT_SINK_H

#include "audit/logger.h"

struct sink {
	const struct logger *logger;
	struct logger_sink *given;
	struct logger_mark *mark;
	bool regular;        /* a file: a write to it does not wait */
	int error;           /* 0 works; EAGAIN: a pipe that is full */
	uint64_t blocked_ms; /* since when it is EAGAIN */
	bool said;           /* the operator knows */
};

/* Takes the sink up where its mark says; opens the file anew where its path
 * names another by now. */
void sink_init(struct sink *sink, const struct logger *logger, unsigned index);

/* Writes what waits in the rings up to `tails`, as far as it goes without
 * waiting; sets `error`. */
void sink_write(struct sink *sink, const uint64_t *tails, uint64_t now_ms);

/* Opens the file anew.  False with errno: the old one stays in use. */
bool sink_reopen(struct sink *sink);

/* What of a ring the sink no longer needs: up to here, a line's start. */
uint64_t sink_done_with(const struct sink *sink, unsigned ring);

/* Goes without the lines of a ring before `to`; returns their number. */
unsigned sink_give_up(struct sink *sink, unsigned ring, uint64_t to);

/* Lines that end between two positions of a ring. */
unsigned sink_count_lines(const struct ring *ring, uint64_t from, uint64_t to);

#endif
