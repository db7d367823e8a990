/*
 * A record with everything in it, for the tests of the audit layer.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_RECORD_FIXTURE_H
#define TESTS_RECORD_FIXTURE_H

#include "audit/record.h"

static const struct record_end fixture_end = {.code = "C-",
    .reason = "quit",
    .error = {"Connection reset by peer", 24},
    .mono_us = 1000000 + 4321000,
    .client_in = 1200,
    .client_out = 340,
    .server_in = 341,
    .server_out = 1199};

static inline struct endpoint
fixture_endpoint(const char *text)
{
	struct endpoint endpoint = {0};

	if (!endpoint_parse(slice_str(text), &endpoint))
		abort();
	return endpoint;
}

/* NULL: no memory. */
static inline struct record *
fixture_record_in(struct arena *arena)
{
	struct record_start start = {.arena = arena,
	    .node = SLICE("gate1"),
	    .listener = SLICE("inbound"),
	    .mode = "tproxy",
	    .client_sessions = 2,
	    .client_rate = 3,
	    .client = fixture_endpoint("192.0.2.7:40001"),
	    .server = fixture_endpoint("[2001:db8::25]:25"),
	    .policy_version = SLICE("0123456789abcdef"),
	    .wall_us = UINT64_C(1795518123123456),
	    .mono_us = 1000000};

	record_make_ref(start.wall_us / 1000, 3, 77, start.ref);
	return record_new(&start);
}

static inline struct record *
fixture_record(void)
{
	return fixture_record_in(NULL);
}

/* The verdict of a rule that repaired; `would` differs where monitored. */
static inline void
fixture_verdict(struct policy_verdict *verdict, bool monitored)
{
	static const struct policy_rule_id rule = {
	    {"mend", 4}, {"rules/outbound.yaml", 19}, 14};

	*verdict = (struct policy_verdict){.action = POLICY_REPAIR,
	    .would = POLICY_REPAIR,
	    .rule = rule,
	    .would_rule = rule,
	    .continued = {rule},
	    .continued_count = 1};
	if (!monitored)
		return;
	verdict->action = POLICY_ACCEPT;
	verdict->rule = (struct policy_rule_id){0};
	verdict->by_default = true;
}

/* What DNS says of somebody: a word, names, a temporary error, a zone. */
static inline struct lookup *
fixture_lookup(void)
{
	static const struct slice name = {"mail.example.com", 16};
	static const struct addr listed = {4, {127, 0, 0, 2}};
	const struct lookup_subject subject = {.client = {4, {192, 0, 2, 7}}};
	struct lookup *lookup = lookup_new(&subject, NULL);
	const struct lookup_value word = {.state = LOOKUP_KNOWN, .word = 1};
	const struct lookup_value names = {
	    .state = LOOKUP_KNOWN, .name_count = 1, .names = &name};
	const struct lookup_value failed = {.state = LOOKUP_TEMPERROR};
	const struct lookup_value answers = {
	    .state = LOOKUP_KNOWN, .addr_count = 1, .addrs = &listed};

	if (lookup == NULL)
		abort();
	lookup_give(lookup, LOOKUP_HELO_DNS, &word);
	lookup_give(lookup, LOOKUP_CLIENT_PTR, &names);
	lookup_give(lookup, LOOKUP_HELO_SPF, &failed);
	lookup_give_zone(
	    lookup, LOOKUP_CLIENT_DNSBL, SLICE("bl.example.net"), &answers);
	for (unsigned i = 0; i < LOOKUP_FACT_COUNT; i++)
		lookup_get(lookup, (enum lookup_fact)i);
	lookup_get_zone(lookup, LOOKUP_CLIENT_DNSBL, SLICE("bl.example.net"));
	return lookup;
}

static inline void
fixture_helo(struct record *record, struct slice received, bool monitored)
{
	static const struct slice forwarded = {"EXCH-01.example.com", 19};
	static struct policy_verdict verdict;
	struct addr client = {4, {192, 0, 2, 7}};
	struct record_helo helo = {.verb = POLICY_VERB_EHLO,
	    .received = received,
	    .forwarded = forwarded,
	    .repairs =
		1U << HELO_STEP_UNDERSCORE | 1U << HELO_STEP_APPEND_DOMAIN,
	    .verdict = &verdict};

	fixture_verdict(&verdict, monitored);
	helo_analyse(received, &client, &helo.judged);
	record_helo(record, &helo);
	record_helo_server_reply(record, SLICE("501 no such name"));
	record_helo_retry(
	    record, SLICE("[192.0.2.7]"), 1U << HELO_STEP_CLIENT_LITERAL);
	record_helo_server_reply(record, SLICE("250-mx.example.net"));
	record_helo_reply(record, SLICE("250-mx.example.net"), "server");
}

/* One that DNS was asked about, and that is refused later. */
static inline void
fixture_refused_later(struct record *record)
{
	static struct policy_verdict verdict;
	struct lookup *lookup = fixture_lookup();

	fixture_verdict(&verdict, false);
	verdict.action = verdict.would = POLICY_REJECT;
	verdict.at = POLICY_AT_RCPT;
	record_helo(record, &(struct record_helo){.verb = POLICY_VERB_HELO,
				.received = SLICE("a.example"),
				.forwarded = SLICE("[192.0.2.7]"),
				.verdict = &verdict,
				.lookup = lookup,
				.dns_us = 4711});
	record_helo_reply(record, SLICE("250 mx.example.net"), "server");
	lookup_free(&lookup);
}

/* One whole transaction. */
static inline void
fixture_mail(struct record *record, struct slice from, struct slice to)
{
	record_mail(record, from, 2048);
	record_mail_reply(record, SLICE("250 2.1.0 Ok"), "server");
	record_rcpt(record, to);
	record_rcpt_reply(record, SLICE("250 2.1.5 Ok"), "server");
	record_text(record, 2100, 3);
	record_message_id(record, SLICE("<1@example.com>"));
	record_message_end(record, SLICE("250 2.0.0 Ok: queued as 4F2AB1C3D4"),
	    "server", true);
}

/* One of which rules spoke. */
static inline void
fixture_judged_mail(struct record *record, bool monitored)
{
	static struct policy_verdict verdict;

	fixture_verdict(&verdict, monitored);
	record_envelope_verdict(record, &verdict);
	record_mail(record, SLICE("d@example.com"), -1);
	record_envelope_verdict(record, &verdict);
	record_rcpt(record, SLICE("e@example.com"));
	record_rcpt_reply(record, SLICE("550 5.7.1 no"), "gate");
	record_transaction_end(record);
}

/* Every call there is. */
static inline void
fixture_fill(struct record *record)
{
	static struct policy_verdict verdict;
	struct endpoint local = fixture_endpoint("192.0.2.7:50001");

	fixture_verdict(&verdict, true);
	struct lookup *lookup = fixture_lookup();
	record_connect_verdict(record, &verdict, lookup, 1234);
	lookup_free(&lookup);
	record_connected(record, &local, 1000100);
	record_greeting(record, SLICE("220 mx ESMTP"), "server", 1000300);
	record_clock(record, 1001000);
	fixture_helo(record, SLICE("EXCH_01"), false);
	fixture_helo(record, SLICE("EXCH_01"), true);
	fixture_refused_later(record);
	record_capability(record, SLICE("OLD"), false);
	record_capabilities_clear(record);
	record_capability(record, SLICE("PIPELINING"), false);
	record_capability(record, SLICE("SIZE 1000"), false);
	record_capability(record, SLICE("XCLIENT NAME"), true);
	record_auth(record, SLICE("PLAIN"), SLICE("user@example.com"));
	record_auth_reply(record, SLICE("235 2.7.0 welcome"), "server");
	record_auth(record, SLICE("GSSAPI"), slice_of(NULL, 0));
	record_clock(record, 1002000);
	fixture_mail(record, SLICE("a@example.com"), SLICE("b@example.net"));
	fixture_judged_mail(record, false);
	fixture_judged_mail(record, true);
	record_mail(record, SLICE(""), -1);
	record_rcpt(record, SLICE("c@example.net"));
	record_clock(record, 1004000);
	record_transaction_end(record);
	record_violation(record, "bare_lf_in_command", SLICE("NOOP\n"));
	record_note(record, "source_port_taken");
	record_clock(record, 1005000);
	record_blind(record, "starttls");
}

/* Of each leg what a handshake brings, and then that it failed. */
static inline void
fixture_tls(struct record *record)
{
	const struct record_tls client = {.version = "TLSv1.3",
	    .cipher = SLICE("TLS_AES_256_GCM_SHA384"),
	    .name = SLICE("mx.test\r\n\xff\"}"),
	    .verified = SLICE("ok"),
	    .subject = SLICE("CN=a client"),
	    .fingerprint = SLICE("00ff"),
	    .resumed = true};
	const struct record_tls server = {.version = "TLSv1.2",
	    .cipher = SLICE("ECDHE-RSA-AES128-GCM-SHA256"),
	    .name = SLICE("server.test"),
	    .verified = SLICE("self-signed certificate")};

	record_secured(record, false, &client);
	record_secured(record, true, &server);
}

#endif
