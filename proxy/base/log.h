/*
 * What the program says about itself, on standard error: a line each, with
 * its level.  (What it says about sessions goes to audit/.)  Text of a peer
 * never goes into a format's argument unescaped: log_quote first.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/slice.h"

enum log_level {
	LOG_DEBUG,
	LOG_INFO,
	LOG_NOTICE,
	LOG_WARN, /* works, but somebody should look */
	LOG_ERROR /* something asked for cannot be done */
};

/* Lines below this level are dropped; LOG_NOTICE at first. */
void log_set_level(enum log_level level);
/* Put before every line of this process ("monitor", "worker 1"); a string
 * that outlives the process's logging. */
void log_set_role(const char *role);
/* Where a copy of each line goes besides standard error; NULL for nowhere.
 * The audit layer uses it for `daemon` events.  The text has no newline. */
typedef void log_hook_fn(enum log_level level, const char *text, void *arg);
void log_set_hook(log_hook_fn *hook, void *arg);

void log_say(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The world failed while starting: says so and ends with status 1. */
void log_fatal(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

#define log_debug(...)  log_say(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)   log_say(LOG_INFO, __VA_ARGS__)
#define log_notice(...) log_say(LOG_NOTICE, __VA_ARGS__)
#define log_warn(...)   log_say(LOG_WARN, __VA_ARGS__)
#define log_error(...)  log_say(LOG_ERROR, __VA_ARGS__)

/* Peer text made safe for one log line: printable ASCII as it is, any other
 * byte and the backslash as \xHH, cut with "..." at what fits.  Returns
 * out, which holds size bytes and is NUL-terminated. */
const char *log_quote(struct slice text, char *out, size_t size);

#endif
