/*
 * Whether `when` holds.  Nothing here allocates, and nothing depends on how
 * long a list is.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_private.h"

/* The star matches any run, the question mark one byte.  Backs up to the last
 * star only, so the time is bounded by the product of the lengths. */
bool
policy_match_glob(struct slice pattern, struct slice text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;

	while (t < text.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = p++;
			mark = t;
		} else if (p < pattern.len &&
			   (pattern.ptr[p] == '?' ||
			       ascii_lower(pattern.ptr[p]) ==
				   ascii_lower(text.ptr[t]))) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.ptr[p] == '*')
		p++;
	return p == pattern.len;
}

static struct slice
without_dot(struct slice name)
{
	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

bool
policy_is_under(struct slice name, struct slice domain)
{
	name = without_dot(name);
	domain = without_dot(domain);
	return slice_has_suffix_nocase(name, domain) &&
	       (name.len == domain.len ||
		   name.ptr[name.len - domain.len - 1] == '.');
}

static bool
address_matches(const struct value *value, const struct addr *addr)
{
	if (value->kind == VALUE_PREFIX)
		return prefix_contains(&value->as.prefix, addr);
	return address_list_has(value->as.list->addresses, addr);
}

static bool
name_matches(const struct value *value, struct slice name)
{
	switch (value->kind) {
	case VALUE_DOMAIN_LIST:
		return domain_list_has(value->as.list->domains, name);
	case VALUE_IS:
		return slice_eq_nocase(
		    without_dot(name), without_dot(value->as.text));
	case VALUE_UNDER:
		return policy_is_under(name, value->as.text);
	case VALUE_GLOB:
		return policy_match_glob(value->as.text, name);
	case VALUE_ADDRESS_LIST:
	case VALUE_PREFIX:
	case VALUE_RANGE:
		break;
	}
	return false;
}

static bool
value_matches(
    const struct value *value, enum fact fact, const struct policy_facts *facts)
{
	uint64_t number;

	switch (fact) {
	case FACT_CLIENT:
		return address_matches(value, &facts->client);
	case FACT_SERVER:
		return address_matches(value, &facts->server.addr);
	case FACT_LISTENER:
		return slice_eq(value->as.text, facts->listener);
	case FACT_HELO:
		return name_matches(value, facts->helo);
	case FACT_PORT:
	case FACT_REPEAT:
		number = fact == FACT_PORT ? facts->server.port : facts->repeat;
		return number >= value->as.range.low &&
		       number <= value->as.range.high;
	case FACT_TLS:
	case FACT_FORM:
	case FACT_FLAW:
	case FACT_VALID:
	case FACT_VERB:
	case FACT_FALLBACK:
	case FACT_REFUSED_BY:
	case FACT_LITERAL:
	case FACT_COUNT:
		break;
	}
	return false;
}

/* How an address literal relates to the client's address, as one bit of
 * client, same_24, private, other; none where there is no literal. */
static uint64_t
relation_bits(const struct policy_facts *facts)
{
	const struct addr *literal = &facts->judged->literal;
	static const struct prefix private_nets[] = {
	    {{4, {10}}, 8},
	    {{4, {172, 16}}, 12},
	    {{4, {192, 168}}, 16},
	    {{6, {0xfc}}, 7},
	};

	if (literal->family == 0)
		return 0;
	if (addr_eq(literal, &facts->client))
		return 1;
	if (literal->family == 4 && facts->client.family == 4 &&
	    memcmp(literal->bytes, facts->client.bytes, 3) == 0)
		return 2;
	for (size_t i = 0; i < 4; i++)
		if (prefix_contains(&private_nets[i], literal))
			return 4;
	return 8;
}

static uint64_t
truth(bool value)
{
	return value ? 2 : 1;
}

/* Facts that are bits. */
static uint64_t
bits_of(enum fact fact, const struct policy_facts *facts)
{
	switch (fact) {
	case FACT_TLS:
		return truth(facts->tls);
	case FACT_VALID:
		return truth(facts->judged->valid);
	case FACT_FALLBACK:
		return truth(facts->fallback);
	case FACT_FORM:
		return UINT64_C(1) << facts->judged->form;
	case FACT_FLAW:
		return facts->judged->flaws;
	case FACT_VERB:
		return facts->verb == POLICY_VERB_HELO ? 1 : 2;
	case FACT_REFUSED_BY:
		return facts->judged->refused_by;
	case FACT_LITERAL:
		return relation_bits(facts);
	case FACT_CLIENT:
	case FACT_SERVER:
	case FACT_PORT:
	case FACT_LISTENER:
	case FACT_HELO:
	case FACT_REPEAT:
	case FACT_COUNT:
		break;
	}
	return 0;
}

static bool
holds(const struct condition *condition, const struct policy_facts *facts)
{
	if (condition->mask != 0)
		return ((bits_of(condition->fact, facts) & condition->mask) !=
			   0) != condition->negated;
	for (unsigned i = 0; i < condition->count; i++)
		if (value_matches(
			&condition->values[i], condition->fact, facts))
			return !condition->negated;
	return condition->negated;
}

static bool
all_hold(const struct clause *clause, const struct policy_facts *facts,
    const struct condition **failed)
{
	for (unsigned i = 0; i < clause->count; i++) {
		if (holds(&clause->conditions[i], facts))
			continue;
		*failed = &clause->conditions[i];
		return false;
	}
	return true;
}

bool
policy_matches(const struct when *when, const struct policy_facts *facts,
    const struct condition **failed)
{
	*failed = NULL;
	if (!all_hold(&when->all, facts, failed))
		return false;
	if (when->any_count == 0)
		return true;
	for (unsigned i = 0; i < when->any_count; i++)
		if (all_hold(&when->any[i], facts, failed))
			return true;
	*failed = NULL;
	return false;
}

static void
show_bits(enum fact fact, uint64_t bits, struct buf *out)
{
	static const char *const relations[] = {
	    "client", "same_24", "private", "other"};
	const char *comma = "";

	for (unsigned i = 0; i < 64; i++) {
		if ((bits & UINT64_C(1) << i) == 0)
			continue;
		const char *word =
		    fact == FACT_FLAW   ? helo_flaw_name((enum helo_flaw)i)
		    : fact == FACT_FORM ? helo_form_name((enum helo_form)i)
		    : fact == FACT_REFUSED_BY
			? helo_receiver_name((enum helo_receiver)i)
		    : fact == FACT_LITERAL ? relations[i]
		    : fact == FACT_VERB    ? (i == 0 ? "helo" : "ehlo")
		    : i == 0               ? "false"
					   : "true";
		buf_printf(out, "%s%s", comma, word);
		comma = ", ";
	}
	if (bits == 0)
		buf_append_str(out, "none");
}

void
policy_show_fact(
    enum fact fact, const struct policy_facts *facts, struct buf *out)
{
	char text[ADDR_TEXT];

	switch (fact) {
	case FACT_CLIENT:
		buf_append_str(out, addr_format(&facts->client, text));
		return;
	case FACT_SERVER:
		buf_append_str(out, addr_format(&facts->server.addr, text));
		return;
	case FACT_PORT:
		buf_printf(out, "%u", (unsigned)facts->server.port);
		return;
	case FACT_REPEAT:
		buf_printf(out, "%u", facts->repeat);
		return;
	case FACT_LISTENER:
		buf_append(out, slice_head(facts->listener, 64));
		return;
	case FACT_HELO:
		buf_append(out, slice_head(facts->helo, 256));
		return;
	case FACT_TLS:
	case FACT_FORM:
	case FACT_FLAW:
	case FACT_VALID:
	case FACT_VERB:
	case FACT_FALLBACK:
	case FACT_REFUSED_BY:
	case FACT_LITERAL:
	case FACT_COUNT:
		break;
	}
	show_bits(fact, bits_of(fact, facts), out);
}
