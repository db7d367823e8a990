/*
 * A loaded policy, as the files of policy/ see it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_POLICY_PRIVATE_H
#define POLICY_POLICY_PRIVATE_H

#include "base/sha256.h"
#include "policy/list.h"
#include "policy/lookup.h"
#include "policy/policy.h"
#include "policy/yaml.h"

#include <limits.h>

/* --- keys ------------------------------------------------------------------------ */

enum policy_section {
	SECTION_POLICY,
	SECTION_RULE,
	SECTION_THEN,
	SECTION_REPLY,
	SECTION_MODIFIER,
	SECTION_DROP,
	SECTION_LIMIT,
	SECTION_COMMAND,
	SECTION_LIST,
	SECTION_TEST,
	SECTION_REFUSAL,
	SECTION_CAPABILITIES,
	SECTION_PROTOCOL,
	SECTION_DEADLINES,
	SECTION_CONFIG,
	SECTION_LISTENER,
	SECTION_INTERCEPT,
	SECTION_TLS,
	SECTION_PAIR,
	SECTION_LOG,
	SECTION_TIMEOUTS,
	SECTION_DNS,
	SECTION_LIMITS
};

/* A file that is being read, and where its complaints go. */
struct reader {
	struct yaml_file *file;
	struct diag *diag;
};

/* Complains of keys that the section does not have, or has not yet. */
void reader_check_keys(const struct reader *reader, const struct yaml_node *map,
    enum policy_section section, const char *where);
/* The same with the keys of two sections. */
void reader_check_two(const struct reader *reader, const struct yaml_node *map,
    enum policy_section one, enum policy_section other, const char *where);
/* Whether a key that the section does not have is probably meant as `name`:
 * then it has been complained of, and `name` is not missing besides. */
bool reader_is_misspelt(
    const struct yaml_node *map, enum policy_section section, const char *name);
/* ", without quotes" of a quoted scalar; else "". */
const char *reader_unquote(const struct yaml_node *node);
/* Adds an error at a node. */
#define reader_error(reader, code, node, hint, ...)                           \
	yaml_complain((reader)->file, (reader)->diag, DIAG_ERROR, code, node, \
	    hint, __VA_ARGS__)
#define reader_warn(reader, code, node, hint, ...)                        \
	yaml_complain((reader)->file, (reader)->diag, DIAG_WARNING, code, \
	    node, hint, __VA_ARGS__)
/* The index of a scalar's word, or -1 with a complaint that names the words
 * that can stand there. */
int reader_word(const struct reader *reader, const struct yaml_node *node,
    const char *what, const char *const *words, unsigned count);
bool reader_bool(const struct reader *reader, const struct yaml_node *node,
    const char *what, bool *out);
/* A deadline of the map in milliseconds; false: none, or with a complaint under
 * `code` one that cannot be. */
bool reader_timeout(const struct reader *reader, const struct yaml_node *map,
    const char *key, const char *code, uint32_t *ms);
/* The node as a map, or NULL with a complaint. */
const struct yaml_node *reader_map(const struct reader *reader,
    const struct yaml_node *node, const char *what);
/* A scalar or a list of scalars as `*count` nodes; `one` is room for the
 * single one.  NULL with a complaint. */
struct yaml_node *const *reader_scalars(const struct reader *reader,
    const struct yaml_node *node, const char *what, struct yaml_node **one,
    unsigned *count);
/* A path that a file names: relative to the folder of that file.  False: it is
 * too long. */
bool reader_path(
    const struct reader *reader, struct slice name, char out[PATH_MAX]);
/* calloc that does not fail. */
void *policy_alloc(size_t count, size_t size);

/* --- facts, conditions --------------------------------------------------------------- */

enum fact_kind {
	KIND_ADDRESS,
	KIND_ADDRESSES, /* any of several, from DNS */
	KIND_NUMBER,
	KIND_WORD,
	KIND_TEXT,
	KIND_NAME,
	KIND_NAMES, /* any of several, from DNS */
	KIND_MAILBOX,
	KIND_ZONE,
	/* What follows is bits. */
	KIND_BOOL,
	KIND_LOOKUP, /* words of lookup_words */
	KIND_FORM,
	KIND_FLAW,
	KIND_VERB,
	KIND_RECEIVER,
	KIND_RELATION
};

enum fact {
#define FACT(id, name, kind, stage, sentence) FACT_##id,
#include "policy/config_keys.h"
	FACT_COUNT
};

const char *fact_name(enum fact fact);
/* What it is, and its words. */
const char *fact_sentence(enum fact fact);
enum fact_kind fact_kind(enum fact fact);
enum policy_stage fact_stage(enum fact fact);
/* -1: no such fact. */
int fact_find(struct slice name);
/* Its values are bits of a mask. */
bool fact_is_bits(enum fact fact);
/* What lookup.h calls it; -1: it is none of those, or has a zone. */
int fact_lookup(enum fact fact);
/* Whether DNS has to be asked for it. */
bool fact_is_lookup(enum fact fact);
/* The i-th word of a fact that is bits; NULL behind the last. */
const char *fact_word(enum fact fact, unsigned i);

struct policy_list {
	struct slice name;
	const struct yaml_node *node;
	struct address_list *addresses; /* one of the two */
	struct domain_list *domains;
	const struct yaml_file *file;
	uint8_t digest[SHA256_SIZE]; /* of the files it is read from */
	bool used;
};

enum value_kind {
	VALUE_ADDRESS_LIST,
	VALUE_DOMAIN_LIST,
	VALUE_PREFIX,
	VALUE_IS,    /* the same name, word or mailbox */
	VALUE_UNDER, /* the name or one below it */
	VALUE_GLOB,
	VALUE_REGEX,
	VALUE_RANGE,
	VALUE_NONE, /* null, or `none` of what DNS gives */
	VALUE_SAME_ORGANISATION,
	VALUE_ZONE
};

struct regex;

struct value {
	enum value_kind kind;
	const struct yaml_node *node;
	struct slice text; /* IS, UNDER, GLOB, REGEX; ZONE: the zone */
	union {
		const struct policy_list *list;
		struct prefix prefix;
		struct regex *regex; /* owned */
		struct {
			uint64_t low, high; /* both in it */
		} range;
		struct {
			struct prefix *answers; /* owned; none: any */
			unsigned count;
			bool only_temperror; /* no answer matches */
		} zone;
	} as;
};

/* One key of `when`: any of its values, or none of them. */
struct condition {
	enum fact fact;
	bool negated;
	bool lookup;    /* fact_is_lookup */
	bool temperror; /* `temperror` is among the values */
	uint64_t mask;  /* of facts that are bits: any of these */
	struct value *values;
	unsigned count;
	const struct yaml_node *key;
};

/* All of them. */
struct clause {
	struct condition *conditions;
	unsigned count;
};

struct when {
	struct clause all;
	struct clause *any; /* one of these too, where there are some */
	unsigned any_count;
};

/* --- rules -------------------------------------------------------------------------- */

struct then {
	enum policy_action action;
	bool goes_on; /* continue */
	bool reset;
	bool bare; /* reject and tempfail without a reply of their own */
	unsigned code;
	struct slice status, text; /* text is a template */
	struct helo_repair repair;
	struct slice rewrite; /* a template */
	enum policy_starttls starttls;
	uint32_t delay_ms, ban_s;
	bool quiet;
	enum policy_at at;
	bool uses_ptr; /* a template or step that needs client.ptr */
};

struct rule {
	struct policy_rule_id id;
	const struct yaml_node *node;
	const struct yaml_node *when_node; /* NULL: always */
	const struct yaml_node *then_node;
	const struct yaml_file *file;
	struct when when;
	struct then then;
	bool monitor;
	unsigned sample;    /* percent of the sessions on which it acts */
	uint64_t expires_s; /* since 1970, the end of its last day; 0: never */
	bool tempfails;     /* on_temperror: tempfail */
	bool allows_4_1_4;
	bool tested;
};

struct rules {
	struct rule *items;
	unsigned count;
};

/* A test of the file, for `ehlogate test`. */
struct policy_test {
	const struct yaml_node *node;
	enum policy_stage stage;
	struct addr client;
	struct endpoint server;
	struct slice listener, helo, mail, rcpt, auth_user;
	enum policy_verb verb;
	bool tls, fallback, auth, utf8;
	struct policy_tls tls_of;
	int64_t size;
	unsigned rcpt_count;
	uint64_t wall_s;
	const struct yaml_node *given; /* NULL: DNS says nothing */
	int expect;                    /* enum policy_action */
	int at;                        /* enum policy_at, or -1: not said */
	struct slice rule, as, reply;
	const struct yaml_node *continues; /* NULL, or a name, or names */
	bool has_as, has_reply;
};

/* An entry of `limits`; 0: it does not say. */
struct limit {
	struct when when;
	unsigned errors, recipients, messages, junk, commands, data_rate;
	unsigned sessions_per_client;
	struct policy_rate rate;
	uint64_t size;
};

/* A verb of `commands`. */
struct command_rule {
	struct slice verb;
	bool denied, needs_tls, needs_auth;
};

/* An entry of a stage that changes an included rule. */
struct override {
	struct override *next;
	const struct yaml_node *map;
	struct reader reader;
	enum policy_stage stage;
	struct slice name;
	bool used;
};

/* A YAML file of the policy: itself, or one that it includes. */
struct policy_file {
	struct policy_file *next;
	struct yaml_file *yaml;
	char *path; /* of an included one, as realpath has it */
};

struct policy {
	struct policy_file *files; /* the first one is the policy itself */
	struct yaml_file *file;    /* the same one */
	bool monitor;
	struct policy_list **lists;
	unsigned list_count;
	struct override *overrides;
	struct rules rules[POLICY_STAGE_COUNT];
	struct then otherwise; /* `default` */
	const struct yaml_node *default_node;
	bool has_refusal;
	struct then refusal; /* its repair and starttls */
	const struct yaml_node *refusal_node;
	struct slice *allowed, *hidden; /* EHLO keywords */
	unsigned allowed_count, hidden_count;
	struct limit *limits;
	unsigned limit_count;
	struct command_rule *commands;
	unsigned command_count;
	struct policy_protocol protocol;
	struct {
		bool bare_newline, early_talker, pipelining;
	} said; /* of protocol, by a file so far */
	struct policy_timeouts timeouts;
	struct policy_test *tests;
	unsigned test_count;
	bool asks_dns;
	char version[17];
};

/* Parts of the loader, each in its file. */
void policy_read_lists(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node);
void policy_read_when(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node, enum policy_stage stage, struct when *out);
/* `limits` and `commands`. */
void policy_read_limits(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node);
void policy_read_commands(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node);
void policy_read_protocol(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node);
void policy_read_timeouts(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node);
/* N/DURATION within bounds, else complained of with that code. */
void policy_read_rate(const struct reader *reader, const struct yaml_node *node,
    const char *code, struct policy_rate *out);
/* A text with {words}; left as it is where there was a complaint. */
void policy_read_template(const struct reader *reader,
    const struct yaml_node *node, struct slice *out);
/* The rules of a file; `included`: behind those that are there, and overrides
 * of the files that include it hold. */
void policy_read_rules(struct policy *policy, const struct reader *reader,
    const struct yaml_node *root, bool included);
/* Complains of overrides that changed nothing. */
void policy_check_overrides(const struct policy *policy);
void policy_free_rules(struct policy *policy);
void policy_read_then(const struct reader *reader, const struct yaml_node *node,
    enum policy_stage stage, struct then *out);
/* The steps of a `repair:`; false where there was a complaint. */
bool policy_read_repair(const struct reader *reader,
    const struct yaml_node *node, struct helo_repair *out);
void policy_read_starttls(
    const struct reader *reader, const struct yaml_node *map, struct then *out);
void policy_read_tests(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node);
void policy_free_when(struct when *when);
void policy_free_limits(struct policy *policy);
/* A test speaks of the rule; false: there is none. */
bool policy_note_tested(struct policy *policy, struct slice rule);
const char *policy_stage_name(enum policy_stage stage);

/* --- regular expressions (PCRE2), anchored at both ends, without case -------- */

/* NULL: `error` says why, and *offset where. */
struct regex *regex_new(
    struct slice pattern, char *error, size_t error_size, size_t *offset);
void regex_free(struct regex **regex);
/* 1 it matches, 0 it does not, -1 it took too much to find out. */
int regex_match(const struct regex *regex, struct slice text);

bool policy_match_glob(struct slice pattern, struct slice text);
/* Whether the name is, or is below, the domain. */
bool policy_is_under(struct slice name, struct slice domain);

/* --- decisions ------------------------------------------------------------------------ */

/* How a condition, a clause or a rule stands.  In a list of conditions that
 * must all hold the first of NO, PENDING, UNKNOWN, ERROR, TEMPERROR decides;
 * where one is enough the first of YES, PENDING, UNKNOWN, ERROR, TEMPERROR. */
enum truth {
	TRUTH_NO,
	TRUTH_YES,
	TRUTH_TEMPERROR, /* DNS cannot say now */
	TRUTH_ERROR,     /* a regular expression took too much */
	TRUTH_UNKNOWN,   /* a fact is not known, and will not be */
	TRUTH_PENDING    /* answers of DNS are missing */
};

/* Told of every rule that is tried; `because` is the condition that decided
 * against a match, NULL where the rule matched or `any` failed. */
typedef void policy_trace_fn(const struct rule *rule, enum truth truth,
    const struct condition *because, void *arg);

enum policy_outcome policy_decide_traced(const struct policy *policy,
    enum policy_stage stage, const struct policy_facts *facts,
    struct policy_verdict *out, policy_trace_fn *trace, void *arg);

/* Whether `when` holds; *because as above. */
enum truth policy_matches(const struct when *when,
    const struct policy_facts *facts, const struct condition **because);
enum truth policy_condition_holds(
    const struct condition *condition, const struct policy_facts *facts);
/* The value of a fact that is text, a number, bits. */
struct slice policy_fact_text(enum fact fact, const struct policy_facts *facts);
uint64_t policy_fact_number(enum fact fact, const struct policy_facts *facts);
uint64_t policy_fact_bits(enum fact fact, const struct policy_facts *facts);
/* What stands behind the last @; empty where there is none. */
struct slice policy_mailbox_domain(struct slice mailbox);
/* The value of a fact, for people. */
void policy_show_fact(
    enum fact fact, const struct policy_facts *facts, struct buf *out);

/* The reply of a verdict into out->reply. */
void policy_reply(const struct then *then, const struct policy_rule_id *rule,
    enum policy_stage stage, const struct policy_facts *facts,
    struct policy_verdict *out);
/* Expands a template into out (cut at size); its length.  Everything that
 * comes from a peer is printable ASCII there. */
size_t policy_expand(struct slice template, const struct policy_facts *facts,
    const struct policy_rule_id *rule, char *out, size_t size);
/* Whether all {words} of a template are known; *bad is the first that is
 * not. */
bool policy_template_is_known(struct slice template, struct slice *bad);
bool policy_template_is_constant(struct slice template);
/* Whether {client.ptr} is in it. */
bool policy_template_has_ptr(struct slice template);
/* The best confirmed reverse name of the client; empty where there is none,
 * or none is known. */
struct slice policy_ptr(const struct policy_facts *facts);

#endif
