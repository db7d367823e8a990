/*
 * The two files of the YAML reader that see libyaml.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_YAML_PRIVATE_H
#define POLICY_YAML_PRIVATE_H

#include <stddef.h>
#include <yaml.h>

/* What libyaml found wrong, in an operator's words, and where that is best
 * shown (of bytes that are no text: the mark means nothing). */
yaml_mark_t yaml_syntax(
    const yaml_parser_t *parser, char *text, size_t text_size);

#endif
