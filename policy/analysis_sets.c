/*
 * Whether a value of a fact can meet several conditions.  See analysis.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/analysis.h"

enum {
	/* Ranges of a list that are looked into. */
	RANGES_MAX = 4096
};

/* The conditions in question.  A condition that is negated and must hold is
 * one whose values must not match, and the other way round. */
struct ask {
	const struct condition *const *conditions;
	const bool *wanted;
	unsigned count;
};

/* Whether the values of the i-th must match. */
static bool
must_match(const struct ask *ask, unsigned i)
{
	return ask->wanted[i] != ask->conditions[i]->negated;
}

/* --- bits --------------------------------------------------------------------------- */

/* Every value that the fact can have; literals can be of no kind at all. */
static uint64_t
all_bits(enum fact fact)
{
	unsigned count = 0;

	while (fact_word(fact, count) != NULL)
		count++;
	return (UINT64_C(1) << count) - 1;
}

/* A fact that has one word at a time.  What DNS could not say meets only a
 * condition that names it, also a negated one. */
static bool
word_can_meet(const struct ask *ask, enum fact fact)
{
	const uint64_t all = all_bits(fact);
	/* Of a literal: that there is none. */
	const uint64_t nothing = fact == FACT_LITERAL ? all + 1 : 0;
	/* The last word. */
	const uint64_t temperror =
	    fact_kind(fact) == KIND_LOOKUP ? (all + 1) / 2 : 0;
	uint64_t left = all | nothing;

	for (unsigned i = 0; i < ask->count; i++) {
		const struct condition *condition = ask->conditions[i];
		uint64_t yes = condition->mask;
		if (condition->negated)
			yes = (all | nothing) & ~yes;
		if (condition->negated && !condition->temperror)
			yes &= ~temperror;
		left &= ask->wanted[i] ? yes : ~yes;
	}
	return left != 0;
}

/* A fact that has any number of words: the more of those that may be there
 * are there, the better. */
static bool
words_can_meet(const struct ask *ask, enum fact fact)
{
	uint64_t may = all_bits(fact), syntax = 0;
	bool valid = false, invalid = false;

	for (unsigned i = 0; i < HELO_FLAW_COUNT; i++)
		if (!helo_flaw_is_advisory((enum helo_flaw)i))
			syntax |= HELO_BIT(i);
	for (unsigned i = 0; i < ask->count; i++) {
		const struct condition *condition = ask->conditions[i];
		if (condition->fact == FACT_VALID) {
			bool yes = (condition->mask & 2) != 0;
			bool no = (condition->mask & 1) != 0;
			valid |= must_match(ask, i) ? !no : !yes && no;
			invalid |= must_match(ask, i) ? !yes : yes && !no;
			if (!must_match(ask, i) && yes && no)
				return false;
		} else if (!must_match(ask, i)) {
			may &= ~condition->mask;
		}
	}
	if (valid)
		may &= ~syntax;
	if (invalid && (may & syntax) == 0)
		return false;
	for (unsigned i = 0; i < ask->count; i++)
		if (ask->conditions[i]->fact != FACT_VALID &&
		    must_match(ask, i) && (may & ask->conditions[i]->mask) == 0)
			return false;
	return !(valid && invalid);
}

/* --- numbers and addresses ---------------------------------------------------------- */

static bool
number_meets(const struct ask *ask, uint64_t number)
{
	for (unsigned i = 0; i < ask->count; i++) {
		bool matches = false;
		for (unsigned j = 0; j < ask->conditions[i]->count; j++) {
			const struct value *value =
			    &ask->conditions[i]->values[j];
			matches |= number >= value->as.range.low &&
				   number <= value->as.range.high;
		}
		if (matches != must_match(ask, i))
			return false;
	}
	return true;
}

/* If any number meets them, the least one does: it is 0, begins a range, or
 * comes right behind one. */
static bool
number_can_meet(const struct ask *ask)
{
	if (number_meets(ask, 0))
		return true;
	for (unsigned i = 0; i < ask->count; i++)
		for (unsigned j = 0; j < ask->conditions[i]->count; j++) {
			const struct value *value =
			    &ask->conditions[i]->values[j];
			if (number_meets(ask, value->as.range.low) ||
			    (value->as.range.high < UINT64_MAX &&
				number_meets(ask, value->as.range.high + 1)))
				return true;
		}
	return false;
}

static bool
address_meets(const struct ask *ask, const struct addr *addr)
{
	for (unsigned i = 0; i < ask->count; i++) {
		bool matches = false;
		for (unsigned j = 0; j < ask->conditions[i]->count; j++) {
			const struct value *value =
			    &ask->conditions[i]->values[j];
			matches |=
			    value->kind == VALUE_PREFIX
				? prefix_contains(&value->as.prefix, addr)
				: address_list_has(
				      value->as.list->addresses, addr);
		}
		if (matches != must_match(ask, i))
			return false;
	}
	return true;
}

/* The address behind; false: there is none. */
static bool
step(struct addr *addr)
{
	unsigned size = addr->family == 4 ? 4 : 16;

	for (unsigned i = size; i-- > 0;)
		if (++addr->bytes[i] != 0)
			return true;
	return false;
}

static bool
ends_meet(const struct ask *ask, const struct addr *low, struct addr high)
{
	return address_meets(ask, low) ||
	       (step(&high) && address_meets(ask, &high));
}

static bool
list_ends_meet(const struct ask *ask, const struct address_list *list)
{
	struct addr low, high;
	size_t count = address_list_count(list);

	/* Too many to look into. */
	if (count > RANGES_MAX)
		return true;
	for (size_t i = 0; i < count; i++) {
		address_list_range(list, i, &low, &high);
		if (ends_meet(ask, &low, high))
			return true;
	}
	return false;
}

static bool
value_ends_meet(const struct ask *ask, const struct value *value)
{
	struct addr high;
	unsigned size;

	if (value->kind == VALUE_ADDRESS_LIST)
		return list_ends_meet(ask, value->as.list->addresses);
	high = value->as.prefix.addr;
	size = high.family == 4 ? 32 : 128;
	for (unsigned bit = value->as.prefix.bits; bit < size; bit++)
		high.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return ends_meet(ask, &value->as.prefix.addr, high);
}

/* As number_can_meet, in each family. */
static bool
address_can_meet(const struct ask *ask)
{
	const struct addr first4 = {.family = 4}, first6 = {.family = 6};

	if (address_meets(ask, &first4) || address_meets(ask, &first6))
		return true;
	for (unsigned i = 0; i < ask->count; i++)
		for (unsigned j = 0; j < ask->conditions[i]->count; j++)
			if (value_ends_meet(
				ask, &ask->conditions[i]->values[j]))
				return true;
	return false;
}

/* --- names -------------------------------------------------------------------------- */

/* A value that looks at more than the one fact. */
static bool
looks_elsewhere(const struct condition *condition)
{
	for (unsigned i = 0; i < condition->count; i++)
		if (condition->values[i].kind == VALUE_SAME_ORGANISATION)
			return true;
	return false;
}

static bool
name_meets(const struct ask *ask, struct slice name)
{
	struct policy_facts facts = {.helo = name,
	    .listener = name,
	    .auth_user = name,
	    .tls_of = {name, name, name, name, name},
	    .mail_from = name,
	    .rcpt_to = name};

	for (unsigned i = 0; i < ask->count; i++) {
		enum truth truth =
		    policy_condition_holds(ask->conditions[i], &facts);
		/* A pattern that gives up: nothing is known. */
		if (truth <= TRUTH_YES &&
		    !looks_elsewhere(ask->conditions[i]) &&
		    (truth == TRUTH_YES) != ask->wanted[i])
			return false;
	}
	return true;
}

/* The name itself, and with the root's dot: a pattern tells them apart. */
static bool
spelled_can_meet(const struct ask *ask, struct slice name)
{
	char with_dot[512];

	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	if (name.len >= sizeof(with_dot) || name_meets(ask, name))
		return true;
	if (name.len == 0)
		return false;
	memcpy(with_dot, name.ptr, name.len);
	with_dot[name.len] = '.';
	return name_meets(ask, slice_of(with_dot, name.len + 1));
}

static bool
is_star(const struct value *value)
{
	for (size_t i = 0; i < value->text.len; i++)
		if (value->text.ptr[i] != '*')
			return false;
	return value->kind == VALUE_GLOB && value->text.len > 0;
}

/* Whether all that the one matches the other matches too, as far as that is
 * plain to see. */
static bool
is_within(const struct value *inner, const struct value *outer)
{
	if (is_star(outer))
		return true;
	if (inner->kind == VALUE_DOMAIN_LIST)
		return outer->kind == VALUE_DOMAIN_LIST &&
		       outer->as.list == inner->as.list;
	if (inner->kind == VALUE_UNDER && outer->kind == VALUE_UNDER)
		return policy_is_under(inner->text, outer->text);
	if (inner->kind == VALUE_UNDER && outer->kind == VALUE_DOMAIN_LIST)
		return domain_list_has(outer->as.list->domains, inner->text);
	return inner->kind == outer->kind &&
	       (inner->kind == VALUE_GLOB || inner->kind == VALUE_REGEX) &&
	       slice_eq_nocase(inner->text, outer->text);
}

/* Whether a name can match both. */
static bool
can_share(const struct value *a, const struct value *b)
{
	if (a->kind == VALUE_UNDER && b->kind == VALUE_UNDER)
		return policy_is_under(a->text, b->text) ||
		       policy_is_under(b->text, a->text);
	if (a->kind == VALUE_UNDER && b->kind == VALUE_IS)
		return slice_find(b->text, '@') != -1 ||
		       policy_is_under(b->text, a->text);
	return true;
}

/* Whether a name that this value matches can meet the rest. */
static bool
value_can_meet(const struct ask *ask, const struct value *value)
{
	if (value->kind == VALUE_IS || value->kind == VALUE_NONE)
		return spelled_can_meet(ask, value->text);
	for (unsigned i = 0; i < ask->count; i++) {
		bool shares = false, within = false;
		for (unsigned j = 0; j < ask->conditions[i]->count; j++) {
			const struct value *other =
			    &ask->conditions[i]->values[j];
			shares |= can_share(value, other);
			within |= is_within(value, other);
		}
		if (must_match(ask, i) ? !shares : within)
			return false;
	}
	return true;
}

static bool
name_can_meet(const struct ask *ask)
{
	unsigned first = 0;

	while (first < ask->count && !must_match(ask, first))
		first++;
	if (first == ask->count) {
		/* Only names that it must not be: there are others, unless a
		 * star takes all. */
		for (unsigned i = 0; i < ask->count; i++)
			for (unsigned j = 0; j < ask->conditions[i]->count; j++)
				if (is_star(&ask->conditions[i]->values[j]))
					return false;
		return true;
	}
	for (unsigned j = 0; j < ask->conditions[first]->count; j++)
		if (value_can_meet(ask, &ask->conditions[first]->values[j]))
			return true;
	return false;
}

/* --- what is not looked into -------------------------------------------------------- */

static bool
same_value(const struct value *a, const struct value *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case VALUE_ADDRESS_LIST:
	case VALUE_DOMAIN_LIST:
		return a->as.list == b->as.list;
	case VALUE_PREFIX:
		return a->as.prefix.bits == b->as.prefix.bits &&
		       addr_eq(&a->as.prefix.addr, &b->as.prefix.addr);
	case VALUE_ZONE:
		return a->as.zone.count == 0 && b->as.zone.count == 0 &&
		       !a->as.zone.only_temperror &&
		       !b->as.zone.only_temperror &&
		       slice_eq_nocase(a->text, b->text);
	case VALUE_IS:
	case VALUE_UNDER:
	case VALUE_GLOB:
	case VALUE_REGEX:
		return slice_eq_nocase(a->text, b->text);
	case VALUE_NONE:
		return true;
	case VALUE_RANGE:
	case VALUE_SAME_ORGANISATION:
		break;
	}
	return false;
}

/* Whether all values of the one stand in the other too. */
static bool
values_within(const struct condition *inner, const struct condition *outer)
{
	for (unsigned i = 0; i < inner->count; i++) {
		unsigned j = 0;
		while (j < outer->count &&
		       !same_value(&inner->values[i], &outer->values[j]))
			j++;
		if (j == outer->count)
			return false;
	}
	return !inner->temperror || outer->temperror;
}

/* Facts of DNS that are lists: a condition that holds makes hold every other
 * one with the same values and more. */
static bool
opaque_can_meet(const struct ask *ask)
{
	for (unsigned i = 0; i < ask->count; i++)
		for (unsigned j = 0; j < ask->count; j++) {
			const struct condition *holds = ask->conditions[i];
			const struct condition *fails = ask->conditions[j];
			if (!ask->wanted[i] || ask->wanted[j] ||
			    holds->negated != fails->negated)
				continue;
			if (holds->negated
				? values_within(fails, holds) &&
				      holds->temperror == fails->temperror
				: values_within(holds, fails))
				return false;
		}
	return true;
}

bool
analysis_can_meet(const struct condition *const *conditions, const bool *wanted,
    unsigned count)
{
	const struct ask ask = {conditions, wanted, count};
	enum fact fact = conditions[0]->fact;

	switch (fact_kind(fact)) {
	case KIND_ADDRESS:
		return address_can_meet(&ask);
	case KIND_NUMBER:
		return number_can_meet(&ask);
	case KIND_WORD:
	case KIND_TEXT:
	case KIND_NAME:
	case KIND_MAILBOX:
		return name_can_meet(&ask);
	case KIND_FLAW:
	case KIND_RECEIVER:
		return words_can_meet(&ask, fact);
	case KIND_BOOL:
		return fact == FACT_VALID ? words_can_meet(&ask, FACT_FLAW)
					  : word_can_meet(&ask, fact);
	case KIND_LOOKUP:
	case KIND_FORM:
	case KIND_VERB:
	case KIND_RELATION:
		return word_can_meet(&ask, fact);
	case KIND_ADDRESSES:
	case KIND_NAMES:
	case KIND_ZONE:
		break;
	}
	return opaque_can_meet(&ask);
}
