/*
 * `when`: from YAML to conditions that need no look-up by name.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_value.h"

#include <stdio.h>
#include <stdlib.h>

/* How many values a node can hold: words of a {glob: [...]} count each. */
static unsigned
count_values(const struct yaml_node *node)
{
	unsigned count = 0;

	if (node->kind == YAML_LIST) {
		for (unsigned i = 0; i < node->count; i++)
			count += count_values(node->items[i]);
		return count;
	}
	if (node->kind == YAML_MAP && node->count > 0 &&
	    node->items[0]->kind == YAML_LIST && node->items[0]->count > 0)
		return node->items[0]->count;
	return 1;
}

static void
read_values(const struct when_context *context, const struct yaml_node *node,
    struct condition *out)
{
	union {
		const struct yaml_node *in;
		struct yaml_node *out;
	} cast = {.in = node};
	struct yaml_node *const *items = &cast.out;
	unsigned count = 1, room = count_values(node);

	if (node->kind == YAML_LIST) {
		items = node->items;
		count = node->count;
	}
	if (count == 0)
		reader_error(context->reader, "P038", node, NULL,
		    "an empty list can never match");
	out->values = policy_alloc(room, sizeof(struct value));
	for (unsigned i = 0; i < count; i++) {
		if (fact_is_bits(out->fact))
			out->mask |= policy_read_bit(context, out, items[i]);
		else
			out->count += policy_read_value(context, out, items[i],
			    out->values + out->count, room - out->count);
	}
}

static void
complain_of_fact(
    const struct when_context *context, const struct yaml_node *key)
{
	const char *names[FACT_COUNT];
	char hint[96];

	for (unsigned i = 0; i < FACT_COUNT; i++)
		names[i] = fact_name((enum fact)i);
	const char *near = diag_nearest(key->text, names, FACT_COUNT);
	snprintf(
	    hint, sizeof(hint), "did you mean `%s`?", near == NULL ? "" : near);
	reader_error(context->reader, "P039", key, near == NULL ? NULL : hint,
	    "there is no fact `%.*s`", SLICE_FMT(slice_head(key->text, 64)));
}

static void
read_condition(const struct when_context *context, const struct yaml_node *key,
    const struct yaml_node *node, struct clause *out)
{
	int fact = fact_find(key->text);
	struct condition *condition = &out->conditions[out->count];

	if (fact == -1) {
		complain_of_fact(context, key);
		return;
	}
	if (fact_stage((enum fact)fact) > context->stage) {
		reader_error(context->reader, "P040", key, NULL,
		    "`%.*s` is not yet known at this stage (%s): from %s on",
		    SLICE_FMT(key->text), policy_stage_name(context->stage),
		    policy_stage_name(fact_stage((enum fact)fact)));
		return;
	}
	condition->fact = (enum fact)fact;
	condition->key = key;
	condition->lookup = fact_is_lookup(condition->fact);
	if (node->kind == YAML_MAP && yaml_get(node, "not") != NULL) {
		if (node->count != 1)
			reader_error(context->reader, "P041", node, NULL,
			    "`not` stands alone");
		condition->negated = true;
		node = yaml_get(node, "not");
	}
	read_values(context, node, condition);
	out->count++;
}

/* What costs nothing is asked first, so that DNS is asked only where the rest
 * holds. */
static void
put_lookups_last(struct clause *clause)
{
	for (unsigned i = 1; i < clause->count; i++) {
		struct condition moving = clause->conditions[i];
		unsigned to = i;
		if (moving.lookup)
			continue;
		for (; to > 0 && clause->conditions[to - 1].lookup; to--)
			clause->conditions[to] = clause->conditions[to - 1];
		clause->conditions[to] = moving;
	}
}

static void
read_clause(const struct when_context *context, const struct yaml_node *map,
    bool inner, struct clause *out)
{
	out->conditions = policy_alloc(map->count, sizeof(struct condition));
	for (unsigned i = 0; i < map->count; i++) {
		if (!yaml_is(map->keys[i], "any"))
			read_condition(
			    context, map->keys[i], map->items[i], out);
		else if (inner)
			reader_error(context->reader, "P042", map->keys[i],
			    NULL, "`any` within `any` is not allowed");
	}
	put_lookups_last(out);
}

static void
read_any(const struct when_context *context, const struct yaml_node *node,
    struct when *out)
{
	if (node->kind != YAML_LIST || node->count == 0) {
		reader_error(context->reader, "P042", node, NULL,
		    "`any` takes a list of maps");
		return;
	}
	out->any = policy_alloc(node->count, sizeof(struct clause));
	for (unsigned i = 0; i < node->count; i++)
		if (reader_map(context->reader, node->items[i],
			"an entry of `any`") != NULL)
			read_clause(context, node->items[i], true,
			    &out->any[out->any_count++]);
}

void
policy_read_when(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node, enum policy_stage stage, struct when *out)
{
	struct when_context context = {policy, reader, stage};
	const struct yaml_node *any;

	if (reader_map(reader, node, "`when`") == NULL)
		return;
	read_clause(&context, node, false, &out->all);
	any = yaml_get(node, "any");
	if (any != NULL)
		read_any(&context, any, out);
}

static void
free_clause(struct clause *clause)
{
	for (unsigned i = 0; i < clause->count; i++) {
		struct condition *condition = &clause->conditions[i];
		for (unsigned j = 0; j < condition->count; j++)
			policy_free_value(&condition->values[j]);
		free(condition->values);
	}
	free(clause->conditions);
}

void
policy_free_when(struct when *when)
{
	free_clause(&when->all);
	for (unsigned i = 0; i < when->any_count; i++)
		free_clause(&when->any[i]);
	free(when->any);
}
