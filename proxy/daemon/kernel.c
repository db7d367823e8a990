/*
 * The kernel's part.  See kernel.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/kernel.h"

#include "base/log.h"
#include "net/nft.h"
#include "net/nft_rules.h"
#include "net/route.h"

#include <stdlib.h>
#include <string.h>

enum {
	WHY = 256,
	WHO = 64,
	REPORT_MAX = 64 * 1024,
	PRINT_MAX = 16 * 1024 * 1024
};

struct kernel {
	struct nft_handle *handle;
	struct nft_listener *listeners;
	struct nft_ruleset ruleset;
	enum nft_keeping keeping;
	bool routed[2]; /* IPv4, IPv6: the policy route is ours */
	bool is_new;    /* the table, and so its sets are empty */
};

bool
kernel_is_needed(const struct config *config)
{
	for (unsigned i = 0; i < config->listener_count; i++)
		if (config->listeners[i].mode != CONFIG_EXPLICIT)
			return true;
	return false;
}

static void
describe(const struct config_listener *from, struct nft_listener *to)
{
	*to = (struct nft_listener){.name = from->name,
	    .mode = from->mode == CONFIG_TPROXY ? NFT_TPROXY : NFT_REDIRECT,
	    .interfaces = from->intercept.interfaces,
	    .interface_count = from->intercept.interface_count,
	    .ports = from->intercept.ports,
	    .port_count = from->intercept.port_count,
	    .from = from->intercept.from,
	    .from_count = from->intercept.from_count,
	    .to = from->intercept.to,
	    .to_count = from->intercept.to_count,
	    .from_host = from->intercept.from_host};
	for (unsigned i = 0; i < from->bind_count; i++) {
		if (from->bind[i].addr.family == 4)
			to->target4 = from->bind[i];
		else
			to->target6 = from->bind[i];
	}
}

struct kernel *
kernel_describe(const struct config *config, uid_t gate_uid)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));

	if (kernel == NULL)
		log_fatal("no memory for a ruleset");
	kernel->listeners =
	    calloc(config->listener_count, sizeof(struct nft_listener));
	if (kernel->listeners == NULL)
		log_fatal("no memory for a ruleset");
	kernel->ruleset.listeners = kernel->listeners;
	kernel->ruleset.closed = true;
	kernel->ruleset.gate_uid = gate_uid;
	for (unsigned i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];
		if (listener->mode == CONFIG_EXPLICIT)
			continue;
		describe(listener, &kernel->listeners[kernel->ruleset.count++]);
		/* Only tproxy listeners say so, and all the same. */
		if (listener->on_failure == CONFIG_OPEN)
			kernel->ruleset.closed = false;
	}
	return kernel;
}

const struct nft_ruleset *
kernel_ruleset(const struct kernel *kernel)
{
	return &kernel->ruleset;
}

bool
kernel_has_tproxy(const struct kernel *kernel)
{
	for (unsigned i = 0; i < kernel->ruleset.count; i++)
		if (kernel->listeners[i].mode == NFT_TPROXY)
			return true;
	return false;
}

void
kernel_free(struct kernel **kernel)
{
	nft_close(&(*kernel)->handle);
	free((*kernel)->listeners);
	free(*kernel);
	*kernel = NULL;
}

/* Takes the routes away that are not in `kept`. */
static void
unroute(struct kernel *kernel, const bool kept[2])
{
	char why[WHY];

	for (int i = 0; i < 2; i++) {
		if (!kernel->routed[i] || kept[i])
			continue;
		if (!route_remove(i == 0 ? 4 : 6, why))
			log_warn("the policy route stays: %s", why);
		kernel->routed[i] = false;
	}
}

static bool
uses_family(const struct kernel *kernel, bool v6)
{
	for (unsigned i = 0; i < kernel->ruleset.count; i++) {
		const struct nft_listener *listener = &kernel->listeners[i];
		if ((v6 ? listener->target6 : listener->target4).port != 0)
			return true;
	}
	return false;
}

static const bool no_routes[2];

/* Adds what is missing; what it added is undone if it cannot add all. */
static bool
route(struct kernel *kernel)
{
	bool kept[2] = {kernel->routed[0], kernel->routed[1]};
	char why[WHY];

	for (int i = 0; i < 2; i++) {
		if (kernel->routed[i] || !kernel_has_tproxy(kernel) ||
		    !uses_family(kernel, i == 1))
			continue;
		if (!route_install(i == 0 ? 4 : 6, why)) {
			log_error("no policy route: %s", why);
			unroute(kernel, kept);
			return false;
		}
		kernel->routed[i] = true;
	}
	return true;
}

struct kernel *
kernel_open(const struct config *config, uid_t gate_uid)
{
	struct kernel *kernel = kernel_describe(config, gate_uid);
	char why[WHY];

	if (!route(kernel)) {
		kernel_free(&kernel);
		return NULL;
	}
	kernel->handle = nft_install(&kernel->ruleset, &kernel->keeping, why);
	if (kernel->handle == NULL) {
		log_error("no nftables table: %s", why);
		unroute(kernel, no_routes);
		kernel_free(&kernel);
		return NULL;
	}
	if (kernel->keeping == NFT_PLAIN)
		log_warn("this kernel has no owned tables: `nft flush "
			 "ruleset` can delete ours, which is put back at once");
	return kernel;
}

/* Whether two descriptions make the same table. */
static bool
is_same_table(const struct nft_ruleset *a, const struct nft_ruleset *b)
{
	struct buf first, second;

	buf_init(&first, PRINT_MAX);
	buf_init(&second, PRINT_MAX);
	nft_print(a, &first);
	nft_print(b, &second);
	bool same = a->closed == b->closed &&
		    slice_eq(buf_slice(&first), buf_slice(&second));
	buf_fini(&first);
	buf_fini(&second);
	return same;
}

/* The table goes from one description to the other, as one transaction. */
static bool
change_table(struct kernel *from, struct kernel *to)
{
	char why[WHY];

	to->keeping = from->keeping;
	to->is_new = from->is_new;
	if (is_same_table(&from->ruleset, &to->ruleset))
		return true;
	to->is_new = true;
	if (nft_change(from->handle, &to->ruleset, &to->keeping, why))
		return true;
	log_error("the nftables table cannot be changed: %s", why);
	return false;
}

bool
kernel_change(
    struct kernel **kernel_p, const struct config *config, uid_t gate_uid)
{
	struct kernel *kernel = *kernel_p;

	if (kernel == NULL) {
		if (!kernel_is_needed(config))
			return true;
		*kernel_p = kernel_open(config, gate_uid);
		return *kernel_p != NULL;
	}
	struct kernel *fresh = kernel_describe(config, gate_uid);
	memcpy(fresh->routed, kernel->routed, sizeof(fresh->routed));
	if (!route(fresh) || !change_table(kernel, fresh)) {
		unroute(fresh, kernel->routed);
		kernel_free(&fresh);
		return false;
	}
	fresh->handle = kernel->handle;
	kernel->handle = NULL;
	kernel_free(&kernel);
	*kernel_p = fresh;
	return true;
}

void
kernel_close(struct kernel **kernel_p)
{
	struct kernel *kernel = *kernel_p;
	char why[WHY];

	if (kernel == NULL)
		return;
	if (!kernel->ruleset.closed) {
		nft_close(&kernel->handle);
		if (kernel->keeping == NFT_PLAIN && nft_remove(why) == -1)
			log_warn("the table stays: %s", why);
		unroute(kernel, no_routes);
	}
	kernel_free(kernel_p);
}

void
kernel_forget(struct kernel **kernel)
{
	if (*kernel == NULL)
		return;
	nft_forget(&(*kernel)->handle);
	kernel_free(kernel);
}

int
kernel_watch_fd(const struct kernel *kernel)
{
	return nft_watch_fd(kernel->handle);
}

static void
mend_table(struct kernel *kernel, const char *who)
{
	char why[WHY];
	struct buf report;

	buf_init(&report, REPORT_MAX);
	int same = nft_compare(&kernel->ruleset, &report, why);
	buf_fini(&report);
	if (same == 1) {
		log_warn("%s changed the nftables ruleset; our table is "
			 "untouched",
		    who);
		return;
	}
	log_error("%s took our nftables table away or changed it; it is put "
		  "back",
	    who);
	if (!nft_reinstall(kernel->handle, &kernel->ruleset, why))
		log_error("the table cannot be put back: %s", why);
	kernel->is_new = true;
}

static void
mend_route(struct kernel *kernel)
{
	char why[WHY];

	for (int i = 0; i < 2; i++)
		if (kernel->routed[i] && !route_install(i == 0 ? 4 : 6, why))
			log_error("the policy route is gone: %s", why);
}

void
kernel_mend(struct kernel *kernel)
{
	char who[WHO];

	if (!nft_watch_read(kernel->handle, who))
		return;
	mend_table(kernel, who);
	mend_route(kernel);
}

void
kernel_ban(
    struct kernel *kernel, const struct addr *client, uint64_t milliseconds)
{
	char why[WHY];

	if (nft_has_sets(&kernel->ruleset) &&
	    !nft_ban(kernel->handle, client, milliseconds, why))
		log_error("a ban is kept by the workers alone: %s while adding "
			  "it to the kernel's set",
		    why);
}

bool
kernel_lost_bans(struct kernel *kernel)
{
	bool lost = kernel->is_new;

	kernel->is_new = false;
	return lost;
}

const char *
kernel_promise(const struct kernel *kernel)
{
	if (kernel->ruleset.closed)
		return "on_failure: closed: without the gate connections are "
		       "refused, until `ehlogate nft remove`";
	return kernel->keeping == NFT_OWNED
		   ? "on_failure: open: without the gate connections pass by it"
		   : "on_failure: open, but this kernel has no owned tables: "
		     "after "
		     "a crash run `ehlogate nft remove`";
}
