/*
 * Records whose writer was killed.  See record.h.  It may have been in the
 * middle of anything, or hostile: nothing here is believed that lies outside
 * of its arena, and what is no JSON is left away.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/json_text.h"
#include "audit/record_private.h"

static void
check_text(const struct arena *arena, struct record_text *text)
{
	if (text->ptr != NULL && (text->len > RECORD_TEXT_MAX ||
				     !arena_has(arena, text->ptr, text->len)))
		*text = (struct record_text){NULL, 0};
}

static void
check_name(const struct arena *arena, struct slice *name)
{
	if (name->len > RECORD_TEXT_MAX ||
	    !arena_has(arena, name->ptr, name->len))
		*name = (struct slice){NULL, 0};
}

static void
check_buf(const struct arena *arena, struct buf *buf)
{
	if (buf->head <= buf->tail && buf->tail <= buf->size &&
	    buf->tail - buf->head <= buf->max && buf->max <= RECORD_MAX &&
	    arena_has(arena, buf->data, buf->size))
		return;
	buf->data = NULL;
	buf->head = buf->tail = buf->size = 0;
}

/* Recipients that wait stand behind their lengths. */
static void
check_awaiting(struct buf *awaiting)
{
	struct slice rest = buf_slice(awaiting);

	while (rest.len > 0) {
		uint16_t len;
		if (rest.len < sizeof(len))
			break;
		memcpy(&len, rest.ptr, sizeof(len));
		if (rest.len - sizeof(len) < len)
			break;
		rest = slice_from(rest, sizeof(len) + len);
	}
	if (rest.len > 0)
		awaiting->head = awaiting->tail = 0;
}

static bool
is_list(const struct buf *buf, size_t len)
{
	struct buf text;

	buf_init(&text, RECORD_MAX + 2);
	bool good = buf_append(&text, SLICE("[")) &&
		    buf_append(&text, slice_head(buf_slice(buf), len)) &&
		    buf_append(&text, SLICE("]")) &&
		    json_text_is_valid(buf_slice(&text));
	buf_fini(&text);
	return good;
}

/* An element that was being written is left away: the newest one, or all. */
static void
check_list(struct record *record, struct buf *list, size_t last)
{
	if (is_list(list, buf_len(list)))
		return;
	record->truncated = true;
	if (last > buf_len(list) || !is_list(list, last))
		last = 0;
	list->tail = list->head + last;
}

/* The name that was being told: its end is written from `name`. */
static void
check_helo(struct record *record)
{
	struct buf *list = &record->helo.text;

	if (!record->helo_open) {
		check_list(record, list, record->helo.last);
		return;
	}
	/* An open entry lacks its end, so it is read with one. */
	struct buf whole;
	struct json json;
	buf_init(&whole, RECORD_MAX);
	json_init(&json, &whole);
	buf_append(&whole, buf_slice(list));
	record_put_helo_end(&json, record);
	bool good = !json_failed(&json) && is_list(&whole, buf_len(&whole));
	buf_fini(&whole);
	if (good)
		return;
	record->helo_open = false;
	record->truncated = true;
	check_list(record, list, record->helo.last);
}

/* Members of an object, or none. */
static void
check_members(struct record *record, struct buf *members)
{
	struct buf text;

	buf_init(&text, RECORD_TLS_MAX + 2);
	bool good = buf_append(&text, SLICE("{")) &&
		    buf_append(&text, buf_slice(members)) &&
		    buf_append(&text, SLICE("}")) &&
		    json_text_is_valid(buf_slice(&text));
	buf_fini(&text);
	if (good)
		return;
	record->truncated = true;
	members->tail = members->head;
}

/* A copy that can be read. */
static struct record
checked(const struct record *from, const struct arena *arena)
{
	struct record record = *from;
	struct record_text *texts[] = {&record.greeting,
	    &record.server_greeting, &record.name.forwarded,
	    &record.name.server_reply, &record.name.reply,
	    &record.auth_mechanism, &record.auth_user, &record.message.from,
	    &record.message.reply, &record.message.message_id,
	    &record.message.refusal, &record.message.verdict};
	struct record_word *words[] = {&record.mode, &record.greeting_by,
	    &record.name.reply_by, &record.message.reply_by,
	    &record.message.refused_by, &record.tls[0], &record.tls[1],
	    &record.blind};
	struct buf *bufs[] = {&record.connect, &record.helo.text,
	    &record.offered, &record.masked, &record.auth, &record.mail.text,
	    &record.message.rcpt, &record.message.awaiting, &record.violations,
	    &record.notes, &record.verdict, &record.tls_more[0],
	    &record.tls_more[1]};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_text(arena, texts[i]);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i]->text[RECORD_WORD_MAX - 1] = '\0';
	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
		check_buf(arena, bufs[i]);
	record.start.mode = NULL;
	check_name(arena, &record.start.node);
	check_name(arena, &record.start.listener);
	check_name(arena, &record.start.policy_version);
	check_members(&record, &record.tls_more[0]);
	check_members(&record, &record.tls_more[1]);
	check_awaiting(&record.message.awaiting);
	check_helo(&record);
	check_list(&record, &record.offered, 0);
	check_list(&record, &record.masked, 0);
	check_list(&record, &record.auth, 0);
	check_list(&record, &record.mail.text, record.mail.last);
	check_list(&record, &record.message.rcpt, 0);
	check_list(&record, &record.violations, 0);
	check_list(&record, &record.notes, 0);
	if (!is_list(&record.connect, buf_len(&record.connect)))
		record.connect.tail = record.connect.head;
	record.start.ref[RECORD_REF] = '\0';
	if ((unsigned)record.phase >= RECORD_PHASE_COUNT)
		record.phase = RECORD_PHASE_COMMAND;
	return record;
}

bool
record_rescue(const struct record *from, const struct arena *arena,
    uint64_t mono_us, uint64_t seq, struct buf *out)
{
	struct record record = checked(from, arena);
	struct record_end end = {.code = "I-",
	    .reason = "worker_died",
	    .mono_us = mono_us > record.now_us ? mono_us : record.now_us};
	size_t mark = buf_len(out);

	if (!record_write(&record, &end, seq, out))
		return false;
	if (json_text_is_valid(slice_from(buf_slice(out), mark)))
		return true;
	/* What a rule said of an open message is text too. */
	buf_truncate(out, mark);
	record.mail_open = record.auth_open = record.helo_open = false;
	record.truncated = true;
	check_list(&record, &record.helo.text, record.helo.last);
	return record_write(&record, &end, seq, out) &&
	       json_text_is_valid(slice_from(buf_slice(out), mark));
}

unsigned
record_rescue_all(const struct arena *arena, uint64_t mono_us,
    uint64_t published, record_rescued_fn *take, void *arg)
{
	const struct arena_link *link = NULL;
	unsigned lost = 0, seq = 0;
	struct buf line;

	buf_init(&line, RECORD_MAX + 4096);
	while (
	    (link = arena_next(arena, link, sizeof(struct record))) != NULL) {
		const struct record *record =
		    (const struct record *)(const void *)link;
		/* Its line went before its place was given up. */
		if (record->goes_out && record->goes_out_at < published)
			continue;
		if (!record_rescue(record, arena, mono_us, ++seq, &line) ||
		    !take(arg, buf_slice(&line)))
			lost++;
		buf_clear(&line);
		if (seq > RECORD_RESCUE_MAX)
			break;
	}
	buf_fini(&line);
	return lost;
}
