/*
 * The record, as its two files see it: record.c fills it, record_write.c
 * makes the line.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef AUDIT_RECORD_PRIVATE_H
#define AUDIT_RECORD_PRIVATE_H

#include "audit/record.h"
#include "base/json.h"

enum {
	/* Finished parts stand here as JSON text; a part that does not fit is
	 * left out and counted. */
	RECORD_HELO_MAX = 32 * 1024,
	RECORD_MAIL_MAX = 96 * 1024,
	RECORD_LIST_MAX = 8 * 1024
};

/* A copied text of a peer, capped. */
struct record_text {
	char *ptr;
	uint16_t len;
};

struct record {
	struct record_start start;
	struct endpoint local;
	uint64_t connected_us, greeted_us; /* 0: never */
	struct record_text greeting;
	const char *greeting_by;
	struct buf connect; /* the verdict of the connect stage, one object */
	struct buf helo;    /* finished entries; the newest is open */
	unsigned helo_count;
	bool helo_open;
	struct {
		struct record_text forwarded, server_reply, reply;
		const char *reply_by;
		uint32_t repairs;
	} name;                     /* of the open entry */
	struct buf offered, masked; /* keywords */
	struct buf auth;            /* finished entries */
	struct record_text auth_mechanism, auth_user;
	bool auth_open;
	struct buf mail;        /* finished entries */
	unsigned message_count; /* ended by a reply to the message */
	bool mail_open;
	struct {
		struct record_text from, reply, message_id;
		const char *reply_by;
		struct buf rcpt;     /* answered ones */
		struct buf awaiting; /* length-prefixed, not yet answered */
		unsigned rcpt_count;
		int64_t size;
		uint64_t octets, stray;
		bool has_text;
	} message;
	struct buf violations, notes;
	unsigned violation_count;
	const char *blind; /* NULL: all was seen */
	bool truncated;
};

/* Copies and caps; what is cut marks the record as truncated. */
void record_set_text(
    struct record *record, struct record_text *text, struct slice from);
void record_clear_text(struct record_text *text);
void record_put_capped(struct record *record, struct json *json,
    const char *key, struct slice bytes);
/* null where there is none. */
void record_put_text(
    struct json *json, const char *key, const struct record_text *text);
void record_put_str(struct json *json, const char *key, const char *str);

/* Starts an element of a list that is kept as text. */
void record_element(struct json *json, struct buf *list, size_t *mark);
/* Ends it: what did not fit is taken back. */
void record_element_end(
    struct record *record, struct json *json, struct buf *list, size_t mark);
/* Closes what is still open in the record, before it is written. */
void record_close_open(struct record *record);
void record_put_rule(
    struct json *json, const char *prefix, const struct policy_rule_id *rule);

/* The queue id in a server's final reply, in the spellings of Postfix, Exim,
 * OpenSMTPD, Sendmail, Exchange and qmail; empty where there is none. */
struct slice record_queue_id(struct slice reply);

#endif
