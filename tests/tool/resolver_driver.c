/*
 * Asks the real resolver, for tests/perimeter/test_resolver.py.
 *
 *   resolver_driver [-s ADDRESS:PORT]... [-r RESOLV.CONF] [-t MS]
 *                   [-e CACHE_ENTRIES] [-b CACHE_BYTES] [-f IN_FLIGHT]
 *
 * Commands on standard input, a line each:
 *
 *   ask TAG TYPE NAME      an answer comes when there is one:
 *                          {"tag":, "status":, "ttl":, "authentic":, "ms":,
 *                          "records": [...]}
 *   known TAG TYPE NAME    an answer at once: status null where none is known
 *   cancel TAG             no answer comes
 *   counts TAG             what resolver_count says, and the descriptors open
 *
 * At the end of the input it waits for what is asked, and ends; with `quit`
 * it ends at once.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/json.h"
#include "io/resolver.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ASKED_MAX = 20000,
	LINE = 64 * 1024
};

struct asked {
	char tag[32];
	uint64_t start_us;
	struct resolver_query *query;
};

static struct loop *loop;
static struct resolver *resolver;
static struct loop_watch *input;
static struct buf commands;
static struct asked asked[ASKED_MAX];
static unsigned asked_count, waiting;
static bool ended, within_ask;

/* --- what it says ---------------------------------------------------------- */

static void
write_record(
    struct json *json, enum dns_type type, const struct dns_record *record)
{
	char text[ADDR_TEXT];

	if (type == DNS_A || type == DNS_AAAA) {
		json_str(json, NULL, addr_format(&record->addr, text));
		return;
	}
	if (type != DNS_MX) {
		json_bytes(json, NULL, record->text);
		return;
	}
	json_array_open(json, NULL);
	json_u64(json, NULL, record->preference);
	json_bytes(json, NULL, record->text);
	json_array_close(json);
}

static void
begin(struct json *json, struct buf *out, const char *tag)
{
	buf_init(out, 4 * 1024 * 1024);
	json_init(json, out);
	json_object_open(json, NULL);
	json_str(json, "tag", tag);
}

static void
end(struct json *json, struct buf *out)
{
	json_object_close(json);
	assert(!json_failed(json));
	printf("%.*s\n", SLICE_FMT(buf_slice(out)));
	fflush(stdout);
	buf_fini(out);
}

static void
write_answer(const char *tag, enum dns_type type, uint64_t start_us,
    const struct dns_answer *answer)
{
	static const char *const names[] = {
	    "found", "nodata", "nxdomain", "temperror"};
	struct json json;
	struct buf out;

	begin(&json, &out, tag);
	json_str(&json, "status", names[answer->status]);
	json_u64(&json, "ttl", answer->ttl);
	json_bool(&json, "authentic", answer->authentic);
	json_u64(&json, "ms", (loop_mono_us() - start_us) / 1000);
	json_array_open(&json, "records");
	for (unsigned i = 0; i < answer->count; i++)
		write_record(&json, type, &answer->records[i]);
	json_array_close(&json);
	end(&json, &out);
}

static unsigned
descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	assert(folder != NULL);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count - 3; /* ".", ".." and the folder itself */
}

static void
write_counts(const char *tag)
{
	struct resolver_counts counts;
	struct json json;
	struct buf out;

	resolver_count(resolver, &counts);
	begin(&json, &out, tag);
	json_u64(&json, "asked", counts.asked);
	json_u64(&json, "cached", counts.cached);
	json_u64(&json, "joined", counts.joined);
	json_u64(&json, "sent", counts.sent);
	json_u64(&json, "refused", counts.refused);
	json_u64(&json, "late", counts.late);
	json_u64(&json, "in_flight", counts.in_flight);
	json_u64(&json, "cache_entries", counts.cache_entries);
	json_u64(&json, "cache_bytes", counts.cache_bytes);
	json_u64(&json, "fds", descriptors());
	end(&json, &out);
}

/* --- what it is told ------------------------------------------------------- */

static void
on_done(void *arg, const struct dns_question *question,
    const struct dns_answer *answer)
{
	struct asked *one = arg;

	assert(!within_ask);
	assert(one->query != NULL);
	one->query = NULL;
	waiting--;
	write_answer(one->tag, question->type, one->start_us, answer);
	if (ended && waiting == 0)
		loop_stop(loop);
}

static enum dns_type
type_of(const char *word)
{
	for (unsigned i = 0; i < DNS_TYPE_COUNT; i++)
		if (strcmp(word, dns_type_name((enum dns_type)i)) == 0)
			return (enum dns_type)i;
	fprintf(stderr, "no type %s\n", word);
	exit(2);
}

static void
ask(const char *tag, const struct dns_question *question)
{
	assert(asked_count < ASKED_MAX);
	struct asked *one = &asked[asked_count++];

	snprintf(one->tag, sizeof(one->tag), "%s", tag);
	one->start_us = loop_mono_us();
	within_ask = true;
	one->query = resolver_ask(resolver, question, on_done, one);
	within_ask = false;
	assert(one->query != NULL);
	waiting++;
}

static void
look_up(const char *tag, const struct dns_question *question)
{
	struct dns_answer answer;
	struct json json;
	struct buf out;

	if (resolver_cached(resolver, question, &answer)) {
		write_answer(tag, question->type, loop_mono_us(), &answer);
		return;
	}
	begin(&json, &out, tag);
	json_null(&json, "status");
	end(&json, &out);
}

static void
cancel(const char *tag)
{
	for (unsigned i = 0; i < asked_count; i++) {
		if (strcmp(asked[i].tag, tag) != 0 || asked[i].query == NULL)
			continue;
		resolver_cancel(&asked[i].query);
		waiting--;
	}
}

static void
obey(char *line)
{
	char verb[16] = "", tag[32] = "", type[16] = "";
	int at = 0;

	sscanf(line, "%15s %31s %15s %n", verb, tag, type, &at);
	struct dns_question question = {.name = slice_str(line + at)};
	if (strcmp(verb, "ask") == 0 || strcmp(verb, "known") == 0)
		question.type = type_of(type);
	if (strcmp(verb, "ask") == 0)
		ask(tag, &question);
	else if (strcmp(verb, "known") == 0)
		look_up(tag, &question);
	else if (strcmp(verb, "cancel") == 0)
		cancel(tag);
	else if (strcmp(verb, "counts") == 0)
		write_counts(tag);
	else if (strcmp(verb, "quit") == 0)
		loop_stop(loop);
	else
		exit(2);
}

static void
on_input(void *arg)
{
	char *room = buf_reserve(&commands, LINE);
	ssize_t got = room == NULL ? 0 : read(STDIN_FILENO, room, LINE);
	ptrdiff_t end_of_line;

	(void)arg;
	if (got <= 0) {
		ended = true;
		loop_watch_stop(input);
		if (waiting == 0)
			loop_stop(loop);
		return;
	}
	buf_commit(&commands, (size_t)got);
	while ((end_of_line = slice_find(buf_slice(&commands), '\n')) != -1) {
		char *line = slice_dup(
		    slice_head(buf_slice(&commands), (size_t)end_of_line));
		buf_consume(&commands, (size_t)end_of_line + 1);
		obey(line);
		free(line);
	}
}

/* --- life ------------------------------------------------------------------ */

static void
read_options(int argc, char **argv, struct resolver_config *config,
    struct endpoint *servers)
{
	int option;

	while ((option = getopt(argc, argv, "s:r:t:e:b:f:")) != -1) {
		unsigned number =
		    (unsigned)strtoul(optarg == NULL ? "0" : optarg, NULL, 10);
		if (option == 's' &&
		    config->server_count < RESOLVER_SERVERS_MAX &&
		    endpoint_parse(
			slice_str(optarg), &servers[config->server_count]))
			config->server_count++;
		else if (option == 'r')
			config->resolv_conf = optarg;
		else if (option == 't')
			config->timeout_ms = number;
		else if (option == 'e')
			config->cache_entries = number;
		else if (option == 'b')
			config->cache_bytes = number;
		else if (option == 'f')
			config->in_flight_max = number;
		else
			exit(2);
	}
}

int
main(int argc, char **argv)
{
	struct endpoint servers[RESOLVER_SERVERS_MAX];
	struct resolver_config config = {.servers = servers,
	    .timeout_ms = 1000,
	    .cache_entries = 1000,
	    .cache_bytes = 1 << 20,
	    .in_flight_max = 1000};

	read_options(argc, argv, &config, servers);
	loop = loop_new();
	resolver = loop == NULL ? NULL : resolver_new(loop, &config);
	if (resolver == NULL)
		return 1;
	buf_init(&commands, 4 * LINE);
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	input = loop_watch_new(loop, STDIN_FILENO, on_input, NULL);
	loop_watch_start(input);
	loop_run(loop);
	resolver_free(&resolver);
	loop_watch_free(&input);
	loop_free(&loop);
	buf_fini(&commands);
	return 0;
}
