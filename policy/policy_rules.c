/*
 * Rules: from YAML to what is tried in order.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "policy/policy_check.h"
#include "policy/policy_private.h"

#include <stdio.h>
#include <stdlib.h>

/* A field of a rule and the file it stands in: an override's own, or that of
 * the rule that it changes. */
struct field {
	const struct yaml_node *node; /* NULL: it is not said */
	const struct reader *reader;
};

/* A rule as it is read: its own map, and what a file that includes it says. */
struct source {
	const struct yaml_node *map;
	const struct reader *reader;
	const struct override *override; /* NULL: none */
};

static const char *const stage_names[] = {"connect", "helo", "mail", "rcpt"};

const char *
policy_stage_name(enum policy_stage stage)
{
	return stage_names[stage];
}

static struct field
field_of(const struct source *source, const char *key)
{
	struct field field = {NULL, NULL};

	if (source->override != NULL) {
		field.node = yaml_get(source->override->map, key);
		field.reader = &source->override->reader;
	}
	if (field.node == NULL) {
		field.node = yaml_get(source->map, key);
		field.reader = source->reader;
	}
	return field;
}

/* --- names ------------------------------------------------------------------------ */

static void
check_name(const struct policy *policy, const struct reader *reader,
    const struct yaml_node *name)
{
	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++) {
		const struct rules *rules = &policy->rules[stage];
		for (unsigned i = 0; i < rules->count; i++) {
			if (!slice_eq(rules->items[i].id.name, name->text))
				continue;
			reader_error(reader, "P020", name,
			    "give one of them another name",
			    "a rule is called `%.*s` already (%.*s "
			    "line %u)",
			    SLICE_FMT(slice_head(name->text, 64)),
			    SLICE_FMT(rules->items[i].id.file),
			    rules->items[i].id.line);
			return;
		}
	}
}

static bool
is_rule_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alpha(name.ptr[i]) &&
		    !ascii_is_digit(name.ptr[i]) && name.ptr[i] != '-' &&
		    name.ptr[i] != '_' && name.ptr[i] != '.')
			return false;
	return name.len > 0 && name.len <= 64;
}

/* --- fields ----------------------------------------------------------------------- */

static void
read_sample(const struct reader *reader, const struct yaml_node *node,
    struct rule *rule)
{
	const struct yaml_node *sample = yaml_get(node, "sample");
	uint64_t percent;

	if (node->count != 1 || sample == NULL || !yaml_u64(sample, &percent) ||
	    percent > 100) {
		reader_error(reader, "P029", node, NULL,
		    "`mode` is enforce, monitor or {sample: N}, N percent of "
		    "the sessions");
		return;
	}
	rule->sample = (unsigned)percent;
}

static void
read_mode(const struct reader *reader, const struct yaml_node *node,
    struct rule *rule)
{
	static const char *const modes[] = {"enforce", "monitor"};

	if (node->kind == YAML_MAP)
		read_sample(reader, node, rule);
	else
		rule->monitor =
		    reader_word(reader, node, "`mode`", modes, 2) == 1;
}

/* Days since 1970 of a day in the Gregorian calendar: a year that begins in
 * March has its leap day last. */
static uint64_t
days_of(unsigned year, unsigned month, unsigned day)
{
	unsigned y = month <= 2 ? year - 1 : year;
	unsigned m = month <= 2 ? month + 9 : month - 3;

	return UINT64_C(365) * y + y / 4 - y / 100 + y / 400 +
	       (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool
digits(struct slice text, unsigned *out)
{
	*out = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (!ascii_is_digit(text.ptr[i]))
			return false;
		*out = *out * 10 + (unsigned)(text.ptr[i] - '0');
	}
	return true;
}

bool
policy_read_day(const struct yaml_node *node, uint64_t *out_s)
{
	static const unsigned lengths[] = {
	    31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	struct slice text = node->text;
	unsigned year, month, day;

	if (node->kind != YAML_SCALAR || text.len != 10 || text.ptr[4] != '-' ||
	    text.ptr[7] != '-' || !digits(slice_head(text, 4), &year) ||
	    !digits(slice_head(slice_from(text, 5), 2), &month) ||
	    !digits(slice_from(text, 8), &day))
		return false;
	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
	    day > lengths[month - 1])
		return false;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (month == 2 && day == 29 && !leap)
		return false;
	*out_s = days_of(year, month, day) * 86400;
	return true;
}

static void
read_expires(const struct reader *reader, const struct yaml_node *node,
    struct rule *rule)
{
	if (policy_read_day(node, &rule->expires_s))
		rule->expires_s += 86400;
	else
		reader_error(reader, "P018", node, NULL,
		    "`expires` takes a day, YYYY-MM-DD, on which the rule "
		    "lives for the last time");
}

/* What is only for the reader must still be readable. */
static void
check_remarks(const struct source *source)
{
	struct field reason = field_of(source, "reason");
	struct field tags = field_of(source, "tags");
	struct yaml_node *one;
	unsigned count;

	if (reason.node != NULL && reason.node->kind != YAML_SCALAR)
		reader_error(reason.reader, "P019", reason.node, NULL,
		    "`reason` takes a sentence");
	if (tags.node != NULL)
		reader_scalars(tags.reader, tags.node, "`tags`", &one, &count);
}

static void
read_flags(const struct source *source, struct rule *rule)
{
	static const char *const words[] = {"skip", "tempfail"};
	struct field temperror = field_of(source, "on_temperror");
	struct field allows = field_of(source, "allow_rfc5321_4_1_4");
	struct field mode = field_of(source, "mode");
	struct field expires = field_of(source, "expires");

	rule->sample = 100;
	if (mode.node != NULL)
		read_mode(mode.reader, mode.node, rule);
	if (expires.node != NULL)
		read_expires(expires.reader, expires.node, rule);
	if (temperror.node != NULL)
		rule->tempfails = reader_word(temperror.reader, temperror.node,
				      "`on_temperror`", words, 2) == 1;
	if (allows.node != NULL)
		reader_bool(allows.reader, allows.node, "`allow_rfc5321_4_1_4`",
		    &rule->allows_4_1_4);
	check_remarks(source);
}

static void
read_name(
    const struct policy *policy, const struct source *source, struct rule *rule)
{
	const struct yaml_node *name = yaml_get(source->map, "name");

	if (name == NULL &&
	    reader_is_misspelt(source->map, SECTION_RULE, "name"))
		return;
	if (name == NULL || name->kind != YAML_SCALAR ||
	    !is_rule_name(name->text)) {
		reader_error(source->reader, "P021",
		    name == NULL ? source->map : name, NULL,
		    "a rule needs a `name` of letters, digits, `-`, `_` and "
		    "`.`");
		return;
	}
	check_name(policy, source->reader, name);
	rule->id.name = name->text;
}

static void
describe(const struct yaml_node *name, char *out, size_t size)
{
	if (name != NULL && name->kind == YAML_SCALAR)
		snprintf(out, size, "rule `%.*s`",
		    SLICE_FMT(slice_head(name->text, 64)));
	else
		snprintf(out, size, "a rule");
}

static void
read_rule(struct policy *policy, const struct source *source,
    enum policy_stage stage, struct rule *rule)
{
	struct field when, then;
	char where[96];

	describe(yaml_get(source->map, "name"), where, sizeof(where));
	reader_check_keys(source->reader, source->map, SECTION_RULE, where);
	read_name(policy, source, rule);
	when = field_of(source, "when");
	then = field_of(source, "then");
	rule->id.file = yaml_name(source->reader->file);
	rule->id.line = source->map->place.line;
	rule->node = source->map;
	rule->file = source->reader->file;
	if (when.node != NULL && !yaml_is_null(when.node)) {
		rule->when_node = when.node;
		policy_read_when(
		    policy, when.reader, when.node, stage, &rule->when);
	}
	rule->then_node = then.node;
	if (then.node == NULL &&
	    reader_is_misspelt(source->map, SECTION_RULE, "then"))
		;
	else if (then.node == NULL)
		reader_error(source->reader, "P022", source->map, NULL,
		    "%s has no `then`", where);
	else
		policy_read_then(then.reader, then.node, stage, &rule->then);
	read_flags(source, rule);
}

/* --- overrides -------------------------------------------------------------------- */

static struct override *
find_override(const struct policy *policy, const struct yaml_node *map,
    enum policy_stage stage)
{
	const struct yaml_node *name = yaml_get(map, "name");

	/* The files were read from the policy down: the first one found is
	 * the nearest to it. */
	for (struct override *o = policy->overrides; o != NULL; o = o->next)
		if (name != NULL && o->stage == stage &&
		    slice_eq(o->name, name->text))
			return o;
	return NULL;
}

static void
note_override(struct policy *policy, const struct reader *reader,
    const struct yaml_node *map, enum policy_stage stage)
{
	const struct yaml_node *name = yaml_get(map, "override");
	struct override **last = &policy->overrides;
	char where[96];

	if (name->kind != YAML_SCALAR || yaml_get(map, "name") != NULL) {
		reader_error(reader, "P080", name, NULL,
		    "`override` takes the name of an included rule and stands "
		    "in place of `name`");
		return;
	}
	describe(name, where, sizeof(where));
	reader_check_keys(reader, map, SECTION_RULE, where);
	while (*last != NULL)
		last = &(*last)->next;
	*last = policy_alloc(1, sizeof(struct override));
	**last = (struct override){
	    .map = map, .reader = *reader, .stage = stage, .name = name->text};
}

void
policy_check_overrides(const struct policy *policy)
{
	for (const struct override *o = policy->overrides; o != NULL;
	     o = o->next)
		if (!o->used)
			reader_error(&o->reader, "P081",
			    yaml_get(o->map, "override"), NULL,
			    "no included file has a rule `%.*s` in `%s`",
			    SLICE_FMT(slice_head(o->name, 64)),
			    stage_names[o->stage]);
}

/* --- a stage ---------------------------------------------------------------------- */

static void
read_entry(struct policy *policy, const struct reader *reader,
    const struct yaml_node *map, enum policy_stage stage, bool included)
{
	struct rules *rules = &policy->rules[stage];
	struct source source = {map, reader, NULL};
	struct rule rule = {.sample = 100};

	if (reader_map(reader, map, "a rule") == NULL)
		return;
	if (yaml_get(map, "override") != NULL) {
		note_override(policy, reader, map, stage);
		return;
	}
	if (included) {
		struct override *override = find_override(policy, map, stage);
		source.override = override;
		if (override != NULL)
			override->used = true;
	}
	read_rule(policy, &source, stage, &rule);
	rules->items[rules->count++] = rule;
}

static void
read_stage(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node, enum policy_stage stage, bool included)
{
	struct rules *rules = &policy->rules[stage];

	if (node->kind != YAML_LIST) {
		if (!yaml_is_null(node))
			reader_error(reader, "P023", node, NULL,
			    "`%s` takes a list of rules", stage_names[stage]);
		return;
	}
	rules->items = realloc(rules->items,
	    (rules->count + node->count + 1) * sizeof(struct rule));
	if (rules->items == NULL)
		log_fatal("no memory while reading a file");
	for (unsigned i = 0; i < node->count; i++)
		read_entry(policy, reader, node->items[i], stage, included);
}

void
policy_read_rules(struct policy *policy, const struct reader *reader,
    const struct yaml_node *root, bool included)
{
	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++) {
		const struct yaml_node *node =
		    yaml_get(root, stage_names[stage]);
		if (node != NULL)
			read_stage(policy, reader, node,
			    (enum policy_stage)stage, included);
	}
}

void
policy_free_rules(struct policy *policy)
{
	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++) {
		for (unsigned i = 0; i < policy->rules[stage].count; i++)
			policy_free_when(&policy->rules[stage].items[i].when);
		free(policy->rules[stage].items);
	}
	while (policy->overrides != NULL) {
		struct override *next = policy->overrides->next;
		free(policy->overrides);
		policy->overrides = next;
	}
}
