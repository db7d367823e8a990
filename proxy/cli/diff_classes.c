/*
 * Clients and names that no list tells apart are one witness: so a list of a
 * million entries makes a handful.  See diff.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "cli/diff.h"
#include "policy/list.h"

#include <stdlib.h>

enum {
	GROUPS_MAX = 512, /* more share the last one */
	PLACES = 8192     /* more than twice CLASSES_MAX */
};

struct item {
	struct addr addr;
	struct slice name; /* owned */
};

struct classes {
	struct address_list *addresses[GROUPS_MAX];
	struct domain_list *domains[GROUPS_MAX];
	unsigned group_count;
	uint64_t seen[PLACES]; /* signatures; 0: free */
	struct item items[CLASSES_MAX];
	unsigned count;
};

struct classes *
classes_new(void)
{
	struct classes *classes = calloc(1, sizeof(*classes));

	if (classes == NULL)
		log_fatal("no memory");
	return classes;
}

void
classes_free(struct classes **classes_p)
{
	struct classes *classes = *classes_p;

	if (classes == NULL)
		return;
	for (unsigned i = 0; i < classes->group_count; i++) {
		address_list_free(&classes->addresses[i]);
		domain_list_free(&classes->domains[i]);
	}
	for (unsigned i = 0; i < classes->count; i++) {
		/* Our own copy: the slice's const is for its readers. */
		union {
			const char *in;
			char *out;
		} name = {.in = classes->items[i].name.ptr};
		free(name.out);
	}
	free(classes);
	*classes_p = NULL;
}

void
classes_begin_group(struct classes *classes)
{
	if (classes->group_count == GROUPS_MAX)
		return;
	classes->addresses[classes->group_count] = address_list_new();
	classes->domains[classes->group_count++] = domain_list_new();
}

void
classes_group_prefix(struct classes *classes, const struct prefix *prefix)
{
	address_list_add(classes->addresses[classes->group_count - 1], prefix);
}

void
classes_group_domain(struct classes *classes, struct slice domain)
{
	domain_list_add(classes->domains[classes->group_count - 1], domain);
}

void
classes_seal(struct classes *classes)
{
	for (unsigned i = 0; i < classes->group_count; i++)
		address_list_seal(classes->addresses[i]);
}

static uint64_t
mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* Whether the signature is new; then it is remembered. */
static bool
is_new(struct classes *classes, uint64_t signature)
{
	size_t place = signature % PLACES;

	signature |= 1;
	for (; classes->seen[place] != 0; place = (place + 1) % PLACES)
		if (classes->seen[place] == signature)
			return false;
	classes->seen[place] = signature;
	return true;
}

bool
classes_add_addr(struct classes *classes, const struct addr *addr)
{
	uint64_t signature = mix(1, addr->family);

	if (classes->count == CLASSES_MAX)
		return false;
	for (unsigned i = 0; i < classes->group_count; i++)
		signature = mix(
		    signature, address_list_has(classes->addresses[i], addr));
	if (is_new(classes, signature))
		classes->items[classes->count++].addr = *addr;
	return true;
}

static uint64_t
signature_of(const struct classes *classes, struct slice name, bool always)
{
	struct helo judged;
	uint64_t signature;

	helo_analyse(name, NULL, &judged);
	signature = mix(mix(3, judged.flaws), judged.form);
	signature = mix(signature, judged.refused_by);
	for (unsigned i = 0; i < classes->group_count; i++)
		signature =
		    mix(signature, domain_list_has(classes->domains[i], name));
	for (size_t i = 0; always && i < name.len; i++)
		signature = mix(signature, (unsigned char)name.ptr[i]);
	return signature;
}

bool
classes_add_name(struct classes *classes, struct slice name, bool always)
{
	if (classes->count == CLASSES_MAX)
		return false;
	if (is_new(classes, signature_of(classes, name, always)))
		classes->items[classes->count++].name =
		    slice_of(slice_dup(name), name.len);
	return true;
}

unsigned
classes_count(const struct classes *classes)
{
	return classes->count;
}

const struct addr *
classes_addr(const struct classes *classes, unsigned i)
{
	return &classes->items[i].addr;
}

struct slice
classes_name(const struct classes *classes, unsigned i)
{
	return classes->items[i].name;
}
