/*
 * One connection's TLS, between a stream and its socket.  For stream.c alone.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_TLS_LINK_H
#define IO_TLS_LINK_H

#include "base/buf.h"
#include "io/tls.h"

struct tls_link;

enum tls_result {
	TLS_READABLE = -1, /* again when the socket can be read */
	TLS_WRITABLE = -2, /* ... written */
	TLS_ENDED = -3,    /* close_notify, or the end of the connection */
	TLS_FAILED = -4    /* tls_link_error tells */
};

/* `octets`: counts what crosses the socket, in and out.  `target`: NULL: nobody
 * in particular.  NULL: no memory. */
struct tls_link *tls_link_open(struct tls_context *context, int fd,
    const struct tls_target *target, uint64_t *octets_in, uint64_t *octets_out);
void tls_link_free(struct tls_link **link);

/* A step of the handshake: at most one recv, and what is said in one send.
 * 1: it is done. */
int tls_link_shake(struct tls_link *link);
/* What the next step needs: TLS_READABLE or TLS_WRITABLE. */
int tls_link_waits(const struct tls_link *link);
/* How many octets, or a tls_result.  Of a read at most one recv, and all that
 * came with it as far as there is room; of a write one record (16 KiB). */
int tls_link_read(struct tls_link *link, char *to, size_t room);
int tls_link_write(struct tls_link *link, struct slice bytes);
/* There is something to read already, of which the socket tells nothing. */
bool tls_link_has_more(const struct tls_link *link);
/* What is written from now on goes with the FIN that follows at once. */
void tls_link_last(struct tls_link *link);
/* close_notify, as far as the socket takes it; a FIN follows at once. */
void tls_link_close(struct tls_link *link);

bool tls_link_certificate(
    const struct tls_link *link, struct buf *out, bool *trusted);
const char *tls_link_error(const struct tls_link *link);
void tls_link_facts(struct tls_link *link, struct tls_facts *out);

#endif
