/*
 * Reads the log back: one line at a time, in bounded memory, only the fields
 * that the tools ask for.  Lines of our own writer are read by a small strict
 * scanner; a line that is in any way unusual goes through jansson first, so
 * any JSON with our fields will do.  Fields that an older version did not
 * write are simply not there.
 *
 * What the writer escaped (base/json.h) is undone: a text here is the bytes
 * that the peer sent.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef AUDIT_LOG_READ_H
#define AUDIT_LOG_READ_H

#include "base/slice.h"

enum {
	LOG_LINE_MAX = 1024 * 1024 /* a longer line is none of ours */
};

/* Everywhere below: a slice whose ptr is NULL was null or not there.  Slices
 * live until the next line is read. */

/* A range of one of the session's arrays. */
struct log_range {
	unsigned first, count;
};

struct log_verdict {
	struct slice verdict, rule;
	struct slice would, would_rule; /* under monitor */
};

/* What the record says of DNS: `helo.dns`: a word, `client.ptr`: a list of
 * texts, `client.dnsbl`: a list for each zone. */
struct log_fact {
	struct slice fact;
	struct slice zone;      /* of a fact with zones */
	struct slice word;      /* ptr NULL: the fact is a list */
	struct log_range texts; /* of log_session.texts */
};

enum log_truth {
	LOG_UNSAID,
	LOG_FALSE,
	LOG_TRUE
};

struct log_connect {
	struct log_verdict verdict;
	struct log_range dns; /* of log_session.facts */
};

struct log_helo {
	struct log_verdict verdict;
	struct slice verb, received, forwarded;
	struct slice server_reply, reply, reply_by;
	enum log_truth fallback, tls;
	struct log_range dns;
};

struct log_rcpt {
	struct log_verdict verdict;
	struct slice to;
};

struct log_mail {
	struct log_verdict verdict;
	struct slice from;
	int64_t declared_size; /* -1: none */
	enum log_truth utf8;
	int64_t rcpt_total;    /* RCPT commands; -1: unsaid */
	struct log_range rcpt; /* those listed, of log_session.rcpts */
};

struct log_auth {
	struct slice result, user;
};

struct log_session {
	struct slice event_type, ref, src_ip, dest_ip, listener;
	int64_t src_port, dest_port; /* -1: none */
	int64_t helo_count;          /* those not listed too; -1: unsaid */
	enum log_truth truncated;
	struct slice tls_client, uninspected_after;
	struct slice tls_cipher, tls_sni, tls_subject, tls_fingerprint;
	bool has_connect;
	struct log_connect connect;
	const struct log_helo *helos;
	const struct log_mail *mails;
	const struct log_rcpt *rcpts;
	const struct log_auth *auths;
	const struct log_fact *facts;
	const struct slice *texts;
	unsigned helo_listed, mail_listed, auth_listed;
};

enum log_line {
	LOG_END,     /* of the file */
	LOG_SESSION, /* a session's record is in *out */
	LOG_OTHER,   /* some other line of JSON */
	LOG_BAD,     /* no JSON; log_reader_reason says why */
	LOG_FAILED   /* it cannot be read on; errno says why */
};

struct log_reader;

/* "-" is standard input.  NULL: errno says why. */
struct log_reader *log_reader_open(const char *path);
void log_reader_close(struct log_reader **reader);
/* The next line; blank ones are passed over. */
enum log_line log_reader_next(
    struct log_reader *reader, struct log_session *out);
/* Of the line that was read last, from 1. */
uint64_t log_reader_line(const struct log_reader *reader);
const char *log_reader_reason(const struct log_reader *reader);
/* Octets read so far, and of the whole file (0: not known). */
uint64_t log_reader_octets(const struct log_reader *reader, uint64_t *whole);
/* How many lines needed jansson. */
uint64_t log_reader_unusual(const struct log_reader *reader);

#endif
