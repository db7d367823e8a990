/*
 * Regular expressions of policies: PCRE2 with bounds.
 *
 * No JIT: it needs memory that is writable and executable, which the daemon's
 * sandbox does not give.  Bytes, not characters: what peers send need not be
 * UTF-8.
 *
 * SPDX-License-Identifier: MIT
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "base/log.h"
#include "policy/policy_private.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	/* An argument has at most a few hundred bytes; a pattern that needs
	 * more steps for that is not meant well. */
	MATCH_LIMIT = 20000,
	DEPTH_LIMIT = 500,
	HEAP_LIMIT_KIB = 256,
	PATTERN_MAX = 1024
};

struct regex {
	pcre2_code *code;
	/* Scratch: a process decides one thing at a time. */
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

struct regex *
regex_new(struct slice pattern, char *error, size_t error_size, size_t *offset)
{
	struct regex *regex = policy_alloc(1, sizeof(*regex));
	int code = 0;

	if (pattern.len == 0 || pattern.len > PATTERN_MAX) {
		snprintf(error, error_size, "it must have 1 to %d characters",
		    (int)PATTERN_MAX);
		regex_free(&regex);
		return NULL;
	}
	regex->code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
	    PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_CASELESS |
		PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
		PCRE2_NEVER_BACKSLASH_C,
	    &code, offset, NULL);
	if (regex->code == NULL) {
		pcre2_get_error_message(code, (PCRE2_UCHAR *)error, error_size);
		regex_free(&regex);
		return NULL;
	}
	regex->match = pcre2_match_data_create_from_pattern(regex->code, NULL);
	regex->limits = pcre2_match_context_create(NULL);
	if (regex->match == NULL || regex->limits == NULL)
		log_fatal("no memory while reading a file");
	pcre2_set_match_limit(regex->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(regex->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(regex->limits, HEAP_LIMIT_KIB);
	return regex;
}

void
regex_free(struct regex **regex_p)
{
	struct regex *regex = *regex_p;

	if (regex == NULL)
		return;
	pcre2_match_context_free(regex->limits);
	pcre2_match_data_free(regex->match);
	pcre2_code_free(regex->code);
	free(regex);
	*regex_p = NULL;
}

int
regex_match(const struct regex *regex, struct slice text)
{
	static const char nothing[] = "";
	int found = pcre2_match(regex->code,
	    (PCRE2_SPTR)(text.ptr == NULL ? nothing : text.ptr), text.len, 0, 0,
	    regex->match, regex->limits);

	if (found >= 0)
		return 1;
	return found == PCRE2_ERROR_NOMATCH ? 0 : -1;
}
