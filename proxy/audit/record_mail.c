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

/* The recipients that wait for their reply: two bytes of length, the text. */
void
record_rcpt(struct record *record, struct slice to)
{
	struct buf *awaiting = &record->message.awaiting;
	uint16_t len;

	if (!record->mail_open)
		return;
	record->message.rcpt_count++;
	to = slice_head(to, RECORD_TEXT_MAX);
	len = (uint16_t)to.len;
	if (record->message.rcpt_count > RECORD_RCPT_MAX ||
	    buf_room(awaiting) < sizeof(len) + to.len) {
		record->truncated = true;
		return;
	}
	char bytes[sizeof(len)];
	memcpy(bytes, &len, sizeof(len));
	if (!buf_append(awaiting, slice_of(bytes, sizeof(bytes))) ||
	    !buf_append(awaiting, to))
		buf_clear(awaiting);
}

static bool
next_awaiting(struct record *record, struct slice *to, size_t *used)
{
	struct slice waiting = buf_slice(&record->message.awaiting);
	uint16_t len;

	if (waiting.len < sizeof(len))
		return false;
	memcpy(&len, waiting.ptr, sizeof(len));
	*to = slice_of(waiting.ptr + sizeof(len), len);
	*used = sizeof(len) + len;
	return true;
}

static void
put_rcpt(
    struct record *record, struct slice to, struct slice reply, const char *by)
{
	struct json json;
	size_t mark;
	struct buf *list = &record->message.rcpt;

	record_element(&json, list, &mark);
	json_object_open(&json, NULL);
	json_bytes(&json, "to", to);
	if (reply.ptr == NULL)
		json_null(&json, "reply");
	else
		record_put_capped(record, &json, "reply", reply);
	record_put_str(&json, "reply_by", by);
	json_object_close(&json);
	record_element_end(record, &json, list, mark);
}

void
record_rcpt_reply(struct record *record, struct slice reply, const char *by)
{
	struct slice to;
	size_t used;

	if (!record->mail_open || !next_awaiting(record, &to, &used))
		return;
	put_rcpt(record, to, reply, by);
	buf_consume(&record->message.awaiting, used);
}

void
record_text(struct record *record, uint64_t octets, uint64_t stray_newlines)
{
	record->message.has_text = true;
	record->message.octets = octets;
	record->message.stray = stray_newlines;
}

void
record_message_id(struct record *record, struct slice message_id)
{
	record_set_text(record, &record->message.message_id, message_id);
}

static void
put_message(struct record *record, struct json *json)
{
	json_object_open(json, NULL);
	record_put_text(json, "from", &record->message.from);
	if (record->message.size >= 0)
		json_i64(json, "declared_size", record->message.size);
	record_put_text(json, "from_reply", &record->message.reply);
	record_put_str(json, "from_reply_by", record->message.reply_by);
	json_u64(json, "rcpt_count", record->message.rcpt_count);
	json_array_open(json, "rcpt");
	if (buf_len(&record->message.rcpt) > 0)
		json_raw(json, NULL, buf_slice(&record->message.rcpt));
	json_array_close(json);
	if (!record->message.has_text)
		return;
	json_u64(json, "size", record->message.octets);
	json_u64(json, "stray_newlines", record->message.stray);
	record_put_text(json, "message_id", &record->message.message_id);
}

/* Ends the open entry; `reply` NULL: the transaction came to nothing. */
static void
close_mail(struct record *record, const struct slice *reply, const char *by,
    bool delivered)
{
	struct json json;
	struct slice to, queue_id;
	size_t mark, used;

	while (next_awaiting(record, &to, &used)) {
		put_rcpt(record, to, (struct slice){NULL, 0}, NULL);
		buf_consume(&record->message.awaiting, used);
	}
	record_element(&json, &record->mail, &mark);
	put_message(record, &json);
	if (reply == NULL) {
		json_null(&json, "reply");
	} else {
		queue_id = record_queue_id(*reply);
		if (queue_id.len > 0)
			record_put_capped(record, &json, "queue_id", queue_id);
		record_put_capped(record, &json, "reply", *reply);
		record_put_str(&json, "reply_by", by);
		json_bool(&json, "delivered_to_client", delivered);
	}
	json_object_close(&json);
	record_element_end(record, &json, &record->mail, mark);
}

static void
reset_mail(struct record *record)
{
	record->mail_open = false;
	record_clear_text(&record->message.from);
	record_clear_text(&record->message.reply);
	record_clear_text(&record->message.message_id);
	record->message.reply_by = NULL;
	buf_clear(&record->message.rcpt);
	buf_clear(&record->message.awaiting);
	record->message.rcpt_count = 0;
	record->message.has_text = false;
}

void
record_message_end(
    struct record *record, struct slice reply, const char *by, bool delivered)
{
	if (!record->mail_open)
		return;
	record->message_count++;
	close_mail(record, &reply, by, delivered);
	reset_mail(record);
}

void
record_transaction_end(struct record *record)
{
	if (!record->mail_open)
		return;
	close_mail(record, NULL, NULL, false);
	reset_mail(record);
}
