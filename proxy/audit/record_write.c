/*
 * The lines of the log.  See record.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/record_private.h"

#include <time.h>

/* `digits` decimal digits of `value`; where the text goes on. */
static char *
put_digits(char *to, unsigned value, unsigned digits)
{
	for (unsigned i = digits; i > 0; i--) {
		to[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
	return to + digits;
}

/* 2026-01-31T12:00:00.000001+0000, as Suricata's EVE log has it.  Two of them
 * are in every record: strftime and snprintf would take a tenth of its time. */
static void
put_time(struct json *json, const char *key, uint64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	char text[40];

	gmtime_r(&seconds, &tm);
	const struct {
		unsigned value, digits;
		char after;
	} parts[] = {
	    {(unsigned)tm.tm_year + 1900, 4, '-'},
	    {(unsigned)tm.tm_mon + 1, 2, '-'},
	    {(unsigned)tm.tm_mday, 2, 'T'},
	    {(unsigned)tm.tm_hour, 2, ':'},
	    {(unsigned)tm.tm_min, 2, ':'},
	    {(unsigned)tm.tm_sec, 2, '.'},
	    {(unsigned)(wall_us % 1000000), 6, '+'},
	    {0, 4, '\0'},
	};
	char *to = text;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		to = put_digits(to, parts[i].value, parts[i].digits);
		*to++ = parts[i].after;
	}
	json_str(json, key, text);
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
put_envelope(struct json *json, const struct record *record, const char *event,
    uint64_t wall_us, uint64_t seq)
{
	const struct record_start *start = &record->start;

	json_object_open(json, NULL);
	put_time(json, "timestamp", wall_us);
	json_str(json, "event_type", event);
	json_str(json, "session", start->ref);
	json_u64(json, "seq", seq);
	json_bytes(json, "node", start->node);
	put_endpoint(json, "src_ip", "src_port", &start->client);
	put_endpoint(json, "dest_ip", "dest_port", &start->server);
	json_str(json, "proto", "TCP");
	json_bytes(json, "listener", start->listener);
	record_put_word(json, "mode", &record->mode);
	json_bytes(json, "policy_version", start->policy_version);
	json_str(json, "program_version", EHLOGATE_VERSION);
}

/* Ends a line; false: it did not fit and is taken back. */
static bool
end_line(struct json *json, struct buf *out, size_t mark)
{
	json_object_close(json);
	if (!json_failed(json) && buf_append(out, SLICE("\n")))
		return true;
	buf_truncate(out, mark);
	return false;
}

/* --- parts of a session --------------------------------------------------- */

static void
put_close(struct json *json, const struct record_end *end)
{
	json_object_open(json, "close");
	json_str(json, "code", end->code);
	json_str(json, "reason", end->reason);
	if (end->error.len > 0)
		json_bytes(
		    json, "error", slice_head(end->error, RECORD_DETAIL_MAX));
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

static uint64_t
elapsed_us(const struct record *record, const struct record_end *end)
{
	return end->mono_us > record->start.mono_us
		   ? end->mono_us - record->start.mono_us
		   : 0;
}

/* The phases add up to the total. */
static void
put_durations(struct json *json, const struct record *record,
    const struct record_end *end)
{
	static const char *const names[] = {
#define PHASE_NAME(id, name) name,
	    RECORD_PHASES(PHASE_NAME)
#undef PHASE_NAME
	};

	json_object_open(json, "durations_us");
	for (unsigned i = 0; i < RECORD_PHASE_COUNT; i++) {
		uint64_t us = record->phase_us[i];
		if (i == record->phase && end->mono_us > record->now_us)
			us += end->mono_us - record->now_us;
		json_u64(json, names[i], us);
	}
	json_u64(json, "total", elapsed_us(record, end));
	json_object_close(json);
}

static void
put_tls(struct json *json, const struct record *record)
{
	const char *leg = "none";

	/* STARTTLS that was passed on is the same handshake for both. */
	if (record_has_word(&record->blind))
		leg = strcmp(record->blind.text, "starttls") == 0 ? "passed"
								  : "unseen";
	json_object_open(json, "tls");
	for (unsigned i = 0; i < 2; i++)
		json_str(json, i == 0 ? "client" : "server",
		    record_has_word(&record->tls[i]) ? record->tls[i].text
						     : leg);
	for (unsigned i = 0; i < 2; i++)
		if (buf_len(&record->tls_more[i]) > 0)
			json_raw(json, NULL, buf_slice(&record->tls_more[i]));
	json_object_close(json);
	json_bool(json, "inspected", !record_has_word(&record->blind));
	if (record_has_word(&record->blind))
		json_str(json, "uninspected_after", record->blind.text);
}

static void
put_upstream(struct json *json, const struct record *record)
{
	if (!record->connected) {
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
	record_put_text(json, "greeting", &record->greeting);
	record_put_word(json, "greeting_by", &record->greeting_by);
	if (record->server_greeting.ptr != NULL)
		record_put_text(
		    json, "server_greeting", &record->server_greeting);
}

static void
put_helos(struct json *json, const struct record *record)
{
	json_array_open(json, "helo");
	if (buf_len(&record->helo.text) > 0)
		json_raw(json, NULL, buf_slice(&record->helo.text));
	if (record->helo_open)
		record_put_helo_end(json, record);
	json_array_close(json);
}

static void
put_auths(struct json *json, const struct record *record)
{
	json_array_open(json, "auth");
	if (buf_len(&record->auth) > 0)
		json_raw(json, NULL, buf_slice(&record->auth));
	if (record->auth_open)
		record_put_auth_open(json, record);
	json_array_close(json);
}

static void
put_mails(struct json *json, const struct record *record)
{
	json_array_open(json, "mail");
	if (buf_len(&record->mail.text) > 0)
		json_raw(json, NULL, buf_slice(&record->mail.text));
	if (record->mail_open) {
		record_put_message(json, record, true);
		json_null(json, "reply");
		json_object_close(json);
	}
	json_array_close(json);
}

static void
put_capabilities(struct json *json, const struct record *record)
{
	json_object_open(json, "capabilities");
	record_put_list(json, "offered", &record->offered);
	record_put_list(json, "masked", &record->masked);
	json_object_close(json);
}

/* What peers said. */
static void
put_lists(struct json *json, const struct record *record)
{
	put_greeting(json, record);
	put_helos(json, record);
	put_capabilities(json, record);
	put_auths(json, record);
	put_mails(json, record);
	record_put_list(json, "violations", &record->violations);
}

/* In place of put_lists where there is no room for them. */
static void
put_no_lists(struct json *json)
{
	static const char *const lists[] = {
	    "helo", "auth", "mail", "violations"};

	json_null(json, "greeting");
	json_null(json, "greeting_by");
	json_object_open(json, "capabilities");
	json_array_open(json, "offered");
	json_array_close(json);
	json_array_open(json, "masked");
	json_array_close(json);
	json_object_close(json);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		json_array_open(json, lists[i]);
		json_array_close(json);
	}
}

/* --- lines ---------------------------------------------------------------- */

static bool
write_session(const struct record *record, const struct record_end *end,
    uint64_t seq, struct buf *out, bool lists)
{
	struct json json;
	size_t mark = buf_len(out);
	bool truncated =
	    record->truncated || !lists || end->error.len > RECORD_DETAIL_MAX;

	json_init(&json, out);
	put_envelope(&json, record, "session",
	    record->start.wall_us + elapsed_us(record, end), seq);
	put_time(&json, "started", record->start.wall_us);
	if (record->start.client_sessions > 0) {
		json_u64(
		    &json, "client_sessions", record->start.client_sessions);
		json_u64(&json, "client_rate", record->start.client_rate);
	}
	put_durations(&json, record, end);
	put_octets(&json, end);
	put_upstream(&json, record);
	put_tls(&json, record);
	json_u64(&json, "helo_count", record->helo_count);
	json_u64(&json, "message_count", record->message_count);
	json_u64(&json, "violation_count", record->violation_count);
	json_bool(&json, "truncated", truncated);
	record_put_list(&json, "notes", &record->notes);
	put_close(&json, end);
	if (buf_len(&record->connect) > 0)
		json_raw(&json, "connect", buf_slice(&record->connect));
	if (lists)
		put_lists(&json, record);
	else
		put_no_lists(&json);
	return end_line(&json, out, mark);
}

bool
record_write(const struct record *record, const struct record_end *end,
    uint64_t seq, struct buf *out)
{
	return write_session(record, end, seq, out, true) ||
	       write_session(record, end, seq, out, false);
}

bool
record_write_start(const struct record *record, uint64_t seq, struct buf *out)
{
	struct json json;
	size_t mark = buf_len(out);

	json_init(&json, out);
	put_envelope(&json, record, "start", record->start.wall_us, seq);
	return end_line(&json, out, mark);
}

bool
record_write_ban(const struct record *record, const struct policy_rule_id *rule,
    uint32_t seconds, uint64_t wall_us, uint64_t seq, struct buf *out)
{
	struct json json;
	size_t mark = buf_len(out);

	json_init(&json, out);
	put_envelope(&json, record, "ban", wall_us, seq);
	json_u64(&json, "seconds", seconds);
	record_put_rule(&json, "rule", rule);
	return end_line(&json, out, mark);
}

bool
record_write_daemon(struct slice node, uint64_t wall_us, const char *level,
    const char *role, const char *text, uint64_t seq, struct buf *out)
{
	struct json json;
	size_t mark = buf_len(out);

	json_init(&json, out);
	json_object_open(&json, NULL);
	put_time(&json, "timestamp", wall_us);
	json_str(&json, "event_type", "daemon");
	json_u64(&json, "seq", seq);
	json_bytes(&json, "node", node);
	json_str(&json, "level", level);
	json_str(&json, "role", role);
	json_str(&json, "message", text);
	return end_line(&json, out, mark);
}
