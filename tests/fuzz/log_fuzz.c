/*
 * libFuzzer: any bytes as a line of the log.  The oracle is jansson: what the
 * scanner takes is JSON, and its fields are those that jansson finds; and
 * what jansson writes anew the scanner takes, with the same fields.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/log_scan.h"
#include "tests/unit/json_decode.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct log_room room;

static const json_t *
field(const json_t *object, const char *key, json_type type)
{
	const json_t *value = json_object_get(object, key);

	return value != NULL && json_typeof(value) == type ? value : NULL;
}

static void
same_value(struct slice got, const json_t *want)
{
	if (want == NULL) {
		assert(got.ptr == NULL);
		return;
	}
	size_t len = json_string_length(want);
	const char *value = json_string_value(want);
	char *text = malloc(len + 1);
	memcpy(text, value, len);
	if (decode_bytes(text, &len))
		assert(slice_eq(got, slice_of(text, len)));
	else
		assert(
		    slice_eq(got, slice_of(value, json_string_length(want))));
	free(text);
}

static void
same_text(struct slice got, const json_t *object, const char *key)
{
	same_value(got, field(object, key, JSON_STRING));
}

static void
same_number(int64_t got, const json_t *object, const char *key)
{
	const json_t *want = field(object, key, JSON_INTEGER);
	int64_t value = want == NULL ? -1 : json_integer_value(want);

	/* More digits than the scanner reads count as none. */
	if (value < 1000000000000000000 && value > -1000000000000000000)
		assert(got == value);
}

static void
same_truth(enum log_truth got, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert((got == LOG_TRUE) == json_is_true(value));
	assert((got == LOG_FALSE) == json_is_false(value));
}

static void
same_verdict(const struct log_verdict *got, const json_t *object)
{
	same_text(got->verdict, object, "verdict");
	same_text(got->would, object, "would");
	same_text(got->rule, object, "rule");
	same_text(got->would_rule, object, "would_rule");
}

/* The objects of a list: one at a time; NULL: no more. */
static const json_t *
next_object(const json_t *list, size_t *at)
{
	while (*at < json_array_size(list)) {
		const json_t *item = json_array_get(list, (*at)++);
		if (json_is_object(item))
			return item;
	}
	return NULL;
}

static void
same_list(const struct log_session *got, const struct log_fact *fact,
    const json_t *want)
{
	unsigned count = 0;

	assert(fact->word.ptr == NULL);
	for (size_t i = 0; i < json_array_size(want); i++) {
		const json_t *item = json_array_get(want, i);
		if (!json_is_string(item))
			continue;
		assert(count < fact->texts.count);
		same_value(got->texts[fact->texts.first + count++], item);
	}
	assert(count == fact->texts.count);
}

static void
same_fact(const struct log_session *got, const struct log_fact *fact,
    const json_t *want)
{
	if (json_is_string(want))
		same_value(fact->word, want);
	else
		same_list(got, fact, want);
}

static bool
undoes(const char *key, struct slice got)
{
	json_t *text = json_string(key);

	same_value(got, text);
	json_decref(text);
	return true;
}

/* Facts stand in the order of the text; so do jansson's keys. */
static void
same_facts(
    const struct log_session *got, struct log_range range, json_t *object)
{
	json_t *dns = json_object_get(object, "dns"), *value, *answers;
	unsigned at = range.first;
	const char *key, *zone;

	json_object_foreach(dns, key, value)
	{
		if (json_is_string(value) || json_is_array(value)) {
			assert(at < range.first + range.count);
			assert(undoes(key, got->facts[at].fact));
			same_fact(got, &got->facts[at++], value);
		}
		if (!json_is_object(value))
			continue;
		json_object_foreach(value, zone, answers)
		{
			assert(at < range.first + range.count);
			assert(undoes(key, got->facts[at].fact));
			assert(undoes(zone, got->facts[at].zone));
			same_fact(got, &got->facts[at++], answers);
		}
	}
	assert(at == range.first + range.count);
}

static void
same_helos(const struct log_session *got, const json_t *root)
{
	const json_t *list = field(root, "helo", JSON_ARRAY);
	json_t *item;
	unsigned count = 0;
	size_t at = 0;

	while ((item = (json_t *)next_object(list, &at)) != NULL) {
		assert(count < got->helo_listed);
		const struct log_helo *helo = &got->helos[count++];
		same_verdict(&helo->verdict, item);
		same_text(helo->verb, item, "verb");
		same_text(helo->received, item, "received");
		same_text(helo->forwarded, item, "forwarded");
		same_text(helo->server_reply, item, "server_reply");
		same_text(helo->reply, item, "reply");
		same_text(helo->reply_by, item, "reply_by");
		same_truth(helo->fallback, item, "fallback");
		same_truth(helo->tls, item, "tls");
		same_facts(got, helo->dns, item);
	}
	assert(count == got->helo_listed);
}

static void
same_mails(const struct log_session *got, const json_t *root)
{
	const json_t *list = field(root, "mail", JSON_ARRAY), *item, *to;
	unsigned count = 0;
	size_t at = 0;

	while ((item = next_object(list, &at)) != NULL) {
		assert(count < got->mail_listed);
		const struct log_mail *mail = &got->mails[count++];
		unsigned rcpt = 0;
		size_t rcpt_at = 0;
		same_verdict(&mail->verdict, item);
		same_text(mail->from, item, "from");
		same_number(mail->declared_size, item, "declared_size");
		same_number(mail->rcpt_total, item, "rcpt_count");
		same_truth(mail->utf8, item, "utf8");
		while ((to = next_object(field(item, "rcpt", JSON_ARRAY),
			    &rcpt_at)) != NULL) {
			assert(rcpt < mail->rcpt.count);
			const struct log_rcpt *got_to =
			    &got->rcpts[mail->rcpt.first + rcpt++];
			same_verdict(&got_to->verdict, to);
			same_text(got_to->to, to, "to");
		}
		assert(rcpt == mail->rcpt.count);
	}
	assert(count == got->mail_listed);
}

static void
same_auths(const struct log_session *got, const json_t *root)
{
	const json_t *list = field(root, "auth", JSON_ARRAY), *item;
	unsigned count = 0;
	size_t at = 0;

	while ((item = next_object(list, &at)) != NULL) {
		assert(count < got->auth_listed);
		same_text(got->auths[count].result, item, "result");
		same_text(got->auths[count++].user, item, "user");
	}
	assert(count == got->auth_listed);
}

static void
same(const struct log_session *got, const json_t *root)
{
	json_t *connect = json_object_get(root, "connect");

	same_text(got->event_type, root, "event_type");
	same_text(got->ref, root, "session");
	same_text(got->src_ip, root, "src_ip");
	same_text(got->dest_ip, root, "dest_ip");
	same_text(got->listener, root, "listener");
	same_text(got->uninspected_after, root, "uninspected_after");
	same_number(got->src_port, root, "src_port");
	same_number(got->dest_port, root, "dest_port");
	same_number(got->helo_count, root, "helo_count");
	same_truth(got->truncated, root, "truncated");
	same_text(got->tls_client, field(root, "tls", JSON_OBJECT), "client");
	assert(got->has_connect == json_is_object(connect));
	if (got->has_connect) {
		same_verdict(&got->connect.verdict, connect);
		same_facts(got, got->connect.dns, connect);
	}
	same_helos(got, root);
	same_mails(got, root);
	same_auths(got, root);
}

static unsigned
depth_of(json_t *value)
{
	unsigned most = 0, depth;
	const char *key;
	json_t *item;
	size_t i;

	json_object_foreach(value, key, item)
	{
		depth = depth_of(item);
		most = depth > most ? depth : most;
	}
	json_array_foreach(value, i, item)
	{
		depth = depth_of(item);
		most = depth > most ? depth : most;
	}
	return most + (json_is_object(value) || json_is_array(value));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice line = slice_of((const char *)data, size);
	struct log_session session;
	json_error_t error;

	json_t *root = json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, &error);
	if (log_scan(line, false, &room, &session)) {
		assert(json_is_object(root));
		same(&session, root);
	}
	if (json_is_object(root)) {
		char *plain = json_dumps(root, JSON_COMPACT);
		bool taken = log_scan(slice_str(plain), true, &room, &session);
		assert(taken || depth_of(root) > SCAN_DEPTH_MAX);
		if (taken)
			same(&session, root);
		free(plain);
	}
	json_decref(root);
	return 0;
}
