/*
 * Drives one dialog after another in this process, for tests/tool/dialog.py:
 * commands on standard input, a line each; what came of it on standard output,
 * ended by a line with a dot.  No socket, no clock, no event loop.
 *
 *   policy PATH            loads; "error TEXT" where it cannot be loaded
 *   dns NAME TYPE ANSWER   what DNS says from now on; ANSWER is records, joined
 *                          by commas, or NXDOMAIN, NODATA, SERVFAIL, TIMEOUT;
 *                          without a word behind it all answers are forgotten
 *   counts SESSIONS RATE   what clients have from now on, the rate in a minute
 *   open CLIENT SERVER F   a new dialog; F: "-", "hide" (tls: {client: hide}),
 *                          "gate" (greeting: gate), "enforce" (of limits: 50
 *                          sessions and 60/1m a client) or "tls:" and what
 *                          becomes of the legs: terminate, mirror, try, must
 *   c HEX, s HEX           bytes of the client, of the server
 *   ceof, cerr, seof       end of file, an error, end of file
 *   connected, failed WHY  the upstream connection
 *   secured C, insecure C  TLS with the client (S: the server) is there, failed
 *   timeout                the deadline in force is over: the clock is there
 *   drain                  the program is asked to end
 *   end                    frees the dialog; "record JSON"
 *
 * Answers: "C HEX" and "S HEX" (bytes for the client, for the server), "order
 * WHAT ...", "waits N"; "error TEXT": a question that nobody answers.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/pool.h"
#include "policy/diag.h"
#include "relay/dialog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BLOCK = 64 * 1024,
	LINE = 16 * 1024 * 1024
};

static struct pool *pool;
static struct policy *policy;
static struct dialog *dialog;
static struct dialog_listener listener;
static struct dialog_io io;
static bool closed;
static bool shaking[2];         /* by side */
static unsigned sessions, rate; /* of the client */
static uint64_t clock_us;

/* What DNS says. */
static struct reply {
	char name[256], type[8], text[512];
} replies[64];
static unsigned reply_count;

static void
print_bytes(const char *side, struct buf *buf)
{
	struct slice bytes = buf_slice(buf);

	if (bytes.len == 0)
		return;
	printf("%s ", side);
	for (size_t i = 0; i < bytes.len; i++)
		printf("%02x", (unsigned char)bytes.ptr[i]);
	printf("\n");
	buf_clear(buf);
}

static void
flush(void)
{
	print_bytes("C", &io.client_out);
	print_bytes("S", &io.server_out);
}

/* "a,b,c" as records of the type. */
static unsigned
read_records(enum dns_type type, char *text, struct dns_record *out)
{
	unsigned count = 0;

	for (char *word = strtok_r(text, ",", &text);
	     word != NULL && count < 16; word = strtok_r(text, ",", &text)) {
		struct dns_record *record = &out[count++];
		*record = (struct dns_record){.text = slice_str(word)};
		if (type == DNS_A || type == DNS_AAAA) {
			bool good = addr_parse(slice_str(word), &record->addr);
			assert(good);
		}
	}
	return count;
}

/* False: it is never answered. */
static bool
reply_to(const struct dns_question *question, const struct reply *reply)
{
	static char text[512];
	struct dns_record records[16];
	struct dns_answer answer = {.status = DNS_FOUND, .records = records};
	struct slice word = slice_str(reply->text);

	if (slice_eq(word, SLICE("TIMEOUT")))
		return false;
	if (slice_eq(word, SLICE("NXDOMAIN")))
		answer.status = DNS_NXDOMAIN;
	else if (slice_eq(word, SLICE("NODATA")))
		answer.status = DNS_NODATA;
	else if (slice_eq(word, SLICE("SERVFAIL")))
		answer.status = DNS_TEMPERROR;
	else {
		memcpy(text, reply->text, sizeof(text));
		answer.count = read_records(question->type, text, records);
	}
	dns_book_answer(dialog_book(dialog), question, &answer);
	return true;
}

static bool
resolve(void)
{
	struct dns_question question;
	bool answered = false;

	while (dns_book_take(dialog_book(dialog), &question)) {
		unsigned i = 0;
		while (i < reply_count &&
		       (!slice_eq(question.name, slice_str(replies[i].name)) ||
			   strcmp(replies[i].type,
			       dns_type_name(question.type)) != 0))
			i++;
		if (i == reply_count)
			printf("error nobody answers %.*s %s\n",
			    SLICE_FMT(question.name),
			    dns_type_name(question.type));
		else
			answered |= reply_to(&question, &replies[i]);
	}
	return answered;
}

static void
add_reply(const char *name, const char *type, const char *text)
{
	struct reply *reply = &replies[reply_count];

	if (*name == '\0') {
		reply_count = 0;
		return;
	}
	assert(reply_count < 64);
	reply_count++;
	snprintf(reply->name, sizeof(reply->name), "%s", name);
	snprintf(reply->type, sizeof(reply->type), "%s", type);
	snprintf(reply->text, sizeof(reply->text), "%s", text);
}

static void
step(void)
{
	static const char *const orders[] = {[DIALOG_WAIT] = "wait",
	    [DIALOG_CONNECT] = "connect",
	    [DIALOG_BLIND] = "blind",
	    [DIALOG_RESOLVE] = "resolve",
	    [DIALOG_BAN] = "ban",
	    [DIALOG_CUT] = "cut",
	    [DIALOG_TLS_CLIENT] = "tls_client",
	    [DIALOG_TLS_SERVER] = "tls_server",
	    [DIALOG_CLOSE] = "close"};
	struct dialog_act act;

	while (!closed) {
		dialog_step(dialog, clock_us, &act);
		bool moved =
		    buf_len(&io.client_out) > 0 || buf_len(&io.server_out) > 0;
		flush();
		if (act.order == DIALOG_WAIT && !moved)
			break;
		if (act.order == DIALOG_WAIT)
			continue;
		if (act.order == DIALOG_RESOLVE && resolve())
			continue;
		if (act.order == DIALOG_RESOLVE)
			break;
		if (act.order == DIALOG_BAN)
			printf("banned %u\n", act.ban_s);
		printf("order %s%s%s%s\n", orders[act.order],
		    act.tls_only ? " tls" : "",
		    act.reset_client ? " reset_client" : "",
		    act.reset_server ? " reset_server" : "");
		if (act.order == DIALOG_CUT)
			buf_clear(&io.server_in);
		closed = act.order == DIALOG_CLOSE || act.order == DIALOG_BLIND;
		shaking[DIALOG_CLIENT] |= act.order == DIALOG_TLS_CLIENT;
		shaking[DIALOG_SERVER] |= act.order == DIALOG_TLS_SERVER;
		/* What a worker makes ready for it goes by this. */
		assert(act.order != DIALOG_TLS_SERVER ||
		       listener.end_wish != DIALOG_WISH_NONE ||
		       listener.starttls == POLICY_STARTTLS_UPLIFT ||
		       policy_orders_starttls(policy, POLICY_STARTTLS_UPLIFT));
		if (act.order == DIALOG_CONNECT ||
		    act.order == DIALOG_TLS_CLIENT ||
		    act.order == DIALOG_TLS_SERVER)
			break;
	}
	if (dialog != NULL)
		printf("waits %d\n", (int)dialog_waits(dialog));
}

static void
shake_hands(bool works, bool server)
{
	enum dialog_side side = server ? DIALOG_SERVER : DIALOG_CLIENT;

	shaking[side] = false;
	if (closed)
		return;
	if (works)
		dialog_secured(dialog, side,
		    &(struct record_tls){
			.version = server ? "TLSv1.2" : "TLSv1.3",
			.cipher = SLICE("TLS_AES_256_GCM_SHA384"),
			.name = server ? SLICE("") : SLICE("asked.test")});
	else
		dialog_tls_failed(dialog, side, SLICE("as told"));
	step();
}

/* Hands bytes over in pieces that the buffer has room for. */
static void
feed(struct buf *in, const char *hex)
{
	size_t len = strlen(hex) / 2;
	size_t at = 0;
	bool server = in == &io.server_in;

	if (closed)
		return;
	/* Clear text in place of a handshake. */
	if (shaking[server]) {
		shake_hands(false, server);
		return;
	}
	do {
		size_t room = buf_room(in);
		size_t piece = len - at < room ? len - at : room;
		for (size_t i = 0; i < piece; i++, at++) {
			char byte = (char)(ascii_hex(hex[2 * at]) * 16 +
					   ascii_hex(hex[2 * at + 1]));
			buf_append(in, slice_of(&byte, 1));
		}
		step();
		/* No room although everything was taken out: it is held. */
		if (piece == 0)
			break;
	} while (at < len && !closed);
}

static void
load(const char *path)
{
	struct diag *diag = diag_new();

	policy_free(&policy);
	policy = policy_load(path, diag);
	if (policy == NULL)
		printf("error %s\n", diag_at(diag, 0)->text);
	diag_free(&diag);
}

/* Of "tls:terminate,mirror" and its like. */
static bool
has(const char *flag, const char *word)
{
	return strncmp(flag, "tls:", 4) == 0 && strstr(flag, word) != NULL;
}

static enum policy_starttls
starttls_of(const char *flag)
{
	if (slice_eq(slice_str(flag), SLICE("hide")))
		return POLICY_STARTTLS_HIDE;
	if (has(flag, "terminate"))
		return POLICY_STARTTLS_TERMINATE;
	if (has(flag, "intercept"))
		return POLICY_STARTTLS_INTERCEPT;
	if (has(flag, "refuse"))
		return POLICY_STARTTLS_REFUSE;
	if (has(flag, "must") || has(flag, "try"))
		return POLICY_STARTTLS_UPLIFT;
	return POLICY_STARTTLS_PASS;
}

static void
open_dialog(const char *client, const char *server, const char *flag)
{
	struct dialog_start start = {
	    .ref = "TESTTESTTESTTEST", .counts = {sessions, {{rate, 60000}}}};

	endpoint_parse(slice_str(client), &start.client);
	endpoint_parse(slice_str(server), &start.server);
	buf_init_pool(&io.client_in, pool);
	buf_init_pool(&io.client_out, pool);
	buf_init_pool(&io.server_in, pool);
	buf_init_pool(&io.server_out, pool);
	listener = (struct dialog_listener){.name = SLICE("test"),
	    .mode = "explicit",
	    .policy = policy,
	    .greet_first = slice_eq(slice_str(flag), SLICE("gate")),
	    .starttls = starttls_of(flag),
	    .uplift_wish =
		has(flag, "try") ? DIALOG_WISH_TRY : DIALOG_WISH_MUST,
	    .end_wish = has(flag, "mirror") ? DIALOG_WISH_MIRROR
			: has(flag, "try")  ? DIALOG_WISH_TRY
			: has(flag, "must") ? DIALOG_WISH_MUST
					    : DIALOG_WISH_NONE,
	    .implicit = has(flag, "implicit"),
	    .dns_timeout_ms = 3000,
	    .timeouts = {.data_block = 180000},
	    .client_limits = {50, {60, 60000},
		slice_eq(slice_str(flag), SLICE("enforce"))},
	    .node = SLICE("node")};
	dialog = dialog_new(&listener, &start, &io);
	assert(dialog != NULL);
	closed = shaking[0] = shaking[1] = false;
	clock_us = 0;
	step();
}

static void
end_dialog(void)
{
	struct dialog_octets octets = {0, 0, 0, 0};
	struct buf line;

	buf_init(&line, LINE);
	if (dialog_is_quiet(dialog)) {
		printf("quiet -\n");
	} else if (dialog_write_record(dialog, &octets, clock_us, 1, &line)) {
		struct slice text = buf_slice(&line);
		printf("record %.*s", SLICE_FMT(text));
	}
	buf_fini(&line);
	dialog_free(&dialog);
	buf_fini(&io.client_in);
	buf_fini(&io.client_out);
	buf_fini(&io.server_in);
	buf_fini(&io.server_out);
}

static void
fail(const char *why)
{
	static const struct {
		const char *word;
		enum dialog_failure failure;
	} words[] = {{"refused", DIALOG_REFUSED},
	    {"unreachable", DIALOG_UNREACHABLE}, {"timeout", DIALOG_TIMED_OUT},
	    {"noport", DIALOG_NO_PORT}, {"loop", DIALOG_LOOP},
	    {"nolog", DIALOG_NO_LOG}, {"full", DIALOG_NO_RESOURCES}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_eq(slice_str(why), slice_str(words[i].word)))
			dialog_failed(dialog, words[i].failure, SLICE(""));
	step();
}

static bool
is(const char *word, const char *command)
{
	return slice_eq(slice_str(word), slice_str(command));
}

static void
event(const char *word)
{
	if (closed)
		return;
	if (is(word, "ceof"))
		dialog_eof(dialog, DIALOG_CLIENT, SLICE(""));
	else if (is(word, "cerr"))
		dialog_eof(dialog, DIALOG_CLIENT, SLICE("reset"));
	else if (is(word, "seof"))
		dialog_eof(dialog, DIALOG_SERVER, SLICE(""));
	else if (is(word, "connected"))
		dialog_connected(
		    dialog, &(struct endpoint){.port = 1}, clock_us);
	else if (is(word, "timeout")) {
		if (dialog_waits(dialog) == DIALOG_WAIT_DNS ||
		    dialog_waits(dialog) == DIALOG_WAIT_DELAY)
			clock_us = dialog_wake_us(dialog);
		dialog_timed_out(dialog);
	} else if (is(word, "drain"))
		dialog_drain(dialog);
	else
		abort();
	step();
}

static void
run(char *words[4])
{
	if (is(words[0], "policy"))
		load(words[1]);
	else if (is(words[0], "dns"))
		add_reply(words[1], words[2], words[3]);
	else if (is(words[0], "counts")) {
		sessions = (unsigned)atoi(words[1]);
		rate = (unsigned)atoi(words[2]);
	} else if (is(words[0], "open"))
		open_dialog(words[1], words[2], words[3]);
	else if (is(words[0], "c"))
		feed(&io.client_in, words[1]);
	else if (is(words[0], "s"))
		feed(&io.server_in, words[1]);
	else if (is(words[0], "failed"))
		fail(words[1]);
	else if (is(words[0], "secured") || is(words[0], "insecure"))
		shake_hands(is(words[0], "secured"), is(words[1], "S"));
	else if (is(words[0], "end"))
		end_dialog();
	else
		event(words[0]);
}

int
main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	pool = pool_new(BLOCK, 8);
	while ((len = getline(&line, &size, stdin)) > 0) {
		static char empty[] = "";
		char *words[4] = {line, empty, empty, empty};
		line[len - 1] = '\0';
		for (int i = 1; i < 4; i++) {
			char *blank = strchr(words[i - 1], ' ');
			if (blank == NULL)
				break;
			*blank = '\0';
			words[i] = blank + 1;
		}
		run(words);
		printf(".\n");
		fflush(stdout);
	}
	free(line);
	policy_free(&policy);
	pool_free(&pool);
	return 0;
}
