/*
 * `limits` and `commands`: how much of what, and which verbs.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "policy/policy_private.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	ERRORS_DEFAULT = 20,
	/* As Postfix's smtpd_junk_command_limit. */
	JUNK_DEFAULT = 100,
	/* Octets a second: an old modem's line is ten times as fast. */
	DATA_RATE_DEFAULT = 100,
	COUNT_MAX = 1000000
};

/* --- limits ----------------------------------------------------------------------- */

static void
read_count(const struct reader *reader, const struct yaml_node *map,
    const char *key, unsigned *out)
{
	const struct yaml_node *node = yaml_get(map, key);
	uint64_t number;

	if (node == NULL)
		return;
	if (!yaml_u64(node, &number) || number == 0 || number > COUNT_MAX)
		reader_error(reader, "P086", node, NULL,
		    "`%s` takes a number from 1 to %d%s", key, (int)COUNT_MAX,
		    reader_unquote(node));
	else
		*out = (unsigned)number;
}

void
policy_read_rate(const struct reader *reader, const struct yaml_node *node,
    const char *code, struct policy_rate *out)
{
	uint64_t count, ms;

	if (!yaml_rate(node, &count, &ms) || count == 0 || count > 60000 ||
	    ms < 1000 || ms > 3600000)
		reader_error(reader, code, node, NULL,
		    "`rate_per_client` takes a number to 60000 and a time "
		    "from 1s to 1h, as in 60/1m%s",
		    reader_unquote(node));
	else
		*out = (struct policy_rate){(unsigned)count, (uint32_t)ms};
}

static void
read_size(
    const struct reader *reader, const struct yaml_node *map, uint64_t *out)
{
	const struct yaml_node *node = yaml_get(map, "size");

	if (node != NULL && (!yaml_size(node, out) || *out < 65536))
		reader_error(reader, "P086", node, NULL,
		    "`size` takes octets, at least 64K (RFC 5321 4.5.3.1.7), "
		    "as in 50M%s",
		    reader_unquote(node));
}

/* A limit is asked for in the middle of a session: nothing waits for DNS
 * there. */
static void
refuse_lookups(const struct reader *reader, const struct clause *clause)
{
	for (unsigned i = 0; i < clause->count; i++)
		if (clause->conditions[i].lookup)
			reader_error(reader, "P087", clause->conditions[i].key,
			    NULL, "what DNS says cannot choose a limit");
}

/* What is counted per client is decided when it connects. */
static enum policy_stage
stage_of(const struct yaml_node *map)
{
	return yaml_get(map, "sessions_per_client") != NULL ||
		       yaml_get(map, "rate_per_client") != NULL
		   ? POLICY_STAGE_CONNECT
		   : POLICY_STAGE_MAIL;
}

static void
read_limit(struct policy *policy, const struct reader *reader,
    const struct yaml_node *map)
{
	struct limit *limit = &policy->limits[policy->limit_count];
	const struct yaml_node *when = yaml_get(map, "when");
	const struct yaml_node *rate = yaml_get(map, "rate_per_client");

	*limit = (struct limit){.errors = 0};
	if (reader_map(reader, map, "`limits`") == NULL)
		return;
	policy->limit_count++;
	reader_check_keys(reader, map, SECTION_LIMIT, "`limits`");
	if (when != NULL) {
		policy_read_when(
		    policy, reader, when, stage_of(map), &limit->when);
		refuse_lookups(reader, &limit->when.all);
		for (unsigned i = 0; i < limit->when.any_count; i++)
			refuse_lookups(reader, &limit->when.any[i]);
	}
	read_count(reader, map, "errors", &limit->errors);
	read_count(reader, map, "recipients", &limit->recipients);
	read_count(reader, map, "messages", &limit->messages);
	read_count(reader, map, "junk", &limit->junk);
	read_count(reader, map, "commands", &limit->commands);
	read_count(reader, map, "data_rate", &limit->data_rate);
	read_count(
	    reader, map, "sessions_per_client", &limit->sessions_per_client);
	if (rate != NULL)
		policy_read_rate(reader, rate, "P086", &limit->rate);
	read_size(reader, map, &limit->size);
	/* RFC 5321 4.5.3.1.8: a server must take 100 recipients. */
	if (limit->recipients > 0 && limit->recipients < 100)
		reader_warn(reader, "P107", yaml_get(map, "recipients"), NULL,
		    "fewer than 100 recipients: RFC 5321 4.5.3.1.8 has a "
		    "server take 100");
}

void
policy_read_limits(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	unsigned count = node->kind == YAML_LIST ? node->count : 1;

	policy->limits = realloc(policy->limits,
	    (policy->limit_count + count + 1) * sizeof(struct limit));
	if (policy->limits == NULL)
		log_fatal("no memory while reading a file");
	if (node->kind != YAML_LIST) {
		read_limit(policy, reader, node);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		read_limit(policy, reader, node->items[i]);
}

/* The first who names the limit gives it. */
static void
take(unsigned *out, unsigned limit)
{
	if (*out == 0)
		*out = limit;
}

void
policy_limits(const struct policy *policy, const struct policy_facts *facts,
    struct policy_limits *out)
{
	const struct condition *because;

	*out = (struct policy_limits){.monitor = policy->monitor};
	for (unsigned i = 0; i < policy->limit_count; i++) {
		const struct limit *limit = &policy->limits[i];
		if (policy_matches(&limit->when, facts, &because) != TRUTH_YES)
			continue;
		take(&out->errors, limit->errors);
		take(&out->recipients, limit->recipients);
		take(&out->messages, limit->messages);
		take(&out->junk, limit->junk);
		take(&out->commands, limit->commands);
		take(&out->data_rate, limit->data_rate);
		take(&out->sessions_per_client, limit->sessions_per_client);
		if (out->rate_per_client.count == 0)
			out->rate_per_client = limit->rate;
		if (out->size == 0)
			out->size = limit->size;
	}
	take(&out->errors, ERRORS_DEFAULT);
	take(&out->junk, JUNK_DEFAULT);
	take(&out->data_rate, DATA_RATE_DEFAULT);
}

bool
policy_rate_at(const struct policy *policy, unsigned i, struct policy_rate *out)
{
	for (unsigned k = 0; k < policy->limit_count; k++)
		if (policy->limits[k].rate.count > 0 && i-- == 0) {
			*out = policy->limits[k].rate;
			return true;
		}
	return false;
}

/* --- commands --------------------------------------------------------------------- */

/* What may be denied: not what a session cannot do without. */
static const char *const verbs[] = {"HELO", "EHLO", "MAIL", "RCPT", "DATA",
    "AUTH", "STARTTLS", "VRFY", "EXPN", "HELP", "NOOP", "ETRN"};

enum {
	VERBS = sizeof(verbs) / sizeof(verbs[0])
};

static struct command_rule *
command_of(struct policy *policy, const char *verb)
{
	struct command_rule *command;

	for (unsigned i = 0; i < policy->command_count; i++)
		if (slice_eq(policy->commands[i].verb, slice_str(verb)))
			return &policy->commands[i];
	command = &policy->commands[policy->command_count++];
	*command = (struct command_rule){.verb = slice_str(verb)};
	return command;
}

static void
read_deny(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "`deny`", &one, &count);

	for (unsigned i = 0; items != NULL && i < count; i++) {
		int at = reader_word(reader, items[i], "a verb", verbs, VERBS);
		if (at != -1)
			command_of(policy, verbs[at])->denied = true;
	}
}

static void
read_require(struct policy *policy, const struct reader *reader,
    const char *verb, const struct yaml_node *map)
{
	static const char *const words[] = {"tls", "auth"};
	const struct yaml_node *require = yaml_get(map, "require");
	struct command_rule *command = command_of(policy, verb);
	struct yaml_node *one;
	unsigned count;

	if (reader_map(reader, map, "a verb of `commands`") == NULL)
		return;
	reader_check_keys(reader, map, SECTION_COMMAND, "a verb of `commands`");
	if (require == NULL)
		return;
	struct yaml_node *const *items =
	    reader_scalars(reader, require, "`require`", &one, &count);
	for (unsigned i = 0; items != NULL && i < count; i++) {
		int at = reader_word(reader, items[i], "`require`", words, 2);
		command->needs_tls |= at == 0;
		command->needs_auth |= at == 1;
	}
	if (command->needs_auth &&
	    (slice_eq(command->verb, SLICE("HELO")) ||
		slice_eq(command->verb, SLICE("EHLO")) ||
		slice_eq(command->verb, SLICE("AUTH")) ||
		slice_eq(command->verb, SLICE("STARTTLS"))))
		reader_error(reader, "P088", require, NULL,
		    "%s comes before AUTH: it cannot require it", verb);
}

void
policy_read_commands(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	if (reader_map(reader, node, "`commands`") == NULL)
		return;
	if (policy->commands == NULL)
		policy->commands =
		    policy_alloc(VERBS, sizeof(struct command_rule));
	for (unsigned i = 0; i < node->count; i++) {
		if (yaml_is(node->keys[i], "deny")) {
			read_deny(policy, reader, node->items[i]);
			continue;
		}
		int at =
		    reader_word(reader, node->keys[i], "a verb", verbs, VERBS);
		if (at != -1)
			read_require(policy, reader, verbs[at], node->items[i]);
	}
}

bool
policy_has_command(const struct policy *policy, struct slice verb)
{
	for (unsigned i = 0; i < policy->command_count; i++)
		if (slice_eq(policy->commands[i].verb, verb))
			return true;
	return false;
}

bool
policy_has_limits(const struct policy *policy)
{
	return policy->limit_count > 0;
}

static void
say(struct policy_reply *reply, const struct policy_facts *facts,
    const char *text)
{
	int len = snprintf(reply->text, sizeof(reply->text), "%s [ref %.*s]",
	    text, SLICE_FMT(slice_head(facts->ref, 16)));

	reply->len = (size_t)len;
}

enum policy_permit
policy_command(const struct policy *policy, struct slice verb,
    const struct policy_facts *facts, struct policy_reply *reply)
{
	const struct command_rule *command = NULL;

	for (unsigned i = 0; i < policy->command_count; i++)
		if (slice_eq(policy->commands[i].verb, verb))
			command = &policy->commands[i];
	if (command == NULL)
		return POLICY_PERMIT;
	if (command->denied)
		say(reply, facts, "502 5.5.1 this gate does not take the verb");
	else if (command->needs_tls && !facts->tls)
		say(reply, facts,
		    "530 5.7.0 must issue a STARTTLS command first");
	else if (command->needs_auth && !facts->auth)
		say(reply, facts, "530 5.7.0 authentication required");
	else
		return POLICY_PERMIT;
	return policy->monitor ? POLICY_WOULD_DENY : POLICY_DENY;
}

void
policy_free_limits(struct policy *policy)
{
	for (unsigned i = 0; i < policy->limit_count; i++)
		policy_free_when(&policy->limits[i].when);
	free(policy->limits);
	free(policy->commands);
}
