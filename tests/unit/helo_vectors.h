/*
 * Reads tests/vectors/helo_receivers.tsv for the HELO tests: the arguments
 * unescaped, and what each receiver was measured to say.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_HELO_VECTORS_H
#define TESTS_HELO_VECTORS_H

#include "base/slice.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	VECTOR_COLUMNS = 4, /* rfc5321, postfix, opensmtpd, exim */
	VECTORS_MAX = 1024
};

struct vector {
	char *escaped;
	struct slice argument;
	char verdict[VECTOR_COLUMNS]; /* 'a'ccept, 'r'eject, 'n'/a */
	unsigned line;
};

struct vectors {
	struct vector rows[VECTORS_MAX];
	unsigned count;
};

static inline struct slice
vector_column(struct slice *rest)
{
	ptrdiff_t tab = slice_find(*rest, '\t');
	struct slice column = tab < 0 ? *rest : slice_head(*rest, (size_t)tab);

	*rest = tab < 0 ? slice_from(*rest, rest->len)
			: slice_from(*rest, (size_t)tab + 1);
	return column;
}

/* One line; false: it cannot be read. */
static inline bool
vector_parse(struct slice line, struct vector *out)
{
	struct slice column = vector_column(&line);

	out->escaped = slice_dup(column);
	char *bytes = slice_dup(column);
	ptrdiff_t len = slice_unescape(column, bytes);
	if (len < 0)
		return false;
	out->argument = slice_of(bytes, (size_t)len);
	for (int i = 0; i < VECTOR_COLUMNS; i++) {
		column = vector_column(&line);
		if (column.len == 0 || strchr("arn", column.ptr[0]) == NULL)
			return false;
		out->verdict[i] = column.ptr[0];
	}
	return true;
}

/* Ends the program where the file is not as it must be. */
static inline void
vectors_load(const char *path, struct vectors *out)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	unsigned number = 0;

	if (file == NULL) {
		fprintf(
		    stderr, "%s: cannot be read (run from the top)\n", path);
		exit(1);
	}
	out->count = 0;
	while ((len = getline(&line, &size, file)) > 0) {
		number++;
		if (line[0] == '#')
			continue;
		struct vector *row = &out->rows[out->count++];
		row->line = number;
		if (line[len - 1] == '\n')
			len--;
		if (out->count == VECTORS_MAX ||
		    !vector_parse(slice_of(line, (size_t)len), row)) {
			fprintf(stderr, "%s:%u: not a row\n", path, number);
			exit(1);
		}
	}
	free(line);
	fclose(file);
}

static inline void
vectors_free(struct vectors *vectors)
{
	for (unsigned i = 0; i < vectors->count; i++) {
		free(vectors->rows[i].escaped);
		free((void *)(uintptr_t)vectors->rows[i].argument.ptr);
	}
	vectors->count = 0;
}

#endif
