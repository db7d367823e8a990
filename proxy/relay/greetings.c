/*
 * The names of one session.  See greetings.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/greetings.h"

#include <stdlib.h>

static bool
copy(struct slice from, struct slice *to)
{
	char *text = malloc(from.len + 1);

	if (text == NULL)
		return false;
	if (from.len > 0)
		memcpy(text, from.ptr, from.len);
	*to = slice_of(text, from.len);
	return true;
}

static void
release_text(struct slice *text)
{
	/* Our own copy: the slice's const is for its readers. */
	union {
		const char *in;
		char *out;
	} text_p = {.in = text->ptr};

	free(text_p.out);
	*text = (struct slice){NULL, 0};
}

static void
release(struct greeting *greeting)
{
	release_text(&greeting->received);
	release_text(&greeting->forwarded);
	free(greeting);
}

static void
forget_oldest(struct greetings *greetings)
{
	struct greeting **last = &greetings->first;

	while ((*last)->next != NULL)
		last = &(*last)->next;
	release(*last);
	*last = NULL;
	greetings->count--;
}

struct greeting *
greetings_get(struct greetings *greetings, struct slice received,
    enum policy_verb verb, unsigned repeat, bool fallback)
{
	struct greeting *greeting;

	for (greeting = greetings->first; greeting != NULL;
	     greeting = greeting->next)
		if (slice_eq_nocase(greeting->received, received))
			return greeting;
	greeting = calloc(1, sizeof(*greeting));
	if (greeting == NULL)
		return NULL;
	if (!copy(received, &greeting->received)) {
		free(greeting);
		return NULL;
	}
	greeting->verb = verb;
	greeting->repeat = repeat;
	greeting->fallback = fallback;
	if (greetings->count == GREETINGS_MAX)
		forget_oldest(greetings);
	greeting->next = greetings->first;
	greetings->first = greeting;
	greetings->count++;
	return greeting;
}

void
greetings_fini(struct greetings *greetings)
{
	while (greetings->first != NULL) {
		struct greeting *next = greetings->first->next;
		release(greetings->first);
		greetings->first = next;
	}
	greetings->count = 0;
}

void
greeting_set_forwarded(struct greeting *greeting, struct slice name)
{
	struct slice fresh;

	if (slice_eq(greeting->forwarded, name) || !copy(name, &fresh))
		return;
	release_text(&greeting->forwarded);
	greeting->forwarded = fresh;
}
