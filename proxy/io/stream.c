/*
 * Streams.  See stream.h.  One read a turn and no second one to see EAGAIN:
 * the loop is level-triggered and asks again.  Writing is tried at once, and
 * watched for only when the socket is full.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/stream.h"

#include "base/magic.h"
#include "io/loop_private.h"
#include "io/tls_link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	STREAM_MAGIC = 0x57e40001,
	DISCARD_SIZE = 4096
};

struct stream {
	unsigned magic;
	int events; /* what libev watches now */
	ev_io ev;
	struct loop *loop;
	struct buf *in, *out;
	stream_fn *on_event;
	void *arg;
	uint64_t octets_in, octets_out;
	int send_flags;
	struct tls_link *tls; /* NULL: in the clear */
	int shake;            /* what its handshake waits for; 0: it is done */
	int full;             /* what sending waits for, since the socket took
			       * less than it was given; 0: nothing */
	int dry;              /* what reading waits for */
	int error;
	bool eof;
	bool paused;
	bool discard;
	bool want_ready;
	bool shut;   /* FIN was sent */
	bool busy;   /* within a callback of ours */
	bool gone;   /* freed by it: the memory goes when it returns */
	bool broken; /* nothing can be sent; what came may still be read:
			  * a last reply often precedes a reset */
};

static void on_ready(struct ev_loop *ev, ev_io *watcher, int events);

struct stream *
stream_new(struct loop *loop, int fd, struct buf *in, struct buf *out,
    stream_fn *on_event, void *arg)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		return NULL;
	stream->magic = STREAM_MAGIC;
	stream->loop = loop;
	stream->in = in;
	stream->out = out;
	stream->on_event = on_event;
	stream->arg = arg;
	stream->dry = EV_READ;
	stream->send_flags = MSG_NOSIGNAL;
	ev_io_init(&stream->ev, on_ready, fd, EV_NONE);
	stream->ev.data = stream;
	return stream;
}

static void
release(struct stream *stream)
{
	stream->magic = 0;
	free(stream);
}

void
stream_free(struct stream **stream_p, bool reset)
{
	struct stream *stream = *stream_p;

	if (stream == NULL)
		return;
	ev_io_stop(loop_ev(stream->loop), &stream->ev);
	if (reset) {
		struct linger now = {.l_onoff = 1, .l_linger = 0};
		setsockopt(
		    stream->ev.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	tls_link_free(&stream->tls);
	close(stream->ev.fd);
	*stream_p = NULL;
	stream->gone = true;
	if (!stream->busy)
		release(stream);
}

/* What there is to wait for, by the state of the buffers alone. */
static int
interest(const struct stream *stream)
{
	int events = EV_NONE;

	if (stream->error != 0)
		return events;
	if (stream->shake != 0)
		return stream->shake;
	if (!stream->eof && !stream->paused &&
	    (stream->discard || buf_room(stream->in) > 0))
		events |= stream->dry;
	if (stream->want_ready)
		events |= EV_WRITE;
	return events | stream->full;
}

static void
watch(struct stream *stream, int events)
{
	if (events == stream->events)
		return;
	ev_io_stop(loop_ev(stream->loop), &stream->ev);
	stream->events = events;
	if (events == EV_NONE)
		return;
	ev_io_set(&stream->ev, stream->ev.fd, events);
	ev_io_start(loop_ev(stream->loop), &stream->ev);
}

void
stream_update(struct stream *stream)
{
	int events = interest(stream);

	watch(stream, events);
	/* The socket does not tell of what TLS has read already.  Behind the
	 * watcher's stop, which forgets what it was fed. */
	if (stream->tls != NULL && tls_link_has_more(stream->tls) &&
	    stream->shake == 0 && (events & EV_READ) != 0)
		ev_feed_event(loop_ev(stream->loop), &stream->ev, EV_READ);
}

static void
fail(struct stream *stream, int error)
{
	stream->error = error;
	stream->full = EV_NONE;
	stream->want_ready = false;
	buf_clear(stream->out);
}

static void
fail_to_send(struct stream *stream, int error)
{
	stream->broken = true;
	stream->full = EV_NONE;
	buf_clear(stream->out);
	if (stream->eof)
		stream->error = error;
}

/* What the loop waits for. */
static int
awaited(int tls_result)
{
	return tls_result == TLS_READABLE ? EV_READ : EV_WRITE;
}

/* As send(2); octets that TLS took count as sent. */
static ssize_t
put(struct stream *stream, struct slice bytes)
{
	stream->full = EV_NONE;
	if (stream->tls == NULL) {
		ssize_t sent = send(
		    stream->ev.fd, bytes.ptr, bytes.len, stream->send_flags);
		stream->octets_out += sent > 0 ? (uint64_t)sent : 0;
		if (sent >= 0 ? (size_t)sent < bytes.len : errno == EAGAIN)
			stream->full = EV_WRITE;
		return sent;
	}
	/* A record at a time; it says itself when the socket is full. */
	int sent = tls_link_write(stream->tls, bytes);
	if (sent >= 0)
		return sent;
	errno = EPIPE;
	if (sent == TLS_READABLE || sent == TLS_WRITABLE) {
		stream->full = awaited(sent);
		errno = EAGAIN;
	}
	return -1;
}

int
stream_flush(struct stream *stream)
{
	if (stream->broken)
		buf_clear(stream->out);
	while (stream->error == 0 && stream->shake == 0 &&
	       buf_len(stream->out) > 0) {
		ssize_t sent = put(stream, buf_slice(stream->out));
		if (sent == -1 && errno == EINTR)
			continue;
		if (sent == -1 && errno != EAGAIN) {
			fail_to_send(stream, errno);
			return -1;
		}
		buf_consume(stream->out, sent > 0 ? (size_t)sent : 0);
		if (stream->full != EV_NONE)
			return 0;
	}
	return stream->error == 0 && !stream->broken ? 0 : -1;
}

/* As recv(2). */
static ssize_t
get(struct stream *stream, char *to, size_t room)
{
	ssize_t got;

	if (stream->tls == NULL) {
		got = recv(stream->ev.fd, to, room, 0);
		stream->octets_in += got > 0 ? (uint64_t)got : 0;
		return got;
	}
	got = tls_link_read(stream->tls, to, room);
	/* To answer a peer that asks for new keys and reads nothing. */
	stream->dry = got == TLS_WRITABLE ? EV_WRITE : EV_READ;
	if (got > 0)
		return got;
	if (got == TLS_ENDED)
		return 0;
	errno = got == TLS_FAILED ? EPROTO : EAGAIN;
	return -1;
}

static ssize_t
receive(struct stream *stream)
{
	char waste[DISCARD_SIZE];
	size_t room = buf_room(stream->in);
	char *to = waste;

	if (stream->discard)
		room = sizeof(waste);
	else if ((to = buf_reserve(stream->in, room)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	ssize_t got = get(stream, to, room);
	if (!stream->discard) {
		int error = errno;
		buf_commit(stream->in, got > 0 ? (size_t)got : 0);
		errno = error;
	}
	return got;
}

static void
read_some(struct stream *stream)
{
	ssize_t got = receive(stream);

	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got == -1) {
		fail(stream, errno);
		stream->on_event(stream, STREAM_ERROR, stream->arg);
	} else if (got == 0) {
		stream->eof = true;
		stream->on_event(stream, STREAM_EOF, stream->arg);
	} else {
		if (!stream->discard)
			stream->on_event(stream, STREAM_DATA, stream->arg);
	}
}

/* A step of the handshake. */
static void
shake_hands(struct stream *stream)
{
	int result = tls_link_shake(stream->tls);

	if (result == TLS_READABLE || result == TLS_WRITABLE) {
		stream->shake = awaited(result);
		return;
	}
	stream->shake = 0;
	if (result == 1) {
		stream->on_event(stream, STREAM_TLS, stream->arg);
		return;
	}
	fail(stream, EPROTO);
	stream->on_event(stream, STREAM_ERROR, stream->arg);
}

static void
write_some(struct stream *stream)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (stream->want_ready) {
		stream->want_ready = false;
		getsockopt(stream->ev.fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error != 0) {
			fail(stream, error);
			stream->on_event(stream, STREAM_ERROR, stream->arg);
			return;
		}
		stream->on_event(stream, STREAM_READY, stream->arg);
		return;
	}
	stream->full = EV_NONE;
	stream_flush(stream);
	stream->on_event(stream,
	    stream->error != 0 ? STREAM_ERROR : STREAM_ROOM, stream->arg);
}

static void
on_ready(struct ev_loop *ev, ev_io *watcher, int events)
{
	struct stream *stream;

	(void)ev;
	MAGIC_CAST(stream, watcher->data, STREAM_MAGIC);
	stream->busy = true;
	/* Either may be reported for an error; the read tells which.  One
	 * thing a turn: the owner's step may have changed everything, and what
	 * else is there is told again. */
	if (stream->shake != 0)
		shake_hands(stream);
	else if ((events & (stream->want_ready ? EV_WRITE : stream->full)) != 0)
		write_some(stream);
	else if ((events & stream->events & stream->dry) != 0)
		read_some(stream);
	stream->busy = false;
	if (stream->gone)
		release(stream);
	else
		stream_update(stream);
}

void
stream_pause(struct stream *stream, bool paused)
{
	stream->paused = paused;
}

void
stream_want_ready(struct stream *stream)
{
	stream->want_ready = true;
}

void
stream_last(struct stream *stream)
{
	stream->send_flags |= MSG_MORE;
	if (stream->tls != NULL)
		tls_link_last(stream->tls);
}

void
stream_shutdown(struct stream *stream)
{
	if (stream->shut || stream->error != 0)
		return;
	stream->shut = true;
	if (stream->tls != NULL)
		tls_link_close(stream->tls);
	shutdown(stream->ev.fd, SHUT_WR);
}

void
stream_discard(struct stream *stream)
{
	stream->discard = true;
	stream->paused = false;
	buf_clear(stream->in);
}

bool
stream_start_tls(struct stream *stream, struct tls_context *context,
    const struct tls_target *target)
{
	assert(stream->tls == NULL && buf_len(stream->in) == 0 &&
	       buf_len(stream->out) == 0);
	stream->tls = tls_link_open(context, stream->ev.fd, target,
	    &stream->octets_in, &stream->octets_out);
	if (stream->tls == NULL)
		return false;
	stream->shake = awaited(tls_link_waits(stream->tls));
	return true;
}

bool
stream_tls_facts(const struct stream *stream, struct tls_facts *out)
{
	if (stream->tls == NULL || stream->shake != 0)
		return false;
	tls_link_facts(stream->tls, out);
	return true;
}

bool
stream_tls_certificate(
    const struct stream *stream, struct buf *out, bool *trusted)
{
	return stream->tls != NULL && stream->shake == 0 &&
	       tls_link_certificate(stream->tls, out, trusted);
}

const char *
stream_tls_error(const struct stream *stream)
{
	return stream->tls == NULL ? "" : tls_link_error(stream->tls);
}

int
stream_error(const struct stream *stream)
{
	return stream->error;
}

bool
stream_is_eof(const struct stream *stream)
{
	return stream->eof;
}

int
stream_fd(const struct stream *stream)
{
	return stream->ev.fd;
}

uint64_t
stream_octets_in(const struct stream *stream)
{
	return stream->octets_in;
}

uint64_t
stream_octets_out(const struct stream *stream)
{
	return stream->octets_out;
}
