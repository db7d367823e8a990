/*
 * Witnesses that one rule's own values make together.  See diff.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "cli/diff.h"

#include <stdlib.h>

enum {
	EACH_MAX = 4096, /* combinations of one rule */
	NAMES_MAX = 64
};

#define ROOM(array) (sizeof(array) / sizeof((array)[0]))

struct guide *
guide_new(struct universe *universe, enum policy_stage stage)
{
	if (universe->guide_count == universe->guide_size) {
		universe->guide_size =
		    universe->guide_size == 0 ? 64 : universe->guide_size * 2;
		universe->guides = realloc(universe->guides,
		    universe->guide_size * sizeof(struct guide));
		if (universe->guides == NULL)
			log_fatal("no memory");
	}
	struct guide *guide = &universe->guides[universe->guide_count++];
	*guide = (struct guide){.stage = stage};
	return guide;
}

void
guide_addr(struct guide *guide, const struct addr *addr)
{
	if (guide != NULL && guide->client_count < ROOM(guide->clients))
		guide->clients[guide->client_count++] = *addr;
}

void
guide_name(struct guide *guide, struct slice name)
{
	if (guide != NULL && guide->name_count < ROOM(guide->names))
		guide->names[guide->name_count++] =
		    slice_of(slice_dup(name), name.len);
}

void
guide_pick(struct guide *guide, enum dim_id id, int value)
{
	if (guide == NULL || value == -1 ||
	    guide->pick_count == ROOM(guide->picks))
		return;
	guide->picks[guide->pick_count].dim = id;
	guide->picks[guide->pick_count++].value = (unsigned)value;
}

void
diff_free_text(struct slice text)
{
	/* Our own copy: the slice's const is for its readers. */
	union {
		const char *in;
		char *out;
	} text_p = {.in = text.ptr};

	free(text_p.out);
}

void
sample_new(struct universe *universe, struct slice name)
{
	universe->samples = realloc(universe->samples,
	    (universe->sample_count + 1) * sizeof(struct sample));
	if (universe->samples == NULL)
		log_fatal("no memory");
	universe->samples[universe->sample_count++] =
	    (struct sample){.name = slice_of(slice_dup(name), name.len)};
}

void
sample_add(
    struct universe *universe, struct slice text, const struct prefix *prefix)
{
	struct sample *sample = &universe->samples[universe->sample_count - 1];

	if (prefix != NULL && sample->addr_count < ROOM(sample->addrs))
		sample->addrs[sample->addr_count++] = prefix->addr;
	if (prefix == NULL && sample->name_count < ROOM(sample->names))
		sample->names[sample->name_count++] =
		    slice_of(slice_dup(text), text.len);
}

void
guides_fini(struct universe *universe)
{
	for (unsigned i = 0; i < universe->guide_count; i++)
		for (unsigned j = 0; j < universe->guides[i].name_count; j++)
			diff_free_text(universe->guides[i].names[j]);
	for (unsigned i = 0; i < universe->sample_count; i++) {
		diff_free_text(universe->samples[i].name);
		for (unsigned j = 0; j < universe->samples[i].name_count; j++)
			diff_free_text(universe->samples[i].names[j]);
	}
	free(universe->guides);
	free(universe->samples);
}

/* --- combinations ----------------------------------------------------------------- */

/* The values that each dim takes: the rule's, then the usual one. */
struct choice {
	unsigned values[DIM_IDS][ROOM(((struct guide *)0)->picks) + 1];
	unsigned count[DIM_IDS];
};

static void
choose(const struct guide *guide, struct choice *out)
{
	*out = (struct choice){.count = {0}};
	for (unsigned i = 0; i < guide->pick_count; i++) {
		enum dim_id id = guide->picks[i].dim;
		if (guide->picks[i].value != 0)
			out->values[id][out->count[id]++] =
			    guide->picks[i].value;
	}
	for (unsigned id = 0; id < DIM_IDS; id++)
		out->values[id][out->count[id]++] = 0;
}

/* The next combination, like the next number; false: that was the last. */
static bool
count_up(const struct choice *choice, unsigned digits[DIM_IDS])
{
	for (unsigned id = 0; id < DIM_IDS; id++) {
		if (++digits[id] < choice->count[id])
			return true;
		digits[id] = 0;
	}
	return false;
}

static unsigned
list_names(const struct universe *universe, const struct guide *guide,
    struct slice names[NAMES_MAX])
{
	unsigned count = 0;
	unsigned forms = guide->forms ? universe->form_count : 1;

	for (unsigned i = 0; i < guide->name_count; i++)
		names[count++] = guide->names[i];
	for (unsigned i = 0; i < forms && count < NAMES_MAX; i++)
		names[count++] = classes_name(universe->names, i);
	return count;
}

bool
guide_each(const struct universe *universe, const struct guide *guide,
    guide_try_fn *try, void *arg)
{
	static struct choice choice;
	struct slice names[NAMES_MAX];
	unsigned name_count = list_names(universe, guide, names);
	unsigned digits[DIM_IDS] = {0}, at[DIM_IDS];
	unsigned left = EACH_MAX;

	choose(guide, &choice);
	do {
		for (unsigned id = 0; id < DIM_IDS; id++)
			at[id] = choice.values[id][digits[id]];
		for (unsigned c = 0; c <= guide->client_count; c++)
			for (unsigned n = 0; n < name_count; n++) {
				if (left-- == 0)
					return false;
				try(arg,
				    c < guide->client_count
					? &guide->clients[c]
					: classes_addr(universe->clients, 0),
				    names[n], at);
			}
	} while (count_up(&choice, digits));
	return true;
}
