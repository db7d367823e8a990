/*
 * A YAML file as a tree whose every node knows its place.  Strict, because a
 * firewall's file must mean one thing: duplicate keys, tags, anchors, aliases,
 * merge keys, a second document, more than 16 levels, more than 1 MiB, NUL or
 * other control bytes are errors, all of them reported.  Scalars are not typed
 * here: the reader asks for the type that the key has.
 *
 * A YAML syntax error (libyaml stops there) ends the file: what was read
 * before is not returned.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_YAML_H
#define POLICY_YAML_H

#include "policy/diag.h"

enum yaml_kind {
	YAML_SCALAR,
	YAML_MAP,
	YAML_LIST
};

struct yaml_node {
	enum yaml_kind kind;
	struct diag_place place;
	/* scalar */
	struct slice text;
	bool quoted; /* '...' or "..." or a block scalar */
	/* map: count pairs; list: count items */
	unsigned count;
	struct yaml_node **keys;  /* of a map; scalars */
	struct yaml_node **items; /* values of a map, items of a list */
};

struct yaml_file; /* owns the nodes and the text */

/* NULL when the text cannot be read as one strict document; `name` is what
 * diagnostics call the file.  An empty document is an error.  A document with
 * mere strictness errors (a duplicate key) gives the tree and the errors. */
struct yaml_file *yaml_parse(
    struct slice text, struct slice name, struct diag *diag);
/* The same from disk; says why it cannot be read. */
struct yaml_file *yaml_load(const char *path, struct diag *diag);
/* Not yaml_free: libyaml exports that name, and would call ours. */
void yaml_file_free(struct yaml_file **file);
const struct yaml_node *yaml_root(const struct yaml_file *file);
/* The file's text as read (for its hash) and its name. */
struct slice yaml_text(const struct yaml_file *file);
struct slice yaml_name(const struct yaml_file *file);

/* The value under a key, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* Adds a diagnostic at a node, quoting its line. */
void yaml_complain(const struct yaml_file *file, struct diag *diag,
    enum diag_severity severity, const char *code, const struct yaml_node *node,
    const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 7, 8)));

/*
 * Typed readings of a scalar.  Each returns whether it could; the caller
 * complains.  true/false only; durations "90s", "5m", "1h", "2d" (a bare
 * number is none, except 0) in milliseconds; sizes "50M", "1024", "4k", "1G"
 * (1024-based) in bytes.  `null` and `~` unquoted are yaml_is_null.
 */
bool yaml_bool(const struct yaml_node *node, bool *out);
bool yaml_u64(const struct yaml_node *node, uint64_t *out);
bool yaml_duration(const struct yaml_node *node, uint64_t *out_ms);
/* COUNT/DURATION, as 60/1m. */
bool yaml_rate(
    const struct yaml_node *node, uint64_t *out_count, uint64_t *out_ms);
bool yaml_size(const struct yaml_node *node, uint64_t *out);
bool yaml_is_null(const struct yaml_node *node);
bool yaml_is(const struct yaml_node *node, const char *word);

/* Complains of every key of `map` that is not among `known`, with "did you
 * mean"; `where` is how the message calls the place ("rule `scanner`").
 * `unbuilt` (may be NULL) are keys of the language that this version has not
 * built: their message says so, under a code of its own. */
void yaml_check_keys(const struct yaml_file *file, const struct yaml_node *map,
    const char *where, const char *const *known, unsigned known_count,
    const char *const *unbuilt, unsigned unbuilt_count, struct diag *diag);

#endif
