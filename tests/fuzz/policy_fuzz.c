/*
 * libFuzzer: any bytes as a policy.  What cannot be loaded has an error that
 * can be printed; what can be loaded judges every fact without trouble: a
 * name that it makes is valid, a reply that it gives is one line of printable
 * ASCII, and explain comes to the verdict that the gate does.  THREATS A4-01.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/dns.h"
#include "policy/diag.h"
#include "policy/helo.h"
#include "policy/lookup.h"
#include "policy/policy.h"
#include "policy/policy_check.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	OUT_MAX = 4 * 1024 * 1024
};

static void
check_printed(const struct diag *diag)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	diag_print_text(diag, &out);
	struct slice text = buf_slice(&out);
	for (size_t i = 0; i < text.len; i++)
		assert((unsigned char)text.ptr[i] >= ' ' ||
		       text.ptr[i] == '\n' || text.ptr[i] == '\t');
	diag_print_json(diag, &out);
	diag_print_sarif(diag, &out);
	buf_fini(&out);
}

static void
check_reply(const struct policy_verdict *verdict)
{
	char first = verdict->action == POLICY_REJECT ? '5' : '4';

	assert(
	    verdict->reply_len >= 4 && verdict->reply_len < POLICY_REPLY_MAX);
	assert(verdict->reply[0] == first && verdict->reply[3] == ' ');
	for (size_t i = 0; i < verdict->reply_len; i++)
		assert(verdict->reply[i] >= ' ' && verdict->reply[i] <= '~');
}

static void
check_verdict(const struct policy_verdict *verdict)
{
	if (verdict->action == POLICY_REPAIR ||
	    verdict->action == POLICY_REWRITE)
		assert(verdict->repaired.valid);
	if (verdict->action == POLICY_REJECT ||
	    verdict->action == POLICY_TEMPFAIL)
		check_reply(verdict);
}

/* The verdict; `book`, where there is one, has the same answer to everything
 * that is asked. */
static enum policy_outcome
decide(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, struct dns_book *book,
    enum dns_status status, struct policy_verdict *out)
{
	const struct dns_answer answer = {.status = status};
	enum policy_outcome outcome;
	struct dns_question question;

	while ((outcome = policy_decide(policy, stage, facts, out)) ==
	       POLICY_PENDING) {
		assert(book != NULL && dns_book_take(book, &question));
		do
			dns_book_answer(book, &question, &answer);
		while (dns_book_take(book, &question));
	}
	return outcome;
}

static void
judge_by(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, struct dns_book *book,
    enum dns_status status)
{
	static struct policy_verdict verdict, explained;
	struct buf out;

	enum policy_outcome outcome =
	    decide(policy, stage, facts, book, status, &verdict);
	assert(outcome != POLICY_UNKNOWN || book == NULL);
	buf_init(&out, OUT_MAX);
	assert(policy_explain(policy, stage, facts, false, &explained, &out) ==
	       outcome);
	buf_fini(&out);
	if (outcome != POLICY_DECIDED)
		return;
	check_verdict(&verdict);
	assert(explained.action == verdict.action);
	assert(explained.rule.line == verdict.rule.line);
}

static void
judge_with_dns(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts, enum dns_status status)
{
	struct dns_book *book = dns_book_new();
	struct lookup *lookup = lookup_new(
	    &(struct lookup_subject){facts->client, facts->helo, facts->judged},
	    book);
	struct policy_facts known = *facts;

	known.lookup = lookup;
	judge_by(policy, stage, &known, book, status);
	lookup_free(&lookup);
	dns_book_free(&book);
}

static void
judge(const struct policy *policy, enum policy_stage stage,
    const struct policy_facts *facts)
{
	static struct helo_repaired candidate;

	judge_by(policy, stage, facts, NULL, DNS_TEMPERROR);
	if (policy_asks_dns(policy)) {
		judge_with_dns(policy, stage, facts, DNS_NXDOMAIN);
		judge_with_dns(policy, stage, facts, DNS_TEMPERROR);
	}
	if (stage == POLICY_STAGE_CONNECT)
		return;
	for (unsigned n = 0; policy_server_refusal_candidate(
		 policy, facts, facts->helo, n, &candidate);
	     n++)
		assert(n < 2 && candidate.valid);
}

static void
try_names(const struct policy *policy)
{
	static const char *const names[] = {"EXCH_01", "mail.example.com", "",
	    "[192.0.2.7]", "a b", "-x.example", "drop.test", "\x80\xff",
	    "localhost"};
	struct policy_facts facts = {.client = {4, {192, 0, 2, 7}},
	    .server = {{4, {198, 51, 100, 25}}, 25},
	    .listener = SLICE("inbound"),
	    .verb = POLICY_VERB_EHLO,
	    .ref = SLICE("TESTTESTTESTTEST")};
	struct helo judged;

	judge(policy, POLICY_STAGE_CONNECT, &facts);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		facts.helo = slice_str(names[i]);
		helo_analyse(facts.helo, &facts.client, &judged);
		facts.judged = &judged;
		facts.fallback = i % 2 == 1;
		judge(policy, POLICY_STAGE_HELO, &facts);
	}
}

static void
run_tests(const struct policy *policy)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	for (unsigned i = 0; i < policy_test_count(policy); i++)
		policy_test_run(policy, i, &out);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[64];
	struct diag *diag = diag_new();

	if (fd == -1) {
		fd = memfd_create("policy", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	assert(ftruncate(fd, 0) == 0);
	assert(pwrite(fd, data, size, 0) == (ssize_t)size);
	struct policy *policy = policy_load(path, diag);
	assert((policy == NULL) == (diag_errors(diag) > 0));
	if (policy != NULL) {
		policy_check_alone(policy, diag);
		policy_lint(policy, 1800000000, diag);
		try_names(policy);
		run_tests(policy);
	}
	check_printed(diag);
	policy_free(&policy);
	diag_free(&diag);
	return 0;
}
