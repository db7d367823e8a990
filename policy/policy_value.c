/*
 * The values of a condition: what a word, a number or a map stands for is
 * said by the fact, never guessed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_value.h"

#include <stdio.h>
#include <stdlib.h>

void
policy_free_value(struct value *value)
{
	if (value->kind == VALUE_REGEX)
		regex_free(&value->as.regex);
	if (value->kind == VALUE_ZONE)
		free(value->as.zone.answers);
}

/* --- lists ------------------------------------------------------------------------ */

static struct policy_list *
find_list(const struct when_context *context, struct slice name)
{
	for (unsigned i = 0; i < context->policy->list_count; i++)
		if (slice_eq(context->policy->lists[i]->name, name))
			return context->policy->lists[i];
	return NULL;
}

static void
complain_of_list(const struct when_context *context,
    const struct yaml_node *node, enum fact_kind kind)
{
	const struct slice word = slice_head(node->text, 64);
	const char *names[64];
	char *copies[64];
	char hint[160], plain[128] = "";
	unsigned count = 0;

	for (; count < context->policy->list_count && count < 64; count++)
		names[count] = copies[count] =
		    slice_dup(context->policy->lists[count]->name);
	const char *near = diag_nearest(node->text, names, count);
	snprintf(
	    hint, sizeof(hint), "did you mean `%s`?", near == NULL ? "" : near);
	if (kind == KIND_NAME || kind == KIND_NAMES)
		snprintf(plain, sizeof(plain),
		    " (a name without a dot is written {is: %.*s})",
		    SLICE_FMT(word));
	reader_error(context->reader, "P034", node, near == NULL ? NULL : hint,
	    "no list is called `%.*s`%s", SLICE_FMT(word), plain);
	while (count > 0)
		free(copies[--count]);
}

static bool
read_list(const struct when_context *context, const struct yaml_node *node,
    enum fact_kind kind, struct value *out)
{
	struct policy_list *list = find_list(context, node->text);
	bool addresses = kind == KIND_ADDRESS || kind == KIND_ADDRESSES;

	if (list == NULL) {
		complain_of_list(context, node, kind);
		return false;
	}
	list->used = true;
	if (addresses ? list->addresses == NULL : list->domains == NULL) {
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

/* --- plain values ----------------------------------------------------------------- */

static bool
read_prefix(const struct reader *reader, const struct yaml_node *node,
    struct prefix *out)
{
	if (node->kind == YAML_SCALAR && prefix_parse(node->text, out))
		return true;
	reader_error(reader, "P036", node, NULL,
	    "`%.*s` is no address, and no prefix with its host bits clear",
	    SLICE_FMT(slice_head(node->text, 80)));
	return false;
}

static bool
read_address(const struct when_context *context, const struct yaml_node *node,
    enum fact_kind kind, struct value *out)
{
	bool word = slice_find(node->text, '.') == -1 &&
		    slice_find(node->text, ':') == -1 &&
		    slice_find(node->text, '/') == -1;

	if (word)
		return read_list(context, node, kind, out);
	out->kind = VALUE_PREFIX;
	return read_prefix(context->reader, node, &out->as.prefix);
}

static bool
read_name(const struct when_context *context, const struct yaml_node *node,
    enum fact_kind kind, struct value *out)
{
	if (slice_find(node->text, '.') == -1 && !node->quoted)
		return read_list(context, node, kind, out);
	out->kind = VALUE_IS;
	out->text = node->text;
	return true;
}

/* "user@example.com" is that mailbox; "example.com" would be ambiguous. */
static bool
read_mailbox(const struct when_context *context, const struct yaml_node *node,
    struct value *out)
{
	out->kind = VALUE_IS;
	out->text = node->text;
	if (slice_find(node->text, '@') != -1)
		return true;
	if (slice_find(node->text, '.') == -1 && !node->quoted)
		return read_list(context, node, KIND_MAILBOX, out);
	reader_error(context->reader, "P043", node, NULL,
	    "a mailbox has an @; every mailbox of a domain is {under: %.*s}",
	    SLICE_FMT(slice_head(node->text, 64)));
	return false;
}

static bool
is_zone(struct slice text)
{
	return slice_find(text, '.') != -1 && dns_name_is_askable(text) &&
	       text.len <= 190;
}

static bool
read_zone(const struct when_context *context, const struct yaml_node *node,
    struct value *out)
{
	out->kind = VALUE_ZONE;
	out->text = node->text;
	if (node->kind == YAML_SCALAR && is_zone(node->text))
		return true;
	reader_error(context->reader, "P044", node, NULL,
	    "the name of a DNS list must stand here, as in "
	    "`zen.example.org`, or {zone: NAME, answer: PREFIXES}");
	return false;
}

static bool
read_number(const struct when_context *context, const struct yaml_node *node,
    struct value *out)
{
	out->kind = VALUE_RANGE;
	if (yaml_size(node, &out->as.range.low)) {
		out->as.range.high = out->as.range.low;
		return true;
	}
	reader_error(context->reader, "P037", node, NULL,
	    "a number, {over: N} or {up_to: N} must stand here%s",
	    node->quoted ? ", without quotes" : "");
	return false;
}

static bool
read_scalar(const struct when_context *context, enum fact_kind kind,
    const struct yaml_node *node, struct value *out)
{
	switch (kind) {
	case KIND_ADDRESS:
	case KIND_ADDRESSES:
		return read_address(context, node, kind, out);
	case KIND_NUMBER:
		return read_number(context, node, out);
	case KIND_NAME:
	case KIND_NAMES:
		return read_name(context, node, kind, out);
	case KIND_MAILBOX:
		return read_mailbox(context, node, out);
	case KIND_ZONE:
		return read_zone(context, node, out);
	case KIND_WORD:
	case KIND_TEXT:
	case KIND_BOOL:
	case KIND_LOOKUP:
	case KIND_FORM:
	case KIND_FLAW:
	case KIND_VERB:
	case KIND_RECEIVER:
	case KIND_RELATION:
		break;
	}
	out->kind = VALUE_IS;
	out->text = node->text;
	return true;
}

/* --- maps ------------------------------------------------------------------------- */

/* The maps that can stand for a value, and for which kinds of facts. */
enum form {
	FORM_IS,
	FORM_UNDER,
	FORM_GLOB,
	FORM_REGEX,
	FORM_OVER,
	FORM_UP_TO,
	FORM_SAME_ORGANISATION,
	FORM_ZONE,
	FORM_COUNT
};

#define KINDS_OF_NAMES (1u << KIND_NAME | 1u << KIND_NAMES | 1u << KIND_MAILBOX)
#define KINDS_OF_TEXT  (KINDS_OF_NAMES | 1u << KIND_TEXT | 1u << KIND_WORD)

static const struct {
	const char *key, *shape;
	unsigned kinds;
} forms[FORM_COUNT] = {
    [FORM_IS] = {"is", "{is: NAME}", KINDS_OF_TEXT},
    [FORM_UNDER] = {"under", "{under: DOMAIN}", KINDS_OF_NAMES},
    [FORM_GLOB] = {"glob", "{glob: PATTERN}", KINDS_OF_TEXT},
    [FORM_REGEX] = {"regex", "{regex: PATTERN}", KINDS_OF_TEXT},
    [FORM_OVER] = {"over", "{over: N}", 1u << KIND_NUMBER},
    [FORM_UP_TO] = {"up_to", "{up_to: N}", 1u << KIND_NUMBER},
    [FORM_SAME_ORGANISATION] = {"same_organisation",
	"{same_organisation: helo}", 1u << KIND_MAILBOX},
    [FORM_ZONE] = {"zone", "{zone: NAME, answer: PREFIXES}", 1u << KIND_ZONE},
};

static void
complain_of_map(const struct when_context *context, enum fact fact,
    const struct yaml_node *map)
{
	struct buf list;

	buf_init(&list, 512);
	for (unsigned i = 0; i < FORM_COUNT; i++)
		if ((forms[i].kinds & 1u << fact_kind(fact)) != 0)
			buf_printf(&list, "%s%s",
			    buf_len(&list) == 0 ? "" : ", ", forms[i].shape);
	if (buf_len(&list) == 0)
		reader_error(context->reader, "P038", map, NULL,
		    "`%s` takes a plain value or a list of them",
		    fact_name(fact));
	else
		reader_error(context->reader, "P038", map, NULL,
		    "one of %.*s must stand here for `%s`",
		    SLICE_FMT(buf_slice(&list)), fact_name(fact));
	buf_fini(&list);
}

/* Which form the map has; -1 with a complaint. */
static int
form_of(const struct when_context *context, enum fact fact,
    const struct yaml_node *map)
{
	const char *known[FORM_COUNT + 1];
	unsigned known_count = 0;
	int found = -1;

	for (unsigned i = 0; i < FORM_COUNT; i++) {
		if ((forms[i].kinds & 1u << fact_kind(fact)) == 0)
			continue;
		known[known_count++] = forms[i].key;
		if (yaml_get(map, forms[i].key) != NULL)
			found = (int)i;
	}
	if (fact_kind(fact) == KIND_ZONE)
		known[known_count++] = "answer";
	unsigned errors = diag_errors(context->reader->diag);
	bool alone = map->count == 1 || found == FORM_ZONE;
	if (known_count > 0 && !(found != -1 && !alone))
		yaml_check_keys(context->reader->file, map, "a value", known,
		    known_count, NULL, 0, context->reader->diag);
	if (known_count == 0 || (found != -1 && !alone) ||
	    (found == -1 && diag_errors(context->reader->diag) == errors))
		complain_of_map(context, fact, map);
	return found != -1 && alone ? found : -1;
}

static bool
read_range(const struct when_context *context, enum form form,
    const struct yaml_node *node, struct value *out)
{
	uint64_t number;

	if (node->kind != YAML_SCALAR || !yaml_size(node, &number)) {
		reader_error(context->reader, "P037", node, NULL,
		    "`%s` takes a number%s", forms[form].key,
		    node->quoted ? ", without quotes" : "");
		return false;
	}
	out->kind = VALUE_RANGE;
	out->as.range.low = form == FORM_OVER ? number + 1 : 0;
	out->as.range.high = form == FORM_OVER ? UINT64_MAX : number;
	return true;
}

static bool
read_regex(const struct when_context *context, const struct yaml_node *node,
    struct value *out)
{
	char error[160];
	size_t offset = 0;

	out->as.regex = regex_new(node->text, error, sizeof(error), &offset);
	if (out->as.regex != NULL)
		return true;
	reader_error(context->reader, "P045", node, NULL,
	    "not a regular expression: %s (at character %zu)", error,
	    offset + 1);
	return false;
}

/* `answer` of a zone: prefixes of 127.0.0.0/8, and `temperror`. */
static bool
read_zone_map(const struct when_context *context, const struct yaml_node *map,
    struct value *out, bool *temperror)
{
	const struct yaml_node *answer = yaml_get(map, "answer");
	struct yaml_node *one;
	unsigned count;
	bool good = read_zone(context, yaml_get(map, "zone"), out);

	if (answer == NULL || !good)
		return good;
	struct yaml_node *const *items =
	    reader_scalars(context->reader, answer, "`answer`", &one, &count);
	if (items == NULL)
		return false;
	out->as.zone.answers = policy_alloc(count, sizeof(struct prefix));
	for (unsigned i = 0; i < count; i++) {
		if (yaml_is(items[i], "temperror"))
			*temperror = true;
		else if (read_prefix(context->reader, items[i],
			     &out->as.zone.answers[out->as.zone.count]))
			out->as.zone.count++;
		else
			good = false;
	}
	out->as.zone.only_temperror = count > 0 && out->as.zone.count == 0;
	if (!good)
		policy_free_value(out);
	return good;
}

static bool
read_same_organisation(const struct when_context *context,
    const struct yaml_node *node, struct value *out)
{
	out->kind = VALUE_SAME_ORGANISATION;
	if (yaml_is(node, "helo"))
		return true;
	reader_error(context->reader, "P046", node, NULL,
	    "`same_organisation` takes `helo`: the sender's domain is "
	    "compared with the name said");
	return false;
}

static bool
read_form_item(const struct when_context *context, enum form form,
    const struct yaml_node *node, struct value *out)
{
	static const enum value_kind kinds[] = {
	    VALUE_IS, VALUE_UNDER, VALUE_GLOB, VALUE_REGEX};

	out->node = node;
	switch (form) {
	case FORM_OVER:
	case FORM_UP_TO:
		return read_range(context, form, node, out);
	case FORM_SAME_ORGANISATION:
		return read_same_organisation(context, node, out);
	case FORM_REGEX:
		out->kind = VALUE_REGEX;
		out->text = node->text;
		return read_regex(context, node, out);
	case FORM_IS:
	case FORM_UNDER:
	case FORM_GLOB:
	case FORM_ZONE:
	case FORM_COUNT:
		break;
	}
	out->kind = kinds[form];
	out->text = node->text;
	return true;
}

static unsigned
read_map(const struct when_context *context, struct condition *condition,
    const struct yaml_node *map, struct value *out, unsigned room)
{
	int form = form_of(context, condition->fact, map);
	struct yaml_node *one;
	unsigned count, read = 0;

	if (form == -1)
		return 0;
	out->node = map;
	if (form == FORM_ZONE)
		return read_zone_map(context, map, out, &condition->temperror);
	struct yaml_node *const *items = reader_scalars(
	    context->reader, map->items[0], "a value", &one, &count);
	for (unsigned i = 0; items != NULL && i < count && i < room; i++)
		if (read_form_item(
			context, (enum form)form, items[i], &out[read]))
			read++;
	return read;
}

/* --- one entry of a condition ----------------------------------------------------- */

/* `null`, and `none` and `temperror` of what DNS gives. */
static bool
is_special(struct condition *condition, const struct yaml_node *node,
    struct value *out, unsigned *count)
{
	enum fact_kind kind = fact_kind(condition->fact);
	bool lookup =
	    kind == KIND_NAMES || kind == KIND_ADDRESSES || kind == KIND_ZONE;

	*count = 0;
	if (lookup && yaml_is(node, "temperror")) {
		condition->temperror = true;
		return true;
	}
	if (!(lookup && kind != KIND_ZONE && yaml_is(node, "none")) &&
	    !(kind == KIND_MAILBOX && yaml_is_null(node)))
		return false;
	out->kind = VALUE_NONE;
	*count = 1;
	return true;
}

static bool
is_fingerprint(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (memchr("0123456789abcdefABCDEF", text.ptr[i], 22) == NULL)
			return false;
	return text.len == 64;
}

/* A text that the fact never is would be a rule that never fires. */
static bool
can_be(const struct when_context *context, enum fact fact,
    const struct yaml_node *node)
{
	bool version = fact == FACT_TLS_VERSION;

	if ((!version && fact != FACT_TLS_FINGERPRINT) ||
	    yaml_is(node, "none") ||
	    (version &&
		(yaml_is(node, "TLSv1.2") || yaml_is(node, "TLSv1.3"))) ||
	    (!version && is_fingerprint(node->text)))
		return true;
	reader_error(context->reader, "P047", node, NULL,
	    version
		? "`tls.version` is TLSv1.2, TLSv1.3 or none"
		: "a fingerprint is 64 hex digits, without colons, or none");
	return false;
}

unsigned
policy_read_value(const struct when_context *context,
    struct condition *condition, const struct yaml_node *node,
    struct value *out, unsigned room)
{
	unsigned count;

	if (node->kind == YAML_LIST) {
		reader_error(context->reader, "P038", node, NULL,
		    "a list within a list has no meaning here");
		return 0;
	}
	if (room == 0)
		return 0;
	out->node = node;
	if (node->kind == YAML_MAP)
		return read_map(context, condition, node, out, room);
	if (is_special(condition, node, out, &count))
		return count;
	if (!can_be(context, condition->fact, node))
		return 0;
	return read_scalar(context, fact_kind(condition->fact), node, out);
}

uint64_t
policy_read_bit(const struct when_context *context, struct condition *condition,
    const struct yaml_node *node)
{
	const char *words[HELO_FLAW_COUNT];
	unsigned count = 0;

	while (fact_word(condition->fact, count) != NULL)
		words[count] = fact_word(condition->fact, count), count++;
	int at = reader_word(
	    context->reader, node, fact_name(condition->fact), words, count);
	if (at == -1)
		return 0;
	if (fact_kind(condition->fact) == KIND_LOOKUP &&
	    yaml_is(node, "temperror"))
		condition->temperror = true;
	return UINT64_C(1) << at;
}
