/*
 * The files of the configuration loader.
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
/* `tls` of a listener; then, of the whole listener with its policy, whether it
 * is all there. */
void config_read_tls(const struct reader *reader, const struct yaml_node *node,
    struct config_tls *out);
void config_check_tls(const struct reader *reader,
    const struct yaml_node *listener, const struct config_listener *out);
void config_free_tls(struct config_tls *tls);
void config_free_listener(struct config_listener *listener);

#endif
