/*
 * What a decision costs: a policy of 200 rules beside a list of a million
 * domains and one of a million prefixes, loaded, checked and asked.
 *
 *   worst      every rule is tried and none matches; a quarter of them are
 *              globs, ten are regular expressions
 *   list       the first rule is a list, and it matches
 *
 * Prints figures; it judges nothing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/lookup.h"
#include "policy/policy_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	ENTRIES = 1000000,
	RULES = 200,
	ASKED = 200000
};

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long
resident_kib(void)
{
	long pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file != NULL && fscanf(file, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	if (file != NULL)
		fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static uint32_t
next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)(*state * UINT64_C(2685821657736338717) >> 32);
}

static FILE *
create(const char *folder, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	return file;
}

static void
write_lists(const char *folder)
{
	FILE *domains = create(folder, "domains.txt");
	FILE *prefixes = create(folder, "prefixes.txt");
	uint64_t state = 42;

	for (unsigned i = 0; i < ENTRIES; i++) {
		uint32_t a = next(&state), b = next(&state);
		fprintf(domains, "host%u.net%u.example%u.org\n", a % 1000,
		    b % 100000, i);
		/* Nine of ten are IPv4: /24 to /32. */
		if (i % 10 != 0)
			fprintf(prefixes, "%u.%u.%u.%u\n", 11 + a % 200,
			    a >> 8 & 255, a >> 16 & 255, b & 255);
		else
			fprintf(prefixes, "2001:%x:%x:%x::/64\n",
			    0xdb8 + (a & 0xff), a >> 16, b & 0xffff);
	}
	fclose(domains);
	fclose(prefixes);
}

static void
write_policy(const char *folder)
{
	FILE *file = create(folder, "policy.yaml");

	fprintf(file, "policy: 1\nlists:\n"
		      "  domains: {domain_file: domains.txt}\n"
		      "  prefixes: {address_file: prefixes.txt}\n"
		      "helo:\n"
		      "  - {name: listed-name, when: {helo: domains}, then: "
		      "reject}\n"
		      "  - {name: listed-client, when: {client: prefixes}, "
		      "then: reject}\n");
	for (unsigned i = 2; i < RULES; i++) {
		fprintf(file, "  - {name: r%u, when: {", i);
		if (i % 20 == 3)
			fprintf(file,
			    "helo: {regex: \"(mail|mx)%u[a-z]*\\\\.[a-z]+\"}",
			    i);
		else if (i % 4 == 0)
			fprintf(file, "helo: {glob: \"*-%u.*.dyn.*\"}", i);
		else if (i % 4 == 1)
			fprintf(
			    file, "client: 10.%u.0.0/16, helo.valid: true", i);
		else if (i % 4 == 2)
			fprintf(
			    file, "helo: {under: customer%u.example.net}", i);
		else
			fprintf(file,
			    "helo.flaw: [underscore, missing], client: "
			    "172.16.%u.0/24",
			    i);
		fprintf(file, "}, then: {reject: {text: \"rule %u\"}}}\n", i);
	}
	fprintf(file, "default: accept\n");
	fclose(file);
}

static struct policy *
load(const char *folder)
{
	char path[400];
	struct diag *diag = diag_new();
	struct buf out;

	snprintf(path, sizeof(path), "%s/policy.yaml", folder);
	double start = seconds();
	struct policy *policy = policy_load(path, diag);
	double loaded = seconds();
	if (policy == NULL) {
		buf_init(&out, 65536);
		diag_print_text(diag, &out);
		fprintf(stderr, "%.*s", SLICE_FMT(buf_slice(&out)));
		exit(1);
	}
	policy_lint(policy, 0, diag);
	printf("load %.2f s, analysis %.2f s, resident %ld MiB\n",
	    loaded - start, seconds() - loaded, resident_kib() / 1024);
	diag_free(&diag);
	return policy;
}

/* Microseconds a decision, over names and clients that differ. */
static double
ask(const struct policy *policy, bool listed, enum policy_action expected)
{
	static char texts[1024][64];
	static struct addr clients[1024];
	struct helo judged;
	struct policy_verdict verdict;
	uint64_t state = 42;
	double spent = 0;

	for (unsigned i = 0; i < 1024; i++) {
		uint32_t a = next(&state), b = next(&state);
		snprintf(texts[i], sizeof(texts[i]),
		    listed ? "host%u.net%u.example%u.org"
			   : "smtp%u.out%u.provider%u.net",
		    a % 1000, b % 100000, i);
		clients[i] = (struct addr){4, {223, 255, 255, (uint8_t)i}};
	}
	for (unsigned n = 0; n < ASKED; n += 1024) {
		for (unsigned i = 0; i < 1024; i++) {
			struct policy_facts facts = {.client = clients[i],
			    .helo = slice_str(texts[i]),
			    .judged = &judged,
			    .verb = POLICY_VERB_EHLO};
			helo_analyse(facts.helo, &facts.client, &judged);
			double start = seconds();
			policy_decide(
			    policy, POLICY_STAGE_HELO, &facts, &verdict);
			spent += seconds() - start;
			if (verdict.action != expected)
				abort();
		}
	}
	return spent / (ASKED / 1024 * 1024 + 1024) * 1e6;
}

static void
clean_up(const char *folder)
{
	static const char *const names[] = {
	    "domains.txt", "prefixes.txt", "policy.yaml"};
	char path[400];

	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

int
main(void)
{
	char folder[] = "/tmp/ehlogate-bench.XXXXXX";

	if (mkdtemp(folder) == NULL) {
		perror(folder);
		return 1;
	}
	write_lists(folder);
	write_policy(folder);
	struct policy *policy = load(folder);
	printf("worst decision, %d rules tried: %.2f us\n", (int)RULES,
	    ask(policy, false, POLICY_ACCEPT));
	printf("decision by a list of %d: %.2f us\n", (int)ENTRIES,
	    ask(policy, true, POLICY_REJECT));
	policy_free(&policy);
	clean_up(folder);
	return 0;
}
