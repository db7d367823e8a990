/*
 * Values of conditions, as policy_when.c reads them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_POLICY_VALUE_H
#define POLICY_POLICY_VALUE_H

#include "policy/policy_private.h"

/* What a condition is read with. */
struct when_context {
	struct policy *policy;
	const struct reader *reader;
	enum policy_stage stage;
};

/* Reads one entry of a condition's values into `out`, which has `room`; how
 * many it gave (0 with a complaint, or where it is a flag of the condition). */
unsigned policy_read_value(const struct when_context *context,
    struct condition *condition, const struct yaml_node *node,
    struct value *out, unsigned room);
/* The same of a fact that is bits; 0 with a complaint. */
uint64_t policy_read_bit(const struct when_context *context,
    struct condition *condition, const struct yaml_node *node);
void policy_free_value(struct value *value);

#endif
