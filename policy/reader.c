/*
 * Reading keys and words with good complaints.  See policy_private.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "policy/keys.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	SECTION_KEYS_MAX = 32 + FACT_COUNT,
	TIMEOUT_MAX_MS = 86400000
};

void *
policy_alloc(size_t count, size_t size)
{
	void *memory = calloc(count == 0 ? 1 : count, size);

	if (memory == NULL)
		log_fatal("no memory while reading a file");
	return memory;
}

bool
reader_path(const struct reader *reader, struct slice name, char out[PATH_MAX])
{
	struct slice base = yaml_name(reader->file);
	size_t len = base.len;

	while (len > 0 && base.ptr[len - 1] != '/')
		len--;
	if (name.len > 0 && name.ptr[0] == '/')
		len = 0;
	return snprintf(out, PATH_MAX, "%.*s%.*s", (int)len, base.ptr,
		   SLICE_FMT(name)) < PATH_MAX;
}

/* Facts among the keys of a rule have slipped out of its `when`: one
 * complaint for all of them.  Adds them to what is known. */
static unsigned
complain_of_facts(const struct reader *reader, const struct yaml_node *map,
    const char *where, const char **known)
{
	const struct yaml_node *first = NULL;
	unsigned count = 0;

	for (unsigned i = 0; i < map->count; i++) {
		int fact = fact_find(map->keys[i]->text);
		if (fact == -1)
			continue;
		first = first == NULL ? map->keys[i] : first;
		known[count++] = fact_name((enum fact)fact);
	}
	if (first != NULL)
		reader_error(reader, "P012", first,
		    "indent it, and other facts, to stand below `when`",
		    "the fact `%.*s` stands in %s itself",
		    SLICE_FMT(first->text), where);
	return count;
}

void
reader_check_two(const struct reader *reader, const struct yaml_node *map,
    enum policy_section one, enum policy_section other, const char *where)
{
	const char *known[SECTION_KEYS_MAX], *unbuilt[SECTION_KEYS_MAX];
	unsigned known_count = 0, unbuilt_count = 0;

	for (unsigned i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		if (key->section != one && key->section != other)
			continue;
		if (key->need != KEY_LATER)
			known[known_count++] = key->name;
		else
			unbuilt[unbuilt_count++] = key->name;
	}
	if (one == SECTION_RULE)
		known_count +=
		    complain_of_facts(reader, map, where, known + known_count);
	yaml_check_keys(reader->file, map, where, known, known_count, unbuilt,
	    unbuilt_count, reader->diag);
}

void
reader_check_keys(const struct reader *reader, const struct yaml_node *map,
    enum policy_section section, const char *where)
{
	reader_check_two(reader, map, section, section, where);
}

bool
reader_is_misspelt(
    const struct yaml_node *map, enum policy_section section, const char *name)
{
	const char *known[SECTION_KEYS_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < key_count(); i++)
		if (key_at(i)->section == section)
			known[count++] = key_at(i)->name;
	for (unsigned i = 0; map->kind == YAML_MAP && i < map->count; i++) {
		const char *near =
		    diag_nearest(map->keys[i]->text, known, count);
		if (near != NULL && strcmp(near, name) == 0 &&
		    !yaml_is(map->keys[i], name))
			return true;
	}
	return false;
}

const char *
reader_unquote(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && node->quoted ? ", without quotes"
							 : "";
}

int
reader_word(const struct reader *reader, const struct yaml_node *node,
    const char *what, const char *const *words, unsigned count)
{
	struct buf list;
	char hint[96];

	if (node->kind == YAML_SCALAR)
		for (unsigned i = 0; i < count; i++)
			if (slice_eq(node->text, slice_str(words[i])))
				return (int)i;
	buf_init(&list, 1024);
	for (unsigned i = 0; i < count; i++)
		buf_printf(&list, "%s%s",
		    i == 0          ? ""
		    : i + 1 < count ? ", "
				    : " or ",
		    words[i]);
	const char *near = node->kind == YAML_SCALAR
			       ? diag_nearest(node->text, words, count)
			       : NULL;
	snprintf(
	    hint, sizeof(hint), "did you mean `%s`?", near == NULL ? "" : near);
	if (node->kind == YAML_SCALAR)
		reader_error(reader, "P014", node, near == NULL ? NULL : hint,
		    "%s is `%.*s`: it must be %.*s", what,
		    SLICE_FMT(slice_head(node->text, 64)),
		    SLICE_FMT(buf_slice(&list)));
	else
		reader_error(reader, "P014", node, NULL,
		    "%s must be one word: %.*s", what,
		    SLICE_FMT(buf_slice(&list)));
	buf_fini(&list);
	return -1;
}

bool
reader_bool(const struct reader *reader, const struct yaml_node *node,
    const char *what, bool *out)
{
	if (node->kind == YAML_SCALAR && yaml_bool(node, out))
		return true;
	reader_error(reader, "P015", node, NULL, "%s must be true or false%s",
	    what, reader_unquote(node));
	return false;
}

bool
reader_timeout(const struct reader *reader, const struct yaml_node *map,
    const char *key, const char *code, uint32_t *ms)
{
	const struct yaml_node *node = yaml_get(map, key);
	uint64_t value;

	if (node == NULL)
		return false;
	if (yaml_duration(node, &value) && value > 0 &&
	    value <= TIMEOUT_MAX_MS) {
		*ms = (uint32_t)value;
		return true;
	}
	reader_error(reader, code, node, NULL,
	    "`%s` must be a duration from 1s to 1d, as in 30s or 5m%s", key,
	    reader_unquote(node));
	return false;
}

const struct yaml_node *
reader_map(
    const struct reader *reader, const struct yaml_node *node, const char *what)
{
	if (node->kind == YAML_MAP)
		return node;
	reader_error(reader, "P016", node, NULL,
	    "%s must be a map of keys and values", what);
	return NULL;
}

struct yaml_node *const *
reader_scalars(const struct reader *reader, const struct yaml_node *node,
    const char *what, struct yaml_node **one, unsigned *count)
{
	/* The tree is ours; only the array of one needs the cast away. */
	union {
		const struct yaml_node *in;
		struct yaml_node *out;
	} cast = {.in = node};

	if (node->kind == YAML_SCALAR) {
		*one = cast.out;
		*count = 1;
		return one;
	}
	if (node->kind == YAML_MAP) {
		reader_error(reader, "P017", node, NULL,
		    "%s must be one value or a list of them", what);
		return NULL;
	}
	for (unsigned i = 0; i < node->count; i++) {
		if (node->items[i]->kind == YAML_SCALAR)
			continue;
		reader_error(reader, "P017", node->items[i], NULL,
		    "%s must be a list of plain values", what);
		return NULL;
	}
	*count = node->count;
	return node->items;
}

/* --- facts ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum fact_kind kind;
	enum policy_stage stage;
	const char *sentence;
} facts[] = {
#define FACT(id, name, kind, stage, sentence) \
	{name, KIND_##kind, POLICY_STAGE_##stage, sentence},
#include "policy/config_keys.h"
};

const char *
fact_name(enum fact fact)
{
	return facts[fact].name;
}

const char *
fact_sentence(enum fact fact)
{
	return facts[fact].sentence;
}

enum fact_kind
fact_kind(enum fact fact)
{
	return facts[fact].kind;
}

enum policy_stage
fact_stage(enum fact fact)
{
	return facts[fact].stage;
}

int
fact_find(struct slice name)
{
	for (unsigned i = 0; i < FACT_COUNT; i++)
		if (slice_eq(name, slice_str(facts[i].name)))
			return (int)i;
	return -1;
}

bool
fact_is_bits(enum fact fact)
{
	return fact_kind(fact) >= KIND_BOOL;
}

/* What lookup.h calls a fact without a zone; -1: DNS has no part in it. */
int
fact_lookup(enum fact fact)
{
	for (int i = 0; i < LOOKUP_FACT_COUNT; i++)
		if (strcmp(facts[fact].name,
			lookup_fact_name((enum lookup_fact)i)) == 0)
			return i;
	return -1;
}

bool
fact_is_lookup(enum fact fact)
{
	return fact_kind(fact) == KIND_ZONE || fact_lookup(fact) != -1;
}

const char *
fact_word(enum fact fact, unsigned i)
{
	static const char *const verbs[] = {"helo", "ehlo", NULL};
	static const char *const truths[] = {"false", "true", NULL};
	static const char *const relations[] = {
	    "client", "same_24", "private", "other", NULL};

	switch (fact_kind(fact)) {
	case KIND_BOOL:
		return truths[i];
	case KIND_VERB:
		return verbs[i];
	case KIND_RELATION:
		return relations[i];
	case KIND_LOOKUP:
		return lookup_words((enum lookup_fact)fact_lookup(fact))[i];
	case KIND_FORM:
		return i < HELO_FORM_COUNT ? helo_form_name((enum helo_form)i)
					   : NULL;
	case KIND_FLAW:
		return i < HELO_FLAW_COUNT ? helo_flaw_name((enum helo_flaw)i)
					   : NULL;
	case KIND_RECEIVER:
		return i < HELO_RECEIVER_COUNT
			   ? helo_receiver_name((enum helo_receiver)i)
			   : NULL;
	case KIND_ADDRESS:
	case KIND_ADDRESSES:
	case KIND_NUMBER:
	case KIND_WORD:
	case KIND_TEXT:
	case KIND_NAME:
	case KIND_NAMES:
	case KIND_MAILBOX:
	case KIND_ZONE:
		break;
	}
	return NULL;
}
