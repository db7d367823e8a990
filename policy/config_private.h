/*
 * The two files of the configuration loader.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_CONFIG_PRIVATE_H
#define POLICY_CONFIG_PRIVATE_H

#include "policy/config.h"
#include "policy/policy_private.h"

void config_read_listeners(struct config *config, const struct reader *reader,
    const struct yaml_node *node);
/* One or more addresses or prefixes; `*out` is the caller's. */
void config_read_prefixes(const struct reader *reader,
    const struct yaml_node *node, struct prefix **out, unsigned *out_count);
void config_free_listener(struct config_listener *listener);

#endif
