/*
 * `when`: from YAML to conditions that need no look-up by name.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_private.h"

#include <stdio.h>
#include <stdlib.h>

/* What a condition is read with. */
struct context {
	struct policy *policy;
	const struct reader *reader;
	enum policy_stage stage;
};

static struct policy_list *
find_list(const struct context *context, struct slice name)
{
	for (unsigned i = 0; i < context->policy->list_count; i++)
		if (slice_eq(context->policy->lists[i].name, name))
			return &context->policy->lists[i];
	return NULL;
}

static void
complain_of_list(const struct context *context, const struct yaml_node *node,
    enum fact_kind kind)
{
	const struct slice word = slice_head(node->text, 64);
	const char *names[64];
	char *copies[64];
	char hint[160], plain[128] = "";
	unsigned count = 0;

	for (; count < context->policy->list_count && count < 64; count++)
		names[count] = copies[count] =
		    slice_dup(context->policy->lists[count].name);
	const char *near = diag_nearest(node->text, names, count);
	snprintf(
	    hint, sizeof(hint), "did you mean `%s`?", near == NULL ? "" : near);
	if (kind == KIND_NAME)
		snprintf(plain, sizeof(plain),
		    " (a name without a dot is written {is: %.*s})",
		    SLICE_FMT(word));
	reader_error(context->reader, "P034", node, near == NULL ? NULL : hint,
	    "no list is called `%.*s`%s", SLICE_FMT(word), plain);
	while (count > 0)
		free(copies[--count]);
}

static bool
read_list_value(const struct context *context, const struct yaml_node *node,
    enum fact_kind kind, struct value *out)
{
	struct policy_list *list = find_list(context, node->text);

	if (list == NULL) {
		complain_of_list(context, node, kind);
		return false;
	}
	list->used = true;
	if (kind == KIND_ADDRESS ? list->addresses == NULL
				 : list->domains == NULL) {
		reader_error(context->reader, "P035", node, NULL,
		    "the list `%.*s` holds %s", SLICE_FMT(node->text),
		    list->addresses != NULL ? "addresses, not names"
					    : "names, not addresses");
		return false;
	}
	out->kind =
	    list->addresses != NULL ? VALUE_ADDRESS_LIST : VALUE_DOMAIN_LIST;
	out->as.list = list;
	return true;
}

static bool
read_address(const struct context *context, const struct yaml_node *node,
    struct value *out)
{
	bool word = slice_find(node->text, '.') == -1 &&
		    slice_find(node->text, ':') == -1 &&
		    slice_find(node->text, '/') == -1;

	if (word)
		return read_list_value(context, node, KIND_ADDRESS, out);
	out->kind = VALUE_PREFIX;
	if (prefix_parse(node->text, &out->as.prefix))
		return true;
	reader_error(context->reader, "P036", node, NULL,
	    "`%.*s` is no address, and no prefix with its host bits clear",
	    SLICE_FMT(slice_head(node->text, 80)));
	return false;
}

static bool
read_name(const struct context *context, const struct yaml_node *node,
    struct value *out)
{
	if (slice_find(node->text, '.') == -1 && !node->quoted)
		return read_list_value(context, node, KIND_NAME, out);
	out->kind = VALUE_IS;
	out->as.text = node->text;
	return true;
}

static bool
read_number(const struct context *context, const struct yaml_node *node,
    struct value *out)
{
	out->kind = VALUE_RANGE;
	if (yaml_size(node, &out->as.range.low)) {
		out->as.range.high = out->as.range.low;
		return true;
	}
	reader_error(context->reader, "P037", node, NULL,
	    "a number, {over: N} or {up_to: N} must stand here");
	return false;
}

static bool
read_number_map(const struct context *context, const struct yaml_node *key,
    const struct yaml_node *node, struct value *out)
{
	uint64_t number;

	if (node->kind != YAML_SCALAR || !yaml_size(node, &number)) {
		reader_error(context->reader, "P037", node, NULL,
		    "`%.*s` takes a number", SLICE_FMT(key->text));
		return false;
	}
	out->kind = VALUE_RANGE;
	out->as.range.low = yaml_is(key, "over") ? number + 1 : 0;
	out->as.range.high = yaml_is(key, "over") ? UINT64_MAX : number;
	return true;
}

/* {is: X}, {under: X}, {glob: X}, {over: N}, {up_to: N} */
static bool
read_map_value(const struct context *context, enum fact_kind kind,
    const struct yaml_node *map, struct value *out, unsigned *count,
    unsigned room)
{
	static const char *const names[] = {"is", "under", "glob"};
	static const char *const numbers[] = {"over", "up_to"};
	static const char *const unbuilt[] = {"regex"};
	bool number = kind == KIND_NUMBER;
	struct yaml_node *one;
	unsigned words;

	yaml_check_keys(context->reader->file, map, "a value",
	    number ? numbers : names, number ? 2 : 3, unbuilt, 1,
	    context->reader->diag);
	if (map->count != 1 || (!number && kind != KIND_NAME)) {
		reader_error(context->reader, "P038", map, NULL,
		    number ? "one of {over: N}, {up_to: N} must stand here"
			   : "one of {is: NAME}, {under: DOMAIN}, {glob: "
			     "PATTERN} must stand here, for a fact that is a "
			     "name");
		return false;
	}
	if (number) {
		*count = 1;
		return read_number_map(
		    context, map->keys[0], map->items[0], out);
	}
	struct yaml_node *const *items = reader_scalars(
	    context->reader, map->items[0], "a value", &one, &words);
	if (items == NULL || words > room)
		return false;
	for (unsigned i = 0; i < words; i++) {
		out[i].kind = yaml_is(map->keys[0], "is")      ? VALUE_IS
			      : yaml_is(map->keys[0], "under") ? VALUE_UNDER
							       : VALUE_GLOB;
		out[i].as.text = items[i]->text;
	}
	*count = words;
	return true;
}

static const char *const relation_names[] = {
    "client", "same_24", "private", "other"};

/* Facts that are bits: the bit of a word, 0 with a complaint. */
static uint64_t
read_bit(
    const struct context *context, enum fact fact, const struct yaml_node *node)
{
	static const char *const verbs[] = {"helo", "ehlo"};
	static const char *const truths[] = {"false", "true"};
	const char *words[HELO_FLAW_COUNT];
	const char *const *list = words;
	unsigned count = 0;

	switch (fact_kind(fact)) {
	case KIND_BOOL:
		list = truths;
		count = 2;
		break;
	case KIND_VERB:
		list = verbs;
		count = 2;
		break;
	case KIND_RELATION:
		list = relation_names;
		count = 4;
		break;
	case KIND_FORM:
		for (; count < HELO_FORM_COUNT; count++)
			words[count] = helo_form_name((enum helo_form)count);
		break;
	case KIND_FLAW:
		for (; count < HELO_FLAW_COUNT; count++)
			words[count] = helo_flaw_name((enum helo_flaw)count);
		break;
	case KIND_RECEIVER:
		for (; count < HELO_RECEIVER_COUNT; count++)
			words[count] =
			    helo_receiver_name((enum helo_receiver)count);
		break;
	case KIND_ADDRESS:
	case KIND_NUMBER:
	case KIND_WORD:
	case KIND_NAME:
		break;
	}
	int at =
	    reader_word(context->reader, node, fact_name(fact), list, count);
	return at == -1 ? 0 : UINT64_C(1) << at;
}

static bool
is_bits(enum fact_kind kind)
{
	return kind != KIND_ADDRESS && kind != KIND_NUMBER &&
	       kind != KIND_WORD && kind != KIND_NAME;
}

static unsigned
read_value(const struct context *context, enum fact fact,
    const struct yaml_node *node, struct value *out, unsigned room)
{
	enum fact_kind kind = fact_kind(fact);
	unsigned count = 1;
	bool good;

	if (node->kind == YAML_MAP)
		good = read_map_value(context, kind, node, out, &count, room);
	else if (node->kind != YAML_SCALAR) {
		reader_error(context->reader, "P038", node, NULL,
		    "a list within a list has no meaning here");
		good = false;
	} else if (kind == KIND_ADDRESS)
		good = read_address(context, node, out);
	else if (kind == KIND_NUMBER)
		good = read_number(context, node, out);
	else if (kind == KIND_NAME)
		good = read_name(context, node, out);
	else {
		out->kind = VALUE_IS;
		out->as.text = node->text;
		good = true;
	}
	return good ? count : 0;
}

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
	    node->items[0]->kind == YAML_LIST)
		return node->items[0]->count;
	return 1;
}

static void
read_values(const struct context *context, const struct yaml_node *node,
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
		if (is_bits(fact_kind(out->fact)))
			out->mask |= read_bit(context, out->fact, items[i]);
		else
			out->count += read_value(context, out->fact, items[i],
			    out->values + out->count, room - out->count);
	}
}

static void
complain_of_fact(const struct context *context, const struct yaml_node *key)
{
	static const char *const unbuilt[] = {"auth", "auth.user", "client.ptr",
	    "client.fcrdns", "client.dnsbl", "helo.dns", "helo.ptr", "helo.spf",
	    "helo.address", "helo.mx_address", "helo.ns_address", "helo.rhsbl",
	    "tls.version", "tls.cipher", "tls.sni", "mail.from", "mail.size",
	    "mail.utf8", "rcpt.to", "rcpt.count"};
	const char *names[FACT_COUNT];
	char hint[96];

	for (size_t i = 0; i < sizeof(unbuilt) / sizeof(unbuilt[0]); i++) {
		if (!slice_eq(key->text, slice_str(unbuilt[i])))
			continue;
		reader_error(context->reader, "P013", key, NULL,
		    "the fact `%.*s` is not built in this version",
		    SLICE_FMT(key->text));
		return;
	}
	for (unsigned i = 0; i < FACT_COUNT; i++)
		names[i] = fact_name((enum fact)i);
	const char *near = diag_nearest(key->text, names, FACT_COUNT);
	snprintf(
	    hint, sizeof(hint), "did you mean `%s`?", near == NULL ? "" : near);
	reader_error(context->reader, "P039", key, near == NULL ? NULL : hint,
	    "there is no fact `%.*s`", SLICE_FMT(slice_head(key->text, 64)));
}

static void
read_condition(const struct context *context, const struct yaml_node *key,
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
		    "`%.*s` is not yet known at this stage",
		    SLICE_FMT(key->text));
		return;
	}
	condition->fact = (enum fact)fact;
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

static void
read_clause(const struct context *context, const struct yaml_node *map,
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
}

static void
read_any(const struct context *context, const struct yaml_node *node,
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
	struct context context = {policy, reader, stage};
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
	for (unsigned i = 0; i < clause->count; i++)
		free(clause->conditions[i].values);
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
