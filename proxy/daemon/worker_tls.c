/*
 * A worker's TLS.  See worker_tls.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/worker_tls.h"

#include "base/log.h"

#include <stdlib.h>

enum {
	SESSIONS = 1024,    /* with servers, that can be resumed */
	CERTIFICATES = 1024 /* that were made, and are kept */
};

static bool
speaks_to_servers(const struct config_listener *listener)
{
	return config_uses_tls(listener, POLICY_STARTTLS_UPLIFT) ||
	       (listener->tls.server != CONFIG_SERVER_NONE &&
		   (config_uses_tls(listener, POLICY_STARTTLS_TERMINATE) ||
		       config_uses_tls(listener, POLICY_STARTTLS_INTERCEPT)));
}

static bool
is_same(const char *a, const char *b)
{
	return slice_eq(slice_str(a), slice_str(b));
}

/* Roots are many: listeners that want the same share them. */
static bool
can_share(const struct config_tls *a, const struct config_tls *b)
{
	return a->only_1_3 == b->only_1_3 && is_same(a->ciphers, b->ciphers) &&
	       is_same(a->groups, b->groups) && is_same(a->roots, b->roots) &&
	       (a->server == CONFIG_SERVER_VERIFY) ==
		   (b->server == CONFIG_SERVER_VERIFY);
}

static void
make_server(struct worker_tls *tls, const struct config *config,
    const struct keys *keys, unsigned at)
{
	const struct config_tls *own = &config->listeners[at].tls;
	struct tls_settings settings = keys_settings(own);
	char error[TLS_ERROR_MAX];

	for (unsigned i = 0; i < at; i++)
		if (tls[i].server != NULL &&
		    can_share(&config->listeners[i].tls, own)) {
			tls[at].server = tls[i].server;
			tls[at].lent = true;
			return;
		}
	tls[at].server = tls_client_context(&settings,
	    own->server == CONFIG_SERVER_VERIFY ? TLS_TRUST_NAMED
						: TLS_TRUST_ALL,
	    keys == NULL ? SLICE("") : keys->listeners[at].roots, error);
	if (tls[at].server == NULL)
		log_fatal("no TLS for listener `%s`: %s",
		    config->listeners[at].name, error);
	if (!tls_context_remember(tls[at].server, SESSIONS))
		log_fatal("no memory while starting");
}

static struct tls_settings
client_settings(const struct config_tls *tls, const struct keys_listener *keys)
{
	struct tls_settings settings = keys_settings(tls);

	settings.ask = tls->ask_certificate;
	settings.client_roots = keys->client_roots;
	return settings;
}

static void
make_terminate(struct worker_tls *tls, const struct config_listener *listener,
    const struct keys_listener *keys, const struct tls_tickets *tickets)
{
	struct tls_settings settings = client_settings(&listener->tls, keys);
	char error[TLS_ERROR_MAX];

	tls->terminate = tls_server_context(&settings, keys->certificates,
	    listener->tls.certificate_count, error);
	if (tls->terminate == NULL)
		log_fatal(
		    "no TLS for listener `%s`: %s", listener->name, error);
	tls_context_use_tickets(tls->terminate, tickets);
}

static void
make_intercept(struct worker_tls *tls, const struct config_listener *listener,
    const struct keys_listener *keys, const struct tls_tickets *tickets)
{
	struct tls_settings settings = client_settings(&listener->tls, keys);
	char error[TLS_ERROR_MAX];

	tls->intercept =
	    tls_mint_context(&settings, &keys->authority, CERTIFICATES, error);
	if (tls->intercept == NULL)
		log_fatal(
		    "no TLS for listener `%s`: %s", listener->name, error);
	tls_context_use_tickets(tls->intercept, tickets);
}

struct worker_tls *
worker_tls_new(const struct config *config, struct keys **keys,
    const struct tls_tickets *tickets)
{
	struct worker_tls *tls =
	    calloc(config->listener_count, sizeof(struct worker_tls));

	if (tls == NULL)
		log_fatal("no memory while starting");
	for (unsigned i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];
		if (speaks_to_servers(listener))
			make_server(tls, config, *keys, i);
		if (listener->tls.certificate_count > 0)
			make_terminate(
			    &tls[i], listener, &(*keys)->listeners[i], tickets);
		if (listener->tls.authority.key != NULL)
			make_intercept(
			    &tls[i], listener, &(*keys)->listeners[i], tickets);
	}
	keys_free(keys);
	return tls;
}

void
worker_tls_free(struct worker_tls **tls_p, const struct config *config)
{
	struct worker_tls *tls = *tls_p;

	for (unsigned i = 0; i < config->listener_count; i++) {
		tls_context_free(&tls[i].terminate);
		tls_context_free(&tls[i].intercept);
		if (!tls[i].lent)
			tls_context_free(&tls[i].server);
	}
	free(tls);
	*tls_p = NULL;
}
