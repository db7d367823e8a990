/*
 * Values of facts, for people.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_private.h"

static void
show_bits(enum fact fact, uint64_t bits, struct buf *out)
{
	const char *comma = "", *word;

	for (unsigned i = 0; i < 64; i++) {
		if ((bits & UINT64_C(1) << i) == 0 ||
		    (word = fact_word(fact, i)) == NULL)
			continue;
		buf_printf(out, "%s%s", comma, word);
		comma = ", ";
	}
	if (bits == 0)
		buf_append_str(out, "none");
}

static void
show_lists(const struct lookup_value *value, struct buf *out)
{
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < value->name_count; i++)
		buf_printf(out, "%s%.*s", i > 0 ? ", " : "",
		    SLICE_FMT(value->names[i]));
	for (unsigned i = 0; i < value->addr_count; i++)
		buf_printf(out, "%s%s", i > 0 ? ", " : "",
		    addr_format(&value->addrs[i], text));
	if (value->name_count + value->addr_count == 0)
		buf_append_str(out, "none");
}

static void
show_lookup_value(
    enum fact fact, const struct lookup_value *value, struct buf *out)
{
	switch (value->state) {
	case LOOKUP_PENDING:
		buf_append_str(out, "being asked");
		return;
	case LOOKUP_TEMPERROR:
		buf_append_str(out, "temperror");
		return;
	case LOOKUP_UNKNOWN:
		buf_append_str(out, "unknown");
		return;
	case LOOKUP_KNOWN:
		break;
	}
	if (fact_kind(fact) == KIND_LOOKUP)
		show_bits(fact, UINT64_C(1) << value->word, out);
	else
		show_lists(value, out);
}

/* Every zone that was asked. */
static void
show_zones(enum fact fact, const struct lookup *lookup, struct buf *out)
{
	enum lookup_zone kind, wanted = fact == FACT_DNSBL ? LOOKUP_CLIENT_DNSBL
							   : LOOKUP_HELO_RHSBL;
	const struct lookup_value *value;
	const char *comma = "";
	struct slice zone;

	for (unsigned i = 0; lookup_peek_zone(lookup, i, &kind, &zone, &value);
	     i++) {
		if (kind != wanted)
			continue;
		buf_printf(out, "%s%.*s: ", comma, SLICE_FMT(zone));
		show_lookup_value(fact, value, out);
		comma = "; ";
	}
}

static void
show_lookup(enum fact fact, const struct policy_facts *facts, struct buf *out)
{
	if (facts->lookup == NULL)
		buf_append_str(out, "unknown");
	else if (fact_kind(fact) == KIND_ZONE)
		show_zones(fact, facts->lookup, out);
	else
		show_lookup_value(fact,
		    lookup_get(
			facts->lookup, (enum lookup_fact)fact_lookup(fact)),
		    out);
}

static void
show_text(enum fact fact, const struct policy_facts *facts, struct buf *out)
{
	struct slice text = policy_fact_text(fact, facts);

	if (fact == FACT_MAIL_FROM && text.len == 0)
		text = SLICE("the null sender");
	buf_append(out, slice_head(text, 256));
}

void
policy_show_fact(
    enum fact fact, const struct policy_facts *facts, struct buf *out)
{
	char text[ADDR_TEXT];

	if ((facts->unknown & UINT64_C(1) << fact) != 0)
		buf_append_str(out, "unknown");
	else if (fact_is_lookup(fact))
		show_lookup(fact, facts, out);
	else if (fact_is_bits(fact))
		show_bits(fact, policy_fact_bits(fact, facts), out);
	else if (fact_kind(fact) == KIND_ADDRESS)
		buf_append_str(
		    out, addr_format(fact == FACT_CLIENT ? &facts->client
							 : &facts->server.addr,
			     text));
	else if (fact_kind(fact) == KIND_NUMBER)
		buf_printf(out, "%llu",
		    (unsigned long long)policy_fact_number(fact, facts));
	else
		show_text(fact, facts, out);
}
