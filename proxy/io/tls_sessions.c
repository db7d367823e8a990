/*
 * Sessions with servers.  See tls_sessions.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls_sessions.h"

#include <stdlib.h>

enum {
	/* Entries of one hash lie in one row; the oldest of it makes room. */
	WAYS = 4
};

struct entry {
	SSL_SESSION *session; /* NULL: free */
	char *key;
	size_t key_len;
	unsigned used;
};

struct tls_sessions {
	unsigned rows, clock;
	struct entry entries[];
};

struct tls_sessions *
tls_sessions_new(unsigned most)
{
	unsigned rows = most / WAYS + 1;
	struct tls_sessions *sessions =
	    calloc(1, sizeof(*sessions) + rows * WAYS * sizeof(struct entry));

	if (sessions != NULL)
		sessions->rows = rows;
	return sessions;
}

static void
clear(struct entry *entry)
{
	SSL_SESSION_free(entry->session);
	free(entry->key);
	*entry = (struct entry){0};
}

void
tls_sessions_free(struct tls_sessions **sessions_p)
{
	struct tls_sessions *sessions = *sessions_p;

	if (sessions == NULL)
		return;
	for (unsigned i = 0; i < sessions->rows * WAYS; i++)
		clear(&sessions->entries[i]);
	free(sessions);
	*sessions_p = NULL;
}

/* FNV-1a.  Whoever chooses addresses to fall into one row makes the gate
 * forget other sessions of that row, and no more. */
static struct entry *
row_of(struct tls_sessions *sessions, struct slice key)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (unsigned char)key.ptr[i]) * 16777619u;
	return &sessions->entries[(size_t)(hash % sessions->rows) * WAYS];
}

static bool
is_of(const struct entry *entry, struct slice key)
{
	return entry->session != NULL &&
	       slice_eq(slice_of(entry->key, entry->key_len), key);
}

void
tls_sessions_put(
    struct tls_sessions *sessions, struct slice key, SSL_SESSION *session)
{
	struct entry *row = row_of(sessions, key), *at = row;

	for (unsigned i = 0; i < WAYS; i++) {
		if (is_of(&row[i], key)) {
			at = &row[i];
			break;
		}
		if (row[i].used < at->used)
			at = &row[i];
	}
	clear(at);
	at->key = slice_dup(key);
	if (at->key == NULL) {
		SSL_SESSION_free(session);
		return;
	}
	at->key_len = key.len;
	at->used = ++sessions->clock;
	at->session = session;
}

SSL_SESSION *
tls_sessions_take(struct tls_sessions *sessions, struct slice key)
{
	struct entry *row = row_of(sessions, key);
	SSL_SESSION *session = NULL;

	for (unsigned i = 0; i < WAYS && session == NULL; i++) {
		if (!is_of(&row[i], key))
			continue;
		session = row[i].session;
		row[i].session = NULL;
		clear(&row[i]);
	}
	return session;
}
