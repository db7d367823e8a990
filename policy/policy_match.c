/*
 * Whether `when` holds.  Nothing here allocates but what a fact from DNS
 * keeps, and nothing depends on how long a list is.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_private.h"

#include <assert.h>

/* --- names ------------------------------------------------------------------------ */

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

struct slice
policy_mailbox_domain(struct slice mailbox)
{
	size_t at = mailbox.len;

	while (at > 0 && mailbox.ptr[at - 1] != '@')
		at--;
	return at == 0 ? slice_head(mailbox, 0) : slice_from(mailbox, at);
}

static enum truth
truth_of(bool value)
{
	return value ? TRUTH_YES : TRUTH_NO;
}

/* `domain` is the part of `text` that lists and {under:} look at. */
static enum truth
text_matches(const struct value *value, struct slice text, struct slice domain)
{
	switch (value->kind) {
	case VALUE_DOMAIN_LIST:
		return truth_of(
		    domain_list_has(value->as.list->domains, domain));
	case VALUE_IS:
		return truth_of(slice_eq_nocase(
		    without_dot(text), without_dot(value->text)));
	case VALUE_UNDER:
		return truth_of(policy_is_under(domain, value->text));
	case VALUE_GLOB:
		return truth_of(policy_match_glob(value->text, text));
	case VALUE_REGEX: {
		int found = regex_match(value->as.regex, text);
		return found < 0 ? TRUTH_ERROR : truth_of(found == 1);
	}
	case VALUE_NONE:
		return truth_of(text.len == 0);
	case VALUE_ADDRESS_LIST:
	case VALUE_PREFIX:
	case VALUE_RANGE:
	case VALUE_SAME_ORGANISATION:
	case VALUE_ZONE:
		break;
	}
	return TRUTH_NO;
}

static enum truth
mailbox_matches(const struct value *value, struct slice mailbox,
    const struct policy_facts *facts)
{
	struct slice domain = policy_mailbox_domain(mailbox);

	if (value->kind == VALUE_SAME_ORGANISATION) {
		struct slice of_helo = lookup_organisation(facts->helo);
		return truth_of(
		    of_helo.len > 0 &&
		    slice_eq_nocase(of_helo, lookup_organisation(domain)));
	}
	return text_matches(value, mailbox, domain);
}

static bool
address_matches(const struct value *value, const struct addr *addr)
{
	if (value->kind == VALUE_PREFIX)
		return prefix_contains(&value->as.prefix, addr);
	return value->kind == VALUE_ADDRESS_LIST &&
	       address_list_has(value->as.list->addresses, addr);
}

static bool
number_matches(const struct value *value, uint64_t number)
{
	return number >= value->as.range.low && number <= value->as.range.high;
}

/* --- facts that DNS gives --------------------------------------------------------- */

/* Anything but KNOWN as a truth; `named`: the condition names temperror. */
static enum truth
state_truth(enum lookup_state state, bool named)
{
	switch (state) {
	case LOOKUP_PENDING:
		return TRUTH_PENDING;
	case LOOKUP_UNKNOWN:
		return TRUTH_UNKNOWN;
	case LOOKUP_TEMPERROR:
		return named ? TRUTH_YES : TRUTH_TEMPERROR;
	case LOOKUP_KNOWN:
		break;
	}
	return TRUTH_NO;
}

static bool
known_matches(const struct value *value, const struct lookup_value *known)
{
	if (value->kind == VALUE_NONE)
		return known->name_count == 0 && known->addr_count == 0;
	for (unsigned i = 0; i < known->name_count; i++)
		if (text_matches(value, known->names[i], known->names[i]) ==
		    TRUTH_YES)
			return true;
	for (unsigned i = 0; i < known->addr_count; i++)
		if (address_matches(value, &known->addrs[i]))
			return true;
	return false;
}

static bool
zone_matches(const struct value *value, const struct lookup_value *known)
{
	if (value->as.zone.only_temperror)
		return false;
	if (value->as.zone.count == 0)
		return known->addr_count > 0;
	for (unsigned i = 0; i < value->as.zone.count; i++)
		for (unsigned j = 0; j < known->addr_count; j++)
			if (prefix_contains(
				&value->as.zone.answers[i], &known->addrs[j]))
				return true;
	return false;
}

/* One of the zones is enough.  All are asked before any is waited for. */
static enum truth
zones_hold(const struct condition *condition, const struct policy_facts *facts)
{
	enum lookup_zone kind = condition->fact == FACT_DNSBL
				    ? LOOKUP_CLIENT_DNSBL
				    : LOOKUP_HELO_RHSBL;
	enum truth sum = TRUTH_NO;

	for (unsigned i = 0; i < condition->count; i++) {
		const struct value *value = &condition->values[i];
		const struct lookup_value *known =
		    lookup_get_zone(facts->lookup, kind, value->text);
		enum truth one =
		    known->state == LOOKUP_KNOWN
			? truth_of(zone_matches(value, known))
			: state_truth(known->state, condition->temperror);
		if (one == TRUTH_YES)
			return TRUTH_YES;
		if (one > sum)
			sum = one;
	}
	return sum;
}

static enum truth
lookup_holds(
    const struct condition *condition, const struct policy_facts *facts)
{
	if (facts->lookup == NULL)
		return TRUTH_UNKNOWN;
	if (fact_kind(condition->fact) == KIND_ZONE)
		return zones_hold(condition, facts);
	const struct lookup_value *known = lookup_get(
	    facts->lookup, (enum lookup_fact)fact_lookup(condition->fact));
	if (known->state != LOOKUP_KNOWN)
		return state_truth(known->state, condition->temperror);
	if (condition->mask != 0)
		return truth_of(
		    (condition->mask & UINT64_C(1) << known->word) != 0);
	for (unsigned i = 0; i < condition->count; i++)
		if (known_matches(&condition->values[i], known))
			return TRUTH_YES;
	return TRUTH_NO;
}

/* --- the other facts -------------------------------------------------------------- */

/* Of the handshake; NULL: another fact. */
static const struct slice *
tls_text(enum fact fact, const struct policy_tls *tls)
{
	if (fact == FACT_TLS_VERSION)
		return &tls->version;
	if (fact == FACT_TLS_CIPHER)
		return &tls->cipher;
	if (fact == FACT_TLS_SNI)
		return &tls->sni;
	if (fact == FACT_TLS_SUBJECT)
		return &tls->subject;
	return fact == FACT_TLS_FINGERPRINT ? &tls->fingerprint : NULL;
}

struct slice
policy_fact_text(enum fact fact, const struct policy_facts *facts)
{
	const struct slice *tls = tls_text(fact, &facts->tls_of);

	if (tls != NULL)
		return tls->len == 0 ? SLICE("none") : *tls;
	if (fact == FACT_LISTENER)
		return facts->listener;
	if (fact == FACT_AUTH_USER)
		return facts->auth_user;
	if (fact == FACT_MAIL_FROM)
		return facts->mail_from;
	return fact == FACT_RCPT_TO ? facts->rcpt_to : facts->helo;
}

uint64_t
policy_fact_number(enum fact fact, const struct policy_facts *facts)
{
	if (fact == FACT_PORT)
		return facts->server.port;
	if (fact == FACT_RCPT_COUNT)
		return facts->rcpt_count;
	if (fact == FACT_MAIL_SIZE)
		return facts->mail_size < 0 ? 0 : (uint64_t)facts->mail_size;
	return facts->repeat;
}

static enum truth
value_matches(
    const struct value *value, enum fact fact, const struct policy_facts *facts)
{
	enum fact_kind kind = fact_kind(fact);

	if (kind == KIND_ADDRESS)
		return truth_of(address_matches(
		    value, fact == FACT_CLIENT ? &facts->client
					       : &facts->server.addr));
	if (kind == KIND_NUMBER)
		return truth_of(
		    number_matches(value, policy_fact_number(fact, facts)));
	struct slice text = policy_fact_text(fact, facts);
	/* What there is not no pattern describes: one for all certificates is
	 * not one for none. */
	if (tls_text(fact, &facts->tls_of) != NULL &&
	    slice_eq_nocase(text, SLICE("none")))
		return truth_of(value->kind == VALUE_IS &&
				slice_eq_nocase(value->text, text));
	return kind == KIND_MAILBOX ? mailbox_matches(value, text, facts)
				    : text_matches(value, text, text);
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
bool_bits(bool value)
{
	return value ? 2 : 1;
}

uint64_t
policy_fact_bits(enum fact fact, const struct policy_facts *facts)
{
	if (fact == FACT_TLS)
		return bool_bits(facts->tls);
	if (fact == FACT_AUTH)
		return bool_bits(facts->auth);
	if (fact == FACT_MAIL_UTF8)
		return bool_bits(facts->mail_utf8);
	if (fact == FACT_FALLBACK)
		return bool_bits(facts->fallback);
	if (fact == FACT_VERB)
		return facts->verb == POLICY_VERB_HELO ? 1 : 2;
	if (fact == FACT_VALID)
		return bool_bits(facts->judged->valid);
	if (fact == FACT_FORM)
		return UINT64_C(1) << facts->judged->form;
	if (fact == FACT_FLAW)
		return facts->judged->flaws;
	if (fact == FACT_REFUSED_BY)
		return facts->judged->refused_by;
	assert(fact == FACT_LITERAL);
	return relation_bits(facts);
}

/* --- conditions ------------------------------------------------------------------- */

static enum truth
holds_plain(const struct condition *condition, const struct policy_facts *facts)
{
	enum truth sum = TRUTH_NO;

	for (unsigned i = 0; i < condition->count; i++) {
		enum truth one = value_matches(
		    &condition->values[i], condition->fact, facts);
		if (one == TRUTH_YES)
			return TRUTH_YES;
		if (one > sum)
			sum = one;
	}
	return sum;
}

enum truth
policy_condition_holds(
    const struct condition *condition, const struct policy_facts *facts)
{
	enum truth truth;

	if ((facts->unknown & UINT64_C(1) << condition->fact) != 0)
		return TRUTH_UNKNOWN;
	if (condition->lookup)
		truth = lookup_holds(condition, facts);
	else if (condition->mask != 0)
		truth = truth_of((policy_fact_bits(condition->fact, facts) &
				     condition->mask) != 0);
	else
		truth = holds_plain(condition, facts);
	if (!condition->negated || truth > TRUTH_YES)
		return truth;
	return truth == TRUTH_YES ? TRUTH_NO : TRUTH_YES;
}

static enum truth
all_hold(const struct clause *clause, const struct policy_facts *facts,
    const struct condition **because)
{
	enum truth sum = TRUTH_YES;

	for (unsigned i = 0; i < clause->count; i++) {
		const struct condition *condition = &clause->conditions[i];
		enum truth one = policy_condition_holds(condition, facts);
		if (one == TRUTH_YES)
			continue;
		if (one > sum || one == TRUTH_NO)
			*because = condition;
		if (one == TRUTH_NO)
			return TRUTH_NO;
		if (one > sum)
			sum = one;
	}
	return sum;
}

enum truth
policy_matches(const struct when *when, const struct policy_facts *facts,
    const struct condition **because)
{
	enum truth sum, any = TRUTH_NO;

	*because = NULL;
	sum = all_hold(&when->all, facts, because);
	if (sum == TRUTH_NO || when->any_count == 0)
		return sum;
	for (unsigned i = 0; i < when->any_count && any != TRUTH_YES; i++) {
		const struct condition *ignored = NULL;
		enum truth one = all_hold(&when->any[i], facts, &ignored);
		any = one == TRUTH_YES || one > any ? one : any;
	}
	if (any == TRUTH_NO)
		*because = NULL;
	if (any == TRUTH_NO || any > sum)
		return any;
	return sum;
}
