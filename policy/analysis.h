/*
 * What can be proven about rules: whether anything at all can match one, and
 * whether all that it matches is decided by others before it.
 *
 * A search for a counter-example.  A rule is a list of conditions; a session
 * that gets past another rule fails at least one of its conditions.  So one
 * condition of each earlier rule is assumed false, and the assumptions about
 * one fact are checked for a value that meets them all.  If no choice is left,
 * no session is: that is a proof.  Where a set is too large or too wild to
 * look into (a regular expression, a list of a million), a value is taken to
 * exist, so what is reported is proven and what is not reported is not.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_ANALYSIS_H
#define POLICY_ANALYSIS_H

#include "policy/policy_private.h"

/* True: proven that no session matches `rule` and gets past all `others`.
 * (None: that nothing can match it at all.) */
bool analysis_is_covered(
    const struct rule *rule, const struct rule *const *others, unsigned count);
/* True: proven that no session matches both. */
bool analysis_is_disjoint(const struct rule *a, const struct rule *b);

/* Whether a value of one fact can meet all of these conditions, `wanted` of
 * them to hold, the others not.  False is proven, true is not. */
bool analysis_can_meet(const struct condition *const *conditions,
    const bool *wanted, unsigned count);

#endif
