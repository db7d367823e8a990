/*
 * `ehlogate suggest` in parts: who greets how (suggest_pairs.c), which rules
 * that makes (suggest_rules.c), and how they are written (suggest_yaml.c).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include "audit/log_read.h"
#include "base/buf.h"
#include "policy/helo.h"

#include <stdio.h>

enum {
	PAIRS_MAX = 50000, /* clients with a name each that are kept */
	RULES_MAX = 500,
	RULED_MAX = 10000, /* pairs that rules are made for: a policy is
			    * at most 1 MiB */
	RULE_NAME_MAX = 64,
	DOMAIN_MAX = 253
};

/* A client and a name that it said. */
struct pair {
	struct addr client;
	struct slice name; /* owned, as first spelt */
	struct helo judged;
	uint64_t greetings, sessions;
	uint64_t server_refused; /* the name itself, not a mended one */
	uint64_t gate_refused;
	uint64_t last_session;
	bool starttls;           /* a session of the client's went into TLS */
	const struct mend *mend; /* what mends it; NULL: nothing */
};

struct pairs {
	struct pair *items; /* sorted after pairs_sort */
	unsigned count;
	uint32_t *table; /* private: places in items, plus one */
	uint64_t sessions, greetings;
	uint64_t lost; /* greetings of pairs beyond the bound */
	uint64_t cut;  /* greetings whose name the record cut */
};

void pairs_init(struct pairs *pairs);
void pairs_fini(struct pairs *pairs);
void pairs_add(struct pairs *pairs, const struct log_session *session);
/* By address, then name; tells each pair what its client did elsewhere. */
void pairs_sort(struct pairs *pairs);

/* Whether two clients are of one network: /24, /64. */
bool is_one_network(const struct addr *a, const struct addr *b);

/* --- rules -------------------------------------------------------------------- */

/* How names with one set of flaws are mended: a rule. */
struct mend {
	char name[RULE_NAME_MAX + 1];
	uint64_t flaws; /* any of these */
	bool literal;   /* with the client's address, nothing else */
	bool lone;      /* it has a name without a domain, and none is known */
	bool rewrite;   /* the name is valid: by force */
	bool starttls;  /* some of its clients use STARTTLS */
	char domain[DOMAIN_MAX + 1]; /* for append_domain; empty: none */
	uint32_t steps;    /* 1 << enum helo_step, that did something */
	unsigned *clients; /* pairs, one for each client */
	unsigned client_count;
	unsigned hits; /* pairs that the rule is the first for */
	bool tested;
	bool unwritable; /* no name of its can stand in YAML */
};

struct mends {
	struct mend items[RULES_MAX];
	unsigned count;
	unsigned ruled;
	uint64_t unruled; /* pairs beyond the bound */
};

/* The pairs are sorted; gives each its `mend`. */
void mends_make(struct mends *mends, struct pairs *pairs);
void mends_fini(struct mends *mends);
/* The first rule whose client and flaws match; NULL: none. */
struct mend *mends_first(struct mends *mends, const struct pairs *pairs,
    const struct addr *client, uint64_t flaws);
/* What the rule makes of a name of the client. */
void mend_apply(const struct mend *mend, struct slice name,
    const struct addr *client, struct helo_repaired *out);
/* The repair list; the caller's storage, names point into `mend`. */
void mend_steps(const struct mend *mend, struct helo_repair *out);

/* --- output ------------------------------------------------------------------- */

void suggest_table(const struct pairs *pairs, FILE *to);
void suggest_yaml(const struct pairs *pairs, struct mends *mends, FILE *to);
/* Whether YAML can say the name: then it is in `out`, quoted. */
bool suggest_quote(struct slice name, struct buf *out);

#endif
