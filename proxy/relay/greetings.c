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
	lookup_free(&greeting->lookup);
	free(greeting);
}

static void
forget_oldest(struct greetings *greetings)
{
	struct greeting **oldest = NULL;

	for (struct greeting **at = &greetings->first; *at != NULL;
	     at = &(*at)->next)
		if (!(*at)->kept)
			oldest = at;
	struct greeting *gone = *oldest;
	*oldest = gone->next;
	release(gone);
	greetings->count--;
}

/* What is known of the name: at once, and by and by from DNS. */
static bool
judge(struct greeting *greeting, const struct greeting_subject *subject)
{
	const struct lookup_subject about = {
	    *subject->client, greeting->received, &greeting->judged};

	helo_analyse(greeting->received, subject->client, &greeting->judged);
	if (subject->book != NULL)
		greeting->lookup = lookup_new(&about, subject->book);
	return subject->book == NULL || greeting->lookup != NULL;
}

struct greeting *
greetings_get(struct greetings *greetings,
    const struct greeting_subject *subject, struct slice received,
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
	if (!copy(received, &greeting->received) || !judge(greeting, subject)) {
		release(greeting);
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

bool
greeting_set_forwarded(struct greeting *greeting, struct slice name)
{
	struct slice fresh;

	if (slice_eq(greeting->forwarded, name))
		return true;
	if (!copy(name, &fresh))
		return false;
	release_text(&greeting->forwarded);
	greeting->forwarded = fresh;
	return true;
}
