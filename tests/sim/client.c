/*
 * A client: says what a client may say and some things that it may not, and
 * knows which of its commands each reply answers.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/sim/sim.h"

#include <stdlib.h>

void
client_begin(struct client *client, struct world *world)
{
	*client = (struct client){
	    .world = world, .chance = chance_of(world->plan->seed, 1, 0)};
	client->left = 3 + chance_below(&client->chance, 22);
	buf_init(&client->out, STREAM_MAX);
	buf_init(&client->in, STREAM_MAX);
	buf_init(&client->text, STREAM_MAX);
	client->awaited[client->awaiting++] = AWAITS_GREETING;
}

void
client_end(struct client *client)
{
	buf_fini(&client->out);
	buf_fini(&client->in);
	buf_fini(&client->text);
}

/* --- says ---------------------------------------------------------------------- */

static void
await(struct client *client, enum awaited what)
{
	if (client->world->plan->manner == EAGER)
		return;
	if (client->awaiting == AWAITED_MAX)
		fail(client->world, "the client says too much");
	client->awaited[(client->first + client->awaiting++) % AWAITED_MAX] =
	    what;
	client->commands++;
}

static void
say(struct client *client, enum awaited what, const char *text)
{
	buf_append_str(&client->out, text);
	buf_append_str(&client->out, "\r\n");
	await(client, what);
}

/* Pieces that a text is made of; the last is for few. */
static void
add_piece(struct chance *chance, struct buf *text)
{
	static const struct slice pieces[] = {SLICE("\r\n"), SLICE("\r\n"),
	    SLICE("word "), SLICE("."), SLICE("\r\n."), SLICE("\r\n.."),
	    SLICE("some more of it\r\n"), SLICE("Subject: x\r\n"), SLICE("\n"),
	    SLICE("\r"), SLICE("\n.\n"), SLICE("\r\n.\r"), SLICE("\n.\r\n"),
	    SLICE("\xc3\xa4"), SLICE("\0")};
	unsigned common = 8, count = 15;
	unsigned which =
	    chance_below(chance, chance_one_in(chance, 4) ? count : common);

	/* A NUL is a rare thing. */
	if (which == count - 1 && !chance_one_in(chance, 6))
		which = 0;
	buf_append(text, pieces[which]);
}

static void
make_text(struct chance *chance, struct buf *text, unsigned pieces)
{
	for (unsigned i = 0; i < pieces; i++)
		add_piece(chance, text);
	if (chance_one_in(chance, 60))
		for (unsigned i = 0; i < 600; i++)
			buf_append_str(text, "a line of sixty octets, so that "
					     "there are many of them.....\r\n");
}

static unsigned
pieces_of(struct chance *chance)
{
	return chance_one_in(chance, 8) ? 0 : chance_below(chance, 30);
}

static bool
ends_line(struct slice text)
{
	return text.len == 0 ||
	       (text.len >= 2 && text.ptr[text.len - 2] == '\r' &&
		   text.ptr[text.len - 1] == '\n');
}

/* The text with its dots stuffed (RFC 5321 4.5.2), and its end. */
static void
send_text(struct client *client)
{
	struct buf *text = &client->text;

	buf_clear(text);
	make_text(&client->chance, text, pieces_of(&client->chance));
	if (!ends_line(buf_slice(text)))
		buf_append_str(text, "\r\n");
	struct slice all = buf_slice(text);
	for (size_t i = 0; i < all.len; i++) {
		bool begins = i == 0 || (i >= 2 && all.ptr[i - 2] == '\r' &&
					    all.ptr[i - 1] == '\n');
		if (begins && all.ptr[i] == '.')
			buf_append_str(&client->out, ".");
		buf_append(&client->out, slice_of(all.ptr + i, 1));
	}
	client->texts++;
	say(client, AWAITS_DOT, ".");
}

static void
send_chunk(struct client *client, bool last)
{
	struct buf chunk;

	buf_init(&chunk, STREAM_MAX);
	make_text(&client->chance, &chunk, pieces_of(&client->chance));
	/* One that goes on in several pieces: how many of them a server gets
	 * that refuses the first is a matter of time. */
	if (!client->world->plan->breaks)
		buf_truncate(&chunk, buf_len(&chunk) % 4096);
	buf_printf(&client->out, "BDAT %zu%s\r\n", buf_len(&chunk),
	    last ? " LAST" : "");
	buf_append(&client->out, buf_slice(&chunk));
	buf_append(&client->text, buf_slice(&chunk));
	buf_fini(&chunk);
	client->texts += last;
	await(client, last ? AWAITS_LAST_CHUNK : AWAITS_CHUNK);
}

static void
say_name(struct client *client)
{
	static const char *const lines[] = {"EHLO client.example",
	    "EHLO client.example", "HELO client.example",
	    "EHLO bad_name.example", "HELO bad_name.example",
	    "EHLO evil.example", "HELO evil.example", "EHLO late.example",
	    "EHLO [192.0.2.1]", "EHLO single", "EHLO", "helo  two words",
	    "EHLO slow.example", "EHLO refused.example"};

	const char *line = lines[chance_below(
	    &client->chance, sizeof(lines) / sizeof(lines[0]))];
	say(client, line[0] == 'E' ? AWAITS_NAME : AWAITS_HELO, line);
}

static void
say_mail(struct client *client)
{
	static const char *const verbs[] = {
	    "MAIL FROM:<", "mail from:<", "MAIL FROM: <", "MAIL FROM:<"};
	static const char *const rest[] = {
	    "", " SIZE=1000", " BODY=8BITMIME", ""};
	unsigned which = chance_below(&client->chance, 4);
	unsigned number = chance_below(&client->chance, 1000);
	char line[128];

	snprintf(client->sender, sizeof(client->sender), "%c%u@%s.example",
	    "abcd"[which], number, which == 3 ? "evil" : "client");
	snprintf(line, sizeof(line), "%s%s>%s", verbs[which], client->sender,
	    rest[which]);
	buf_clear(&client->text);
	say(client, AWAITS_MAIL, line);
}

static void
say_other(struct client *client)
{
	static const char *const lines[] = {"NOOP", "RSET", "VRFY root", "HELP",
	    "RSET", "EXPN list", "NOOP\nNOOP", "XCLIENT ADDR=1", "RCPT TO:<>>",
	    "MAIL", "DATA now", "STARTTLS", "TURN", "FOO", "NO\rOP", "BDAT",
	    "ETRN x", "QUIT NOW"};
	unsigned which =
	    chance_below(&client->chance, sizeof(lines) / sizeof(lines[0]));

	/* Octets of unknown number follow these, or so the gate must think. */
	if (strncmp(lines[which], "BDAT", 4) == 0 || which == 13)
		which = 0;
	say(client, which == 11 ? AWAITS_TLS : AWAITS_OTHER, lines[which]);
	if (strcmp(lines[which], "RSET") == 0)
		client->mail = false, client->rcpts = 0;
}

/* The next command; false: nothing may follow it in its group. */
static bool
speak_once(struct client *client)
{
	struct chance *chance = &client->chance;

	/* Nobody goes while replies are due: they could come or not. */
	if (client->left == 0 && client->awaiting > 0)
		return false;
	if (client->left-- == 0) {
		client->quit = true;
		if (chance_one_in(chance, 5))
			client->over = true;
		else
			say(client, AWAITS_QUIT, "QUIT");
		return false;
	}
	if (!client->named || chance_one_in(chance, 30)) {
		if (!client->named && chance_one_in(chance, 12))
			say_other(client);
		else
			say_name(client);
		return false;
	}
	if (chance_one_in(chance, 12)) {
		say_other(client);
		return false;
	}
	if (chance_one_in(chance, 40)) {
		say(client, AWAITS_AUTH, "AUTH PLAIN");
		return false;
	}
	if (client->starttls && !client->mail && chance_one_in(chance, 3)) {
		say(client, AWAITS_TLS, "STARTTLS");
		return false;
	}
	if (!client->mail) {
		say_mail(client);
		client->mail = true;
		return true;
	}
	if (client->rcpts == 0 || chance_one_in(chance, 3)) {
		client->rcpts++;
		say(client, AWAITS_RCPT,
		    chance_one_in(chance, 5) ? "RCPT TO:<d@evil.example>"
					     : "RCPT TO:<b@server.example>");
		return true;
	}
	if (client->chunking && chance_one_in(chance, 2)) {
		bool last = chance_one_in(chance, 2);
		send_chunk(client, last);
		return !last;
	}
	say(client, AWAITS_DATA, "DATA");
	return false;
}

/* Says everything, and waits for nothing. */
static void
babble(struct client *client)
{
	while (client->left > 0 && buf_len(&client->out) < 2048) {
		if (!speak_once(client))
			client->named = true;
		if (chance_one_in(&client->chance, 3))
			make_text(&client->chance, &client->out, 10);
		client->chunking = true;
	}
	client->over |= client->left == 0;
}

void
client_speak(struct client *client)
{
	if (client->over || client->gone)
		return;
	if (client->world->plan->manner == EAGER) {
		babble(client);
		return;
	}
	if (client->quit || client->awaiting > 0)
		return;
	if (client->must_reset) {
		client->must_reset = client->mail = false;
		client->rcpts = 0;
		/* Some do not, and say MAIL. */
		if (chance_one_in(&client->chance, 2)) {
			say(client, AWAITS_OTHER, "RSET");
			return;
		}
	}
	bool groups =
	    client->world->plan->manner == PIPELINES && client->pipelining;
	unsigned most = groups ? 1 + chance_below(&client->chance, 6) : 1;
	for (unsigned i = 0; i < most; i++)
		if (!speak_once(client))
			break;
}

/* --- hears ------------------------------------------------------------------------ */

/* Once, never in TLS, and not at all where the gate alone speaks it. */
static void
hear_offer(struct client *client, struct slice reply)
{
	enum plan_tls tls = client->world->plan->tls;
	const char *end = reply.ptr + reply.len;
	unsigned count = 0;

	for (const char *at = reply.ptr;
	     (at = memmem(at, (size_t)(end - at), "STARTTLS", 8)) != NULL; at++)
		count++;
	if (count > 1 || (count == 1 && (client->secured || tls == TLS_MUST ||
					    tls == TLS_TRY)))
		fail(client->world, "STARTTLS was offered: %.*s",
		    SLICE_FMT(reply));
	client->starttls = count == 1 && tls != TLS_NONE && tls != TLS_RULE;
}

static void
on_name(struct client *client, struct slice reply, unsigned code, bool esmtp)
{
	if (code >= 300)
		return;
	client->named = true;
	client->mail = false;
	client->rcpts = 0;
	if (!esmtp) {
		client->pipelining = client->chunking = client->starttls =
		    false;
		return;
	}
	client->pipelining =
	    memmem(reply.ptr, reply.len, "PIPELINING", 10) != NULL;
	client->chunking = memmem(reply.ptr, reply.len, "CHUNKING", 8) != NULL;
	if (memmem(reply.ptr, reply.len, "XCLIENT", 7) != NULL)
		fail(client->world, "XCLIENT was offered");
	hear_offer(client, reply);
}

/* The reply to a message. */
static void
on_message(struct client *client, struct slice reply, unsigned code)
{
	const char *id = memmem(reply.ptr, reply.len, "taken q", 7);

	client->mail = false;
	client->rcpts = 0;
	if (code >= 300)
		return;
	if (id == NULL && client->world->plan->hostile)
		return;
	if (id == NULL)
		fail(client->world, "acknowledged by nobody: %.*s",
		    SLICE_FMT(reply));
	if (client->acked_count < 64)
		client->acked[client->acked_count++] =
		    (unsigned)strtoul(id + 7, NULL, 10);
}

static void
on_reply(struct client *client, struct slice reply)
{
	unsigned code = (unsigned)strtoul(reply.ptr, NULL, 10);

	trace(client->world, "  client hears", reply);
	client->replies++;
	if (code == 421) {
		client->over = true;
		client->awaiting = 0;
		return;
	}
	if (client->awaiting == 0) {
		/* Said to who did not wait, and then it is over. */
		if (code != 554 && !client->world->plan->hostile)
			fail(client->world, "nobody asked: %.*s",
			    SLICE_FMT(reply));
		return;
	}
	enum awaited what = client->awaited[client->first];
	client->first = (client->first + 1) % AWAITED_MAX;
	client->awaiting--;
	switch (what) {
	case AWAITS_NAME:
	case AWAITS_HELO:
		on_name(client, reply, code, what == AWAITS_NAME);
		break;
	case AWAITS_DATA:
		if (code == 354)
			send_text(client);
		break;
	case AWAITS_CHUNK:
		client->must_reset |= code >= 400;
		break;
	case AWAITS_DOT:
		on_message(client, reply, code);
		break;
	case AWAITS_LAST_CHUNK:
		on_message(client, reply, code);
		client->must_reset |= code >= 400;
		break;
	case AWAITS_AUTH:
		if (code == 334)
			say(client, AWAITS_AUTH,
			    chance_one_in(&client->chance, 4)
				? "*"
				: "AGpvaG4AcGFzcw==");
		break;
	case AWAITS_TLS:
		client->begins_tls = code == 220;
		break;
	case AWAITS_QUIT:
		client->over = true;
		break;
	case AWAITS_GREETING:
		if (code != 220)
			client->left = 0;
		break;
	case AWAITS_MAIL:
		if (code >= 400)
			client->mail = false;
		break;
	case AWAITS_RCPT:
		if (code >= 400 && client->rcpts > 0)
			client->rcpts--;
		break;
	case AWAITS_OTHER:
		break;
	}
}

void
client_listen(struct client *client)
{
	for (;;) {
		struct slice in = buf_slice(&client->in);
		size_t at = 0;
		bool last = false;
		while (!last) {
			const char *end =
			    at >= in.len
				? NULL
				: memmem(in.ptr + at, in.len - at, "\r\n", 2);
			if (end == NULL)
				return;
			size_t len = (size_t)(end - in.ptr) - at;
			if (len < 3)
				fail(client->world, "no reply: %.*s",
				    SLICE_FMT(in));
			last = len == 3 || in.ptr[at + 3] == ' ';
			at += len + 2;
		}
		if (client->world->plan->manner != EAGER)
			on_reply(client, slice_head(in, at));
		buf_consume(&client->in, at);
	}
}
