/*
 * libFuzzer: a pattern of a policy, a newline, and what a client says.  Any
 * pattern is taken or has a message and a place within it; a match ends soon,
 * with the same answer when it is asked again.  The oracle: a text that is
 * quoted matches itself and nothing longer.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_private.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	QUOTED_MAX = 1000
};

/* A text of exactly its size, so that a read beyond it is seen. */
static struct slice
exactly(const uint8_t *data, size_t size)
{
	char *copy = malloc(size == 0 ? 1 : size);

	assert(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return slice_of(copy, size);
}

static void
check_pattern(struct slice pattern, struct slice text)
{
	char error[256] = "";
	size_t offset = 0;
	struct regex *regex = regex_new(pattern, error, sizeof(error), &offset);

	if (regex == NULL) {
		assert(error[0] != '\0' && offset <= pattern.len);
		return;
	}
	int first = regex_match(regex, text);
	assert(first >= -1 && first <= 1);
	regex_match(regex, slice_of("", 0));
	assert(regex_match(regex, text) == first);
	regex_free(&regex);
	assert(regex == NULL);
}

static void
check_quoted(struct slice text)
{
	char quoted[QUOTED_MAX + 8], longer[QUOTED_MAX + 1], error[256];
	size_t offset;

	for (size_t i = 0; i + 1 < text.len; i++)
		if (text.ptr[i] == '\\' && text.ptr[i + 1] == 'E')
			return;
	if (text.len == 0 || text.len > QUOTED_MAX ||
	    text.ptr[text.len - 1] == '\\')
		return;
	memcpy(quoted, "\\Q", 2);
	memcpy(quoted + 2, text.ptr, text.len);
	memcpy(quoted + 2 + text.len, "\\E", 2);
	memcpy(longer, text.ptr, text.len);
	longer[text.len] = '\n';
	struct regex *regex = regex_new(
	    slice_of(quoted, text.len + 4), error, sizeof(error), &offset);
	assert(regex != NULL);
	assert(regex_match(regex, text) == 1);
	assert(regex_match(regex, slice_of(longer, text.len + 1)) == 0);
	regex_free(&regex);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
	size_t head = end == NULL ? size : (size_t)(end - data);
	size_t rest = end == NULL ? size : head + 1;
	struct slice pattern = exactly(data, head);
	struct slice text =
	    exactly(size == rest ? NULL : data + rest, size - rest);

	check_pattern(pattern, text);
	check_quoted(text);
	free((void *)(uintptr_t)pattern.ptr);
	free((void *)(uintptr_t)text.ptr);
	return 0;
}
