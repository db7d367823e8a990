/*
 * The awaited replies.  See smtp_pending.h.  A few stand in the session
 * itself; a longer group borrows a ring from the heap while it lasts.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_pending.h"

#include <assert.h>
#include <stdlib.h>

void
smtp_pending_init(struct smtp_pending_queue *queue)
{
	queue->more = NULL;
	queue->head = queue->count = 0;
}

void
smtp_pending_fini(struct smtp_pending_queue *queue)
{
	while (queue->count > 0)
		smtp_pending_pop(queue);
	free(queue->more);
	queue->more = NULL;
}

static unsigned
capacity(const struct smtp_pending_queue *queue)
{
	return queue->more == NULL ? SMTP_PENDING_INLINE : SMTP_PENDING_MAX;
}

struct smtp_pending *
smtp_pending_at(struct smtp_pending_queue *queue, unsigned i)
{
	struct smtp_pending *ring =
	    queue->more == NULL ? queue->inlined : queue->more;

	return &ring[(queue->head + i) % capacity(queue)];
}

static bool
grow(struct smtp_pending_queue *queue)
{
	struct smtp_pending *more;

	if (queue->more != NULL)
		return false;
	more = calloc(SMTP_PENDING_MAX, sizeof(*more));
	if (more == NULL)
		return false;
	for (unsigned i = 0; i < queue->count; i++)
		more[i] = *smtp_pending_at(queue, i);
	queue->more = more;
	queue->head = 0;
	return true;
}

bool
smtp_pending_push(struct smtp_pending_queue *queue, enum smtp_verb verb,
    enum smtp_pending_kind kind, bool last, char *text)
{
	if (queue->count == capacity(queue) && !grow(queue))
		return false;
	*smtp_pending_at(queue, queue->count++) =
	    (struct smtp_pending){.verb = (uint8_t)verb,
		.kind = (uint8_t)kind,
		.last = last,
		.text = text};
	return true;
}

struct smtp_pending *
smtp_pending_head(struct smtp_pending_queue *queue)
{
	return queue->count == 0 ? NULL : smtp_pending_at(queue, 0);
}

const struct smtp_pending *
smtp_pending_tail(const struct smtp_pending_queue *queue)
{
	const struct smtp_pending *ring =
	    queue->more == NULL ? queue->inlined : queue->more;

	if (queue->count == 0)
		return NULL;
	return &ring[(queue->head + queue->count - 1) % capacity(queue)];
}

void
smtp_pending_pop(struct smtp_pending_queue *queue)
{
	assert(queue->count > 0);
	free(smtp_pending_at(queue, 0)->text);
	queue->head = (queue->head + 1) % capacity(queue);
	if (--queue->count > 0)
		return;
	free(queue->more);
	queue->more = NULL;
	queue->head = 0;
}
