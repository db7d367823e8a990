/*
 * One SMTP conversation without its sockets: the engine, the policy and the
 * record, joined.  Bytes of either side go in, bytes for either side come
 * out, and now and then an order to whoever owns the connections.  The daemon
 * drives it from libev, tests from a transcript; it owns no descriptor and
 * reads no clock (the time comes in as an argument).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef RELAY_DIALOG_H
#define RELAY_DIALOG_H

#include "audit/record.h"
#include "base/buf.h"
#include "policy/policy.h"

struct pool;

struct dns_book;
typedef enum policy_outcome dialog_decide_fn(void *arg,
    const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, struct policy_verdict *out);

/* Milliseconds: of the configuration's and the policy's the shorter ones. */
struct dialog_timeouts {
	uint32_t greeting, command, data_block, data_end, connect, handshake;
};

/* What the configuration lets one client have; 0: any number.  It only refuses
 * where `enforce` is set; what the policy limits holds besides. */
struct dialog_client_limits {
	unsigned sessions;
	struct policy_rate rate;
	bool enforce;
};

/* Whether the server's leg is encrypted by TLS of ours. */
enum dialog_wish {
	DIALOG_WISH_NONE,
	DIALOG_WISH_MIRROR, /* as the client's is */
	DIALOG_WISH_TRY,
	DIALOG_WISH_MUST
};

/* Shared by all dialogs of a listener; outlives them. */
struct dialog_listener {
	struct slice name;
	const char *mode; /* "tproxy", "redirect", "explicit" */
	const struct policy *policy;
	/* tls: {client: ...}, where no rule says otherwise; UNSAID: pass. */
	enum policy_starttls starttls;
	/* tls: {server: ...}, of uplift; of terminate and intercept. */
	enum dialog_wish uplift_wish, end_wish;
	bool implicit;           /* TLS begins with the connection; of terminate
				  * and intercept */
	bool reset_upstream;     /* on_upstream_failure: reset */
	bool greet_first;        /* greeting: gate */
	uint32_t dns_timeout_ms; /* that a session may wait for DNS, in all */
	struct dialog_timeouts timeouts;
	struct dialog_client_limits client_limits;
	struct slice node;
	/* Asked in place of policy_decide where it is set: by tools that know
	 * what DNS would say, or want to see the verdicts. */
	dialog_decide_fn *decide;
	void *decide_arg;
};

enum {
	DIALOG_RATES = 4
};

/* What the client has with this session; all 0: it is not counted. */
struct dialog_counts {
	unsigned sessions;
	struct policy_rate rates[DIALOG_RATES]; /* connections within a time */
};

/* Who talks to whom. */
struct dialog_start {
	struct arena *arena; /* of its record; NULL: the heap */
	struct dialog_counts counts;
	bool bypass; /* intercept lets this server's handshake pass */
	struct endpoint client;
	struct endpoint server;
	char ref[RECORD_REF + 1];
	uint64_t wall_us;
	uint64_t mono_us;
};

/* The four buffers, the caller's storage.  The caller appends what it reads
 * to `in` and sends what stands in `out`.  Room in an `out` is what the
 * dialog may fill: a full one stops the reading of the other side's `in`. */
struct dialog_io {
	struct buf client_in, client_out;
	struct buf server_in, server_out;
};

enum dialog_order {
	DIALOG_WAIT,    /* nothing to do until there is I/O or time passes */
	DIALOG_CONNECT, /* connect to the server now; may come again after
			 * DIALOG_CUT */
	DIALOG_BLIND,   /* from now on relay both directions unread: what stands
			 * in the `in` buffers first.  With tls_only the first
			 * byte of the client must be 0x16. */
	DIALOG_RESOLVE, /* answer the questions of dialog_book that were not
			 * taken yet; then, or when some have come,
			 * dialog_step again */
	DIALOG_BAN,     /* keep the client away: act->ban_s, act->ban_rule */
	DIALOG_TLS_CLIENT, /* send what stands in client_out, then begin TLS
			    * on the client's connection: dialog_secured or
			    * dialog_tls_failed follows */
	DIALOG_TLS_SERVER, /* the same of the server's */
	DIALOG_CUT,  /* reset the server's connection, keep the client's; no
			 * dialog_eof for the server follows */
	DIALOG_CLOSE /* send what stands in the `out` buffers, then close as
			 * the flags below say */
};

struct dialog_act {
	enum dialog_order order;
	bool tls_only;     /* of BLIND */
	bool intercepts;   /* of TLS_CLIENT: by a certificate made for the
			    * server */
	bool reset_client; /* of CLOSE: by RST, and nothing more is sent */
	bool reset_server; /* of CLOSE: by RST, what is unsent is dropped */
	uint32_t ban_s;    /* of BAN */
	const struct policy_rule_id *ban_rule;
};

/* What the dialog waits for now, so that the caller can set its timer. */
enum dialog_wait {
	DIALOG_WAIT_CONNECT,  /* the upstream connection */
	DIALOG_WAIT_GREETING, /* the server's 220 */
	DIALOG_WAIT_COMMAND,  /* a command of the client, or a server's reply */
	DIALOG_WAIT_BLOCK,    /* message text */
	DIALOG_WAIT_END,      /* the reply to the end of data */
	DIALOG_WAIT_BLIND,    /* anything, either way */
	DIALOG_WAIT_HANDSHAKE,
	DIALOG_WAIT_DNS,  /* answers of DNS, until dialog_wake_us */
	DIALOG_WAIT_DELAY /* nothing, until dialog_wake_us */
};

enum dialog_side {
	DIALOG_CLIENT,
	DIALOG_SERVER
};

/* Why the upstream connection failed. */
enum dialog_failure {
	DIALOG_REFUSED,
	DIALOG_UNREACHABLE,
	DIALOG_TIMED_OUT,
	DIALOG_NO_PORT,      /* no free source port */
	DIALOG_LOOP,         /* it would come back to the gate */
	DIALOG_NO_RESOURCES, /* descriptors, memory, a limit of the gate */
	DIALOG_NO_LOG        /* no sink can be written and log.on_failure is
			      * refuse: decided before connecting */
};

struct dialog;

/* NULL: no memory.  `pool` gives small blocks and outlives the dialog. */
struct dialog *dialog_new(const struct dialog_listener *listener,
    const struct dialog_start *start, struct dialog_io *io);
void dialog_free(struct dialog **dialog);

/* Does all that can be done with the bytes that are there.  Call it once at
 * the start, then after every change: bytes in `in`, room in `out`, an event
 * below.  Returns DIALOG_WAIT when nothing is left; another order is to be
 * carried out, and then dialog_step called again, except after CLOSE. */
void dialog_step(
    struct dialog *dialog, uint64_t mono_us, struct dialog_act *act);

/* Events; each is followed by dialog_step. */
void dialog_connected(
    struct dialog *dialog, const struct endpoint *local, uint64_t mono_us);
void dialog_failed(
    struct dialog *dialog, enum dialog_failure why, struct slice detail);
/* A handshake begins that was not ordered: of an implicit listener. */
void dialog_shakes(struct dialog *dialog, enum dialog_side side);
/* Connections to the server, of an implicit listener, begin with TLS; so does
 * the client's, by a certificate of ours or one that is made for the server. */
bool dialog_wraps_server(const struct dialog *dialog);
enum policy_starttls dialog_wraps_client(const struct dialog *dialog);
/* Who the server said it is, in its greeting; empty: not yet, or no name. */
struct slice dialog_server_name(const struct dialog *dialog);
/* A handshake is done; what came of it outlives the dialog; or it failed. */
void dialog_secured(
    struct dialog *dialog, enum dialog_side side, const struct record_tls *tls);
void dialog_tls_failed(
    struct dialog *dialog, enum dialog_side side, struct slice detail);
/* End of file, or an error (`detail` says which), on a side. */
void dialog_eof(
    struct dialog *dialog, enum dialog_side side, struct slice detail);
void dialog_timed_out(struct dialog *dialog);
/* The program ends: 421 to the client as soon as no reply is awaited. */
void dialog_drain(struct dialog *dialog);

enum dialog_wait dialog_waits(const struct dialog *dialog);
/* Of BLOCK: when the message is too slow on the average, on the clock of
 * dialog_step; moves with the progress. */
uint64_t dialog_text_due_us(const struct dialog *dialog);
/* Of DNS and DELAY: when dialog_timed_out is due (the clock of dialog_step). */
uint64_t dialog_wake_us(const struct dialog *dialog);
/* What is asked of DNS and answered; NULL: nothing ever is. */
struct dns_book *dialog_book(struct dialog *dialog);
/* A rule said `quiet`, and there is nothing that must be known all the same:
 * no record is wanted. */
bool dialog_is_quiet(const struct dialog *dialog);
/* Changes whenever a command or a block is complete: the timer of
 * dialog_waits starts anew then (deadlines are per command, not per read). */
unsigned dialog_progress(const struct dialog *dialog);
/* The session's reference. */
const char *dialog_ref(const struct dialog *dialog);

/* The connect stage said splice: blind as soon as connected. */
bool dialog_is_spliced(const struct dialog *dialog);
/* Blind after STARTTLS, and the client's first bytes are no TLS: the session
 * is over; both connections are to be reset. */
void dialog_not_tls(struct dialog *dialog, struct slice first);

/* Worth the operator's eye in the record ("source_port_taken"). */
void dialog_note(struct dialog *dialog, const char *note);

/* The `session` line into `out`, after CLOSE or when the connections are
 * gone.  Octets are those that crossed the sockets. */
struct dialog_octets {
	uint64_t client_in, client_out, server_in, server_out;
};
/* The `start` line, right after dialog_new. */
bool dialog_write_start(
    const struct dialog *dialog, uint64_t seq, struct buf *out);
/* The `ban` line, on DIALOG_BAN. */
bool dialog_write_ban(const struct dialog *dialog,
    const struct policy_rule_id *rule, uint32_t seconds, uint64_t seq,
    struct buf *out);
bool dialog_write_record(struct dialog *dialog,
    const struct dialog_octets *octets, uint64_t mono_us, uint64_t seq,
    struct buf *out);
/* That line is about to be put at this position of the ring. */
void dialog_record_goes_out(struct dialog *dialog, uint64_t position);

#endif
