/*
 * Loading a policy file.  See policy.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy.h"

#include "base/sha256.h"
#include "policy/policy_private.h"

#include <stdio.h>
#include <stdlib.h>

/* --- rules ---------------------------------------------------------------------- */

static void
check_name(const struct policy *policy, const struct reader *reader,
    const struct yaml_node *name)
{
	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++) {
		const struct rules *rules = &policy->rules[stage];
		for (unsigned i = 0; i < rules->count; i++)
			if (slice_eq(rules->items[i].id.name, name->text))
				reader_error(reader, "P020", name, NULL,
				    "a rule is called `%.*s` already (line "
				    "%u)",
				    SLICE_FMT(slice_head(name->text, 64)),
				    rules->items[i].id.line);
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

static bool
read_mode(const struct reader *reader, const struct yaml_node *node)
{
	static const char *const modes[] = {"enforce", "monitor"};
	const struct yaml_node *sample = yaml_get(node, "sample");

	if (sample != NULL) {
		reader_error(reader, "P013", sample, NULL,
		    "`mode: {sample: N}` is not built in this version");
		return false;
	}
	return reader_word(reader, node, "`mode`", modes, 2) == 1;
}

static void
read_rule(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node, enum policy_stage stage)
{
	struct rules *rules = &policy->rules[stage];
	struct rule *rule = &rules->items[rules->count];
	const struct yaml_node *name = yaml_get(node, "name");
	const struct yaml_node *when = yaml_get(node, "when");
	const struct yaml_node *then = yaml_get(node, "then");
	const struct yaml_node *mode = yaml_get(node, "mode");
	char where[96] = "a rule";

	if (reader_map(reader, node, "a rule") == NULL)
		return;
	if (name != NULL && name->kind == YAML_SCALAR)
		snprintf(where, sizeof(where), "rule `%.*s`",
		    SLICE_FMT(slice_head(name->text, 64)));
	reader_check_keys(reader, node, SECTION_RULE, where);
	if (name == NULL || name->kind != YAML_SCALAR ||
	    !is_rule_name(name->text)) {
		reader_error(reader, "P021", name == NULL ? node : name, NULL,
		    "a rule needs a `name` of letters, digits, `-`, `_` and "
		    "`.`");
	} else {
		check_name(policy, reader, name);
		rule->id.name = name->text;
	}
	rule->id.file = yaml_name(reader->file);
	rule->id.line = node->place.line;
	rule->node = node;
	rule->when_node = when;
	if (when != NULL)
		policy_read_when(policy, reader, when, stage, &rule->when);
	if (then == NULL)
		reader_error(
		    reader, "P022", node, NULL, "%s has no `then`", where);
	else
		policy_read_then(reader, then, stage, &rule->then);
	if (mode != NULL)
		rule->monitor = read_mode(reader, mode);
	rules->count++;
}

static void
read_rules(struct policy *policy, const struct reader *reader,
    const struct yaml_node *root, const char *key, enum policy_stage stage)
{
	const struct yaml_node *node = yaml_get(root, key);

	if (node == NULL)
		return;
	if (node->kind != YAML_LIST) {
		if (!yaml_is_null(node))
			reader_error(reader, "P023", node, NULL,
			    "`%s` takes a list of rules", key);
		return;
	}
	policy->rules[stage].items =
	    policy_alloc(node->count, sizeof(struct rule));
	for (unsigned i = 0; i < node->count; i++)
		read_rule(policy, reader, node->items[i], stage);
}

/* --- the rest of the file ------------------------------------------------------------ */

static void
read_refusal(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	const struct yaml_node *repair = yaml_get(node, "repair");

	if (reader_map(reader, node, "`on_server_refusal`") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_REFUSAL, "`on_server_refusal`");
	if (repair == NULL) {
		reader_error(reader, "P024", node, NULL,
		    "`on_server_refusal` needs `repair`");
		return;
	}
	policy->refusal_node = node;
	policy->has_refusal =
	    policy_read_repair(reader, repair, &policy->refusal.repair);
	policy_read_starttls(reader, node, &policy->refusal);
}

static void
read_keywords(const struct reader *reader, const struct yaml_node *node,
    struct slice **out, unsigned *out_count)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items = reader_scalars(
	    reader, node, "a list of EHLO keywords", &one, &count);

	if (items == NULL)
		return;
	*out = policy_alloc(count, sizeof(struct slice));
	for (unsigned i = 0; i < count; i++) {
		struct slice word = items[i]->text;
		bool good = word.len > 0;
		for (size_t c = 0; c < word.len; c++)
			good &= ascii_is_alpha(word.ptr[c]) ||
				ascii_is_digit(word.ptr[c]) ||
				word.ptr[c] == '-' || word.ptr[c] == '_';
		if (good)
			(*out)[(*out_count)++] = word;
		else
			reader_error(reader, "P025", items[i], NULL,
			    "an EHLO keyword has letters, digits and hyphens");
	}
}

static void
read_capabilities(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	const struct yaml_node *allow = yaml_get(node, "allow");
	const struct yaml_node *hide = yaml_get(node, "hide");

	if (reader_map(reader, node, "`capabilities`") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_CAPABILITIES, "`capabilities`");
	if (allow != NULL)
		read_keywords(
		    reader, allow, &policy->allowed, &policy->allowed_count);
	if (hide != NULL)
		read_keywords(
		    reader, hide, &policy->hidden, &policy->hidden_count);
	for (unsigned i = 0; i < policy->allowed_count; i++)
		if (slice_eq_nocase(policy->allowed[i], SLICE("BINARYMIME")))
			reader_error(reader, "P013", allow, NULL,
			    "BINARYMIME is not built in this version");
}

static void
read_default(struct policy *policy, const struct reader *reader,
    const struct yaml_node *root)
{
	const struct yaml_node *node = yaml_get(root, "default");

	policy->otherwise.bare = true;
	if (node == NULL) {
		reader_error(reader, "P026", root,
		    "add `default: accept` or `default: reject`",
		    "the policy has no `default`: what happens to a name "
		    "that no rule matches must be said");
		return;
	}
	policy->default_node = node;
	policy_read_then(reader, node, POLICY_STAGE_HELO, &policy->otherwise);
	if (policy->otherwise.goes_on)
		reader_error(reader, "P027", node, NULL,
		    "`default` must decide: `continue` does not");
}

static void
read_version(const struct reader *reader, const struct yaml_node *root)
{
	const struct yaml_node *node = yaml_get(root, "policy");

	if (node == NULL)
		reader_error(reader, "P028", root, NULL,
		    "the file must say its language's version: `policy: 1`");
	else if (!yaml_is(node, "1") || node->quoted)
		reader_error(reader, "P028", node, NULL,
		    "this program reads version 1 of the language");
}

static void
read_root(struct policy *policy, const struct reader *reader,
    const struct yaml_node *root)
{
	const struct yaml_node *mode = yaml_get(root, "mode");
	const struct yaml_node *lists = yaml_get(root, "lists");
	const struct yaml_node *refusal = yaml_get(root, "on_server_refusal");
	const struct yaml_node *caps = yaml_get(root, "capabilities");
	const struct yaml_node *tests = yaml_get(root, "tests");

	reader_check_keys(reader, root, SECTION_POLICY, "the policy");
	read_version(reader, root);
	if (mode != NULL)
		policy->monitor = read_mode(reader, mode);
	if (lists != NULL)
		policy_read_lists(policy, reader, lists);
	read_rules(policy, reader, root, "connect", POLICY_STAGE_CONNECT);
	read_rules(policy, reader, root, "helo", POLICY_STAGE_HELO);
	read_default(policy, reader, root);
	if (refusal != NULL)
		read_refusal(policy, reader, refusal);
	if (caps != NULL)
		read_capabilities(policy, reader, caps);
	if (tests != NULL)
		policy_read_tests(policy, reader, tests);
}

static void
set_version(struct policy *policy)
{
	uint8_t digest[SHA256_SIZE];
	struct sha256 sha;

	sha256_init(&sha);
	sha256_add(&sha, yaml_text(policy->file));
	sha256_end(&sha, digest);
	for (unsigned i = 0; i < 8; i++)
		snprintf(policy->version + 2 * i, 3, "%02x", digest[i]);
}

struct policy *
policy_load(const char *path, struct diag *diag)
{
	unsigned errors = diag_errors(diag);
	struct yaml_file *file = yaml_load(path, diag);
	struct reader reader = {file, diag};

	if (file == NULL)
		return NULL;
	struct policy *policy = policy_alloc(1, sizeof(*policy));
	policy->file = file;
	if (reader_map(&reader, yaml_root(file), "a policy") != NULL)
		read_root(policy, &reader, yaml_root(file));
	if (diag_errors(diag) > errors) {
		policy_free(&policy);
		return NULL;
	}
	set_version(policy);
	return policy;
}

void
policy_free(struct policy **policy_p)
{
	struct policy *policy = *policy_p;

	if (policy == NULL)
		return;
	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++) {
		for (unsigned i = 0; i < policy->rules[stage].count; i++)
			policy_free_when(&policy->rules[stage].items[i].when);
		free(policy->rules[stage].items);
	}
	for (unsigned i = 0; i < policy->list_count; i++) {
		address_list_free(&policy->lists[i].addresses);
		domain_list_free(&policy->lists[i].domains);
	}
	free(policy->lists);
	free(policy->allowed);
	free(policy->hidden);
	free(policy->tests);
	yaml_file_free(&policy->file);
	free(policy);
	*policy_p = NULL;
}
