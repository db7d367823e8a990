/*
 * `ehlogate diff` in parts: the witnesses that two policies' own values make
 * (diff_values.c, diff_classes.c), and the search among them (diff_search.c).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_DIFF_H
#define CLI_DIFF_H

#include "policy/helo.h"
#include "policy/policy.h"
#include "policy/yaml.h"

enum {
	CLASSES_MAX = 2000, /* of clients, of names */
	DIM_VALUES_MAX = 48,
	FOUND_MAX = 2000
};

/* What can differ from one witness to the next besides client and name: a
 * fact, and the values that are tried; the first is the usual one.
 *      DIM(enumerator, fact, kind) */
#define DIFF_DIMS(DIM)                                       \
	DIM(SERVER, "server", ADDRESS)                       \
	DIM(PORT, "port", NUMBER)                            \
	DIM(LISTENER, "listener", TEXT)                      \
	DIM(TLS, "tls", TRUTH)                               \
	DIM(TLS_VERSION, "tls.version", TEXT)                \
	DIM(TLS_CIPHER, "tls.cipher", TEXT)                  \
	DIM(TLS_SNI, "tls.sni", TEXT)                        \
	DIM(TLS_SUBJECT, "tls.client_subject", TEXT)         \
	DIM(TLS_FINGERPRINT, "tls.client_fingerprint", TEXT) \
	DIM(AUTH, "auth", TRUTH)                             \
	DIM(AUTH_USER, "auth.user", TEXT)                    \
	DIM(VERB, "helo.verb", TRUTH)                        \
	DIM(REPEAT, "helo.repeat", NUMBER)                   \
	DIM(FALLBACK, "helo.fallback", TRUTH)                \
	DIM(FROM, "mail.from", MAILBOX)                      \
	DIM(SIZE, "mail.size", NUMBER)                       \
	DIM(UTF8, "mail.utf8", TRUTH)                        \
	DIM(TO, "rcpt.to", MAILBOX)                          \
	DIM(COUNT, "rcpt.count", NUMBER)                     \
	DIM(PTR, "client.ptr", GIVEN)                        \
	DIM(FCRDNS, "client.fcrdns", GIVEN)                  \
	DIM(DNSBL, "client.dnsbl", ZONE)                     \
	DIM(HELO_DNS, "helo.dns", GIVEN)                     \
	DIM(HELO_PTR, "helo.ptr", GIVEN)                     \
	DIM(HELO_SPF, "helo.spf", GIVEN)                     \
	DIM(HELO_ADDRESS, "helo.address", GIVEN)             \
	DIM(HELO_MX, "helo.mx_address", GIVEN)               \
	DIM(HELO_NS, "helo.ns_address", GIVEN)               \
	DIM(RHSBL, "helo.rhsbl", ZONE)

enum dim_kind {
	DIM_ADDRESS,
	DIM_NUMBER,
	DIM_TEXT,
	DIM_TRUTH,
	DIM_MAILBOX,
	DIM_GIVEN, /* what DNS says, as YAML */
	DIM_ZONE
};

enum dim_id {
#define DIM_ENUM(id, fact, kind) DIM_ID_##id,
	DIFF_DIMS(DIM_ENUM)
#undef DIM_ENUM
	DIM_IDS
};

struct dim_value {
	struct slice text; /* owned */
	uint64_t number;
	struct addr addr;
	struct yaml_file *yaml; /* of GIVEN, ZONE */
};

struct dim {
	struct dim_value values[DIM_VALUES_MAX];
	unsigned count;
	bool used[POLICY_STAGE_COUNT]; /* some rule of the stage asks */
};

/* What one rule's own conditions speak of: witnesses that all of them may hold
 * for at once, which a search through everything need not come to. */
struct guide {
	enum policy_stage stage;
	struct addr clients[12];
	struct slice names[12]; /* owned */
	struct {
		enum dim_id dim;
		unsigned value;
	} picks[40];
	unsigned client_count, name_count, pick_count;
	bool forms; /* it asks what is wrong with a name */
};

/* A few entries of a list, for rules that name it. */
struct sample {
	struct slice name; /* owned */
	struct addr addrs[4];
	struct slice names[4]; /* owned */
	unsigned addr_count, name_count;
};

/* Clients or names of which no two are alike to every list. */
struct classes;

struct universe {
	struct classes *clients, *names;
	struct dim dims[DIM_IDS];
	bool names_used[POLICY_STAGE_COUNT];
	struct guide *guides;
	unsigned guide_count, guide_size;
	struct sample *samples;
	unsigned sample_count;
	unsigned form_count; /* the first names are every form and flaw */
	bool has_regex;      /* {regex:}: no names are made for it */
	bool full;           /* a bound was met: not all values are tried */
};

/* Reads the values of both policies; false: one could not be read. */
bool universe_init(struct universe *universe, const char *const paths[2]);
void universe_fini(struct universe *universe);
/* A value of a dim, added where it is new; its place, or -1: no room, or it is
 * none. */
int universe_value(struct universe *universe, enum dim_id id, struct slice text,
    uint64_t number);
/* diff_usual.c */
void universe_usual_values(struct universe *universe);
void universe_usual_classes(struct universe *universe);
const char *diff_fact(enum dim_id dim);
enum dim_kind diff_kind(enum dim_id dim);

/* --- guides (diff_guide.c) -------------------------------------------------------- */

struct guide *guide_new(struct universe *universe, enum policy_stage stage);
void guide_addr(struct guide *guide, const struct addr *addr);
void guide_name(struct guide *guide, struct slice name);
/* `value` -1: none. */
void guide_pick(struct guide *guide, enum dim_id id, int value);
void guides_fini(struct universe *universe);
void sample_new(struct universe *universe, struct slice name);
/* An entry of the newest; `prefix` NULL: it is a name. */
void sample_add(
    struct universe *universe, struct slice text, const struct prefix *prefix);
/* Frees an owned text. */
void diff_free_text(struct slice text);
/* Calls `try` for the combinations of a rule's values and the usual ones; false:
 * there were too many. */
typedef void guide_try_fn(void *arg, const struct addr *client,
    struct slice name, const unsigned at[DIM_IDS]);
bool guide_each(const struct universe *universe, const struct guide *guide,
    guide_try_fn *try, void *arg);

/* --- classes (diff_classes.c) ---------------------------------------------------- */

struct classes *classes_new(void);
void classes_free(struct classes **classes);
/* First the groups: sets that tell clients, or names, apart... */
void classes_begin_group(struct classes *classes);
void classes_group_prefix(struct classes *classes, const struct prefix *prefix);
void classes_group_domain(struct classes *classes, struct slice domain);
/* ...then the candidates: kept where no other like them was.  False: there is
 * no room. */
void classes_seal(struct classes *classes);
bool classes_add_addr(struct classes *classes, const struct addr *addr);
/* `always`: also where another is like it. */
bool classes_add_name(struct classes *classes, struct slice name, bool always);
unsigned classes_count(const struct classes *classes);
const struct addr *classes_addr(const struct classes *classes, unsigned i);
struct slice classes_name(const struct classes *classes, unsigned i);

/* --- the search (diff_search.c) -------------------------------------------------- */

/* One side of a difference. */
struct side {
	struct slice rule; /* empty: none; the policy's */
	enum policy_action action;
};

struct found {
	enum policy_stage stage;
	struct side old, new;
	uint64_t count;
	/* the first witness */
	struct addr client;
	char *name; /* owned, name_len */
	size_t name_len;
	unsigned at[DIM_IDS]; /* values of the dims */
	/* what goes on, where both change the name */
	struct {
		char text[HELO_NAME_MAX];
		size_t len;
	} forwarded[2];
};

struct search {
	const struct policy *policies[2];
	struct universe *universe;
	struct found *found;
	unsigned found_count;
	uint64_t tried, undecided;
	bool partial;     /* not every combination was tried */
	uint64_t reached; /* witnesses that came to the stage */
	bool progress;    /* on a terminal */
	bool forced;      /* earlier stages refuse nobody */
	bool unreached[POLICY_STAGE_COUNT]; /* so it was judged */
};

void search_run(struct search *search);
/* One client and name that were seen. */
void search_pair(
    struct search *search, const struct addr *client, struct slice name);
void search_fini(struct search *search);

#endif
