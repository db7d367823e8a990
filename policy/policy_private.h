/*
 * A loaded policy, as the files of policy/ see it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_POLICY_PRIVATE_H
#define POLICY_POLICY_PRIVATE_H

#include "policy/list.h"
#include "policy/lookup.h"
#include "policy/policy.h"
#include "policy/yaml.h"

/* --- keys ------------------------------------------------------------------------ */

enum policy_section {
	SECTION_POLICY,
	SECTION_RULE,
	SECTION_THEN,
	SECTION_REPLY,
	SECTION_LIST,
	SECTION_TEST,
	SECTION_REFUSAL,
	SECTION_CAPABILITIES,
	SECTION_CONFIG,
	SECTION_LISTENER,
	SECTION_INTERCEPT,
	SECTION_TLS,
	SECTION_LOG,
	SECTION_TIMEOUTS,
	SECTION_DNS,
	SECTION_LIMITS
};

/* A file that is being read, and where its complaints go. */
struct reader {
	const struct yaml_file *file;
	struct diag *diag;
};

/* Complains of keys that the section does not have, or has not yet. */
void reader_check_keys(const struct reader *reader, const struct yaml_node *map,
    enum policy_section section, const char *where);
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
/* The node as a map, or NULL with a complaint. */
const struct yaml_node *reader_map(const struct reader *reader,
    const struct yaml_node *node, const char *what);
/* A scalar or a list of scalars as `*count` nodes; `one` is room for the
 * single one.  NULL with a complaint. */
struct yaml_node *const *reader_scalars(const struct reader *reader,
    const struct yaml_node *node, const char *what, struct yaml_node **one,
    unsigned *count);
/* calloc that does not fail. */
void *policy_alloc(size_t count, size_t size);

/* --- facts, conditions --------------------------------------------------------------- */

enum fact_kind {
	KIND_ADDRESS,
	KIND_NUMBER,
	KIND_WORD,
	KIND_BOOL,
	KIND_NAME,
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
enum fact_kind fact_kind(enum fact fact);
enum policy_stage fact_stage(enum fact fact);
/* -1: no such fact. */
int fact_find(struct slice name);

struct policy_list {
	struct slice name;
	const struct yaml_node *node;
	struct address_list *addresses; /* one of the two */
	struct domain_list *domains;
	bool used;
};

enum value_kind {
	VALUE_ADDRESS_LIST,
	VALUE_DOMAIN_LIST,
	VALUE_PREFIX,
	VALUE_IS,    /* the same name or word */
	VALUE_UNDER, /* the name or one below it */
	VALUE_GLOB,
	VALUE_RANGE
};

struct value {
	enum value_kind kind;
	union {
		const struct policy_list *list;
		struct prefix prefix;
		struct slice text;
		struct {
			uint64_t low, high; /* both in it */
		} range;
	} as;
};

/* One key of `when`: any of its values, or none of them. */
struct condition {
	enum fact fact;
	bool negated;
	uint64_t mask; /* of facts that are bits: any of these */
	struct value *values;
	unsigned count;
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
};

struct rule {
	struct policy_rule_id id;
	const struct yaml_node *node;
	const struct yaml_node *when_node; /* NULL: always */
	struct when when;
	struct then then;
	bool monitor;
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
	struct slice listener, helo;
	enum policy_verb verb;
	bool tls, fallback;
	int expect; /* enum policy_action */
	struct slice rule, as, reply;
	bool has_as, has_reply;
};

struct policy {
	struct yaml_file *file;
	bool monitor;
	struct policy_list *lists;
	unsigned list_count;
	struct rules rules[POLICY_STAGE_COUNT];
	struct then otherwise; /* `default` */
	const struct yaml_node *default_node;
	bool has_refusal;
	struct then refusal; /* its repair and starttls */
	const struct yaml_node *refusal_node;
	struct slice *allowed, *hidden; /* EHLO keywords */
	unsigned allowed_count, hidden_count;
	struct policy_test *tests;
	unsigned test_count;
	char version[17];
};

/* Parts of the loader, each in its file. */
void policy_read_lists(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node);
void policy_read_when(struct policy *policy, const struct reader *reader,
    const struct yaml_node *node, enum policy_stage stage, struct when *out);
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

bool policy_match_glob(struct slice pattern, struct slice text);
/* Whether the name is, or is below, the domain. */
bool policy_is_under(struct slice name, struct slice domain);

/* --- decisions ------------------------------------------------------------------------ */

/* Told of every rule that is tried; `failed` is the condition that did not
 * hold, NULL where the rule matched or `any` failed. */
typedef void policy_trace_fn(const struct rule *rule, bool matched,
    const struct condition *failed, void *arg);

enum policy_outcome policy_decide_traced(const struct policy *policy,
    enum policy_stage stage, const struct policy_facts *facts,
    struct policy_verdict *out, policy_trace_fn *trace, void *arg);

/* Whether `when` holds; *failed as above. */
bool policy_matches(const struct when *when, const struct policy_facts *facts,
    const struct condition **failed);
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

#endif
