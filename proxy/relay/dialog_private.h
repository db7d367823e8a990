/*
 * The dialog, as its two files see it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef RELAY_DIALOG_PRIVATE_H
#define RELAY_DIALOG_PRIVATE_H

#include "relay/dialog.h"
#include "relay/greetings.h"
#include "smtp/smtp_engine.h"

enum {
	DETAIL_MAX = 96
};

struct dialog {
	const struct dialog_listener *listener;
	struct dialog_start start;
	struct record *record;
	struct smtp_engine engine;
	struct greetings greetings; /* names judged in this session */
	struct greeting *current;   /* the one the server has to answer */
	uint64_t now_us;
	unsigned greeting_count;
	bool begun;
	bool connecting; /* DIALOG_CONNECT was ordered, no answer yet */
	bool connect_due;
	bool splice;   /* the connect stage said so */
	bool accepted; /* accept: session */
	bool ehlo_refused;
	bool mail_open;
	bool reset_client;
	char detail[DETAIL_MAX];
};

/* What the engine tells goes to the record (dialog_note.c). */
extern const struct smtp_hooks dialog_hooks;
/* Closes the record's open transaction, if there is one. */
void dialog_close_mail(struct dialog *dialog);

#endif
