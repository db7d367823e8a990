/*
 * What a session asks of DNS: the questions of its dialog's book, fetched by
 * the worker's resolver.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/magic.h"
#include "io/resolver.h"
#include "relay/session_private.h"

#include <stdlib.h>

enum {
	QUERY_MAGIC = 0x0da50001
};

/* One question on its way. */
struct session_query {
	unsigned magic;
	struct session *session;
	struct session_query *next;
	struct resolver_query *query;
};

static void
unlink_query(struct session_query *gone)
{
	struct session_query **at = &gone->session->queries;

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	gone->magic = 0;
	free(gone);
}

static void
on_answer(void *arg, const struct dns_question *question,
    const struct dns_answer *answer)
{
	struct session_query *query;

	MAGIC_CAST(query, arg, QUERY_MAGIC);
	struct session *session = query->session;
	unlink_query(query);
	dns_book_answer(dialog_book(session->dialog), question, answer);
	/* It may decide already, whatever the others would say. */
	session_turn(session);
}

static bool
ask(struct session *session, const struct dns_question *question)
{
	struct session_query *query = calloc(1, sizeof(*query));

	if (query == NULL)
		return false;
	query->magic = QUERY_MAGIC;
	query->session = session;
	query->query =
	    resolver_ask(session->roster->resolver, question, on_answer, query);
	if (query->query == NULL) {
		free(query);
		return false;
	}
	query->next = session->queries;
	session->queries = query;
	return true;
}

bool
session_resolve(struct session *session)
{
	static const struct dns_answer failed = {.status = DNS_TEMPERROR};
	struct resolver *resolver = session->roster->resolver;
	struct dns_book *book = dialog_book(session->dialog);
	struct dns_question question;
	struct dns_answer known;
	bool answered = false;

	while (dns_book_take(book, &question)) {
		if (resolver == NULL)
			dns_book_answer(book, &question, &failed);
		else if (resolver_cached(resolver, &question, &known))
			dns_book_answer(book, &question, &known);
		else if (ask(session, &question))
			continue;
		else
			dns_book_answer(book, &question, &failed);
		answered = true;
	}
	return answered;
}

void
session_stop_asking(struct session *session)
{
	while (session->queries != NULL) {
		resolver_cancel(&session->queries->query);
		unlink_query(session->queries);
	}
}
