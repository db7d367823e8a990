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
void config_free_listener(struct config_listener *listener);

#endif
