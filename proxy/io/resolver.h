/*
 * DNS: asynchronous, bounded, cached.  A question costs whoever asks it at
 * most the time-out, and costs nobody else anything, whatever the servers do.
 *
 * - Questions of the same name and type that are in flight are one question.
 * - Answers are remembered for their TTL (resolver_answer.h has its bounds),
 *   DNS_TEMPERROR for a second, so that dead servers are not asked at the
 *   rate at which clients connect.
 * - A name is absolute: no search domains, no /etc/hosts, no host aliases.
 * - Servers are asked in their order; each is tried twice within the time-out.
 *
 * Made after the fork (ids and hash keys are drawn then), and no file is read
 * later: `system` servers are those that resolv.conf named when the resolver
 * was made.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_RESOLVER_H
#define IO_RESOLVER_H

#include "base/dns.h"
#include "io/loop.h"

enum {
	RESOLVER_SERVERS_MAX = 4 /* more would get too short a time each */
};

struct resolver_config {
	/* Port 0 is 53.  None: those of resolv.conf, 127.0.0.1 where it names
	 * none; of both, the first RESOLVER_SERVERS_MAX. */
	const struct endpoint *servers;
	unsigned server_count;
	const char *resolv_conf; /* NULL: /etc/resolv.conf */
	uint32_t timeout_ms;     /* of a question, all tries together */
	unsigned cache_entries;  /* 0: nothing is remembered */
	size_t cache_bytes;
	unsigned in_flight_max; /* a question beyond gets DNS_TEMPERROR */
};

/* Since the resolver was made. */
struct resolver_counts {
	uint64_t asked;     /* by resolver_ask */
	uint64_t cached;    /* answered from memory */
	uint64_t joined;    /* to one in flight */
	uint64_t sent;      /* to the servers */
	uint64_t refused;   /* in_flight_max */
	uint64_t late;      /* the time-out cut them off */
	unsigned in_flight; /* now */
	unsigned cache_entries;
	size_t cache_bytes;
};

struct resolver;
struct resolver_query;

/* Both live until the call returns. */
typedef void resolver_done_fn(void *arg, const struct dns_question *question,
    const struct dns_answer *answer);

/* NULL: no memory, or no servers (logged).  The loop outlives it. */
struct resolver *resolver_new(
    struct loop *loop, const struct resolver_config *config);
/* Not from a `done`.  No `done` is called any more, and queries are gone with
 * it. */
void resolver_free(struct resolver **resolver);

/* Whether every server is on the loopback; only then an answer's `authentic`
 * is ever true (RFC 7672 2.2: the path to who validates must be secure). */
bool resolver_is_local(const struct resolver *resolver);

/* What is known without asking anybody; false: nothing is.  The records live
 * until the next call to this resolver and the next turn of the loop. */
bool resolver_cached(struct resolver *resolver,
    const struct dns_question *question, struct dns_answer *out);
/* Asks; the name is copied.  `done` is called once, from the loop and never
 * within this call, also where the answer is known already; the query ends
 * with it.  NULL: no memory, `done` is not called. */
struct resolver_query *resolver_ask(struct resolver *resolver,
    const struct dns_question *question, resolver_done_fn *done, void *arg);
/* `done` is not called.  The question itself goes on, for those who joined it
 * and for the cache. */
void resolver_cancel(struct resolver_query **query);

void resolver_count(
    const struct resolver *resolver, struct resolver_counts *out);

#endif
