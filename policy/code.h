/*
 * The table of diagnostic codes as data.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_CODE_H
#define POLICY_CODE_H

#include "base/slice.h"

enum code_severity {
	CODE_ERROR,
	CODE_WARNING,
	CODE_EITHER /* an error in one place, a warning in another */
};

struct code {
	const char *name; /* "P012" */
	enum code_severity severity;
	const char *title;   /* a few words, lower case */
	const char *meaning; /* sentences */
	const char *example; /* lines of YAML; NULL: it takes more than that */
	const char *mend;    /* sentences */
};

/* In the order of codes.h. */
unsigned code_count(void);
const struct code *code_at(unsigned i);
/* The index of a code in any case of letters; -1: there is none. */
int code_find(struct slice name);
/* "error", "warning", "error or warning" */
const char *code_severity_name(enum code_severity severity);

#endif
