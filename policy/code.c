/*
 * The table of diagnostic codes as data.  See codes.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/code.h"

static const struct code codes[] = {
#define CODE(name, severity, title, meaning, example, mend) \
	{#name, CODE_##severity, title, meaning, example, mend},
#include "policy/codes.h"
};

unsigned
code_count(void)
{
	return sizeof(codes) / sizeof(codes[0]);
}

const struct code *
code_at(unsigned i)
{
	return &codes[i];
}

int
code_find(struct slice name)
{
	for (unsigned i = 0; i < code_count(); i++)
		if (slice_eq_nocase(name, slice_str(codes[i].name)))
			return (int)i;
	return -1;
}

const char *
code_severity_name(enum code_severity severity)
{
	static const char *const names[] = {
	    "error", "warning", "error or warning"};

	return names[severity];
}
