/*
 * Collected diagnostics and their printed forms.  See diag.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/diag.h"

#include "base/json.h"
#include "base/log.h"
#include "policy/code.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	TEXT_MAX = 512,
	SOURCE_MAX = 160,
	ITEMS_MAX = 10000 /* more than anybody reads */
};

struct diag {
	struct diag_item **items; /* pointers: sorting moves no item */
	unsigned count, size;
	unsigned errors;
	unsigned dropped, dropped_errors; /* over ITEMS_MAX */
};

struct diag *
diag_new(void)
{
	struct diag *diag = calloc(1, sizeof(*diag));

	if (diag == NULL)
		log_fatal("no memory");
	return diag;
}

static void
free_item(struct diag_item *item)
{
	free(item->text);
	free(item->hint);
	free(item->source);
	free(item->file);
	free(item);
}

void
diag_free(struct diag **diag_p)
{
	struct diag *diag = *diag_p;

	if (diag == NULL)
		return;
	for (unsigned i = 0; i < diag->count; i++)
		free_item(diag->items[i]);
	free(diag->items);
	free(diag);
	*diag_p = NULL;
}

/* A copy in which nothing can act upon a terminal: control bytes become "?",
 * UTF-8 stays. */
static char *
printable(struct slice text)
{
	char *copy = slice_dup(slice_head(text, TEXT_MAX));

	for (char *c = copy; c < copy + text.len && *c != '\0';) {
		size_t len = utf8_sequence(slice_str(c));
		bool control = (unsigned char)*c < 0x20 || *c == 0x7f;
		if ((control && *c != '\t') || len == 0)
			*c = '?';
		c += len == 0 ? 1 : len;
	}
	return copy;
}

static void
push(struct diag *diag, struct diag_item *item)
{
	if (diag->count == diag->size) {
		diag->size = diag->size == 0 ? 16 : diag->size * 2;
		diag->items =
		    realloc(diag->items, diag->size * sizeof(diag->items[0]));
		if (diag->items == NULL)
			log_fatal("no memory");
	}
	item->number = diag->count;
	diag->items[diag->count++] = item;
	diag->errors += item->severity == DIAG_ERROR;
}

void
diag_add(struct diag *diag, enum diag_severity severity, const char *code,
    struct diag_place place, struct slice source, const char *hint,
    const char *fmt, ...)
{
	struct diag_item *item;
	char text[TEXT_MAX];
	va_list args;

	if (diag->count == ITEMS_MAX) {
		diag->dropped++;
		diag->dropped_errors += severity == DIAG_ERROR;
		return;
	}
	item = calloc(1, sizeof(*item));
	if (item == NULL)
		log_fatal("no memory");
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	item->severity = severity;
	item->code = code;
	item->place = place;
	item->file = printable(place.file);
	item->place.file = slice_str(item->file);
	item->text = printable(slice_str(text));
	item->hint = hint == NULL ? NULL : printable(slice_str(hint));
	item->source =
	    source.ptr == NULL || place.line == 0 || place.column >= TEXT_MAX
		? NULL
		: printable(source);
	push(diag, item);
}

unsigned
diag_errors(const struct diag *diag)
{
	return diag->errors + diag->dropped_errors;
}

unsigned
diag_warnings(const struct diag *diag)
{
	return diag->count - diag->errors + diag->dropped -
	       diag->dropped_errors;
}

unsigned
diag_count(const struct diag *diag)
{
	return diag->count;
}

const struct diag_item *
diag_at(const struct diag *diag, unsigned i)
{
	return diag->items[i];
}

/* --- printing ------------------------------------------------------------------ */

static int
by_place(const void *a_p, const void *b_p)
{
	const struct diag_item *a = *(struct diag_item *const *)a_p;
	const struct diag_item *b = *(struct diag_item *const *)b_p;
	int order = slice_cmp(a->place.file, b->place.file);

	if (order != 0)
		return order;
	if (a->place.line != b->place.line)
		return a->place.line < b->place.line ? -1 : 1;
	if (a->place.column != b->place.column)
		return a->place.column < b->place.column ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static void
sort(const struct diag *diag)
{
	if (diag->count > 1)
		qsort(
		    diag->items, diag->count, sizeof(diag->items[0]), by_place);
}

static bool
same_place(const struct diag_item *a, const struct diag_item *b)
{
	return slice_eq(a->place.file, b->place.file) &&
	       a->place.line == b->place.line &&
	       a->place.column == b->place.column;
}

/* Whether one of the items of this place, which end the list, says it. */
static bool
is_said(struct diag_item *const *items, unsigned count,
    const struct diag_item *item)
{
	for (unsigned i = count; i > 0 && same_place(items[i - 1], item); i--) {
		const struct diag_item *other = items[i - 1];
		if (other->code[0] == 'Y' && item->code[0] != 'Y')
			return true;
		if (other->severity == item->severity &&
		    strcmp(other->code, item->code) == 0 &&
		    strcmp(other->text, item->text) == 0)
			return true;
	}
	return false;
}

void
diag_settle(struct diag *diag)
{
	unsigned kept = 0;

	sort(diag);
	for (unsigned i = 0; i < diag->count; i++) {
		struct diag_item *item = diag->items[i];
		if (is_said(diag->items, kept, item)) {
			diag->errors -= item->severity == DIAG_ERROR;
			free_item(item);
		} else {
			diag->items[kept++] = item;
		}
	}
	diag->count = kept;
}

static const char *
severity_name(const struct diag_item *item)
{
	return item->severity == DIAG_ERROR ? "error" : "warning";
}

/* The line of the file with its tabs as one column each, like the column
 * that was counted. */
static void
print_source(const struct diag_item *item, struct buf *out)
{
	unsigned skip = 0, column = 1;

	buf_printf(out, "%5u | ", item->place.line);
	/* Of a very long line, the part around the place. */
	if (item->place.column > SOURCE_MAX / 2)
		skip = item->place.column - SOURCE_MAX / 2;
	for (const char *c = item->source;
	     *c != '\0' && column < skip + SOURCE_MAX;) {
		size_t len = utf8_sequence(slice_str(c));
		if (column > skip)
			buf_append(
			    out, *c == '\t' ? SLICE(" ") : slice_of(c, len));
		c += len;
		column++;
	}
	buf_append_str(out, "\n      | ");
	for (column = skip + 1; column < item->place.column; column++)
		buf_append_str(out, " ");
	buf_append_str(out, "^");
	for (unsigned i = 1; i < item->place.width && i < SOURCE_MAX; i++)
		buf_append_str(out, "~");
	if (item->hint != NULL) {
		buf_append_str(out, " ");
		buf_append_str(out, item->hint);
	}
	buf_append_str(out, "\n");
}

static void
print_item(const struct diag_item *item, bool colour, struct buf *out)
{
	bool error = item->severity == DIAG_ERROR;

	buf_append(out, item->place.file);
	if (item->place.line > 0)
		buf_printf(out, ":%u:%u", item->place.line, item->place.column);
	buf_printf(out, ": %s%s[%s]%s: ",
	    !colour ? ""
	    : error ? "\033[1;31m"
		    : "\033[1;35m",
	    severity_name(item), item->code, colour ? "\033[0m" : "");
	buf_append_str(out, item->text);
	if (item->source == NULL && item->hint != NULL) {
		buf_append_str(out, "; ");
		buf_append_str(out, item->hint);
	}
	buf_append_str(out, "\n");
	if (item->source != NULL)
		print_source(item, out);
}

void
diag_print_text(const struct diag *diag, struct buf *out)
{
	sort(diag);
	for (unsigned i = 0; i < diag->count; i++)
		print_item(diag->items[i], false, out);
}

void
diag_print_colour(const struct diag *diag, struct buf *out)
{
	sort(diag);
	for (unsigned i = 0; i < diag->count; i++)
		print_item(diag->items[i], true, out);
}

/* One past the last character of the place. */
static unsigned
end_column(const struct diag_item *item)
{
	unsigned width = item->place.width == 0 ? 1 : item->place.width;

	return item->place.line == 0 ? 0 : item->place.column + width;
}

void
diag_print_json(const struct diag *diag, struct buf *out)
{
	struct json json;

	sort(diag);
	json_init(&json, out);
	json_array_open(&json, NULL);
	for (unsigned i = 0; i < diag->count; i++) {
		const struct diag_item *item = diag->items[i];
		json_object_open(&json, NULL);
		json_bytes(&json, "file", item->place.file);
		json_u64(&json, "line", item->place.line);
		json_u64(&json, "column", item->place.column);
		json_u64(&json, "end_column", end_column(item));
		json_str(&json, "severity", severity_name(item));
		json_str(&json, "code", item->code);
		json_str(&json, "message", item->text);
		if (item->hint != NULL)
			json_str(&json, "hint", item->hint);
		json_object_close(&json);
	}
	json_array_close(&json);
	buf_append_str(out, "\n");
}

/* The path as a reference of RFC 3986. */
static void
print_uri(struct json *json, struct slice path)
{
	struct buf uri;

	buf_init(&uri, 4 * PATH_MAX);
	for (size_t i = 0; i < path.len; i++) {
		char c = path.ptr[i];
		if (ascii_is_alpha(c) || ascii_is_digit(c) ||
		    (c != '\0' && strchr("/-._~", c) != NULL))
			buf_append(&uri, slice_of(&c, 1));
		else
			buf_printf(&uri, "%%%02X", (unsigned char)c);
	}
	json_bytes(json, "uri", buf_slice(&uri));
	buf_fini(&uri);
}

static void
print_sarif_text(struct json *json, const char *key, const char *text)
{
	json_object_open(json, key);
	json_str(json, "text", text);
	json_object_close(json);
}

static void
print_sarif_rules(struct json *json)
{
	json_array_open(json, "rules");
	for (unsigned i = 0; i < code_count(); i++) {
		const struct code *code = code_at(i);
		json_object_open(json, NULL);
		json_str(json, "id", code->name);
		print_sarif_text(json, "shortDescription", code->title);
		print_sarif_text(json, "fullDescription", code->meaning);
		print_sarif_text(json, "help", code->mend);
		json_object_open(json, "defaultConfiguration");
		json_str(json, "level",
		    code->severity == CODE_WARNING ? "warning" : "error");
		json_object_close(json);
		json_object_close(json);
	}
	json_array_close(json);
}

/* The hint is half of the help, so it stands in the message too. */
static void
print_message(struct json *json, const struct diag_item *item)
{
	struct buf text;

	buf_init(&text, 2 * TEXT_MAX + 8);
	buf_append_str(&text, item->text);
	if (item->hint != NULL)
		buf_printf(&text, "; %s", item->hint);
	json_object_open(json, "message");
	json_bytes(json, "text", buf_slice(&text));
	json_object_close(json);
	buf_fini(&text);
}

static void
print_sarif_item(struct json *json, const struct diag_item *item)
{
	json_object_open(json, NULL);
	json_str(json, "ruleId", item->code);
	int rule = code_find(slice_str(item->code));
	if (rule != -1)
		json_u64(json, "ruleIndex", (uint64_t)rule);
	json_str(json, "level", severity_name(item));
	print_message(json, item);
	json_array_open(json, "locations");
	json_object_open(json, NULL);
	json_object_open(json, "physicalLocation");
	json_object_open(json, "artifactLocation");
	print_uri(json, item->place.file);
	json_object_close(json);
	if (item->place.line > 0) {
		json_object_open(json, "region");
		json_u64(json, "startLine", item->place.line);
		json_u64(json, "startColumn", item->place.column);
		json_u64(json, "endColumn", end_column(item));
		json_object_close(json);
	}
	json_object_close(json);
	json_object_close(json);
	json_array_close(json);
	json_object_close(json);
}

void
diag_print_sarif(const struct diag *diag, struct buf *out)
{
	struct json json;

	sort(diag);
	json_init(&json, out);
	json_object_open(&json, NULL);
	json_str(&json, "version", "2.1.0");
	json_str(
	    &json, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	json_array_open(&json, "runs");
	json_object_open(&json, NULL);
	json_object_open(&json, "tool");
	json_object_open(&json, "driver");
	json_str(&json, "name", "ehlogate");
	json_str(&json, "version", EHLOGATE_VERSION);
	print_sarif_rules(&json);
	json_object_close(&json);
	json_object_close(&json);
	/* As columns are counted here. */
	json_str(&json, "columnKind", "unicodeCodePoints");
	json_array_open(&json, "results");
	for (unsigned i = 0; i < diag->count; i++)
		print_sarif_item(&json, diag->items[i]);
	json_array_close(&json);
	json_object_close(&json);
	json_array_close(&json);
	json_object_close(&json);
	buf_append_str(out, "\n");
}

/* --- did you mean ------------------------------------------------------------------ */

enum {
	WORD_MAX = 40
};

/* The least number of insertions, deletions, replacements and swaps of
 * neighbours that make b of a. */
static unsigned
distance(struct slice a, struct slice b)
{
	unsigned rows[3][WORD_MAX + 1];

	for (unsigned j = 0; j <= b.len; j++)
		rows[1][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		unsigned *now = rows[(i + 1) % 3];
		const unsigned *last = rows[i % 3];
		const unsigned *before = rows[(i + 2) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			bool same = ascii_lower(a.ptr[i - 1]) ==
				    ascii_lower(b.ptr[j - 1]);
			unsigned best = last[j - 1] + !same;
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] &&
			    a.ptr[i - 2] == b.ptr[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
	}
	return rows[(a.len + 1) % 3][b.len];
}

const char *
diag_nearest(struct slice word, const char *const *candidates, unsigned count)
{
	const char *nearest = NULL;
	unsigned best = word.len < 3 ? 1 : (unsigned)word.len / 3;

	if (word.len == 0 || word.len > WORD_MAX)
		return NULL;
	for (unsigned i = 0; i < count; i++) {
		struct slice candidate = slice_str(candidates[i]);
		if (candidate.len > WORD_MAX)
			continue;
		unsigned far = distance(word, candidate);
		if (far <= best && (nearest == NULL || far < best)) {
			nearest = candidates[i];
			best = far;
		}
	}
	return nearest;
}
