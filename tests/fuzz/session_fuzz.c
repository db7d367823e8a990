/*
 * libFuzzer: a client that says anything, before a server that knows the RFC
 * and nothing else.  Eight bytes choose the policy, how the client's bytes
 * come and what the server refuses; the rest is the client's.
 *
 * The oracle is the server: it reads what the gate sends by a framing of its
 * own.  Every command that it meets must be one, every name that the gate
 * mended must be valid, and the messages that it took are those of the record,
 * with their senders.  THREATS A4-01.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/helo.h"
#include "tests/fuzz/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const texts[] = {"policy: 1\nhelo: []\ndefault: accept\n",
    "policy: 1\nhelo: []\ndefault: {repair: all, starttls: pass}\n",
    "policy: 1\nlimits: {recipients: 3, messages: 2}\nhelo:\n"
    "- {name: a, when: {helo: \"[192.0.2.1]\"}, then: reject}\n"
    "- {name: b, when: {helo: b.example}, then: {reject: {at: rcpt}}}\n"
    "- {name: c, when: {helo: c.example}, then: {tempfail: {at: mail}}}\n"
    "mail:\n"
    "- {name: d, when: {mail.from: d@x.example}, then: reject}\n"
    "rcpt:\n"
    "- {name: e, when: {rcpt.to: d@x.example}, "
    "then: {reject: {delay: 1s}}}\n"
    "default: accept\n",
    "policy: 1\nconnect:\n"
    "- {name: a, when: {client.dnsbl: a.example}, "
    "then: {accept: {delay: 1s}}}\nhelo:\n"
    "- {name: b, when: {helo.dns: nxdomain}, on_temperror: tempfail, "
    "then: reject}\n"
    "mail:\n"
    "- {name: c, when: {mail.from: d@x.example}, then: reject}\n"
    "- {name: d, when: {helo.spf: fail, mail.from: null}, then: reject}\n"
    "rcpt:\n"
    "- {name: e, when: {rcpt.to: d@x.example}, then: reject}\n"
    "- {name: f, when: {helo.rhsbl: x.example}, then: tempfail}\n"
    "default: accept\n",
    "policy: 1\nprotocol: {bare_newline: reject, pipelining: hold, "
    "early_talker: log}\n"
    "helo: []\ndefault: accept\n"};

enum {
	MENDS = 1, /* the policy that mends every name */
	LIMITS = 2,
	LOOKUPS = 3,
	POLICIES = sizeof(texts) / sizeof(texts[0])
};

static struct policy *policies[POLICIES];

enum at {
	AT_COMMAND,
	AT_TEXT,
	AT_CHUNK,
	AT_AUTH
};

enum {
	TAKEN_MAX = 64 /* whose senders are kept */
};

struct server {
	struct drive *drive;
	enum at at;
	size_t read; /* of drive->to_server */
	uint64_t choices;
	unsigned choice;
	unsigned legs; /* connections that were greeted */
	bool mail, rcpt, last, refused;
	bool stand_in; /* the name it took hides one to be refused */
	unsigned policy, rcpts;
	uint64_t chunk;
	unsigned taken;
	size_t sender; /* where its MAIL stands in drive->to_server */
	size_t senders[TAKEN_MAX];
	bool over;
};

/* One in four is refused, as the input has it. */
static bool
refuses(struct server *server)
{
	unsigned at = server->choice++ % 28 * 2;

	return (server->choices >> at & 3) == 3;
}

static void
say(struct server *server, const char *text)
{
	drive_feed(server->drive, DIALOG_SERVER, slice_str(text), 0);
}

static bool
is_verb(struct slice line, const char *verb)
{
	size_t len = strlen(verb);

	return slice_has_prefix_nocase(line, slice_of(verb, len)) &&
	       (line.len == len || line.ptr[len] == ' ');
}

static void
reset(struct server *server)
{
	server->mail = server->rcpt = false;
	server->rcpts = 0;
}

static void
greet(struct server *server, struct slice line)
{
	static const struct addr client = {4, {192, 0, 2, 1}};
	struct helo helo;

	reset(server);
	if (server->policy == MENDS) {
		assert(line.len > 5);
		helo_analyse(slice_from(line, 5), &client, &helo);
		assert(helo.valid);
	}
	if (refuses(server)) {
		say(server, "501 no\r\n");
		return;
	}
	server->stand_in = slice_eq(slice_from(line, 5), SLICE("[192.0.2.1]"));
	if (is_verb(line, "EHLO"))
		say(server,
		    "250-server\r\n250-PIPELINING\r\n250-CHUNKING\r\n"
		    "250-8BITMIME\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n");
	else
		say(server, "250 server\r\n");
}

static void
chunk(struct server *server, struct slice line)
{
	struct slice size = slice_from(line, 5);
	ptrdiff_t blank = slice_find(size, ' ');
	bool number =
	    slice_to_u64(blank == -1 ? size : slice_head(size, (size_t)blank),
		&server->chunk);

	assert(number);
	server->last = blank != -1;
	assert(!server->last ||
	       is_verb(slice_from(size, (size_t)blank + 1), "LAST"));
	server->refused = !server->rcpt || refuses(server);
	server->at = AT_CHUNK;
}

/* Commands that change nothing here. */
static bool
is_other(struct slice line)
{
	static const char *const verbs[] = {
	    "NOOP", "VRFY", "EXPN", "HELP", "ETRN"};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (is_verb(line, verbs[i]))
			return true;
	return false;
}

static void
begin_text(struct server *server)
{
	if (!server->rcpt || refuses(server)) {
		say(server, "503 no\r\n");
		return;
	}
	server->at = AT_TEXT;
	say(server, "354 go\r\n");
}

/* What the policy refuses does not come here. */
static void
check_permitted(const struct server *server, struct slice line)
{
	struct slice path = slice_from(line, strlen("MAIL FROM"));

	if (is_verb(line, "RCPT"))
		path = slice_from(line, strlen("RCPT TO"));
	if (server->policy != LIMITS && server->policy != LOOKUPS)
		return;
	assert(!slice_has_prefix_nocase(path, SLICE(":<d@x.example>")));
	if (server->policy != LIMITS)
		return;
	assert(!is_verb(line, "RCPT") || !server->stand_in);
	assert(!is_verb(line, "RCPT") || server->rcpts < 3);
	assert(server->taken < 2);
}

static void
envelope(struct server *server, struct slice line)
{
	bool *what = is_verb(line, "MAIL") ? &server->mail : &server->rcpt;
	bool possible = what == &server->mail ? !server->mail : server->mail;

	check_permitted(server, line);
	if (!possible || refuses(server)) {
		say(server, "550 no\r\n");
		return;
	}
	*what = true;
	server->rcpts += what == &server->rcpt;
	if (what == &server->mail)
		server->sender =
		    (size_t)(line.ptr -
			     buf_slice(&server->drive->to_server).ptr);
	say(server, "250 ok\r\n");
}

static void
obey(struct server *server, struct slice line)
{
	if (is_verb(line, "EHLO") || is_verb(line, "HELO"))
		greet(server, line);
	else if (is_verb(line, "MAIL") || is_verb(line, "RCPT"))
		envelope(server, line);
	else if (is_verb(line, "DATA"))
		begin_text(server);
	else if (is_verb(line, "BDAT"))
		chunk(server, line);
	else if (is_verb(line, "RSET")) {
		reset(server);
		say(server, "250 ok\r\n");
	} else if (is_verb(line, "AUTH")) {
		bool done = refuses(server);
		server->at = done ? AT_COMMAND : AT_AUTH;
		say(server, done ? "535 no\r\n" : "334 \r\n");
	} else if (is_verb(line, "STARTTLS"))
		say(server, "454 no\r\n");
	else if (is_verb(line, "QUIT")) {
		server->over = true;
		say(server, "221 bye\r\n");
		drive_eof(server->drive, DIALOG_SERVER);
	} else {
		/* Nothing else may come. */
		assert(is_other(line));
		say(server, "252 well\r\n");
	}
}

static void
take(struct server *server, bool refused)
{
	reset(server);
	server->at = AT_COMMAND;
	if (!refused && server->taken < TAKEN_MAX)
		server->senders[server->taken] = server->sender;
	if (!refused)
		server->taken++;
	say(server, refused ? "554 no\r\n" : "250 taken\r\n");
}

static bool
read_text(struct server *server, struct slice rest)
{
	const char *end = memmem(rest.ptr, rest.len, "\r\n.\r\n", 5);
	size_t len = end == NULL ? 0 : (size_t)(end - rest.ptr) + 5;

	if (rest.len >= 3 && memcmp(rest.ptr, ".\r\n", 3) == 0)
		len = 3;
	if (len == 0)
		return false;
	server->read += len;
	take(server, refuses(server));
	return true;
}

static bool
read_chunk(struct server *server, struct slice rest)
{
	if (rest.len < server->chunk)
		return false;
	server->read += (size_t)server->chunk;
	if (server->last && !server->refused) {
		take(server, false);
		return true;
	}
	server->at = AT_COMMAND;
	if (server->refused)
		reset(server);
	say(server, server->refused ? "554 no\r\n" : "250 ok\r\n");
	return true;
}

static bool
read_line(struct server *server, struct slice rest)
{
	ptrdiff_t end = slice_find(rest, '\n');

	if (end == -1)
		return false;
	assert(end > 0 && rest.ptr[end - 1] == '\r');
	struct slice line = slice_head(rest, (size_t)end - 1);
	server->read += (size_t)end + 1;
	if (server->at == AT_COMMAND) {
		obey(server, line);
		return true;
	}
	bool again = refuses(server);
	server->at = again ? AT_AUTH : AT_COMMAND;
	say(server, again ? "334 \r\n" : "235 welcome\r\n");
	return true;
}

/* On a new connection nothing of the old one is known. */
static bool
is_on_new_leg(struct server *server)
{
	if (server->legs == server->drive->legs)
		return false;
	server->legs = server->drive->legs;
	server->read = server->drive->leg_from;
	server->at = AT_COMMAND;
	reset(server);
	say(server, "220 server ESMTP\r\n");
	return true;
}

/* Reads all that has come. */
static void
serve(struct server *server)
{
	bool more = true;

	while (more && !server->over) {
		if (is_on_new_leg(server))
			continue;
		/* A copy: what we say makes more. */
		struct slice rest = slice_from(
		    buf_slice(&server->drive->to_server), server->read);
		if (server->at == AT_TEXT)
			more = read_text(server, rest);
		else if (server->at == AT_CHUNK)
			more = read_chunk(server, rest);
		else
			more = read_line(server, rest);
	}
}

/* Behind the next `word`; NULL: there is none. */
static const char *
behind(struct slice text, const char *from, const char *word)
{
	const char *end = text.ptr + text.len;
	const char *at = memmem(from, (size_t)(end - from), word, strlen(word));

	return at == NULL ? NULL : at + strlen(word);
}

/* The senders of the messages that the server took, as the record has them,
 * where they need no escaping there. */
static void
check_senders(const struct server *server, struct slice record)
{
	struct slice sent = buf_slice(&server->drive->to_server);
	const char *at = record.ptr, *entry = NULL;

	for (unsigned i = 0; i < server->taken && i < TAKEN_MAX; i++) {
		static const char mail[] = "MAIL FROM:<";
		struct slice line =
		    slice_from(sent, server->senders[i] + strlen(mail));
		const char *end = behind(record, at, "\"reply\":\"250 taken\"");

		if (end == NULL)
			fprintf(stderr, "%.*s%.*s\n", SLICE_FMT(record),
			    SLICE_FMT(sent));
		assert(end != NULL);
		for (entry = at;
		     (at = behind(record, entry, "\"from\":\"")) != NULL &&
		     at < end;)
			entry = at;
		at = end;
		for (size_t k = 0; line.ptr[k] != '>'; k++) {
			unsigned char byte = (unsigned char)line.ptr[k];
			if (byte < ' ' || byte > '~' || byte == '"' ||
			    byte == '\\')
				break;
			assert(byte == (unsigned char)entry[k]);
		}
	}
	assert(behind(record, at, "\"reply\":\"250 taken\"") == NULL);
}

/* The dialog waits for DNS or for the end of a delay. */
static bool
is_late(const struct server *server)
{
	enum dialog_wait wait = dialog_waits(server->drive->dialog);

	return !server->drive->over &&
	       (wait == DIALOG_WAIT_DNS || wait == DIALOG_WAIT_DELAY);
}

static void
play(struct server *server, struct slice said, size_t piece)
{
	unsigned turn = 0;

	drive_open(server->drive, policies[server->policy], false,
	    server->choices >> 55 & 1);
	serve(server);
	while (said.len > 0 && !server->drive->over) {
		size_t len = piece == 0 || piece > said.len ? said.len : piece;
		drive_feed(
		    server->drive, DIALOG_CLIENT, slice_head(said, len), 0);
		serve(server);
		said = slice_from(said, len);
		/* Answers of DNS come now and then, a time-out too. */
		drive_answer(server->drive,
		    (unsigned)(server->choices >> turn++ % 50 & 3));
		serve(server);
		if (is_late(server) && turn % 7 == 0)
			drive_time_out(server->drive);
		serve(server);
	}
	for (unsigned i = 0; i < 10000 && is_late(server); i++) {
		drive_time_out(server->drive);
		serve(server);
	}
	drive_eof(server->drive, DIALOG_CLIENT);
	serve(server);
	drive_finish(server->drive);
	drive_end(server->drive);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct drive drive;
	struct server server = {.drive = &drive};

	if (size < 8)
		return 0;
	for (unsigned i = 0; i < POLICIES; i++)
		if (policies[i] == NULL)
			policies[i] = drive_policy(texts[i]);
	server.policy = data[0] % POLICIES;
	for (unsigned i = 1; i < 8; i++)
		server.choices = server.choices << 8 | data[i];
	play(&server, slice_of((const char *)data + 8, size - 8),
	    data[0] / POLICIES);
	assert(drive_is_clean(buf_slice(&drive.to_server)));
	struct slice record = buf_slice(&drive.record);
	if (behind(record, record.ptr, "\"truncated\":false") != NULL)
		check_senders(&server, record);
	drive_close(&drive);
	return 0;
}
