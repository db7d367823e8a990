/*
 * The part of the editors' schema that is about facts: what a rule can
 * compare each of them with.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_EDITOR_FACTS_H
#define TESTS_EDITOR_FACTS_H

#include "policy/keys.h"

#include <stdio.h>
#include <stdlib.h>

#define SCALAR "\"type\": [\"string\", \"number\", \"boolean\", \"null\"]"
#define WORD   "\"type\": [\"string\", \"number\", \"boolean\"]"
#define PREFIX "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"

/* --- words ---------------------------------------------------------------- */

static inline void
words(const char *text, char separator)
{
	const char *comma = "";

	printf("\"enum\": [");
	while (*text != '\0') {
		const char *end = strchr(text, separator);
		int len = end == NULL ? (int)strlen(text) : (int)(end - text);
		printf("%s\"%.*s\"", comma, len, text);
		comma = ", ";
		text += len + (end != NULL);
	}
	printf("]");
}

/* The words of a fact that is bits; those of truth are booleans too. */
static inline void
fact_words(enum fact fact)
{
	printf("\"enum\": [%s",
	    fact_kind(fact) == KIND_BOOL ? "true, false, " : "");
	for (unsigned i = 0; fact_word(fact, i) != NULL; i++)
		printf("%s\"%s\"", i == 0 ? "" : ", ", fact_word(fact, i));
	printf("]");
}

/* One of the shape, or a list of them. */
static inline void
one_or_more(const char *shape, unsigned least)
{
	printf("\"anyOf\": [{%s}, {\"type\": \"array\", \"minItems\": %u, "
	       "\"items\": {%s}}]",
	    shape, least, shape);
}

/* --- facts ---------------------------------------------------------------- */

/* What a fact of this kind can be compared with; NULL: its own words. */
static inline const char *
fact_shape(enum fact_kind kind)
{
	switch (kind) {
	case KIND_ADDRESS:
	case KIND_ADDRESSES:
		return "\"type\": [\"string\", \"integer\"], \"pattern\": "
		       "\"^([^.:/]+|[0-9A-Fa-f:.]+(/[0-9]{1,3})?)$\"";
	case KIND_NUMBER:
		return "\"anyOf\": [{\"$ref\": \"#/definitions/size\"}, "
		       "{\"$ref\": \"#/definitions/range\"}]";
	case KIND_NAME:
	case KIND_NAMES:
		return "\"anyOf\": [{" WORD "}, {\"$ref\": "
		       "\"#/definitions/name_form\"}]";
	case KIND_MAILBOX:
		return "\"anyOf\": [{\"type\": \"null\"}, {\"type\": "
		       "\"string\", \"pattern\": \"@|^[^.]*$\"}, {\"$ref\": "
		       "\"#/definitions/mailbox_form\"}]";
	case KIND_ZONE:
		return "\"anyOf\": [{\"type\": \"string\", \"pattern\": "
		       "\"^(temperror|.+[.].+)$\"}, {\"$ref\": "
		       "\"#/definitions/zone\"}]";
	case KIND_WORD:
	case KIND_TEXT:
		return "\"anyOf\": [{" SCALAR "}, {\"$ref\": "
		       "\"#/definitions/text_form\"}]";
	case KIND_BOOL:
	case KIND_LOOKUP:
	case KIND_FORM:
	case KIND_FLAW:
	case KIND_VERB:
	case KIND_RECEIVER:
	case KIND_RELATION:
		break;
	}
	return NULL;
}

static inline void
print_fact_definitions(void)
{
	for (int i = 0; i < FACT_COUNT; i++) {
		enum fact fact = (enum fact)i;
		const char *shape = fact_shape(fact_kind(fact));
		char one[128];
		printf(",\n    \"value:%s\": {", fact_name(fact));
		if (shape != NULL)
			printf("%s", shape);
		else
			fact_words(fact);
		snprintf(one, sizeof(one),
		    "\"$ref\": \"#/definitions/value:%s\"", fact_name(fact));
		printf("},\n    \"fact:%s\": {\"description\": \"%s\", "
		       "\"anyOf\": [{",
		    fact_name(fact), fact_sentence(fact));
		one_or_more(one, 1);
		printf("}, {\"type\": \"object\", \"required\": [\"not\"], "
		       "\"additionalProperties\": false, \"properties\": "
		       "{\"not\": {");
		one_or_more(one, 1);
		printf("}}}]}");
	}
}

static inline void
print_facts(enum policy_stage stage, bool lookups)
{
	const char *comma = "";

	for (int i = 0; i < FACT_COUNT; i++) {
		enum fact fact = (enum fact)i;
		if (fact_stage(fact) > stage ||
		    (!lookups && fact_is_lookup(fact)))
			continue;
		printf(
		    "%s\n      \"%s\": {\"$ref\": \"#/definitions/fact:%s\"}",
		    comma, fact_name(fact), fact_name(fact));
		comma = ",";
	}
}

/* `any` has maps of facts, and so has a condition. */
static inline void
print_when(const char *name, enum policy_stage stage, bool lookups)
{
	printf(",\n    \"facts_%s\": {\"type\": \"object\", "
	       "\"additionalProperties\": false, \"properties\": {",
	    name);
	print_facts(stage, lookups);
	printf("}},\n    \"when_%s\": {\"type\": \"object\", "
	       "\"additionalProperties\": false, \"properties\": {\n      "
	       "\"any\": {\"description\": \"one of these must match too\", "
	       "\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": "
	       "\"#/definitions/facts_%s\"}},",
	    name, name);
	print_facts(stage, lookups);
	printf("}}");
}

/* What a test says that DNS gives. */
static inline void
print_given(void)
{
	const char *comma = "";

	printf(",\n    \"given\": {\"type\": \"object\", "
	       "\"additionalProperties\": false, \"properties\": {");
	for (int i = 0; i < FACT_COUNT; i++) {
		enum fact fact = (enum fact)i;
		if (!fact_is_lookup(fact))
			continue;
		printf("%s\n      \"%s\": {", comma, fact_name(fact));
		if (fact_kind(fact) == KIND_LOOKUP)
			fact_words(fact);
		else if (fact_kind(fact) == KIND_ZONE)
			printf("\"type\": [\"string\", \"object\"]");
		else
			one_or_more(WORD, 0);
		printf("}");
		comma = ",";
	}
	printf("}}");
}

/* The maps that stand for a value. */
static inline void
print_forms(void)
{
	static const char *const forms[][2] = {{"text_form", "is|glob|regex"},
	    {"name_form", "is|under|glob|regex"},
	    {"mailbox_form", "is|under|glob|regex|same_organisation"}};

	for (int i = 0; i < 3; i++) {
		char list[64], *save = NULL;
		const char *comma = "";
		snprintf(list, sizeof(list), "%s", forms[i][1]);
		printf(",\n    \"%s\": {\"type\": \"object\", "
		       "\"minProperties\": 1, \"maxProperties\": 1, "
		       "\"additionalProperties\": false, \"properties\": {",
		    forms[i][0]);
		for (char *word = strtok_r(list, "|", &save); word != NULL;
		     word = strtok_r(NULL, "|", &save)) {
			printf("%s\"%s\": {", comma, word);
			if (word[0] == 's')
				printf("\"const\": \"helo\"");
			else
				one_or_more(WORD, 0);
			printf("}");
			comma = ", ";
		}
		printf("}}");
	}
}

#endif
