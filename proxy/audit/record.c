/*
 * Filling the record.  See record.h.  Finished parts are kept as JSON text,
 * so that a session that waits holds little more than what it will say.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/record_private.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Copies the text of the start into the arena. */
static bool
keep_names(struct record *record)
{
	struct slice *names[] = {&record->start.node, &record->start.listener,
	    &record->start.policy_version};
	size_t count = sizeof(names) / sizeof(names[0]), len = 0;

	for (size_t i = 0; i < count; i++)
		len += names[i]->len;
	char *to = arena_alloc(record->start.arena, len + 1);
	if (to == NULL)
		return false;
	record->names = to;
	for (size_t i = 0; i < count; i++) {
		if (names[i]->len > 0)
			memcpy(to, names[i]->ptr, names[i]->len);
		names[i]->ptr = to;
		to += names[i]->len;
	}
	return true;
}

struct record *
record_new(const struct record_start *start)
{
	struct arena *arena = start->arena;
	struct record *record = arena == NULL
				    ? malloc(sizeof(*record))
				    : arena_alloc(arena, sizeof(*record));

	if (record == NULL)
		return NULL;
	*record = (struct record){.start = *start};
	if (arena != NULL && !keep_names(record)) {
		arena_free(arena, record);
		return NULL;
	}
	record_set_word(&record->mode, start->mode);
	record->now_us = start->mono_us;
	record->helo.full = RECORD_HELO_FULL;
	record->mail.full = RECORD_MAIL_FULL;
	buf_init_arena(&record->connect, RECORD_LIST_MAX, arena);
	buf_init_arena(&record->verdict, RECORD_TEXT_MAX, arena);
	buf_init_arena(&record->tls_more[0], RECORD_TLS_MAX, arena);
	buf_init_arena(&record->tls_more[1], RECORD_TLS_MAX, arena);
	buf_init_arena(&record->helo.text, RECORD_HELO_MAX, arena);
	buf_init_arena(&record->offered, RECORD_KEYWORDS_MAX, arena);
	buf_init_arena(&record->masked, RECORD_KEYWORDS_MAX, arena);
	buf_init_arena(&record->auth, RECORD_LIST_MAX, arena);
	buf_init_arena(&record->mail.text, RECORD_MAIL_MAX, arena);
	buf_init_arena(&record->message.rcpt, RECORD_RCPT_BYTES, arena);
	buf_init_arena(&record->message.awaiting, RECORD_RCPT_BYTES, arena);
	buf_init_arena(&record->violations, RECORD_LIST_MAX, arena);
	buf_init_arena(&record->notes, RECORD_NOTES_MAX, arena);
	if (arena != NULL)
		arena_enter(arena, &record->link);
	return record;
}

void
record_clear_text(struct record *record, struct record_text *text)
{
	char *ptr = text->ptr;

	*text = (struct record_text){NULL, 0};
	if (record->start.arena != NULL)
		arena_free(record->start.arena, ptr);
	else
		free(ptr);
}

void
record_free(struct record **record_p)
{
	struct record *record = *record_p;

	if (record == NULL)
		return;
	struct arena *arena = record->start.arena;
	if (arena != NULL)
		arena_leave(arena, &record->link);
	struct record_text *texts[] = {&record->greeting,
	    &record->server_greeting, &record->name.forwarded,
	    &record->name.server_reply, &record->name.reply,
	    &record->auth_mechanism, &record->auth_user, &record->message.from,
	    &record->message.reply, &record->message.message_id,
	    &record->message.refusal, &record->message.verdict};
	struct buf *lists[] = {&record->connect, &record->helo.text,
	    &record->offered, &record->masked, &record->auth,
	    &record->mail.text, &record->message.rcpt,
	    &record->message.awaiting, &record->violations, &record->notes,
	    &record->verdict, &record->tls_more[0], &record->tls_more[1]};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		record_clear_text(record, texts[i]);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		buf_fini(lists[i]);
	if (arena != NULL) {
		arena_free(arena, record->names);
		arena_free(arena, record);
	} else {
		free(record);
	}
	*record_p = NULL;
}

void
record_goes_out(struct record *record, uint64_t position)
{
	/* In this order for who finds it when we are dead. */
	record->goes_out_at = position;
	atomic_signal_fence(memory_order_seq_cst);
	record->goes_out = true;
	atomic_signal_fence(memory_order_seq_cst);
}

bool
record_is_empty(const struct record *record)
{
	return record->message_count == 0 && record->violation_count == 0 &&
	       !record->mail_open && buf_len(&record->mail.text) == 0;
}

/* --- time -------------------------------------------------------------------- */

void
record_clock(struct record *record, uint64_t mono_us)
{
	if (mono_us <= record->now_us)
		return;
	record->phase_us[record->phase] += mono_us - record->now_us;
	record->now_us = mono_us;
}

void
record_enter(struct record *record, enum record_phase phase)
{
	if (record->phase != RECORD_PHASE_BLIND)
		record->phase = phase;
}

/* --- parts ------------------------------------------------------------------- */

void
record_set_text(
    struct record *record, struct record_text *text, struct slice from)
{
	record_clear_text(record, text);
	if (from.len > RECORD_TEXT_MAX)
		record->truncated = true;
	from = slice_head(from, RECORD_TEXT_MAX);
	char *copy = record->start.arena == NULL
			 ? malloc(from.len + 1)
			 : arena_alloc(record->start.arena, from.len + 1);
	if (copy == NULL) {
		record->truncated = true;
		return;
	}
	if (from.len > 0)
		memcpy(copy, from.ptr, from.len);
	copy[from.len] = '\0';
	*text = (struct record_text){copy, (uint16_t)from.len};
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
record_entry(struct record *record, struct json *json, struct record_list *list)
{
	if (buf_len(&list->text) >= list->full) {
		buf_truncate(&list->text, list->last);
		record->truncated = true;
	}
	record_element(json, &list->text, &list->last);
}

bool
record_entry_end(
    struct record *record, struct json *json, struct record_list *list)
{
	record_element_end(record, json, &list->text, list->last);
	return !json_failed(json);
}

void
record_put_list(struct json *json, const char *key, const struct buf *list)
{
	json_array_open(json, key);
	if (buf_len(list) > 0)
		json_raw(json, NULL, buf_slice(list));
	json_array_close(json);
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
record_set_word(struct record_word *word, const char *str)
{
	size_t len = str == NULL ? 0 : strlen(str);

	if (len >= sizeof(word->text))
		len = sizeof(word->text) - 1;
	if (len > 0)
		memcpy(word->text, str, len);
	word->text[len] = '\0';
}

void
record_put_word(
    struct json *json, const char *key, const struct record_word *word)
{
	if (record_has_word(word))
		json_str(json, key, word->text);
	else
		json_null(json, key);
}

/* --- connection -------------------------------------------------------------- */

void
record_connected(
    struct record *record, const struct endpoint *local, uint64_t mono_us)
{
	record_clock(record, mono_us);
	record->local = *local;
	record->connected = true;
	if (record->phase == RECORD_PHASE_CONNECT)
		record_enter(record, RECORD_PHASE_GREET);
}

void
record_connecting(struct record *record)
{
	record_enter(record, RECORD_PHASE_CONNECT);
}

void
record_server_greeting(
    struct record *record, struct slice reply, uint64_t mono_us)
{
	record_clock(record, mono_us);
	if (reply.len > 0)
		record_set_text(record, &record->server_greeting, reply);
	record_enter(record, RECORD_PHASE_COMMAND);
}

void
record_greeting(
    struct record *record, struct slice reply, const char *by, uint64_t mono_us)
{
	record_clock(record, mono_us);
	record_set_text(record, &record->greeting, reply);
	record_set_word(&record->greeting_by, by);
	if (record->phase == RECORD_PHASE_GREET || !record->connected)
		record_enter(record, RECORD_PHASE_COMMAND);
}

/* --- auth and others ------------------------------------------------------ */

void
record_blind(struct record *record, const char *how)
{
	record_enter(record, RECORD_PHASE_BLIND);
	record_set_word(&record->blind, how);
}

static void
put_tls_text(struct record *record, struct json *json, const char *key,
    struct slice text)
{
	if (text.len > 0)
		record->truncated |=
		    json_bytes_capped(json, key, text, RECORD_DETAIL_MAX);
}

static void
end_tls(struct record *record, bool server, const struct json *json)
{
	if (!json_failed(json))
		return;
	record->truncated = true;
	buf_clear(&record->tls_more[server]);
}

void
record_secured(struct record *record, bool server, const struct record_tls *tls)
{
	struct buf *more = &record->tls_more[server];
	struct json json;

	record_set_word(&record->tls[server], tls->version);
	buf_clear(more);
	json_init(&json, more);
	put_tls_text(record, &json, server ? "server_cipher" : "client_cipher",
	    tls->cipher);
	put_tls_text(
	    record, &json, server ? "server_name" : "client_sni", tls->name);
	json_bool(
	    &json, server ? "server_resumed" : "client_resumed", tls->resumed);
	put_tls_text(record, &json,
	    server ? "server_verified" : "client_verified", tls->verified);
	put_tls_text(record, &json, "client_subject", tls->subject);
	put_tls_text(record, &json, "client_fingerprint", tls->fingerprint);
	end_tls(record, server, &json);
}

void
record_tls_failed(struct record *record, bool server, struct slice why)
{
	struct json json;

	buf_clear(&record->tls_more[server]);
	json_init(&json, &record->tls_more[server]);
	put_tls_text(record, &json, server ? "server_failed" : "client_failed",
	    why.len == 0 ? SLICE("timeout") : why);
	end_tls(record, server, &json);
}

static const char *
auth_result(struct slice reply)
{
	if (reply.len == 0)
		return "unfinished";
	return reply.ptr[0] == '2'   ? "accepted"
	       : reply.ptr[0] == '4' ? "deferred"
				     : "refused";
}

static void
put_auth(struct json *json, const struct record *record, struct slice reply)
{
	json_object_open(json, NULL);
	json_str(json, "result", auth_result(reply));
	record_put_text(json, "mechanism", &record->auth_mechanism);
	record_put_text(json, "user", &record->auth_user);
}

void
record_put_auth_open(struct json *json, const struct record *record)
{
	put_auth(json, record, (struct slice){NULL, 0});
	json_null(json, "reply");
	json_null(json, "reply_by");
	json_object_close(json);
}

static void
close_auth(struct record *record, const struct slice *reply, const char *by)
{
	struct json json;
	size_t mark;

	if (!record->auth_open)
		return;
	record->auth_open = false;
	record_element(&json, &record->auth, &mark);
	if (reply == NULL) {
		record_put_auth_open(&json, record);
	} else {
		put_auth(&json, record, *reply);
		record_put_capped(record, &json, "reply", *reply);
		json_str(&json, "reply_by", by);
		json_object_close(&json);
	}
	record_element_end(record, &json, &record->auth, mark);
	record_clear_text(record, &record->auth_mechanism);
	record_clear_text(record, &record->auth_user);
}

void
record_auth(struct record *record, struct slice mechanism, struct slice user)
{
	/* Some mechanisms tell the user in a later response. */
	bool later =
	    record->auth_open && record->auth_user.ptr == NULL && user.len > 0;

	if (!later)
		close_auth(record, NULL, NULL);
	record_set_text(record, &record->auth_mechanism, mechanism);
	if (user.len > 0)
		record_set_text(record, &record->auth_user, user);
	record->auth_open = true;
}

void
record_auth_reply(struct record *record, struct slice reply, const char *by)
{
	close_auth(record, &reply, by);
}

/* --- the rest ---------------------------------------------------------------- */

void
record_violation(struct record *record, const char *kind, struct slice detail)
{
	struct json json;
	size_t mark;

	record->violation_count++;
	record_element(&json, &record->violations, &mark);
	json_object_open(&json, NULL);
	json_str(&json, "kind", kind);
	if (detail.len > RECORD_DETAIL_MAX)
		record->truncated = true;
	json_bytes(&json, "detail", slice_head(detail, RECORD_DETAIL_MAX));
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
