/*
 * The scheduler.  Bytes lie in four places on their way (said by a peer, read
 * by the gate, written by the gate, heard by a peer); each step moves some of
 * them, of a number that chance has chosen, or lets something happen.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/sim/sim.h"

#include "policy/diag.h"

#include <stdlib.h>
#include <unistd.h>

/* --- chance -------------------------------------------------------------------- */

struct chance
chance_of(uint64_t seed, unsigned purpose, unsigned number)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) +
		     purpose * UINT64_C(0xbf58476d1ce4e5b9) + number;

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (struct chance){(x ^ x >> 31) | 1};
}

uint32_t
chance_next(struct chance *chance)
{
	uint64_t x = chance->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	chance->state = x;
	return (uint32_t)(x * UINT64_C(2685821657736338717) >> 32);
}

unsigned
chance_below(struct chance *chance, unsigned n)
{
	return chance_next(chance) % n;
}

bool
chance_one_in(struct chance *chance, unsigned n)
{
	return chance_below(chance, n) == 0;
}

/* --- policies -------------------------------------------------------------------- */

static const char *const texts[] = {"policy: 1\nhelo: []\ndefault: accept\n",
    /* 1: refuses */
    "policy: 1\nlimits: {errors: 6, recipients: 100, messages: 3, "
    "size: 64K}\nhelo:\n"
    "- {name: a, when: {helo: evil.example}, then: reject}\n"
    "- {name: b, when: {helo: late.example}, then: {reject: {at: rcpt}}}\n"
    "- {name: c, when: {helo: slow.example}, then: {tempfail: {delay: 3s}}}\n"
    "mail:\n"
    "- {name: d, when: {mail.from: {under: evil.example}}, then: reject}\n"
    "rcpt:\n"
    "- {name: e, when: {rcpt.to: {under: evil.example}}, then: reject}\n"
    "default: accept\n",
    /* 2: mends, and puts refusals off */
    "policy: 1\nhelo:\n"
    "- {name: a, when: {helo: evil.example}, then: {reject: {at: mail}}}\n"
    "- {name: b, when: {helo: late.example}, then: {tempfail: {at: rcpt}}}\n"
    "- {name: c, when: {helo.valid: false}, "
    "then: {repair: all, starttls: hide, accept_downgrade: true}}\n"
    "default: accept\n"
    "on_server_refusal: {repair: [lowercase, client_literal], "
    "starttls: pass}\n",
    /* 3: strict */
    "policy: 1\nprotocol: {bare_newline: reject, pipelining: reject}\n"
    "helo: []\ndefault: accept\n",
    /* 4: lenient */
    "policy: 1\nmode: monitor\n"
    "protocol: {bare_newline: reject, early_talker: reject}\n"
    "commands: {deny: [VRFY]}\nhelo:\n"
    "- {name: a, when: {helo: evil.example}, then: drop}\n"
    "default: accept\n",
    /* 5: drops, masks, counts */
    "policy: 1\nprotocol: {pipelining: hold, early_talker: log, "
    "banner: \"gw.example\"}\nlimits: {junk: 5, commands: 40}\n"
    "capabilities: {hide: [CHUNKING]}\nhelo:\n"
    "- {name: a, when: {helo: evil.example}, then: {drop: {reset: true}}}\n"
    "- {name: b, when: {helo: late.example}, then: splice}\n"
    "default: accept\n",
    /* 6: of TLS_RULE: encrypts where it mends */
    "policy: 1\nhelo:\n"
    "- {name: a, when: {helo.valid: false}, "
    "then: {repair: all, starttls: uplift}}\n"
    "default: accept\n"
    "on_server_refusal: {repair: [lowercase, client_literal], "
    "starttls: uplift}\n"};

enum {
	POLICIES = sizeof(texts) / sizeof(texts[0])
};

unsigned
world_policies(void)
{
	return POLICIES - 1;
}

bool
world_rejects_strays(unsigned policy)
{
	return policy == 3;
}

struct policy *
world_policy(unsigned number)
{
	static struct policy *policies[POLICIES];
	char path[] = "/tmp/ehlogate-sim-XXXXXX";

	if (policies[number] != NULL)
		return policies[number];
	struct diag *diag = diag_new();
	int fd = mkstemp(path);
	if (fd == -1 || write(fd, texts[number], strlen(texts[number])) == -1)
		abort();
	policies[number] = policy_load(path, diag);
	if (policies[number] == NULL) {
		printf("%s\n", diag_at(diag, 0)->text);
		abort();
	}
	diag_free(&diag);
	close(fd);
	unlink(path);
	return policies[number];
}

/* --- the gate ---------------------------------------------------------------------- */

static void
drop_leg(struct world *world)
{
	if (world->leg_stands)
		server_end(&world->server);
	world->leg_stands = world->leg_asked = false;
	world->shakes[DIALOG_SERVER] = false;
	buf_clear(&world->io.server_in);
	buf_clear(&world->io.server_out);
}

static void
obey(struct world *world, const struct dialog_act *act)
{
	world->orders |= UINT64_C(1) << act->order;
	switch (act->order) {
	case DIALOG_CONNECT:
		if (world->leg_stands || world->leg_asked)
			fail(world, "a leg is asked for while there is one");
		world->leg_asked = true;
		break;
	case DIALOG_CUT:
		drop_leg(world);
		break;
	case DIALOG_BLIND:
		world->blind = world->over = true;
		break;
	case DIALOG_CLOSE:
		world->over = true;
		world->reset_client = act->reset_client;
		world->reset_server = act->reset_server;
		break;
	case DIALOG_TLS_CLIENT:
	case DIALOG_TLS_SERVER:
		world->shakes[act->order == DIALOG_TLS_SERVER] = true;
		break;
	case DIALOG_WAIT:
	case DIALOG_RESOLVE:
	case DIALOG_BAN:
		break;
	}
}

static void
turn(struct world *world)
{
	struct dialog_act act;

	do {
		dialog_step(world->dialog, world->now_us, &act);
		obey(world, &act);
		world->states |= 1u << world->dialog->engine.state;
	} while (!world->over && act.order != DIALOG_WAIT &&
		 act.order != DIALOG_RESOLVE);
}

/* --- bytes -------------------------------------------------------------------------- */

static size_t
some_of(struct world *world, size_t len, size_t room)
{
	size_t most = len < room ? len : room;

	if (most <= 1 || chance_one_in(&world->chance, 3))
		return most;
	return 1 + chance_below(&world->chance,
		       most < 64 || chance_one_in(&world->chance, 2)
			   ? (unsigned)most
			   : 64);
}

static bool
move_some(struct world *world, struct buf *from, struct buf *to)
{
	size_t len = some_of(world, buf_len(from), buf_room(to));

	if (len == 0)
		return false;
	buf_append(to, slice_head(buf_slice(from), len));
	buf_consume(from, len);
	return true;
}

static bool
client_to_gate(struct world *world)
{
	size_t before = buf_len(&world->client.out);

	if (world->shakes[DIALOG_CLIENT])
		return false;
	client_speak(&world->client);
	trace(world, "  client says",
	    slice_from(buf_slice(&world->client.out), before));
	if (!move_some(world, &world->client.out, &world->io.client_in))
		return false;
	turn(world);
	return true;
}

static void
note_heard(struct world *world)
{
	/* All that this leg's server had said is with the gate. */
	if (buf_len(&world->server.out) > 0)
		return;
	for (unsigned i = 0; i < world->message_count; i++)
		if (world->messages[i].leg == world->server.leg)
			world->messages[i].reply_heard =
			    world->messages[i].reply_out;
}

static bool
server_to_gate(struct world *world)
{
	size_t before = buf_len(&world->io.server_in);

	if (!world->leg_stands || world->shakes[DIALOG_SERVER] ||
	    !move_some(world, &world->server.out, &world->io.server_in))
		return false;
	trace(world, "gate hears",
	    slice_from(buf_slice(&world->io.server_in), before));
	note_heard(world);
	turn(world);
	return true;
}

static bool
gate_to_client(struct world *world)
{
	struct slice before = buf_slice(&world->io.client_out);
	size_t len = before.len;

	if (!move_some(world, &world->io.client_out, &world->client.in))
		return false;
	len -= buf_len(&world->io.client_out);
	buf_append(&world->heard, slice_from(buf_slice(&world->client.in),
				      buf_len(&world->client.in) - len));
	client_listen(&world->client);
	if (!world->over)
		turn(world);
	return true;
}

static bool
gate_to_server(struct world *world)
{
	size_t len = buf_len(&world->io.server_out);

	if (!world->leg_stands ||
	    !move_some(world, &world->io.server_out, &world->server.in))
		return false;
	len -= buf_len(&world->io.server_out);
	struct slice bytes = slice_from(
	    buf_slice(&world->server.in), buf_len(&world->server.in) - len);
	buf_append(&world->arrived, bytes);
	server_serve(&world->server);
	if (!world->over)
		turn(world);
	return true;
}

/* --- what happens ------------------------------------------------------------------ */

/* What arrived on the leg that was the last one so far. */
static void
check_leg(struct world *world)
{
	check_clean(
	    world, slice_from(buf_slice(&world->arrived), world->leg_from));
	world->leg_from = buf_len(&world->arrived);
}

static bool
answer_leg(struct world *world)
{
	static const struct endpoint local = {.port = 1};

	if (!world->leg_asked)
		return false;
	world->leg_asked = false;
	if (world->plan->breaks && chance_one_in(&world->chance, 10)) {
		dialog_failed(world->dialog,
		    (enum dialog_failure)chance_below(&world->chance, 5),
		    SLICE("so it is"));
	} else if (world->legs == LEGS_MAX) {
		fail(world, "more legs than messages");
	} else {
		check_leg(world);
		server_begin(&world->server, world, world->legs++);
		world->leg_stands = true;
		dialog_connected(world->dialog, &local, world->now_us);
	}
	turn(world);
	return true;
}

/* Clear text on its way would be a part of the handshake, and is none. */
static void
end_shake(struct world *world, enum dialog_side side, bool clear)
{
	bool fails =
	    clear || (world->plan->breaks && chance_one_in(&world->chance, 10));

	world->shakes[side] = false;
	if (fails)
		dialog_tls_failed(world->dialog, side, SLICE("so it is"));
	else
		dialog_secured(world->dialog, side,
		    &(struct record_tls){.version = "TLSv1.3",
			.cipher = SLICE("TLS_AES_256_GCM_SHA384")});
	turn(world);
}

static bool
shake_client(struct world *world)
{
	struct client *client = &world->client;
	bool eager = world->plan->manner == EAGER;

	if (!world->shakes[DIALOG_CLIENT] ||
	    buf_len(&world->io.client_out) > 0 ||
	    (!client->begins_tls && !eager))
		return false;
	bool clear = buf_len(&client->out) > 0;
	if (!clear) {
		client->secured = true;
		client->named = client->mail = client->begins_tls = false;
		client->pipelining = client->chunking = false;
		client->starttls = false;
		client->rcpts = 0;
	}
	end_shake(world, DIALOG_CLIENT, clear);
	return true;
}

static bool
shake_server(struct world *world)
{
	if (!world->shakes[DIALOG_SERVER] || buf_len(&world->io.server_out) > 0)
		return false;
	end_shake(world, DIALOG_SERVER,
	    !world->server.tls || buf_len(&world->server.out) > 0);
	return true;
}

static bool
close_client(struct world *world)
{
	struct client *client = &world->client;

	if (!client->over || client->gone || buf_len(&client->out) > 0)
		return false;
	client->gone = true;
	dialog_eof(world->dialog, DIALOG_CLIENT, SLICE(""));
	turn(world);
	return true;
}

static bool
close_server(struct world *world)
{
	struct server *server = &world->server;

	if (!world->leg_stands || !server->closed || buf_len(&server->out) > 0)
		return false;
	server->closed = false;
	dialog_eof(world->dialog, DIALOG_SERVER, SLICE(""));
	turn(world);
	return true;
}

/* Something breaks. */
static bool
break_one(struct world *world)
{
	struct chance *chance = &world->chance;

	if (!world->plan->breaks || !chance_one_in(chance, 120))
		return false;
	switch (chance_below(chance, 5)) {
	case 0:
		if (world->client.gone)
			return false;
		world->client.gone = world->client.over = true;
		dialog_eof(world->dialog, DIALOG_CLIENT, SLICE("reset"));
		break;
	case 1:
		if (world->client.gone || buf_len(&world->client.out) > 0)
			return false;
		world->client.gone = world->client.over = true;
		dialog_eof(world->dialog, DIALOG_CLIENT, SLICE(""));
		break;
	case 2:
		if (!world->leg_stands || world->server.at == SERVER_OVER)
			return false;
		world->server.at = SERVER_OVER;
		buf_clear(&world->server.out);
		dialog_eof(world->dialog, DIALOG_SERVER, SLICE("reset"));
		break;
	case 3:
		dialog_drain(world->dialog);
		break;
	default:
		dialog_timed_out(world->dialog);
		break;
	}
	turn(world);
	return true;
}

static bool
is_at_rest(const struct world *world)
{
	return buf_len(&world->client.out) == 0 &&
	       buf_len(&world->client.in) == 0 &&
	       buf_len(&world->io.client_in) == 0 &&
	       buf_len(&world->io.client_out) == 0 &&
	       buf_len(&world->io.server_in) == 0 &&
	       buf_len(&world->io.server_out) == 0 &&
	       (!world->leg_stands || (buf_len(&world->server.in) == 0 &&
					  buf_len(&world->server.out) == 0)) &&
	       world->client.awaiting == 0;
}

/* Nobody moves any more: time passes. */
static void
wait_long(struct world *world)
{
	enum dialog_wait waits = dialog_waits(world->dialog);
	bool due = waits == DIALOG_WAIT_DNS || waits == DIALOG_WAIT_DELAY;

	if (due && dialog_wake_us(world->dialog) > world->now_us)
		world->now_us = dialog_wake_us(world->dialog);
	if (!due && !world->plan->breaks && !world->plan->hostile &&
	    world->plan->manner != EAGER && !world->client.gone)
		fail(world, "nobody moves (%s, waits %d, awaits %u%s%s)",
		    smtp_state_name(world->dialog->engine.state), (int)waits,
		    world->client.awaiting, world->client.over ? ", over" : "",
		    world->client.quit ? ", quit" : "");
	if (++world->timeouts > 1000)
		fail(world, "it does not end");
	dialog_timed_out(world->dialog);
	turn(world);
}

static void
step(struct world *world)
{
	static bool (*const moves[])(struct world *) = {client_to_gate,
	    server_to_gate, gate_to_client, gate_to_server, answer_leg,
	    shake_client, shake_server, close_client, close_server, break_one};
	enum {
		MOVES = sizeof(moves) / sizeof(moves[0])
	};
	unsigned from = chance_below(&world->chance, MOVES);

	if (++world->steps > 200000)
		fail(world, "it does not end");
	if (is_at_rest(world))
		check_rest(world);
	/* Twice: a client may have made up its mind to go meanwhile. */
	for (unsigned i = 0; i < 2 * MOVES; i++)
		if (moves[(from + i) % MOVES](world))
			return;
	wait_long(world);
}

/* --- a session ------------------------------------------------------------------------ */

static void
begin(struct world *world)
{
	static const struct dialog_start start = {.ref = "TESTTESTTESTTEST",
	    .client = {{4, {192, 0, 2, 1}}, 40000},
	    .server = {{4, {198, 51, 100, 25}}, 25}};
	static struct pool *pool;

	if (pool == NULL)
		pool = pool_new(BLOCK, 8);
	world->pool = pool;
	world->listener = (struct dialog_listener){.name = SLICE("sim"),
	    .mode = "explicit",
	    .policy = world_policy(world->plan->policy),
	    .greet_first = world->plan->greet_first,
	    .starttls = plan_starttls(world->plan),
	    .uplift_wish = world->plan->tls == TLS_TRY ? DIALOG_WISH_TRY
						       : DIALOG_WISH_MUST,
	    .end_wish = world->plan->tls == TLS_TERMINATE ? DIALOG_WISH_NONE
							  : DIALOG_WISH_MIRROR,
	    .dns_timeout_ms = 1000,
	    .timeouts = {300000, 300000, 180000, 600000, 30000, 30000},
	    .node = SLICE("sim")};
	buf_init_pool(&world->io.client_in, pool);
	buf_init_pool(&world->io.client_out, pool);
	buf_init_pool(&world->io.server_in, pool);
	buf_init_pool(&world->io.server_out, pool);
	buf_init(&world->heard, 4 * STREAM_MAX);
	buf_init(&world->arrived, 4 * STREAM_MAX);
	buf_init(&world->record, RECORD_MAX + 4096);
	world->dialog = dialog_new(&world->listener, &start, &world->io);
	if (world->dialog == NULL)
		abort();
	client_begin(&world->client, world);
	turn(world);
}

/* What stands in the outputs still goes, unless it is dropped. */
static void
finish(struct world *world)
{
	struct dialog_octets octets = {0, 0, 0, 0};

	while (!world->reset_client && !world->client.gone &&
	       gate_to_client(world))
		continue;
	while (!world->reset_server && gate_to_server(world))
		continue;
	dialog_write_record(
	    world->dialog, &octets, world->now_us, 1, &world->record);
	trace(world, "record", buf_slice(&world->record));
}

void
world_play(struct world *world, const struct plan *plan, bool verbose)
{
	*world = (struct world){.plan = plan,
	    .verbose = verbose,
	    .chance = chance_of(plan->seed, 3, plan->schedule)};
	begin(world);
	while (!world->over)
		step(world);
	finish(world);
	check_leg(world);
	check_end(world);
}

void
world_fini(struct world *world)
{
	drop_leg(world);
	client_end(&world->client);
	for (unsigned i = 0; i < world->message_count; i++)
		buf_fini(&world->messages[i].body);
	dialog_free(&world->dialog);
	buf_fini(&world->io.client_in);
	buf_fini(&world->io.client_out);
	buf_fini(&world->io.server_in);
	buf_fini(&world->io.server_out);
	buf_fini(&world->heard);
	buf_fini(&world->arrived);
	buf_fini(&world->record);
}
