/*
 * The record's messages: envelope, recipients, replies.  See record.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/record_private.h"

void
record_mail(struct record *record, struct slice from, int64_t size)
{
	record_transaction_end(record);
	record_enter(record, RECORD_PHASE_MAIL);
	record->mail_open = true;
	record->message.size = size;
	record_set_text(record, &record->message.from, from);
}

void
record_mail_reply(struct record *record, struct slice reply, const char *by)
{
	if (!record->mail_open)
		return;
	record_set_text(record, &record->message.reply, reply);
	record->message.reply_by = by;
}

/* --- recipients ----------------------------------------------------------- */

/* Puts one behind those that wait for their reply: two bytes of length, the
 * text. */
static bool
await_reply(struct buf *awaiting, struct slice to)
{
	uint16_t len = (uint16_t)to.len;
	char *place = buf_reserve(awaiting, sizeof(len) + to.len);

	if (place == NULL)
		return false;
	memcpy(place, &len, sizeof(len));
	if (len > 0)
		memcpy(place + sizeof(len), to.ptr, len);
	buf_commit(awaiting, sizeof(len) + len);
	return true;
}

/* Replies come in order: once a recipient is not listed none after it is, or
 * a reply would meet the wrong one. */
void
record_rcpt(struct record *record, struct slice to)
{
	if (!record->mail_open)
		return;
	record->message.rcpt_count++;
	if (to.len > RECORD_TEXT_MAX)
		record->truncated = true;
	to = slice_head(to, RECORD_TEXT_MAX);
	if (!record->message.rcpt_full &&
	    record->message.rcpt_count <= RECORD_RCPT_MAX &&
	    await_reply(&record->message.awaiting, to))
		return;
	record->message.rcpt_full = true;
	record->truncated = true;
}

/* The first of those that wait; its bytes are *used. */
static bool
next_awaiting(struct slice waiting, struct slice *to, size_t *used)
{
	uint16_t len;

	if (waiting.len < sizeof(len))
		return false;
	memcpy(&len, waiting.ptr, sizeof(len));
	*to = slice_of(waiting.ptr + sizeof(len), len);
	*used = sizeof(len) + len;
	return true;
}

void
record_rcpt_reply(struct record *record, struct slice reply, const char *by)
{
	struct buf *awaiting = &record->message.awaiting;
	struct buf *list = &record->message.rcpt;
	struct json json;
	struct slice to;
	size_t used, mark;

	if (!record->mail_open ||
	    !next_awaiting(buf_slice(awaiting), &to, &used))
		return;
	record_element(&json, list, &mark);
	json_object_open(&json, NULL);
	json_bytes(&json, "to", to);
	record_put_capped(record, &json, "reply", reply);
	json_str(&json, "reply_by", by);
	json_object_close(&json);
	record_element_end(record, &json, list, mark);
	buf_consume(awaiting, used);
}

static void
put_recipients(struct json *json, const struct record *record)
{
	struct slice waiting = buf_slice(&record->message.awaiting);
	struct slice to;
	size_t used;

	if (buf_len(&record->message.rcpt) > 0)
		json_raw(json, NULL, buf_slice(&record->message.rcpt));
	while (next_awaiting(waiting, &to, &used)) {
		json_object_open(json, NULL);
		json_bytes(json, "to", to);
		json_null(json, "reply");
		json_null(json, "reply_by");
		json_object_close(json);
		waiting = slice_from(waiting, used);
	}
}

/* --- messages ------------------------------------------------------------- */

void
record_text(struct record *record, uint64_t octets, uint64_t stray_newlines)
{
	if (!record->mail_open)
		return;
	record_enter(record, RECORD_PHASE_ACCEPT);
	record->message.has_text = true;
	record->message.octets = octets;
	record->message.stray = stray_newlines;
}

void
record_message_id(struct record *record, struct slice message_id)
{
	if (record->mail_open)
		record_set_text(
		    record, &record->message.message_id, message_id);
}

void
record_put_message(struct json *json, const struct record *record, bool listed)
{
	json_object_open(json, NULL);
	json_u64(json, "rcpt_count", record->message.rcpt_count);
	if (record->message.size >= 0)
		json_i64(json, "declared_size", record->message.size);
	if (record->message.has_text) {
		json_u64(json, "size", record->message.octets);
		json_u64(json, "stray_newlines", record->message.stray);
	}
	record_put_text(json, "from", &record->message.from);
	record_put_text(json, "from_reply", &record->message.reply);
	record_put_str(json, "from_reply_by", record->message.reply_by);
	json_array_open(json, "rcpt");
	if (listed)
		put_recipients(json, record);
	json_array_close(json);
	if (record->message.has_text)
		record_put_text(
		    json, "message_id", &record->message.message_id);
}

/* How a message ended; `reply` NULL: the transaction came to nothing. */
struct ending {
	const struct slice *reply;
	const char *by;
	bool delivered;
};

static void
put_ending(struct record *record, struct json *json, const struct ending *end)
{
	if (end->reply == NULL) {
		json_null(json, "reply");
	} else {
		struct slice queue_id = record_queue_id(*end->reply);
		if (queue_id.len > 0)
			record_put_capped(record, json, "queue_id", queue_id);
		record_put_capped(record, json, "reply", *end->reply);
		json_str(json, "reply_by", end->by);
		json_bool(json, "delivered_to_client", end->delivered);
	}
	json_object_close(json);
}

/* Where an entry is too long it is written without its recipients: sender
 * and outcome are never missing for them. */
static void
close_mail(struct record *record, const struct ending *end)
{
	struct json json;

	record_entry(record, &json, &record->mail);
	record_put_message(&json, record, true);
	put_ending(record, &json, end);
	if (record_entry_end(record, &json, &record->mail))
		return;
	record_element(&json, &record->mail.text, &record->mail.last);
	record_put_message(&json, record, false);
	put_ending(record, &json, end);
	record_entry_end(record, &json, &record->mail);
}

static void
reset_mail(struct record *record)
{
	record->mail_open = false;
	record_enter(record, RECORD_PHASE_COMMAND);
	record_clear_text(&record->message.from);
	record_clear_text(&record->message.reply);
	record_clear_text(&record->message.message_id);
	record_clear_text(&record->message.refusal);
	record->message.reply_by = NULL;
	buf_clear(&record->message.rcpt);
	buf_clear(&record->message.awaiting);
	record->message.rcpt_full = false;
	record->message.rcpt_count = 0;
	record->message.octets = record->message.stray = 0;
	record->message.has_text = false;
}

void
record_message_end(
    struct record *record, struct slice reply, const char *by, bool delivered)
{
	if (!record->mail_open)
		return;
	record->message_count++;
	close_mail(record, &(struct ending){&reply, by, delivered});
	reset_mail(record);
}

void
record_data_refused(
    struct record *record, struct slice reply, const char *by, bool delivered)
{
	if (!record->mail_open)
		return;
	record_set_text(record, &record->message.refusal, reply);
	record->message.refused_by = by;
	record->message.refusal_delivered = delivered;
}

void
record_transaction_end(struct record *record)
{
	const struct record_text *refusal = &record->message.refusal;
	struct slice reply = slice_of(refusal->ptr, refusal->len);

	if (!record->mail_open)
		return;
	if (refusal->ptr != NULL) {
		record_message_end(record, reply, record->message.refused_by,
		    record->message.refusal_delivered);
		return;
	}
	close_mail(record, &(struct ending){NULL, NULL, false});
	reset_mail(record);
}
