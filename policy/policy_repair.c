/*
 * Repairs, and what becomes of STARTTLS where a name changes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_private.h"

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
	    "pass", "hide", "uplift", "terminate", "intercept", "refuse"};
	const struct yaml_node *node = yaml_get(map, "starttls");
	const struct yaml_node *accept = yaml_get(map, "accept_downgrade");
	bool accepted = false;

	if (accept != NULL)
		reader_bool(reader, accept, "`accept_downgrade`", &accepted);
	if (node == NULL)
		return;
	int at = reader_word(reader, node, "`starttls`", words, 6);
	if (at == 1 && !accepted)
		reader_error(reader, "P053", node, NULL,
		    "`starttls: hide` takes encryption from this client's "
		    "mail: write `accept_downgrade: true` beside it if that "
		    "is meant");
	if (at >= 0)
		out->starttls =
		    (enum policy_starttls)(POLICY_STARTTLS_PASS + at);
}
