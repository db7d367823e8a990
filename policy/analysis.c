/*
 * The search for a session that gets past.  See analysis.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/analysis.h"

#include <stdlib.h>

enum {
	ASSUMED_MAX = 512,
	/* Steps of one search; beyond them nothing is proven. */
	STEPS_MAX = 5000
};

/* What is assumed of a session so far. */
struct assumed {
	const struct condition *conditions[ASSUMED_MAX];
	bool wanted[ASSUMED_MAX];
	unsigned count;
	unsigned steps;
};

/* Conditions that do not all hold: a rule that is passed, or, of a rule with
 * `any`, one of its alternatives. */
struct passed {
	const struct clause *all, *any; /* `any` may be NULL */
};

struct search {
	struct assumed assumed;
	struct passed *passed;
	unsigned count;
};

/* The facts that are looked at together: what is wrong with a name, and
 * whether anything is. */
static enum fact
group_of(enum fact fact)
{
	return fact == FACT_VALID ? FACT_FLAW : fact;
}

/* Adds an assumption; false: it cannot be, with those that are there. */
static bool
assume(struct assumed *assumed, const struct condition *condition, bool wanted)
{
	const struct condition *same[ASSUMED_MAX];
	bool is_wanted[ASSUMED_MAX];
	unsigned count = 0;

	if (assumed->count == ASSUMED_MAX)
		return true; /* too much to tell: nothing is ruled out */
	assumed->conditions[assumed->count] = condition;
	assumed->wanted[assumed->count++] = wanted;
	for (unsigned i = 0; i < assumed->count; i++) {
		if (group_of(assumed->conditions[i]->fact) !=
		    group_of(condition->fact))
			continue;
		same[count] = assumed->conditions[i];
		is_wanted[count++] = assumed->wanted[i];
	}
	return analysis_can_meet(same, is_wanted, count);
}

static bool
is_failed_already(const struct assumed *assumed, const struct clause *clause)
{
	for (unsigned i = 0; clause != NULL && i < clause->count; i++)
		for (unsigned j = 0; j < assumed->count; j++)
			if (!assumed->wanted[j] &&
			    assumed->conditions[j] == &clause->conditions[i])
				return true;
	return false;
}

static bool can_pass(struct search *search, unsigned next);

/* Tries each condition of a clause as the one that fails. */
static bool
can_fail(struct search *search, const struct clause *clause, unsigned next)
{
	struct assumed *assumed = &search->assumed;
	unsigned mark = assumed->count;

	for (unsigned i = 0; clause != NULL && i < clause->count; i++) {
		if (++assumed->steps > STEPS_MAX)
			return true;
		bool found = assume(assumed, &clause->conditions[i], false) &&
			     can_pass(search, next);
		assumed->count = mark;
		if (found)
			return true;
	}
	return false;
}

/* Whether a session can get past all rules from the next one on. */
static bool
can_pass(struct search *search, unsigned next)
{
	if (next == search->count)
		return true;
	const struct passed *passed = &search->passed[next];
	if (is_failed_already(&search->assumed, passed->all) ||
	    is_failed_already(&search->assumed, passed->any))
		return can_pass(search, next + 1);
	return can_fail(search, passed->all, next + 1) ||
	       can_fail(search, passed->any, next + 1);
}

/* How many choices there are: the fewest are made first. */
static unsigned
choices(const struct passed *passed)
{
	return passed->all->count +
	       (passed->any == NULL ? 0 : passed->any->count);
}

static int
by_choices(const void *a, const void *b)
{
	unsigned left = choices(a), right = choices(b);

	return left < right ? -1 : left > right;
}

static void
add_passed(struct search *search, const struct when *when)
{
	if (when->any_count == 0)
		search->passed[search->count++] =
		    (struct passed){&when->all, NULL};
	for (unsigned i = 0; i < when->any_count; i++)
		search->passed[search->count++] =
		    (struct passed){&when->all, &when->any[i]};
}

static bool
assume_all(struct assumed *assumed, const struct clause *clause)
{
	for (unsigned i = 0; clause != NULL && i < clause->count; i++)
		if (!assume(assumed, &clause->conditions[i], true))
			return false;
	return true;
}

/* Whether a session can match one alternative of the rule and pass. */
static bool
can_match(
    struct search *search, const struct clause *all, const struct clause *any)
{
	search->assumed.count = search->assumed.steps = 0;
	return assume_all(&search->assumed, all) &&
	       assume_all(&search->assumed, any) && can_pass(search, 0);
}

bool
analysis_is_covered(
    const struct rule *rule, const struct rule *const *others, unsigned count)
{
	struct search search = {.count = 0};
	unsigned room = 0;
	bool found = false;

	for (unsigned i = 0; i < count; i++)
		room += others[i]->when.any_count + 1;
	search.passed = policy_alloc(room, sizeof(struct passed));
	for (unsigned i = 0; i < count; i++)
		add_passed(&search, &others[i]->when);
	qsort(search.passed, search.count, sizeof(struct passed), by_choices);
	if (rule->when.any_count == 0)
		found = can_match(&search, &rule->when.all, NULL);
	for (unsigned i = 0; i < rule->when.any_count && !found; i++)
		found = can_match(&search, &rule->when.all, &rule->when.any[i]);
	free(search.passed);
	return !found;
}

static bool
can_both(const struct rule *a, const struct clause *a_any, const struct rule *b,
    const struct clause *b_any)
{
	struct assumed assumed = {.count = 0};

	return assume_all(&assumed, &a->when.all) &&
	       assume_all(&assumed, a_any) &&
	       assume_all(&assumed, &b->when.all) &&
	       assume_all(&assumed, b_any);
}

/* The i-th alternative; NULL where a rule has none. */
static const struct clause *
alternative(const struct rule *rule, unsigned i)
{
	return rule->when.any_count == 0 ? NULL : &rule->when.any[i];
}

bool
analysis_is_disjoint(const struct rule *a, const struct rule *b)
{
	unsigned a_count = a->when.any_count == 0 ? 1 : a->when.any_count;
	unsigned b_count = b->when.any_count == 0 ? 1 : b->when.any_count;

	for (unsigned i = 0; i < a_count; i++)
		for (unsigned j = 0; j < b_count; j++)
			if (can_both(
				a, alternative(a, i), b, alternative(b, j)))
				return false;
	return true;
}
