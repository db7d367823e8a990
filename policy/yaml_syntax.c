/*
 * Syntax errors of YAML in words that say what to do: libyaml tells what its
 * scanner missed, an operator has forgotten a quote.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/yaml_private.h"

#include <stdio.h>
#include <string.h>

enum show {
	AT_PROBLEM,
	AT_CONTEXT,  /* where that began which is not complete */
	WITH_CONTEXT /* at the problem, and that place is named too */
};

/* What libyaml says (its beginnings), and what we say. */
static const struct {
	const char *problem, *context;
	enum show show;
	const char *text;
} sayings[] = {
    {"could not find expected ':'", "", AT_CONTEXT,
	"no colon behind this key, or no `- ` before this entry"},
    {"found unexpected end of stream", "while scanning a quoted", AT_CONTEXT,
	"the quote that opens here is never closed"},
    {"found unexpected document indicator", "while scanning a quoted",
	AT_CONTEXT, "the quote that opens here is not closed in its document"},
    {"found unknown escape character", "", AT_PROBLEM,
	"within \"...\" a backslash begins an escape, and this is none: write "
	"the text within '...'"},
    {"did not find expected key", "while parsing a block mapping", AT_PROBLEM,
	"no line above is indented like this: keys of one map begin in the "
	"same column"},
    {"did not find expected '-'", "", WITH_CONTEXT,
	"this lacks its `- `, or is not indented like the list that it stands "
	"in, which begins in"},
    {"did not find expected ',' or ']'", "", WITH_CONTEXT,
	"a `,` or `]` is missing before this, in the list that begins in"},
    {"did not find expected ',' or '}'", "", WITH_CONTEXT,
	"a `,` or `}` is missing before this, in the map that begins in"},
    {"mapping values are not allowed", "", AT_PROBLEM,
	"no key can end here: the line is indented too deep, or a text with a "
	"colon needs quotes"},
    {"block sequence entries are not allowed", "", AT_PROBLEM,
	"no entry of a list can begin here: it needs a line of its own"},
    {"found character that cannot start any token", "", AT_PROBLEM,
	"no value begins with this character: write the text in quotes"},
    {"did not find expected <document start>", "", AT_PROBLEM,
	"the document has ended before this: the line is not indented like "
	"those above it"},
    {"did not find expected node content", "", AT_PROBLEM,
	"a value is missing before this"},
};

static int
begins(const char *text, const char *with)
{
	return text != NULL && strncmp(text, with, strlen(with)) == 0;
}

yaml_mark_t
yaml_syntax(const yaml_parser_t *parser, char *text, size_t text_size)
{
	const char *context = parser->context == NULL ? "" : parser->context;
	size_t line = parser->context_mark.line + 1;
	size_t column = parser->context_mark.column + 1;

	for (size_t i = 0; i < sizeof(sayings) / sizeof(sayings[0]); i++) {
		if (!begins(parser->problem, sayings[i].problem) ||
		    !begins(context, sayings[i].context))
			continue;
		if (sayings[i].show == WITH_CONTEXT)
			snprintf(text, text_size, "%s line %zu, column %zu",
			    sayings[i].text, line, column);
		else
			snprintf(text, text_size, "%s", sayings[i].text);
		return sayings[i].show == AT_CONTEXT ? parser->context_mark
						     : parser->problem_mark;
	}
	snprintf(text, text_size, "%s%s%s",
	    parser->problem == NULL ? "bad character" : parser->problem,
	    context[0] == '\0' ? "" : " ", context);
	return parser->problem_mark;
}
