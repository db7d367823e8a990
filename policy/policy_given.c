/*
 * What DNS is said to answer: `given` of a test, and of `explain`.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_check.h"
#include "policy/policy_private.h"

enum {
	GIVEN_MAX = 32
};

/* A scalar, or a list of them, as nodes. */
static struct yaml_node *const *
items_of(const struct yaml_node *node, struct yaml_node **one, unsigned *count)
{
	union {
		const struct yaml_node *in;
		struct yaml_node *out;
	} cast = {.in = node};

	*one = cast.out;
	*count = node->kind == YAML_LIST ? node->count : 1;
	return node->kind == YAML_LIST ? node->items : one;
}

static const char *
give_word(
    struct lookup *lookup, enum lookup_fact fact, const struct yaml_node *node)
{
	const char *const *words = lookup_words(fact);
	struct lookup_value value = {.state = LOOKUP_KNOWN};

	for (; words[value.word] != NULL; value.word++) {
		if (!yaml_is(node, words[value.word]))
			continue;
		if (yaml_is(node, "temperror"))
			value.state = LOOKUP_TEMPERROR;
		lookup_give(lookup, fact, &value);
		return NULL;
	}
	return fact_sentence(
	    (enum fact)fact_find(slice_str(lookup_fact_name(fact))));
}

static const char *
read_names(const struct yaml_node *node, struct slice *names,
    struct lookup_value *value)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items = items_of(node, &one, &count);

	for (unsigned i = 0; i < count; i++) {
		if (i >= GIVEN_MAX || items[i]->kind != YAML_SCALAR ||
		    !dns_name_is_askable(items[i]->text))
			return "a name, a list of names, none or temperror "
			       "must stand here";
		names[value->name_count++] = items[i]->text;
	}
	return NULL;
}

static const char *
read_addresses(const struct yaml_node *node, struct addr *addrs,
    struct lookup_value *value)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items = items_of(node, &one, &count);

	for (unsigned i = 0; i < count; i++) {
		if (i >= GIVEN_MAX || items[i]->kind != YAML_SCALAR ||
		    !addr_parse(items[i]->text, &addrs[i]))
			return "an address, a list of addresses, none or "
			       "temperror must stand here";
		value->addr_count++;
	}
	return NULL;
}

/* The names or addresses that a node lists; `names` NULL: addresses. */
static const char *
read_listed(const struct yaml_node *node, struct slice *names,
    struct addr *addrs, struct lookup_value *value)
{
	*value = (struct lookup_value){
	    .state = LOOKUP_KNOWN, .names = names, .addrs = addrs};
	if (yaml_is(node, "temperror"))
		value->state = LOOKUP_TEMPERROR;
	if (yaml_is(node, "temperror") || yaml_is(node, "none"))
		return NULL;
	return names != NULL ? read_names(node, names, value)
			     : read_addresses(node, addrs, value);
}

static const char *
give_zones(
    struct lookup *lookup, enum lookup_zone kind, const struct yaml_node *node)
{
	static const struct addr listed = {4, {127, 0, 0, 2}};
	struct lookup_value value = {
	    .state = LOOKUP_KNOWN, .addr_count = 1, .addrs = &listed};
	struct addr addrs[GIVEN_MAX];

	if (node->kind == YAML_SCALAR && dns_name_is_askable(node->text)) {
		lookup_give_zone(lookup, kind, node->text, &value);
		return NULL;
	}
	if (node->kind != YAML_MAP)
		return "a zone, or {ZONE: ANSWERS}, must stand here";
	for (unsigned i = 0; i < node->count; i++) {
		const char *wrong =
		    read_listed(node->items[i], NULL, addrs, &value);
		if (wrong != NULL)
			return wrong;
		lookup_give_zone(lookup, kind, node->keys[i]->text, &value);
	}
	return NULL;
}

const char *
policy_give(
    struct lookup *lookup, struct slice name, const struct yaml_node *node)
{
	int fact = fact_find(name);
	struct slice names[GIVEN_MAX];
	struct addr addrs[GIVEN_MAX];
	struct lookup_value value;
	const char *wrong;

	if (fact == -1 || !fact_is_lookup((enum fact)fact))
		return "this is no fact that DNS gives";
	if (fact == FACT_DNSBL || fact == FACT_RHSBL)
		return give_zones(lookup,
		    fact == FACT_DNSBL ? LOOKUP_CLIENT_DNSBL
				       : LOOKUP_HELO_RHSBL,
		    node);
	enum lookup_fact known = (enum lookup_fact)fact_lookup((enum fact)fact);
	if (fact_kind((enum fact)fact) == KIND_LOOKUP)
		return give_word(lookup, known, node);
	wrong = read_listed(node,
	    fact_kind((enum fact)fact) == KIND_NAMES ? names : NULL, addrs,
	    &value);
	if (wrong == NULL)
		lookup_give(lookup, known, &value);
	return wrong;
}
