/*
 * The record of one session: filled while the session runs, written once at
 * its end as one JSON line.  Text of peers goes in as it was received; the
 * writer escapes it without loss and caps its length (`truncated: true`).
 * Secrets never come here: the caller gives no AUTH response.
 *
 * Nothing here fails to the caller: a record that runs out of memory or over
 * its cap loses detail, not the session, and says `truncated: true`.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef AUDIT_RECORD_H
#define AUDIT_RECORD_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/buf.h"
#include "policy/lookup.h"
#include "policy/policy.h"

struct record;

enum {
	RECORD_REF = 16,         /* characters of a session's reference */
	RECORD_TEXT_MAX = 1024,  /* of one peer string */
	RECORD_MAX = 192 * 1024, /* of the whole line */
	RECORD_RCPT_MAX = 1000   /* recipients listed per message */
};

/* What is known when a session begins.  Text must outlive the record; one that
 * stands in an arena has its own copy, because whoever reads it there may have
 * another configuration by then. */
struct record_start {
	struct arena *arena; /* where it stands; NULL: on the heap */
	/* Of the client, with this session; 0: it is not counted. */
	unsigned client_sessions, client_rate;
	char ref[RECORD_REF + 1];
	struct slice node;
	struct slice listener;
	const char *mode; /* "tproxy", "redirect", "explicit" */
	struct endpoint client;
	struct endpoint server; /* whom the client meant to reach */
	struct slice policy_version;
	uint64_t wall_us; /* since 1970 */
	uint64_t mono_us; /* the clock of all durations */
};

struct record *record_new(const struct record_start *start);
void record_free(struct record **record);

/* What follows happened now: what the durations of the phases are made of.
 * Cheap; called before what is told, at least once per turn.  Calls that take
 * a mono_us do it themselves. */
void record_clock(struct record *record, uint64_t mono_us);

/* The upstream connection stands. */
void record_connected(
    struct record *record, const struct endpoint *local, uint64_t mono_us);
/* The server's greeting as the client got it ("220 mx ESMTP"), or the gate's
 * own 554 or 421: `by` is "server" or "gate". */
void record_greeting(struct record *record, struct slice reply, const char *by,
    uint64_t mono_us);

/* A connection to the server is being made, the first one or another. */
void record_connecting(struct record *record);
/* The server's greeting where the client does not hear it; empty: it is the
 * one that it heard. */
void record_server_greeting(
    struct record *record, struct slice reply, uint64_t mono_us);

/* The verdict of the connect stage, where a rule matched or DNS was asked.
 * `lookup` NULL: it was not; else what it said, after dns_us microseconds. */
void record_connect_verdict(struct record *record,
    const struct policy_verdict *verdict, const struct lookup *lookup,
    uint64_t dns_us);

/* One HELO or EHLO.  All text is copied. */
struct record_helo {
	enum policy_verb verb;
	struct slice received;
	struct slice forwarded; /* .ptr NULL: nothing went to the server */
	struct helo judged;
	uint32_t repairs; /* 1 << enum helo_step */
	bool tls;         /* said within it */
	bool fallback;
	bool tls_lost;
	const struct policy_verdict *verdict;
	const struct lookup *lookup; /* as at connect */
	uint64_t dns_us;
};

/* Adds an entry to `helo`; later calls about it name the newest one. */
void record_helo(struct record *record, const struct record_helo *helo);
/* The server's reply to what was forwarded, first line: `server_reply`.
 * Called again when a candidate of on_server_refusal was tried: then
 * `forwarded` is the new name and `repairs` its steps. */
void record_helo_server_reply(struct record *record, struct slice reply);
void record_helo_retry(
    struct record *record, struct slice forwarded, uint32_t repairs);
/* What the client heard, first line: the last call about an entry. */
void record_helo_reply(
    struct record *record, struct slice reply, const char *by);
/* EHLO keywords of the server, each in its first word: offered to the client,
 * or masked by the gate; called once per keyword after a successful EHLO.  A
 * new EHLO starts anew with record_capabilities_clear. */
void record_capabilities_clear(struct record *record);
void record_capability(
    struct record *record, struct slice keyword, bool masked);

/* STARTTLS was passed through, or `splice`: what follows was not seen.
 * `how` is "starttls" or "splice". */
void record_blind(struct record *record, const char *how);

/* What came of a handshake of ours; all text but the version is copied. */
struct record_tls {
	const char *version; /* "TLSv1.3"; outlives the record */
	struct slice cipher;
	struct slice name;     /* that was asked for */
	struct slice verified; /* of the peer's certificate: "ok" or what is
				* wrong; empty: it showed none */
	struct slice subject, fingerprint; /* of a client's certificate */
	bool resumed;
};

/* TLS of our own on a leg; then, or in its place, that a handshake failed. */
void record_secured(
    struct record *record, bool server, const struct record_tls *tls);
void record_tls_failed(struct record *record, bool server, struct slice why);

/* AUTH: mechanism and, where it could be read, the user name; then the final
 * reply of the exchange. */
void record_auth(
    struct record *record, struct slice mechanism, struct slice user);
void record_auth_reply(
    struct record *record, struct slice reply, const char *by);

/* A rule spoke of the MAIL or RCPT that comes next. */
void record_envelope_verdict(
    struct record *record, const struct policy_verdict *verdict);
/* MAIL was forwarded or refused by a rule; opens an entry of `mail`.  `size` is SIZE= or -1. */
void record_mail(struct record *record, struct slice from, int64_t size);
void record_mail_reply(
    struct record *record, struct slice reply, const char *by);
/* The same of RCPT; the replies come in the same order. */
void record_rcpt(struct record *record, struct slice to);
void record_rcpt_reply(
    struct record *record, struct slice reply, const char *by);
/* Message text: octets as received, line ends mended. */
void record_text(
    struct record *record, uint64_t octets, uint64_t stray_newlines);
void record_message_id(struct record *record, struct slice message_id);
/* DATA or a BDAT was refused, and the server's transaction goes on (RFC 5321
 * 3.3): more recipients and another DATA may follow.  If nothing does, this is
 * what the entry says of the message. */
void record_data_refused(
    struct record *record, struct slice reply, const char *by, bool delivered);
/* The final reply to the message: closes the entry.  The queue id is read out
 * of it.  `delivered`: it went to a client that was still there. */
void record_message_end(
    struct record *record, struct slice reply, const char *by, bool delivered);
/* The transaction ended without a message (RSET, new EHLO, connection lost). */
void record_transaction_end(struct record *record);

/* The peer broke the protocol: `kind` is one of our own words
 * ("bare_lf_in_command"), `detail` the bytes concerned. */
void record_violation(
    struct record *record, const char *kind, struct slice detail);
/* Neither a message nor a violation: what `quiet` may leave out. */
bool record_is_empty(const struct record *record);
/* Any other notice worth the operator's eye ("source_port_taken"). */
void record_note(struct record *record, const char *note);

/* How it ended. */
struct record_end {
	char code[3];       /* who and where, as HAProxy has it; see README */
	const char *reason; /* our own words */
	struct slice error; /* detail, e.g. of an errno; may be empty */
	uint64_t mono_us;
	uint64_t client_in, client_out; /* octets on the client's leg */
	uint64_t server_in, server_out;
};

/* Writes the `session` line, with its newline, to `out`.  `seq` counts the
 * lines of one worker.  Where the lists do not fit they are left out.  False:
 * no room even so; nothing is appended. */
bool record_write(const struct record *record, const struct record_end *end,
    uint64_t seq, struct buf *out);
/* Writes the `start` line. */
bool record_write_start(
    const struct record *record, uint64_t seq, struct buf *out);
/* Writes a `ban` line: the rule has the client kept away. */
bool record_write_ban(const struct record *record,
    const struct policy_rule_id *rule, uint32_t seconds, uint64_t wall_us,
    uint64_t seq, struct buf *out);
/* Writes a `daemon` line (the program about itself). */
bool record_write_daemon(struct slice node, uint64_t wall_us, const char *level,
    const char *role, const char *text, uint64_t seq, struct buf *out);

/* A new reference: 16 characters of Crockford base 32; 48 bits of
 * milliseconds since 1970, then 32 bits that are unique on this node: `lane`
 * (worker and start, 12 bits) and a count (20 bits).  Sorts by time. */
void record_make_ref(
    uint64_t wall_ms, unsigned lane, unsigned count, char out[RECORD_REF + 1]);

/* The line of record_write is about to be put at this position of the ring.
 * The record itself may live on for a while. */
void record_goes_out(struct record *record, uint64_t position);

/*
 * The sessions of a worker that was killed, from its arena: each becomes a
 * `session` line, with what was known, the close code "I-" and the reason
 * "worker_died"; a message whose reply had not come has none.  Trusts nothing
 * in the arena.  `published`: where the worker's ring ends; a record that was
 * going out (record_goes_out) before there is passed over: its line is there.
 * `take` is called for each line; false: it could not be kept.  Returns how
 * many records are lost.
 */
enum {
	RECORD_RESCUE_MAX = 1000000 /* a list in a circle ends here */
};
typedef bool record_rescued_fn(void *arg, struct slice line);
unsigned record_rescue_all(const struct arena *arena, uint64_t mono_us,
    uint64_t published, record_rescued_fn *take, void *arg);
/* One of them.  False: it cannot be read, or has no room. */
bool record_rescue(const struct record *from, const struct arena *arena,
    uint64_t mono_us, uint64_t seq, struct buf *out);

#endif
