/*
 * What changes, grouped by rule, with a few witnesses each.  See replay.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/json.h"
#include "base/log.h"
#include "cli/replay.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	GROUPS_MAX = 1000, /* old rules come from the log: no bound of ours */
	WITNESSES = 3,
	WITNESS_TEXT = 640,
	NAME_SHOWN = 200
};

struct witness {
	struct slice ref, client, name, forwarded; /* owned */
};

struct group {
	enum policy_stage stage;
	struct slice old_verdict, old_rule; /* owned */
	const char *verdict, *unknown;
	struct policy_rule_id rule;
	uint64_t count;
	struct witness witnesses[WITNESSES];
	unsigned witness_count;
};

struct groups {
	struct group items[GROUPS_MAX];
	unsigned count;
	uint64_t ungrouped;
};

struct groups *
groups_new(void)
{
	struct groups *groups = calloc(1, sizeof(*groups));

	if (groups == NULL)
		log_fatal("no memory");
	return groups;
}

static void
release(struct slice *text)
{
	/* Our own copy: the slice's const is for its readers. */
	union {
		const char *in;
		char *out;
	} text_p = {.in = text->ptr};

	free(text_p.out);
	*text = (struct slice){NULL, 0};
}

void
groups_free(struct groups **groups_p)
{
	struct groups *groups = *groups_p;

	for (unsigned i = 0; groups != NULL && i < groups->count; i++) {
		struct group *group = &groups->items[i];
		release(&group->old_verdict);
		release(&group->old_rule);
		for (unsigned j = 0; j < group->witness_count; j++) {
			release(&group->witnesses[j].ref);
			release(&group->witnesses[j].client);
			release(&group->witnesses[j].name);
			release(&group->witnesses[j].forwarded);
		}
	}
	free(groups);
	*groups_p = NULL;
}

static struct slice
copy(struct slice text)
{
	text = slice_head(text, WITNESS_TEXT);
	return slice_of(slice_dup(text), text.len);
}

static bool
is_of(const struct group *group, const struct change *change)
{
	return group->stage == change->stage &&
	       slice_eq(group->old_verdict, change->old_verdict) &&
	       slice_eq(group->old_rule, change->old_rule) &&
	       slice_eq(
		   slice_str(group->verdict), slice_str(change->verdict)) &&
	       slice_eq(
		   slice_str(group->unknown), slice_str(change->unknown)) &&
	       slice_eq(group->rule.name, change->rule.name);
}

static struct group *
find(struct groups *groups, const struct change *change)
{
	for (unsigned i = 0; i < groups->count; i++)
		if (is_of(&groups->items[i], change))
			return &groups->items[i];
	if (groups->count == GROUPS_MAX)
		return NULL;
	struct group *group = &groups->items[groups->count++];
	*group = (struct group){.stage = change->stage,
	    .old_verdict = copy(change->old_verdict),
	    .old_rule = copy(change->old_rule),
	    .verdict = change->verdict,
	    .unknown = change->unknown,
	    .rule = change->rule};
	return group;
}

/* Witnesses differ in client or name, so that each says something new. */
static bool
is_new(const struct group *group, struct slice client, struct slice name)
{
	for (unsigned i = 0; i < group->witness_count; i++)
		if (slice_eq(group->witnesses[i].client, client) &&
		    slice_eq_nocase(group->witnesses[i].name,
			slice_head(name, WITNESS_TEXT)))
			return false;
	return true;
}

void
groups_add(struct groups *groups, const struct log_session *session,
    const struct change *change)
{
	struct group *group = find(groups, change);

	if (group == NULL) {
		groups->ungrouped++;
		return;
	}
	group->count++;
	if (group->witness_count == WITNESSES ||
	    !is_new(group, session->src_ip, change->name))
		return;
	group->witnesses[group->witness_count++] = (struct witness){
	    copy(session->ref), copy(session->src_ip), copy(change->name),
	    copy(slice_of(change->forwarded, change->forwarded_len))};
}

/* --- order ----------------------------------------------------------------------- */

static int
by_weight(const void *a_p, const void *b_p)
{
	const struct group *a = a_p;
	const struct group *b = b_p;
	int order;

	if ((a->unknown != NULL) != (b->unknown != NULL))
		return a->unknown != NULL ? 1 : -1;
	if (a->stage != b->stage)
		return a->stage < b->stage ? -1 : 1;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	order = slice_cmp(a->old_rule, b->old_rule);
	if (order == 0)
		order = slice_cmp(a->old_verdict, b->old_verdict);
	if (order == 0)
		order = slice_cmp(a->rule.name, b->rule.name);
	if (order == 0)
		order = slice_cmp(slice_str(a->verdict), slice_str(b->verdict));
	return order == 0
		   ? slice_cmp(slice_str(a->unknown), slice_str(b->unknown))
		   : order;
}

void
groups_sort(struct groups *groups)
{
	qsort(groups->items, groups->count, sizeof(struct group), by_weight);
}

/* --- text ------------------------------------------------------------------------ */

static void
print_side(
    struct slice verdict, struct slice rule, enum policy_stage stage, FILE *to)
{
	char text[NAME_SHOWN];

	fprintf(to, "%s", log_quote(verdict, text, sizeof(text)));
	if (rule.len > 0)
		fprintf(to, " by `%s`", log_quote(rule, text, sizeof(text)));
	else
		fputs(stage == POLICY_STAGE_HELO ? " (default)" : " (no rule)",
		    to);
}

static void
print_sides(enum policy_stage stage, struct slice old_verdict,
    struct slice old_rule, const char *unknown, const char *verdict,
    struct slice rule, FILE *to)
{
	fprintf(to, "%s: ", replay_stage_name(stage));
	print_side(old_verdict, old_rule, stage, to);
	fputs(" -> ", to);
	if (unknown != NULL)
		fprintf(to, "unknown: the record lacks `%s`", unknown);
	else
		print_side(slice_str(verdict), rule, stage, to);
}

void
change_print(const struct change *change, FILE *to)
{
	print_sides(change->stage, change->old_verdict, change->old_rule,
	    change->unknown, change->verdict, change->rule.name, to);
}

static void
print_witness(const struct witness *witness, FILE *to)
{
	const struct slice texts[] = {
	    witness->ref, witness->client, witness->name};
	char text[NAME_SHOWN];

	fputs("  ", to);
	for (unsigned i = 0; i < 3; i++)
		if (texts[i].len > 0)
			fprintf(to, "  %s",
			    log_quote(texts[i], text, sizeof(text)));
	if (witness->forwarded.len > 0)
		fprintf(to, "  as %s",
		    log_quote(witness->forwarded, text, sizeof(text)));
	fputs("\n", to);
}

void
groups_print(const struct groups *groups, FILE *to)
{
	for (unsigned i = 0; i < groups->count; i++) {
		const struct group *group = &groups->items[i];
		fputs("\n", to);
		print_sides(group->stage, group->old_verdict, group->old_rule,
		    group->unknown, group->verdict, group->rule.name, to);
		fprintf(to, ": %" PRIu64 "\n", group->count);
		for (unsigned j = 0; j < group->witness_count; j++)
			print_witness(&group->witnesses[j], to);
	}
	if (groups->ungrouped > 0)
		fprintf(to,
		    "\nmore than %d groups: %" PRIu64
		    " changes are counted only\n",
		    GROUPS_MAX, groups->ungrouped);
}

/* --- JSON ------------------------------------------------------------------------ */

static void
put_rule(struct json *json, struct slice rule)
{
	if (rule.len == 0)
		json_null(json, "rule");
	else
		json_bytes(json, "rule", rule);
}

void
groups_json(const struct groups *groups, struct json *json)
{
	for (unsigned i = 0; i < groups->count; i++) {
		const struct group *group = &groups->items[i];
		json_object_open(json, NULL);
		json_str(json, "stage", replay_stage_name(group->stage));
		json_u64(json, "count", group->count);
		json_object_open(json, "old");
		json_bytes(json, "verdict", group->old_verdict);
		put_rule(json, group->old_rule);
		json_object_close(json);
		if (group->unknown != NULL) {
			json_str(json, "unknown", group->unknown);
		} else {
			json_object_open(json, "new");
			json_str(json, "verdict", group->verdict);
			put_rule(json, group->rule.name);
			json_object_close(json);
		}
		json_object_close(json);
	}
}
