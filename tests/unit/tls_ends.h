/*
 * Two ends of one connection, both here: one loop, a pair of sockets.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_TLS_ENDS_H
#define TESTS_TLS_ENDS_H

#include "io/stream.h"
#include "tests/unit/certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	ROOM = 20000, /* more than a record, and less than two */
	BULK = 3 * 1000 * 1000,
	SECONDS = 10
};

struct end {
	struct stream *stream;
	struct buf in, out;
	struct buf got;      /* all that came */
	struct slice to_say; /* what is left */
	bool done, eof, failed;
	struct end *peer;
	void (*on_data)(void); /* NULL: what came is taken at once */
};

static struct loop *loop;
static struct end client, server;

/* --- the two ends ------------------------------------------------------------------ */

static void
pump(struct end *end)
{
	while (end->to_say.len > 0 && buf_room(&end->out) > 0) {
		struct slice piece =
		    slice_head(end->to_say, buf_room(&end->out));
		buf_append(&end->out, piece);
		end->to_say = slice_from(end->to_say, piece.len);
		stream_flush(end->stream);
		if (buf_len(&end->out) > 0)
			break;
	}
	stream_update(end->stream);
}

static bool
is_over(const struct end *end)
{
	return end->failed || end->eof;
}

static void
on_event(struct stream *stream, enum stream_event event, void *arg)
{
	struct end *end = arg;

	end->done |= event == STREAM_TLS;
	end->eof |= event == STREAM_EOF;
	end->failed |= event == STREAM_ERROR;
	if (event == STREAM_DATA && end->on_data != NULL) {
		end->on_data();
		return;
	}
	if (event == STREAM_DATA) {
		buf_append(&end->got, buf_slice(&end->in));
		buf_clear(&end->in);
	}
	if (end->done && !end->failed)
		pump(end);
	if (end->done && end->to_say.len == 0 && buf_len(&end->out) == 0 &&
	    end == &client && buf_len(&end->got) >= end->peer->got.max)
		stream_shutdown(stream);
	if (end->eof && end == &server)
		stream_shutdown(stream);
	if (is_over(&client) && is_over(&server))
		loop_stop(loop);
}

static void
late(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void
open_end(struct end *end, int fd, struct slice say, struct end *peer)
{
	*end = (struct end){.to_say = say, .peer = peer};
	buf_init(&end->in, ROOM);
	buf_init(&end->out, ROOM);
	buf_init(&end->got, BULK);
	end->stream = stream_new(loop, fd, &end->in, &end->out, on_event, end);
}

static void
close_end(struct end *end)
{
	stream_free(&end->stream, false);
	buf_fini(&end->in);
	buf_fini(&end->out);
	buf_fini(&end->got);
}

static void
start(struct slice from_client, struct slice from_server)
{
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	loop = loop_new();
	open_end(&client, fds[0], from_client, &server);
	open_end(&server, fds[1], from_server, &client);
}

static void
run(void)
{
	struct loop_timer *timer = loop_timer_new(loop, late, NULL);

	stream_update(client.stream);
	stream_update(server.stream);
	loop_timer_start(timer, SECONDS * 1000);
	loop_run(loop);
	loop_timer_free(&timer);
}

static void
finish(void)
{
	close_end(&client);
	close_end(&server);
	loop_free(&loop);
}

#endif
