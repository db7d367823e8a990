/*
 * Diagnostics: every error and warning of a load, in the order found, each
 * with a stable code and a place.  Collected, so that one run shows all.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_DIAG_H
#define POLICY_DIAG_H

#include "base/buf.h"

enum diag_severity {
	DIAG_WARNING,
	DIAG_ERROR
};

/* A place in a file; line and column count from 1, columns in characters
 * (not bytes).  line 0: the file as a whole. */
struct diag_place {
	struct slice file;
	unsigned line;
	unsigned column;
	unsigned width; /* characters to underline; 0: only the caret */
};

struct diag_item {
	enum diag_severity severity;
	const char *code; /* "P012", static */
	struct diag_place place;
	char *text;      /* one sentence, lower case, no full stop */
	char *hint;      /* under the caret: "did you mean `then`?", or NULL */
	char *source;    /* the line of the file, or NULL */
	char *file;      /* place.file points to it */
	unsigned number; /* in the order in which they were added */
};

struct diag;

struct diag *diag_new(void);
void diag_free(struct diag **diag);

/*
 * Adds an item.  `source` is the text of the line in the file (copied; empty
 * when there is none).  Peer or file text in the arguments may hold any byte:
 * it is made printable here.  `hint` may be NULL.
 */
void diag_add(struct diag *diag, enum diag_severity severity, const char *code,
    struct diag_place place, struct slice source, const char *hint,
    const char *fmt, ...) __attribute__((format(printf, 7, 8)));

/* Sorts, and drops what tells nothing new: the same words of the same place
 * (two listeners may have one policy), and what comes of a value that the
 * strictness of YAML has refused already. */
void diag_settle(struct diag *diag);

/* All that were added; of more than 10000 the first ones are kept. */
unsigned diag_errors(const struct diag *diag);
unsigned diag_warnings(const struct diag *diag);
/* What is kept. */
unsigned diag_count(const struct diag *diag);
const struct diag_item *diag_at(const struct diag *diag, unsigned i);

/* Compiler style, sorted by file, line, column; appended to `out`:
 *
 * policy/inbound.yaml:14:5: error[P012]: unknown key `tehn` in rule `scanner`
 *    14 |     tehn: drop
 *       |     ^~~~ did you mean `then`?
 */
void diag_print_text(const struct diag *diag, struct buf *out);
/* The same for a terminal that knows colours. */
void diag_print_colour(const struct diag *diag, struct buf *out);
/* A JSON array of {file,line,column,end_column,severity,code,message,hint};
 * end_column is one past the last character meant. */
void diag_print_json(const struct diag *diag, struct buf *out);
/* SARIF 2.1.0, with the titles of all codes as its rules. */
void diag_print_sarif(const struct diag *diag, struct buf *out);

/* The candidate nearest to `word` (edit distance at most a third of its
 * length, at least 1), or NULL: for "did you mean". */
const char *diag_nearest(
    struct slice word, const char *const *candidates, unsigned count);

#endif
