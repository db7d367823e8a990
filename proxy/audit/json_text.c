/*
 * Whether a text is JSON.  See json_text.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/json_text.h"

#include <jansson.h>

bool
json_text_is_valid(struct slice text)
{
	json_t *json = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL);
	bool valid = json != NULL;

	json_decref(json);
	return valid;
}
