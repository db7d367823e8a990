/*
 * The scanner of one line, as its two files and log_read.c see it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef AUDIT_LOG_SCAN_H
#define AUDIT_LOG_SCAN_H

#include "audit/log_read.h"

/* Room that is used again for every line; all zero at first. */
struct log_room {
	char *text; /* what had to be unescaped */
	size_t text_size;
	struct log_helo *helos;
	struct log_mail *mails;
	struct log_rcpt *rcpts;
	struct log_auth *auths;
	struct log_fact *facts;
	struct slice *texts;
	unsigned helo_size, mail_size, rcpt_size, auth_size, fact_size;
	unsigned text_count_size;
};

void log_room_fini(struct log_room *room);

/*
 * One JSON object and nothing else.  False: it is none, or one that only a
 * whole JSON reader should judge (a surrogate, a real number, a key twice,
 * deep nesting).  `canonical`: the text is jansson's own, known to be JSON,
 * so that only its depth can still be too much.
 */
bool log_scan(struct slice line, bool canonical, struct log_room *room,
    struct log_session *out);

/* --- the scanner's own (log_scan.c, log_fields.c) ------------------------------- */

enum {
	SCAN_DEPTH_MAX = 48
};

struct scan {
	const char *at, *end;
	bool canonical;
	unsigned depth;
	struct log_room *room;
	size_t text_used;
	struct log_session *out;
	unsigned rcpt_count, fact_count, text_count;
};

enum member_kind {
	MEMBER_TEXT,   /* struct slice */
	MEMBER_NUMBER, /* int64_t */
	MEMBER_TRUTH,  /* enum log_truth */
	MEMBER_READ    /* whatever `read` does with the object's place */
};

/* A wanted field of an object: where it goes. */
struct member {
	struct slice name;
	enum member_kind kind;
	size_t offset;
	bool (*read)(struct scan *scan, void *into);
};

/* Each takes a value from where the scan stands, blanks before it; false: see
 * log_scan. */
bool scan_skip(struct scan *scan);
/* `out` NULL: it is only checked. */
bool scan_string(struct scan *scan, struct slice *out);
/* With its colon.  A key that has an escape is no name of ours; jansson may
 * make it one. */
bool scan_key(struct scan *scan, struct slice *key);
bool scan_object(
    struct scan *scan, const struct member *members, size_t count, void *into);
/* Calls `item` for each value of a list; anything else is skipped. */
bool scan_list(
    struct scan *scan, bool (*item)(struct scan *scan, void *arg), void *arg);
/* The next byte that is no blank; NUL at the end. */
char scan_peek(struct scan *scan);
bool scan_take(struct scan *scan, char c);

#endif
