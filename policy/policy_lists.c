/*
 * The lists of a policy: in the file itself or in files of their own.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "policy/policy_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	FILE_ERRORS_MAX = 20
};

static bool
add_entry(struct policy_list *list, struct slice text)
{
	struct prefix prefix;

	if (list->domains != NULL)
		return domain_list_add(list->domains, text);
	if (!prefix_parse(text, &prefix))
		return false;
	address_list_add(list->addresses, &prefix);
	return true;
}

static const char *
kind_of(const struct policy_list *list)
{
	return list->domains != NULL ? "domain name"
				     : "address or prefix (host bits clear)";
}

static void
read_inline(const struct reader *reader, const struct yaml_node *node,
    struct policy_list *list)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "a list", &one, &count);

	if (items == NULL)
		return;
	for (unsigned i = 0; i < count; i++)
		if (!add_entry(list, items[i]->text))
			reader_error(reader, "P030", items[i], NULL,
			    "`%.*s` is no %s",
			    SLICE_FMT(slice_head(items[i]->text, 80)),
			    kind_of(list));
}

static struct slice
entry_of(struct slice line)
{
	ptrdiff_t hash = slice_find(line, '#');

	if (hash != -1)
		line = slice_head(line, (size_t)hash);
	while (line.len > 0 && (line.ptr[line.len - 1] == ' ' ||
				   line.ptr[line.len - 1] == '\t' ||
				   line.ptr[line.len - 1] == '\r' ||
				   line.ptr[line.len - 1] == '\n'))
		line.len--;
	while (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
		line = slice_from(line, 1);
	return line;
}

static void
read_lines(const struct reader *reader, FILE *file, const char *path,
    struct policy_list *list)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	unsigned number = 0, errors = 0;

	while ((len = getline(&line, &size, file)) != -1) {
		struct slice entry = entry_of(slice_of(line, (size_t)len));
		number++;
		if (entry.len == 0 || add_entry(list, entry))
			continue;
		if (++errors > FILE_ERRORS_MAX)
			break;
		diag_add(reader->diag, DIAG_ERROR, "P030",
		    (struct diag_place){
			slice_str(path), number, 1, (unsigned)entry.len},
		    slice_head(slice_of(line, (size_t)len - 1), 200), NULL,
		    "`%.*s` is no %s", SLICE_FMT(slice_head(entry, 80)),
		    kind_of(list));
	}
	free(line);
}

static void
read_list_file(const struct reader *reader, const struct yaml_node *node,
    struct policy_list *list)
{
	char path[PATH_MAX];
	FILE *file;

	if (node->kind != YAML_SCALAR) {
		reader_error(reader, "P031", node, NULL,
		    "a list's file must be one path");
		return;
	}
	reader_path(reader, node->text, path);
	file = fopen(path, "re");
	if (file == NULL) {
		reader_error(reader, "P031", node, NULL,
		    "the list's file %s cannot be read: %s", path,
		    strerror(errno));
		return;
	}
	read_lines(reader, file, path, list);
	fclose(file);
}

static void
read_list(const struct reader *reader, const struct yaml_node *node,
    struct policy_list *list)
{
	const struct yaml_node *address = yaml_get(node, "address");
	const struct yaml_node *address_file = yaml_get(node, "address_file");
	const struct yaml_node *domain = yaml_get(node, "domain");
	const struct yaml_node *domain_file = yaml_get(node, "domain_file");

	if ((address || address_file) == (domain || domain_file)) {
		reader_error(reader, "P032", node, NULL,
		    "a list holds either addresses (`address`, "
		    "`address_file`) or domains (`domain`, `domain_file`)");
		return;
	}
	if (domain || domain_file)
		list->domains = domain_list_new();
	else
		list->addresses = address_list_new();
	if (address != NULL)
		read_inline(reader, address, list);
	if (domain != NULL)
		read_inline(reader, domain, list);
	if (address_file != NULL)
		read_list_file(reader, address_file, list);
	if (domain_file != NULL)
		read_list_file(reader, domain_file, list);
	if (list->addresses != NULL)
		address_list_seal(list->addresses);
}

static void
check_list_name(const struct policy *policy, const struct reader *reader,
    const struct yaml_node *key)
{
	if (slice_find(key->text, '.') != -1)
		reader_error(reader, "P033", key, NULL,
		    "a list's name has no dot: a word with a dot is a domain");
	if (yaml_is(key, "none") || yaml_is(key, "temperror") ||
	    yaml_is(key, "null") || yaml_is(key, "any"))
		reader_error(reader, "P033", key, NULL,
		    "`%.*s` means something else in a rule: another name",
		    SLICE_FMT(key->text));
	for (unsigned i = 0; i < policy->list_count; i++)
		if (slice_eq(policy->lists[i]->name, key->text))
			reader_error(reader, "P084", key, NULL,
			    "a list is called `%.*s` already (%.*s line %u)",
			    SLICE_FMT(slice_head(key->text, 64)),
			    SLICE_FMT(yaml_name(policy->lists[i]->file)),
			    policy->lists[i]->node->place.line);
}

void
policy_read_lists(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node)
{
	if (reader_map(reader, node, "`lists`") == NULL)
		return;
	policy->lists = realloc(policy->lists,
	    (policy->list_count + node->count + 1) * sizeof(*policy->lists));
	if (policy->lists == NULL)
		log_fatal("no memory while reading a file");
	for (unsigned i = 0; i < node->count; i++) {
		check_list_name(policy, reader, node->keys[i]);
		if (reader_map(reader, node->items[i], "a list") == NULL)
			continue;
		struct policy_list *list = policy_alloc(1, sizeof(*list));
		policy->lists[policy->list_count++] = list;
		list->name = node->keys[i]->text;
		list->node = node->keys[i];
		list->file = reader->file;
		reader_check_keys(
		    reader, node->items[i], SECTION_LIST, "a list");
		read_list(reader, node->items[i], list);
	}
}
