/*
 * What DNS said, for the record.  See record.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/record_private.h"

static void
put_lists(struct json *json, const struct lookup_value *value)
{
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < value->name_count; i++)
		json_bytes(json, NULL, value->names[i]);
	for (unsigned i = 0; i < value->addr_count; i++)
		json_str(json, NULL, addr_format(&value->addrs[i], text));
}

static void
put_value(struct json *json, const char *key, const struct lookup_value *value,
    const char *const *words)
{
	if (value->state != LOOKUP_KNOWN) {
		json_str(json, key, "temperror");
	} else if (words != NULL) {
		json_str(json, key, words[value->word]);
	} else {
		json_array_open(json, key);
		put_lists(json, value);
		json_array_close(json);
	}
}

/* Zones are the policy's own text, short and without quotes. */
static void
put_zones(struct json *json, const struct lookup *lookup,
    enum lookup_zone wanted, const char *key)
{
	const struct lookup_value *value;
	enum lookup_zone kind;
	struct slice zone;
	char name[DNS_NAME_MAX + 1];
	bool open = false;

	for (unsigned i = 0; lookup_peek_zone(lookup, i, &kind, &zone, &value);
	     i++) {
		if (kind != wanted || zone.len >= sizeof(name))
			continue;
		if (!open)
			json_object_open(json, key);
		open = true;
		memcpy(name, zone.ptr, zone.len);
		name[zone.len] = '\0';
		put_value(json, name, value, NULL);
	}
	if (open)
		json_object_close(json);
}

static bool
has_answers(const struct lookup *lookup)
{
	const struct lookup_value *value;
	enum lookup_zone kind;
	struct slice zone;

	if (lookup == NULL)
		return false;
	for (unsigned i = 0; i < LOOKUP_FACT_COUNT; i++)
		if (lookup_peek(lookup, (enum lookup_fact)i) != NULL)
			return true;
	return lookup_peek_zone(lookup, 0, &kind, &zone, &value);
}

void
record_put_dns(struct json *json, const struct lookup *lookup, uint64_t dns_us)
{
	if (!has_answers(lookup))
		return;
	json_u64(json, "dns_us", dns_us);
	json_object_open(json, "dns");
	for (unsigned i = 0; i < LOOKUP_FACT_COUNT; i++) {
		enum lookup_fact fact = (enum lookup_fact)i;
		const struct lookup_value *value = lookup_peek(lookup, fact);
		if (value != NULL)
			put_value(json, lookup_fact_name(fact), value,
			    lookup_words(fact));
	}
	put_zones(json, lookup, LOOKUP_CLIENT_DNSBL, "client.dnsbl");
	put_zones(json, lookup, LOOKUP_HELO_RHSBL, "helo.rhsbl");
	json_object_close(json);
}
