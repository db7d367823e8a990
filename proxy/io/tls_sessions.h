/*
 * Sessions with servers, to be resumed: of a client's context, by the place and
 * the name that they were made with.  Bounded: who was not spoken with longest
 * goes first.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_TLS_SESSIONS_H
#define IO_TLS_SESSIONS_H

#include "io/tls_private.h"

struct tls_sessions;

/* NULL: no memory. */
struct tls_sessions *tls_sessions_new(unsigned most);
void tls_sessions_free(struct tls_sessions **sessions);
/* Takes the session over. */
void tls_sessions_put(
    struct tls_sessions *sessions, struct slice key, SSL_SESSION *session);
/* The caller's then; NULL: there is none.  One ticket of TLS 1.3 is used once
 * (RFC 8446 C.4), so it is taken out. */
SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions, struct slice key);

#endif
