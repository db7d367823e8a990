/*
 * What several sub-commands do alike.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_COMMON_H
#define CLI_COMMON_H

#include "policy/config.h"
#include "policy/diag.h"

#include <stdio.h>

#define CLI_CONFIG "/etc/ehlogate/ehlogate.yaml"

/* Writes a buffer and frees it. */
void cli_write(FILE *to, struct buf *buf);
/* Whether to write colours: a terminal, and NO_COLOR is not set. */
bool cli_has_colour(FILE *to);
/* Prints what was collected, as text, to standard error. */
void cli_print_diag(const struct diag *diag);
/* Loads the configuration and prints its diagnostics; NULL after errors. */
struct config *cli_load_config(const char *path);
/* The same for a policy alone. */
struct policy *cli_load_policy(const char *path);
/* A command line that cannot be read: says so; returns CLI_USAGE. */
int cli_usage(const char *command, const char *what);

#endif
