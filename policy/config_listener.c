/*
 * The listeners of the configuration.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/config_private.h"
#include "policy/policy_check.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

/* --- interception ---------------------------------------------------------------------- */

void
config_read_prefixes(const struct reader *reader, const struct yaml_node *node,
    struct prefix **out, unsigned *out_count)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "a list of prefixes", &one, &count);

	if (items == NULL)
		return;
	*out = policy_alloc(count, sizeof(struct prefix));
	for (unsigned i = 0; i < count; i++) {
		if (prefix_parse(items[i]->text, &(*out)[*out_count]))
			(*out_count)++;
		else
			reader_error(reader, "C036", items[i], NULL,
			    "`%.*s` is no address, and no prefix with its "
			    "host bits clear",
			    SLICE_FMT(slice_head(items[i]->text, 80)));
	}
}

static void
read_prefixes(const struct reader *reader, const struct yaml_node *node,
    struct prefix **out, unsigned *out_count)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "a list of prefixes", &one, &count);

	if (items == NULL || (count == 1 && yaml_is(items[0], "any")))
		return;
	config_read_prefixes(reader, node, out, out_count);
}

static void
read_ports(const struct reader *reader, const struct yaml_node *node,
    struct config_intercept *out)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "`port`", &one, &count);
	uint64_t port;

	if (items == NULL)
		return;
	free(out->ports);
	out->ports = policy_alloc(count, sizeof(uint16_t));
	out->port_count = 0;
	for (unsigned i = 0; i < count; i++) {
		if (yaml_u64(items[i], &port) && port > 0 && port <= 65535)
			out->ports[out->port_count++] = (uint16_t)port;
		else
			reader_error(reader, "C037", items[i], NULL,
			    "a port is a number from 1 to 65535%s",
			    reader_unquote(items[i]));
	}
}

static void
read_interfaces(const struct reader *reader, const struct yaml_node *node,
    struct config_intercept *out)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "`interface`", &one, &count);

	if (items == NULL || (count == 1 && yaml_is(items[0], "any")))
		return;
	out->interfaces = policy_alloc(count, sizeof(char *));
	for (unsigned i = 0; i < count; i++) {
		if (items[i]->text.len > 0 && items[i]->text.len < IFNAMSIZ)
			out->interfaces[out->interface_count++] =
			    slice_dup(items[i]->text);
		else
			reader_error(reader, "C038", items[i], NULL,
			    "an interface's name has 1 to %d characters",
			    IFNAMSIZ - 1);
	}
}

static void
read_intercept(const struct reader *reader, const struct yaml_node *node,
    struct config_listener *out)
{
	const struct yaml_node *value;

	if (reader_map(reader, node, "`intercept`") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_INTERCEPT, "`intercept`");
	if ((value = yaml_get(node, "interface")) != NULL)
		read_interfaces(reader, value, &out->intercept);
	if ((value = yaml_get(node, "port")) != NULL)
		read_ports(reader, value, &out->intercept);
	if ((value = yaml_get(node, "from")) != NULL)
		read_prefixes(reader, value, &out->intercept.from,
		    &out->intercept.from_count);
	if ((value = yaml_get(node, "to")) != NULL)
		read_prefixes(reader, value, &out->intercept.to,
		    &out->intercept.to_count);
	if ((value = yaml_get(node, "from_host")) == NULL ||
	    !reader_bool(
		reader, value, "`from_host`", &out->intercept.from_host))
		return;
	if (out->intercept.from_host && out->mode != CONFIG_REDIRECT)
		reader_error(reader, "C039", value, NULL,
		    "`from_host` belongs to `mode: redirect`");
}

/* --- endpoints --------------------------------------------------------------------------- */

static void
read_bind(const struct reader *reader, const struct yaml_node *node,
    struct config_listener *out)
{
	struct yaml_node *one;
	unsigned count;
	struct yaml_node *const *items =
	    reader_scalars(reader, node, "`bind`", &one, &count);

	if (items == NULL)
		return;
	out->bind = policy_alloc(count, sizeof(struct endpoint));
	for (unsigned i = 0; i < count; i++) {
		if (endpoint_parse(
			items[i]->text, &out->bind[out->bind_count]) &&
		    out->bind[out->bind_count].port > 0)
			out->bind_count++;
		else
			reader_error(reader, "C040", items[i], NULL,
			    "`%.*s` is no ADDRESS:PORT (IPv6 in brackets: "
			    "\"[::1]:2525\")",
			    SLICE_FMT(slice_head(items[i]->text, 80)));
	}
}

static void
default_bind(const struct config *config, struct config_listener *out)
{
	unsigned port = CONFIG_BASE_PORT + config->listener_count;

	out->bind = policy_alloc(2, sizeof(struct endpoint));
	out->bind[0] = (struct endpoint){{.family = 4}, (uint16_t)port};
	out->bind[1] = (struct endpoint){{.family = 6}, (uint16_t)port};
	out->bind_count = 2;
}

static void
check_binds(const struct config *config, const struct reader *reader,
    const struct yaml_node *node, const struct config_listener *listener)
{
	char text[ENDPOINT_TEXT];

	for (unsigned i = 0; i < config->listener_count; i++) {
		const struct config_listener *other = &config->listeners[i];
		for (unsigned a = 0; a < other->bind_count; a++)
			for (unsigned b = 0; b < listener->bind_count; b++)
				if (addr_eq(&other->bind[a].addr,
					&listener->bind[b].addr) &&
				    other->bind[a].port ==
					listener->bind[b].port)
					reader_error(reader, "C041", node, NULL,
					    "listener `%s` is on %s already",
					    other->name,
					    endpoint_format(
						&other->bind[a], text));
	}
	for (unsigned b = 0; b < listener->bind_count; b++)
		if (listener->mode == CONFIG_EXPLICIT &&
		    listener->upstream.port == listener->bind[b].port &&
		    addr_eq(&listener->upstream.addr, &listener->bind[b].addr))
			reader_error(reader, "C042", node, NULL,
			    "`upstream` is this listener itself: a loop");
}

/* --- the listener ------------------------------------------------------------------------- */

static void
read_source(const struct reader *reader, const struct yaml_node *map,
    struct config_listener *out)
{
	static const char *const words[] = {"client", "client_port", "gate"};
	const struct yaml_node *node = yaml_get(map, "source");

	out->source = out->mode == CONFIG_TPROXY ? CONFIG_SOURCE_CLIENT
						 : CONFIG_SOURCE_GATE;
	if (node != NULL) {
		int at = reader_word(reader, node, "`source`", words, 3);
		if (at != -1)
			out->source = (enum config_source)at;
		if (at != 2 && at != -1 && out->mode != CONFIG_TPROXY)
			reader_error(reader, "C044", node, NULL,
			    "only `mode: tproxy` can keep the client's "
			    "address");
	}
	if (out->source == CONFIG_SOURCE_GATE)
		reader_warn(reader, "C101", node == NULL ? map : node, NULL,
		    "the server sees this gate's address on listener `%s`: a "
		    "server that trusts that address is an open relay for "
		    "everybody who reaches the gate",
		    out->name);
}

static void
read_policy(const struct reader *reader, const struct yaml_node *map,
    struct config_listener *out)
{
	const struct yaml_node *node = yaml_get(map, "policy");
	struct slice base = yaml_name(reader->file);
	size_t len = base.len;
	char path[PATH_MAX], *absolute;

	if (node == NULL && reader_is_misspelt(map, SECTION_LISTENER, "policy"))
		return;
	if (node == NULL || node->kind != YAML_SCALAR) {
		reader_error(reader, "C045", node == NULL ? map : node, NULL,
		    "listener `%s` needs a `policy` file", out->name);
		return;
	}
	while (len > 0 && base.ptr[len - 1] != '/')
		len--;
	if (node->text.len > 0 && node->text.ptr[0] == '/')
		len = 0;
	snprintf(path, sizeof(path), "%.*s%.*s", (int)len, base.ptr,
	    SLICE_FMT(node->text));
	absolute = realpath(path, NULL);
	if (absolute == NULL) {
		reader_error(reader, "C045", node, NULL,
		    "the policy %s cannot be read: %s", path, strerror(errno));
		return;
	}
	free(absolute);
	out->policy_path = slice_dup(slice_str(path));
	out->policy = policy_load(path, reader->diag);
	if (out->policy != NULL)
		policy_check_listener(out->policy,
		    &(struct policy_listener_facts){slice_str(out->name),
			out->tls.client == CONFIG_TLS_PASS,
			out->tls.bypass_count > 0,
			config_uses_tls(out, POLICY_STARTTLS_TERMINATE) ||
			    config_uses_tls(out, POLICY_STARTTLS_INTERCEPT),
			out->require_inspection},
		    reader->diag);
}

static void
read_words(const struct reader *reader, const struct yaml_node *map,
    struct config_listener *out)
{
	static const char *const greetings[] = {"server", "gate"};
	static const char *const failures[] = {"closed", "open"};
	static const char *const answers[] = {"tempfail", "reset"};
	const struct yaml_node *node;

	if ((node = yaml_get(map, "greeting")) != NULL &&
	    reader_word(reader, node, "`greeting`", greetings, 2) == 1)
		out->greet_first = true;
	if ((node = yaml_get(map, "on_failure")) != NULL) {
		out->on_failure =
		    reader_word(reader, node, "`on_failure`", failures, 2) == 1
			? CONFIG_OPEN
			: CONFIG_CLOSED;
		if (out->mode != CONFIG_TPROXY)
			reader_error(reader, "C046", node, NULL,
			    "`on_failure` belongs to `mode: tproxy`: %s",
			    out->mode == CONFIG_REDIRECT
				? "a redirect without its listener refuses"
				: "without the gate nothing listens");
	}
	if ((node = yaml_get(map, "on_upstream_failure")) != NULL)
		out->on_upstream_failure =
		    reader_word(
			reader, node, "`on_upstream_failure`", answers, 2) == 1
			? CONFIG_UPSTREAM_RESET
			: CONFIG_UPSTREAM_TEMPFAIL;
	if ((node = yaml_get(map, "require_inspection")) != NULL)
		reader_bool(reader, node, "`require_inspection`",
		    &out->require_inspection);
}

static void
read_places(const struct config *config, const struct reader *reader,
    const struct yaml_node *map, struct config_listener *out)
{
	const struct yaml_node *bind = yaml_get(map, "bind");
	const struct yaml_node *upstream = yaml_get(map, "upstream");
	const struct yaml_node *intercept = yaml_get(map, "intercept");
	bool plain = out->mode == CONFIG_EXPLICIT;

	out->intercept.ports = policy_alloc(1, sizeof(uint16_t));
	out->intercept.ports[0] = 25;
	out->intercept.port_count = 1;
	if (bind != NULL)
		read_bind(reader, bind, out);
	else if (plain)
		reader_error(reader, "C047", map, NULL,
		    "listener `%s` is explicit and needs `bind`", out->name);
	else
		default_bind(config, out);
	if (plain != (upstream != NULL))
		reader_error(reader, "C048", upstream == NULL ? map : upstream,
		    NULL,
		    plain ? "listener `%s` is explicit and needs `upstream`"
			  : "listener `%s` connects to whom the client meant: "
			    "`upstream` belongs to `mode: explicit`",
		    out->name);
	if (upstream != NULL &&
	    (upstream->kind != YAML_SCALAR ||
		!endpoint_parse(upstream->text, &out->upstream)))
		reader_error(reader, "C040", upstream, NULL,
		    "`upstream` must be ADDRESS:PORT");
	if (intercept != NULL && plain)
		reader_error(reader, "C049", intercept, NULL,
		    "`intercept` does not belong to `mode: explicit`");
	else if (intercept != NULL)
		read_intercept(reader, intercept, out);
}

static void
read_listener(struct config *config, const struct reader *reader,
    const struct yaml_node *key, const struct yaml_node *map)
{
	static const char *const modes[] = {"tproxy", "redirect", "explicit"};
	struct config_listener *out =
	    &config->listeners[config->listener_count];
	const struct yaml_node *mode = yaml_get(map, "mode");
	char where[96];

	if (reader_map(reader, map, "a listener") == NULL)
		return;
	out->name = slice_dup(slice_head(key->text, 64));
	out->line = key->place.line;
	snprintf(where, sizeof(where), "listener `%s`", out->name);
	reader_check_keys(reader, map, SECTION_LISTENER, where);
	if (mode == NULL && !reader_is_misspelt(map, SECTION_LISTENER, "mode"))
		reader_error(reader, "C050", key, NULL,
		    "%s needs a `mode`: tproxy, redirect or explicit", where);
	int at =
	    mode == NULL ? -1 : reader_word(reader, mode, "`mode`", modes, 3);
	out->mode = at == -1 ? CONFIG_EXPLICIT : (enum config_mode)at;
	if (at != -1) {
		read_places(config, reader, map, out);
		read_source(reader, map, out);
		check_binds(config, reader, key, out);
	}
	read_words(reader, map, out);
	if (yaml_get(map, "tls") != NULL)
		config_read_tls(reader, yaml_get(map, "tls"), &out->tls);
	read_policy(reader, map, out);
	config_check_tls(reader, map, out);
	config->listener_count++;
}

/* One table serves all listeners, and it either stays or goes with us. */
static void
check_failure_modes(const struct config *config, const struct reader *reader,
    const struct yaml_node *node)
{
	const struct config_listener *first = NULL;

	for (unsigned i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];
		if (listener->mode != CONFIG_TPROXY)
			continue;
		if (first == NULL)
			first = listener;
		else if (first->on_failure != listener->on_failure)
			reader_error(reader, "C051", node, NULL,
			    "listeners `%s` and `%s` differ in `on_failure`: "
			    "they share one nftables table, which stays or "
			    "goes as a whole",
			    first->name, listener->name);
	}
}

void
config_read_listeners(struct config *config, const struct reader *reader,
    const struct yaml_node *node)
{
	if (reader_map(reader, node, "`listeners`") == NULL)
		return;
	if (node->count == 0 || node->count > 64) {
		reader_error(reader, "C029", node, NULL,
		    "`listeners` has 1 to 64 entries");
		return;
	}
	config->listeners =
	    policy_alloc(node->count, sizeof(struct config_listener));
	for (unsigned i = 0; i < node->count; i++)
		read_listener(config, reader, node->keys[i], node->items[i]);
	check_failure_modes(config, reader, node);
}

void
config_free_listener(struct config_listener *listener)
{
	for (unsigned i = 0; i < listener->intercept.interface_count; i++)
		free(listener->intercept.interfaces[i]);
	free(listener->intercept.interfaces);
	free(listener->intercept.ports);
	free(listener->intercept.from);
	free(listener->intercept.to);
	free(listener->bind);
	free(listener->name);
	free(listener->policy_path);
	policy_free(&listener->policy);
	config_free_tls(&listener->tls);
}
