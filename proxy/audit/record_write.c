/*
 * The lines of the log.  See record.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/record_private.h"

#include <assert.h>
#include <time.h>

static void
put_timestamp(struct json *json, uint64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	char text[40], whole[64];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(whole, sizeof(whole), "%s.%06u+0000", text,
	    (unsigned)(wall_us % 1000000));
	json_str(json, "timestamp", whole);
}

static void
put_endpoint(struct json *json, const char *ip_key, const char *port_key,
    const struct endpoint *endpoint)
{
	char text[ADDR_TEXT];

	json_str(json, ip_key, addr_format(&endpoint->addr, text));
	json_u64(json, port_key, endpoint->port);
}

/* Our own fields first, so that nothing a peer sent stands before them. */
static void
put_envelope(struct json *json, const struct record_start *start,
    const char *event, uint64_t wall_us, uint64_t seq)
{
	json_object_open(json, NULL);
	put_timestamp(json, wall_us);
	json_str(json, "event_type", event);
	json_str(json, "session", start->ref);
	json_u64(json, "seq", seq);
	json_bytes(json, "node", start->node);
	put_endpoint(json, "src_ip", "src_port", &start->client);
	put_endpoint(json, "dest_ip", "dest_port", &start->server);
	json_str(json, "proto", "TCP");
	json_bytes(json, "listener", start->listener);
	json_str(json, "mode", start->mode);
	json_str(json, "policy_version", start->policy_version);
	json_str(json, "program_version", EHLOGATE_VERSION);
}

static void
put_list(struct json *json, const char *key, const struct buf *list)
{
	json_array_open(json, key);
	if (buf_len(list) > 0)
		json_raw(json, NULL, buf_slice(list));
	json_array_close(json);
}

static void
put_close(struct json *json, const struct record_end *end)
{
	json_object_open(json, "close");
	json_str(json, "code", end->code);
	json_str(json, "reason", end->reason);
	if (end->error.len > 0)
		json_bytes(json, "error", slice_head(end->error, 256));
	json_object_close(json);
}

static void
put_octets(struct json *json, const struct record_end *end)
{
	json_object_open(json, "bytes");
	json_u64(json, "client_in", end->client_in);
	json_u64(json, "client_out", end->client_out);
	json_u64(json, "server_in", end->server_in);
	json_u64(json, "server_out", end->server_out);
	json_object_close(json);
}

static void
put_duration(
    struct json *json, const char *key, uint64_t from_us, uint64_t to_us)
{
	if (to_us == 0)
		json_null(json, key);
	else
		json_u64(json, key, to_us - from_us);
}

static void
put_durations(struct json *json, const struct record *record,
    const struct record_end *end)
{
	uint64_t start_us = record->start.mono_us;

	json_object_open(json, "durations_us");
	put_duration(json, "connect", start_us, record->connected_us);
	put_duration(json, "greeting",
	    record->connected_us == 0 ? start_us : record->connected_us,
	    record->greeted_us);
	put_duration(json, "total", start_us, end->mono_us);
	json_object_close(json);
}

static void
put_tls(struct json *json, const struct record *record)
{
	bool passed = record->blind != NULL &&
		      slice_eq(slice_str(record->blind), SLICE("starttls"));

	json_object_open(json, "tls");
	json_str(json, "client", passed ? "passed" : "none");
	json_str(json, "server", passed ? "passed" : "none");
	json_object_close(json);
	json_bool(json, "inspected", record->blind == NULL);
	if (record->blind != NULL)
		json_str(json, "uninspected_after", record->blind);
}

static void
put_upstream(struct json *json, const struct record *record)
{
	if (record->connected_us == 0) {
		json_null(json, "upstream");
		return;
	}
	json_object_open(json, "upstream");
	put_endpoint(json, "local_ip", "local_port", &record->local);
	json_object_close(json);
}

static void
put_greeting(struct json *json, const struct record *record)
{
	if (record->greeting.ptr == NULL) {
		json_null(json, "greeting");
		return;
	}
	json_bytes(json, "greeting",
	    slice_of(record->greeting.ptr, record->greeting.len));
	json_str(json, "greeting_by", record->greeting_by);
}

static void
put_capabilities(struct json *json, const struct record *record)
{
	json_object_open(json, "capabilities");
	put_list(json, "offered", &record->offered);
	put_list(json, "masked", &record->masked);
	json_object_close(json);
}

bool
record_write(const struct record *const_record, const struct record_end *end,
    uint64_t seq, struct buf *out)
{
	/* Closing what is open changes how it is kept, not what it says. */
	union {
		const struct record *in;
		struct record *out;
	} cast = {.in = const_record};
	struct record *record = cast.out;
	struct json json;
	size_t mark = buf_len(out);

	record_close_open(record);
	json_init(&json, out);
	put_envelope(&json, &record->start, "session",
	    record->start.wall_us + (end->mono_us - record->start.mono_us),
	    seq);
	put_close(&json, end);
	put_octets(&json, end);
	put_durations(&json, record, end);
	put_upstream(&json, record);
	put_tls(&json, record);
	json_u64(&json, "helo_count", record->helo_count);
	json_u64(&json, "message_count", record->message_count);
	json_u64(&json, "violation_count", record->violation_count);
	json_bool(&json, "truncated", record->truncated);
	put_list(&json, "notes", &record->notes);
	put_greeting(&json, record);
	if (buf_len(&record->connect) > 0)
		json_raw(&json, "connect", buf_slice(&record->connect));
	put_list(&json, "helo", &record->helo);
	put_capabilities(&json, record);
	put_list(&json, "auth", &record->auth);
	put_list(&json, "mail", &record->mail);
	put_list(&json, "violations", &record->violations);
	json_object_close(&json);
	if (json_failed(&json) || !buf_append(out, SLICE("\n"))) {
		buf_truncate(out, mark);
		return false;
	}
	return true;
}

bool
record_write_start(const struct record *record, uint64_t seq, struct buf *out)
{
	struct json json;
	size_t mark = buf_len(out);

	json_init(&json, out);
	put_envelope(
	    &json, &record->start, "start", record->start.wall_us, seq);
	json_object_close(&json);
	if (json_failed(&json) || !buf_append(out, SLICE("\n"))) {
		buf_truncate(out, mark);
		return false;
	}
	return true;
}

bool
record_write_daemon(struct slice node, uint64_t wall_us, const char *level,
    const char *role, const char *text, uint64_t seq, struct buf *out)
{
	struct json json;
	size_t mark = buf_len(out);

	json_init(&json, out);
	json_object_open(&json, NULL);
	put_timestamp(&json, wall_us);
	json_str(&json, "event_type", "daemon");
	json_u64(&json, "seq", seq);
	json_bytes(&json, "node", node);
	json_str(&json, "level", level);
	json_str(&json, "role", role);
	json_str(&json, "message", text);
	json_object_close(&json);
	if (json_failed(&json) || !buf_append(out, SLICE("\n"))) {
		buf_truncate(out, mark);
		return false;
	}
	return true;
}

/* --- references, queue ids --------------------------------------------------------- */

void
record_make_ref(
    uint64_t wall_ms, unsigned lane, unsigned count, char out[RECORD_REF + 1])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint64_t high = wall_ms & UINT64_C(0xffffffffffff);
	uint64_t low = (uint64_t)(lane & 0xfff) << 20 | (count & 0xfffff);

	/* 48 bits of time and 32 of the rest are sixteen digits of five. */
	for (int i = 15; i >= 0; i--) {
		out[i] = digits[low & 31];
		low = low >> 5 | (high & 31) << 27;
		high >>= 5;
	}
	out[RECORD_REF] = '\0';
}

static bool
is_id_char(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' ||
	       c == '_' || c == '@';
}

static struct slice
id_at(struct slice text, size_t at)
{
	size_t len = 0;

	text = slice_from(text, at);
	while (len < text.len && is_id_char(text.ptr[len]))
		len++;
	while (len > 0 && text.ptr[len - 1] == '.')
		len--;
	return slice_head(text, len);
}

static ptrdiff_t
find_nocase(struct slice text, struct slice word)
{
	for (size_t i = 0; i + word.len <= text.len; i++)
		if (slice_eq_nocase(slice_of(text.ptr + i, word.len), word))
			return (ptrdiff_t)i;
	return -1;
}

/* "250 2.0.0 ID Message accepted": the word after code and status. */
static struct slice
third_word(struct slice reply)
{
	for (unsigned word = 0; word < 2; word++) {
		ptrdiff_t blank = slice_find(reply, ' ');
		if (blank == -1)
			return SLICE("");
		reply = slice_from(reply, (size_t)blank + 1);
	}
	return id_at(reply, 0);
}

struct slice
record_queue_id(struct slice reply)
{
	static const char *const before[] = {"queued as ",
	    "ok id=", "[internalid=", "queued for delivery as ", " qp ",
	    "queue-id="};

	if (reply.len == 0 || reply.ptr[0] != '2')
		return SLICE("");
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		struct slice word = slice_str(before[i]);
		ptrdiff_t at = find_nocase(reply, word);
		if (at != -1)
			return id_at(reply, (size_t)at + word.len);
	}
	if (find_nocase(reply, SLICE(" message accepted for delivery")) != -1)
		return third_word(reply);
	return SLICE("");
}
