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

/* --- repairs ------------------------------------------------------------------- */

static bool
read_step(const struct reader *reader, const struct yaml_node *word,
    const struct yaml_node *argument, struct helo_repair *out)
{
	const char *names[HELO_STEP_COUNT];
	struct helo_repair_step step = {HELO_STEP_TRIM, SLICE("")};
	struct helo judged;

	for (unsigned i = 0; i < HELO_STEP_COUNT; i++)
		names[i] = helo_step_name((enum helo_step)i);
	int at = reader_word(
	    reader, word, "a repair's step", names, HELO_STEP_COUNT);
	if (at == -1)
		return false;
	step.step = (enum helo_step)at;
	if (step.step == HELO_STEP_CLIENT_PTR) {
		reader_error(reader, "P013", word, NULL,
		    "the step `client_ptr` is not built in this version (it "
		    "asks DNS)");
		return false;
	}
	if (helo_step_takes_name(step.step) != (argument != NULL)) {
		reader_error(reader, "P050", word, NULL,
		    argument == NULL ? "`%s` takes a name: {%s: NAME}"
				     : "`%s` takes no name",
		    names[at], names[at]);
		return false;
	}
	if (argument != NULL) {
		helo_analyse(argument->text, NULL, &judged);
		step.name = argument->text;
		if (argument->kind != YAML_SCALAR || !judged.valid ||
		    judged.form != HELO_FORM_DOMAIN) {
			reader_error(reader, "P051", argument, NULL,
			    "this must be a valid domain name");
			return false;
		}
	}
	out->steps[out->count++] = step;
	return true;
}

bool
policy_read_repair(const struct reader *reader, const struct yaml_node *node,
    struct helo_repair *out)
{
	bool good = true;

	out->count = 0;
	if (node->kind == YAML_SCALAR && yaml_is(node, "all")) {
		helo_repair_all(out);
		return true;
	}
	if (node->kind != YAML_LIST || node->count == 0 ||
	    node->count > HELO_REPAIR_MAX) {
		reader_error(reader, "P052", node, NULL,
		    "`repair` takes `all` or a list of 1 to %d steps",
		    (int)HELO_REPAIR_MAX);
		return false;
	}
	for (unsigned i = 0; i < node->count; i++) {
		const struct yaml_node *item = node->items[i];
		if (item->kind == YAML_SCALAR) {
			good &= read_step(reader, item, NULL, out);
		} else if (item->kind == YAML_MAP && item->count == 1) {
			good &= read_step(
			    reader, item->keys[0], item->items[0], out);
		} else {
			reader_error(reader, "P052", item, NULL,
			    "a step is a word, or a word and a name: "
			    "{append_domain: NAME}");
			good = false;
		}
	}
	return good;
}

void
policy_read_starttls(
    const struct reader *reader, const struct yaml_node *map, struct then *out)
{
	static const char *const words[] = {
	    "pass", "hide", "uplift", "terminate"};
	const struct yaml_node *node = yaml_get(map, "starttls");
	const struct yaml_node *accept = yaml_get(map, "accept_downgrade");
	bool accepted = false;

	if (accept != NULL)
		reader_bool(reader, accept, "`accept_downgrade`", &accepted);
	if (node == NULL)
		return;
	int at = reader_word(reader, node, "`starttls`", words, 4);
	if (at >= 2)
		reader_error(reader, "P013", node, NULL,
		    "`starttls: %s` is not built in this version; it can be "
		    "pass or hide",
		    words[at]);
	if (at == 1 && !accepted)
		reader_error(reader, "P053", node, NULL,
		    "`starttls: hide` takes encryption from this client's "
		    "mail: write `accept_downgrade: true` beside it if that "
		    "is meant");
	if (at == 0 || at == 1)
		out->starttls =
		    at == 0 ? POLICY_STARTTLS_PASS : POLICY_STARTTLS_HIDE;
}

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
		    "the code of `%s` must be %uxx",
		    reject ? "reject" : "tempfail", low / 100);
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

static void
read_template(const struct reader *reader, const struct yaml_node *node,
    struct slice *out)
{
	struct slice bad;

	if (node->kind != YAML_SCALAR || node->text.len == 0 ||
	    node->text.len > TEXT_MAX || !is_printable(node->text)) {
		reader_error(reader, "P056", node, NULL,
		    "the text must be one line of 1 to %d printable ASCII "
		    "characters",
		    (int)TEXT_MAX);
		return;
	}
	if (!policy_template_is_known(node->text, &bad)) {
		reader_error(reader, "P057", node, NULL,
		    "a template knows {helo}, {client}, {server}, {rule} and "
		    "{ref}, not `%.*s`",
		    SLICE_FMT(slice_head(bad, 40)));
		return;
	}
	*out = node->text;
}

static void
read_reply(const struct reader *reader, const struct yaml_node *node,
    enum policy_stage stage, struct then *out)
{
	const struct yaml_node *code, *status, *text;

	if (yaml_is_null(node))
		return;
	if (reader_map(reader, node, "a reply") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_REPLY, "a reply");
	code = yaml_get(node, "code");
	status = yaml_get(node, "status");
	text = yaml_get(node, "text");
	out->bare = code == NULL && status == NULL && text == NULL;
	if (code != NULL)
		read_code(reader, code, stage, out);
	if (status != NULL)
		read_status(reader, status, out);
	if (text != NULL)
		read_template(reader, text, &out->text);
}

/* --- rewrite ------------------------------------------------------------------------ */

static void
read_rewrite(
    const struct reader *reader, const struct yaml_node *node, struct then *out)
{
	struct helo judged;

	read_template(reader, node, &out->rewrite);
	if (out->rewrite.len == 0 || !policy_template_is_constant(out->rewrite))
		return;
	helo_analyse(out->rewrite, NULL, &judged);
	if (!judged.valid)
		reader_error(reader, "P058", node, NULL,
		    "`%.*s` is no valid HELO argument",
		    SLICE_FMT(slice_head(out->rewrite, 80)));
}

/* --- the action ---------------------------------------------------------------------- */

static void
read_options(const struct reader *reader, const struct yaml_node *value,
    const char *key, const char *what, bool *out)
{
	const char *known[] = {key};
	static const char *const unbuilt[] = {"ban"};

	if (yaml_is_null(value))
		return;
	if (reader_map(reader, value, what) == NULL)
		return;
	yaml_check_keys(
	    reader->file, value, what, known, 1, unbuilt, 1, reader->diag);
	if (yaml_get(value, key) != NULL)
		reader_bool(reader, yaml_get(value, key), key, out);
}

static void
read_accept(const struct reader *reader, const struct yaml_node *value,
    struct then *out)
{
	if (yaml_is_null(value))
		return;
	if (yaml_is(value, "session"))
		out->action = POLICY_ACCEPT_SESSION;
	else
		reader_error(reader, "P059", value, NULL,
		    "`accept` stands alone, or is {accept: session}");
}

static void
set_action(const struct reader *reader, enum action_word word,
    const struct yaml_node *node, const struct yaml_node *value,
    enum policy_stage stage, struct then *out)
{
	static const enum policy_action means[WORDS] = {POLICY_ACCEPT,
	    POLICY_REJECT, POLICY_TEMPFAIL, POLICY_DROP, POLICY_REPAIR,
	    POLICY_REWRITE, POLICY_SPLICE, POLICY_ACCEPT};
	bool changes_name = word == WORD_REPAIR || word == WORD_REWRITE;

	out->action = means[word];
	out->goes_on = word == WORD_CONTINUE;
	if (changes_name && stage == POLICY_STAGE_CONNECT) {
		reader_error(reader, "P060", node, NULL,
		    "`%s` has no name to change at connect", actions[word]);
		return;
	}
	if (changes_name && value == NULL) {
		reader_error(reader, "P061", node, NULL, "`%s` needs %s",
		    actions[word],
		    word == WORD_REPAIR ? "its steps: {repair: [...]}"
					: "a template: {rewrite: \"...\"}");
		return;
	}
	if (value == NULL)
		return;
	if (word == WORD_ACCEPT)
		read_accept(reader, value, out);
	else if (word == WORD_REJECT || word == WORD_TEMPFAIL)
		read_reply(reader, value, stage, out);
	else if (word == WORD_DROP)
		read_options(reader, value, "reset", "`drop`", &out->reset);
	else if (word == WORD_REPAIR)
		policy_read_repair(reader, value, &out->repair);
	else if (word == WORD_REWRITE)
		read_rewrite(reader, value, out);
	else if (!yaml_is_null(value))
		reader_error(reader, "P059", value, NULL, "`%s` stands alone",
		    actions[word]);
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
}

void
policy_read_then(const struct reader *reader, const struct yaml_node *node,
    enum policy_stage stage, struct then *out)
{
	*out = (struct then){.bare = true};
	if (node->kind == YAML_MAP) {
		read_then_map(reader, node, stage, out);
		return;
	}
	int word = reader_word(reader, node, "the action", actions, WORDS);
	if (word != -1)
		set_action(
		    reader, (enum action_word)word, node, NULL, stage, out);
}
