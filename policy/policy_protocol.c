/*
 * `protocol` and `timeouts`: how strict the conversation is read, and how long
 * it may wait.
 *
 * Of several files the one that includes the others speaks first; deadlines
 * are the shortest that any of them says.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_private.h"

#include <stdio.h>

/* A word of two, once.  `*said` is set when one was. */
static int
read_choice(const struct reader *reader, const struct yaml_node *map,
    const char *key, const char *const words[2], bool *said)
{
	const struct yaml_node *node = yaml_get(map, key);
	char what[40];

	if (node == NULL || *said)
		return -1;
	*said = true;
	snprintf(what, sizeof(what), "`%s`", key);
	return reader_word(reader, node, what, words, 2);
}

/* The text behind 220, said before anything is known but who connects. */
static void
read_banner(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	static const char *const late[] = {"{helo}", "{client.ptr}", "{rule}"};
	struct slice text = {NULL, 0};

	policy_read_template(reader, node, &text);
	if (text.ptr == NULL)
		return; /* it has been said why */
	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
		if (memmem(text.ptr, text.len, late[i], strlen(late[i])) !=
		    NULL) {
			reader_error(reader, "P057", node, NULL,
			    "a `banner` knows {client}, {server} and {ref}, "
			    "not `%s`",
			    late[i]);
			return;
		}
	policy->protocol.banner = text;
}

void
policy_read_protocol(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	static const char *const newlines[] = {"normalize", "reject"};
	static const char *const talkers[] = {"reject", "log"};
	static const char *const groups[] = {"reject", "hold"};
	const struct yaml_node *banner = yaml_get(node, "banner");
	struct policy_protocol *out = &policy->protocol;
	int word;

	if (reader_map(reader, node, "`protocol`") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_PROTOCOL, "`protocol`");
	word = read_choice(
	    reader, node, "bare_newline", newlines, &policy->said.bare_newline);
	if (word != -1)
		out->reject_bare_newline = word == 1;
	word = read_choice(
	    reader, node, "early_talker", talkers, &policy->said.early_talker);
	if (word != -1)
		out->log_early_talker = word == 1;
	word = read_choice(
	    reader, node, "pipelining", groups, &policy->said.pipelining);
	if (word != -1)
		out->pipelining = word == 0 ? POLICY_PIPELINING_REJECT
					    : POLICY_PIPELINING_HOLD;
	if (banner != NULL && out->banner.len == 0)
		read_banner(policy, reader, banner);
}

static void
read_timeout(const struct reader *reader, const struct yaml_node *map,
    const char *key, uint32_t *out)
{
	uint32_t ms;

	if (reader_timeout(reader, map, key, "P089", &ms) &&
	    (*out == 0 || ms < *out))
		*out = ms;
}

void
policy_read_timeouts(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	struct policy_timeouts *out = &policy->timeouts;
	const struct yaml_node *end = yaml_get(node, "data_end");
	uint64_t ms;

	if (reader_map(reader, node, "`timeouts`") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_DEADLINES, "`timeouts`");
	read_timeout(reader, node, "greeting", &out->greeting);
	read_timeout(reader, node, "command", &out->command);
	read_timeout(reader, node, "data_block", &out->data_block);
	read_timeout(reader, node, "data_end", &out->data_end);
	read_timeout(reader, node, "connect", &out->connect);
	if (end != NULL && yaml_duration(end, &ms) && ms > 0 && ms < 600000)
		reader_warn(reader, "P112", end, NULL,
		    "under ten minutes: a message that the server takes later "
		    "is sent twice (RFC 5321 4.5.3.2.6)");
}

const struct policy_protocol *
policy_protocol(const struct policy *policy)
{
	return &policy->protocol;
}

const struct policy_timeouts *
policy_timeouts(const struct policy *policy)
{
	return &policy->timeouts;
}

size_t
policy_banner(const struct policy *policy, const struct policy_facts *facts,
    char out[POLICY_REPLY_MAX])
{
	static const struct policy_rule_id none = {.line = 0};
	struct slice template = policy->protocol.banner;

	if (template.len == 0 || policy->monitor)
		return 0;
	memcpy(out, "220 ", 4);
	return 4 + policy_expand(
		       template, facts, &none, out + 4, POLICY_REPLY_MAX - 4);
}
