/*
 * A server of mail for load: takes every message, and writes down the
 * Message-ID of each that it has accepted before it says so.
 *
 *   mailsink ADDRESS:PORT FILE
 *
 * Prints "ready" when it listens.  One loop, no limit but memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	INPUT = 64 * 1024,
	EVENTS = 256
};

struct peer {
	int fd;
	bool in_text;
	size_t len;
	char in[INPUT];
};

static FILE *accepted;

static void
say(struct peer *peer, const char *reply)
{
	/* A peer that does not read is given up: it is its own loss. */
	if (send(peer->fd, reply, strlen(reply), MSG_NOSIGNAL) == -1)
		shutdown(peer->fd, SHUT_RDWR);
}

static void
take_message(struct peer *peer, size_t len)
{
	static const char name[] = "Message-ID: <";
	const char *id = memmem(peer->in, len, name, sizeof(name) - 1);
	const char *end =
	    id == NULL ? NULL : memchr(id, '>', (size_t)(peer->in + len - id));

	if (end != NULL) {
		id += sizeof(name) - 1;
		fprintf(accepted, "%.*s\n", (int)(end - id), id);
		fflush(accepted);
	}
	say(peer, "250 2.0.0 taken\r\n");
}

static void
obey(struct peer *peer, struct slice line)
{
	if (slice_has_prefix_nocase(line, SLICE("EHLO")))
		say(peer,
		    "250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
	else if (slice_has_prefix_nocase(line, SLICE("DATA"))) {
		peer->in_text = true;
		say(peer, "354 go\r\n");
	} else if (slice_has_prefix_nocase(line, SLICE("QUIT")))
		say(peer, "221 bye\r\n");
	else
		say(peer, "250 ok\r\n");
}

/* One line or one message.  False: it is not there yet. */
static bool
step(struct peer *peer)
{
	static const char dot[] = "\r\n.\r\n";
	const char *end = peer->in_text ? memmem(peer->in, peer->len, dot, 5)
					: memmem(peer->in, peer->len, dot, 2);
	size_t used;

	if (end == NULL)
		return false;
	used = (size_t)(end - peer->in) + (peer->in_text ? 5 : 2);
	if (peer->in_text) {
		peer->in_text = false;
		take_message(peer, used);
	} else {
		obey(peer, slice_of(peer->in, used - 2));
	}
	peer->len -= used;
	memmove(peer->in, peer->in + used, peer->len);
	return true;
}

static void
serve(struct peer *peer)
{
	ssize_t got = recv(
	    peer->fd, peer->in + peer->len, INPUT - peer->len, MSG_DONTWAIT);

	if (got == -1 && errno == EAGAIN)
		return;
	if (got <= 0) {
		close(peer->fd);
		free(peer);
		return;
	}
	peer->len += (size_t)got;
	while (step(peer))
		continue;
	/* A long text: its end is all that matters, and its beginning. */
	if (peer->len == INPUT && peer->in_text) {
		memmove(peer->in + INPUT / 4, peer->in + peer->len - 8, 8);
		peer->len = INPUT / 4 + 8;
	}
}

static int
listen_at(const char *where)
{
	struct endpoint at;
	struct sockaddr_in addr = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (!endpoint_parse(slice_str(where), &at))
		return -1;
	memcpy(&addr.sin_addr, at.addr.bytes, 4);
	addr.sin_port = htons(at.port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
	    listen(fd, 4096) == -1)
		return -1;
	return fd;
}

static void
greet(int loop, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct peer *peer = fd == -1 ? NULL : calloc(1, sizeof(*peer));

	if (peer == NULL) {
		close(fd);
		return;
	}
	peer->fd = fd;
	epoll_ctl(loop, EPOLL_CTL_ADD, fd,
	    &(struct epoll_event){.events = EPOLLIN, .data.ptr = peer});
	say(peer, "220 sink.example ESMTP\r\n");
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct rlimit most = {20000, 20000};
	int loop = epoll_create1(EPOLL_CLOEXEC);
	int listener = argc == 3 ? listen_at(argv[1]) : -1;

	accepted = argc == 3 ? fopen(argv[2], "w") : NULL;
	if (listener == -1 || accepted == NULL) {
		fprintf(stderr, "mailsink: %s\n", strerror(errno));
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &most);
	epoll_ctl(loop, EPOLL_CTL_ADD, listener,
	    &(struct epoll_event){.events = EPOLLIN});
	puts("ready");
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(loop, events, EVENTS, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == NULL)
				greet(loop, listener);
			else
				serve(events[i].data.ptr);
		}
	}
}
