/*
 * Loading the configuration.  See config.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/config.h"

#include "policy/config_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	WORKERS_MAX = 64,
	SESSIONS_DEFAULT = 8000,
	DNS_CACHE_MAX = 1000000
};

/* --- dns ---------------------------------------------------------------------------- */

static void
read_servers(const struct reader *reader, const struct yaml_node *node,
    struct config_dns *out)
{
	struct yaml_node *one;
	unsigned count;
	bool is_list = node->kind == YAML_LIST;

	if (is_list &&
	    (node->count == 0 || node->count > CONFIG_DNS_SERVERS_MAX)) {
		reader_error(reader, "C052", node, NULL,
		    "`servers` is system, or a list of 1 to %d",
		    (int)CONFIG_DNS_SERVERS_MAX);
		return;
	}
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "`servers`", &one, &count);
	if (items == NULL || (!is_list && yaml_is(node, "system")))
		return;
	out->servers = policy_alloc(count, sizeof(struct endpoint));
	for (unsigned i = 0; i < count; i++) {
		struct endpoint *server = &out->servers[out->server_count];
		bool has_port = endpoint_parse(items[i]->text, server);
		if ((has_port && server->port > 0) ||
		    (!has_port && addr_parse(items[i]->text, &server->addr)))
			out->server_count++;
		else
			reader_error(reader, "C053", items[i], NULL,
			    "`%.*s` is no ADDRESS and no ADDRESS:PORT",
			    SLICE_FMT(slice_head(items[i]->text, 80)));
	}
}

static void
read_dns(const struct reader *reader, const struct yaml_node *map,
    struct config_dns *out)
{
	const struct yaml_node *node;
	uint64_t number;

	if (reader_map(reader, map, "`dns`") == NULL)
		return;
	reader_check_keys(reader, map, SECTION_DNS, "`dns`");
	if ((node = yaml_get(map, "servers")) != NULL)
		read_servers(reader, node, out);
	if ((node = yaml_get(map, "timeout")) != NULL) {
		/* Longer than that and a client gives up before us. */
		if (!yaml_duration(node, &number) || number < 1000 ||
		    number > 30000)
			reader_error(reader, "C054", node, NULL,
			    "`timeout` must be a duration from 1s to 30s");
		else
			out->timeout_ms = (uint32_t)number;
	}
	if ((node = yaml_get(map, "cache")) != NULL) {
		if (!yaml_u64(node, &number) || number > DNS_CACHE_MAX)
			reader_error(reader, "C055", node, NULL,
			    "`cache` must be a number from 0 to %d",
			    (int)DNS_CACHE_MAX);
		else
			out->cache = (unsigned)number;
	}
}

/* --- log, limits, timeouts ---------------------------------------------------------- */

static void
read_sink(const struct reader *reader, const struct yaml_node *node,
    struct config *config)
{
	static const char *const known[] = {"file"};
	static const char *const unbuilt[] = {
	    "syslog", "journald", "postfix_text"};
	struct config_sink *sink = &config->sinks[config->sink_count];
	const struct yaml_node *file = yaml_get(node, "file");

	if (node->kind == YAML_SCALAR && yaml_is(node, "stdout")) {
		sink->kind = CONFIG_SINK_STDOUT;
		config->sink_count++;
		return;
	}
	for (unsigned i = 0; i < 3; i++) {
		if (node->kind != YAML_SCALAR || !yaml_is(node, unbuilt[i]))
			continue;
		reader_error(reader, "C013", node, NULL,
		    "the sink `%s` is not built in this version", unbuilt[i]);
		return;
	}
	if (node->kind == YAML_MAP)
		yaml_check_keys(reader->file, node, "a sink", known, 1, unbuilt,
		    3, reader->diag);
	if (file == NULL || file->kind != YAML_SCALAR || file->text.len == 0 ||
	    file->text.ptr[0] != '/') {
		reader_error(reader, "C030", node, NULL,
		    "a sink is `stdout` or {file: /ABSOLUTE/PATH}");
		return;
	}
	sink->kind = CONFIG_SINK_FILE;
	sink->path = slice_dup(file->text);
	config->sink_count++;
}

static void
read_events(const struct reader *reader, const struct yaml_node *node,
    struct config *config)
{
	static const char *const events[] = {
	    "session", "start", "daemon", "ban", "verdict", "violation"};
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "`events`", &one, &count);

	config->log_daemon_events = false;
	for (unsigned i = 0; items != NULL && i < count; i++) {
		int at = reader_word(reader, items[i], "an event", events, 6);
		config->log_start_events |= at == 1;
		config->log_daemon_events |= at == 2;
		config->log_ban_events |= at == 3;
		if (at > 3)
			reader_error(reader, "C013", items[i], NULL,
			    "the event `%s` is not built in this version",
			    events[at]);
	}
}

static void
read_log(const struct reader *reader, const struct yaml_node *node,
    struct config *config)
{
	static const char *const answers[] = {"refuse", "continue"};
	const struct yaml_node *sinks = yaml_get(node, "sinks");
	const struct yaml_node *events = yaml_get(node, "events");
	const struct yaml_node *failure = yaml_get(node, "on_failure");

	if (reader_map(reader, node, "`log`") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_LOG, "`log`");
	if (sinks == NULL || sinks->kind != YAML_LIST || sinks->count == 0 ||
	    sinks->count > 8) {
		reader_error(reader, "C030", sinks == NULL ? node : sinks, NULL,
		    "`log` needs `sinks`, a list of 1 to 8");
	} else {
		config->sinks =
		    policy_alloc(sinks->count, sizeof(struct config_sink));
		for (unsigned i = 0; i < sinks->count; i++)
			read_sink(reader, sinks->items[i], config);
	}
	if (events != NULL)
		read_events(reader, events, config);
	if (failure != NULL)
		config->log_on_failure_continue =
		    reader_word(reader, failure, "`on_failure`", answers, 2) ==
		    1;
}

static void
read_timeout(const struct reader *reader, const struct yaml_node *map,
    const char *key, uint32_t *out)
{
	uint32_t ms;

	if (reader_timeout(reader, map, key, "C031", &ms))
		*out = ms;
}

static void
read_timeouts(const struct reader *reader, const struct yaml_node *node,
    struct config_timeouts *out)
{
	if (reader_map(reader, node, "`timeouts`") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_TIMEOUTS, "`timeouts`");
	read_timeout(reader, node, "greeting", &out->greeting);
	read_timeout(reader, node, "command", &out->command);
	read_timeout(reader, node, "data_block", &out->data_block);
	read_timeout(reader, node, "data_end", &out->data_end);
	read_timeout(reader, node, "connect", &out->connect);
	read_timeout(reader, node, "handshake", &out->handshake);
}

static void
read_number(const struct reader *reader, const struct yaml_node *map,
    const char *key, unsigned most, unsigned *out)
{
	const struct yaml_node *node = yaml_get(map, key);
	uint64_t number;

	if (node == NULL)
		return;
	if (!yaml_u64(node, &number) || number == 0 || number > most)
		reader_error(reader, "C032", node, NULL,
		    "`%s` must be a number from 1 to %u%s", key, most,
		    reader_unquote(node));
	else
		*out = (unsigned)number;
}

static void
read_limits(const struct reader *reader, const struct yaml_node *node,
    struct config *config)
{
	const struct yaml_node *rate = yaml_get(node, "rate_per_client");
	const struct yaml_node *enforce = yaml_get(node, "enforce");
	const struct yaml_node *never = yaml_get(node, "never");
	struct config_client_limits *out = &config->client_limits;

	if (reader_map(reader, node, "`limits`") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_LIMITS, "`limits`");
	read_number(reader, node, "sessions", 1000000, &config->sessions_max);
	read_number(
	    reader, node, "sessions_per_client", 1000000, &out->sessions);
	read_number(reader, node, "ipv6_prefix", 128, &out->ipv6_prefix);
	if (rate != NULL)
		policy_read_rate(reader, rate, "C032", &out->rate);
	if (enforce != NULL)
		reader_bool(reader, enforce, "`enforce`", &out->enforce);
	if (never != NULL)
		config_read_prefixes(
		    reader, never, &out->never, &out->never_count);
}

static void
add_window(
    const struct reader *reader, struct config *config, uint32_t length_ms)
{
	uint32_t *windows = config->client_limits.windows;
	unsigned i = 0;

	while (i < CONFIG_WINDOWS_MAX && windows[i] != 0 &&
	       windows[i] != length_ms)
		i++;
	if (i < CONFIG_WINDOWS_MAX)
		windows[i] = length_ms;
	else
		reader_error(reader, "C056", yaml_root(reader->file), NULL,
		    "the configuration and its policies have rates over more "
		    "than %d different times",
		    (int)CONFIG_WINDOWS_MAX);
}

static void
collect_windows(const struct reader *reader, struct config *config)
{
	struct policy_rate rate;

	add_window(reader, config, config->client_limits.rate.ms);
	for (unsigned i = 0; i < config->listener_count; i++)
		for (unsigned k = 0;
		     config->listeners[i].policy != NULL &&
		     policy_rate_at(config->listeners[i].policy, k, &rate);
		     k++)
			add_window(reader, config, rate.ms);
}

static void
read_workers(const struct reader *reader, const struct yaml_node *node,
    struct config *config)
{
	uint64_t number;

	if (yaml_is(node, "auto"))
		return;
	if (!yaml_u64(node, &number) || number == 0 || number > WORKERS_MAX)
		reader_error(reader, "C033", node, NULL,
		    "`workers` must be auto or a number from 1 to %d%s",
		    (int)WORKERS_MAX, reader_unquote(node));
	else
		config->workers = (unsigned)number;
}

static char *
read_word(
    const struct reader *reader, const struct yaml_node *node, const char *key)
{
	if (node->kind == YAML_SCALAR && node->text.len > 0 &&
	    node->text.len <= 255)
		return slice_dup(node->text);
	reader_error(reader, "C034", node, NULL, "`%s` must be one word", key);
	return NULL;
}

static void
set_defaults(struct config *config)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	char host[HOST_NAME_MAX + 1] = "localhost";

	config->workers = processors < 1             ? 1
			  : processors > WORKERS_MAX ? WORKERS_MAX
						     : (unsigned)processors;
	config->sessions_max = SESSIONS_DEFAULT;
	config->client_limits = (struct config_client_limits){
	    .sessions = 50, .rate = {60, 60000}, .ipv6_prefix = 64};
	config->log_daemon_events = true;
	config->timeouts = (struct config_timeouts){.greeting = 300000,
	    .command = 300000,
	    .data_block = 180000,
	    .data_end = 600000,
	    .connect = 30000,
	    .handshake = 30000};
	config->dns = (struct config_dns){.timeout_ms = 3000, .cache = 10000};
	gethostname(host, sizeof(host) - 1);
	config->node = slice_dup(slice_str(host));
	if (geteuid() == 0)
		config->user = slice_dup(SLICE(CONFIG_DEFAULT_USER));
}

static void
replace(char **text, char *with)
{
	if (with == NULL)
		return;
	free(*text);
	*text = with;
}

static void
read_root(struct config *config, const struct reader *reader,
    const struct yaml_node *root)
{
	const struct yaml_node *node;

	reader_check_keys(reader, root, SECTION_CONFIG, "the configuration");
	node = yaml_get(root, "version");
	if (node == NULL ? !reader_is_misspelt(root, SECTION_CONFIG, "version")
			 : !yaml_is(node, "1") || node->quoted)
		reader_error(reader, "C028", node == NULL ? root : node, NULL,
		    "the file must say its version: `version: 1`%s",
		    node == NULL ? "" : reader_unquote(node));
	if ((node = yaml_get(root, "node")) != NULL)
		replace(&config->node, read_word(reader, node, "node"));
	if ((node = yaml_get(root, "user")) != NULL)
		replace(&config->user, read_word(reader, node, "user"));
	if ((node = yaml_get(root, "workers")) != NULL)
		read_workers(reader, node, config);
	if ((node = yaml_get(root, "log")) != NULL)
		read_log(reader, node, config);
	else if (!reader_is_misspelt(root, SECTION_CONFIG, "log"))
		reader_error(reader, "C030", root,
		    "add `log: {sinks: [{file: "
		    "/var/log/ehlogate/session.jsonl}]}`",
		    "the configuration has no `log`");
	if ((node = yaml_get(root, "timeouts")) != NULL)
		read_timeouts(reader, node, &config->timeouts);
	if ((node = yaml_get(root, "dns")) != NULL)
		read_dns(reader, node, &config->dns);
	if ((node = yaml_get(root, "never_ban")) != NULL)
		config_read_prefixes(
		    reader, node, &config->never_ban, &config->never_ban_count);
	if ((node = yaml_get(root, "limits")) != NULL)
		read_limits(reader, node, config);
	if ((node = yaml_get(root, "listeners")) != NULL)
		config_read_listeners(config, reader, node);
	else if (!reader_is_misspelt(root, SECTION_CONFIG, "listeners"))
		reader_error(reader, "C029", root, NULL,
		    "the configuration has no `listeners`");
	collect_windows(reader, config);
}

struct config *
config_load(const char *path, struct diag *diag)
{
	unsigned errors = diag_errors(diag);
	struct yaml_file *file = yaml_load(path, diag);
	struct reader reader = {file, diag};

	if (file == NULL)
		return NULL;
	struct config *config = policy_alloc(1, sizeof(*config));
	set_defaults(config);
	if (reader_map(&reader, yaml_root(file), "the configuration") != NULL)
		read_root(config, &reader, yaml_root(file));
	yaml_file_free(&file);
	if (diag_errors(diag) > errors)
		config_free(&config);
	return config;
}

void
config_free(struct config **config_p)
{
	struct config *config = *config_p;

	if (config == NULL)
		return;
	for (unsigned i = 0; i < config->listener_count; i++)
		config_free_listener(&config->listeners[i]);
	free(config->listeners);
	for (unsigned i = 0; i < config->sink_count; i++)
		free(config->sinks[i].path);
	free(config->sinks);
	free(config->dns.servers);
	free(config->never_ban);
	free(config->client_limits.never);
	free(config->user);
	free(config->node);
	free(config);
	*config_p = NULL;
}
