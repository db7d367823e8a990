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

static bool
has_non_ascii(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] >= 0x80)
			return true;
	return false;
}

/* What the entry that add_entry refused is not. */
static const char *
kind_of(const struct policy_list *list, struct slice text)
{
	if (list->domains == NULL)
		return "address or prefix (host bits clear)";
	if (has_non_ascii(text))
		return "domain name in ASCII (write it as xn--...)";
	if (slice_find(text, '*') != -1)
		return "domain name (each stands for all below it, there are "
		       "no wildcards)";
	return "domain name";
}

static bool
is_full(const struct policy_list *list)
{
	return list->domains != NULL && domain_list_is_full(list->domains);
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
			    kind_of(list, items[i]->text));
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

/* Characters of UTF-8. */
static unsigned
width_of(struct slice text)
{
	unsigned width = 0;

	for (size_t i = 0; i < text.len; i++)
		width += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
	return width;
}

/* A list's file while it is read. */
struct list_file {
	const struct reader *reader;
	const char *path;
	struct policy_list *list;
	unsigned number; /* of the line */
	unsigned errors;
	struct sha256 sha;
};

static void
complain(const struct list_file *file, struct slice line, struct slice entry)
{
	struct diag_place place = {slice_str(file->path), file->number,
	    (unsigned)(entry.ptr - line.ptr) + 1, width_of(entry)};

	if (line.len > 0 && line.ptr[line.len - 1] == '\n')
		line.len--;
	diag_add(file->reader->diag, DIAG_ERROR, "P030", place,
	    slice_head(line, 200), NULL, "`%.*s` is no %s",
	    SLICE_FMT(slice_head(entry, 80)), kind_of(file->list, entry));
}

/* False: the list is full, what follows is not read. */
static bool
read_line(struct list_file *file, struct slice line)
{
	struct slice entry = entry_of(line);

	sha256_add(&file->sha, line);
	file->number++;
	if (entry.len == 0 || add_entry(file->list, entry))
		return true;
	if (is_full(file->list)) {
		diag_add(file->reader->diag, DIAG_ERROR, "P031",
		    (struct diag_place){
			slice_str(file->path), file->number, 1, 0},
		    slice_of(NULL, 0), NULL,
		    "the list is full: its names have 4 GiB together");
		return false;
	}
	if (++file->errors <= FILE_ERRORS_MAX)
		complain(file, line, entry);
	return true;
}

static void
read_lines(struct list_file *file, FILE *from)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	/* What the files before it came to, then this one. */
	sha256_init(&file->sha);
	sha256_add(&file->sha, slice_of((const char *)file->list->digest,
				   sizeof(file->list->digest)));
	while ((len = getline(&line, &size, from)) != -1)
		if (!read_line(file, slice_of(line, (size_t)len)))
			break;
	sha256_end(&file->sha, file->list->digest);
	free(line);
	if (file->errors > FILE_ERRORS_MAX)
		diag_add(file->reader->diag, DIAG_ERROR, "P030",
		    (struct diag_place){
			slice_str(file->path), file->number, 1, 0},
		    slice_of(NULL, 0), NULL,
		    "more lines of this file that are wrong: %u",
		    file->errors - FILE_ERRORS_MAX);
}

static void
read_list_file(const struct reader *reader, const struct yaml_node *node,
    struct policy_list *list)
{
	char path[PATH_MAX];
	struct list_file file = {.reader = reader, .path = path, .list = list};
	FILE *from = NULL;

	errno = ENAMETOOLONG;
	if (reader_path(reader, node->text, path))
		from = fopen(path, "re");
	if (from != NULL)
		read_lines(&file, from);
	/* A folder can be opened, but not read. */
	if (from == NULL || ferror(from))
		reader_error(reader, "P031", node, NULL,
		    "the list's file %s cannot be read: %s", path,
		    strerror(errno));
	if (from != NULL)
		fclose(from);
}

static void
read_list_files(const struct reader *reader, const struct yaml_node *node,
    struct policy_list *list)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *paths =
	    reader_scalars(reader, node, "a list's file", &one, &count);

	for (unsigned i = 0; paths != NULL && i < count; i++)
		read_list_file(reader, paths[i], list);
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
		read_list_files(reader, address_file, list);
	if (domain_file != NULL)
		read_list_files(reader, domain_file, list);
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
	for (unsigned i = 0; i < policy->list_count; i++) {
		if (!slice_eq(policy->lists[i]->name, key->text))
			continue;
		reader_error(reader, "P084", key, NULL,
		    "a list is called `%.*s` already (%.*s line %u)",
		    SLICE_FMT(slice_head(key->text, 64)),
		    SLICE_FMT(yaml_name(policy->lists[i]->file)),
		    policy->lists[i]->node->place.line);
		return;
	}
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

/* --- which domains are named ---------------------------------------------------- */

struct domains {
	struct slice *out;
	unsigned count, room;
};

static void
add_domain(struct domains *domains, struct slice domain)
{
	if (domain.len > 0 && domains->count < domains->room)
		domains->out[domains->count++] = domain;
}

static void
add_recipients(struct domains *domains, const struct clause *clause)
{
	for (unsigned i = 0; i < clause->count; i++) {
		const struct condition *condition = &clause->conditions[i];
		if (condition->fact != FACT_RCPT_TO)
			continue;
		for (unsigned k = 0; k < condition->count; k++) {
			const struct value *value = &condition->values[k];
			if (value->kind == VALUE_IS)
				add_domain(domains,
				    policy_mailbox_domain(value->text));
			else if (value->kind == VALUE_UNDER)
				add_domain(domains, value->text);
		}
	}
}

unsigned
policy_domains(const struct policy *policy, struct slice *out, unsigned room)
{
	const struct rules *rules = &policy->rules[POLICY_STAGE_RCPT];
	struct domains domains = {out, 0, room};

	for (unsigned i = 0; i < rules->count; i++) {
		const struct when *when = &rules->items[i].when;
		add_recipients(&domains, &when->all);
		for (unsigned k = 0; k < when->any_count; k++)
			add_recipients(&domains, &when->any[k]);
	}
	for (unsigned i = 0; i < policy->list_count; i++) {
		const struct domain_list *list = policy->lists[i]->domains;
		struct slice domain;
		size_t at = 0;
		while (list != NULL && domains.count < room &&
		       domain_list_next(list, &at, &domain))
			add_domain(&domains, domain);
	}
	return domains.count;
}
