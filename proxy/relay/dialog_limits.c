/*
 * What one client may have at once, and how often it may connect.  The counts
 * are the caller's, over all workers; whether they are too many is said here,
 * before there is a connection to the server.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/dialog_private.h"

#include <stdio.h>

/* Connections within that time; 0: it was not counted. */
static unsigned
rate_within(const struct dialog_counts *counts, uint32_t ms)
{
	for (unsigned i = 0; i < DIALOG_RATES; i++)
		if (counts->rates[i].ms == ms)
			return counts->rates[i].count;
	return 0;
}

/* One limit: how it is called, and whether the policy or the configuration has
 * it passed. */
struct passed {
	const char *note, *text;
	bool by_policy, by_config;
};

static struct passed
sessions_passed(const struct dialog *dialog)
{
	const struct dialog_client_limits *config =
	    &dialog->listener->client_limits;
	unsigned limit = dialog->limits.sessions_per_client;
	unsigned sessions = dialog->start.counts.sessions;

	return (struct passed){.note = "limit_sessions_per_client",
	    .text = "too many sessions from your address",
	    .by_policy = limit > 0 && sessions > limit,
	    .by_config = config->sessions > 0 && sessions > config->sessions};
}

static struct passed
rate_passed(const struct dialog *dialog)
{
	const struct dialog_counts *counts = &dialog->start.counts;
	const struct policy_rate *config =
	    &dialog->listener->client_limits.rate;
	const struct policy_rate *policy = &dialog->limits.rate_per_client;

	return (struct passed){.note = "limit_rate_per_client",
	    .text = "too many connections from your address for now",
	    .by_policy = policy->count > 0 &&
			 rate_within(counts, policy->ms) > policy->count,
	    .by_config = config->count > 0 &&
			 rate_within(counts, config->ms) > config->count};
}

/* True: the client is refused. */
static bool
apply(struct dialog *dialog, const struct passed *passed)
{
	bool acts =
	    !dialog->limits.monitor &&
	    (passed->by_policy ||
		(passed->by_config && dialog->listener->client_limits.enforce));
	char text[160];

	if (!passed->by_policy && !passed->by_config)
		return false;
	snprintf(
	    text, sizeof(text), "%s%s", acts ? "" : "would_", passed->note);
	record_note(dialog->record, text);
	if (!acts)
		return false;
	int len = snprintf(text, sizeof(text), "421 4.7.0 %s [ref %s]",
	    passed->text, dialog->start.ref);
	smtp_engine_turn_away(
	    &dialog->engine, slice_of(text, (size_t)len), "PG", passed->note);
	return true;
}

bool
dialog_is_over_limits(struct dialog *dialog)
{
	struct passed sessions = sessions_passed(dialog);
	struct passed rate = rate_passed(dialog);

	return apply(dialog, &sessions) || apply(dialog, &rate);
}
