/*
 * The contract of a decision: facts in, a verdict out.  This is all that the
 * rest of the program knows of the policy; no descriptor, no event loop, no
 * SMTP.  A policy never changes once it is loaded: it is inherited at fork
 * and shared without a lock.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/addr.h"
#include "base/buf.h"
#include "policy/helo.h"

struct lookup;
struct lookup_value;

/* Where in the session a rule stands. */
enum policy_stage {
	POLICY_STAGE_CONNECT,
	POLICY_STAGE_HELO,
	POLICY_STAGE_MAIL,
	POLICY_STAGE_RCPT,
	POLICY_STAGE_COUNT
};

enum policy_verb {
	POLICY_VERB_HELO,
	POLICY_VERB_EHLO
};

/* Of the client's handshake; empty: none. */
struct policy_tls {
	struct slice version, cipher, sni, subject, fingerprint;
};

/* What is known when the question is asked.  Slices are the caller's. */
struct policy_facts {
	/* at every stage */
	struct addr client;     /* who connects */
	struct endpoint server; /* whom the client meant to reach */
	struct slice listener;  /* the listener's name in the configuration */
	bool tls;               /* the client's leg is encrypted now */
	struct policy_tls tls_of;
	bool auth;              /* the client has authenticated */
	struct slice auth_user; /* as whom, where that could be read */
	/* from helo on */
	enum policy_verb verb;
	struct slice helo;         /* the argument as received */
	const struct helo *judged; /* helo_analyse of it; NULL at connect */
	unsigned repeat; /* greetings before this one in the session */
	bool fallback;   /* a HELO after a refused EHLO */
	/* from mail on */
	struct slice mail_from; /* without angle brackets; empty: null sender */
	int64_t mail_size;      /* SIZE=, or -1 */
	bool mail_utf8;         /* SMTPUTF8 */
	/* rcpt */
	struct slice rcpt_to; /* without angle brackets */
	unsigned rcpt_count;  /* recipients before this one in the message */
	/* What DNS says of client and name; filled by what rules ask.  NULL:
	 * facts from DNS are unknown. */
	struct lookup *lookup;
	uint64_t wall_s; /* since 1970, for `expires`; 0: nothing expires */
	/* Facts that the caller does not know (replay), by policy_fact_bit. */
	uint64_t unknown;
	/* for templates, and what `sample` is drawn by */
	struct slice ref; /* the session's reference */
};

enum policy_action {
	POLICY_ACCEPT,         /* on with the argument as it came */
	POLICY_ACCEPT_SESSION, /* the same, and no more rules in this session */
	POLICY_REPAIR,         /* on with verdict.name */
	POLICY_REWRITE,        /* on with verdict.name */
	POLICY_REJECT,         /* the reply, 5xx */
	POLICY_TEMPFAIL,       /* the reply, 4xx */
	POLICY_SPLICE,         /* relay blindly from here on */
	POLICY_DROP            /* close without a word */
};

/* When a refusal is said. */
enum policy_at {
	POLICY_AT_ONCE,
	POLICY_AT_MAIL,
	POLICY_AT_RCPT
};

/* What becomes of STARTTLS where the name was changed. */
enum policy_starttls {
	POLICY_STARTTLS_UNSAID, /* the listener's own setting holds */
	POLICY_STARTTLS_PASS,
	POLICY_STARTTLS_HIDE,
	POLICY_STARTTLS_UPLIFT, /* and the server's leg is encrypted */
	POLICY_STARTTLS_TERMINATE,
	POLICY_STARTTLS_INTERCEPT,
	POLICY_STARTTLS_REFUSE
};

/* Which rule spoke.  The policy owns the text. */
struct policy_rule_id {
	struct slice name; /* empty: no rule matched */
	struct slice file;
	unsigned line;
};

enum {
	POLICY_REPLY_MAX = 512, /* a whole reply line without CRLF */
	POLICY_CONTINUE_MAX = 8
};

struct policy_verdict {
	enum policy_action action;
	bool by_default; /* no rule matched: `default`, or the stage passes */
	struct policy_rule_id rule;
	/* Under monitor mode `action` is POLICY_ACCEPT and this says what it
	 * would have been; equal to `action` otherwise. */
	enum policy_action would;
	struct policy_rule_id would_rule; /* the rule that would have acted */
	enum policy_starttls starttls;
	bool reset; /* of POLICY_DROP: by RST */
	/* Modifiers of any action; none of them acts under monitor. */
	uint32_t delay_ms; /* answer that much later */
	uint32_t ban_s;    /* keep the client away that long */
	bool quiet;        /* no record is written */
	enum policy_at at; /* of REJECT, TEMPFAIL at helo: said later; until
			     * then the server sees `repaired`, the client's
			     * literal, in the name's place */
	/* of REPAIR and REWRITE */
	struct helo_repaired repaired; /* name, len, steps */
	/* of REJECT and TEMPFAIL: "550 5.7.1 text [ref ...]", no CRLF, printable
	 * ASCII only */
	char reply[POLICY_REPLY_MAX];
	size_t reply_len;
	const char *unknown_fact; /* of POLICY_UNKNOWN */
	/* rules with `continue` that matched on the way */
	struct policy_rule_id continued[POLICY_CONTINUE_MAX];
	unsigned continued_count;
};

struct policy;

/*
 * Reads a policy and what it names from disk.  Every error and warning is
 * appended to `diag` (see policy/diag.h); NULL where there was an error.
 * The result is freed with policy_free.
 */
struct diag;
struct policy *policy_load(const char *path, struct diag *diag);
void policy_free(struct policy **policy);

enum policy_outcome {
	POLICY_DECIDED,
	/* Answers of DNS are missing; they stand in the lookup's book.  Ask
	 * again when they have come or were given up. */
	POLICY_PENDING,
	/* A fact is not known and will not be (facts.unknown, no lookup): what
	 * the verdict would be depends on it.  out->unknown_fact names it. */
	POLICY_UNKNOWN
};

/*
 * The verdict for one stage.  At connect, mail and rcpt without a match the
 * stage passes (POLICY_ACCEPT, by_default); at helo without a match `default`
 * decides.  `out` is whole overwritten; a verdict only when POLICY_DECIDED.
 */
enum policy_outcome policy_decide(const struct policy *policy,
    enum policy_stage stage, const struct policy_facts *facts,
    struct policy_verdict *out);
/* Whether any rule of the stage is there: else there is nothing to ask. */
bool policy_has_stage(const struct policy *policy, enum policy_stage stage);
/* Whether any rule asks DNS: else no lookup is needed. */
bool policy_asks_dns(const struct policy *policy);
/* Whether `commands` speaks of the verb (upper case); `limits` of anything
 * that is counted at MAIL or RCPT. */
bool policy_has_command(const struct policy *policy, struct slice verb);
bool policy_has_limits(const struct policy *policy);

/* The bit of a fact in facts.unknown, by its name ("helo.spf"); 0: no such
 * fact. */
uint64_t policy_fact_bit(struct slice name);

/* `commands:`: whether a verb (upper case) may be used now.  DENY: `reply` is
 * the refusal ("502 5.5.1 ... [ref ...]").  WOULD_DENY: under monitor, the
 * same and it does not act. */
enum policy_permit {
	POLICY_PERMIT,
	POLICY_DENY,
	POLICY_WOULD_DENY
};
struct policy_reply {
	size_t len;
	char text[POLICY_REPLY_MAX];
};
enum policy_permit policy_command(const struct policy *policy,
    struct slice verb, const struct policy_facts *facts,
    struct policy_reply *reply);

/* So many within a time; count 0: any number. */
struct policy_rate {
	unsigned count;
	uint32_t ms;
};

/* `limits:`: what holds for a client of these facts at MAIL; 0: no limit.  The first
 * entry whose `when` matches and that names the limit gives it. */
struct policy_limits {
	unsigned errors;     /* refused commands before 421; default 20 */
	unsigned recipients; /* of one message */
	unsigned messages;   /* of one session */
	unsigned junk;       /* commands without a message; default 100 */
	unsigned commands;   /* of one session */
	unsigned data_rate;  /* octets of text a second; default 100 */
	uint64_t size;       /* octets of one message, declared or sent */
	unsigned sessions_per_client;
	struct policy_rate rate_per_client;
	bool monitor; /* what is over a limit is only noted */
};
void policy_limits(const struct policy *policy,
    const struct policy_facts *facts, struct policy_limits *out);
/* The i-th rate that any limit of the policy names; false: there are no more. */
bool policy_rate_at(
    const struct policy *policy, unsigned i, struct policy_rate *out);

/* `protocol:`, how strict the conversation is read.  Under monitor the gate
 * acts as if it were lenient, and notes what it would have done. */
enum policy_pipelining {
	POLICY_PIPELINING_AUTO, /* reject where PIPELINING was not offered */
	POLICY_PIPELINING_REJECT,
	POLICY_PIPELINING_HOLD
};
struct policy_protocol {
	bool reject_bare_newline;
	bool log_early_talker; /* else refuse who speaks before the 220 */
	enum policy_pipelining pipelining;
	struct slice banner; /* a template; empty: the server's own passes */
};
const struct policy_protocol *policy_protocol(const struct policy *policy);
/* The greeting in place of the server's: "220 text" without CRLF.  0: there is
 * none. */
size_t policy_banner(const struct policy *policy,
    const struct policy_facts *facts, char out[POLICY_REPLY_MAX]);

/* `timeouts:` in milliseconds; 0: the configuration's alone holds, else the
 * shorter of both. */
struct policy_timeouts {
	uint32_t greeting, command, data_block, data_end, connect;
};
const struct policy_timeouts *policy_timeouts(const struct policy *policy);

/*
 * The server refused a forwarded name: the n-th candidate (from 0) that
 * `on_server_refusal` makes of the argument.  False: no further candidate
 * (at most two; each valid and unlike `refused`).
 */
bool policy_server_refusal_candidate(const struct policy *policy,
    const struct policy_facts *facts, struct slice refused, unsigned n,
    struct helo_repaired *out);
/* What becomes of STARTTLS where such a candidate goes on. */
enum policy_starttls policy_server_refusal_starttls(
    const struct policy *policy);
/* Whether an action of the policy says that of STARTTLS. */
bool policy_orders_starttls(
    const struct policy *policy, enum policy_starttls what);

/* Domains that the policy names: in its lists, and where rules ask for a
 * recipient.  At most `room` of them; their number.  They are the policy's, and
 * one may be there twice. */
unsigned policy_domains(
    const struct policy *policy, struct slice *out, unsigned room);

/* Whether policy-wide `mode: monitor` is set. */
bool policy_is_monitor(const struct policy *policy);
/* The first 16 hexadecimal digits of the SHA-256 over the policy's files:
 * which policy a record was judged by. */
const char *policy_version(const struct policy *policy);

/* EHLO keywords: 1 the policy allows it beyond the default list, -1 the
 * policy hides it, 0 the policy does not say.  `capabilities:` */
int policy_capability(const struct policy *policy, struct slice keyword);

const char *policy_action_name(enum policy_action action);

#endif
