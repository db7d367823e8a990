/*
 * The verdicts of `ehlogate session`: the policy's own, with what DNS is said
 * to say, told as they come.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_SESSION_DECIDE_H
#define CLI_SESSION_DECIDE_H

#include "policy/lookup.h"
#include "policy/policy.h"

enum {
	GIVEN_MAX = 32
};

struct yaml_file;

struct decider {
	struct {
		struct slice fact;
		struct yaml_file *value;
	} given[GIVEN_MAX];
	unsigned given_count;
	bool verbose;
	uint64_t wall_s;
	uint32_t told; /* facts whose absence was said, a bit each */
	bool told_zones;
};

/* "FACT=VALUE"; NULL, or why it cannot be. */
const char *decider_give(struct decider *decider, const char *text);
void decider_fini(struct decider *decider);
/* A dialog_decide_fn; `arg` is the decider. */
enum policy_outcome decider_decide(void *arg, const struct policy *policy,
    enum policy_stage stage, const struct policy_facts *facts,
    struct policy_verdict *out);

#endif
