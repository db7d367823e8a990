/*
 * Makes the JSON schema of the log out of proxy/audit/fields.h and the words
 * of the policy: used by the tool that prints it and by the test that
 * compares it with the published one.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_SCHEMA_H
#define TESTS_SCHEMA_H

#include "audit/fields.h"
#include "policy/policy.h"

#include <stdio.h>

struct schema_field {
	unsigned events;
	const char *path;
	enum audit_type type;
	bool required;
	const char *text;
};

static const struct schema_field schema_fields[] = {
#define SCHEMA_FIELD(events, path, type, required, text) \
	{AUDIT_##events, path, AUDIT_TYPE_##type, required, text},
    AUDIT_FIELDS(SCHEMA_FIELD)
#undef SCHEMA_FIELD
};

enum {
	SCHEMA_FIELDS = sizeof(schema_fields) / sizeof(schema_fields[0])
};

static const char *const schema_types[] = {
#define SCHEMA_TYPE(id, schema) schema,
    AUDIT_TYPES(SCHEMA_TYPE)
#undef SCHEMA_TYPE
};

static const char *const schema_events[][2] = {
#define SCHEMA_EVENT(id, name, text) {name, text},
    AUDIT_EVENTS(SCHEMA_EVENT)
#undef SCHEMA_EVENT
};

/* --- words of the policy -------------------------------------------------- */

static inline const char *
schema_action(unsigned i)
{
	return i <= POLICY_DROP ? policy_action_name(i) : NULL;
}

static inline const char *
schema_form(unsigned i)
{
	return i < HELO_FORM_COUNT ? helo_form_name(i) : NULL;
}

static inline const char *
schema_flaw(unsigned i)
{
	return i < HELO_FLAW_COUNT ? helo_flaw_name(i) : NULL;
}

static inline const char *
schema_step(unsigned i)
{
	return i < HELO_STEP_COUNT ? helo_step_name(i) : NULL;
}

static inline const char *
schema_receiver(unsigned i)
{
	return i < HELO_RECEIVER_COUNT ? helo_receiver_name(i) : NULL;
}

static inline void
schema_words(FILE *out, const char *(*word)(unsigned), bool list)
{
	if (list)
		fprintf(out, "\"type\": \"array\", \"items\": {");
	fprintf(out, "\"enum\": [");
	for (unsigned i = 0; word(i) != NULL; i++)
		fprintf(out, "%s\"%s\"", i == 0 ? "" : ", ", word(i));
	fprintf(out, "]%s", list ? "}, \"uniqueItems\": true" : "");
}

static inline void
schema_type(FILE *out, enum audit_type type)
{
	if (schema_types[type] != NULL)
		fprintf(out, "%s", schema_types[type]);
	else if (type == AUDIT_TYPE_ACTION)
		schema_words(out, schema_action, false);
	else if (type == AUDIT_TYPE_FORM)
		schema_words(out, schema_form, false);
	else if (type == AUDIT_TYPE_FLAWS)
		schema_words(out, schema_flaw, true);
	else if (type == AUDIT_TYPE_STEPS)
		schema_words(out, schema_step, true);
	else
		schema_words(out, schema_receiver, true);
}

/* --- objects -------------------------------------------------------------- */

/* The field's own name where it stands directly in the object; else NULL. */
static inline const char *
schema_name(const struct schema_field *field, const char *object)
{
	size_t len = strlen(object);

	if (strncmp(field->path, object, len) != 0 ||
	    strchr(field->path + len, '.') != NULL)
		return NULL;
	return field->path + len;
}

static inline void
schema_indent(FILE *out, unsigned depth)
{
	fprintf(out, "\n%*s", (int)(2 * depth), "");
}

static inline void
schema_required(FILE *out, unsigned event, const char *object, unsigned depth)
{
	const char *comma = "";

	schema_indent(out, depth);
	fprintf(out, "\"required\": [");
	for (unsigned i = 0; i < SCHEMA_FIELDS; i++) {
		const char *name = schema_name(&schema_fields[i], object);
		if (name == NULL || !(schema_fields[i].events & 1u << event) ||
		    !schema_fields[i].required)
			continue;
		fprintf(out, "%s\"%s\"", comma, name);
		comma = ", ";
	}
	fprintf(out, "],");
}

static inline void schema_object(
    FILE *out, unsigned event, const char *object, unsigned depth);

static inline void
schema_property(
    FILE *out, unsigned event, const struct schema_field *field, unsigned depth)
{
	char object[128];
	bool list = field->type == AUDIT_TYPE_OBJECTS;

	fprintf(out, "\"description\": \"%s\", ", field->text);
	schema_type(out, field->type);
	if (!list && field->type != AUDIT_TYPE_OBJECT &&
	    field->type != AUDIT_TYPE_OBJECT_OR_NULL)
		return;
	snprintf(
	    object, sizeof(object), "%s%s.", field->path, list ? "[]" : "");
	if (list)
		fprintf(out, ", \"items\": {\"type\": \"object\",");
	else
		fprintf(out, ",");
	schema_object(out, event, object, depth + 1);
	if (list)
		fprintf(out, "}");
}

/* What is said of an object behind its type. */
static inline void
schema_object(FILE *out, unsigned event, const char *object, unsigned depth)
{
	const char *comma = "";

	schema_required(out, event, object, depth);
	schema_indent(out, depth);
	fprintf(out, "\"additionalProperties\": false,");
	schema_indent(out, depth);
	fprintf(out, "\"properties\": {");
	for (unsigned i = 0; i < SCHEMA_FIELDS; i++) {
		const struct schema_field *field = &schema_fields[i];
		const char *name = schema_name(field, object);
		if (name == NULL || !(field->events & 1u << event))
			continue;
		fprintf(out, "%s", comma);
		schema_indent(out, depth + 1);
		fprintf(out, "\"%s\": {", name);
		schema_property(out, event, field, depth + 1);
		fprintf(out, "}");
		comma = ",";
	}
	fprintf(out, "}");
}

/* --- the whole ------------------------------------------------------------ */

static inline void
schema_print(FILE *out)
{
	fprintf(out,
	    "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
	    "  \"title\": \"A line of ehlogate's log\",\n"
	    "  \"description\": \"Made from proxy/audit/fields.h. In texts of"
	    " peers a byte that is no UTF-8 is \\\\xHH and a backslash is two,"
	    " before JSON's own quoting.\",\n"
	    "  \"type\": \"object\",\n"
	    "  \"required\": [\"timestamp\", \"event_type\"],\n"
	    "  \"properties\": {\"event_type\": {%s}},\n  \"allOf\": [",
	    schema_types[AUDIT_TYPE_EVENT]);
	for (unsigned i = 0; i < AUDIT_EVENT_COUNT; i++)
		fprintf(out,
		    "%s\n    {\"if\": {\"properties\": {\"event_type\": "
		    "{\"const\": \"%s\"}}},\n     \"then\": "
		    "{\"$ref\": \"#/definitions/%s\"}}",
		    i == 0 ? "" : ",", schema_events[i][0],
		    schema_events[i][0]);
	fprintf(out, "],\n  \"definitions\": {");
	for (unsigned i = 0; i < AUDIT_EVENT_COUNT; i++) {
		fprintf(out,
		    "%s\n    \"%s\": {\"description\": \"%s\", "
		    "\"type\": \"object\",",
		    i == 0 ? "" : ",", schema_events[i][0],
		    schema_events[i][1]);
		schema_object(out, i, "", 3);
		fprintf(out, "}");
	}
	fprintf(out, "}\n}\n");
}

#endif
