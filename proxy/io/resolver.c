/*
 * The resolver.  See resolver.h.
 *
 * A query is what one asker waits for; a flight is a question on the wire,
 * with the queries that wait for it.  Whatever ends a query puts it among the
 * ready ones, and one place, deliver(), calls back: never within c-ares and
 * never within resolver_ask.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/resolver.h"

#include "base/magic.h"
#include "io/resolver_cache.h"
#include "io/resolver_wire.h"

#include <sys/queue.h>
#include <sys/random.h>

enum {
	RESOLVER_MAGIC = 0x4e501001,
	FLIGHT_MAGIC = 0x4e501002,
	QUERY_MAGIC = 0x4e501003,
	FLIGHT_BUCKETS = 256
};

TAILQ_HEAD(queries, resolver_query);

struct resolver_query {
	unsigned magic;
	TAILQ_ENTRY(resolver_query) next;
	struct resolver *resolver;
	struct flight *flight; /* NULL: among the ready ones */
	resolver_done_fn *done;
	void *arg;
	struct resolver_answer *answer; /* of a ready one */
	uint32_t ttl;
	struct dns_question question; /* the name follows */
	char name[];
};

struct flight {
	unsigned magic;
	struct resolver *resolver;
	TAILQ_ENTRY(flight) by_deadline;
	LIST_ENTRY(flight) by_hash;
	struct queries waiting;
	uint64_t deadline_us;
	/* Its time is up, nobody waits; what c-ares still brings goes into
	 * the cache alone. */
	bool is_late;
	struct dns_question question;
	char name[];
};

struct resolver {
	unsigned magic;
	struct loop *loop;
	struct resolver_wire *wire;
	struct resolver_cache *cache;
	struct resolver_answer *failure; /* DNS_TEMPERROR for a second */
	uint8_t key[16];
	uint32_t timeout_ms;
	unsigned in_flight_max;
	TAILQ_HEAD(, flight) by_deadline; /* all that can be joined */
	LIST_HEAD(, flight) by_hash[FLIGHT_BUCKETS];
	struct queries ready;
	unsigned ready_count;
	struct loop_timer *soon;     /* to deliver */
	struct loop_timer *deadline; /* of the first in by_deadline */
	bool delivering;
	struct resolver_counts counts;
};

/* --- delivery -------------------------------------------------------------- */

/* Takes the reference. */
static void
make_ready(
    struct resolver_query *query, struct resolver_answer *answer, uint32_t ttl)
{
	struct resolver *resolver = query->resolver;

	query->flight = NULL;
	query->answer = answer;
	query->ttl = ttl;
	TAILQ_INSERT_TAIL(&resolver->ready, query, next);
	resolver->ready_count++;
}

static void
drop_ready(struct resolver_query *query)
{
	TAILQ_REMOVE(&query->resolver->ready, query, next);
	query->resolver->ready_count--;
}

static void
free_query(struct resolver_query *query)
{
	resolver_answer_unref(&query->answer);
	query->magic = 0;
	free(query);
}

/* Those that are ready now; who asks again from `done` waits for the next
 * turn, lest the loop stand still. */
static void
deliver(void *arg)
{
	struct resolver *resolver;

	MAGIC_CAST(resolver, arg, RESOLVER_MAGIC);
	resolver->delivering = true;
	for (unsigned left = resolver->ready_count;
	     left > 0 && !TAILQ_EMPTY(&resolver->ready); left--) {
		struct resolver_query *query = TAILQ_FIRST(&resolver->ready);
		struct dns_answer answer = query->answer->answer;
		answer.ttl = query->ttl;
		drop_ready(query);
		query->done(query->arg, &query->question, &answer);
		free_query(query);
	}
	resolver->delivering = false;
	if (!TAILQ_EMPTY(&resolver->ready))
		loop_timer_start(resolver->soon, 0);
}

/* --- flights --------------------------------------------------------------- */

static unsigned
bucket_of(const struct resolver *resolver, const struct dns_question *question)
{
	return resolver_hash(resolver->key, question) % FLIGHT_BUCKETS;
}

static struct flight *
find_flight(
    const struct resolver *resolver, const struct dns_question *question)
{
	struct flight *flight;

	LIST_FOREACH(
	    flight, &resolver->by_hash[bucket_of(resolver, question)], by_hash)
	if (flight->question.type == question->type &&
	    slice_eq(flight->question.name, question->name))
		return flight;
	return NULL;
}

/* Nobody can join it any more, and whoever did gets the answer. */
static void
end_flight(struct flight *flight, struct resolver_answer *answer)
{
	struct resolver *resolver = flight->resolver;
	struct resolver_query *query;

	if (flight->is_late)
		return;
	TAILQ_REMOVE(&resolver->by_deadline, flight, by_deadline);
	LIST_REMOVE(flight, by_hash);
	while ((query = TAILQ_FIRST(&flight->waiting)) != NULL) {
		TAILQ_REMOVE(&flight->waiting, query, next);
		make_ready(
		    query, resolver_answer_ref(answer), answer->answer.ttl);
	}
}

static void
remember(struct resolver *resolver, const struct dns_question *question,
    struct resolver_answer *answer)
{
	resolver_cache_put(
	    resolver->cache, question, answer, loop_mono_us() / 1000);
}

static void
on_landed(void *arg, struct slice packet, enum dns_status status)
{
	struct flight *flight;
	struct resolver_answer *answer = NULL;

	MAGIC_CAST(flight, arg, FLIGHT_MAGIC);
	struct resolver *resolver = flight->resolver;
	if (packet.len > 0)
		answer = resolver_answer_parse(packet, &flight->question);
	else if (status == DNS_NXDOMAIN)
		answer = resolver_answer_new(status, RESOLVER_TTL_MIN);
	if (answer == NULL)
		answer = resolver_answer_ref(resolver->failure);
	answer->answer.authentic &= resolver_wire_is_local(resolver->wire);
	remember(resolver, &flight->question, answer);
	end_flight(flight, answer);
	resolver_answer_unref(&answer);
	resolver->counts.in_flight--;
	flight->magic = 0;
	free(flight);
}

static void
start_deadline(struct resolver *resolver)
{
	struct flight *first = TAILQ_FIRST(&resolver->by_deadline);
	uint64_t now = loop_mono_us();

	loop_timer_stop(resolver->deadline);
	if (first != NULL)
		loop_timer_start(resolver->deadline,
		    first->deadline_us <= now
			? 0
			: (uint32_t)((first->deadline_us - now + 999) / 1000));
}

static void
on_deadline(void *arg)
{
	struct resolver *resolver;
	struct flight *flight;
	uint64_t now = loop_mono_us();

	MAGIC_CAST(resolver, arg, RESOLVER_MAGIC);
	while ((flight = TAILQ_FIRST(&resolver->by_deadline)) != NULL &&
	       flight->deadline_us <= now) {
		remember(resolver, &flight->question, resolver->failure);
		end_flight(flight, resolver->failure);
		flight->is_late = true;
		resolver->counts.late++;
	}
	start_deadline(resolver);
	deliver(resolver);
}

/* Its one query may be ready when this returns, and the flight gone.  False:
 * no memory. */
static bool
send_off(struct resolver *resolver, struct resolver_query *query)
{
	const struct dns_question *question = &query->question;
	struct flight *flight = malloc(sizeof(*flight) + question->name.len);

	if (flight == NULL)
		return false;
	flight->magic = FLIGHT_MAGIC;
	flight->resolver = resolver;
	flight->is_late = false;
	flight->deadline_us =
	    loop_mono_us() + (uint64_t)resolver->timeout_ms * 1000;
	memcpy(flight->name, question->name.ptr, question->name.len);
	flight->question.type = question->type;
	flight->question.name = slice_of(flight->name, question->name.len);
	TAILQ_INIT(&flight->waiting);
	TAILQ_INSERT_TAIL(&flight->waiting, query, next);
	query->flight = flight;
	bool first = TAILQ_EMPTY(&resolver->by_deadline);
	TAILQ_INSERT_TAIL(&resolver->by_deadline, flight, by_deadline);
	LIST_INSERT_HEAD(
	    &resolver->by_hash[bucket_of(resolver, question)], flight, by_hash);
	resolver->counts.sent++;
	resolver->counts.in_flight++;
	if (first)
		start_deadline(resolver);
	resolver_wire_ask(resolver->wire, question, flight);
	return true;
}

/* --- asking ---------------------------------------------------------------- */

bool
resolver_cached(struct resolver *resolver, const struct dns_question *question,
    struct dns_answer *out)
{
	uint32_t ttl;

	if (!dns_name_is_askable(question->name)) {
		*out = (struct dns_answer){
		    .status = DNS_NXDOMAIN, .ttl = RESOLVER_TTL_MIN};
		return true;
	}
	struct resolver_answer *answer = resolver_cache_get(
	    resolver->cache, question, loop_mono_us() / 1000, &ttl);
	if (answer == NULL)
		return false;
	*out = answer->answer;
	out->ttl = ttl;
	resolver->counts.cached++;
	return true;
}

static void
refuse(struct resolver_query *query)
{
	make_ready(query, resolver_answer_ref(query->resolver->failure),
	    RESOLVER_TTL_MIN);
}

/* The answer may be there at once. */
static void
start_query(struct resolver *resolver, struct resolver_query *query)
{
	uint32_t ttl;
	struct flight *flight;
	struct resolver_answer *answer = resolver_cache_get(
	    resolver->cache, &query->question, loop_mono_us() / 1000, &ttl);

	if (answer != NULL) {
		resolver->counts.cached++;
		make_ready(query, resolver_answer_ref(answer), ttl);
	} else if ((flight = find_flight(resolver, &query->question)) != NULL) {
		resolver->counts.joined++;
		query->flight = flight;
		TAILQ_INSERT_TAIL(&flight->waiting, query, next);
	} else if (resolver->counts.in_flight >= resolver->in_flight_max) {
		resolver->counts.refused++;
		refuse(query);
	} else if (!send_off(resolver, query)) {
		refuse(query);
	}
}

struct resolver_query *
resolver_ask(struct resolver *resolver, const struct dns_question *question,
    resolver_done_fn *done, void *arg)
{
	bool askable = dns_name_is_askable(question->name);
	struct slice name =
	    slice_head(question->name, askable ? DNS_NAME_MAX : 0);
	struct resolver_query *query = calloc(1, sizeof(*query) + name.len);
	struct resolver_answer *nothing;

	if (query == NULL)
		return NULL;
	query->magic = QUERY_MAGIC;
	query->resolver = resolver;
	query->done = done;
	query->arg = arg;
	if (name.len > 0)
		memcpy(query->name, name.ptr, name.len);
	query->question.type = question->type;
	query->question.name = slice_of(query->name, name.len);
	resolver->counts.asked++;
	if (askable)
		start_query(resolver, query);
	else if ((nothing = resolver_answer_new(
		      DNS_NXDOMAIN, RESOLVER_TTL_MIN)) != NULL)
		make_ready(query, nothing, RESOLVER_TTL_MIN);
	else
		refuse(query);
	if (!TAILQ_EMPTY(&resolver->ready) && !resolver->delivering)
		loop_timer_start(resolver->soon, 0);
	return query;
}

void
resolver_cancel(struct resolver_query **query_p)
{
	struct resolver_query *query = *query_p;

	if (query == NULL)
		return;
	assert(query->magic == QUERY_MAGIC);
	if (query->flight != NULL)
		TAILQ_REMOVE(&query->flight->waiting, query, next);
	else
		drop_ready(query);
	free_query(query);
	*query_p = NULL;
}

bool
resolver_is_local(const struct resolver *resolver)
{
	return resolver_wire_is_local(resolver->wire);
}

void
resolver_count(const struct resolver *resolver, struct resolver_counts *out)
{
	*out = resolver->counts;
	out->cache_entries = resolver_cache_entries(resolver->cache);
	out->cache_bytes = resolver_cache_bytes(resolver->cache);
}

/* --- life ------------------------------------------------------------------ */

static bool
set_up(struct resolver *resolver, const struct resolver_config *config)
{
	if (getrandom(resolver->key, sizeof(resolver->key), 0) !=
	    (ssize_t)sizeof(resolver->key))
		return false;
	resolver->failure =
	    resolver_answer_new(DNS_TEMPERROR, RESOLVER_TTL_MIN);
	resolver->cache = resolver_cache_new(
	    config->cache_entries, config->cache_bytes, resolver->key);
	resolver->soon = loop_timer_new(resolver->loop, deliver, resolver);
	resolver->deadline =
	    loop_timer_new(resolver->loop, on_deadline, resolver);
	if (resolver->failure == NULL || resolver->cache == NULL ||
	    resolver->soon == NULL || resolver->deadline == NULL)
		return false;
	resolver->wire = resolver_wire_new(
	    resolver->loop, config, on_landed, deliver, resolver);
	return resolver->wire != NULL;
}

struct resolver *
resolver_new(struct loop *loop, const struct resolver_config *config)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL)
		return NULL;
	resolver->magic = RESOLVER_MAGIC;
	resolver->loop = loop;
	resolver->timeout_ms = config->timeout_ms;
	resolver->in_flight_max = config->in_flight_max;
	TAILQ_INIT(&resolver->by_deadline);
	TAILQ_INIT(&resolver->ready);
	for (unsigned i = 0; i < FLIGHT_BUCKETS; i++)
		LIST_INIT(&resolver->by_hash[i]);
	if (!set_up(resolver, config))
		resolver_free(&resolver);
	return resolver;
}

void
resolver_free(struct resolver **resolver_p)
{
	struct resolver *resolver = *resolver_p;

	if (resolver == NULL)
		return;
	assert(!resolver->delivering);
	/* All flights land, so every query is among the ready ones. */
	resolver_wire_free(&resolver->wire);
	while (!TAILQ_EMPTY(&resolver->ready)) {
		struct resolver_query *query = TAILQ_FIRST(&resolver->ready);
		drop_ready(query);
		free_query(query);
	}
	loop_timer_free(&resolver->soon);
	loop_timer_free(&resolver->deadline);
	resolver_cache_free(&resolver->cache);
	resolver_answer_unref(&resolver->failure);
	resolver->magic = 0;
	free(resolver);
	*resolver_p = NULL;
}
