/*
 * Whether a text is JSON.  By jansson, whose names are those of base/json.h
 * too: no file can include both.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef AUDIT_JSON_TEXT_H
#define AUDIT_JSON_TEXT_H

#include "base/slice.h"

/* One value, an object or a list, and nothing behind it.  False without memory
 * too. */
bool json_text_is_valid(struct slice text);

#endif
