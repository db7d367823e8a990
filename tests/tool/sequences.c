/*
 * Every sequence of up to five commands (THREATS A4-05): what the client hears,
 * what comes to the server, the server's state and the engine's, each compared
 * with a model that knows the RFCs and nothing of the engine.
 *
 *     sequences           all of them, by as many processes as processors
 *     sequences NAME...   one, with what is said
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/dialog_private.h"
#include "tests/fuzz/drive.h"

#include <stdarg.h>
#include <sys/wait.h>

enum {
	LENGTH = 5
};

enum symbol {
	EHLO,
	HELO,
	EHLO_BAD, /* a name that the policy refuses */
	MAIL,
	RCPT,
	RCPT_BAD, /* a recipient that the policy refuses */
	DATA_OK,
	DATA_REJ, /* the server refuses */
	BDAT_OK,
	BDAT_BAD, /* likewise */
	RSET,
	STARTTLS,
	NOOP,
	QUIT,
	SYMBOLS
};

static const struct {
	const char *name, *said;
} symbols[SYMBOLS] = {
    [EHLO] = {"EHLO", "EHLO client.example\r\n"},
    [HELO] = {"HELO", "HELO client.example\r\n"},
    [EHLO_BAD] = {"EHLO-bad", "EHLO a_b\r\n"},
    [MAIL] = {"MAIL", "MAIL FROM:<a@client.example>\r\n"},
    [RCPT] = {"RCPT", "RCPT TO:<b@server.example>\r\n"},
    [RCPT_BAD] = {"RCPT-bad", "RCPT TO:<bad@server.example>\r\n"},
    [DATA_OK] = {"DATA-ok", "DATA\r\n"},
    [DATA_REJ] = {"DATA-rej", "DATA\r\n"},
    [BDAT_OK] = {"BDAT-ok", "BDAT 6 LAST\r\ntext\r\n"},
    [BDAT_BAD] = {"BDAT-bad", "BDAT 6 LAST\r\nQUIT\r\n"},
    [RSET] = {"RSET", "RSET\r\n"},
    [STARTTLS] = {"STARTTLS", "STARTTLS\r\n"},
    [NOOP] = {"NOOP", "NOOP\r\n"},
    [QUIT] = {"QUIT", "QUIT\r\n"},
};

static const char policy_text[] =
    "policy: 1\nhelo:\n- {name: a, when: {helo.valid: false}, then: reject}\n"
    "rcpt:\n- {name: b, when: {rcpt.to: bad@server.example}, then: reject}\n"
    "default: accept\n";

/* --- a server ------------------------------------------------------------------ */

struct server {
	bool named, mail, rcpt, text, over;
	unsigned messages;
	size_t read; /* of what came to it */
};

struct play {
	const enum symbol *said;
	unsigned length, at; /* at: the command that is under way */
	struct drive drive;
	struct server server;
	size_t heard; /* of what came to the client */
	bool tells;
};

static _Noreturn void
fail(const struct play *play, const char *fmt, ...)
{
	va_list args;

	printf("sequences");
	for (unsigned i = 0; i < play->length; i++)
		printf(" %s%s", symbols[play->said[i]].name,
		    i == play->at ? " (here)" : "");
	printf(": ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	exit(1);
}

static void
say(struct play *play, const char *reply)
{
	if (play->tells)
		printf("server: %s", reply);
	drive_feed(&play->drive, DIALOG_SERVER, slice_str(reply), 0);
}

static bool
is_verb(struct slice line, const char *verb)
{
	return slice_has_prefix_nocase(line, slice_str(verb));
}

static void
reset(struct server *server)
{
	server->mail = server->rcpt = false;
}

/* The six octets of a chunk are there already: one write, one step. */
static void
take_chunk(struct play *play)
{
	struct server *server = &play->server;
	bool good = server->rcpt && play->said[play->at] == BDAT_OK;

	if (play->said[play->at] != BDAT_OK && play->said[play->at] != BDAT_BAD)
		fail(play, "a chunk that nobody sent");
	server->read += 6;
	server->messages += good;
	say(play, good           ? "250 taken\r\n"
		  : server->rcpt ? "552 no\r\n"
				 : "503 no\r\n");
	reset(server);
}

static void
obey(struct play *play, struct slice line)
{
	struct server *server = &play->server;

	if (is_verb(line, "EHLO") || is_verb(line, "HELO")) {
		reset(server);
		server->named = true;
		say(play, is_verb(line, "HELO")
			      ? "250 server\r\n"
			      : "250-server\r\n250-PIPELINING\r\n"
				"250-CHUNKING\r\n250 STARTTLS\r\n");
	} else if (is_verb(line, "MAIL")) {
		bool good = server->named && !server->mail;
		server->mail |= good;
		say(play, good ? "250 ok\r\n" : "503 no\r\n");
	} else if (is_verb(line, "RCPT")) {
		server->rcpt |= server->mail;
		say(play, server->mail ? "250 ok\r\n" : "503 no\r\n");
	} else if (is_verb(line, "DATA")) {
		bool good = server->rcpt && play->said[play->at] == DATA_OK;
		server->text = good;
		say(play, good           ? "354 go\r\n"
			  : server->rcpt ? "450 no\r\n"
					 : "503 no\r\n");
	} else if (is_verb(line, "BDAT 6 LAST")) {
		take_chunk(play);
	} else if (is_verb(line, "RSET")) {
		reset(server);
		say(play, "250 ok\r\n");
	} else if (is_verb(line, "STARTTLS")) {
		say(play, "454 no\r\n");
	} else if (is_verb(line, "NOOP")) {
		say(play, "250 ok\r\n");
	} else if (is_verb(line, "QUIT")) {
		server->over = true;
		say(play, "221 bye\r\n");
		drive_eof(&play->drive, DIALOG_SERVER);
	} else {
		fail(play, "no command: %.*s", SLICE_FMT(line));
	}
}

/* Lines that have come.  True: there was one. */
static bool
serve(struct play *play)
{
	struct server *server = &play->server;
	struct slice rest =
	    slice_from(buf_slice(&play->drive.to_server), server->read);
	ptrdiff_t end = slice_find(rest, '\n');

	if (end == -1 || server->over)
		return false;
	server->read += (size_t)end + 1;
	if (play->tells)
		printf("gate:   %.*s\n", (int)end - 1, rest.ptr);
	struct slice line = slice_head(rest, (size_t)end - 1);
	if (!server->text) {
		obey(play, line);
	} else if (slice_eq(line, SLICE("."))) {
		server->text = false;
		server->messages++;
		reset(server);
		say(play, "250 taken\r\n");
	}
	return true;
}

/* --- the model ------------------------------------------------------------------ */

/* What is so after the commands so far. */
struct model {
	bool named, esmtp, mail, rcpt, over;
	bool dead;        /* a chunk of this transaction was refused */
	bool server_mail; /* the server has one open, dead or not */
	unsigned messages;
};

static void
model_reset(struct model *model)
{
	model->mail = model->rcpt = model->dead = model->server_mail = false;
}

static unsigned
model_mail(struct model *model)
{
	if (!model->named || model->mail)
		return 503;
	/* A dead one is reset first. */
	model->dead = false;
	model->mail = model->server_mail = true;
	return 250;
}

static unsigned
model_chunk(struct model *model, bool good)
{
	if (!model->esmtp) {
		model->over = true;
		return 502;
	}
	if (!model->rcpt) {
		/* RFC 3030 2: what follows is no transaction any more. */
		model->dead |= model->mail;
		model->mail = false;
		return 503;
	}
	model_reset(model);
	model->dead = !good;
	model->messages += good;
	return good ? 250 : 552;
}

static unsigned
model_data(struct model *model, bool good)
{
	if (!model->rcpt)
		return 503;
	if (!good)
		return 450;
	model_reset(model);
	model->messages++;
	return 250; /* behind 354 */
}

/* The reply to a command; of DATA the last one. */
static unsigned
model_step(struct model *model, enum symbol symbol)
{
	switch (symbol) {
	case EHLO:
	case HELO:
		model_reset(model);
		model->named = true;
		model->esmtp = symbol == EHLO;
		return 250;
	case EHLO_BAD:
		return 501;
	case MAIL:
		return model_mail(model);
	case RCPT:
	case RCPT_BAD:
		if (!model->mail)
			return 503;
		model->rcpt |= symbol == RCPT;
		return symbol == RCPT ? 250 : 550;
	case DATA_OK:
	case DATA_REJ:
		return model_data(model, symbol == DATA_OK);
	case BDAT_OK:
	case BDAT_BAD:
		return model_chunk(model, symbol == BDAT_OK);
	case RSET:
		model_reset(model);
		return 250;
	case STARTTLS:
		if (!model->esmtp)
			return 502;
		return model->mail || model->dead ? 503 : 454;
	case NOOP:
		return 250;
	case QUIT:
		model->over = true;
		return 221;
	case SYMBOLS:
		break;
	}
	abort();
}

static enum smtp_state
model_state(const struct model *model)
{
	if (model->over)
		return SMTP_ST_CLOSING;
	if (model->dead)
		return SMTP_ST_FAILED;
	if (!model->named)
		return SMTP_ST_GREETED;
	if (!model->mail)
		return SMTP_ST_READY;
	return model->rcpt ? SMTP_ST_RCPT : SMTP_ST_MAIL;
}

/* --- both ----------------------------------------------------------------------- */

/* The code of the one reply that has come; 0: none, or more. */
static unsigned
heard(struct play *play)
{
	struct slice rest =
	    slice_from(buf_slice(&play->drive.to_client), play->heard);
	unsigned code = 0, replies = 0;

	while (rest.len > 0) {
		ptrdiff_t end = slice_find(rest, '\n');
		if (end < 4)
			return 0;
		code = smtp_reply_code(slice_head(rest, (size_t)end - 1));
		replies += rest.ptr[3] != '-';
		if (play->tells)
			printf("client hears: %.*s\n", (int)end - 1, rest.ptr);
		rest = slice_from(rest, (size_t)end + 1);
	}
	play->heard = buf_len(&play->drive.to_client);
	return replies == 1 ? code : 0;
}

static unsigned
command(struct play *play, const char *said)
{
	if (play->tells)
		printf("client: %s", said);
	drive_feed(&play->drive, DIALOG_CLIENT, slice_str(said), 0);
	while (serve(play))
		continue;
	return heard(play);
}

static void
check(const struct play *play, const struct model *model, unsigned reply,
    unsigned wanted)
{
	const struct server *server = &play->server;

	if (reply != wanted)
		fail(play, "the client hears %u, not %u", reply, wanted);
	if (play->drive.over != model->over)
		fail(play, model->over ? "it goes on" : "it is over");
	enum smtp_state state = play->drive.dialog->engine.state;
	if (state != model_state(model))
		fail(play, "the engine is in %s, not %s",
		    smtp_state_name(state),
		    smtp_state_name(model_state(model)));
	if (server->messages != model->messages)
		fail(play, "%u messages, not %u", server->messages,
		    model->messages);
	if (!model->over && (server->mail != model->server_mail ||
				server->named != model->named ||
				(!model->dead && server->rcpt != model->rcpt)))
		fail(play, "the server has another state");
}

static unsigned
in_record(const struct drive *drive)
{
	static const char reply[] = "\"reply\":\"250 taken\"";
	struct slice rest = buf_slice(&drive->record);
	unsigned count = 0;

	for (const char *at;
	     (at = memmem(rest.ptr, rest.len, reply, strlen(reply))) != NULL;) {
		count++;
		rest = slice_from(rest, (size_t)(at - rest.ptr) + 1);
	}
	return count;
}

static void
play_one(const struct policy *policy, const enum symbol *said, unsigned length,
    bool tells)
{
	static struct play play;
	struct model model = {.named = false};

	play = (struct play){.said = said, .length = length, .tells = tells};
	drive_open(&play.drive, policy, false, false);
	say(&play, "220 server ESMTP\r\n");
	if (heard(&play) != 220)
		fail(&play, "no greeting");
	for (play.at = 0; play.at < length && !model.over; play.at++) {
		enum symbol symbol = said[play.at];
		unsigned wanted = model_step(&model, symbol);
		unsigned reply = command(&play, symbols[symbol].said);
		if (symbol == DATA_OK && reply == 354)
			reply = command(&play, "Subject: s\r\n\r\nx\r\n.\r\n");
		check(&play, &model, reply, wanted);
	}
	drive_finish(&play.drive);
	drive_end(&play.drive);
	if (!drive_is_clean(buf_slice(&play.drive.to_server)))
		fail(&play, "a stray line end or NUL reached the server");
	if (in_record(&play.drive) != model.messages)
		fail(&play, "%u messages in the record, not %u",
		    in_record(&play.drive), model.messages);
	drive_close(&play.drive);
}

/* Those whose number is `lane` modulo `lanes`; how many. */
static unsigned
play_lane(const struct policy *policy, unsigned lane, unsigned lanes)
{
	unsigned played = 0, total = 1;

	for (unsigned length = 1; length <= LENGTH; length++) {
		total *= SYMBOLS;
		for (unsigned n = lane; n < total; n += lanes) {
			enum symbol said[LENGTH];
			for (unsigned i = 0, rest = n; i < length; i++) {
				said[i] = (enum symbol)(rest % SYMBOLS);
				rest /= SYMBOLS;
			}
			play_one(policy, said, length, false);
			played++;
		}
	}
	return played;
}

static int
play_all(const struct policy *policy)
{
	long lanes = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned passed = 0, failed = 0;
	int counts[2];

	if (lanes < 1 || pipe(counts) == -1)
		return 1;
	for (long lane = 0; lane < lanes; lane++) {
		fflush(stdout);
		if (fork() != 0)
			continue;
		unsigned played =
		    play_lane(policy, (unsigned)lane, (unsigned)lanes);
		bool told =
		    write(counts[1], &played, sizeof(played)) == sizeof(played);
		exit(told ? 0 : 1);
	}
	close(counts[1]);
	for (int status; wait(&status) != -1;)
		failed += status != 0;
	for (unsigned played;
	     read(counts[0], &played, sizeof(played)) == sizeof(played);)
		passed += played;
	printf("%u sequences\n%u passed, %u failed\n", passed, failed == 0,
	    failed);
	return failed > 0 || passed == 0;
}

static bool
parse(char **words, unsigned count, enum symbol *out)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned symbol = 0;
		while (symbol < SYMBOLS &&
		       strcmp(words[i], symbols[symbol].name) != 0)
			symbol++;
		if (symbol == SYMBOLS)
			return false;
		out[i] = (enum symbol)symbol;
	}
	return true;
}

int
main(int argc, char **argv)
{
	struct policy *policy = drive_policy(policy_text);
	enum symbol said[64];
	int status = 0;

	if (argc == 1) {
		status = play_all(policy);
	} else if (argc > 64 || !parse(argv + 1, (unsigned)argc - 1, said)) {
		fprintf(stderr, "usage: sequences [EHLO|HELO|...]...\n");
		status = 2;
	} else {
		play_one(policy, said, (unsigned)argc - 1, true);
	}
	policy_free(&policy);
	return status;
}
