/*
 * The model of a server.  It shares no code with the gate's own parser: lines
 * are found with memmem, numbers with strtoull.  What it decides hangs on the
 * seed, its leg and the number of the command alone, so that it decides the
 * same however the bytes came.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/sim/sim.h"

#include <stdlib.h>

void
server_begin(struct server *server, struct world *world, unsigned leg)
{
	*server = (struct server){.world = world,
	    .leg = leg,
	    .chance = chance_of(world->plan->seed, 2, leg)};
	buf_init(&server->in, STREAM_MAX);
	buf_init(&server->out, STREAM_MAX);
	buf_init(&server->chunks, STREAM_MAX);
	/* A server that is away for a while, now and then. */
	if (chance_one_in(&server->chance, 40)) {
		buf_append_str(&server->out, chance_one_in(&server->chance, 2)
						 ? "554 no service here\r\n"
						 : "421 4.3.2 not now\r\n");
		server->greeted = true;
		return;
	}
	server->greeted = true;
	buf_append_str(&server->out,
	    chance_one_in(&server->chance, 4)
		? "220-mx.example\r\n220-has much\r\n220 to say\r\n"
		: "220 mx.example ESMTP\r\n");
}

void
server_end(struct server *server)
{
	buf_fini(&server->in);
	buf_fini(&server->out);
	buf_fini(&server->chunks);
}

/* A reply, sometimes of several lines, sometimes what no server may say.
 * False: it is not what was meant. */
static bool
say(struct server *server, const char *text)
{
	struct chance *chance = &server->chance;

	server->replies++;
	if (server->world->plan->hostile && chance_one_in(chance, 12)) {
		static const char *const lies[] = {"250\n", "2x0 what\r\n",
		    "250-\r\n251 two codes\r\n", "99 small\r\n", "250 o\0k\r\n",
		    "250 a\rb\r\n", "\r\n", "250 twice\r\n250 twice\r\n",
		    "199 strange\r\n"};
		unsigned which = chance_below(chance, 9);
		server->lied = true;
		buf_append(&server->out, which == 4 ? SLICE("250 o\0k\r\n")
						    : slice_str(lies[which]));
		return false;
	}
	if (chance_one_in(chance, 200) && !server->world->plan->friendly) {
		buf_append_str(&server->out, "421 4.3.0 going down\r\n");
		server->world->fell = true;
		server->closed = true;
		server->at = SERVER_OVER;
		return false;
	}
	if (chance_one_in(chance, 8))
		buf_printf(&server->out, "%.3s-first of all\r\n", text);
	buf_printf(&server->out, "%s\r\n", text);
	return true;
}

static bool
refuses(struct server *server)
{
	return chance_one_in(&server->chance, 7) &&
	       !server->world->plan->friendly;
}

static void
forget(struct server *server)
{
	server->mail = server->chunk_dead = false;
	server->rcpts = 0;
	buf_clear(&server->chunks);
}

/* What becomes of a transaction of which a chunk was refused is the server's
 * affair (RFC 3030 2): one in three goes on with it at the next recipient. */
static bool
goes_on(const struct server *server)
{
	return server->world->plan->seed % 3 == 0;
}

static void
take(struct server *server, struct slice text)
{
	struct world *world = server->world;
	char reply[64];

	if (refuses(server) || world->message_count == MESSAGES_MAX) {
		forget(server);
		/* Of a chunk: the transaction is dead until RSET. */
		server->chunk_dead = server->last;
		say(server, "554 5.6.0 not this one");
		return;
	}
	struct message *message = &world->messages[world->message_count++];
	message->id = world->message_count;
	message->leg = server->leg;
	message->rcpts = server->rcpts;
	memcpy(message->sender, server->sender, sizeof(message->sender));
	buf_init(&message->body, STREAM_MAX);
	buf_append(&message->body, text);
	check_message(world, message);
	forget(server);
	snprintf(reply, sizeof(reply), "250 2.0.0 taken q%u", message->id);
	message->reply_out = say(server, reply);
	/* It changed its mind, and took nothing. */
	if (!message->reply_out) {
		buf_fini(&message->body);
		world->message_count--;
	}
}

/* The text up to its dot, its dots unstuffed. */
static bool
read_text(struct server *server)
{
	struct slice in = buf_slice(&server->in);
	const char *end = NULL;
	struct buf text;

	if (in.len >= 3 && memcmp(in.ptr, ".\r\n", 3) == 0)
		end = in.ptr;
	else if ((end = memmem(in.ptr, in.len, "\r\n.\r\n", 5)) != NULL)
		end += 2;
	if (end == NULL)
		return false;
	buf_init(&text, STREAM_MAX);
	for (const char *c = in.ptr; c < end; c++) {
		bool begins = c == in.ptr || c[-1] == '\n';
		if (!(begins && *c == '.'))
			buf_append(&text, slice_of(c, 1));
	}
	server->at = SERVER_COMMAND;
	server->last = false;
	buf_consume(&server->in, (size_t)(end - in.ptr) + 3);
	take(server, buf_slice(&text));
	buf_fini(&text);
	return true;
}

static bool
read_chunk(struct server *server)
{
	if (buf_len(&server->in) < server->chunk)
		return false;
	buf_append(
	    &server->chunks, slice_head(buf_slice(&server->in), server->chunk));
	buf_consume(&server->in, server->chunk);
	server->at = SERVER_COMMAND;
	if (server->chunk_bad) {
		server->chunk_dead |= server->mail;
		buf_clear(&server->chunks);
		say(server, "552 5.2.2 no more of this");
	} else if (!server->last) {
		say(server, "250 2.0.0 and on");
	} else {
		struct buf text = server->chunks;
		buf_init(&server->chunks, STREAM_MAX);
		take(server, buf_slice(&text));
		buf_fini(&text);
	}
	return true;
}

static bool
is(struct slice line, const char *verb)
{
	size_t len = strlen(verb);

	return line.len >= len && memcmp(line.ptr, verb, len) == 0 &&
	       (line.len == len || line.ptr[len] == ' ');
}

static void
greet(struct server *server, struct slice line)
{
	if (refuses(server)) {
		say(server, chance_one_in(&server->chance, 2)
				? "501 5.5.4 that is no name"
				: "550 5.7.1 not you");
		return;
	}
	forget(server);
	server->named = true;
	server->esmtp = line.ptr[0] == 'E';
	if (!server->esmtp) {
		say(server, "250 mx.example");
		return;
	}
	server->replies++;
	buf_append_str(&server->out, "250-mx.example\r\n");
	for (unsigned i = 0; i < 4; i++) {
		static const char *const words[] = {"PIPELINING", "CHUNKING",
		    "AUTH PLAIN LOGIN", "XCLIENT NAME"};
		/* The same on each leg: a client has heard it once. */
		if (server->world->plan->seed >> (8 + i) & 1)
			buf_printf(&server->out, "250-%s\r\n", words[i]);
	}
	buf_append_str(
	    &server->out, server->tls ? "250 HELP\r\n" : "250 STARTTLS\r\n");
}

static void
begin_chunk(struct server *server, struct slice line)
{
	char text[40];
	char *end;

	snprintf(text, sizeof(text), "%.*s", SLICE_FMT(slice_from(line, 5)));
	server->chunk = strtoull(text, &end, 10);
	server->last = *end == ' ';
	if (end == text || (*end != '\0' && strcmp(end, " LAST") != 0))
		fail(server->world, "no chunk: %.*s", SLICE_FMT(line));
	server->chunk_bad =
	    server->rcpts == 0 || server->chunk_dead || refuses(server);
	server->at = SERVER_CHUNK;
}

static void
envelope(struct server *server, struct slice line)
{
	bool mail = is(line, "MAIL");

	if (!mail && server->mail && goes_on(server))
		server->chunk_dead = false;
	if ((mail ? server->mail || !server->named : !server->mail) ||
	    server->chunk_dead || buf_len(&server->chunks) > 0) {
		say(server, "503 5.5.1 not now");
	} else if (refuses(server)) {
		say(server, "550 5.1.1 no");
	} else if (mail) {
		server->mail = true;
		snprintf(server->sender, sizeof(server->sender), "%.*s",
		    SLICE_FMT(slice_head(slice_from(line, 11), 60)));
		char *end = strchr(server->sender, '>');
		if (end != NULL)
			*end = '\0';
		say(server, "250 2.1.0 ok");
	} else {
		server->rcpts++;
		say(server, "250 2.1.5 ok");
	}
}

static void
others(struct server *server, struct slice line)
{
	if (is(line, "RSET")) {
		forget(server);
		say(server, "250 2.0.0 ok");
	} else if (is(line, "AUTH")) {
		bool done = refuses(server);
		server->at = done ? SERVER_COMMAND : SERVER_AUTH;
		say(server, done ? "535 5.7.8 no" : "334 ");
	} else if (is(line, "STARTTLS")) {
		enum plan_tls tls = server->world->plan->tls;
		bool no = tls == TLS_NONE || server->tls ||
			  (tls == TLS_RULE && !server->world->mended) ||
			  chance_one_in(&server->chance, 10);
		/* What was said before it is forgotten. */
		if (say(server, no ? "454 4.7.0 no" : "220 go") && !no) {
			forget(server);
			server->tls = true;
			server->named = false;
		}
	} else if (is(line, "QUIT")) {
		say(server, "221 2.0.0 bye");
		server->closed = true;
		server->at = SERVER_OVER;
	} else {
		say(server,
		    refuses(server) ? "502 5.5.1 no" : "252 2.0.0 well");
	}
}

static void
obey(struct server *server, struct slice line)
{
	check_line(server, line);
	server->world->mended |=
	    server->world->plan->tls == TLS_RULE &&
	    memmem(line.ptr, line.len, "LO bad-name", 11) != NULL;
	check_secret(server, line);
	server->commands++;
	if (is(line, "EHLO") || is(line, "HELO"))
		greet(server, line);
	else if (is(line, "MAIL") || is(line, "RCPT"))
		envelope(server, line);
	else if (is(line, "BDAT"))
		begin_chunk(server, line);
	else if (is(line, "DATA")) {
		bool no = server->rcpts == 0 || refuses(server) ||
			  buf_len(&server->chunks) > 0 || server->chunk_dead;
		server->at = no ? SERVER_COMMAND : SERVER_TEXT;
		/* What it says may fail: then there is no text. */
		say(server, no ? "554 5.5.1 no" : "354 go");
	} else
		others(server, line);
}

static bool
read_line(struct server *server)
{
	struct slice in = buf_slice(&server->in);
	const char *end = memmem(in.ptr, in.len, "\r\n", 2);
	char line[16 * 1024];

	if (end == NULL)
		return false;
	size_t len = (size_t)(end - in.ptr);
	if (len >= sizeof(line))
		fail(server->world, "a line of %zu octets", len);
	memcpy(line, in.ptr, len);
	buf_consume(&server->in, len + 2);
	if (server->at == SERVER_COMMAND) {
		obey(server, slice_of(line, len));
		return true;
	}
	server->at = SERVER_COMMAND;
	server->auth_done = !refuses(server) && !(len == 1 && *line == '*');
	say(server, server->auth_done ? "235 2.7.0 welcome" : "535 5.7.8 no");
	return true;
}

void
server_serve(struct server *server)
{
	bool more = true;

	while (more && server->at != SERVER_OVER) {
		if (server->at == SERVER_TEXT)
			more = read_text(server);
		else if (server->at == SERVER_CHUNK)
			more = read_chunk(server);
		else
			more = read_line(server);
	}
}
