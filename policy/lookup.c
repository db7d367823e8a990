/*
 * The values of facts from DNS, remembered.  See lookup.h.  Owns copies of the
 * subject and of every list; computes nothing itself.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/lookup.h"

#include "policy/lookup_private.h"

#include <libpsl.h>
#include <stdlib.h>

struct slot {
	bool asked;
	bool settled; /* value is what it stays */
	struct lookup_value value;
	void *owned; /* the value's lists, in one block */
};

struct zone_slot {
	struct zone_slot *next; /* in the order of asking */
	enum lookup_zone kind;
	struct slice zone;
	struct slot slot;
	char text[];
};

struct lookup {
	struct lookup_about about;
	struct slot facts[LOOKUP_FACT_COUNT];
	struct zone_slot *zones;
	char helo[];
};

/* --- names and words -------------------------------------------------------- */

const char *
lookup_fact_name(enum lookup_fact fact)
{
	static const char *const names[LOOKUP_FACT_COUNT] = {
#define LOOKUP_NAME(id, name) name,
	    LOOKUP_FACTS(LOOKUP_NAME)
#undef LOOKUP_NAME
	};

	return names[fact];
}

struct slice
lookup_organisation(struct slice name)
{
	char lower[DNS_NAME_MAX + 1];
	const char *found;

	if (!dns_name_is_askable(name) || psl_builtin() == NULL)
		return slice_of(name.ptr, 0);
	for (size_t i = 0; i < name.len; i++)
		lower[i] = ascii_lower(name.ptr[i]);
	lower[name.len] = '\0';
	found = psl_registrable_domain(psl_builtin(), lower);
	return found == NULL ? slice_of(name.ptr, 0)
			     : slice_from(name, (size_t)(found - lower));
}

/* --- values ----------------------------------------------------------------- */

/* Copies a value with its lists; without memory it is a temporary error. */
static void
settle(struct slot *slot, const struct lookup_value *value, unsigned last_word)
{
	size_t size = value->name_count * sizeof(struct slice) +
		      value->addr_count * sizeof(struct addr);
	struct slice *names;
	struct addr *addrs;
	char *text;

	for (unsigned i = 0; i < value->name_count; i++)
		size += value->names[i].len;
	slot->settled = true;
	slot->owned = calloc(1, size + 1);
	if (slot->owned == NULL) {
		slot->value = (struct lookup_value){
		    .state = LOOKUP_TEMPERROR, .word = last_word};
		return;
	}
	names = slot->owned;
	addrs = (struct addr *)(names + value->name_count);
	text = (char *)(addrs + value->addr_count);
	for (unsigned i = 0; i < value->name_count; i++) {
		struct slice name = value->names[i];
		if (name.len > 0)
			memcpy(text, name.ptr, name.len);
		names[i] = slice_of(text, name.len);
		text += name.len;
	}
	if (value->addr_count > 0)
		memcpy(addrs, value->addrs, value->addr_count * sizeof(*addrs));
	slot->value = *value;
	slot->value.names = names;
	slot->value.addrs = addrs;
}

static void
give(struct slot *slot, const struct lookup_value *value, unsigned last_word)
{
	if (slot->asked && slot->settled)
		return;
	free(slot->owned);
	settle(slot, value, last_word);
}

/* --- the lookup ------------------------------------------------------------- */

struct lookup *
lookup_new(const struct lookup_subject *subject, struct dns_book *book)
{
	struct slice said = subject->helo;
	struct lookup *lookup = calloc(1, sizeof(*lookup) + said.len);

	if (lookup == NULL)
		return NULL;
	if (said.len > 0)
		memcpy(lookup->helo, said.ptr, said.len);
	lookup->about.book = book;
	lookup->about.client = subject->client;
	lookup->about.said = slice_of(lookup->helo, said.len);
	lookup->about.name = lookup->about.said;
	if (said.len > 1 && lookup->helo[said.len - 1] == '.')
		lookup->about.name.len--;
	if (subject->judged != NULL)
		lookup->about.literal = subject->judged->literal;
	return lookup;
}

void
lookup_free(struct lookup **lookup_p)
{
	struct lookup *lookup = *lookup_p;

	if (lookup == NULL)
		return;
	for (unsigned i = 0; i < LOOKUP_FACT_COUNT; i++)
		free(lookup->facts[i].owned);
	while (lookup->zones != NULL) {
		struct zone_slot *zone = lookup->zones;
		lookup->zones = zone->next;
		free(zone->slot.owned);
		free(zone);
	}
	free(lookup);
	*lookup_p = NULL;
}

const struct lookup_value *
lookup_get(struct lookup *lookup, enum lookup_fact fact)
{
	struct slot *slot = &lookup->facts[fact];
	struct lookup_draft draft;

	slot->asked = true;
	if (slot->settled)
		return &slot->value;
	if (lookup->about.book == NULL) {
		slot->value.state = LOOKUP_UNKNOWN;
		return &slot->value;
	}
	lookup_compute(&lookup->about, fact, &draft);
	if (draft.value.state != LOOKUP_PENDING)
		settle(slot, &draft.value, lookup_last_word(fact));
	return &slot->value;
}

void
lookup_give(struct lookup *lookup, enum lookup_fact fact,
    const struct lookup_value *value)
{
	give(&lookup->facts[fact], value, lookup_last_word(fact));
}

const struct lookup_value *
lookup_peek(const struct lookup *lookup, enum lookup_fact fact)
{
	const struct slot *slot = &lookup->facts[fact];

	return slot->asked ? &slot->value : NULL;
}

/* --- zones ------------------------------------------------------------------ */

/* The slot of a zone, made where it is not there; NULL: no memory. */
static struct slot *
zone_slot(struct lookup *lookup, enum lookup_zone kind, struct slice zone)
{
	struct zone_slot **at = &lookup->zones, *made;

	for (; *at != NULL; at = &(*at)->next)
		if ((*at)->kind == kind && slice_eq_nocase((*at)->zone, zone))
			return &(*at)->slot;
	made = calloc(1, sizeof(*made) + zone.len);
	if (made == NULL)
		return NULL;
	if (zone.len > 0)
		memcpy(made->text, zone.ptr, zone.len);
	made->kind = kind;
	made->zone = slice_of(made->text, zone.len);
	*at = made;
	return &made->slot;
}

const struct lookup_value *
lookup_get_zone(struct lookup *lookup, enum lookup_zone kind, struct slice zone)
{
	static const struct lookup_value cannot_say = {
	    .state = LOOKUP_TEMPERROR};
	struct slot *slot = zone_slot(lookup, kind, zone);
	struct lookup_draft draft;

	if (slot == NULL)
		return &cannot_say;
	slot->asked = true;
	if (slot->settled)
		return &slot->value;
	if (lookup->about.book == NULL) {
		slot->value.state = LOOKUP_UNKNOWN;
		return &slot->value;
	}
	lookup_compute_zone(&lookup->about, kind, zone, &draft);
	if (draft.value.state != LOOKUP_PENDING)
		settle(slot, &draft.value, 0);
	return &slot->value;
}

void
lookup_give_zone(struct lookup *lookup, enum lookup_zone kind,
    struct slice zone, const struct lookup_value *value)
{
	struct slot *slot = zone_slot(lookup, kind, zone);

	if (slot != NULL)
		give(slot, value, 0);
}

bool
lookup_peek_zone(const struct lookup *lookup, unsigned i,
    enum lookup_zone *kind, struct slice *zone,
    const struct lookup_value **value)
{
	const struct zone_slot *slot;

	for (slot = lookup->zones; slot != NULL; slot = slot->next) {
		if (!slot->slot.asked || i-- > 0)
			continue;
		*kind = slot->kind;
		*zone = slot->zone;
		*value = &slot->slot.value;
		return true;
	}
	return false;
}
