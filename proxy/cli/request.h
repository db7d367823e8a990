/*
 * The facts of a decision, from a command line: what `explain` asks with.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include "policy/lookup.h"
#include "policy/policy.h"

struct request {
	const char *policy;
	struct policy_facts facts;
	struct helo judged;
	struct lookup *lookup;
	bool has_client, has_helo, has_mail, has_rcpt, json;
	char *helo;
	/* --given, --ptr: applied when the client and the name are known */
	const char *given[32];
	unsigned given_count;
};

/* Reads the options; -1, or the exit status with which to end (help, or a
 * command line that cannot be read, which was said). */
int request_read(
    struct request *request, int argc, char **argv, const char *help);
void request_fini(struct request *request);
/* The last stage that the request reaches. */
enum policy_stage request_stage(const struct request *request);

#endif
