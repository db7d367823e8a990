/*
 * A dialog between two ends that a fuzzer plays: what each end got, and the
 * record.  No socket; the clock stands still but where the dialog waits for it.
 * DNS says of each question what the question itself decides, when it is told
 * to.  The same input gives the same output.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef FUZZ_DRIVE_H
#define FUZZ_DRIVE_H

#include "base/log.h"
#include "base/pool.h"
#include "policy/diag.h"
#include "relay/dialog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	DRIVE_BLOCK = 64 * 1024,
	DRIVE_OUT = 4 * 1024 * 1024,
	DRIVE_ASKED = 64 /* questions on their way; more are lost */
};

struct drive {
	struct dialog_listener listener;
	struct dialog *dialog;
	struct dialog_io io;
	struct pool *pool;
	struct buf to_client, to_server, record; /* all of it */
	unsigned legs;             /* connections to the server so far */
	size_t leg_from;           /* of to_server: where the newest begins */
	bool blind, over, gone[2]; /* by side */
	uint64_t now_us;
	struct dns_question asked[DRIVE_ASKED];
	unsigned asked_count;
};

/* From text, as a file would be. */
static inline struct policy *
drive_policy(const char *text)
{
	char path[64];
	int fd = memfd_create("policy", 0);
	struct diag *diag = diag_new();

	assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct policy *policy = policy_load(path, diag);
	if (policy == NULL)
		fprintf(stderr, "%s\n", diag_at(diag, 0)->text);
	assert(policy != NULL);
	diag_free(&diag);
	close(fd);
	return policy;
}

static inline void
drive_move(struct buf *from, struct buf *to)
{
	bool room = buf_append(to, buf_slice(from));

	assert(room);
	buf_clear(from);
}

/* What DNS says: anything, but always the same. */
static inline void
drive_reply(struct drive *drive, const struct dns_question *question)
{
	static const char *const texts[] = {[DNS_PTR] = "mx.example",
	    [DNS_MX] = "mx.example",
	    [DNS_NS] = "ns.example",
	    [DNS_TXT] = "v=spf1 a mx include:spf.example -all",
	    [DNS_TLSA] = NULL};
	struct dns_record found = {.addr = {4, {192, 0, 2, 1}}};
	unsigned hash = (unsigned)question->type;

	for (size_t i = 0; i < question->name.len; i++)
		hash = hash * 31 + (unsigned char)question->name.ptr[i];
	if (question->type == DNS_A && hash % 3 == 0)
		found.addr = (struct addr){4, {127, 0, 0, 2}};
	if (question->type == DNS_AAAA)
		found.addr = (struct addr){6, {0x20, 1, 0xd, 0xb8, 1}};
	else if (question->type != DNS_A)
		found.text = slice_str(texts[question->type]);
	struct dns_answer answer = {
	    .status =
		hash / 3 % 5 == 4 ? DNS_FOUND : (enum dns_status)(hash / 3 % 5),
	    .ttl = 60};
	if (answer.status == DNS_FOUND) {
		answer.count = 1;
		answer.records = &found;
	}
	dns_book_answer(dialog_book(drive->dialog), question, &answer);
}

static inline void
drive_take_questions(struct drive *drive)
{
	struct dns_question question;

	while (dns_book_take(dialog_book(drive->dialog), &question))
		if (drive->asked_count < DRIVE_ASKED)
			drive->asked[drive->asked_count++] = question;
}

static inline void
drive_step(struct drive *drive)
{
	struct dialog_act act;

	while (!drive->over) {
		dialog_step(drive->dialog, drive->now_us, &act);
		bool moved = buf_len(&drive->io.client_out) > 0 ||
			     buf_len(&drive->io.server_out) > 0;
		drive_move(&drive->io.client_out, &drive->to_client);
		drive_move(&drive->io.server_out, &drive->to_server);
		switch (act.order) {
		case DIALOG_WAIT:
			if (!moved)
				return;
			break;
		case DIALOG_CONNECT:
			drive->gone[DIALOG_SERVER] = false;
			drive->legs++;
			drive->leg_from = buf_len(&drive->to_server);
			dialog_connected(drive->dialog,
			    &(struct endpoint){.port = 1}, drive->now_us);
			break;
		case DIALOG_RESOLVE:
			drive_take_questions(drive);
			if (!moved)
				return;
			break;
		case DIALOG_BAN:
		case DIALOG_TLS_CLIENT: /* not of this listener */
		case DIALOG_TLS_SERVER:
			break;
		case DIALOG_CUT:
			drive->gone[DIALOG_SERVER] = true;
			buf_clear(&drive->io.server_in);
			break;
		case DIALOG_BLIND:
			drive->blind = drive->over = true;
			break;
		case DIALOG_CLOSE:
			drive->over = true;
			break;
		}
	}
}

/* Hands bytes over, `piece` at a time (0: all at once).  False: the dialog
 * takes no more for now. */
static inline bool
drive_feed(struct drive *drive, enum dialog_side side, struct slice bytes,
    size_t piece)
{
	struct buf *in =
	    side == DIALOG_CLIENT ? &drive->io.client_in : &drive->io.server_in;

	if (drive->gone[side])
		return false;
	while (bytes.len > 0 && !drive->over) {
		size_t room = buf_room(in);
		size_t take =
		    piece == 0 || piece > bytes.len ? bytes.len : piece;
		if (take > room)
			take = room;
		/* Everything was taken out, and still it is full. */
		if (take == 0)
			return false;
		buf_append(in, slice_head(bytes, take));
		bytes = slice_from(bytes, take);
		drive_step(drive);
	}
	return !drive->over;
}

static inline void
drive_eof(struct drive *drive, enum dialog_side side)
{
	if (drive->over || drive->gone[side])
		return;
	drive->gone[side] = true;
	dialog_eof(drive->dialog, side, SLICE(""));
	drive_step(drive);
}

/* So many answers come, the newest questions first. */
static inline void
drive_answer(struct drive *drive, unsigned count)
{
	while (!drive->over && count-- > 0 && drive->asked_count > 0) {
		drive_reply(drive, &drive->asked[--drive->asked_count]);
		drive_step(drive);
	}
}

/* The deadline in force is over. */
static inline void
drive_time_out(struct drive *drive)
{
	enum dialog_wait wait = dialog_waits(drive->dialog);

	if (drive->over)
		return;
	if ((wait == DIALOG_WAIT_DNS || wait == DIALOG_WAIT_DELAY) &&
	    dialog_wake_us(drive->dialog) > drive->now_us)
		drive->now_us = dialog_wake_us(drive->dialog);
	dialog_timed_out(drive->dialog);
	drive_step(drive);
}

/* Nobody comes any more: every wait that is left ends by its deadline, and
 * there are few of them. */
static inline void
drive_finish(struct drive *drive)
{
	drive_eof(drive, DIALOG_CLIENT);
	drive_eof(drive, DIALOG_SERVER);
	for (unsigned i = 0; i < 10000 && !drive->over; i++)
		drive_time_out(drive);
	assert(drive->over);
}

static inline void
drive_open(struct drive *drive, const struct policy *policy, bool hide,
    bool greet_first)
{
	static const struct dialog_start start = {.ref = "TESTTESTTESTTEST",
	    .client = {{4, {192, 0, 2, 1}}, 40000},
	    .server = {{4, {198, 51, 100, 25}}, 25}};

	*drive = (struct drive){.gone = {[DIALOG_SERVER] = true},
	    .listener = {.name = SLICE("test"),
		.mode = "explicit",
		.policy = policy,
		.starttls = hide ? POLICY_STARTTLS_HIDE : POLICY_STARTTLS_PASS,
		.greet_first = greet_first,
		.dns_timeout_ms = 1000,
		.timeouts = {.data_block = 180000},
		.node = SLICE("node")}};
	drive->pool = pool_new(DRIVE_BLOCK, 8);
	buf_init_pool(&drive->io.client_in, drive->pool);
	buf_init_pool(&drive->io.client_out, drive->pool);
	buf_init_pool(&drive->io.server_in, drive->pool);
	buf_init_pool(&drive->io.server_out, drive->pool);
	buf_init(&drive->to_client, DRIVE_OUT);
	buf_init(&drive->to_server, DRIVE_OUT);
	buf_init(&drive->record, DRIVE_OUT);
	drive->dialog = dialog_new(&drive->listener, &start, &drive->io);
	assert(drive->dialog != NULL);
	drive_step(drive);
}

/* The outputs stay until drive_close. */
static inline void
drive_end(struct drive *drive)
{
	struct dialog_octets octets = {0, 0, 0, 0};

	bool written = dialog_write_record(
	    drive->dialog, &octets, drive->now_us, 1, &drive->record);
	assert(written && buf_len(&drive->record) <= RECORD_MAX);
	dialog_free(&drive->dialog);
	buf_fini(&drive->io.client_in);
	buf_fini(&drive->io.client_out);
	buf_fini(&drive->io.server_in);
	buf_fini(&drive->io.server_out);
	assert(pool_in_use(drive->pool) == 0);
	pool_free(&drive->pool);
}

static inline void
drive_close(struct drive *drive)
{
	buf_fini(&drive->to_client);
	buf_fini(&drive->to_server);
	buf_fini(&drive->record);
}

/* THREATS A1-03: no bare CR, no bare LF, no NUL. */
static inline bool
drive_is_clean(struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.ptr[i] == '\0')
			return false;
		if (bytes.ptr[i] == '\n' &&
		    (i == 0 || bytes.ptr[i - 1] != '\r'))
			return false;
		if (bytes.ptr[i] == '\r' && i + 1 < bytes.len &&
		    bytes.ptr[i + 1] != '\n')
			return false;
	}
	return true;
}

#endif
