/*
 * The dialog, as its files see it: dialog.c (steps and events),
 * dialog_time.c (deadlines), dialog_policy.c (how the policy is asked), dialog_name.c and
 * dialog_envelope.c (what of), dialog_note.c (what the record is told).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef RELAY_DIALOG_PRIVATE_H
#define RELAY_DIALOG_PRIVATE_H

#include "relay/dialog.h"
#include "relay/greetings.h"
#include "smtp/smtp_engine.h"

enum {
	DETAIL_MAX = 96,
	USER_MAX = 256,
	SERVER_NAME_MAX = 256
};

/* A refusal that is said later (`at: mail|rcpt`). */
struct deferred {
	enum policy_at at;
	size_t len;
	char reply[POLICY_REPLY_MAX];
};

struct dialog {
	const struct dialog_listener *listener;
	struct dialog_start start;
	struct record *record;
	struct smtp_engine engine;
	struct greetings greetings; /* names judged in this session */
	struct greeting *current;   /* the one the server has to answer */
	struct greeting *greeted;   /* the one that the server took last */
	uint64_t now_us;
	unsigned greeting_count;
	bool begun;
	bool connecting; /* DIALOG_CONNECT was ordered, no answer yet */
	bool connect_due;
	bool splice;   /* the connect stage said so */
	bool accepted; /* accept: session */
	bool quiet;
	bool ehlo_refused;
	bool mail_open;
	bool reset_client;
	bool shaking[2];          /* by side: a handshake is under way */
	struct policy_tls tls_of; /* of the client's handshake */
	bool uplifted; /* a rule has said so: the leg stays encrypted */
	char detail[DETAIL_MAX];
	char server_name[SERVER_NAME_MAX]; /* of its greeting */

	/* Waiting for DNS, or for the end of a delay. */
	struct dns_book *book; /* NULL: the policy asks nothing */
	struct lookup *lookup; /* of the client, before it says a name */
	bool resolving;
	bool delaying;         /* until wake_us */
	uint64_t wait_from_us; /* when this wait for DNS began */
	uint64_t waited_us;    /* in waits for DNS that are over */
	uint64_t wake_us;

	/* The envelope, as far as rules ask. */
	struct deferred *deferred; /* of the name in force; NULL: nothing is */
	struct deferred *coming;   /* of `current`, until the server took it */
	char *mail_from;           /* NULL: MAIL was not asked about */
	size_t mail_from_len;
	int64_t mail_size;
	bool mail_utf8;
	unsigned rcpt_count, message_count;
	bool auth;
	size_t user_len, claimed_len;
	char user[USER_MAX];    /* as whom the server took the client */
	char claimed[USER_MAX]; /* as whom it asks to be taken */

	/* Message text that is on its way. */
	struct {
		bool on;
		uint64_t since_us;
		uint64_t from;       /* octets before it */
		uint64_t stalled_us; /* in which the server did not read */
		uint64_t stalled_since_us; /* 0: it does */
	} text;

	struct policy_limits limits;
	uint32_t ban_s; /* DIALOG_BAN is due */
	struct policy_rule_id ban_rule;
};

/* What the engine tells goes to the record (dialog_note.c). */
extern const struct smtp_hooks dialog_hooks;
/* Closes the record's open transaction, if there is one. */
void dialog_close_mail(struct dialog *dialog);

/* The policy is asked (dialog_policy.c): of the connection, of a command that
 * the engine asks about.  False: it needs time, and is to be asked again. */
bool dialog_begin(struct dialog *dialog);
bool dialog_ask(struct dialog *dialog);
/* A name (dialog_name.c), any other command (dialog_envelope.c). */
bool dialog_ask_name(
    struct dialog *dialog, enum smtp_verb verb, struct slice received);
bool dialog_ask_command(struct dialog *dialog);
/* The server refused the name that went on. */
void dialog_retry(struct dialog *dialog);
/* Which commands the policy wants to know of, and what it allows, while the
 * session goes by that name (NULL: none was taken). */
void dialog_set_wants(struct dialog *dialog, const struct greeting *greeting);
/* The session cannot go on: 421, and over. */
void dialog_no_memory(struct dialog *dialog);
/* The first one is why. */
void dialog_keep_detail(struct dialog *dialog, struct slice detail);
void dialog_fini_policy(struct dialog *dialog);
/* The client is over a limit, and was answered so. */
bool dialog_is_over_limits(struct dialog *dialog);
/* Before and after each step (dialog_time.c). */
void dialog_watch_server(struct dialog *dialog);
void dialog_watch_text(struct dialog *dialog);
/* The policy's greeting; 0: it has none. */
size_t dialog_banner(const struct dialog *dialog, char out[POLICY_REPLY_MAX]);

/* What those files share. */
const struct policy *dialog_policy(const struct dialog *dialog);
/* What is known before a name is said; with a name; now. */
struct policy_facts dialog_facts_before(const struct dialog *dialog);
void dialog_add_name(
    struct policy_facts *facts, const struct greeting *greeting);
struct policy_facts dialog_facts(const struct dialog *dialog);
/* True: `out` is the verdict.  False: it needs time; the dialog waits until
 * wake_us or for an answer.  Waits for DNS are added to *dns_us. */
bool dialog_decide(struct dialog *dialog, enum policy_stage stage,
    const struct policy_facts *facts, uint64_t *dns_us,
    struct policy_verdict *out);
bool dialog_is_put_again(const struct dialog *dialog);
/* What any verdict may bring along. */
void dialog_note_modifiers(
    struct dialog *dialog, const struct policy_verdict *verdict);
bool dialog_is_spoken_of(const struct policy_verdict *verdict);
bool dialog_is_deferred(const struct policy_verdict *verdict);
enum smtp_say dialog_say(const struct policy_verdict *verdict);
/* `commands` denies the verb, which was answered so. */
bool dialog_is_denied(struct dialog *dialog, enum smtp_verb verb);

/* What becomes of TLS (dialog_tls.c): at the begin; where a name goes on whose
 * rule says `what` of STARTTLS.  True: STARTTLS is not offered. */
void dialog_begin_tls(struct dialog *dialog);
bool dialog_order_starttls(struct dialog *dialog, enum policy_starttls what);
/* The first line that the server said. */
void dialog_keep_server_name(struct dialog *dialog, struct slice greeting);
/* A handshake did not end in time. */
void dialog_shook_too_long(struct dialog *dialog);

#endif
