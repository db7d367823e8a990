/*
 * The record, as its files see it: record.c and record_mail.c fill it,
 * record_write.c makes the lines.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef AUDIT_RECORD_PRIVATE_H
#define AUDIT_RECORD_PRIVATE_H

#include "audit/record.h"
#include "base/arena.h"
#include "base/json.h"

enum {
	/* Finished parts stand here as JSON text.  A list of entries is full
	 * at its first number; from then on the newest entry takes the place
	 * of the one before it, so the first ones and the last are known.  The
	 * second number leaves room for one entry more, however long.  All of
	 * them together stay below RECORD_MAX. */
	RECORD_HELO_FULL = 16 * 1024,
	RECORD_HELO_MAX = 44 * 1024,
	RECORD_MAIL_FULL = 40 * 1024,
	RECORD_MAIL_MAX = 108 * 1024,
	RECORD_RCPT_BYTES = 56 * 1024, /* of one message */
	RECORD_LIST_MAX = 8 * 1024,
	RECORD_KEYWORDS_MAX = 4 * 1024,
	RECORD_NOTES_MAX = 1024,
	RECORD_TLS_MAX = 3 * 1024, /* of each leg */
	RECORD_DETAIL_MAX = 256,   /* of a violation or an error */
	RECORD_KEYWORD_MAX = 64,
	RECORD_WORD_MAX = 16
};

/* What a session waits for; its time is counted under these names. */
#define RECORD_PHASES(PHASE)      \
	PHASE(CONNECT, "connect") \
	PHASE(GREET, "greeting")  \
	PHASE(COMMAND, "command") \
	PHASE(MAIL, "mail")       \
	PHASE(ACCEPT, "accept")   \
	PHASE(BLIND, "blind")

enum record_phase {
#define RECORD_PHASE_ENUM(id, name) RECORD_PHASE_##id,
	RECORD_PHASES(RECORD_PHASE_ENUM)
#undef RECORD_PHASE_ENUM
	RECORD_PHASE_COUNT
};

/* A copied text of a peer, capped. */
struct record_text {
	char *ptr; /* NULL: none */
	uint16_t len;
};

/* One of our own words, such as who replied; empty: none.  The letters stand
 * here, because a pointer in the record of a dead worker is not followed. */
struct record_word {
	char text[RECORD_WORD_MAX];
};

/* Entries as JSON text, the newest from `last` on. */
struct record_list {
	struct buf text;
	size_t full;
	size_t last;
};

struct record {
	struct arena_link link; /* first: it is found by it */
	struct record_start start;
	struct record_word mode;
	char *names; /* its text, where it stands in an arena */
	bool goes_out;
	uint64_t goes_out_at; /* of the ring */
	struct endpoint local;
	bool connected;
	enum record_phase phase;
	uint64_t now_us; /* the clock, as last told */
	uint64_t phase_us[RECORD_PHASE_COUNT];
	struct record_text greeting, server_greeting;
	struct record_word greeting_by;
	struct buf connect;      /* the verdict of the connect stage */
	struct record_list helo; /* the newest lacks its end while open */
	unsigned helo_count;
	bool helo_open;
	struct {
		struct record_text forwarded, server_reply, reply;
		struct record_word reply_by;
		uint32_t repairs;
	} name;                     /* of the open entry */
	struct buf offered, masked; /* keywords */
	struct buf auth;            /* finished entries */
	struct record_text auth_mechanism, auth_user;
	bool auth_open;
	struct record_list mail; /* finished entries */
	unsigned message_count;  /* ended by a reply to the message */
	bool mail_open;
	/* The verdict of what comes next, MAIL or RCPT: members as JSON text;
	 * empty: no rule spoke. */
	struct buf verdict;
	struct {
		struct record_text from, reply, message_id;
		struct record_text verdict; /* members as JSON text */
		struct record_word reply_by;
		struct record_text refusal; /* of DATA or BDAT */
		struct record_word refused_by;
		bool refusal_delivered;
		struct buf rcpt;     /* answered ones, as JSON text */
		struct buf awaiting; /* length-prefixed, not yet answered */
		bool rcpt_full;      /* the later ones are only counted */
		unsigned rcpt_count;
		int64_t size;
		uint64_t octets, stray;
		bool has_text;
	} message;
	struct buf violations, notes;
	unsigned violation_count;
	struct record_word tls[2]; /* of the client's leg, the server's */
	struct buf tls_more[2];    /* what else is known of it: members as JSON
				 * text */
	struct record_word blind;  /* empty: all was seen */
	bool truncated;
};

/* `str` NULL: none. */
void record_set_word(struct record_word *word, const char *str);
void record_put_word(
    struct json *json, const char *key, const struct record_word *word);
static inline bool
record_has_word(const struct record_word *word)
{
	return word->text[0] != '\0';
}

/* The time until now went to the phase so far. */
void record_enter(struct record *record, enum record_phase phase);

/* Copies and caps; what is cut marks the record as truncated. */
void record_set_text(
    struct record *record, struct record_text *text, struct slice from);
void record_clear_text(struct record *record, struct record_text *text);
void record_put_capped(struct record *record, struct json *json,
    const char *key, struct slice bytes);
/* null where there is none. */
void record_put_text(
    struct json *json, const char *key, const struct record_text *text);
/* `prefix`, `prefix`_file and `prefix`_line; null where there is no rule. */
void record_put_rule(
    struct json *json, const char *prefix, const struct policy_rule_id *rule);
/* A list that is kept as text, whole. */
void record_put_list(
    struct json *json, const char *key, const struct buf *list);

/* Starts an element of a list that is kept as text. */
void record_element(struct json *json, struct buf *list, size_t *mark);
/* Ends it: what did not fit is taken back. */
void record_element_end(
    struct record *record, struct json *json, struct buf *list, size_t mark);
/* The same for a list that keeps its newest entry in any case.  False: the
 * entry found no room or no memory. */
void record_entry(
    struct record *record, struct json *json, struct record_list *list);
bool record_entry_end(
    struct record *record, struct json *json, struct record_list *list);

/* What DNS said, with the time that it took; nothing where nothing was asked. */
void record_put_dns(
    struct json *json, const struct lookup *lookup, uint64_t dns_us);

/* Ends of entries that are still open, into whatever is being written. */
void record_put_helo_end(struct json *json, const struct record *record);
void record_put_auth_open(struct json *json, const struct record *record);
/* The open message up to its reply; `listed` false: its recipients are only
 * counted.  The object is left open. */
void record_put_message(
    struct json *json, const struct record *record, bool listed);

/* The queue id in a server's final reply, in the spellings of Postfix, Exim,
 * OpenSMTPD, Sendmail, Exchange, qmail and others; empty where there is
 * none. */
struct slice record_queue_id(struct slice reply);

#endif
