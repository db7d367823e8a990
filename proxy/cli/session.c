/*
 * `ehlogate session`: a conversation on standard input and output, as if from
 * some client, with a server behind the gate that takes everything.  The gate
 * is the real one (relay/dialog.h).
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "base/pool.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "cli/polite.h"
#include "cli/session_decide.h"
#include "relay/dialog.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	BLOCK = 64 * 1024,
	INPUT = 4096
};

static const char help[] =
    "usage: ehlogate session -p POLICY --client IP [--server ADDRESS:PORT]\n"
    "                        [--listener NAME] [--given FACT=VALUE]... "
    "[--raw]\n"
    "                        [--verbose] [--record]\n"
    "\n"
    "A fake conversation: what you type is what the client says, what is "
    "printed is\n"
    "what it reads.  The gate is the real one; the server behind it accepts\n"
    "everything.  Line ends are made CRLF on the way in and LF on the way "
    "out.\n"
    "\n"
    "  --given    what DNS would answer (as in explain); nothing is asked, "
    "and what\n"
    "             is not given is a temporary error and said in a line with "
    "#\n"
    "  --raw      line ends as they are, both ways\n"
    "  --verbose  also what goes to the server (> ) and which rule spoke "
    "(# )\n"
    "  --record   the session's record, at the end\n"
    "\n"
    "Exit status: 0; 1 when the policy cannot be read; 2 bad usage.\n";

struct fake {
	const char *policy_path;
	struct policy *policy;
	bool has_client, raw, verbose, record;
	struct dialog_start start;
	struct dialog_listener listener;
	struct dialog_io io;
	struct dialog *dialog;
	struct decider decider;
	struct polite polite;
	uint64_t now_us;
	bool over, spliced, was_cr;
};

/* --- output ---------------------------------------------------------------------- */

static void
print_client(struct fake *fake)
{
	struct slice bytes = buf_slice(&fake->io.client_out);

	for (size_t i = 0; i < bytes.len; i++)
		if (fake->raw || bytes.ptr[i] != '\r')
			putchar(bytes.ptr[i]);
	buf_clear(&fake->io.client_out);
}

static void
saw(void *arg, struct slice line)
{
	const struct fake *fake = arg;
	char text[4200];

	if (fake->verbose)
		printf("> %s\n", log_quote(line, text, sizeof(text)));
}

static void
remark(const struct fake *fake, const char *text)
{
	if (fake->verbose)
		printf("# %s\n", text);
}

/* --- the gate -------------------------------------------------------------------- */

static bool
serve(struct fake *fake)
{
	bool moved = false;

	while (polite_step(
	    &fake->polite, &fake->io.server_out, &fake->io.server_in))
		moved = true;
	return moved;
}

static void
carry_out(struct fake *fake, const struct dialog_act *act)
{
	switch (act->order) {
	case DIALOG_CONNECT:
		dialog_connected(fake->dialog, &fake->start.client, 0);
		polite_connected(&fake->polite, &fake->io.server_in);
		break;
	case DIALOG_CUT:
		buf_clear(&fake->io.server_in);
		remark(fake, "the gate cuts the server's connection");
		break;
	case DIALOG_BLIND:
		fake->spliced = !act->tls_only;
		fake->over = act->tls_only;
		printf(act->tls_only
			   ? "# TLS would begin here, unread by the gate\n"
			   : "# from here on the gate relays unread\n");
		break;
	case DIALOG_CLOSE:
		fake->over = true;
		remark(fake, act->reset_client
				 ? "the gate resets the connection"
				 : "the gate closes the connection");
		break;
	case DIALOG_BAN:
		printf("# the client is kept away for %u s from here on\n",
		    act->ban_s);
		break;
	case DIALOG_TLS_SERVER:
		remark(fake, "the gate encrypts the server's leg");
		dialog_secured(fake->dialog, DIALOG_SERVER,
		    &(struct record_tls){.version = "TLSv1.3",
			.cipher = SLICE("TLS_AES_256_GCM_SHA384")});
		break;
	case DIALOG_TLS_CLIENT:
		printf("# here TLS begins, and ends at the gate\n");
		dialog_secured(fake->dialog, DIALOG_CLIENT,
		    &(struct record_tls){.version = "TLSv1.3",
			.cipher = SLICE("TLS_AES_256_GCM_SHA384")});
		break;
	case DIALOG_RESOLVE: /* every fact is given, or taken for temperror */
	case DIALOG_WAIT:
		break;
	}
}

/* A delay is over as soon as it begins.  False: there is none. */
static bool
skip_delay(struct fake *fake)
{
	uint64_t wake_us;

	if (dialog_waits(fake->dialog) != DIALOG_WAIT_DELAY)
		return false;
	wake_us = dialog_wake_us(fake->dialog);
	printf("# the gate answers after %llu s\n",
	    (unsigned long long)(wake_us - fake->now_us) / 1000000);
	fake->now_us = wake_us;
	return true;
}

/* Bytes straight from one end to the other. */
static void
relay_unread(struct fake *fake)
{
	struct dialog_io *io = &fake->io;

	buf_append(&io->server_out, buf_slice(&io->client_in));
	buf_clear(&io->client_in);
	serve(fake);
	buf_append(&io->client_out, buf_slice(&io->server_in));
	buf_clear(&io->server_in);
	print_client(fake);
}

/* Until there is nothing to do but to wait for the client. */
static void
step(struct fake *fake)
{
	struct dialog_act act;

	while (!fake->over && !fake->spliced) {
		dialog_step(fake->dialog, fake->now_us, &act);
		bool moved = buf_len(&fake->io.client_out) > 0;
		moved |= serve(fake);
		print_client(fake);
		if (act.order == DIALOG_WAIT && !moved && !skip_delay(fake))
			break;
		carry_out(fake, &act);
	}
	if (fake->spliced)
		relay_unread(fake);
	fflush(stdout);
}

/* --- the client ------------------------------------------------------------------ */

/* A byte of the client; a terminal's line end becomes the protocol's. */
static void
feed_byte(struct fake *fake, char byte)
{
	bool mend = byte == '\n' && !fake->raw && !fake->was_cr;
	struct slice bytes = mend ? SLICE("\r\n") : slice_of(&byte, 1);

	fake->was_cr = byte == '\r';
	if (buf_room(&fake->io.client_in) < bytes.len)
		step(fake);
	if (!fake->over && !buf_append(&fake->io.client_in, bytes)) {
		fake->over = true;
		remark(fake, "the gate takes no more");
	}
	/* Whoever types waits for the reply to each line. */
	if (byte == '\n')
		step(fake);
}

static void
converse(struct fake *fake)
{
	char input[INPUT];
	ssize_t len;

	step(fake);
	while (!fake->over) {
		len = read(STDIN_FILENO, input, sizeof(input));
		if (len == -1 && errno == EINTR)
			continue;
		if (len <= 0)
			break;
		for (ssize_t i = 0; i < len && !fake->over; i++)
			feed_byte(fake, input[i]);
		step(fake);
	}
	if (fake->over || fake->spliced)
		return;
	dialog_eof(fake->dialog, DIALOG_CLIENT, SLICE(""));
	step(fake);
}

static void
print_record(struct fake *fake)
{
	struct buf line;

	buf_init(&line, RECORD_MAX);
	if (fake->record && dialog_write_record(fake->dialog,
				&(struct dialog_octets){0}, 0, 1, &line))
		cli_write(stdout, &line);
	else
		buf_fini(&line);
}

static void
begin(struct fake *fake, struct pool *pool)
{
	struct dialog_io *io = &fake->io;

	buf_init_pool(&io->client_in, pool);
	buf_init_pool(&io->client_out, pool);
	buf_init_pool(&io->server_in, pool);
	buf_init_pool(&io->server_out, pool);
	fake->listener.mode = "explicit";
	fake->listener.node = SLICE("session");
	fake->listener.policy = fake->policy;
	fake->listener.uplift_wish = DIALOG_WISH_MUST;
	fake->listener.end_wish = DIALOG_WISH_MIRROR;
	fake->listener.decide = decider_decide;
	fake->listener.decide_arg = &fake->decider;
	fake->decider.verbose = fake->verbose;
	fake->decider.wall_s = (uint64_t)time(NULL);
	fake->polite.saw = saw;
	fake->polite.arg = fake;
	fake->start.wall_us = fake->decider.wall_s * 1000000;
	fake->dialog = dialog_new(&fake->listener, &fake->start, io);
	if (fake->dialog == NULL)
		log_fatal("no memory");
}

static int
run(struct fake *fake)
{
	struct pool *pool = pool_new(BLOCK, 8);

	fake->policy = cli_load_policy(fake->policy_path);
	if (fake->policy == NULL || pool == NULL) {
		pool_free(&pool);
		return CLI_ERROR;
	}
	begin(fake, pool);
	converse(fake);
	print_record(fake);
	dialog_free(&fake->dialog);
	buf_fini(&fake->io.client_in);
	buf_fini(&fake->io.client_out);
	buf_fini(&fake->io.server_in);
	buf_fini(&fake->io.server_out);
	policy_free(&fake->policy);
	pool_free(&pool);
	return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

/* --- the command line ------------------------------------------------------------ */

/* NULL, or what is wrong with it. */
static const char *
take(struct fake *fake, int option, const char *value)
{
	switch (option) {
	case 'p':
		fake->policy_path = value;
		return NULL;
	case 'c':
		fake->has_client =
		    addr_parse(slice_str(value), &fake->start.client.addr);
		return fake->has_client ? NULL : "--client is an address";
	case 's':
		return endpoint_parse(slice_str(value), &fake->start.server)
			   ? NULL
			   : "--server is ADDRESS:PORT";
	case 'l':
		fake->listener.name = slice_str(value);
		return NULL;
	case 'g':
		return decider_give(&fake->decider, value);
	case 'w':
		fake->raw = true;
		return NULL;
	case 'v':
		fake->verbose = true;
		return NULL;
	case 'r':
		fake->record = true;
		return NULL;
	default:
		return "";
	}
}

int
cli_session(int argc, char **argv)
{
	static const struct option options[] = {
	    {"policy", required_argument, NULL, 'p'},
	    {"client", required_argument, NULL, 'c'},
	    {"server", required_argument, NULL, 's'},
	    {"listener", required_argument, NULL, 'l'},
	    {"given", required_argument, NULL, 'g'},
	    {"raw", no_argument, NULL, 'w'},
	    {"verbose", no_argument, NULL, 'v'},
	    {"record", no_argument, NULL, 'r'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static struct fake fake = {.start = {.ref = "0000000000000000"}};
	const char *wrong = NULL;
	int option, status;

	fake.start.client.port = 40001;
	endpoint_parse(SLICE("192.0.2.25:25"), &fake.start.server);
	while (wrong == NULL &&
	       (option = getopt_long(argc, argv, "p:h", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		wrong = take(&fake, option, optarg);
	}
	if (wrong == NULL &&
	    (fake.policy_path == NULL || !fake.has_client || optind < argc))
		wrong = "it needs -p POLICY and --client IP";
	if (wrong == NULL)
		status = run(&fake);
	else
		status =
		    *wrong == '\0' ? CLI_USAGE : cli_usage("session", wrong);
	decider_fini(&fake.decider);
	return status;
}
