/*
 * One non-blocking peer.  Opaque: what is read appears in the `in` buffer,
 * what stands in `out` is sent, and one callback says that something changed.
 * What the loop is asked to watch is computed from the buffers after each
 * step and never set by hand.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "base/buf.h"
#include "io/loop.h"
#include "io/tls.h"

struct stream;

enum stream_event {
	STREAM_DATA,  /* bytes were appended to `in` */
	STREAM_ROOM,  /* bytes of `out` went */
	STREAM_EOF,   /* the peer sends no more */
	STREAM_ERROR, /* stream_error tells; nothing goes either way any more */
	STREAM_READY, /* connected; only after stream_want_ready */
	STREAM_TLS    /* the handshake is done */
};

/* Called by the loop; may free the stream. */
typedef void stream_fn(
    struct stream *stream, enum stream_event event, void *arg);

/* Takes the descriptor over (also a connecting one).  The buffers are the
 * caller's.  NULL: no memory; the descriptor is then still the caller's. */
struct stream *stream_new(struct loop *loop, int fd, struct buf *in,
    struct buf *out, stream_fn *on_event, void *arg);
/* Closes the descriptor; `reset`: by RST, unsent bytes are dropped.  Also
 * within the stream's own callback. */
void stream_free(struct stream **stream, bool reset);

/* Sends what it can of `out` now.  -1: nothing can be sent any more; what the
 * peer sent before is still read, and its end is told as an event. */
int stream_flush(struct stream *stream);
/* After the caller changed buffers: computes what to watch. */
void stream_update(struct stream *stream);
/* Reads no more until set back: `in` may have room and yet be unwelcome. */
void stream_pause(struct stream *stream, bool paused);
/* Tell STREAM_READY once the connection stands (else its first bytes tell). */
void stream_want_ready(struct stream *stream);
/* What stands in `out` is the last: it goes with the FIN, which must follow it
 * at once (stream_shutdown, or stream_free). */
void stream_last(struct stream *stream);
/* When `out` is empty: sends no more (FIN).  Once. */
void stream_shutdown(struct stream *stream);
/* Reads on and throws away: a closing peer must be able to finish sending. */
void stream_discard(struct stream *stream);

/* From here on TLS stands between the buffers and the socket; whether it is the
 * client's side of it or the server's, the context knows.  `in` and `out` must
 * be empty: what was said in the clear has no place behind it.  Until STREAM_TLS
 * nothing is read or sent.  `target`: NULL: nobody in particular.  False: no
 * memory, or a name that is none. */
bool stream_start_tls(struct stream *stream, struct tls_context *context,
    const struct tls_target *target);
/* False: there is no TLS here, or its handshake is not done. */
bool stream_tls_facts(const struct stream *stream, struct tls_facts *out);
/* Of a client's side whose handshake is done: the server's certificate (DER) is
 * appended to `out`; `trusted`: its chain leads to a root and is in force,
 * whatever name it bears.  False: there is none, or no room for it. */
bool stream_tls_certificate(
    const struct stream *stream, struct buf *out, bool *trusted);
/* Of a STREAM_ERROR: in TLS's words; "": the error is the socket's. */
const char *stream_tls_error(const struct stream *stream);

/* errno of the STREAM_ERROR (of TLS: EPROTO), 0 for none. */
int stream_error(const struct stream *stream);
bool stream_is_eof(const struct stream *stream);
int stream_fd(const struct stream *stream);
/* Octets read from and written to the socket. */
uint64_t stream_octets_in(const struct stream *stream);
uint64_t stream_octets_out(const struct stream *stream);

#endif
