/*
 * What a list of a million entries costs: to load from a file as a policy
 * does, in memory, and for one look-up of what is listed and of what is not,
 * in an order that no cache foresees.  `make bench-policy` runs it.
 *
 * Usage: list_bench [ENTRIES]
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/random.h"
#include "tests/unit/temp.h"

#include "policy/diag.h"
#include "policy/list.h"
#include "policy/policy.h"

#include <malloc.h>
#include <time.h>

enum {
	ENTRIES = 1000000,
	QUERIES = 1000000,
	NAME_ROOM = 64,
	CROWDED = 200 /* the networks that half of the addresses are in */
};

struct query {
	struct addr addr;
	struct slice name;
};

struct kind {
	const char *name, *key;
	void (*make)(uint64_t *random, char out[NAME_ROOM]);
};

/* Of the processor: a busy machine does not count. */
static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Bytes of this process that are in memory. */
static double
resident(void)
{
	unsigned long size, pages;
	FILE *file = fopen("/proc/self/statm", "re");

	malloc_trim(0);
	if (file == NULL || fscanf(file, "%lu %lu", &size, &pages) != 2)
		abort();
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void *
must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/* --- what is listed ------------------------------------------------------- */

/* Half of them anywhere, half crowded into a few networks, as real lists
 * are. */
static void
make_v4(uint64_t *random, char out[NAME_ROOM])
{
	uint32_t at = random_next(random);
	uint32_t pick = random_next(random);
	unsigned bits = pick % 10 < 7 ? 32 : 24 + pick % 8;

	if (pick >> 16 & 1)
		at = (at & 0xffff) | (((pick >> 17) % CROWDED * 37 + 11) << 16);
	at &= ~UINT32_C(0) << (32 - bits);
	snprintf(out, NAME_ROOM, "%u.%u.%u.%u/%u", at >> 24, at >> 16 & 255,
	    at >> 8 & 255, at & 255, bits);
}

static void
make_v6(uint64_t *random, char out[NAME_ROOM])
{
	uint32_t top = 0x20000000 | random_next(random) % CROWDED << 4;
	uint32_t next = random_next(random);
	uint32_t pick = random_next(random) % 10;

	if (pick < 3)
		snprintf(out, NAME_ROOM, "%x:%x:%x:%x::%x", top >> 16,
		    top & 0xffff, next >> 16, next & 0xffff,
		    random_next(random) % 65536);
	else if (pick < 7)
		snprintf(out, NAME_ROOM, "%x:%x:%x:%x::/64", top >> 16,
		    top & 0xffff, next >> 16, next & 0xffff);
	else
		snprintf(out, NAME_ROOM, "%x:%x:%x::/48", top >> 16,
		    random_next(random) % 65536, next >> 16);
}

static size_t
put_label(uint64_t *random, char *out, size_t least, size_t span)
{
	size_t len = least + random_next(random) % span;

	for (size_t i = 0; i < len; i++)
		out[i] = (char)('a' + random_next(random) % 26);
	return len;
}

static void
make_name(uint64_t *random, char out[NAME_ROOM])
{
	static const char *const tops[] = {
	    "com", "net", "org", "de", "co.uk", "io", "info", "example"};
	uint32_t pick = random_next(random);
	size_t len = 0;

	if (pick % 10 == 0) {
		len = put_label(random, out, 2, 8);
		out[len++] = '.';
	}
	len += put_label(random, out + len, 3, 14);
	snprintf(out + len, NAME_ROOM - len, ".%s", tops[(pick >> 8) % 8]);
}

/* --- from a file ---------------------------------------------------------- */

static void
load(const struct kind *kind, char (*entries)[NAME_ROOM], unsigned count)
{
	char path[TEMP_PATH], policy_path[TEMP_PATH];
	FILE *file = must(fopen(temp_path("list", path), "we"));

	for (unsigned i = 0; i < count; i++)
		fprintf(file, "%s\n", entries[i]);
	fclose(file);
	file = must(fopen(temp_path("policy.yaml", policy_path), "we"));
	fprintf(file,
	    "policy: 1\nlists: {big: {%s: list}}\nhelo: []\n"
	    "default: accept\n",
	    kind->key);
	fclose(file);
	struct diag *diag = diag_new();
	double began = now();
	struct policy *policy = must(policy_load(policy_path, diag));
	printf(
	    "  %-26s %8.0f ms\n", "loaded from a file", (now() - began) * 1e3);
	policy_free(&policy);
	diag_free(&diag);
}

/* --- looked up ------------------------------------------------------------ */

static void
query_of(const struct kind *kind, const char *entry, uint64_t *random,
    struct query *out)
{
	struct prefix prefix;

	if (kind->make == make_name) {
		char name[NAME_ROOM + 8];
		snprintf(name, sizeof(name), "%s%s",
		    random_next(random) & 1 ? "mail." : "", entry);
		out->name = slice_str(must(strdup(name)));
		return;
	}
	if (!prefix_parse(slice_str(entry), &prefix))
		abort();
	out->addr = prefix.addr;
	unsigned width = prefix.addr.family == 4 ? 32 : 128;
	for (unsigned bit = prefix.bits; bit < width; bit++)
		if (random_next(random) & 1)
			out->addr.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

static bool
is_listed(const struct address_list *addresses,
    const struct domain_list *domains, const struct query *query)
{
	if (domains != NULL)
		return domain_list_has(domains, query->name);
	return address_list_has(addresses, &query->addr);
}

static void
forget(struct query *query)
{
	free((void *)(uintptr_t)query->name.ptr);
	*query = (struct query){0};
}

static void
ask(const char *what, const struct address_list *addresses,
    const struct domain_list *domains, struct query *queries)
{
	unsigned found = 0;
	double began = now();

	for (unsigned i = 0; i < QUERIES; i++)
		found += is_listed(addresses, domains, &queries[i]);
	printf("  %-26s %8.0f ns, %.1f %% found\n", what,
	    (now() - began) * 1e9 / QUERIES, found * 100.0 / QUERIES);
	for (unsigned i = 0; i < QUERIES; i++)
		forget(&queries[i]);
}

static void
look_up(const struct kind *kind, char (*entries)[NAME_ROOM], unsigned count,
    const struct address_list *addresses, const struct domain_list *domains)
{
	struct query *queries = must(calloc(QUERIES, sizeof(*queries)));
	uint64_t random = 7;
	char entry[NAME_ROOM];

	for (unsigned i = 0; i < QUERIES; i++)
		query_of(kind, entries[random_next(&random) % count], &random,
		    &queries[i]);
	ask("a look-up, listed", addresses, domains, queries);
	for (unsigned i = 0; i < QUERIES; i++) {
		kind->make(&random, entry);
		query_of(kind, entry, &random, &queries[i]);
		if (is_listed(addresses, domains, &queries[i]))
			forget(&queries[i--]);
	}
	ask("a look-up, not listed", addresses, domains, queries);
	free(queries);
}

static void
measure(const struct kind *kind, unsigned count)
{
	char(*entries)[NAME_ROOM] = must(calloc(count, sizeof(*entries)));
	uint64_t random = 42;
	struct address_list *addresses = NULL;
	struct domain_list *domains = NULL;
	struct prefix prefix;

	for (unsigned i = 0; i < count; i++)
		kind->make(&random, entries[i]);
	printf("%s, %u entries\n", kind->name, count);
	load(kind, entries, count);
	double before = resident();
	if (kind->make == make_name)
		domains = domain_list_new();
	else
		addresses = address_list_new();
	for (unsigned i = 0; i < count; i++)
		if (domains != NULL)
			domain_list_add(domains, slice_str(entries[i]));
		else if (prefix_parse(slice_str(entries[i]), &prefix))
			address_list_add(addresses, &prefix);
	if (addresses != NULL)
		address_list_seal(addresses);
	printf("  %-26s %8.1f bytes an entry\n", "in memory",
	    (resident() - before) / count);
	look_up(kind, entries, count, addresses, domains);
	domain_list_free(&domains);
	address_list_free(&addresses);
	free(entries);
}

int
main(int argc, char **argv)
{
	static const struct kind kinds[] = {
	    {"IPv4 addresses and prefixes", "address_file", make_v4},
	    {"IPv6 addresses and prefixes", "address_file", make_v6},
	    {"domain names", "domain_file", make_name},
	};
	int count = argc > 1 ? atoi(argv[1]) : ENTRIES;

	if (count <= 0)
		return 2;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		measure(&kinds[i], (unsigned)count);
	temp_remove();
	return 0;
}
