/*
 * `tls` of a listener: read, then, when its policy is known, whether each key
 * has a use and everything that is asked for can be had.  The files that it
 * names are not opened here: keys are read by who may (daemon/keys.h).
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/config_private.h"

#include <limits.h>
#include <stdlib.h>

enum {
	CERTIFICATES_MAX = 64
};

/* --- files -------------------------------------------------------------------- */

static void
read_path(const struct reader *reader, const struct yaml_node *node,
    const char *what, char **out)
{
	char path[PATH_MAX];

	if (node->kind == YAML_SCALAR && node->text.len > 0 &&
	    reader_path(reader, node->text, path))
		*out = slice_dup(slice_str(path));
	else
		reader_error(
		    reader, "C060", node, NULL, "%s must be a path", what);
}

static void
read_pair(const struct reader *reader, const struct yaml_node *node,
    const char *where, struct config_pair *out)
{
	static const char *const keys[] = {"chain", "key"};
	char **const paths[] = {&out->chain, &out->key};

	if (reader_map(reader, node, where) == NULL)
		return;
	reader_check_keys(reader, node, SECTION_PAIR, where);
	for (unsigned i = 0; i < 2; i++) {
		const struct yaml_node *path = yaml_get(node, keys[i]);
		if (path != NULL)
			read_path(reader, path, i == 0 ? "`chain`" : "`key`",
			    paths[i]);
		else if (!reader_is_misspelt(node, SECTION_PAIR, keys[i]))
			reader_error(reader, "C060", node, NULL,
			    "%s needs `chain` and `key`, paths of PEM files",
			    where);
	}
}

static void
read_certificates(const struct reader *reader, const struct yaml_node *node,
    struct config_tls *out)
{
	if (node->kind != YAML_LIST || node->count == 0 ||
	    node->count > CERTIFICATES_MAX) {
		reader_error(reader, "C060", node, NULL,
		    "`certificates` is a list of 1 to %d maps: [{chain: PATH, "
		    "key: PATH}]",
		    (int)CERTIFICATES_MAX);
		return;
	}
	out->certificates =
	    policy_alloc(node->count, sizeof(struct config_pair));
	for (unsigned i = 0; i < node->count; i++)
		read_pair(reader, node->items[i], "a certificate",
		    &out->certificates[out->certificate_count++]);
}

/* --- words -------------------------------------------------------------------- */

static void
read_client(const struct reader *reader, const struct yaml_node *node,
    const struct yaml_node *accept, struct config_tls *out)
{
	static const char *const words[] = {
	    "pass", "hide", "uplift", "terminate", "intercept", "refuse"};
	bool accepted = false;

	if (accept != NULL)
		reader_bool(reader, accept, "`accept_downgrade`", &accepted);
	if (node == NULL)
		return;
	int at = reader_word(reader, node, "`client`", words, 6);
	if (at != -1)
		out->client = (enum config_tls_client)at;
	if (out->client == CONFIG_TLS_HIDE && !accepted)
		reader_error(reader, "C043", node, NULL,
		    "`client: hide` takes encryption from every session: "
		    "write `accept_downgrade: true` beside it if that is "
		    "meant");
}

static void
read_server(const struct reader *reader, const struct yaml_node *node,
    struct config_tls *out)
{
	static const char *const words[] = {
	    "mirror", "require", "verify", "opportunistic", "none"};
	int at = reader_word(reader, node, "`server`", words, 5);

	if (at != -1)
		out->server = (enum config_tls_server)(at + 1);
}

static void
read_flag(const struct reader *reader, const struct yaml_node *map,
    const char *key, bool *out)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node != NULL)
		reader_bool(reader, node, key, out);
}

static void
read_text(const struct reader *reader, const struct yaml_node *map,
    const char *key, char **out)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL)
		return;
	if (node->kind == YAML_SCALAR && node->text.len > 0 &&
	    node->text.len < 1024)
		*out = slice_dup(node->text);
	else
		reader_error(reader, "C034", node, NULL,
		    "`%s` must be a text of 1 to 1023 characters", key);
}

static void
read_server_name(const struct reader *reader, const struct yaml_node *node,
    struct config_tls *out)
{
	struct helo judged;

	if (node == NULL)
		return;
	helo_analyse(node->text, NULL, &judged);
	if (node->kind == YAML_SCALAR && judged.valid &&
	    judged.form == HELO_FORM_DOMAIN)
		out->server_name = slice_dup(node->text);
	else
		reader_error(reader, "C034", node, NULL,
		    "`server_name` must be a valid domain name");
}

void
config_read_tls(const struct reader *reader, const struct yaml_node *node,
    struct config_tls *out)
{
	static const char *const versions[] = {"1.2", "1.3"};
	const struct yaml_node *value;

	if (reader_map(reader, node, "`tls`") == NULL)
		return;
	reader_check_keys(reader, node, SECTION_TLS, "`tls`");
	read_client(reader, yaml_get(node, "client"),
	    yaml_get(node, "accept_downgrade"), out);
	if ((value = yaml_get(node, "server")) != NULL)
		read_server(reader, value, out);
	if ((value = yaml_get(node, "certificates")) != NULL)
		read_certificates(reader, value, out);
	if ((value = yaml_get(node, "authority")) != NULL)
		read_pair(reader, value, "`authority`", &out->authority);
	if ((value = yaml_get(node, "bypass")) != NULL)
		config_read_prefixes(
		    reader, value, &out->bypass, &out->bypass_count);
	if ((value = yaml_get(node, "min_version")) != NULL)
		out->only_1_3 = reader_word(reader, value, "`min_version`",
				    versions, 2) == 1;
	read_flag(reader, node, "implicit", &out->implicit);
	read_flag(reader, node, "ask_certificate", &out->ask_certificate);
	read_text(reader, node, "ciphers", &out->ciphers);
	read_text(reader, node, "groups", &out->groups);
	if ((value = yaml_get(node, "client_roots")) != NULL)
		read_path(reader, value, "`client_roots`", &out->client_roots);
	if ((value = yaml_get(node, "roots")) != NULL)
		read_path(reader, value, "`roots`", &out->roots);
	read_server_name(reader, yaml_get(node, "server_name"), out);
}

void
config_free_tls(struct config_tls *tls)
{
	for (unsigned i = 0; i < tls->certificate_count; i++) {
		free(tls->certificates[i].chain);
		free(tls->certificates[i].key);
	}
	free(tls->certificates);
	free(tls->authority.chain);
	free(tls->authority.key);
	free(tls->bypass);
	free(tls->ciphers);
	free(tls->groups);
	free(tls->client_roots);
	free(tls->roots);
	free(tls->server_name);
}

/* --- whether it fits together ----------------------------------------------------- */

bool
config_uses_tls(
    const struct config_listener *listener, enum policy_starttls what)
{
	static const enum config_tls_client clients[] = {
	    [POLICY_STARTTLS_PASS] = CONFIG_TLS_PASS,
	    [POLICY_STARTTLS_HIDE] = CONFIG_TLS_HIDE,
	    [POLICY_STARTTLS_UPLIFT] = CONFIG_TLS_UPLIFT,
	    [POLICY_STARTTLS_TERMINATE] = CONFIG_TLS_TERMINATE,
	    [POLICY_STARTTLS_INTERCEPT] = CONFIG_TLS_INTERCEPT,
	    [POLICY_STARTTLS_REFUSE] = CONFIG_TLS_REFUSE};

	return listener->tls.client == clients[what] ||
	       (listener->policy != NULL &&
		   policy_orders_starttls(listener->policy, what));
}

static void
want(const struct reader *reader, const struct yaml_node *node, bool used,
    bool there, const char *word, const char *key, const char *what)
{
	if (used && !there)
		reader_error(reader, "C058", node, NULL,
		    "%s needs `%s` in the listener's `tls`: %s", word, key,
		    what);
}

/* A key that changes nothing is a mistake of somebody who thinks it does. */
static void
check_use(const struct reader *reader, const struct yaml_node *tls,
    const char *key, bool used, const char *belongs)
{
	const struct yaml_node *node = yaml_get(tls, key);

	if (node != NULL && !used)
		reader_error(reader, "C059", node, NULL,
		    "`%s` has no effect here: it belongs to %s", key, belongs);
}

static void
check_server(const struct reader *reader, const struct yaml_node *node,
    const struct config_listener *listener, bool spoken)
{
	bool uplifts = config_uses_tls(listener, POLICY_STARTTLS_UPLIFT);
	enum config_tls_server server = listener->tls.server;

	if (node == NULL)
		return;
	if (!spoken)
		reader_error(reader, "C057", node, NULL,
		    "`server` says how the gate encrypts the server's leg, "
		    "which it does with `client: uplift`, `terminate` or "
		    "`intercept`, or where the policy says so of a rule's "
		    "`starttls`");
	else if (uplifts && server == CONFIG_SERVER_NONE)
		reader_error(reader, "C057", node, NULL,
		    "`uplift` encrypts the server's leg, and `server: none` "
		    "does not");
	else if (listener->tls.client == CONFIG_TLS_UPLIFT &&
		 server == CONFIG_SERVER_MIRROR)
		reader_error(reader, "C057", node, NULL,
		    "with `client: uplift` the client has no TLS that `server: "
		    "mirror` could follow");
}

static void
check_keys(const struct reader *reader, const struct yaml_node *tls,
    const struct config_listener *listener)
{
	bool terminates = config_uses_tls(listener, POLICY_STARTTLS_TERMINATE);
	bool intercepts = config_uses_tls(listener, POLICY_STARTTLS_INTERCEPT);
	bool ends = terminates || intercepts;
	bool spoken = ends || config_uses_tls(listener, POLICY_STARTTLS_UPLIFT);
	bool whole = listener->tls.client == CONFIG_TLS_TERMINATE ||
		     listener->tls.client == CONFIG_TLS_INTERCEPT;

	check_server(reader, yaml_get(tls, "server"), listener, spoken);
	check_use(reader, tls, "certificates", terminates, "`terminate`");
	check_use(reader, tls, "authority", intercepts, "`intercept`");
	check_use(reader, tls, "bypass", intercepts, "`intercept`");
	check_use(reader, tls, "implicit", whole || !listener->tls.implicit,
	    "`client: terminate` and `client: intercept`");
	check_use(reader, tls, "ask_certificate", ends,
	    "`terminate` and `intercept`");
	check_use(reader, tls, "client_roots", listener->tls.ask_certificate,
	    "`ask_certificate: true`");
	check_use(reader, tls, "min_version", spoken, "TLS of the gate's own");
	check_use(reader, tls, "ciphers", spoken, "TLS of the gate's own");
	check_use(reader, tls, "groups", spoken, "TLS of the gate's own");
	check_use(reader, tls, "roots", spoken, "TLS of the gate's own");
	check_use(reader, tls, "server_name", spoken, "TLS of the gate's own");
}

void
config_check_tls(const struct reader *reader, const struct yaml_node *listener,
    const struct config_listener *out)
{
	const struct yaml_node *tls = yaml_get(listener, "tls");
	const struct yaml_node *place = tls == NULL ? listener : tls;

	if (out->policy == NULL)
		return;
	want(reader, place, config_uses_tls(out, POLICY_STARTTLS_TERMINATE),
	    out->tls.certificate_count > 0 ||
		(tls != NULL && yaml_get(tls, "certificates") != NULL),
	    "`terminate`", "certificates", "[{chain: PATH, key: PATH}]");
	want(reader, place, config_uses_tls(out, POLICY_STARTTLS_INTERCEPT),
	    tls != NULL && yaml_get(tls, "authority") != NULL, "`intercept`",
	    "authority", "{chain: PATH, key: PATH}");
	if (out->tls.implicit && out->greet_first &&
	    out->tls.client == CONFIG_TLS_INTERCEPT)
		reader_error(reader, "C058", yaml_get(tls, "implicit"), NULL,
		    "from the first octet on `intercept` needs the server's "
		    "certificate, and `greeting: gate` connects later");
	if (tls != NULL && tls->kind == YAML_MAP)
		check_keys(reader, tls, out);
}
