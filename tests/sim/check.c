/*
 * What must hold.  Each rule is one that users would be hurt by: nothing
 * smuggled, nothing lost, nothing acknowledged that was not taken.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdlib.h>

void
fail(const struct world *world, const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	printf("seed %llu schedule %u: ", (unsigned long long)world->plan->seed,
	    world->plan->schedule);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	exit(3);
}

void
trace(const struct world *world, const char *who, struct slice bytes)
{
	if (!world->verbose || bytes.len == 0)
		return;
	printf("%-14s ", who);
	for (size_t i = 0; i < bytes.len && i < 300; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];
		if (c == '\r')
			printf("\\r");
		else if (c == '\n')
			printf("\\n");
		else if (c < 0x20 || c > 0x7e)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	printf("%s\n", bytes.len > 200 ? "..." : "");
}

/* --- what arrives ------------------------------------------------------------------ */

/* THREATS A1-03. */
void
check_clean(const struct world *world, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.ptr[i];
		if (c == '\0')
			fail(world, "a NUL reached the server");
		if (c == '\n' && (i == 0 || bytes.ptr[i - 1] != '\r'))
			fail(world, "a bare LF reached the server");
		if (i > 0 && bytes.ptr[i - 1] == '\r' && c != '\n')
			fail(world, "a bare CR reached the server");
	}
}

static bool
begins(struct slice line, const char *with)
{
	size_t len = strlen(with);

	return line.len >= len && memcmp(line.ptr, with, len) == 0;
}

/* A line that the server took for a command is one, in the form that the gate
 * gives commands. */
void
check_line(const struct server *server, struct slice line)
{
	static const char *const words[] = {"EHLO", "HELO", "MAIL FROM:<",
	    "RCPT TO:<", "DATA", "BDAT ", "RSET", "NOOP", "VRFY ", "EXPN ",
	    "HELP", "AUTH PLAIN", "STARTTLS", "QUIT", "ETRN "};
	size_t count = sizeof(words) / sizeof(words[0]);
	size_t which = 0;

	trace(server->world, "server gets", line);
	while (which < count && !begins(line, words[which]))
		which++;
	/* A reply too many, and the next one answers another command: what
	 * follows is the server's own doing. */
	if (which == count && server->lied)
		return;
	if (which == count)
		fail(server->world, "no command: %.*s", SLICE_FMT(line));
	server->world->verbs |= 1u << which;
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < 0x20 || line.ptr[i] == 0x7f)
			fail(server->world, "a control byte: %.*s",
			    SLICE_FMT(line));
	if (line.len > 0 && line.ptr[line.len - 1] == ' ')
		fail(
		    server->world, "a blank at the end: %.*s", SLICE_FMT(line));
	if (begins(line, "EHLO evil") || begins(line, "HELO evil") ||
	    begins(line, "EHLO late") || begins(line, "HELO late"))
		if (server->world->plan->policy == 1 ||
		    server->world->plan->policy == 2)
			fail(server->world, "a refused name: %.*s",
			    SLICE_FMT(line));
	if (server->world->plan->policy == 1 &&
	    memmem(line.ptr, line.len, "evil.example", 12) != NULL)
		fail(server->world, "a refused address: %.*s", SLICE_FMT(line));
	if ((which < 2 && memchr(line.ptr, '_', line.len) != NULL) &&
	    (server->world->plan->policy == 2 ||
		server->world->plan->tls == TLS_RULE))
		fail(server->world, "a name that was to be mended: %.*s",
		    SLICE_FMT(line));
}

void
check_secret(const struct server *server, struct slice line)
{
	const struct world *world = server->world;
	enum plan_tls tls = world->plan->tls;
	bool must = tls == TLS_MUST || world->mended ||
		    ((tls == TLS_MIRROR || tls == TLS_INTERCEPT) &&
			world->client.secured);

	if (tls == TLS_TERMINATE && begins(line, "STARTTLS"))
		fail(world, "STARTTLS passed through");
	if (must && !server->tls &&
	    (begins(line, "MAIL") || begins(line, "RCPT") ||
		begins(line, "DATA") || begins(line, "BDAT") ||
		begins(line, "AUTH")))
		fail(world, "in the clear: %.*s", SLICE_FMT(line));
}

/* --- messages ------------------------------------------------------------------------- */

bool
check_mend(const struct world *world, struct slice text, struct buf *out)
{
	bool strays = false;

	buf_clear(out);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool crlf =
		    c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
		if (c == '\0')
			return false;
		if (crlf) {
			buf_append_str(out, "\r\n");
			i++;
		} else if (c == '\n') {
			strays = true;
			buf_append_str(out, "\r\n");
		} else if (c == '\r') {
			strays = true;
			buf_append_str(out, " ");
		} else {
			buf_append(out, slice_of(&c, 1));
		}
	}
	return !strays || !world_rejects_strays(world->plan->policy);
}

void
check_message(struct world *world, const struct message *message)
{
	const struct client *client = &world->client;
	struct buf wanted;

	trace(world, "server TAKES", buf_slice(&message->body));
	/* A reply too many, and the client is a message further. */
	if (world->plan->manner == EAGER || world->plan->hostile)
		return;
	if (world->message_count > client->texts)
		fail(world, "the server took %u messages, the client sent %u",
		    world->message_count, client->texts);
	buf_init(&wanted, STREAM_MAX);
	if (!check_mend(world, buf_slice(&client->text), &wanted))
		fail(world, "a text was taken that is to be refused");
	if (!slice_eq(buf_slice(&wanted), buf_slice(&message->body)))
		fail(world, "another text: sent %.*s, taken %.*s",
		    SLICE_FMT(buf_slice(&wanted)),
		    SLICE_FMT(buf_slice(&message->body)));
	if (strcmp(message->sender, client->sender) != 0)
		fail(world, "another sender: %s, not %s", message->sender,
		    client->sender);
	buf_fini(&wanted);
}

/* --- nothing is under way ---------------------------------------------------------------- */

static enum smtp_state
state_of(const struct server *server)
{
	if (server->at == SERVER_TEXT)
		return SMTP_ST_BODY;
	if (server->at == SERVER_AUTH)
		return SMTP_ST_SASL;
	if (server->chunk_dead)
		return SMTP_ST_FAILED;
	if (!server->named)
		return SMTP_ST_GREETED;
	if (!server->mail)
		return SMTP_ST_READY;
	return server->rcpts > 0 ? SMTP_ST_RCPT : SMTP_ST_MAIL;
}

void
check_rest(struct world *world)
{
	const struct smtp_engine *engine = &world->dialog->engine;
	const struct server *server = &world->server;
	enum smtp_state state = engine->state;

	if (!world->leg_stands || engine->leg != SMTP_LEG_UP ||
	    server->at == SERVER_OVER || world->plan->hostile ||
	    world->plan->manner == EAGER || state == SMTP_ST_REFUSED ||
	    state == SMTP_ST_CONNECT || state == SMTP_ST_CLOSING ||
	    state == SMTP_ST_TLS)
		return;
	/* The client has to say its name again, of which the server knows
	 * nothing; or the server was told one to hear of STARTTLS. */
	if (state == SMTP_ST_GREETED &&
	    (world->client.secured || world->plan->tls >= TLS_MUST))
		return;
	if (state == SMTP_ST_CHUNK)
		state = SMTP_ST_RCPT;
	/* The gate holds a transaction for dead whose chunk it refused, also on
	 * a leg where the server knows nothing of that. */
	if (state == SMTP_ST_FAILED && server->named)
		return;
	if (state != state_of(server))
		fail(world, "the gate is in %s, the server in %s",
		    smtp_state_name(state), smtp_state_name(state_of(server)));
	if (engine->pending.count > 0)
		fail(world, "%u replies are awaited and nobody owes one",
		    engine->pending.count);
}

/* --- the end ---------------------------------------------------------------------------------- */

static unsigned
count_of(struct slice text, const char *what)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	unsigned count = 0;

	while (
	    (at = memmem(at, (size_t)(end - at), what, strlen(what))) != NULL) {
		count++;
		at += strlen(what);
	}
	return count;
}

static bool
is_acked(const struct client *client, unsigned id)
{
	for (unsigned i = 0; i < client->acked_count; i++)
		if (client->acked[i] == id)
			return true;
	return false;
}

static void
check_acked(const struct world *world)
{
	const struct client *client = &world->client;

	for (unsigned i = 0; i < client->acked_count; i++) {
		unsigned id = client->acked[i];
		if (id == 0 || id > world->message_count)
			fail(
			    world, "message %u was acknowledged by nobody", id);
		for (unsigned k = 0; k < i; k++)
			if (client->acked[k] == id)
				fail(
				    world, "message %u acknowledged twice", id);
	}
}

/* Every message that the server took is in the record, with its reply where
 * that came to the gate, and no other one. */
static void
check_record(const struct world *world)
{
	struct slice record = buf_slice(&world->record);
	unsigned without = 0, taken;
	char words[64];

	for (unsigned i = 0; i < world->message_count; i++) {
		const struct message *message = &world->messages[i];
		snprintf(words, sizeof(words),
		    "\"reply\":\"250 2.0.0 taken q%u\"", message->id);
		unsigned found = count_of(record, words);
		snprintf(
		    words, sizeof(words), "250 2.0.0 taken q%u\"", message->id);
		/* A reply of several lines ends so too. */
		found = found == 0 ? count_of(record, words) : found;
		if (found > 1)
			fail(world, "message %u is %u times in the record",
			    message->id, found);
		without += found == 0;
		if (found == 0 && message->reply_heard && !world->blind)
			fail(world, "message %u is not in the record",
			    message->id);
		if (found == 0 && is_acked(&world->client, message->id))
			fail(world,
			    "message %u was acknowledged, and is not "
			    "in the record",
			    message->id);
	}
	taken = count_of(record, "250 2.0.0 taken q");
	if (taken != world->message_count - without)
		fail(world, "%u messages in the record, %u taken", taken,
		    world->message_count);
	/* Of these the server's word never came. */
	if (without > count_of(record, "\"reply\":null") && !world->blind)
		fail(world, "%u messages are in no record", without);
}

void
check_end(struct world *world)
{
	const struct client *client = &world->client;

	if (world->plan->manner != EAGER && !world->plan->hostile)
		check_acked(world);
	if (!world->plan->hostile)
		check_record(world);
	if (world->plan->manner != EAGER && !world->plan->hostile &&
	    !world->plan->breaks && !world->blind && !client->over &&
	    client->awaiting > 0 &&
	    count_of(buf_slice(&world->record), "\"reason\":\"dropped\"") == 0)
		fail(world, "%u commands were not answered", client->awaiting);
}
