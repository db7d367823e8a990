/*
 * Reading typed values out of the tree.  See yaml.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/yaml.h"

#include <stdio.h>

const struct yaml_node *
yaml_get(const struct yaml_node *map, const char *key)
{
	if (map == NULL || map->kind != YAML_MAP)
		return NULL;
	for (unsigned i = 0; i < map->count; i++)
		if (slice_eq(map->keys[i]->text, slice_str(key)))
			return map->items[i];
	return NULL;
}

bool
yaml_is(const struct yaml_node *node, const char *word)
{
	return node->kind == YAML_SCALAR &&
	       slice_eq(node->text, slice_str(word));
}

bool
yaml_is_null(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && !node->quoted &&
	       (node->text.len == 0 || yaml_is(node, "null") ||
		   yaml_is(node, "~"));
}

bool
yaml_bool(const struct yaml_node *node, bool *out)
{
	if (node->quoted || (!yaml_is(node, "true") && !yaml_is(node, "false")))
		return false;
	*out = yaml_is(node, "true");
	return true;
}

bool
yaml_u64(const struct yaml_node *node, uint64_t *out)
{
	return node->kind == YAML_SCALAR && !node->quoted &&
	       slice_to_u64(node->text, out);
}

/* Digits and one letter of a unit. */
static bool
scaled(struct slice text, const char *units, const uint64_t *factors,
    uint64_t *out)
{
	if (text.len == 0)
		return false;
	const char *unit = strchr(units, text.ptr[text.len - 1]);
	if (unit == NULL || *unit == '\0')
		return false;
	if (!slice_to_u64(slice_head(text, text.len - 1), out) ||
	    *out > UINT32_MAX)
		return false;
	*out *= factors[unit - units];
	return true;
}

static bool
is_plain(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && !node->quoted;
}

static bool
read_duration(struct slice text, uint64_t *out_ms)
{
	static const uint64_t factors[] = {1000, 60000, 3600000, 86400000};

	return scaled(text, "smhd", factors, out_ms);
}

bool
yaml_duration(const struct yaml_node *node, uint64_t *out_ms)
{
	if (yaml_u64(node, out_ms))
		return *out_ms == 0;
	return is_plain(node) && read_duration(node->text, out_ms);
}

bool
yaml_rate(const struct yaml_node *node, uint64_t *out_count, uint64_t *out_ms)
{
	ptrdiff_t slash = slice_find(node->text, '/');

	return is_plain(node) && slash != -1 &&
	       slice_to_u64(slice_head(node->text, (size_t)slash), out_count) &&
	       read_duration(slice_from(node->text, (size_t)slash + 1), out_ms);
}

bool
yaml_size(const struct yaml_node *node, uint64_t *out)
{
	static const uint64_t factors[] = {
	    1 << 10, 1 << 20, 1 << 30, 1 << 10, 1 << 20, 1 << 30};

	return yaml_u64(node, out) ||
	       (is_plain(node) && scaled(node->text, "kmgKMG", factors, out));
}

static bool
is_among(struct slice word, const char *const *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (slice_eq(word, slice_str(list[i])))
			return true;
	return false;
}

void
yaml_check_keys(const struct yaml_file *file, const struct yaml_node *map,
    const char *where, const char *const *known, unsigned known_count,
    const char *const *unbuilt, unsigned unbuilt_count, struct diag *diag)
{
	char hint[96];

	for (unsigned i = 0; i < map->count; i++) {
		const struct yaml_node *key = map->keys[i];
		if (is_among(key->text, known, known_count))
			continue;
		if (is_among(key->text, unbuilt, unbuilt_count)) {
			yaml_complain(file, diag, DIAG_ERROR, "P013", key, NULL,
			    "`%.*s` in %s is not built in this version",
			    SLICE_FMT(key->text), where);
			continue;
		}
		const char *near = diag_nearest(key->text, known, known_count);
		snprintf(hint, sizeof(hint), "did you mean `%s`?",
		    near == NULL ? "" : near);
		yaml_complain(file, diag, DIAG_ERROR, "P012", key,
		    near == NULL ? NULL : hint, "unknown key `%.*s` in %s",
		    SLICE_FMT(key->text), where);
	}
}
