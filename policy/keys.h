/*
 * The keys of config_keys.h with their types, for whoever writes about them:
 * the editor's schemas and the manual (tests/tool).  The loader reads names
 * and needs from the same rows; that it takes what a row's type says is what
 * tests/config/schema.py tries.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_KEYS_H
#define POLICY_KEYS_H

#include "policy/policy_private.h"

enum key_need {
	KEY_MAY,
	KEY_MUST,
	KEY_LATER /* of the language, and not built in this version */
};

/* What a value looks like.
 *      KIND(enumerator, how a manual calls it) */
#define KEY_KINDS(KIND)                                                       \
	KIND(VERSION, "1")                                                    \
	KIND(TEXT, "a text")                                                  \
	KIND(WORD, "a word")                                                  \
	KIND(WORDS, "words")                                                  \
	KIND(RULE_NAME, "letters, digits, hyphen, underscore and dot")        \
	KIND(ONE_OF, NULL)                                                    \
	KIND(SOME_OF, NULL)                                                   \
	KIND(BOOL, "true or false")                                           \
	KIND(NUMBER, NULL)                                                    \
	KIND(AUTO_OR, NULL)                                                   \
	KIND(DURATION, NULL)                                                  \
	KIND(RATE, "N/DURATION, 1 to 60000 in 1s to 1h, as 60/1m")            \
	KIND(SIZE, NULL)                                                      \
	KIND(DAY, "YYYY-MM-DD")                                               \
	KIND(STATUS, "an enhanced status code, as in 5.7.1")                  \
	KIND(TEMPLATE, "a template")                                          \
	KIND(PATH, "a path")                                                  \
	KIND(PATHS, "one or more paths")                                      \
	KIND(ADDRESS, "an address")                                           \
	KIND(ADDRESSES, "one or more addresses or prefixes")                  \
	KIND(PREFIXES, "any, or one or more addresses or prefixes")           \
	KIND(INTERFACES, "any, or one or more names of interfaces")           \
	KIND(PORTS, "one or more port numbers")                               \
	KIND(ENDPOINT, "ADDRESS:PORT")                                        \
	KIND(ENDPOINTS, "one or more ADDRESS:PORT")                           \
	KIND(SERVERS, "system, or 1 to 4 of ADDRESS, ADDRESS:PORT")           \
	KIND(DOMAINS, "one or more domain names")                             \
	KIND(KEYWORDS, "one or more EHLO keywords")                           \
	KIND(MAP, "a map")                                                    \
	KIND(MAPS, "a list of maps")                                          \
	KIND(MAP_OR_MAPS, "a map, or a list of maps")                         \
	KIND(NAMED, "a map of names to maps")                                 \
	KIND(ACTION, "nothing, or a map of its own keys and modifiers")       \
	KIND(ACCEPT, "nothing, session, or a map of modifiers")               \
	KIND(NOTHING, "nothing")                                              \
	KIND(RULES, "a list of rules")                                        \
	KIND(RULE_MODE, "enforce, monitor or {sample: N}")                    \
	KIND(WHEN, "a map of facts")                                          \
	KIND(THEN, "an action, or a map of one action and what stands beside" \
		   " it")                                                     \
	KIND(STEPS, "all, or a list of steps")                                \
	KIND(FACTS, "a map of facts")                                         \
	KIND(COMMANDS, "a map of deny and of verbs")                          \
	KIND(SINKS, "a list of sinks")

enum key_kind {
#define KEY_ENUM(id, text) KEY_KIND_##id,
	KEY_KINDS(KEY_ENUM)
#undef KEY_ENUM
	KEY_KIND_COUNT
};

struct key_type {
	enum key_kind kind;
	const char *words;           /* ONE_OF, SOME_OF: "one|other";
				      * COMMANDS: the verbs */
	unsigned long low, high;     /* NUMBER, AUTO_OR: both in it */
	const char *least, *most;    /* DURATION; SIZE has no most */
	enum policy_section section; /* whose keys its maps have */
};

struct key {
	enum policy_section section;
	const char *name;
	enum key_need need;
	struct key_type type;
	const char *fallback; /* the default; NULL: none */
	const char *sentence; /* lower case, no full stop */
};

/* The rows in the order of the table. */
unsigned key_count(void);
const struct key *key_at(unsigned i);
/* How a manual calls the kind; NULL where the type's own words say it. */
const char *key_kind_text(enum key_kind kind);

#endif
