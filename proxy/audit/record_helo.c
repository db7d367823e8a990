/*
 * The record's verdicts, greetings of the client, and what the server offers.
 * See record.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/record_private.h"

#include <stdio.h>

/* --- verdicts ------------------------------------------------------------- */

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

void
record_envelope_verdict(
    struct record *record, const struct policy_verdict *verdict)
{
	struct json json;

	buf_clear(&record->verdict);
	json_init(&json, &record->verdict);
	put_verdict(&json, verdict);
	if (json_failed(&json))
		buf_clear(&record->verdict);
}

void
record_connect_verdict(struct record *record,
    const struct policy_verdict *verdict, const struct lookup *lookup,
    uint64_t dns_us)
{
	struct json json;

	buf_clear(&record->connect);
	json_init(&json, &record->connect);
	json_object_open(&json, NULL);
	put_verdict(&json, verdict);
	record_put_dns(&json, lookup, dns_us);
	json_object_close(&json);
	record_element_end(record, &json, &record->connect, 0);
}

/* --- names -------------------------------------------------------------------- */

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

void
record_put_helo_end(struct json *json, const struct record *record)
{
	record_put_text(json, "forwarded", &record->name.forwarded);
	put_repairs(json, record->name.repairs);
	record_put_text(json, "server_reply", &record->name.server_reply);
	record_put_text(json, "reply", &record->name.reply);
	record_put_word(json, "reply_by", &record->name.reply_by);
	json_object_close(json);
}

/* Writes the open entry's last fields, which are known only now. */
static void
close_helo(struct record *record)
{
	struct json json;

	if (!record->helo_open)
		return;
	record->helo_open = false;
	json_init(&json, &record->helo.text);
	json.comma = true;
	record_put_helo_end(&json, record);
	record_entry_end(record, &json, &record->helo);
	record_clear_text(record, &record->name.forwarded);
	record_clear_text(record, &record->name.server_reply);
	record_clear_text(record, &record->name.reply);
	record_set_word(&record->name.reply_by, NULL);
}

static void
put_helo(
    struct record *record, struct json *json, const struct record_helo *helo)
{
	json_object_open(json, NULL);
	json_str(
	    json, "verb", helo->verb == POLICY_VERB_EHLO ? "EHLO" : "HELO");
	put_verdict(json, helo->verdict);
	if (helo->verdict->at != POLICY_AT_ONCE)
		json_str(json, "at",
		    helo->verdict->at == POLICY_AT_MAIL ? "mail" : "rcpt");
	record_put_dns(json, helo->lookup, helo->dns_us);
	json_str(json, "form", helo_form_name(helo->judged.form));
	json_bool(json, "valid", helo->judged.valid);
	put_flaws(json, helo->judged.flaws);
	put_refused_by(json, helo->judged.refused_by);
	json_bool(json, "fallback", helo->fallback);
	json_bool(json, "tls_lost", helo->tls_lost);
	json_bool(json, "tls", helo->tls);
	record_put_capped(record, json, "received", helo->received);
}

void
record_helo(struct record *record, const struct record_helo *helo)
{
	struct json json;

	close_helo(record);
	record->helo_count++;
	record_entry(record, &json, &record->helo);
	put_helo(record, &json, helo);
	record->helo_open = record_entry_end(record, &json, &record->helo);
	if (!record->helo_open)
		return;
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
	record_set_word(&record->name.reply_by, by);
	close_helo(record);
}

/* --- capabilities --------------------------------------------------------- */

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
	if (keyword.len > RECORD_KEYWORD_MAX)
		record->truncated = true;
	record_element(&json, list, &mark);
	json_bytes(&json, NULL, slice_head(keyword, RECORD_KEYWORD_MAX));
	record_element_end(record, &json, list, mark);
}
