/*
 * The table of keys as data.  See keys.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/keys.h"

/* A type of the table: PLAIN ones are a word, the others take arguments. */
/* clang-format off */
#define PLAIN(id)            {.kind = KEY_KIND_##id}
#define OF(id, s)            {.kind = KEY_KIND_##id, .section = SECTION_##s}
#define TYPE_VERSION         PLAIN(VERSION)
#define TYPE_TEXT            PLAIN(TEXT)
#define TYPE_WORD            PLAIN(WORD)
#define TYPE_WORDS           PLAIN(WORDS)
#define TYPE_RULE_NAME       PLAIN(RULE_NAME)
#define TYPE_BOOL            PLAIN(BOOL)
#define TYPE_DAY             PLAIN(DAY)
#define TYPE_STATUS          PLAIN(STATUS)
#define TYPE_TEMPLATE        PLAIN(TEMPLATE)
#define TYPE_PATH            PLAIN(PATH)
#define TYPE_PATHS           PLAIN(PATHS)
#define TYPE_ADDRESS         PLAIN(ADDRESS)
#define TYPE_ADDRESSES       PLAIN(ADDRESSES)
#define TYPE_PREFIXES        PLAIN(PREFIXES)
#define TYPE_INTERFACES      PLAIN(INTERFACES)
#define TYPE_PORTS           PLAIN(PORTS)
#define TYPE_ENDPOINT        PLAIN(ENDPOINT)
#define TYPE_ENDPOINTS       PLAIN(ENDPOINTS)
#define TYPE_SERVERS         PLAIN(SERVERS)
#define TYPE_DOMAINS         PLAIN(DOMAINS)
#define TYPE_KEYWORDS        PLAIN(KEYWORDS)
#define TYPE_NOTHING         PLAIN(NOTHING)
#define TYPE_RULE_MODE       PLAIN(RULE_MODE)
#define TYPE_WHEN            PLAIN(WHEN)
#define TYPE_STEPS           PLAIN(STEPS)
#define TYPE_FACTS           PLAIN(FACTS)
#define TYPE_SINKS           PLAIN(SINKS)
#define TYPE_RATE            PLAIN(RATE)
#define TYPE_ONE_OF(text)    {.kind = KEY_KIND_ONE_OF, .words = text}
#define TYPE_SOME_OF(text)   {.kind = KEY_KIND_SOME_OF, .words = text}
#define TYPE_COMMANDS(text)  {.kind = KEY_KIND_COMMANDS, .words = text}
#define TYPE_NUMBER(a, b)    {.kind = KEY_KIND_NUMBER, .low = a, .high = b}
#define TYPE_AUTO_OR(a, b)   {.kind = KEY_KIND_AUTO_OR, .low = a, .high = b}
#define TYPE_DURATION(a, b)  {.kind = KEY_KIND_DURATION, .least = a, .most = b}
#define TYPE_SIZE(a)         {.kind = KEY_KIND_SIZE, .least = a}
#define TYPE_MAP(s)          OF(MAP, s)
#define TYPE_MAPS(s)         OF(MAPS, s)
#define TYPE_MAP_OR_MAPS(s)  OF(MAP_OR_MAPS, s)
#define TYPE_NAMED(s)        OF(NAMED, s)
#define TYPE_ACTION(s)       OF(ACTION, s)
#define TYPE_ACCEPT          OF(ACCEPT, MODIFIER)
#define TYPE_RULES           OF(RULES, RULE)
#define TYPE_THEN            OF(THEN, THEN)
/* clang-format on */

static const struct key keys[] = {
#define KEY(section, name, need, type, fallback, sentence) \
	{SECTION_##section, name, KEY_##need, TYPE_##type, fallback, sentence},
#include "policy/config_keys.h"
};

static const char *const kinds[] = {
#define SAY_KIND(id, text) text,
    KEY_KINDS(SAY_KIND)
#undef SAY_KIND
};

unsigned
key_count(void)
{
	return sizeof(keys) / sizeof(keys[0]);
}

const struct key *
key_at(unsigned i)
{
	return &keys[i];
}

const char *
key_kind_text(enum key_kind kind)
{
	return kinds[kind];
}
