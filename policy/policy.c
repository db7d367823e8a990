/*
 * Loading a policy file.  See policy.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy.h"

#include "base/log.h"
#include "base/sha256.h"
#include "policy/policy_private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the rest of the file ------------------------------------------------------------ */

static void
read_refusal(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	const struct yaml_node *repair = yaml_get(node, "repair");

	if (reader_map(reader, node, "`on_server_refusal`") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_REFUSAL, "`on_server_refusal`");
	if (repair == NULL &&
	    reader_is_misspelt(node, SECTION_REFUSAL, "repair"))
		return;
	if (repair == NULL) {
		reader_error(reader, "P024", node, NULL,
		    "`on_server_refusal` needs `repair`");
		return;
	}
	policy->refusal_node = node;
	policy->has_refusal =
	    policy_read_repair(reader, repair, &policy->refusal.repair);
	policy_read_starttls(reader, node, &policy->refusal);
	for (unsigned i = 0; i < policy->refusal.repair.count; i++)
		policy->refusal.uses_ptr |=
		    policy->refusal.repair.steps[i].step ==
		    HELO_STEP_CLIENT_PTR;
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
	*out = realloc(*out, (*out_count + count + 1) * sizeof(struct slice));
	if (*out == NULL)
		log_fatal("no memory while reading a file");
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
	if (node == NULL && reader_is_misspelt(root, SECTION_POLICY, "default"))
		return;
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

	if (node == NULL && reader_is_misspelt(root, SECTION_POLICY, "policy"))
		return;
	if (node == NULL)
		reader_error(reader, "P028", root, NULL,
		    "the file must say its language's version: `policy: 1`");
	else if (!yaml_is(node, "1") || node->quoted)
		reader_error(reader, "P028", node, NULL,
		    "this program reads version 1 of the language");
}

static void
read_policy_mode(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	static const char *const modes[] = {"enforce", "monitor"};

	policy->monitor = reader_word(reader, node, "`mode`", modes, 2) == 1;
}

/* What a file says for itself alone, when it is not included. */
static void
read_own(struct policy *policy, const struct reader *reader,
    const struct yaml_node *root)
{
	const struct yaml_node *mode = yaml_get(root, "mode");
	const struct yaml_node *refusal = yaml_get(root, "on_server_refusal");

	if (mode != NULL)
		read_policy_mode(policy, reader, mode);
	read_default(policy, reader, root);
	if (refusal != NULL)
		read_refusal(policy, reader, refusal);
}

/* What counts of every file, once all lists are known. */
static void
read_rules_of(struct policy *policy, const struct reader *reader,
    const struct yaml_node *root, bool included)
{
	const struct yaml_node *caps = yaml_get(root, "capabilities");
	const struct yaml_node *limits = yaml_get(root, "limits");
	const struct yaml_node *commands = yaml_get(root, "commands");
	const struct yaml_node *protocol = yaml_get(root, "protocol");
	const struct yaml_node *timeouts = yaml_get(root, "timeouts");

	policy_read_rules(policy, reader, root, included);
	if (caps != NULL)
		read_capabilities(policy, reader, caps);
	if (limits != NULL)
		policy_read_limits(policy, reader, limits);
	if (commands != NULL)
		policy_read_commands(policy, reader, commands);
	if (protocol != NULL)
		policy_read_protocol(policy, reader, protocol);
	if (timeouts != NULL)
		policy_read_timeouts(policy, reader, timeouts);
}

/* --- files ---------------------------------------------------------------------------- */

enum {
	INCLUDE_DEPTH_MAX = 8
};

/* A file that is being read, and the one that includes it. */
struct chain {
	const struct chain *up;
	const char *path;
	unsigned depth;
};

static void read_includes(struct policy *policy, const struct reader *reader,
    const struct yaml_node *root, const struct chain *chain);

/* The files in the order in which their rules count; the first is the policy
 * itself. */
static void
append_file(struct policy *policy, struct yaml_file *yaml)
{
	struct policy_file **last = &policy->files;

	while (*last != NULL)
		last = &(*last)->next;
	*last = policy_alloc(1, sizeof(struct policy_file));
	(*last)->yaml = yaml;
}

static void
read_lists_of(struct policy *policy, const struct reader *reader,
    const struct chain *chain)
{
	const struct yaml_node *root = yaml_root(reader->file);
	const struct yaml_node *lists, *description;

	append_file(policy, reader->file);
	if (reader_map(reader, root, "a policy") == NULL)
		return;
	reader_check_keys(reader, root, SECTION_POLICY, "the policy");
	description = yaml_get(root, "description");
	if (description != NULL && description->kind != YAML_SCALAR)
		reader_error(reader, "P019", description, NULL,
		    "`description` takes a sentence");
	read_version(reader, root);
	if ((lists = yaml_get(root, "lists")) != NULL)
		policy_read_lists(policy, reader, lists);
	read_includes(policy, reader, root, chain);
}

static bool
is_loop(const struct reader *reader, const struct yaml_node *node,
    const struct chain *chain, const char *path)
{
	const struct chain *at = chain;

	while (at != NULL && strcmp(at->path, path) != 0)
		at = at->up;
	if (at != NULL)
		reader_error(reader, "P083", node, "remove this one",
		    "an include loop: %.*s is being read already%s",
		    SLICE_FMT(slice_head(node->text, 200)),
		    at == chain ? " (it includes itself)" : "");
	else if (chain->depth >= INCLUDE_DEPTH_MAX)
		reader_error(reader, "P083", node, NULL,
		    "more than %d files include one another",
		    (int)INCLUDE_DEPTH_MAX);
	return at != NULL || chain->depth >= INCLUDE_DEPTH_MAX;
}

static bool
was_read(const struct policy *policy, const char *path)
{
	for (const struct policy_file *f = policy->files; f != NULL;
	     f = f->next)
		if (f->path != NULL && strcmp(f->path, path) == 0)
			return true;
	return false;
}

static void
read_include(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node, const struct chain *chain)
{
	char path[PATH_MAX];
	struct chain here = {chain, path, chain->depth + 1};
	struct reader inner = {NULL, reader->diag};
	char *real;

	errno = ENAMETOOLONG;
	real =
	    reader_path(reader, node->text, path) ? realpath(path, NULL) : NULL;
	if (real == NULL) {
		reader_error(reader, "P082", node, NULL,
		    "the file %s cannot be read: %s", path, strerror(errno));
		return;
	}
	here.path = real;
	/* A file that two others include counts once. */
	if (!is_loop(reader, node, chain, real) && !was_read(policy, real) &&
	    (inner.file = yaml_load(path, reader->diag)) != NULL) {
		read_lists_of(policy, &inner, &here);
		for (struct policy_file *f = policy->files; f != NULL;
		     f = f->next)
			if (f->yaml == inner.file)
				f->path = slice_dup(slice_str(real));
	}
	free(real);
}

static void
read_includes(struct policy *policy, const struct reader *reader,
    const struct yaml_node *root, const struct chain *chain)
{
	const struct yaml_node *node = yaml_get(root, "include");
	struct yaml_node *one;
	unsigned count;

	if (node == NULL)
		return;
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "`include`", &one, &count);
	for (unsigned i = 0; items != NULL && i < count; i++)
		read_include(policy, reader, items[i], chain);
}

/* An included file's own tests speak of it alone and are not run here; they
 * are tests of its rules all the same. */
static void
note_tests(struct policy *policy, const struct yaml_node *root)
{
	const struct yaml_node *tests = yaml_get(root, "tests");

	for (unsigned i = 0;
	     tests != NULL && tests->kind == YAML_LIST && i < tests->count;
	     i++) {
		const struct yaml_node *rule =
		    yaml_get(tests->items[i], "rule");
		if (rule != NULL)
			policy_note_tested(policy, rule->text);
	}
}

static void
read_all(struct policy *policy, const struct reader *reader, const char *path)
{
	char *real = realpath(path, NULL);
	struct chain chain = {NULL, real == NULL ? path : real, 1};
	const struct yaml_node *tests;

	read_lists_of(policy, reader, &chain);
	for (const struct policy_file *f = policy->files; f != NULL;
	     f = f->next) {
		const struct reader each = {f->yaml, reader->diag};
		if (yaml_root(f->yaml)->kind != YAML_MAP)
			continue;
		read_rules_of(
		    policy, &each, yaml_root(f->yaml), f != policy->files);
		if (f != policy->files)
			note_tests(policy, yaml_root(f->yaml));
	}
	policy_check_overrides(policy);
	if (yaml_root(reader->file)->kind == YAML_MAP) {
		read_own(policy, reader, yaml_root(reader->file));
		tests = yaml_get(yaml_root(reader->file), "tests");
		if (tests != NULL)
			policy_read_tests(policy, reader, tests);
	}
	free(real);
}

static bool
clause_asks(const struct clause *clause)
{
	for (unsigned i = 0; i < clause->count; i++)
		if (clause->conditions[i].lookup)
			return true;
	return false;
}

static bool
rule_asks(const struct rule *rule)
{
	bool asks = rule->then.uses_ptr || clause_asks(&rule->when.all);

	for (unsigned i = 0; i < rule->when.any_count; i++)
		asks |= clause_asks(&rule->when.any[i]);
	return asks;
}

static bool
asks_dns(const struct policy *policy)
{
	bool asks = policy->otherwise.uses_ptr || policy->refusal.uses_ptr;

	for (unsigned stage = 0; stage < POLICY_STAGE_COUNT; stage++)
		for (unsigned i = 0; i < policy->rules[stage].count; i++)
			asks |= rule_asks(&policy->rules[stage].items[i]);
	return asks;
}

static void
set_version(struct policy *policy)
{
	uint8_t digest[SHA256_SIZE];
	struct sha256 sha;

	sha256_init(&sha);
	for (const struct policy_file *f = policy->files; f != NULL;
	     f = f->next)
		sha256_add(&sha, yaml_text(f->yaml));
	for (unsigned i = 0; i < policy->list_count; i++)
		sha256_add(
		    &sha, slice_of((const char *)policy->lists[i]->digest,
			      sizeof(policy->lists[i]->digest)));
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
	read_all(policy, &reader, path);
	if (diag_errors(diag) > errors) {
		policy_free(&policy);
		return NULL;
	}
	set_version(policy);
	policy->asks_dns = asks_dns(policy);
	return policy;
}

static void
free_files(struct policy *policy)
{
	while (policy->files != NULL) {
		struct policy_file *next = policy->files->next;
		yaml_file_free(&policy->files->yaml);
		free(policy->files->path);
		free(policy->files);
		policy->files = next;
	}
}

void
policy_free(struct policy **policy_p)
{
	struct policy *policy = *policy_p;

	if (policy == NULL)
		return;
	policy_free_rules(policy);
	policy_free_limits(policy);
	for (unsigned i = 0; i < policy->list_count; i++) {
		address_list_free(&policy->lists[i]->addresses);
		domain_list_free(&policy->lists[i]->domains);
		free(policy->lists[i]);
	}
	free(policy->lists);
	free(policy->allowed);
	free(policy->hidden);
	free(policy->tests);
	free_files(policy);
	free(policy);
	*policy_p = NULL;
}
