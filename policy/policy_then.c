/*
 * `then`: what a rule does.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_private.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	TEXT_MAX = 400
};

static const char *const actions[] = {"accept", "reject", "tempfail", "drop",
    "repair", "rewrite", "splice", "continue"};

enum action_word {
	WORD_ACCEPT,
	WORD_REJECT,
	WORD_TEMPFAIL,
	WORD_DROP,
	WORD_REPAIR,
	WORD_REWRITE,
	WORD_SPLICE,
	WORD_CONTINUE,
	WORDS
};

/* --- replies -------------------------------------------------------------------- */

static bool
is_printable(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e)
			return false;
	return true;
}

static void
read_code(const struct reader *reader, const struct yaml_node *node,
    enum policy_stage stage, struct then *out)
{
	uint64_t code;
	bool reject = out->action == POLICY_REJECT;
	unsigned low = reject ? 500 : 400;

	if (node->kind != YAML_SCALAR || !yaml_u64(node, &code) || code < low ||
	    code > low + 99) {
		reader_error(reader, "P054", node, NULL,
		    "the code of `%s` must be %uxx, as in %u%s",
		    reject ? "reject" : "tempfail", low / 100, low + 50,
		    reader_unquote(node));
		return;
	}
	out->code = (unsigned)code;
	/* RFC 5321 3.1: a server that serves nobody says 554; one that ends
	 * the session says 421. */
	unsigned only = reject ? 554 : 421;
	if (stage == POLICY_STAGE_CONNECT && code != only)
		reader_error(reader, "P054", node, NULL,
		    "at connect the code of `%s` must be %u",
		    reject ? "reject" : "tempfail", only);
}

/* "5.7.1", of the reply's own class (RFC 3463 2). */
static void
read_status(
    const struct reader *reader, const struct yaml_node *node, struct then *out)
{
	struct slice text = node->text;
	unsigned dots = 0;
	bool good = node->kind == YAML_SCALAR && text.len >= 5 && text.len <= 9;

	for (size_t i = 0; good && i < text.len; i++) {
		bool dot = text.ptr[i] == '.';
		dots += dot;
		good = dot ? i > 0 && text.ptr[i - 1] != '.'
			   : ascii_is_digit(text.ptr[i]);
	}
	good = good && dots == 2 && text.ptr[text.len - 1] != '.' &&
	       text.ptr[0] == (out->action == POLICY_REJECT ? '5' : '4');
	if (good)
		out->status = text;
	else
		reader_error(reader, "P055", node, NULL,
		    "the status must be %c.SUBJECT.DETAIL, as in %s",
		    out->action == POLICY_REJECT ? '5' : '4',
		    out->action == POLICY_REJECT ? "5.7.1" : "4.7.1");
}

static const char *
text_flaw(const struct yaml_node *node)
{
	if (node->kind != YAML_SCALAR || node->text.len == 0)
		return "";
	if (slice_find(node->text, '\r') != -1 ||
	    slice_find(node->text, '\n') != -1)
		return ": take the line end out";
	return is_printable(node->text) ? ": shorten it"
					: ": write it in ASCII";
}

void
policy_read_template(const struct reader *reader, const struct yaml_node *node,
    struct slice *out)
{
	struct slice bad;

	if (node->kind != YAML_SCALAR || node->text.len == 0 ||
	    node->text.len > TEXT_MAX || !is_printable(node->text)) {
		reader_error(reader, "P056", node, NULL,
		    "the text must be one line of 1 to %d printable ASCII "
		    "characters%s",
		    (int)TEXT_MAX, text_flaw(node));
		return;
	}
	if (!policy_template_is_known(node->text, &bad)) {
		reader_error(reader, "P057", node, NULL,
		    "a template knows {helo}, {client}, {client.ptr}, "
		    "{server}, {rule} and {ref}, not `%.*s`",
		    SLICE_FMT(slice_head(bad, 40)));
		return;
	}
	*out = node->text;
}

static void
read_reply(const struct reader *reader, const struct yaml_node *node,
    enum policy_stage stage, struct then *out)
{
	const struct yaml_node *code = yaml_get(node, "code");
	const struct yaml_node *status = yaml_get(node, "status");
	const struct yaml_node *text = yaml_get(node, "text");

	out->bare = code == NULL && status == NULL && text == NULL;
	if (code != NULL)
		read_code(reader, code, stage, out);
	if (status != NULL)
		read_status(reader, status, out);
	if (text != NULL)
		policy_read_template(reader, text, &out->text);
}

/* --- rewrite ------------------------------------------------------------------------ */

static void
read_rewrite(
    const struct reader *reader, const struct yaml_node *node, struct then *out)
{
	struct helo judged;

	policy_read_template(reader, node, &out->rewrite);
	if (out->rewrite.len == 0 || !policy_template_is_constant(out->rewrite))
		return;
	helo_analyse(out->rewrite, NULL, &judged);
	if (!judged.valid)
		reader_error(reader, "P058", node, NULL,
		    "`%.*s` is no valid HELO argument",
		    SLICE_FMT(slice_head(out->rewrite, 80)));
}

/* --- modifiers ------------------------------------------------------------------- */

static void
read_time(const struct reader *reader, const struct yaml_node *map,
    const char *key, uint64_t max_ms, uint64_t *out_ms)
{
	const struct yaml_node *node = yaml_get(map, key);
	uint64_t ms;

	if (node == NULL)
		return;
	if (*out_ms != 0)
		reader_error(reader, "P065", node, NULL,
		    "`%s` is said twice, in the action's map and beside it",
		    key);
	if (!yaml_duration(node, &ms) || ms < 1000 || ms > max_ms)
		reader_error(reader, "P066", node, NULL,
		    "`%s` takes a duration from 1s to %s, as in 30s%s", key,
		    max_ms == 300000 ? "5m" : "30d", reader_unquote(node));
	else
		*out_ms = ms;
}

static void
read_at(const struct reader *reader, const struct yaml_node *node,
    enum policy_stage stage, struct then *out)
{
	static const char *const words[] = {"mail", "rcpt"};
	bool refuses =
	    out->action == POLICY_REJECT || out->action == POLICY_TEMPFAIL;
	int at = reader_word(reader, node, "`at`", words, 2);

	if (!refuses || stage != POLICY_STAGE_HELO)
		reader_error(reader, "P067", node, NULL,
		    "`at` belongs to a reject or tempfail of a helo rule");
	else if (at != -1)
		out->at = at == 0 ? POLICY_AT_MAIL : POLICY_AT_RCPT;
}

/* What stands beside an action or in its own map. */
static void
read_modifiers(const struct reader *reader, const struct yaml_node *map,
    enum policy_stage stage, struct then *out)
{
	const uint64_t delay_max = 300000, ban_max = UINT64_C(2592000000);
	const struct yaml_node *quiet = yaml_get(map, "quiet");
	const struct yaml_node *at = yaml_get(map, "at");
	const struct yaml_node *ban = yaml_get(map, "ban");
	uint64_t delay_ms = out->delay_ms, ban_ms = out->ban_s * UINT64_C(1000);

	read_time(reader, map, "delay", delay_max, &delay_ms);
	read_time(reader, map, "ban", ban_max, &ban_ms);
	out->delay_ms = (uint32_t)delay_ms;
	out->ban_s = (uint32_t)(ban_ms / 1000);
	if (quiet != NULL)
		reader_bool(reader, quiet, "`quiet`", &out->quiet);
	if (at != NULL)
		read_at(reader, at, stage, out);
	if (ban != NULL &&
	    (out->goes_on || (out->action != POLICY_REJECT &&
				 out->action != POLICY_TEMPFAIL &&
				 out->action != POLICY_DROP)))
		reader_error(reader, "P068", ban, NULL,
		    "`ban` belongs to reject, tempfail or drop");
}

/* --- the action ---------------------------------------------------------------------- */

/* An action's own map: its keys of this section, and modifiers. */
static bool
check_action_map(const struct reader *reader, const struct yaml_node *map,
    enum action_word word)
{
	static const enum policy_section sections[] = {
	    SECTION_MODIFIER, SECTION_REPLY, SECTION_REPLY, SECTION_DROP};
	char what[32];

	snprintf(what, sizeof(what), "`%s`", actions[word]);
	if (yaml_is_null(map) || reader_map(reader, map, what) == NULL)
		return false;
	reader_check_two(reader, map, sections[word], SECTION_MODIFIER, what);
	return true;
}

static void
read_accept(const struct reader *reader, const struct yaml_node *value,
    enum policy_stage stage, struct then *out)
{
	if (yaml_is_null(value))
		return;
	if (yaml_is(value, "session"))
		out->action = POLICY_ACCEPT_SESSION;
	else if (value->kind != YAML_MAP)
		reader_error(reader, "P059", value, NULL,
		    "`accept` stands alone, or is {accept: session}");
	else if (check_action_map(reader, value, WORD_ACCEPT))
		read_modifiers(reader, value, stage, out);
}

static void
read_refusal(const struct reader *reader, const struct yaml_node *value,
    enum action_word word, enum policy_stage stage, struct then *out)
{
	const struct yaml_node *reset = yaml_get(value, "reset");

	if (!check_action_map(reader, value, word))
		return;
	if (word != WORD_DROP)
		read_reply(reader, value, stage, out);
	else if (reset != NULL)
		reader_bool(reader, reset, "`reset`", &out->reset);
	read_modifiers(reader, value, stage, out);
}

/* Whether the action can be taken there at all. */
static bool
belongs(const struct reader *reader, enum action_word word,
    const struct yaml_node *node, const struct yaml_node *value,
    enum policy_stage stage)
{
	if (word != WORD_REPAIR && word != WORD_REWRITE)
		return true;
	if (stage != POLICY_STAGE_HELO) {
		reader_error(reader, "P060", node, NULL,
		    stage == POLICY_STAGE_CONNECT
			? "`%s` has no name to change at connect"
			: "`%s` changes a name: it belongs to helo rules",
		    actions[word]);
		return false;
	}
	if (value == NULL)
		reader_error(reader, "P061", node, NULL, "`%s` needs %s",
		    actions[word],
		    word == WORD_REPAIR ? "its steps: {repair: [...]}"
					: "a template: {rewrite: \"...\"}");
	return value != NULL;
}

static void
set_action(const struct reader *reader, enum action_word word,
    const struct yaml_node *node, const struct yaml_node *value,
    enum policy_stage stage, struct then *out)
{
	static const enum policy_action means[WORDS] = {POLICY_ACCEPT,
	    POLICY_REJECT, POLICY_TEMPFAIL, POLICY_DROP, POLICY_REPAIR,
	    POLICY_REWRITE, POLICY_SPLICE, POLICY_ACCEPT};

	out->action = means[word];
	out->goes_on = word == WORD_CONTINUE;
	if (!belongs(reader, word, node, value, stage) || value == NULL)
		return;
	switch (word) {
	case WORD_ACCEPT:
		read_accept(reader, value, stage, out);
		break;
	case WORD_REJECT:
	case WORD_TEMPFAIL:
	case WORD_DROP:
		read_refusal(reader, value, word, stage, out);
		break;
	case WORD_REPAIR:
		policy_read_repair(reader, value, &out->repair);
		break;
	case WORD_REWRITE:
		read_rewrite(reader, value, out);
		break;
	case WORD_SPLICE:
	case WORD_CONTINUE:
	case WORDS:
		if (!yaml_is_null(value))
			reader_error(reader, "P059", value, NULL,
			    "`%s` stands alone", actions[word]);
		break;
	}
}

static void
read_then_map(const struct reader *reader, const struct yaml_node *map,
    enum policy_stage stage, struct then *out)
{
	int found = -1;

	reader_check_keys(reader, map, SECTION_THEN, "`then`");
	for (unsigned i = 0; i < map->count; i++) {
		for (int word = 0; word < WORDS; word++) {
			if (!yaml_is(map->keys[i], actions[word]))
				continue;
			if (found != -1) {
				reader_error(reader, "P062", map->keys[i], NULL,
				    "a rule has one action, and this has "
				    "`%s` already",
				    actions[found]);
				continue;
			}
			found = word;
			set_action(reader, (enum action_word)word, map->keys[i],
			    map->items[i], stage, out);
		}
	}
	if (found == -1)
		reader_error(reader, "P063", map, NULL,
		    "there is no action here: accept, reject, tempfail, "
		    "drop, repair, rewrite, splice or continue");
	if (yaml_get(map, "starttls") != NULL && found != WORD_REPAIR &&
	    found != WORD_REWRITE)
		reader_error(reader, "P064", yaml_get(map, "starttls"), NULL,
		    "`starttls` belongs to an action that changes the name");
	policy_read_starttls(reader, map, out);
	read_modifiers(reader, map, stage, out);
}

/* Whether the verdict needs the client's reverse name. */
static bool
uses_ptr(const struct then *then)
{
	if (policy_template_has_ptr(then->text) ||
	    policy_template_has_ptr(then->rewrite))
		return true;
	for (unsigned i = 0; i < then->repair.count; i++)
		if (then->repair.steps[i].step == HELO_STEP_CLIENT_PTR)
			return true;
	return false;
}

void
policy_read_then(const struct reader *reader, const struct yaml_node *node,
    enum policy_stage stage, struct then *out)
{
	*out = (struct then){.bare = true};
	if (node->kind == YAML_MAP) {
		read_then_map(reader, node, stage, out);
	} else {
		int word =
		    reader_word(reader, node, "the action", actions, WORDS);
		if (word != -1)
			set_action(reader, (enum action_word)word, node, NULL,
			    stage, out);
	}
	out->uses_ptr = uses_ptr(out);
}
