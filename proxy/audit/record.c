/*
 * Filling the record.  See record.h.  Finished parts are kept as JSON text,
 * so that a session that waits holds little more than what it will say.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/record_private.h"

#include <assert.h>
#include <stdlib.h>

struct record *
record_new(const struct record_start *start)
{
	struct record *record = calloc(1, sizeof(*record));

	if (record == NULL)
		return NULL;
	record->start = *start;
	buf_init(&record->connect, 2048);
	buf_init(&record->helo, RECORD_HELO_MAX);
	buf_init(&record->offered, RECORD_LIST_MAX);
	buf_init(&record->masked, RECORD_LIST_MAX);
	buf_init(&record->auth, RECORD_LIST_MAX);
	buf_init(&record->mail, RECORD_MAIL_MAX);
	buf_init(&record->message.rcpt, RECORD_MAIL_MAX / 2);
	buf_init(&record->message.awaiting, RECORD_MAIL_MAX / 2);
	buf_init(&record->violations, RECORD_LIST_MAX);
	buf_init(&record->notes, 1024);
	return record;
}

void
record_clear_text(struct record_text *text)
{
	free(text->ptr);
	*text = (struct record_text){NULL, 0};
}

void
record_free(struct record **record_p)
{
	struct record *record = *record_p;

	if (record == NULL)
		return;
	struct record_text *texts[] = {&record->greeting,
	    &record->name.forwarded, &record->name.server_reply,
	    &record->name.reply, &record->auth_mechanism, &record->auth_user,
	    &record->message.from, &record->message.reply,
	    &record->message.message_id};
	struct buf *lists[] = {&record->connect, &record->helo,
	    &record->offered, &record->masked, &record->auth, &record->mail,
	    &record->message.rcpt, &record->message.awaiting,
	    &record->violations, &record->notes};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		record_clear_text(texts[i]);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		buf_fini(lists[i]);
	free(record);
	*record_p = NULL;
}

/* --- parts ------------------------------------------------------------------- */

void
record_set_text(
    struct record *record, struct record_text *text, struct slice from)
{
	record_clear_text(text);
	if (from.len > RECORD_TEXT_MAX)
		record->truncated = true;
	from = slice_head(from, RECORD_TEXT_MAX);
	text->ptr = malloc(from.len + 1);
	if (text->ptr == NULL) {
		record->truncated = true;
		return;
	}
	if (from.len > 0)
		memcpy(text->ptr, from.ptr, from.len);
	text->ptr[from.len] = '\0';
	text->len = (uint16_t)from.len;
}

void
record_element(struct json *json, struct buf *list, size_t *mark)
{
	*mark = buf_len(list);
	json_init(json, list);
	json->comma = *mark > 0;
}

void
record_element_end(
    struct record *record, struct json *json, struct buf *list, size_t mark)
{
	if (!json_failed(json))
		return;
	buf_truncate(list, mark);
	record->truncated = true;
}

void
record_put_capped(struct record *record, struct json *json, const char *key,
    struct slice bytes)
{
	if (json_bytes_capped(json, key, bytes, RECORD_TEXT_MAX))
		record->truncated = true;
}

void
record_put_text(
    struct json *json, const char *key, const struct record_text *text)
{
	if (text->ptr == NULL)
		json_null(json, key);
	else
		json_bytes(json, key, slice_of(text->ptr, text->len));
}

void
record_put_str(struct json *json, const char *key, const char *str)
{
	if (str == NULL)
		json_null(json, key);
	else
		json_str(json, key, str);
}

void
record_put_rule(
    struct json *json, const char *prefix, const struct policy_rule_id *rule)
{
	char key[32];

	if (rule->name.len == 0) {
		json_null(json, prefix);
		return;
	}
	json_bytes(json, prefix, rule->name);
	snprintf(key, sizeof(key), "%s_file", prefix);
	json_bytes(json, key, rule->file);
	snprintf(key, sizeof(key), "%s_line", prefix);
	json_u64(json, key, rule->line);
}

static void
put_verdict(struct json *json, const struct policy_verdict *verdict)
{
	json_str(json, "verdict", policy_action_name(verdict->action));
	if (verdict->would != verdict->action) {
		json_str(json, "would", policy_action_name(verdict->would));
		record_put_rule(json, "would_rule", &verdict->would_rule);
	}
	record_put_rule(json, "rule", &verdict->rule);
	if (verdict->continued_count == 0)
		return;
	json_array_open(json, "continued");
	for (unsigned i = 0; i < verdict->continued_count; i++)
		json_bytes(json, NULL, verdict->continued[i].name);
	json_array_close(json);
}

/* --- connection ---------------------------------------------------------------- */

void
record_connected(
    struct record *record, const struct endpoint *local, uint64_t mono_us)
{
	record->local = *local;
	record->connected_us = mono_us;
}

void
record_greeting(
    struct record *record, struct slice reply, const char *by, uint64_t mono_us)
{
	record_set_text(record, &record->greeting, reply);
	record->greeting_by = by;
	record->greeted_us = mono_us;
}

void
record_connect_verdict(
    struct record *record, const struct policy_verdict *verdict)
{
	struct json json;

	buf_clear(&record->connect);
	json_init(&json, &record->connect);
	json_object_open(&json, NULL);
	put_verdict(&json, verdict);
	json_object_close(&json);
	record_element_end(record, &json, &record->connect, 0);
}

/* --- helo ------------------------------------------------------------------------ */

static void
put_flaws(struct json *json, uint64_t flaws)
{
	json_array_open(json, "flaws");
	for (unsigned i = 0; i < HELO_FLAW_COUNT; i++)
		if ((flaws & HELO_BIT(i)) != 0)
			json_str(json, NULL, helo_flaw_name(i));
	json_array_close(json);
}

static void
put_refused_by(struct json *json, uint32_t refused_by)
{
	json_array_open(json, "refused_by");
	for (unsigned i = 0; i < HELO_RECEIVER_COUNT; i++)
		if ((refused_by & (1u << i)) != 0)
			json_str(json, NULL, helo_receiver_name(i));
	json_array_close(json);
}

static void
put_repairs(struct json *json, uint32_t repairs)
{
	json_array_open(json, "repairs");
	for (unsigned i = 0; i < HELO_STEP_COUNT; i++)
		if ((repairs & (1u << i)) != 0)
			json_str(json, NULL, helo_step_name(i));
	json_array_close(json);
}

/* The open entry's last fields, which are known only now. */
static void
close_helo(struct record *record)
{
	struct json json;

	if (!record->helo_open)
		return;
	record->helo_open = false;
	json_init(&json, &record->helo);
	json.comma = true;
	record_put_text(&json, "forwarded", &record->name.forwarded);
	put_repairs(&json, record->name.repairs);
	record_put_text(&json, "server_reply", &record->name.server_reply);
	record_put_text(&json, "reply", &record->name.reply);
	record_put_str(&json, "reply_by", record->name.reply_by);
	json_object_close(&json);
	/* record_helo saw to it that there is room. */
	assert(!json_failed(&json));
	record_clear_text(&record->name.forwarded);
	record_clear_text(&record->name.server_reply);
	record_clear_text(&record->name.reply);
	record->name.reply_by = NULL;
}

/* What close_helo can need: three texts, every byte escaped. */
enum {
	HELO_TAIL_MAX = 3 * 6 * RECORD_TEXT_MAX + 1024
};

void
record_helo(struct record *record, const struct record_helo *helo)
{
	struct json json;
	size_t mark;

	close_helo(record);
	record->helo_count++;
	record_element(&json, &record->helo, &mark);
	json_object_open(&json, NULL);
	json_str(
	    &json, "verb", helo->verb == POLICY_VERB_EHLO ? "EHLO" : "HELO");
	record_put_capped(record, &json, "received", helo->received);
	json_str(&json, "form", helo_form_name(helo->judged.form));
	json_bool(&json, "valid", helo->judged.valid);
	put_flaws(&json, helo->judged.flaws);
	put_refused_by(&json, helo->judged.refused_by);
	json_bool(&json, "fallback", helo->fallback);
	json_bool(&json, "tls_lost", helo->tls_lost);
	put_verdict(&json, helo->verdict);
	if (buf_room(&record->helo) < HELO_TAIL_MAX)
		json.failed = true;
	record_element_end(record, &json, &record->helo, mark);
	if (json_failed(&json))
		return;
	record->helo_open = true;
	record->name.repairs = helo->repairs;
	if (helo->forwarded.ptr != NULL)
		record_set_text(
		    record, &record->name.forwarded, helo->forwarded);
}

void
record_helo_server_reply(struct record *record, struct slice reply)
{
	if (record->helo_open)
		record_set_text(record, &record->name.server_reply, reply);
}

void
record_helo_retry(
    struct record *record, struct slice forwarded, uint32_t repairs)
{
	if (!record->helo_open)
		return;
	record_set_text(record, &record->name.forwarded, forwarded);
	record->name.repairs = repairs;
}

void
record_helo_reply(struct record *record, struct slice reply, const char *by)
{
	if (!record->helo_open)
		return;
	record_set_text(record, &record->name.reply, reply);
	record->name.reply_by = by;
}

void
record_capabilities_clear(struct record *record)
{
	buf_clear(&record->offered);
	buf_clear(&record->masked);
}

void
record_capability(struct record *record, struct slice keyword, bool masked)
{
	struct buf *list = masked ? &record->masked : &record->offered;
	ptrdiff_t blank = slice_find(keyword, ' ');
	struct json json;
	size_t mark;

	if (blank != -1)
		keyword = slice_head(keyword, (size_t)blank);
	record_element(&json, list, &mark);
	json_bytes(&json, NULL, slice_head(keyword, 64));
	record_element_end(record, &json, list, mark);
}

void
record_blind(struct record *record, const char *how)
{
	record->blind = how;
}

/* --- auth ------------------------------------------------------------------------- */

static void
close_auth(struct record *record, struct slice reply, const char *by)
{
	struct json json;
	size_t mark;

	if (!record->auth_open)
		return;
	record->auth_open = false;
	record_element(&json, &record->auth, &mark);
	json_object_open(&json, NULL);
	record_put_text(&json, "mechanism", &record->auth_mechanism);
	record_put_text(&json, "user", &record->auth_user);
	if (reply.ptr == NULL)
		json_null(&json, "reply");
	else
		record_put_capped(record, &json, "reply", reply);
	record_put_str(&json, "reply_by", by);
	json_bool(&json, "success", reply.len > 0 && reply.ptr[0] == '2');
	json_object_close(&json);
	record_element_end(record, &json, &record->auth, mark);
	record_clear_text(&record->auth_mechanism);
	record_clear_text(&record->auth_user);
}

void
record_auth(struct record *record, struct slice mechanism, struct slice user)
{
	record_set_text(record, &record->auth_mechanism, mechanism);
	if (user.len > 0)
		record_set_text(record, &record->auth_user, user);
	record->auth_open = true;
}

void
record_auth_reply(struct record *record, struct slice reply, const char *by)
{
	close_auth(record, reply, by);
}

/* --- the rest ------------------------------------------------------------------------- */

void
record_violation(struct record *record, const char *kind, struct slice detail)
{
	struct json json;
	size_t mark;

	record->violation_count++;
	record_element(&json, &record->violations, &mark);
	json_object_open(&json, NULL);
	json_str(&json, "kind", kind);
	if (detail.len > 0)
		record_put_capped(
		    record, &json, "detail", slice_head(detail, 256));
	json_object_close(&json);
	record_element_end(record, &json, &record->violations, mark);
}

void
record_note(struct record *record, const char *note)
{
	struct json json;
	size_t mark;

	record_element(&json, &record->notes, &mark);
	json_str(&json, NULL, note);
	record_element_end(record, &json, &record->notes, mark);
}

void
record_close_open(struct record *record)
{
	close_helo(record);
	close_auth(record, (struct slice){NULL, 0}, NULL);
	record_transaction_end(record);
}
