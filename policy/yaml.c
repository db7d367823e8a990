/*
 * Strict YAML.  See yaml.h.  libyaml gives events; the tree, and all that is
 * refused, is ours.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/yaml.h"

#include "base/log.h"
#include "policy/yaml_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	DEPTH_MAX = 16,
	FILE_MAX = 1024 * 1024
};

/* Nodes are chained, to be freed. */
struct owned {
	struct owned *next;
	struct yaml_node node;
	char *text;
};

struct yaml_file {
	char *name, *text;
	size_t text_len;
	size_t *lines; /* where each begins */
	unsigned line_count;
	struct owned *nodes;
	struct yaml_node *root;
};

/* The state of one parse. */
struct builder {
	struct yaml_file *file;
	struct diag *diag;
	yaml_parser_t parser;
	unsigned depth;
	bool broken; /* a syntax error: nothing more can be read */
};

static struct yaml_node *parse_node(
    struct builder *builder, const yaml_event_t *event);

/* --- places -------------------------------------------------------------------- */

static void *
must(void *memory)
{
	if (memory == NULL)
		log_fatal("no memory while reading a file");
	return memory;
}

/* A file may have as many mistakes as lines: none is to cost a search. */
static void
find_lines(struct yaml_file *file)
{
	unsigned count = 1;

	for (size_t i = 0; i < file->text_len; i++)
		count += file->text[i] == '\n';
	file->lines = must(calloc(count + 1, sizeof(size_t)));
	for (size_t i = 0; i < file->text_len; i++)
		if (file->text[i] == '\n')
			file->lines[++file->line_count] = i + 1;
	file->lines[++file->line_count] = file->text_len + 1;
}

/* The text of a line, from 1. */
static struct slice
line_text(const struct yaml_file *file, unsigned line)
{
	if (line == 0 || line > file->line_count)
		return (struct slice){NULL, 0};
	size_t start = file->lines[line - 1];
	struct slice text =
	    slice_of(file->text + start, file->lines[line] - 1 - start);
	if (text.len > 0 && text.ptr[text.len - 1] == '\r')
		text.len--;
	return text;
}

static struct diag_place
place_of(const struct yaml_file *file, yaml_mark_t start, yaml_mark_t end)
{
	struct diag_place place = {.file = slice_str(file->name),
	    .line = (unsigned)start.line + 1,
	    .column = (unsigned)start.column + 1,
	    .width = 1};

	if (end.line == start.line && end.column > start.column)
		place.width = (unsigned)(end.column - start.column);
	return place;
}

static void
complain(struct builder *builder, const char *code, struct diag_place place,
    const char *text)
{
	diag_add(builder->diag, DIAG_ERROR, code, place,
	    line_text(builder->file, place.line), NULL, "%s", text);
}

static void
complain_event(struct builder *builder, const char *code,
    const yaml_event_t *event, const char *text)
{
	complain(builder, code,
	    place_of(builder->file, event->start_mark, event->end_mark), text);
}

void
yaml_complain(const struct yaml_file *file, struct diag *diag,
    enum diag_severity severity, const char *code, const struct yaml_node *node,
    const char *hint, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	diag_add(diag, severity, code, node->place,
	    line_text(file, node->place.line), hint, "%s", text);
}

/* --- nodes ------------------------------------------------------------------------ */

static struct owned *
new_node(
    struct builder *builder, enum yaml_kind kind, const yaml_event_t *event)
{
	struct owned *owned = must(calloc(1, sizeof(*owned)));

	owned->next = builder->file->nodes;
	builder->file->nodes = owned;
	owned->node.kind = kind;
	owned->node.place =
	    place_of(builder->file, event->start_mark, event->end_mark);
	return owned;
}

static void
push(struct yaml_node *node, struct yaml_node *key, struct yaml_node *item)
{
	if ((node->count & (node->count - 1)) == 0) {
		size_t size = node->count == 0 ? 1 : node->count * 2;
		node->items = must(realloc(node->items, size * sizeof(item)));
		node->keys = must(realloc(node->keys, size * sizeof(key)));
	}
	node->keys[node->count] = key;
	node->items[node->count++] = item;
}

/* The reader of bytes knows an offset only. */
static yaml_mark_t
mark_at(const struct builder *builder, size_t offset)
{
	const struct yaml_file *file = builder->file;
	yaml_mark_t mark = {.index = offset};

	for (size_t i = 0; i < offset && i < file->text_len; i++) {
		unsigned char c = (unsigned char)file->text[i];
		if (c == '\n') {
			mark.line++;
			mark.column = 0;
		} else if ((c & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

/* Whether a tab stands there, with ASCII alone before it in its line. */
static bool
is_tab(const struct yaml_file *file, yaml_mark_t mark)
{
	size_t at = 0;

	for (size_t line = 0; line < mark.line && at < file->text_len; at++)
		line += file->text[at] == '\n';
	at += mark.column;
	return at < file->text_len && file->text[at] == '\t';
}

static void
complain_syntax(struct builder *builder)
{
	const yaml_parser_t *parser = &builder->parser;
	const struct yaml_file *file = builder->file;
	char words[224], text[256];
	yaml_mark_t mark = yaml_syntax(parser, words, sizeof(words));

	if (parser->error == YAML_READER_ERROR)
		mark = mark_at(builder, parser->problem_offset);
	snprintf(text, sizeof(text), "not YAML: %s",
	    is_tab(file, mark) ? "a tab; indent with spaces" : words);
	complain(builder, "Y001", place_of(file, mark, mark), text);
}

static bool
next_event(struct builder *builder, yaml_event_t *event)
{
	if (builder->broken)
		return false;
	if (yaml_parser_parse(&builder->parser, event) != 0)
		return true;
	builder->broken = true;
	complain_syntax(builder);
	return false;
}

static void
check_properties(struct builder *builder, const yaml_event_t *event,
    const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL)
		complain_event(builder, "Y003", event,
		    "anchors are not allowed: write the value out");
	if (tag != NULL)
		complain_event(builder, "Y004", event,
		    "tags are not allowed: a key knows its type");
}

static struct yaml_node *
parse_scalar(struct builder *builder, const yaml_event_t *event)
{
	struct owned *owned = new_node(builder, YAML_SCALAR, event);

	check_properties(
	    builder, event, event->data.scalar.anchor, event->data.scalar.tag);
	owned->text = slice_dup(slice_of(
	    (const char *)event->data.scalar.value, event->data.scalar.length));
	owned->node.text = slice_of(owned->text, event->data.scalar.length);
	owned->node.quoted =
	    event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return &owned->node;
}

static struct yaml_node *
parse_list(struct builder *builder, const yaml_event_t *event)
{
	struct yaml_node *list = &new_node(builder, YAML_LIST, event)->node;
	yaml_event_t next;

	check_properties(builder, event, event->data.sequence_start.anchor,
	    event->data.sequence_start.tag);
	while (next_event(builder, &next)) {
		bool end = next.type == YAML_SEQUENCE_END_EVENT;
		if (!end) {
			struct yaml_node *item = parse_node(builder, &next);
			if (item != NULL)
				push(list, NULL, item);
		}
		yaml_event_delete(&next);
		if (end)
			break;
	}
	return list;
}

/* The keys of a map by their hash: slots of 1 + an index into its keys. */
struct seen {
	unsigned *slots;
	unsigned mask, count;
};

static unsigned
hash_of(struct slice text)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
	return hash ^ hash >> 15;
}

/* The slot that the key has, or would have. */
static unsigned *
slot_of(const struct seen *seen, const struct yaml_node *map, struct slice key)
{
	unsigned at = hash_of(key) & seen->mask;

	while (seen->slots[at] != 0 &&
	       !slice_eq(map->keys[seen->slots[at] - 1]->text, key))
		at = (at + 1) & seen->mask;
	return &seen->slots[at];
}

/* Notes the last key of the map. */
static void
note_key(struct seen *seen, const struct yaml_node *map)
{
	if (seen->count * 2 >= seen->mask) {
		seen->mask = seen->mask == 0 ? 15 : seen->mask * 2 + 1;
		free(seen->slots);
		seen->slots = must(calloc(seen->mask + 1, sizeof(unsigned)));
		for (unsigned i = map->count - 1; i > 0; i--)
			*slot_of(seen, map, map->keys[i - 1]->text) = i;
	}
	unsigned *slot = slot_of(seen, map, map->keys[map->count - 1]->text);
	if (*slot == 0)
		*slot = map->count;
	seen->count++;
}

static void
check_key(struct builder *builder, const struct yaml_node *map,
    const struct seen *seen, const struct yaml_node *key,
    const yaml_event_t *event)
{
	if (key->kind != YAML_SCALAR) {
		complain_event(
		    builder, "Y007", event, "a key must be a plain word");
		return;
	}
	if (slice_eq(key->text, SLICE("<<")) && !key->quoted)
		complain_event(builder, "Y005", event,
		    "merge keys are not allowed: write the keys out");
	unsigned at = seen->slots == NULL ? 0 : *slot_of(seen, map, key->text);
	if (at != 0)
		yaml_complain(builder->file, builder->diag, DIAG_ERROR, "Y002",
		    key, NULL, "the key `%.*s` stands twice (first in line %u)",
		    SLICE_FMT(slice_head(key->text, 80)),
		    map->keys[at - 1]->place.line);
}

static struct yaml_node *
parse_map(struct builder *builder, const yaml_event_t *event)
{
	struct yaml_node *map = &new_node(builder, YAML_MAP, event)->node;
	struct yaml_node *key = NULL;
	struct seen seen = {NULL, 0, 0};
	yaml_event_t next;

	check_properties(builder, event, event->data.mapping_start.anchor,
	    event->data.mapping_start.tag);
	while (next_event(builder, &next)) {
		bool end = next.type == YAML_MAPPING_END_EVENT;
		struct yaml_node *node =
		    end ? NULL : parse_node(builder, &next);
		if (!end && key == NULL) {
			key = node;
			if (key != NULL)
				check_key(builder, map, &seen, key, &next);
		} else if (!end) {
			if (node != NULL && key->kind == YAML_SCALAR) {
				push(map, key, node);
				note_key(&seen, map);
			}
			key = NULL;
		}
		yaml_event_delete(&next);
		if (end)
			break;
	}
	free(seen.slots);
	return map;
}

/* Stands in for what is not allowed, so that the rest is still read. */
static struct yaml_node *
placeholder(struct builder *builder, const yaml_event_t *event)
{
	struct owned *owned = new_node(builder, YAML_SCALAR, event);

	owned->text = slice_dup(SLICE(""));
	owned->node.text = slice_of(owned->text, 0);
	return &owned->node;
}

static struct yaml_node *
parse_node(struct builder *builder, const yaml_event_t *event)
{
	struct yaml_node *node = NULL;

	if (builder->depth >= DEPTH_MAX) {
		if (!builder->broken)
			complain_event(
			    builder, "Y008", event, "more than 16 levels deep");
		builder->broken = true;
		return placeholder(builder, event);
	}
	builder->depth++;
	if (event->type == YAML_SCALAR_EVENT) {
		node = parse_scalar(builder, event);
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		node = parse_list(builder, event);
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		node = parse_map(builder, event);
	} else if (event->type == YAML_ALIAS_EVENT) {
		complain_event(builder, "Y003", event,
		    "aliases are not allowed: write the value out");
		node = placeholder(builder, event);
	}
	builder->depth--;
	return node;
}

static void
parse_stream(struct builder *builder)
{
	yaml_event_t event;
	unsigned documents = 0;
	bool end = false;

	while (!end && next_event(builder, &event)) {
		switch (event.type) {
		case YAML_STREAM_END_EVENT:
			end = true;
			break;
		case YAML_DOCUMENT_START_EVENT:
			if (++documents == 2)
				complain_event(builder, "Y006", &event,
				    "a second document: one file, one "
				    "document");
			break;
		case YAML_SCALAR_EVENT:
		case YAML_SEQUENCE_START_EVENT:
		case YAML_MAPPING_START_EVENT:
		case YAML_ALIAS_EVENT: {
			struct yaml_node *node = parse_node(builder, &event);
			if (builder->file->root == NULL)
				builder->file->root = node;
			break;
		}
		case YAML_NO_EVENT:
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
		case YAML_SEQUENCE_END_EVENT:
		case YAML_MAPPING_END_EVENT:
			break;
		}
		yaml_event_delete(&event);
	}
}

struct yaml_file *
yaml_parse(struct slice text, struct slice name, struct diag *diag)
{
	struct yaml_file *file = must(calloc(1, sizeof(*file)));
	struct builder builder = {.file = file, .diag = diag};
	struct diag_place whole;

	file->name = slice_dup(name);
	file->text = slice_dup(text);
	file->text_len = text.len;
	whole = (struct diag_place){.file = slice_str(file->name)};
	find_lines(file);
	if (text.len > FILE_MAX) {
		complain(&builder, "Y009", whole, "larger than 1 MiB");
		builder.broken = true;
	} else {
		if (yaml_parser_initialize(&builder.parser) == 0)
			log_fatal("no memory while reading %s", file->name);
		yaml_parser_set_input_string(&builder.parser,
		    (const unsigned char *)file->text, text.len);
		yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
		parse_stream(&builder);
		yaml_parser_delete(&builder.parser);
	}
	if (!builder.broken && file->root == NULL)
		complain(&builder, "Y010", whole, "the file is empty");
	if (builder.broken || file->root == NULL)
		yaml_file_free(&file);
	return file;
}

static char *
read_file(const char *path, size_t *len)
{
	struct stat status;
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	*len = 0;
	if (fd == -1)
		return NULL;
	if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
		close(fd);
		errno = EISDIR;
		return NULL;
	}
	text = must(malloc(FILE_MAX + 2));
	for (;;) {
		ssize_t got = read(fd, text + *len, FILE_MAX + 1 - *len);
		if (got <= 0)
			break;
		*len += (size_t)got;
	}
	close(fd);
	return text;
}

struct yaml_file *
yaml_load(const char *path, struct diag *diag)
{
	struct diag_place whole = {.file = slice_str(path)};
	size_t len;
	char *text = read_file(path, &len);

	if (text == NULL) {
		diag_add(diag, DIAG_ERROR, "Y011", whole,
		    (struct slice){NULL, 0}, NULL, "cannot be read: %s%s",
		    strerror(errno),
		    errno == EACCES
			? " (it must be readable by the user that runs this)"
			: "");
		return NULL;
	}
	struct yaml_file *file =
	    yaml_parse(slice_of(text, len), slice_str(path), diag);
	free(text);
	return file;
}

void
yaml_file_free(struct yaml_file **file_p)
{
	struct yaml_file *file = *file_p;

	if (file == NULL)
		return;
	while (file->nodes != NULL) {
		struct owned *owned = file->nodes;
		file->nodes = owned->next;
		free(owned->text);
		free(owned->node.keys);
		free(owned->node.items);
		free(owned);
	}
	free(file->name);
	free(file->text);
	free(file->lines);
	free(file);
	*file_p = NULL;
}

const struct yaml_node *
yaml_root(const struct yaml_file *file)
{
	return file->root;
}

struct slice
yaml_text(const struct yaml_file *file)
{
	return slice_of(file->text, file->text_len);
}

struct slice
yaml_name(const struct yaml_file *file)
{
	return slice_str(file->name);
}
