/*
 * From a record to the facts of a decision.  See recorded.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/recorded.h"

#include "audit/record.h"
#include "base/log.h"

enum {
	VALUES_MAX = 64
};

static const struct slice helo_facts[] = {{"helo", 4}, {"helo.form", 9},
    {"helo.flaw", 9}, {"helo.valid", 10}, {"helo.verb", 9}, {"helo.repeat", 11},
    {"helo.fallback", 13}, {"helo.refused_by", 15}, {"helo.literal", 12}};

static uint64_t
helo_bits(void)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < sizeof(helo_facts) / sizeof(helo_facts[0]); i++)
		bits |= policy_fact_bit(helo_facts[i]);
	return bits;
}

void
recorded_begin(const struct log_session *session, struct policy_facts *facts)
{
	*facts = (struct policy_facts){.listener = session->listener,
	    .ref = session->ref,
	    .mail_size = -1};
	if (!addr_parse(session->src_ip, &facts->client))
		facts->unknown |= policy_fact_bit(SLICE("client"));
	if (!addr_parse(session->dest_ip, &facts->server.addr))
		facts->unknown |= policy_fact_bit(SLICE("server"));
	if (session->dest_port < 0 || session->dest_port > UINT16_MAX)
		facts->unknown |= policy_fact_bit(SLICE("port"));
	else
		facts->server.port = (uint16_t)session->dest_port;
	if (session->listener.ptr == NULL)
		facts->unknown |= policy_fact_bit(SLICE("listener"));
}

/* Whether the gate itself spoke TLS with the client: then some greetings were
 * inside it. */
static bool
had_tls(const struct log_session *session)
{
	static const struct slice without[] = {
	    {"", 0}, {"none", 4}, {"passed", 6}, {"unseen", 6}};

	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		if (slice_eq(session->tls_client, without[i]))
			return false;
	return true;
}

/* What the client's handshake brought, to what was said in it. */
static void
recorded_tls(
    const struct log_session *session, bool inside, struct policy_facts *facts)
{
	if (!inside)
		return;
	facts->tls_of = (struct policy_tls){session->tls_client,
	    session->tls_cipher, session->tls_sni, session->tls_subject,
	    session->tls_fingerprint};
	/* Logs from before these were recorded have no cipher. */
	if (session->tls_cipher.len == 0)
		facts->unknown |=
		    policy_fact_bit(SLICE("tls.cipher")) |
		    policy_fact_bit(SLICE("tls.sni")) |
		    policy_fact_bit(SLICE("tls.client_subject")) |
		    policy_fact_bit(SLICE("tls.client_fingerprint"));
}

/* What was accepted by AUTH, and whether there was any. */
static bool
find_auth(const struct log_session *session, struct slice *user)
{
	for (unsigned i = 0; i < session->auth_listed; i++) {
		if (!slice_eq(session->auths[i].result, SLICE("accepted")))
			continue;
		*user = session->auths[i].user;
		return true;
	}
	return false;
}

void
recorded_helo(const struct log_session *session, const struct log_helo *helo,
    struct helo *judged, struct policy_facts *facts)
{
	bool first = helo == session->helos;
	struct slice user;

	facts->helo = helo->received;
	facts->verb = slice_eq(helo->verb, SLICE("HELO")) ? POLICY_VERB_HELO
							  : POLICY_VERB_EHLO;
	facts->fallback = helo->fallback == LOG_TRUE;
	facts->tls = helo->tls == LOG_TRUE;
	helo_analyse(facts->helo,
	    facts->client.family == 0 ? NULL : &facts->client, judged);
	facts->judged = judged;
	/* The writer's cap: what stood behind it is lost. */
	if (helo->received.ptr == NULL ||
	    (session->truncated == LOG_TRUE &&
		helo->received.len >= RECORD_TEXT_MAX))
		facts->unknown |= helo_bits();
	if (helo->verb.ptr == NULL)
		facts->unknown |= policy_fact_bit(SLICE("helo.verb"));
	if (helo->fallback == LOG_UNSAID)
		facts->unknown |= policy_fact_bit(SLICE("helo.fallback"));
	if (helo->tls == LOG_UNSAID && !first && had_tls(session))
		facts->unknown |= policy_fact_bit(SLICE("tls"));
	recorded_tls(session, helo->tls == LOG_TRUE, facts);
	/* The record does not say which came first. */
	if (!first && find_auth(session, &user))
		facts->unknown |= policy_fact_bit(SLICE("auth")) |
				  policy_fact_bit(SLICE("auth.user"));
}

void
recorded_no_helo(struct helo *judged, struct policy_facts *facts)
{
	helo_analyse(SLICE(""), NULL, judged);
	facts->judged = judged;
	facts->unknown |= helo_bits();
}

void
recorded_mail(const struct log_session *session, const struct log_mail *mail,
    struct policy_facts *facts)
{
	struct slice user = {NULL, 0};

	recorded_tls(session, had_tls(session), facts);
	facts->unknown &= ~(policy_fact_bit(SLICE("auth")) |
			    policy_fact_bit(SLICE("auth.user")));
	/* A client that authenticates does so before its first message. */
	facts->auth = find_auth(session, &user);
	facts->auth_user = user;
	if (facts->auth && user.ptr == NULL)
		facts->unknown |= policy_fact_bit(SLICE("auth.user"));
	facts->mail_from = mail->from;
	facts->mail_size = mail->declared_size;
	facts->mail_utf8 = mail->utf8 == LOG_TRUE;
	if (mail->from.ptr == NULL || (session->truncated == LOG_TRUE &&
					  mail->from.len >= RECORD_TEXT_MAX))
		facts->unknown |= policy_fact_bit(SLICE("mail.from"));
	if (mail->utf8 == LOG_UNSAID)
		facts->unknown |= policy_fact_bit(SLICE("mail.utf8"));
}

/* --- DNS ------------------------------------------------------------------------- */

static void
give_word(struct lookup *lookup, enum lookup_fact fact, struct slice word)
{
	const char *const *words = lookup_words(fact);
	struct lookup_value value = {.state = LOOKUP_KNOWN};

	for (; words[value.word] != NULL; value.word++) {
		if (!slice_eq(word, slice_str(words[value.word])))
			continue;
		if (slice_eq(word, SLICE("temperror")))
			value.state = LOOKUP_TEMPERROR;
		lookup_give(lookup, fact, &value);
		return;
	}
}

/* The addresses among the texts of a fact; false: it says something else. */
static bool
read_addresses(const struct log_session *session, const struct log_fact *from,
    struct addr addrs[VALUES_MAX], struct lookup_value *value)
{
	*value = (struct lookup_value){.state = LOOKUP_KNOWN, .addrs = addrs};
	if (from->word.ptr != NULL) {
		value->state = LOOKUP_TEMPERROR;
		return slice_eq(from->word, SLICE("temperror"));
	}
	for (unsigned i = 0; i < from->texts.count && i < VALUES_MAX; i++)
		if (addr_parse(session->texts[from->texts.first + i],
			&addrs[value->addr_count]))
			value->addr_count++;
	return true;
}

static void
give_list(struct lookup *lookup, enum lookup_fact fact,
    const struct log_session *session, const struct log_fact *from)
{
	struct addr addrs[VALUES_MAX];
	struct lookup_value value;

	if (!read_addresses(session, from, addrs, &value))
		return;
	if (fact == LOOKUP_CLIENT_PTR) {
		value.addr_count = 0;
		value.names = session->texts + from->texts.first;
		value.name_count = from->texts.count < VALUES_MAX
				       ? from->texts.count
				       : VALUES_MAX;
	}
	lookup_give(lookup, fact, &value);
}

static void
give_zone(struct lookup *lookup, enum lookup_zone kind,
    const struct log_session *session, const struct log_fact *from)
{
	struct addr addrs[VALUES_MAX];
	struct lookup_value value;

	if (read_addresses(session, from, addrs, &value))
		lookup_give_zone(lookup, kind, from->zone, &value);
}

static void
give_fact(struct lookup *lookup, const struct log_session *session,
    const struct log_fact *from)
{
	if (from->zone.ptr != NULL &&
	    slice_eq(from->fact, SLICE("client.dnsbl")))
		give_zone(lookup, LOOKUP_CLIENT_DNSBL, session, from);
	if (from->zone.ptr != NULL && slice_eq(from->fact, SLICE("helo.rhsbl")))
		give_zone(lookup, LOOKUP_HELO_RHSBL, session, from);
	for (unsigned i = 0; i < LOOKUP_FACT_COUNT; i++) {
		enum lookup_fact fact = (enum lookup_fact)i;
		if (!slice_eq(from->fact, slice_str(lookup_fact_name(fact))))
			continue;
		if (lookup_words(fact) == NULL)
			give_list(lookup, fact, session, from);
		else if (from->word.ptr != NULL)
			give_word(lookup, fact, from->word);
	}
}

static void
give_range(struct lookup *lookup, const struct log_session *session,
    const struct log_range *range)
{
	for (unsigned i = 0; i < range->count; i++)
		give_fact(lookup, session, &session->facts[range->first + i]);
}

struct lookup *
recorded_lookup(const struct log_session *session, const struct log_helo *helo,
    const struct policy_facts *facts)
{
	const struct lookup_subject subject = {.client = facts->client,
	    .helo = helo == NULL ? SLICE("") : facts->helo,
	    .judged = helo == NULL ? NULL : facts->judged};
	struct lookup *lookup;

	if (session->connect.dns.count == 0 &&
	    (helo == NULL || helo->dns.count == 0))
		return NULL;
	lookup = lookup_new(&subject, NULL);
	if (lookup == NULL)
		log_fatal("no memory");
	give_range(lookup, session, &session->connect.dns);
	if (helo != NULL)
		give_range(lookup, session, &helo->dns);
	return lookup;
}
