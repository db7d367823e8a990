/*
 * Reload.  See reload.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/reload.h"

#include "base/log.h"
#include "daemon/children.h"
#include "policy/diag.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
	PLACE_MAX = 512
};

/* --- loading ---------------------------------------------------------------- */

static const char *
place_text(const struct diag_place *place, char out[PLACE_MAX])
{
	int len = (int)(place->file.len < 400 ? place->file.len : 400);

	if (place->line == 0)
		snprintf(out, PLACE_MAX, "%.*s", len, place->file.ptr);
	else
		snprintf(out, PLACE_MAX, "%.*s:%u:%u", len, place->file.ptr,
		    place->line, place->column);
	return out;
}

static void
tell(const struct diag_item *item)
{
	bool error = item->severity == DIAG_ERROR;
	char place[PLACE_MAX];

	log_say(error ? LOG_ERROR : LOG_WARN, "%s: %s[%s]: %s%s%s",
	    place_text(&item->place, place), error ? "error" : "warning",
	    item->code, item->text, item->hint == NULL ? "" : "; ",
	    item->hint == NULL ? "" : item->hint);
}

static struct config *
load(const char *path, const struct start *start)
{
	struct diag *diag = diag_new();
	struct config *config = config_load(path, diag);

	for (unsigned i = 0; i < diag_count(diag); i++)
		tell(diag_at(diag, i));
	if (config == NULL)
		log_error("errors in %s and what it names%s%s: %u; `ehlogate "
			  "check -c %s` shows their lines",
		    path, start->user == NULL ? "" : ", read as user ",
		    start->user == NULL ? "" : start->user, diag_errors(diag),
		    path);
	diag_free(&diag);
	return config;
}

/* --- what a reload cannot do ------------------------------------------------ */

static bool
has_mode(const struct config *config, enum config_mode mode)
{
	for (unsigned i = 0; i < config->listener_count; i++)
		if (config->listeners[i].mode == mode)
			return true;
	return false;
}

/* Packets of open sessions need the rules of their mode. */
static bool
keeps_mode(const struct config *now, const struct config *fresh,
    enum config_mode mode, const char *name)
{
	if (!has_mode(now, mode) || has_mode(fresh, mode))
		return true;
	log_error("the last listener with `mode: %s` cannot go by a reload, "
		  "since open sessions need its rules in the kernel: restart",
	    name);
	return false;
}

static bool
keeps_user(const struct config *fresh, const struct start *start)
{
	const char *wanted =
	    fresh->user == NULL ? CONFIG_DEFAULT_USER : fresh->user;

	if (!start->as_root || start->user == NULL ||
	    slice_eq(slice_str(start->user), slice_str(wanted)))
		return true;
	log_error("`user` cannot go from %s to %s by a reload: restart",
	    start->user, wanted);
	return false;
}

static bool
has_slots(const struct config *fresh, unsigned free_slots)
{
	if (fresh->workers <= free_slots)
		return true;
	log_error("%u workers need as many free places, and there are %u: "
		  "workers from before earlier reloads still finish their "
		  "sessions; try again when they have ended",
	    fresh->workers, free_slots);
	return false;
}

static bool
is_possible(const struct config *now, const struct config *fresh,
    const struct start *start, unsigned free_slots)
{
	return keeps_user(fresh, start) &&
	       keeps_mode(now, fresh, CONFIG_TPROXY, "tproxy") &&
	       keeps_mode(now, fresh, CONFIG_REDIRECT, "redirect") &&
	       has_slots(fresh, free_slots) && start_check_capabilities(fresh);
}

/* --- policies --------------------------------------------------------------- */

static const struct config_listener *
find_policy(const struct config *config, const char *path, unsigned before)
{
	for (unsigned i = 0; i < config->listener_count && i < before; i++)
		if (slice_eq(slice_str(config->listeners[i].policy_path),
			slice_str(path)))
			return &config->listeners[i];
	return NULL;
}

static void
tell_policy(const struct config *before, const struct config_listener *now)
{
	const struct config_listener *was =
	    find_policy(before, now->policy_path, before->listener_count);
	const char *version = policy_version(now->policy);

	if (was == NULL)
		log_notice(
		    "policy %s is new: version %s", now->policy_path, version);
	else if (!slice_eq(slice_str(policy_version(was->policy)),
		     slice_str(version)))
		log_notice("policy %s goes from version %s to %s",
		    now->policy_path, policy_version(was->policy), version);
}

static void
tell_policies(const struct config *before, const struct config *now)
{
	for (unsigned i = 0; i < now->listener_count; i++) {
		const struct config_listener *one = &now->listeners[i];
		if (find_policy(now, one->policy_path, i) == NULL)
			tell_policy(before, one);
	}
	for (unsigned i = 0; i < before->listener_count; i++) {
		const char *path = before->listeners[i].policy_path;
		if (find_policy(before, path, i) == NULL &&
		    find_policy(now, path, now->listener_count) == NULL)
			log_notice("policy %s is not in use any more", path);
	}
}

/* --- doing it ------------------------------------------------------------------------------- */

/* Everything that can fail.  False: nothing has changed. */
static bool
prepare(struct monitor *monitor, struct config *config, struct setup *fresh,
    struct generation **generation)
{
	struct start *start = &monitor->start;

	if (!is_possible(monitor->setup.config, config, start,
		children_free_slots(monitor)) ||
	    !setup_open(fresh, config, &monitor->setup, start))
		return false;
	*generation = generation_new(monitor->newest);
	if (*generation == NULL)
		log_error("no pipe for workers: %s", strerror(errno));
	else if (start_open_rings(start, children_take_slots(monitor,
					     *generation, config->workers)) &&
		 kernel_change(&monitor->kernel, config, start->uid))
		return true;
	if (*generation != NULL)
		children_give_slots_back(monitor, *generation);
	generation_free(generation);
	fresh->config = NULL;
	setup_close(fresh, &monitor->setup);
	return false;
}

/* Nothing here can fail: a process that cannot be started is tried again. */
static void
commit(struct monitor *monitor, const struct setup *fresh,
    struct generation *generation)
{
	struct generation *old = monitor->newest;

	tell_policies(monitor->setup.config, fresh->config);
	start_raise_descriptors(fresh->config);
	setup_close(&monitor->setup, fresh);
	monitor->setup = *fresh;
	monitor->newest = generation;
	children_give_slots_back(monitor, old);
	/* Its rings are not all, nor its sinks. */
	children_change_logger(monitor);
	children_respawn(monitor);
	children_retire_older(monitor);
	log_notice("reloaded: generation %u, listening sockets: %u, workers: "
		   "%u%s%s",
	    generation->number, fresh->socket_count, fresh->config->workers,
	    monitor->kernel == NULL ? "" : "; ",
	    monitor->kernel == NULL ? "" : kernel_promise(monitor->kernel));
}

void
reload(struct monitor *monitor)
{
	struct setup fresh;
	struct generation *generation;

	if (monitor->draining) {
		log_notice("no reload while ending");
		return;
	}
	struct config *config = load(monitor->path, &monitor->start);
	if (config != NULL && prepare(monitor, config, &fresh, &generation)) {
		commit(monitor, &fresh, generation);
		return;
	}
	config_free(&config);
	log_error("the reload failed and changed nothing");
}

/* --- before it is needed ---------------------------------------------------- */

static void
warn_unreadable(const char *path, const struct start *start)
{
	if (access(path, R_OK) == -1)
		log_warn("%s cannot be read by user %s: %s; a reload will fail "
			 "until it can",
		    path, start->user, strerror(errno));
}

void
reload_warn_unreadable(const struct monitor *monitor)
{
	const struct config *config = monitor->setup.config;

	if (monitor->start.user == NULL)
		return;
	warn_unreadable(monitor->path, &monitor->start);
	for (unsigned i = 0; i < config->listener_count; i++) {
		const char *policy = config->listeners[i].policy_path;
		if (find_policy(config, policy, i) == NULL)
			warn_unreadable(policy, &monitor->start);
	}
}
