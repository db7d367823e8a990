/*
 * The values that two policies speak of: out of their YAML, whatever the rules
 * become inside the policy.  See diff.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/common.h"
#include "cli/diff.h"
#include "policy/lookup.h"

#include <stdlib.h>

enum {
	PATH_LENGTH_MAX = 4096,
	NAME_MAX = 300,
	INCLUDE_DEPTH = 8
};

/* The same walk is done twice: first for the groups, then for what is tried
 * (diff_classes.c). */
struct walk {
	struct universe *universe;
	bool groups;
	enum policy_stage stage;
	const char *path; /* of the file that is read */
	struct slice fact;
};

/* --- values of the other facts ------------------------------------------------------ */

void
universe_value(struct universe *universe, enum dim_id id, struct slice text,
    uint64_t number)
{
	struct dim *dim = &universe->dims[id];
	struct dim_value value = {.number = number};

	for (unsigned i = 0; i < dim->count; i++)
		if (dim->values[i].number == number &&
		    slice_eq(dim->values[i].text, text))
			return;
	if (dim->count == DIM_VALUES_MAX) {
		universe->full = true;
		return;
	}
	if (diff_kind((enum dim_id)id) == DIM_ADDRESS &&
	    !addr_parse(text, &value.addr))
		return;
	if (diff_kind((enum dim_id)id) == DIM_GIVEN ||
	    diff_kind((enum dim_id)id) == DIM_ZONE) {
		struct diag *diag = diag_new();
		value.yaml = yaml_parse(text, SLICE("value"), diag);
		diag_free(&diag);
		if (value.yaml == NULL)
			return;
	}
	value.text = slice_of(slice_dup(text), text.len);
	dim->values[dim->count++] = value;
}

/* --- addresses and names ------------------------------------------------------------- */

/* One more or one less than an address; false: there is none. */
static bool
step_addr(struct addr *addr, int by)
{
	unsigned size = addr->family == 4 ? 4 : 16;

	for (unsigned i = size; i > 0; i--) {
		addr->bytes[i - 1] = (uint8_t)(addr->bytes[i - 1] + by);
		if (addr->bytes[i - 1] != (by > 0 ? 0 : 0xff))
			return true;
	}
	return false;
}

static void
try_addr(struct walk *walk, const struct addr *addr)
{
	char text[ADDR_TEXT];

	if (!classes_add_addr(walk->universe->clients, addr))
		walk->universe->full = true;
	if (slice_eq(walk->fact, SLICE("server")))
		universe_value(walk->universe, DIM_ID_SERVER,
		    slice_str(addr_format(addr, text)), 0);
	for (unsigned id = DIM_ID_HELO_ADDRESS; id <= DIM_ID_HELO_NS; id++) {
		char quoted[ADDR_TEXT + 2];
		int len = snprintf(
		    quoted, sizeof(quoted), "\"%s\"", addr_format(addr, text));
		if (slice_eq(walk->fact, slice_str(diff_fact((enum dim_id)id))))
			universe_value(walk->universe, (enum dim_id)id,
			    slice_of(quoted, (size_t)len), 0);
	}
}

/* Both edges of a prefix, and what is next to them. */
static void
on_prefix(struct walk *walk, const struct prefix *prefix)
{
	struct addr low = prefix->addr, high = prefix->addr;
	unsigned width = prefix->addr.family == 4 ? 32 : 128;

	if (walk->groups) {
		classes_group_prefix(walk->universe->clients, prefix);
		return;
	}
	for (unsigned bit = prefix->bits; bit < width; bit++)
		high.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	try_addr(walk, &low);
	try_addr(walk, &high);
	if (step_addr(&low, -1))
		try_addr(walk, &low);
	if (step_addr(&high, 1))
		try_addr(walk, &high);
}

static void
try_name(struct walk *walk, const char *before, struct slice name, bool always)
{
	char text[NAME_MAX];
	int len = snprintf(text, sizeof(text), "%s%.*s", before,
	    SLICE_FMT(slice_head(name, 260)));
	struct slice made = slice_of(text, (size_t)len);

	if (!classes_add_name(walk->universe->names, made, always))
		walk->universe->full = true;
	if (slice_eq(walk->fact, SLICE("client.ptr")))
		universe_value(walk->universe, DIM_ID_PTR, made, 0);
	if (slice_eq(walk->fact, SLICE("listener")))
		universe_value(walk->universe, DIM_ID_LISTENER, made, 0);
	if (slice_eq(walk->fact, SLICE("auth.user")))
		universe_value(walk->universe, DIM_ID_AUTH_USER, made, 0);
}

static void
try_mailbox(
    struct walk *walk, enum dim_id id, const char *before, struct slice domain)
{
	char text[NAME_MAX];
	int len = snprintf(text, sizeof(text), "%s%.*s",
	    slice_find(domain, '@') == -1 ? before : "",
	    SLICE_FMT(slice_head(domain, 260)));

	universe_value(walk->universe, id, slice_of(text, (size_t)len), 0);
}

/* The name, one below it, and one that only ends alike. */
static void
on_domain(struct walk *walk, struct slice name)
{
	if (walk->groups) {
		classes_group_domain(walk->universe->names, name);
		return;
	}
	try_name(walk, "", name, false);
	try_name(walk, "below.", name, false);
	try_name(walk, "not", name, false);
	for (unsigned i = 0; i < 2; i++) {
		enum dim_id id = i == 0 ? DIM_ID_FROM : DIM_ID_TO;
		if (!slice_eq(
			walk->fact, slice_str(diff_fact((enum dim_id)id))))
			continue;
		try_mailbox(walk, id, "user@", name);
		try_mailbox(walk, id, "user@below.", name);
		try_mailbox(walk, id, "user@not", name);
	}
}

/* A name that the pattern matches, and one that it just does not. */
static void
on_glob(struct walk *walk, struct slice glob)
{
	char text[NAME_MAX];
	size_t len = 0;

	if (walk->groups)
		return;
	for (size_t i = 0; i < glob.len && len + 2 < sizeof(text); i++) {
		if (glob.ptr[i] == '*')
			text[len++] = 'x';
		text[len++] = glob.ptr[i] == '*'   ? '1'
			      : glob.ptr[i] == '?' ? 'a'
						   : glob.ptr[i];
	}
	try_name(walk, "", slice_of(text, len), true);
	try_name(walk, "z", slice_of(text, len), true);
	for (unsigned i = 0; i < 2; i++) {
		enum dim_id id = i == 0 ? DIM_ID_FROM : DIM_ID_TO;
		if (slice_eq(walk->fact, slice_str(diff_fact((enum dim_id)id))))
			try_mailbox(walk, id, "user@", slice_of(text, len));
	}
}

static void
on_number(struct walk *walk, uint64_t number)
{
	for (unsigned id = 0; id < DIM_IDS; id++) {
		if (diff_kind((enum dim_id)id) != DIM_NUMBER ||
		    !slice_eq(
			walk->fact, slice_str(diff_fact((enum dim_id)id))))
			continue;
		universe_value(
		    walk->universe, (enum dim_id)id, SLICE(""), number);
		universe_value(
		    walk->universe, (enum dim_id)id, SLICE(""), number + 1);
		if (number > 0)
			universe_value(walk->universe, (enum dim_id)id,
			    SLICE(""), number - 1);
	}
}

/* --- rules ------------------------------------------------------------------------ */

static void
on_zone(struct walk *walk, struct slice zone)
{
	enum dim_id id = slice_eq(walk->fact, SLICE("client.dnsbl"))
			     ? DIM_ID_DNSBL
			     : DIM_ID_RHSBL;
	char text[NAME_MAX];
	int len = snprintf(text, sizeof(text), "{\"%.*s\": none}",
	    SLICE_FMT(slice_head(zone, 253)));

	universe_value(walk->universe, id, slice_of(text, (size_t)len), 0);
	universe_value(walk->universe, id, zone, 0);
}

static bool
is_zone_fact(struct slice fact)
{
	return slice_eq(fact, SLICE("client.dnsbl")) ||
	       slice_eq(fact, SLICE("helo.rhsbl"));
}

static void
on_scalar(struct walk *walk, const struct yaml_node *node)
{
	struct prefix prefix;
	uint64_t number;

	if (is_zone_fact(walk->fact)) {
		on_zone(walk, node->text);
		return;
	}
	if (walk->groups)
		classes_begin_group(prefix_parse(node->text, &prefix)
					? walk->universe->clients
					: walk->universe->names);
	if (yaml_size(node, &number))
		on_number(walk, number);
	if (prefix_parse(node->text, &prefix))
		on_prefix(walk, &prefix);
	else if (!yaml_is_null(node))
		on_domain(walk, node->text);
}

/* The values under a fact: scalars, lists, maps of {is:}, {not:} and so on. */
static void
on_values(struct walk *walk, const struct yaml_node *node, struct slice word)
{
	if (node->kind == YAML_SCALAR) {
		if (slice_eq(word, SLICE("glob")))
			on_glob(walk, node->text);
		else if (slice_eq(word, SLICE("regex")))
			walk->universe->has_regex = true;
		else
			on_scalar(walk, node);
		return;
	}
	for (unsigned i = 0; i < node->count; i++)
		on_values(walk, node->items[i],
		    node->kind == YAML_MAP ? node->keys[i]->text : word);
}

static void
use_fact(struct walk *walk, struct slice fact)
{
	for (unsigned id = 0; id < DIM_IDS; id++)
		if (slice_eq(fact, slice_str(diff_fact((enum dim_id)id))))
			walk->universe->dims[id].used[walk->stage] = true;
	if (slice_has_prefix_nocase(fact, SLICE("helo")))
		walk->universe->names_used[walk->stage] = true;
}

static void
on_when(struct walk *walk, const struct yaml_node *when)
{
	if (when == NULL || when->kind != YAML_MAP)
		return;
	for (unsigned i = 0; i < when->count; i++) {
		const struct yaml_node *value = when->items[i];
		walk->fact = when->keys[i]->text;
		if (slice_eq(walk->fact, SLICE("any"))) {
			for (unsigned j = 0;
			     value->kind == YAML_LIST && j < value->count; j++)
				on_when(walk, value->items[j]);
			continue;
		}
		use_fact(walk, walk->fact);
		on_values(walk, value, SLICE(""));
	}
}

static void
on_rules(struct walk *walk, const struct yaml_node *rules)
{
	for (unsigned i = 0;
	     rules != NULL && rules->kind == YAML_LIST && i < rules->count; i++)
		on_when(walk, yaml_get(rules->items[i], "when"));
}

/* --- lists ------------------------------------------------------------------------ */

static void
on_entry(struct walk *walk, struct slice text)
{
	struct prefix prefix;

	if (prefix_parse(text, &prefix))
		on_prefix(walk, &prefix);
	else
		on_domain(walk, text);
}

/* Relative to the folder of the file that names it. */
static void
resolve(const struct walk *walk, struct slice name, char out[PATH_LENGTH_MAX])
{
	size_t len = strlen(walk->path);

	while (len > 0 && walk->path[len - 1] != '/')
		len--;
	if (name.len > 0 && name.ptr[0] == '/')
		len = 0;
	snprintf(out, PATH_LENGTH_MAX, "%.*s%.*s", (int)len, walk->path,
	    SLICE_FMT(name));
}

static struct slice
trimmed(struct slice line)
{
	ptrdiff_t hash = slice_find(line, '#');

	if (hash != -1)
		line = slice_head(line, (size_t)hash);
	while (line.len > 0 && (unsigned char)line.ptr[line.len - 1] <= ' ')
		line.len--;
	while (line.len > 0 && (unsigned char)line.ptr[0] <= ' ')
		line = slice_from(line, 1);
	return line;
}

static void
on_list_file(struct walk *walk, struct slice name)
{
	char path[PATH_LENGTH_MAX];
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	FILE *file;

	resolve(walk, name, path);
	file = fopen(path, "re");
	if (file == NULL)
		return; /* the policy's own loader has said so */
	while ((len = getline(&line, &size, file)) != -1) {
		struct slice entry = trimmed(slice_of(line, (size_t)len));
		if (entry.len > 0)
			on_entry(walk, entry);
	}
	free(line);
	fclose(file);
}

static void
on_list(struct walk *walk, const struct yaml_node *list)
{
	if (list->kind != YAML_MAP)
		return;
	if (walk->groups) {
		classes_begin_group(walk->universe->clients);
		classes_begin_group(walk->universe->names);
	}
	for (unsigned i = 0; i < list->count; i++) {
		const struct yaml_node *node = list->items[i];
		bool file = slice_has_suffix_nocase(
		    list->keys[i]->text, SLICE("_file"));
		for (unsigned j = 0;
		     j < (node->kind == YAML_LIST ? node->count : 1); j++) {
			const struct yaml_node *item =
			    node->kind == YAML_LIST ? node->items[j] : node;
			if (item->kind != YAML_SCALAR)
				continue;
			if (file)
				on_list_file(walk, item->text);
			else
				on_entry(walk, item->text);
		}
	}
}

/* --- files ------------------------------------------------------------------------ */

/* Names of the policy's tests: its writer's own idea of what matters. */
static void
on_tests(struct walk *walk, const struct yaml_node *tests)
{
	walk->fact = SLICE("");
	for (unsigned i = 0; !walk->groups && tests != NULL &&
			     tests->kind == YAML_LIST && i < tests->count;
	     i++) {
		const struct yaml_node *helo =
		    yaml_get(tests->items[i], "helo");
		if (helo != NULL && helo->kind == YAML_SCALAR)
			try_name(walk, "", helo->text, true);
	}
}

static bool on_file(struct walk *walk, const char *path, unsigned depth);

static void
on_includes(struct walk *walk, const struct yaml_node *node, unsigned depth)
{
	char path[PATH_LENGTH_MAX];

	for (unsigned i = 0;
	     node != NULL && i < (node->kind == YAML_LIST ? node->count : 1);
	     i++) {
		const struct yaml_node *item =
		    node->kind == YAML_LIST ? node->items[i] : node;
		if (item->kind != YAML_SCALAR)
			continue;
		resolve(walk, item->text, path);
		on_file(walk, path, depth + 1);
	}
}

static bool
on_file(struct walk *walk, const char *path, unsigned depth)
{
	static const char *const stages[] = {"connect", "helo", "mail", "rcpt"};
	struct diag *diag = diag_new();
	struct yaml_file *file =
	    depth > INCLUDE_DEPTH ? NULL : yaml_load(path, diag);
	const char *outer = walk->path;

	diag_free(&diag);
	if (file == NULL)
		return false;
	const struct yaml_node *root = yaml_root(file);
	walk->path = path;
	on_includes(walk, yaml_get(root, "include"), depth);
	const struct yaml_node *lists = yaml_get(root, "lists");
	walk->fact = SLICE("");
	for (unsigned i = 0;
	     lists != NULL && lists->kind == YAML_MAP && i < lists->count; i++)
		on_list(walk, lists->items[i]);
	for (unsigned i = 0; i < POLICY_STAGE_COUNT; i++) {
		walk->stage = (enum policy_stage)i;
		on_rules(walk, yaml_get(root, stages[i]));
	}
	on_tests(walk, yaml_get(root, "tests"));
	walk->path = outer;
	yaml_file_free(&file);
	return true;
}

bool
universe_init(struct universe *universe, const char *const paths[2])
{
	struct walk walk = {.universe = universe, .groups = true, .path = ""};
	bool good = true;

	*universe =
	    (struct universe){.clients = classes_new(), .names = classes_new()};
	universe->names_used[POLICY_STAGE_HELO] = true;
	universe_usual_values(universe);
	for (unsigned i = 0; i < 2; i++)
		good &= on_file(&walk, paths[i], 0);
	classes_seal(universe->clients);
	walk.groups = false;
	universe_usual_classes(universe);
	for (unsigned i = 0; i < 2; i++)
		good &= on_file(&walk, paths[i], 0);
	return good;
}

void
universe_fini(struct universe *universe)
{
	classes_free(&universe->clients);
	classes_free(&universe->names);
	for (unsigned id = 0; id < DIM_IDS; id++) {
		struct dim *dim = &universe->dims[id];
		for (unsigned i = 0; i < dim->count; i++) {
			/* Our own copy: the const is for its readers. */
			union {
				const char *in;
				char *out;
			} text = {.in = dim->values[i].text.ptr};
			free(text.out);
			yaml_file_free(&dim->values[i].yaml);
		}
	}
}
