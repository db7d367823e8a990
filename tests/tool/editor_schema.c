/*
 * Prints the JSON schema for editors of a policy or of the configuration,
 * made from policy/config_keys.h:
 *     build/tool/editor_schema policy >contrib/policy.schema.json
 *     build/tool/editor_schema config >contrib/config.schema.json
 *
 * It never refuses what the loader takes; what it can know of keys, words and
 * shapes it refuses too (tests/config/schema.py compares the two).  Draft 07,
 * which is what editors' YAML servers read.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/tool/editor_facts.h"

#define SERVER                                                           \
	"\"type\": \"string\", \"pattern\": \"^([0-9A-Fa-f:.]+|[0-9.]+:" \
	"[0-9]{1,5}|\\\\[[0-9A-Fa-f:.]+\\\\]:[0-9]{1,5})$\""

/* --- values of keys ------------------------------------------------------- */

static const char *const section_names[] = {
    [SECTION_POLICY] = "policy",
    [SECTION_RULE] = "rule",
    [SECTION_THEN] = "then",
    [SECTION_REPLY] = "reply",
    [SECTION_MODIFIER] = "modifier",
    [SECTION_DROP] = "drop",
    [SECTION_LIMIT] = "limit",
    [SECTION_COMMAND] = "command",
    [SECTION_LIST] = "list",
    [SECTION_TEST] = "test",
    [SECTION_REFUSAL] = "refusal",
    [SECTION_CAPABILITIES] = "capabilities",
    [SECTION_PROTOCOL] = "protocol",
    [SECTION_DEADLINES] = "deadlines",
    [SECTION_CONFIG] = "config",
    [SECTION_LISTENER] = "listener",
    [SECTION_INTERCEPT] = "intercept",
    [SECTION_TLS] = "tls",
    [SECTION_PAIR] = "pair",
    [SECTION_LOG] = "log",
    [SECTION_TIMEOUTS] = "timeouts",
    [SECTION_DNS] = "dns",
    [SECTION_LIMITS] = "limits",
};

/* Where a key stands: rules of different stages know different things. */
struct context {
	enum policy_section section;
	enum policy_stage stage;
	bool is_default;
};

static void
print_steps(void)
{
	const char *comma = "";

	printf("\"anyOf\": [{\"const\": \"all\"}, {\"type\": \"array\", "
	       "\"minItems\": 1, \"maxItems\": %d, \"items\": {\"anyOf\": [{"
	       "\"enum\": [",
	    (int)HELO_REPAIR_MAX);
	for (int i = 0; i < HELO_STEP_COUNT; i++) {
		if (helo_step_takes_name((enum helo_step)i))
			continue;
		printf("%s\"%s\"", comma, helo_step_name((enum helo_step)i));
		comma = ", ";
	}
	printf("]}, {\"type\": \"object\", \"minProperties\": 1, "
	       "\"maxProperties\": 1, \"additionalProperties\": false, "
	       "\"properties\": {");
	comma = "";
	for (int i = 0; i < HELO_STEP_COUNT; i++) {
		if (!helo_step_takes_name((enum helo_step)i))
			continue;
		printf("%s\"%s\": {" WORD "}", comma,
		    helo_step_name((enum helo_step)i));
		comma = ", ";
	}
	printf("}}]}}]");
}

static void
print_commands(const char *verbs)
{
	printf("\"type\": \"object\", \"propertyNames\": {\"anyOf\": [{"
	       "\"const\": \"deny\"}, {");
	words(verbs, '|');
	printf("}]}, \"properties\": {\"deny\": {\"anyOf\": [{");
	words(verbs, '|');
	printf("}, {\"type\": \"array\", \"items\": {");
	words(verbs, '|');
	printf("}}]}}, \"additionalProperties\": {\"$ref\": "
	       "\"#/definitions/command\"}");
}

static void
print_map(const struct key_type *type)
{
	const char *name = section_names[type->section];

	if (type->kind == KEY_KIND_MAP)
		printf("\"$ref\": \"#/definitions/%s\"", name);
	else if (type->kind == KEY_KIND_MAPS)
		printf("\"type\": \"array\", \"items\": {\"$ref\": "
		       "\"#/definitions/%s\"}",
		    name);
	else if (type->kind == KEY_KIND_MAP_OR_MAPS)
		printf("\"anyOf\": [{\"$ref\": \"#/definitions/%s\"}, "
		       "{\"type\": \"array\", \"items\": {\"$ref\": "
		       "\"#/definitions/%s\"}}]",
		    name, name);
	else if (type->kind == KEY_KIND_ACTION)
		printf("\"anyOf\": [{\"type\": \"null\"}, {\"$ref\": "
		       "\"#/definitions/%s\"}]",
		    name);
	else
		printf("\"type\": \"object\", \"propertyNames\": {\"not\": "
		       "{\"%s\": %s}}, \"maxProperties\": %s, "
		       "\"additionalProperties\": {\"$ref\": "
		       "\"#/definitions/%s\"}",
		    type->section == SECTION_LIST ? "pattern" : "const",
		    type->section == SECTION_LIST
			? "\"[.]|^(none|temperror|null|any)$\""
			: "\"\"",
		    type->section == SECTION_LISTENER
			? "64, \"minProperties\": "
			  "1"
			: "1000000",
		    name);
}

/* What depends on where it stands. */
static void
print_placed(const struct context *context, const struct key *key)
{
	const char *stage = policy_stage_name(context->stage);

	switch ((int)key->type.kind) {
	case KEY_KIND_RULES:
		printf("\"type\": [\"array\", \"null\"], \"items\": {\"$ref\": "
		       "\"#/definitions/rule_%s\"}",
		    key->name);
		break;
	case KEY_KIND_WHEN:
		if (context->section == SECTION_LIMIT)
			printf("\"$ref\": \"#/definitions/when_limit\"");
		else
			printf("\"anyOf\": [{\"type\": \"null\"}, {\"$ref\": "
			       "\"#/definitions/when_%s\"}]",
			    stage);
		break;
	default:
		printf("\"$ref\": \"#/definitions/then_%s\"",
		    context->section == SECTION_POLICY ? "default" : stage);
	}
}

/* What the kind alone says; NULL: it takes more than that. */
static const char *
plain_shape(enum key_kind kind)
{
	static const char *const shapes[KEY_KIND_COUNT] = {
	    [KEY_KIND_VERSION] = "\"const\": 1",
	    [KEY_KIND_TEXT] = SCALAR,
	    [KEY_KIND_WORD] = WORD ", \"minLength\": 1, \"maxLength\": 255",
	    [KEY_KIND_RULE_NAME] =
		WORD ", \"pattern\": \"^[A-Za-z0-9._-]{1,64}$\"",
	    [KEY_KIND_BOOL] = "\"type\": \"boolean\"",
	    [KEY_KIND_DURATION] = "\"type\": \"string\", \"pattern\": "
				  "\"^[0-9]{1,10}[smhd]$\"",
	    [KEY_KIND_DAY] = "\"type\": \"string\", \"pattern\": "
			     "\"^[0-9]{4}-[01][0-9]-[0-3][0-9]$\"",
	    [KEY_KIND_STATUS] =
		"\"type\": \"string\", \"maxLength\": 9, \"pattern\": "
		"\"^[45][0-9]*([.][0-9]+){2}$\"",
	    [KEY_KIND_TEMPLATE] =
		WORD ", \"minLength\": 1, \"maxLength\": 400, \"pattern\": "
		     "\"^([ -z|}~]|[{](helo|client|client[.]ptr|server|rule|"
		     "ref)[}])+$\"",
	    [KEY_KIND_RATE] = "\"type\": \"string\", \"pattern\": "
			      "\"^[0-9]{1,5}/[0-9]{1,4}[smh]$\"",
	    [KEY_KIND_PATH] = WORD,
	    [KEY_KIND_ADDRESS] =
		"\"type\": \"string\", \"pattern\": \"^[0-9A-Fa-f:.]+$\"",
	    [KEY_KIND_ENDPOINT] =
		"\"type\": \"string\", \"pattern\": "
		"\"^([0-9.]+|\\\\[[0-9A-Fa-f:.]+\\\\]):[0-9]{1,5}$\"",
	    [KEY_KIND_SERVERS] =
		"\"anyOf\": [{\"const\": \"system\"}, {" SERVER
		"}, {\"type\": \"array\", \"minItems\": 1, \"maxItems\": 4, "
		"\"items\": {" SERVER "}}]",
	    [KEY_KIND_NOTHING] = "\"type\": \"null\"",
	    [KEY_KIND_RULE_MODE] =
		"\"anyOf\": [{\"enum\": [\"enforce\", \"monitor\"]}, "
		"{\"type\": \"object\", \"required\": [\"sample\"], "
		"\"additionalProperties\": false, \"properties\": {\"sample\": "
		"{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 100}}}]",
	    [KEY_KIND_ACCEPT] =
		"\"anyOf\": [{\"type\": \"null\"}, {\"const\": \"session\"}, "
		"{\"$ref\": \"#/definitions/modifier\"}]",
	    [KEY_KIND_FACTS] = "\"$ref\": \"#/definitions/given\"",
	    [KEY_KIND_SINKS] =
		"\"type\": \"array\", \"minItems\": 1, \"maxItems\": 8, "
		"\"items\": {\"anyOf\": [{\"const\": \"stdout\"}, {\"type\": "
		"\"object\", \"required\": [\"file\"], "
		"\"additionalProperties\": false, \"properties\": {\"file\": "
		"{\"type\": \"string\", \"pattern\": \"^/\"}}}]}",
	};

	return shapes[kind];
}

/* What stands once or as a list. */
static const char *
listed_shape(enum key_kind kind)
{
	static const char *const shapes[KEY_KIND_COUNT] = {
	    [KEY_KIND_WORDS] = SCALAR,
	    [KEY_KIND_PATHS] = WORD,
	    [KEY_KIND_ADDRESSES] =
		"\"type\": \"string\", \"pattern\": \"" PREFIX "\"",
	    [KEY_KIND_PREFIXES] = "\"type\": \"string\", \"pattern\": "
				  "\"^any$|" PREFIX "\"",
	    [KEY_KIND_INTERFACES] = WORD ", \"minLength\": 1, "
					 "\"maxLength\": 15",
	    [KEY_KIND_PORTS] = "\"type\": \"integer\", \"minimum\": 1, "
			       "\"maximum\": 65535",
	    [KEY_KIND_ENDPOINTS] =
		"\"type\": \"string\", \"pattern\": "
		"\"^([0-9.]+|\\\\[[0-9A-Fa-f:.]+\\\\]):[0-9]{1,5}$\"",
	    [KEY_KIND_DOMAINS] = WORD ", \"minLength\": 1",
	    [KEY_KIND_KEYWORDS] = WORD ", \"pattern\": \"^[A-Za-z0-9_-]+$\"",
	};

	return shapes[kind];
}

static void
print_type(const struct context *context, const struct key *key)
{
	const struct key_type *type = &key->type;
	const char *plain = plain_shape(type->kind);
	const char *listed = listed_shape(type->kind);

	if (plain != NULL) {
		printf("%s", plain);
	} else if (listed != NULL) {
		one_or_more(listed, 0);
	} else if (type->kind == KEY_KIND_ONE_OF) {
		words(type->words, '|');
	} else if (type->kind == KEY_KIND_SOME_OF) {
		printf("\"anyOf\": [{");
		words(type->words, '|');
		printf("}, {\"type\": \"array\", \"items\": {");
		words(type->words, '|');
		printf("}}]");
	} else if (type->kind == KEY_KIND_NUMBER ||
		   type->kind == KEY_KIND_AUTO_OR) {
		printf("%s\"type\": \"integer\", \"minimum\": %lu, "
		       "\"maximum\": %lu%s",
		    type->kind == KEY_KIND_NUMBER
			? ""
			: "\"anyOf\": [{\"const\": \"auto\"}, {",
		    type->low, type->high,
		    type->kind == KEY_KIND_NUMBER ? "" : "}]");
	} else if (type->kind == KEY_KIND_SIZE) {
		unsigned long least = strtoul(type->least, NULL, 10);
		if (strchr(type->least, 'K') != NULL)
			least *= 1024;
		printf("\"anyOf\": [{\"type\": \"integer\", \"minimum\": %lu}, "
		       "{\"type\": \"string\", \"pattern\": "
		       "\"^[0-9]+[kmgKMG]$\"}]",
		    least);
	} else if (type->kind == KEY_KIND_STEPS) {
		print_steps();
	} else if (type->kind == KEY_KIND_COMMANDS) {
		print_commands(type->words);
	} else if (type->section != SECTION_POLICY &&
		   type->kind != KEY_KIND_RULES &&
		   type->kind != KEY_KIND_THEN) {
		print_map(type);
	} else {
		print_placed(context, key);
	}
}

/* --- objects -------------------------------------------------------------- */

/* Whether the key can stand there at all. */
static bool
belongs(const struct context *context, const struct key *key)
{
	static const char *const names[] = {
	    "repair", "rewrite", "starttls", "at"};

	if (key->need == KEY_LATER)
		return false;
	if (key->section != SECTION_THEN)
		return true;
	if (context->is_default && strcmp(key->name, "continue") == 0)
		return false;
	for (int i = 0; i < 4 && context->stage != POLICY_STAGE_HELO; i++)
		if (strcmp(key->name, names[i]) == 0)
			return false;
	return true;
}

static void
print_default(const struct key *key)
{
	enum key_kind kind = key->type.kind;
	bool bare = kind == KEY_KIND_NUMBER || kind == KEY_KIND_BOOL;

	if (key->fallback == NULL)
		return;
	if (bare || kind == KEY_KIND_ONE_OF || kind == KEY_KIND_DURATION)
		printf(", \"default\": %s%s%s", bare ? "" : "\"", key->fallback,
		    bare ? "" : "\"");
}

static const char *
print_properties(const struct context *context, enum policy_section section,
    const char *comma)
{
	for (unsigned i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		if (key->section != section || !belongs(context, key))
			continue;
		printf("%s\n      \"%s\": {\"description\": \"%s\", ", comma,
		    key->name, key->sentence);
		print_type(context, key);
		print_default(key);
		printf("}");
		comma = ",";
	}
	return comma;
}

static void
print_required(enum policy_section section)
{
	const char *comma = "";

	printf("\"required\": [");
	for (unsigned i = 0; i < key_count(); i++) {
		if (key_at(i)->section != section ||
		    key_at(i)->need != KEY_MUST)
			continue;
		printf("%s\"%s\"", comma, key_at(i)->name);
		comma = ", ";
	}
	printf("], ");
}

#define REQUIRE(key) "{\"required\": [\"" key "\"]}"
#define DOWNGRADE(key)                                                    \
	"\"if\": {\"required\": [\"" key "\"], \"properties\": {\"" key   \
	"\": {\"const\": \"hide\"}}}, \"then\": {\"required\": "          \
	"[\"accept_downgrade\"], \"properties\": {\"accept_downgrade\": " \
	"{\"const\": true}}}, "

/* What keys of a section say about one another. */
static const char *
section_extra(enum policy_section section)
{
	switch ((int)section) {
	case SECTION_RULE:
		return "\"oneOf\": [{\"required\": [\"name\", \"then\"]}, "
		       "{\"required\": [\"override\"]}], ";
	case SECTION_LIST:
		return "\"oneOf\": [{\"anyOf\": [" REQUIRE(
		    "address") ", " REQUIRE("address_file") "]}, {\"anyOf\": "
							    "[" REQUIRE(
								"domai"
								"n") ","
								     " " REQUIRE(
									 "domai"
									 "n_"
									 "file") "]}], ";
	case SECTION_REFUSAL:
		return DOWNGRADE("starttls");
	case SECTION_TLS:
		return DOWNGRADE("client");
	case SECTION_LISTENER:
		return "\"allOf\": [{\"if\": {\"properties\": {\"mode\": "
		       "{\"const\": \"explicit\"}}}, \"then\": {\"required\": "
		       "[\"bind\", \"upstream\"], \"properties\": "
		       "{\"intercept\": false, \"on_failure\": false, "
		       "\"source\": {\"const\": \"gate\"}}}, \"else\": "
		       "{\"properties\": {\"upstream\": false}}}, {\"if\": "
		       "{\"properties\": {\"mode\": {\"const\": "
		       "\"redirect\"}}}, \"then\": {\"properties\": "
		       "{\"on_failure\": false, \"source\": {\"const\": "
		       "\"gate\"}}}}], ";
	default:
		return "";
	}
}

static void
print_object(const struct context *context, enum policy_section section)
{
	const char *comma;

	printf("\"type\": \"object\", \"additionalProperties\": false, %s",
	    section_extra(section));
	print_required(section);
	printf("\"properties\": {");
	comma = print_properties(context, section, "");
	if (section == SECTION_REPLY || section == SECTION_DROP)
		print_properties(context, SECTION_MODIFIER, comma);
	printf("}");
}

/* An action, alone or in a map with what stands beside it. */
static void
print_then(const char *name, const struct context *context)
{
	static const char *const actions[] = {"accept", "reject", "tempfail",
	    "drop", "splice", "continue", "repair", "rewrite"};
	unsigned alone = context->is_default ? 5 : 6;
	unsigned all = context->stage == POLICY_STAGE_HELO ? 8 : alone;

	printf(",\n    \"then_%s\": {\"anyOf\": [{\"enum\": [", name);
	for (unsigned i = 0; i < alone; i++)
		printf("%s\"%s\"", i == 0 ? "" : ", ", actions[i]);
	printf("]}, {\"type\": \"object\", \"additionalProperties\": false, "
	       "%s\"oneOf\": [",
	    context->stage == POLICY_STAGE_HELO ? DOWNGRADE("starttls") : "");
	for (unsigned i = 0; i < all; i++)
		if (!context->is_default || i != 5)
			printf("%s{\"required\": [\"%s\"]}", i == 0 ? "" : ", ",
			    actions[i]);
	printf("], \"properties\": {");
	print_properties(context, SECTION_THEN, "");
	printf("}}]}");
}

static void
print_stages(void)
{
	for (int i = 0; i < POLICY_STAGE_COUNT; i++) {
		struct context context = {
		    SECTION_RULE, (enum policy_stage)i, false};
		const char *name = policy_stage_name(context.stage);
		print_when(name, context.stage, true);
		print_then(name, &context);
		printf(",\n    \"rule_%s\": {", name);
		print_object(&context, SECTION_RULE);
		printf("}");
	}
	print_then("default",
	    &(struct context){SECTION_POLICY, POLICY_STAGE_HELO, true});
	print_when("limit", POLICY_STAGE_MAIL, false);
}

/* --- the whole ------------------------------------------------------------ */

static void
print_policy_definitions(void)
{
	static const enum policy_section sections[] = {SECTION_REPLY,
	    SECTION_MODIFIER, SECTION_DROP, SECTION_LIMIT, SECTION_COMMAND,
	    SECTION_LIST, SECTION_TEST, SECTION_REFUSAL, SECTION_CAPABILITIES,
	    SECTION_PROTOCOL, SECTION_DEADLINES};
	const char *size = "\"$ref\": \"#/definitions/size\"";

	printf("    \"size\": {\"anyOf\": [{\"type\": \"integer\", "
	       "\"minimum\": 0}, {\"type\": \"string\", \"pattern\": "
	       "\"^[0-9]+[kmgKMG]$\"}]},\n    \"range\": {\"type\": "
	       "\"object\", \"minProperties\": 1, \"maxProperties\": 1, "
	       "\"additionalProperties\": false, \"properties\": {\"over\": {");
	one_or_more(size, 0);
	printf("}, \"up_to\": {");
	one_or_more(size, 0);
	printf("}}},\n    \"zone\": {\"type\": \"object\", \"required\": "
	       "[\"zone\"], \"additionalProperties\": false, \"properties\": "
	       "{\"zone\": {\"type\": \"string\", \"pattern\": "
	       "\"^.+[.].+$\"}, \"answer\": {");
	one_or_more("\"type\": \"string\"", 0);
	printf("}}}");
	print_forms();
	print_fact_definitions();
	print_given();
	print_stages();
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		struct context context = {
		    sections[i], POLICY_STAGE_HELO, false};
		printf(",\n    \"%s\": {", section_names[sections[i]]);
		print_object(&context, sections[i]);
		printf("}");
	}
}

static void
print_config_definitions(void)
{
	for (int i = SECTION_LISTENER; i <= SECTION_LIMITS; i++) {
		struct context context = {
		    (enum policy_section)i, POLICY_STAGE_HELO, false};
		printf("%s    \"%s\": {", i == SECTION_LISTENER ? "" : ",\n",
		    section_names[i]);
		print_object(&context, context.section);
		printf("}");
	}
}

int
main(int argc, char **argv)
{
	bool policy = argc == 2 && strcmp(argv[1], "policy") == 0;
	struct context context = {
	    policy ? SECTION_POLICY : SECTION_CONFIG, POLICY_STAGE_HELO, false};

	if (!policy && (argc != 2 || strcmp(argv[1], "config") != 0)) {
		fprintf(stderr, "usage: editor_schema policy|config\n");
		return 2;
	}
	printf("{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\","
	       "\n  \"title\": \"%s of ehlogate\",\n  \"description\": "
	       "\"Made from policy/config_keys.h; `ehlogate check` knows "
	       "more.\",\n  ",
	    policy ? "A policy" : "The configuration");
	print_object(&context, context.section);
	printf(",\n  \"definitions\": {\n");
	if (policy)
		print_policy_definitions();
	else
		print_config_definitions();
	printf("}\n}\n");
	return fflush(stdout) == 0 ? 0 : 1;
}
