/*
 * Lines on standard error.  See log.h.  One write per line, so that the
 * lines of several processes do not mix.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LINE_MAX_BYTES = 1024
};

static enum log_level threshold = LOG_NOTICE;
static const char *role;
static log_hook_fn *hook_fn;
static void *hook_arg;

void
log_set_level(enum log_level level)
{
	threshold = level;
}

void
log_set_role(const char *name)
{
	role = name;
}

void
log_set_hook(log_hook_fn *hook, void *arg)
{
	hook_fn = hook;
	hook_arg = arg;
}

static const char *
level_name(enum log_level level)
{
	static const char *const names[] = {
	    "debug", "info", "notice", "warning", "error"};

	return names[level];
}

static void
say(enum log_level level, const char *fmt, va_list args)
{
	char line[LINE_MAX_BYTES];
	char text[LINE_MAX_BYTES - 64];

	vsnprintf(text, sizeof(text), fmt, args);
	int len = snprintf(line, sizeof(line), "ehlogate%s%s: %s: %s\n",
	    role == NULL ? "" : " ", role == NULL ? "" : role,
	    level_name(level), text);
	/* Nowhere to report a standard error that takes no line. */
	if (write(STDERR_FILENO, line, (size_t)len) == -1)
		return;
	if (hook_fn != NULL)
		hook_fn(level, text, hook_arg);
}

void
log_say(enum log_level level, const char *fmt, ...)
{
	va_list args;

	if (level < threshold)
		return;
	va_start(args, fmt);
	say(level, fmt, args);
	va_end(args);
}

void
log_fatal(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(LOG_ERROR, fmt, args);
	va_end(args);
	exit(1);
}

const char *
log_quote(struct slice text, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (n + 8 > size) { /* the longest escape, "..." and NUL */
			n += (size_t)snprintf(out + n, size - n, "...");
			break;
		}
		if (c >= 0x20 && c < 0x7f && c != '\\')
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
	}
	out[n] = '\0';
	return out;
}
