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
	if (buf_len(&record->verdict) > 0)
		record_set_text(record, &record->message.verdict,
		    buf_slice(&record->verdict));
	buf_clear(&record->verdict);
}

void
record_mail_reply(struct record *record, struct slice reply, const char *by)
{
	if (!record->mail_open)
		return;
	record_set_text(record, &record->message.reply, reply);
	record_set_word(&record->message.reply_by, by);
}

/* --- recipients ----------------------------------------------------------- */

static char *
put_prefixed(char *place, struct slice text)
{
	uint16_t len = (uint16_t)text.len;

	memcpy(place, &len, sizeof(len));
	if (len > 0)
		memcpy(place + sizeof(len), text.ptr, len);
	return place + sizeof(len) + len;
}

/* Puts one behind those that wait for their reply: the recipient and what a
 * rule said of it, each behind two bytes of length. */
static bool
await_reply(struct buf *awaiting, struct slice to, struct slice verdict)
{
	size_t size = 2 * sizeof(uint16_t) + to.len + verdict.len;
	char *place = buf_reserve(awaiting, size);

	if (place == NULL)
		return false;
	put_prefixed(put_prefixed(place, to), verdict);
	buf_commit(awaiting, size);
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
	bool listed = !record->message.rcpt_full &&
		      record->message.rcpt_count <= RECORD_RCPT_MAX &&
		      await_reply(&record->message.awaiting, to,
			  buf_slice(&record->verdict));
	buf_clear(&record->verdict);
	if (listed)
		return;
	record->message.rcpt_full = true;
	record->truncated = true;
}

static struct slice
take_prefixed(struct slice *waiting)
{
	struct slice text;
	uint16_t len;

	memcpy(&len, waiting->ptr, sizeof(len));
	text = slice_of(waiting->ptr + sizeof(len), len);
	*waiting = slice_from(*waiting, sizeof(len) + len);
	return text;
}

/* The first of those that wait, up to its reply, into an open object; false:
 * none waits. */
static bool
put_awaiting(struct json *json, struct slice *waiting)
{
	if (waiting->len == 0)
		return false;
	struct slice to = take_prefixed(waiting);
	struct slice verdict = take_prefixed(waiting);
	json_object_open(json, NULL);
	if (verdict.len > 0)
		json_raw(json, NULL, verdict);
	json_bytes(json, "to", to);
	return true;
}

void
record_rcpt_reply(struct record *record, struct slice reply, const char *by)
{
	struct buf *awaiting = &record->message.awaiting;
	struct buf *list = &record->message.rcpt;
	struct slice waiting = buf_slice(awaiting);
	struct json json;
	size_t mark;

	if (!record->mail_open || waiting.len == 0)
		return;
	record_element(&json, list, &mark);
	put_awaiting(&json, &waiting);
	record_put_capped(record, &json, "reply", reply);
	json_str(&json, "reply_by", by);
	json_object_close(&json);
	record_element_end(record, &json, list, mark);
	buf_consume(awaiting, buf_len(awaiting) - waiting.len);
}

static void
put_recipients(struct json *json, const struct record *record)
{
	struct slice waiting = buf_slice(&record->message.awaiting);

	if (buf_len(&record->message.rcpt) > 0)
		json_raw(json, NULL, buf_slice(&record->message.rcpt));
	while (put_awaiting(json, &waiting)) {
		json_null(json, "reply");
		json_null(json, "reply_by");
		json_object_close(json);
	}
}

/* --- messages ------------------------------------------------------------- */

void
record_text(struct record *record, uint64_t octets, uint64_t stray_newlines)
{
	if (!record->mail_open)
		return;
	record_enter(record, RECORD_PHASE_ACCEPT);
	/* An earlier DATA was refused, and then one was not: that refusal is
	 * not this text's. */
	record_clear_text(record, &record->message.refusal);
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
	if (record->message.verdict.ptr != NULL)
		json_raw(json, NULL,
		    slice_of(record->message.verdict.ptr,
			record->message.verdict.len));
	if (record->message.size >= 0)
		json_i64(json, "declared_size", record->message.size);
	if (record->message.has_text) {
		json_u64(json, "size", record->message.octets);
		json_u64(json, "stray_newlines", record->message.stray);
	}
	record_put_text(json, "from", &record->message.from);
	record_put_text(json, "from_reply", &record->message.reply);
	record_put_word(json, "from_reply_by", &record->message.reply_by);
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
	record_clear_text(record, &record->message.from);
	record_clear_text(record, &record->message.verdict);
	record_clear_text(record, &record->message.reply);
	record_clear_text(record, &record->message.message_id);
	record_clear_text(record, &record->message.refusal);
	record_set_word(&record->message.reply_by, NULL);
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
	record_set_word(&record->message.refused_by, by);
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
		record_message_end(record, reply,
		    record->message.refused_by.text,
		    record->message.refusal_delivered);
		return;
	}
	close_mail(record, &(struct ending){NULL, NULL, false});
	reset_mail(record);
}
