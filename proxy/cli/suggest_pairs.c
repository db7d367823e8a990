/*
 * Who greets how.  See suggest.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/record.h"
#include "base/log.h"
#include "cli/suggest.h"

#include <stdlib.h>

enum {
	PLACES = 1 << 17 /* more than twice PAIRS_MAX */
};

void
pairs_init(struct pairs *pairs)
{
	*pairs = (struct pairs){.items = calloc(PAIRS_MAX, sizeof(struct pair)),
	    .table = calloc(PLACES, sizeof(uint32_t))};
	if (pairs->items == NULL || pairs->table == NULL)
		log_fatal("no memory");
}

void
pairs_fini(struct pairs *pairs)
{
	for (unsigned i = 0; i < pairs->count; i++) {
		/* Our own copy: the slice's const is for its readers. */
		union {
			const char *in;
			char *out;
		} name = {.in = pairs->items[i].name.ptr};
		free(name.out);
	}
	free(pairs->items);
	free(pairs->table);
}

/* FNV-1a, letters without case.  A client that makes names collide makes this
 * tool slow, not wrong: there are at most PAIRS_MAX. */
static uint32_t
hash_of(const struct addr *client, struct slice name)
{
	uint32_t hash = 2166136261u;

	for (unsigned i = 0; i < sizeof(client->bytes); i++)
		hash = (hash ^ client->bytes[i]) * 16777619u;
	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)ascii_lower(name.ptr[i])) *
		       16777619u;
	return hash ^ hash >> 15;
}

static struct pair *
find(struct pairs *pairs, const struct addr *client, struct slice name)
{
	uint32_t place = hash_of(client, name) % PLACES;

	for (;; place = (place + 1) % PLACES) {
		uint32_t at = pairs->table[place];
		if (at == 0)
			break;
		struct pair *pair = &pairs->items[at - 1];
		if (addr_eq(&pair->client, client) &&
		    slice_eq_nocase(pair->name, name))
			return pair;
	}
	if (pairs->count == PAIRS_MAX)
		return NULL;
	struct pair *pair = &pairs->items[pairs->count++];
	pairs->table[place] = pairs->count;
	pair->client = *client;
	pair->name = slice_of(slice_dup(name), name.len);
	helo_analyse(pair->name, client, &pair->judged);
	return pair;
}

static bool
is_refusal(struct slice reply)
{
	return reply.len > 0 && reply.ptr[0] == '5';
}

static bool
refused_here(struct slice verdict)
{
	return slice_eq(verdict, SLICE("reject")) ||
	       slice_eq(verdict, SLICE("tempfail")) ||
	       slice_eq(verdict, SLICE("drop"));
}

static bool
used_starttls(const struct log_session *session)
{
	struct slice client = session->tls_client;

	return client.len > 0 && !slice_eq(client, SLICE("none")) &&
	       !slice_eq(client, SLICE("unseen"));
}

static void
add_greeting(struct pairs *pairs, const struct log_session *session,
    const struct addr *client, const struct log_helo *helo)
{
	pairs->greetings++;
	if (session->truncated == LOG_TRUE &&
	    helo->received.len >= RECORD_TEXT_MAX) {
		pairs->cut++;
		return;
	}
	struct pair *pair = find(pairs, client, helo->received);
	if (pair == NULL) {
		pairs->lost++;
		return;
	}
	pair->greetings++;
	if (pair->last_session != pairs->sessions)
		pair->sessions++;
	pair->last_session = pairs->sessions;
	pair->starttls |= used_starttls(session);
	if (is_refusal(helo->server_reply) &&
	    slice_eq(helo->received, helo->forwarded))
		pair->server_refused++;
	if (refused_here(helo->verdict.verdict))
		pair->gate_refused++;
}

void
pairs_add(struct pairs *pairs, const struct log_session *session)
{
	struct addr client;

	pairs->sessions++;
	if (!addr_parse(session->src_ip, &client))
		return;
	for (unsigned i = 0; i < session->helo_listed; i++)
		if (session->helos[i].received.ptr != NULL)
			add_greeting(
			    pairs, session, &client, &session->helos[i]);
}

static int
by_address(const void *a_p, const void *b_p)
{
	const struct pair *a = a_p;
	const struct pair *b = b_p;
	int order;

	if (a->client.family != b->client.family)
		return a->client.family < b->client.family ? -1 : 1;
	order =
	    memcmp(a->client.bytes, b->client.bytes, sizeof(a->client.bytes));
	return order == 0 ? slice_cmp(a->name, b->name) : order;
}

void
pairs_sort(struct pairs *pairs)
{
	unsigned first = 0;
	bool starttls = false;

	qsort(pairs->items, pairs->count, sizeof(struct pair), by_address);
	for (unsigned i = 0; i < pairs->count; i++) {
		starttls |= pairs->items[i].starttls;
		if (i + 1 < pairs->count && addr_eq(&pairs->items[i].client,
						&pairs->items[i + 1].client))
			continue;
		for (; first <= i; first++)
			pairs->items[first].starttls = starttls;
		starttls = false;
	}
}

bool
is_one_network(const struct addr *a, const struct addr *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, a->family == 4 ? 3 : 8) == 0;
}
