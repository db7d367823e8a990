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

static void
read_limit(struct policy *policy, const struct reader *reader,
    const struct yaml_node *map)
{
	struct limit *limit = &policy->limits[policy->limit_count];
	const struct yaml_node *when = yaml_get(map, "when");

	*limit = (struct limit){.errors = 0};
	if (reader_map(reader, map, "`limits`") == NULL)
		return;
	policy->limit_count++;
	reader_check_keys(reader, map, SECTION_LIMIT, "`limits`");
	if (when != NULL) {
		policy_read_when(
		    policy, reader, when, POLICY_STAGE_MAIL, &limit->when);
		refuse_lookups(reader, &limit->when.all);
		for (unsigned i = 0; i < limit->when.any_count; i++)
			refuse_lookups(reader, &limit->when.any[i]);
	}
	read_count(reader, map, "errors", &limit->errors);
	read_count(reader, map, "recipients", &limit->recipients);
	read_count(reader, map, "messages", &limit->messages);
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
		if (out->errors == 0)
			out->errors = limit->errors;
		if (out->recipients == 0)
			out->recipients = limit->recipients;
		if (out->messages == 0)
			out->messages = limit->messages;
		if (out->size == 0)
			out->size = limit->size;
	}
	if (out->errors == 0)
		out->errors = ERRORS_DEFAULT;
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
