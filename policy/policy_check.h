/*
 * Checks of a policy that need to know where it is used, and the tests that a
 * policy file brings along.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_POLICY_CHECK_H
#define POLICY_POLICY_CHECK_H

#include "policy/diag.h"
#include "policy/lookup.h"
#include "policy/policy.h"
#include "policy/yaml.h"

struct policy_listener_facts {
	struct slice name;
	bool tls_pass;     /* tls: {client: pass} */
	bool tls_bypasses; /* ... for some servers */
	bool tls_ends;     /* at the gate, for some clients at least */
	bool require_inspection;
};

/* Where STARTTLS passes through, a name that is changed in clear text comes
 * back unchanged inside TLS: a repair or rewrite that does not say what
 * becomes of STARTTLS is an error. */
void policy_check_listener(const struct policy *policy,
    const struct policy_listener_facts *listener, struct diag *diag);
/* The same as a warning, for a policy that is looked at alone. */
void policy_check_alone(const struct policy *policy, struct diag *diag);
/* Warnings of what is legal and probably not meant: rules that can never fire
 * (shadowed by others, also by several together: proven, with the proof; or
 * contradictory), that make no difference, have expired on `now_s` (seconds
 * since 1970; 0: none has), have no test, or refuse what RFC 5321 4.1.4 says
 * not to refuse; unused lists; repairs that can end invalid. */
void policy_lint(
    const struct policy *policy, uint64_t now_s, struct diag *diag);

/* Sets what DNS says of a fact, from YAML: a word, a name or address or a list
 * of them, `none`, `temperror`; of client.dnsbl and helo.rhsbl a zone, or a map
 * of zones.  NULL, or why it cannot be. */
const char *policy_give(
    struct lookup *lookup, struct slice fact, const struct yaml_node *value);

/* "2026-12-31" as the first second of that day (UTC, since 1970). */
bool policy_read_day(const struct yaml_node *node, uint64_t *out_s);

/* The tests of the file. */
unsigned policy_test_count(const struct policy *policy);
/* Runs one; true: it passed.  Otherwise `out` says what came instead, after
 * "FILE:LINE: ". */
bool policy_test_run(const struct policy *policy, unsigned i, struct buf *out);

/* Every rule of a stage that is tried, and why; then the verdict, where there
 * is one (policy_decide). */
enum policy_outcome policy_explain(const struct policy *policy,
    enum policy_stage stage, const struct policy_facts *facts, bool as_json,
    struct policy_verdict *verdict, struct buf *out);

#endif
