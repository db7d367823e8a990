/*
 * Which fields of a session's line are wanted, and where they go.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/log_scan.h"

#include <stdlib.h>

enum {
	FACTS_MAX = 32 /* of one entry, where keys are compared */
};

#define MEMBERS(list) (list), sizeof(list) / sizeof((list)[0])
/* Room for one element more; false: no memory. */
static bool
grow(void **items, unsigned *size, unsigned count, size_t each)
{
	if (count < *size)
		return true;
	unsigned more = *size == 0 ? 16 : *size * 2;
	void *grown = realloc(*items, more * each);
	if (grown == NULL)
		return false;
	*items = grown;
	*size = more;
	return true;
}

#define GROW(room, items, size, count)                        \
	grow((void **)&(room)->items, &(room)->size, (count), \
	    sizeof(*(room)->items))

/* --- DNS ------------------------------------------------------------------------- */

/* A value of the wrong kind counts as not there. */
static bool
read_text_item(struct scan *scan, void *arg)
{
	struct log_fact *fact = arg;

	if (scan_peek(scan) != '"')
		return scan_skip(scan);
	if (!GROW(scan->room, texts, text_count_size, scan->text_count))
		return false;
	fact->texts.count++;
	return scan_string(scan, &scan->room->texts[scan->text_count++]);
}

static bool
add_fact(struct scan *scan, struct log_range *range, struct slice name,
    struct slice zone, struct log_fact **out)
{
	if (!GROW(scan->room, facts, fact_size, scan->fact_count))
		return false;
	*out = &scan->room->facts[scan->fact_count++];
	**out = (struct log_fact){
	    .fact = name, .zone = zone, .texts = {scan->text_count, 0}};
	range->count++;
	return true;
}

/* Whether a key was there before; jansson then takes the last one, in the
 * place of the first.  What leaves no fact (a number, no zone) is left to
 * jansson too, since it would not be seen here. */
static bool
is_twice(const struct scan *scan, const struct log_range *range,
    struct slice name, struct slice zone)
{
	if (scan->canonical)
		return false;
	for (unsigned i = range->first; i < range->first + range->count; i++)
		if (slice_eq(scan->room->facts[i].fact, name) &&
		    (zone.ptr == NULL ||
			scan->room->facts[i].zone.ptr == NULL ||
			slice_eq(scan->room->facts[i].zone, zone)))
			return true;
	return range->count >= FACTS_MAX;
}

static bool
read_zones(struct scan *scan, struct log_range *range, struct slice name)
{
	struct log_fact *fact;
	struct slice zone;

	if (++scan->depth > SCAN_DEPTH_MAX)
		return false;
	scan->at++;
	if (scan_take(scan, '}')) {
		scan->depth--;
		return scan->canonical;
	}
	do {
		if (!scan_key(scan, &zone) ||
		    is_twice(scan, range, name, zone) ||
		    !add_fact(scan, range, name, zone, &fact))
			return false;
		if (scan_peek(scan) == '"'
			? !scan_string(scan, &fact->word)
			: !scan_list(scan, read_text_item, fact))
			return false;
	} while (scan_take(scan, ','));
	scan->depth--;
	return scan_take(scan, '}');
}

static bool
read_fact(struct scan *scan, struct log_range *range)
{
	struct log_fact *fact;
	struct slice name;

	if (!scan_key(scan, &name) ||
	    is_twice(scan, range, name, (struct slice){NULL, 0}))
		return false;
	switch (scan_peek(scan)) {
	case '{':
		return read_zones(scan, range, name);
	case '"':
		return add_fact(
			   scan, range, name, (struct slice){NULL, 0}, &fact) &&
		       scan_string(scan, &fact->word);
	case '[':
		return add_fact(
			   scan, range, name, (struct slice){NULL, 0}, &fact) &&
		       scan_list(scan, read_text_item, fact);
	default:
		return scan->canonical && scan_skip(scan);
	}
}

static bool
read_facts(struct scan *scan, struct log_range *range)
{
	*range = (struct log_range){scan->fact_count, 0};
	if (scan_peek(scan) != '{')
		return scan_skip(scan);
	if (++scan->depth > SCAN_DEPTH_MAX)
		return false;
	scan->at++;
	if (scan_take(scan, '}')) {
		scan->depth--;
		return true;
	}
	do {
		if (!read_fact(scan, range))
			return false;
	} while (scan_take(scan, ','));
	scan->depth--;
	return scan_take(scan, '}');
}

/* --- entries ----------------------------------------------------------------------- */

/* clang-format off */
#define VERDICT(type)                                                                   \
	{SLICE("verdict"), MEMBER_TEXT, offsetof(type, verdict.verdict), NULL},         \
	{SLICE("would"), MEMBER_TEXT, offsetof(type, verdict.would), NULL},             \
	{SLICE("rule"), MEMBER_TEXT, offsetof(type, verdict.rule), NULL},               \
	{SLICE("would_rule"), MEMBER_TEXT, offsetof(type, verdict.would_rule), NULL}
#define TEXT(type, name) {SLICE(#name), MEMBER_TEXT, offsetof(type, name), NULL}
#define NUMBER(type, name, place) {SLICE(name), MEMBER_NUMBER, offsetof(type, place), NULL}
#define TRUTH(type, name) {SLICE(#name), MEMBER_TRUTH, offsetof(type, name), NULL}
#define READ(name, read) {SLICE(name), MEMBER_READ, 0, read}
/* clang-format on */

static bool
read_connect_dns(struct scan *scan, void *into)
{
	return read_facts(scan, &((struct log_connect *)into)->dns);
}

static bool
read_connect(struct scan *scan, void *into)
{
	static const struct member members[] = {
	    VERDICT(struct log_connect), READ("dns", read_connect_dns)};

	(void)into;
	if (scan_peek(scan) != '{')
		return scan_skip(scan);
	scan->out->has_connect = true;
	return scan_object(scan, MEMBERS(members), &scan->out->connect);
}

static bool
read_helo_dns(struct scan *scan, void *into)
{
	return read_facts(scan, &((struct log_helo *)into)->dns);
}

static bool
read_helo(struct scan *scan, void *arg)
{
	static const struct member members[] = {VERDICT(struct log_helo),
	    TEXT(struct log_helo, verb), TEXT(struct log_helo, received),
	    TEXT(struct log_helo, forwarded),
	    TEXT(struct log_helo, server_reply), TEXT(struct log_helo, reply),
	    TEXT(struct log_helo, reply_by), TRUTH(struct log_helo, fallback),
	    TRUTH(struct log_helo, tls), READ("dns", read_helo_dns)};
	struct log_session *out = scan->out;

	(void)arg;
	if (scan_peek(scan) != '{')
		return scan_skip(scan);
	if (!GROW(scan->room, helos, helo_size, out->helo_listed))
		return false;
	struct log_helo *helo = &scan->room->helos[out->helo_listed++];
	*helo = (struct log_helo){.fallback = LOG_UNSAID};
	return scan_object(scan, MEMBERS(members), helo);
}

static bool
read_helos(struct scan *scan, void *into)
{
	return scan_list(scan, read_helo, into);
}

static bool
read_rcpt(struct scan *scan, void *arg)
{
	static const struct member members[] = {
	    VERDICT(struct log_rcpt), TEXT(struct log_rcpt, to)};
	struct log_range *range = arg;

	if (scan_peek(scan) != '{')
		return scan_skip(scan);
	if (!GROW(scan->room, rcpts, rcpt_size, scan->rcpt_count))
		return false;
	struct log_rcpt *rcpt = &scan->room->rcpts[scan->rcpt_count++];
	*rcpt = (struct log_rcpt){.to = {NULL, 0}};
	range->count++;
	return scan_object(scan, MEMBERS(members), rcpt);
}

static bool
read_rcpts(struct scan *scan, void *into)
{
	struct log_mail *mail = into;

	mail->rcpt = (struct log_range){scan->rcpt_count, 0};
	return scan_list(scan, read_rcpt, &mail->rcpt);
}

static bool
read_mail(struct scan *scan, void *arg)
{
	static const struct member members[] = {VERDICT(struct log_mail),
	    TEXT(struct log_mail, from), TRUTH(struct log_mail, utf8),
	    NUMBER(struct log_mail, "declared_size", declared_size),
	    NUMBER(struct log_mail, "rcpt_count", rcpt_total),
	    READ("rcpt", read_rcpts)};
	struct log_session *out = scan->out;

	(void)arg;
	if (scan_peek(scan) != '{')
		return scan_skip(scan);
	if (!GROW(scan->room, mails, mail_size, out->mail_listed))
		return false;
	struct log_mail *mail = &scan->room->mails[out->mail_listed++];
	*mail = (struct log_mail){.declared_size = -1, .rcpt_total = -1};
	return scan_object(scan, MEMBERS(members), mail);
}

static bool
read_mails(struct scan *scan, void *into)
{
	return scan_list(scan, read_mail, into);
}

static bool
read_auth(struct scan *scan, void *arg)
{
	static const struct member members[] = {
	    TEXT(struct log_auth, result), TEXT(struct log_auth, user)};
	struct log_session *out = scan->out;

	(void)arg;
	if (scan_peek(scan) != '{')
		return scan_skip(scan);
	if (!GROW(scan->room, auths, auth_size, out->auth_listed))
		return false;
	struct log_auth *auth = &scan->room->auths[out->auth_listed++];
	*auth = (struct log_auth){.result = {NULL, 0}};
	return scan_object(scan, MEMBERS(members), auth);
}

static bool
read_auths(struct scan *scan, void *into)
{
	return scan_list(scan, read_auth, into);
}

static bool
read_tls(struct scan *scan, void *into)
{
	static const struct member members[] = {
	    {SLICE("client"), MEMBER_TEXT,
		offsetof(struct log_session, tls_client), NULL},
	    {SLICE("client_cipher"), MEMBER_TEXT,
		offsetof(struct log_session, tls_cipher), NULL},
	    {SLICE("client_sni"), MEMBER_TEXT,
		offsetof(struct log_session, tls_sni), NULL},
	    {SLICE("client_subject"), MEMBER_TEXT,
		offsetof(struct log_session, tls_subject), NULL},
	    {SLICE("client_fingerprint"), MEMBER_TEXT,
		offsetof(struct log_session, tls_fingerprint), NULL}};

	if (scan_peek(scan) != '{')
		return scan_skip(scan);
	return scan_object(scan, MEMBERS(members), into);
}

/* --- the line ---------------------------------------------------------------------- */

static const struct member session_members[] = {
    TEXT(struct log_session, event_type),
    {SLICE("session"), MEMBER_TEXT, offsetof(struct log_session, ref), NULL},
    TEXT(struct log_session, src_ip), TEXT(struct log_session, dest_ip),
    TEXT(struct log_session, listener),
    TEXT(struct log_session, uninspected_after),
    NUMBER(struct log_session, "src_port", src_port),
    NUMBER(struct log_session, "dest_port", dest_port),
    NUMBER(struct log_session, "helo_count", helo_count),
    TRUTH(struct log_session, truncated), READ("tls", read_tls),
    READ("connect", read_connect), READ("helo", read_helos),
    READ("mail", read_mails), READ("auth", read_auths)};

bool
log_scan(struct slice line, bool canonical, struct log_room *room,
    struct log_session *out)
{
	struct scan scan = {.at = line.ptr,
	    .end = line.ptr + line.len,
	    .canonical = canonical,
	    .room = room,
	    .out = out};

	*out = (struct log_session){
	    .src_port = -1, .dest_port = -1, .helo_count = -1};
	if (room->text_size < line.len + 1) {
		char *grown = realloc(room->text, line.len + 1);
		if (grown == NULL)
			return false;
		room->text = grown;
		room->text_size = line.len + 1;
	}
	if (!scan_object(&scan, MEMBERS(session_members), out) ||
	    (scan_peek(&scan), scan.at != scan.end))
		return false;
	out->helos = room->helos;
	out->mails = room->mails;
	out->rcpts = room->rcpts;
	out->auths = room->auths;
	out->facts = room->facts;
	out->texts = room->texts;
	return true;
}

void
log_room_fini(struct log_room *room)
{
	free(room->text);
	free(room->helos);
	free(room->mails);
	free(room->rcpts);
	free(room->auths);
	free(room->facts);
	free(room->texts);
	*room = (struct log_room){.text = NULL};
}
