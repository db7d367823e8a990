/*
 * A client of mail for load, which tries again what was not acknowledged.
 *
 *   mailer ADDRESS:PORT SESSIONS MESSAGES PER_SESSION FILE
 *
 * Sends MESSAGES messages over SESSIONS connections at once, PER_SESSION on
 * each before it makes another, each with a Message-ID of its own, until every
 * one was answered 250.  FILE: a line for each that was ("ID"), and one for
 * each try whose fate is not known, since the connection broke behind its text
 * ("? ID").  Ends with a line of its figures.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	INPUT = 4096,
	EVENTS = 256,
	AGAIN_MS = 50
};

enum step {
	STEP_GREETING,
	STEP_EHLO,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_TEXT,
	STEP_QUIT
};

struct session {
	int fd; /* -1: not connected */
	enum step step;
	unsigned message; /* 0: none is under way */
	unsigned done;    /* on this connection */
	uint64_t again_ms;
	size_t len;
	char in[INPUT];
};

static struct sockaddr_in server;
static struct session *sessions;
static unsigned session_count, per_session, next_message = 1, message_count;
static unsigned *waiting, waiting_count; /* to be tried again */
static unsigned acknowledged, broken, refused;
static FILE *out;
static int loop;

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
say(struct session *session, const char *text)
{
	send(session->fd, text, strlen(text), MSG_NOSIGNAL);
}

/* The connection is over; its message is tried again. */
static void
give_up(struct session *session)
{
	if (session->fd != -1)
		close(session->fd);
	session->fd = -1;
	session->again_ms = now_ms() + AGAIN_MS;
	if (session->message == 0)
		return;
	if (session->step == STEP_TEXT)
		fprintf(out, "? m%u@load\n", session->message);
	waiting[waiting_count++] = session->message;
	session->message = 0;
	broken++;
}

static void
connect_again(struct session *session)
{
	session->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	session->step = STEP_GREETING;
	session->len = session->done = 0;
	if (session->fd == -1 ||
	    connect(session->fd, (struct sockaddr *)&server, sizeof(server)) ==
		-1) {
		give_up(session);
		return;
	}
	epoll_ctl(loop, EPOLL_CTL_ADD, session->fd,
	    &(struct epoll_event){.events = EPOLLIN, .data.ptr = session});
}

static bool
take_message(struct session *session)
{
	if (waiting_count > 0)
		session->message = waiting[--waiting_count];
	else if (next_message <= message_count)
		session->message = next_message++;
	else
		return false;
	return true;
}

static void
begin_message(struct session *session)
{
	if (session->done < per_session && take_message(session)) {
		session->step = STEP_MAIL;
		say(session, "MAIL FROM:<load@client.example>\r\n");
		return;
	}
	session->step = STEP_QUIT;
	say(session, "QUIT\r\n");
}

static void
send_text(struct session *session)
{
	char text[256];

	snprintf(text, sizeof(text),
	    "Subject: load\r\nMessage-ID: <m%u@load>\r\n\r\n"
	    "one line of text\r\n..and a dot\r\n.\r\n",
	    session->message);
	say(session, text);
}

/* A whole reply has come. */
static void
on_reply(struct session *session, char class)
{
	if (class > '3' || session->step == STEP_QUIT) {
		refused += session->step != STEP_QUIT;
		give_up(session);
		return;
	}
	switch (session->step) {
	case STEP_GREETING:
		say(session, "EHLO client.example.com\r\n");
		break;
	case STEP_EHLO:
		begin_message(session);
		return;
	case STEP_MAIL:
		say(session, "RCPT TO:<user@server.example>\r\n");
		break;
	case STEP_RCPT:
		say(session, "DATA\r\n");
		break;
	case STEP_DATA:
		send_text(session);
		break;
	case STEP_TEXT:
		fprintf(out, "m%u@load\n", session->message);
		acknowledged++;
		session->message = 0;
		session->done++;
		begin_message(session);
		return;
	case STEP_QUIT:
		break;
	}
	session->step++;
}

static void
on_bytes(struct session *session)
{
	ssize_t got = recv(session->fd, session->in + session->len,
	    INPUT - session->len, MSG_DONTWAIT);

	if (got == -1 && errno == EAGAIN)
		return;
	if (got <= 0) {
		give_up(session);
		return;
	}
	session->len += (size_t)got;
	while (session->fd != -1) {
		char *end = memmem(session->in, session->len, "\r\n", 2);
		if (end == NULL)
			break;
		char class = session->in[0];
		bool last = end - session->in < 4 || session->in[3] == ' ';
		size_t used = (size_t)(end - session->in) + 2;
		session->len -= used;
		memmove(session->in, session->in + used, session->len);
		if (last)
			on_reply(session, class);
	}
}

static void
turn(void)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(loop, events, EVENTS, AGAIN_MS / 2);
	uint64_t now = now_ms();

	for (int i = 0; i < count; i++)
		on_bytes(events[i].data.ptr);
	for (unsigned i = 0; i < session_count; i++)
		if (sessions[i].fd == -1 && sessions[i].again_ms <= now &&
		    (waiting_count > 0 || next_message <= message_count))
			connect_again(&sessions[i]);
}

int
main(int argc, char **argv)
{
	struct endpoint to;
	struct rlimit most = {20000, 20000};

	if (argc != 6 || !endpoint_parse(slice_str(argv[1]), &to))
		return 2;
	session_count = (unsigned)atoi(argv[2]);
	message_count = (unsigned)atoi(argv[3]);
	per_session = (unsigned)atoi(argv[4]);
	out = fopen(argv[5], "w");
	sessions = calloc(session_count, sizeof(struct session));
	waiting = calloc(session_count + 1, sizeof(unsigned));
	loop = epoll_create1(EPOLL_CLOEXEC);
	if (out == NULL || sessions == NULL || waiting == NULL)
		return 2;
	setrlimit(RLIMIT_NOFILE, &most);
	server.sin_family = AF_INET;
	server.sin_port = htons(to.port);
	memcpy(&server.sin_addr, to.addr.bytes, 4);
	for (unsigned i = 0; i < session_count; i++)
		sessions[i].fd = -1;
	uint64_t begin = now_ms();
	while (acknowledged < message_count)
		turn();
	fclose(out);
	printf("%u acknowledged, %u broken, %u refused, %.1f s\n", acknowledged,
	    broken, refused, (double)(now_ms() - begin) / 1000);
	return 0;
}
