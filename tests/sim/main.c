/*
 * Sessions from seeds.
 *
 *   sim [--sessions N] [--from SEED] [--jobs J]     plays N sessions
 *   sim --seed SEED [--schedule K] [-v]             plays one again
 *
 * Every seed that can be played in any order is played in two: what the server
 * got, what the client heard and the record must be the same.  The first seed
 * that does not hold is named in a line, and the status is 1.  Ends `N passed,
 * N failed`; before that a line of figures, so that one sees that the sessions
 * went everywhere.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/sim/sim.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct figures {
	uint64_t sessions, steps, messages, acked, legs, compared;
	uint64_t orders;
	unsigned states, verbs;
};

static struct plan
plan_of(uint64_t seed, unsigned schedule)
{
	struct chance chance = chance_of(seed, 0, 0);
	unsigned policy = chance_below(&chance, world_policies());

	static const enum plan_tls kinds[] = {TLS_NONE, TLS_NONE, TLS_RULE,
	    TLS_TERMINATE, TLS_INTERCEPT, TLS_MIRROR, TLS_MUST, TLS_TRY};

	return (struct plan){.seed = seed,
	    .tls = kinds[seed % 8],
	    .schedule = schedule,
	    .policy = kinds[seed % 8] == TLS_RULE ? world_policies() : policy,
	    .greet_first = chance_one_in(&chance, 3),
	    .hide = chance_one_in(&chance, 5),
	    .manner = chance_one_in(&chance, 8)   ? EAGER
		      : chance_one_in(&chance, 2) ? PIPELINES
						  : POLITE,
	    .breaks = chance_one_in(&chance, 3),
	    .hostile = chance_one_in(&chance, 8),
	    .friendly = chance_one_in(&chance, 3)};
}

enum policy_starttls
plan_starttls(const struct plan *plan)
{
	switch (plan->tls) {
	case TLS_TERMINATE:
	case TLS_MIRROR:
		return POLICY_STARTTLS_TERMINATE;
	case TLS_INTERCEPT:
		return POLICY_STARTTLS_INTERCEPT;
	case TLS_MUST:
	case TLS_TRY:
		return POLICY_STARTTLS_UPLIFT;
	case TLS_NONE:
	case TLS_RULE:
		break;
	}
	return plan->hide ? POLICY_STARTTLS_HIDE : POLICY_STARTTLS_PASS;
}

static void
add(struct figures *figures, const struct world *world)
{
	figures->sessions++;
	figures->steps += world->steps;
	figures->messages += world->message_count;
	figures->acked += world->client.acked_count;
	figures->legs += world->legs;
	figures->orders |= world->orders;
	figures->states |= world->states;
	figures->verbs |= world->verbs;
}

static bool
is_any_order(const struct plan *plan)
{
	/* In a group a refusal may come before the gate has read what follows,
	 * or behind it: then it is the gate or the server that says 503. */
	return !plan->breaks && !plan->hostile &&
	       (plan->manner == POLITE ||
		   (plan->manner == PIPELINES && plan->friendly &&
		       plan->policy % 3 == 0));
}

static void
same(const struct world *one, const struct world *two, const char *what,
    const struct buf *a, const struct buf *b)
{
	if (!slice_eq(buf_slice(a), buf_slice(b)))
		fail(two, "%s is another one than in schedule %u: %.*s | %.*s",
		    what, one->plan->schedule, SLICE_FMT(buf_slice(a)),
		    SLICE_FMT(buf_slice(b)));
}

/* THREATS A4-03. */
static void
compare(const struct world *one, const struct world *two)
{
	/* A reset takes what was under way with it. */
	if (one->reset_client)
		return;
	same(one, two, "what the client heard", &one->heard, &two->heard);
	/* How much of a leg arrived before it was cut, or its server fell,
	 * hangs on the order. */
	if ((one->orders & UINT64_C(1) << DIALOG_CUT) != 0 || one->fell)
		return;
	same(one, two, "what the server got", &one->arrived, &two->arrived);
	same(one, two, "the record", &one->record, &two->record);
}

static void
play(uint64_t seed, struct figures *figures)
{
	struct plan plan = plan_of(seed, 0), again = plan_of(seed, 1);
	static struct world one, two;

	world_play(&one, &plan, false);
	add(figures, &one);
	if (is_any_order(&plan)) {
		world_play(&two, &again, false);
		add(figures, &two);
		compare(&one, &two);
		figures->compared++;
		world_fini(&two);
	}
	world_fini(&one);
}

/* What is held now; the same after as many sessions as one likes. */
static size_t
held(void)
{
	return mallinfo2().uordblks;
}

static int
play_many(uint64_t from, uint64_t sessions, unsigned jobs, int out)
{
	struct figures figures = {0};
	uint64_t seed = from;
	size_t before = 0;

	for (; figures.sessions < sessions; seed += jobs) {
		play(seed, &figures);
		if (before == 0 && figures.sessions > 1000)
			before = held();
	}
	/* Nothing stays of a session: every policy is loaded by then, and the
	 * pool of buffers keeps a few blocks. */
	if (before != 0 && held() > before + 16 * BLOCK) {
		printf("%zu octets more are held after %llu sessions\n",
		    held() - before, (unsigned long long)figures.sessions);
		return 3;
	}
	return write(out, &figures, sizeof(figures)) == sizeof(figures) ? 0 : 2;
}

static unsigned
bits(uint64_t mask)
{
	return (unsigned)__builtin_popcountll(mask);
}

static void
report(const struct figures *all, double seconds)
{
	printf("%llu sessions in %.1f s (%.0f a second), %llu steps, %llu "
	       "compared with another schedule; %llu messages taken, %llu "
	       "acknowledged, %llu legs; %u of %u states, %u of 15 verbs, %u "
	       "of 9 orders\n",
	    (unsigned long long)all->sessions, seconds,
	    (double)all->sessions / seconds, (unsigned long long)all->steps,
	    (unsigned long long)all->compared,
	    (unsigned long long)all->messages, (unsigned long long)all->acked,
	    (unsigned long long)all->legs, bits(all->states),
	    (unsigned)SMTP_ST_COUNT, bits(all->verbs), bits(all->orders));
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void
collect(int in, struct figures *all)
{
	struct figures one;

	while (read(in, &one, sizeof(one)) == sizeof(one)) {
		all->sessions += one.sessions;
		all->steps += one.steps;
		all->messages += one.messages;
		all->acked += one.acked;
		all->legs += one.legs;
		all->compared += one.compared;
		all->orders |= one.orders;
		all->states |= one.states;
		all->verbs |= one.verbs;
	}
}

/* The sessions of all processes; the first that fails ends them. */
static int
run(uint64_t from, uint64_t sessions, unsigned jobs)
{
	struct figures all = {0};
	double begin = now();
	int results[2];
	pid_t pids[64];
	bool bad = false;

	if (pipe(results) == -1 || jobs > 64)
		return 2;
	for (unsigned i = 0; i < jobs; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			exit(play_many(
			    from + i, sessions / jobs, jobs, results[1]));
	}
	close(results[1]);
	for (unsigned left = jobs; left > 0; left--) {
		int status;
		wait(&status);
		if (status == 0 || bad)
			continue;
		bad = true;
		for (unsigned i = 0; i < jobs; i++)
			kill(pids[i], SIGTERM);
	}
	collect(results[0], &all);
	report(&all, now() - begin);
	printf("%d passed, %d failed\n", !bad, bad);
	return bad;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"sessions", required_argument, NULL, 'n'},
	    {"from", required_argument, NULL, 'f'},
	    {"jobs", required_argument, NULL, 'j'},
	    {"seed", required_argument, NULL, 's'},
	    {"schedule", required_argument, NULL, 'k'}, {NULL, 0, NULL, 0}};
	uint64_t sessions = 100000, from = 1, seed = 0;
	unsigned jobs = 1, schedule = 0;
	bool verbose = false;
	int option;

	while ((option = getopt_long(argc, argv, "v", options, NULL)) != -1) {
		if (option == 'n')
			sessions = strtoull(optarg, NULL, 10);
		else if (option == 'f')
			from = strtoull(optarg, NULL, 10);
		else if (option == 'j')
			jobs = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (option == 'k')
			schedule = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'v')
			verbose = true;
		else
			return 2;
	}
	if (seed == 0)
		return run(from, sessions, jobs == 0 ? 1 : jobs);
	struct plan plan = plan_of(seed, schedule);
	static struct world world;
	printf("policy %u tls %d%s%s manner %d%s%s\n", plan.policy,
	    (int)plan.tls, plan.greet_first ? " greets first" : "",
	    plan.hide ? " hides STARTTLS" : "", (int)plan.manner,
	    plan.breaks ? " breaks" : "", plan.hostile ? " hostile" : "");
	world_play(&world, &plan, verbose);
	world_fini(&world);
	printf("1 passed, 0 failed\n");
	return 0;
}
