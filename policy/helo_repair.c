/*
 * Repairs of a HELO argument, step by step.  See helo.h.
 *
 * After each step that changed something the argument is judged again, so a
 * step sees what the steps before it left.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/helo_private.h"

#include <idn2.h>
#include <stdio.h>

/* A repair under way. */
struct work {
	char *text;
	size_t len;
	struct helo judged;
	const struct addr *client;
	struct slice ptr;
	bool whole;   /* every nameless step is listed: `all` */
	bool changed; /* a step has changed the text */
};

static struct slice
text_of(const struct work *work)
{
	return slice_of(work->text, work->len);
}

static void
set(struct work *work, struct slice text)
{
	if (text.len > HELO_ARGUMENT_MAX)
		text.len = HELO_ARGUMENT_MAX;
	if (text.len > 0)
		memmove(work->text, text.ptr, text.len);
	work->len = text.len;
}

/* Keeps the bytes for which keep() says so. */
static void
filter(struct work *work, bool (*keep)(const struct work *work, size_t at))
{
	size_t n = 0;

	for (size_t i = 0; i < work->len; i++)
		if (keep(work, i))
			work->text[n++] = work->text[i];
	work->len = n;
}

static bool
is_no_control(const struct work *work, size_t at)
{
	unsigned char c = (unsigned char)work->text[at];

	return c >= 0x20 && c != 0x7f;
}

static void
do_trim(struct work *work)
{
	set(work, helo_trim(text_of(work)));
}

static void
do_first_word(struct work *work)
{
	struct slice text = helo_trim(text_of(work));
	size_t len = 0;

	while (len < text.len && text.ptr[len] != ' ' && text.ptr[len] != '\t')
		len++;
	set(work, slice_head(text, len));
}

/* <x> and [name] lose their brackets; a lone bracket of a literal gets its
 * other half where an address remains, and goes where none does. */
static void
do_brackets(struct work *work)
{
	struct slice text = helo_trim(text_of(work));
	char literal[HELO_NAME_MAX + 3];
	struct helo judged;

	if (text.len == 0)
		return;
	bool open = text.ptr[0] == '[' || text.ptr[0] == '<';
	bool close =
	    text.ptr[text.len - 1] == ']' || text.ptr[text.len - 1] == '>';
	if (open)
		text = slice_from(text, 1);
	if (close && text.len > 0)
		text.len--;
	if (open != close && text.len <= HELO_NAME_MAX) {
		int len = snprintf(
		    literal, sizeof(literal), "[%.*s]", SLICE_FMT(text));
		helo_analyse(slice_of(literal, (size_t)len), NULL, &judged);
		if (judged.form == HELO_FORM_ADDRESS_LITERAL) {
			set(work, slice_of(literal, (size_t)len));
			return;
		}
	}
	set(work, text);
}

static void
do_control(struct work *work)
{
	filter(work, is_no_control);
}

static void
do_trailing_dot(struct work *work)
{
	while (work->len > 0 && work->text[work->len - 1] == '.')
		work->len--;
}

static void
do_underscore(struct work *work)
{
	for (size_t i = 0; i < work->len; i++)
		if (work->text[i] == '_')
			work->text[i] = '-';
}

/* One pass from each end: a run of hyphens may be as long as the argument. */
static void
do_hyphen_edge(struct work *work)
{
	size_t n = 0;

	for (size_t i = 0; i < work->len; i++) {
		char c = work->text[i];
		bool start = n == 0 || work->text[n - 1] == '.';
		if (c == '-' && start)
			continue;
		while (c == '.' && n > 0 && work->text[n - 1] == '-')
			n--;
		work->text[n++] = c;
	}
	while (n > 0 && work->text[n - 1] == '-')
		n--;
	work->len = n;
}

static void
do_empty_label(struct work *work)
{
	size_t n = 0;

	for (size_t i = 0; i < work->len; i++)
		if (work->text[i] != '.' || (n > 0 && work->text[n - 1] != '.'))
			work->text[n++] = work->text[i];
	work->len = n;
}

/* Bounded: a name that could become a valid one is short. */
static void
do_idna(struct work *work)
{
	uint8_t input[4 * HELO_NAME_MAX + 1];
	uint8_t *output = NULL;

	if (work->len >= sizeof(input) || slice_find(text_of(work), '\0') != -1)
		return;
	memcpy(input, work->text, work->len);
	input[work->len] = '\0';
	if (idn2_lookup_u8(input, &output,
		IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK) {
		const char *name = (const char *)output;
		set(work, slice_str(name));
	}
	idn2_free(output);
}

static void
do_lowercase(struct work *work)
{
	for (size_t i = 0; i < work->len; i++)
		work->text[i] = ascii_lower(work->text[i]);
}

static void
set_literal(struct work *work, const struct addr *address)
{
	char literal[ADDR_TEXT + 8];
	size_t len = helo_client_literal(address, literal);

	set(work, slice_of(literal, len));
}

/* The brackets stay; what stands in them gets the tag. */
static void
do_tag_ipv6(struct work *work)
{
	static const char tag[] = "[IPv6:";
	size_t grown = sizeof(tag) - 2;

	if (work->len + grown > HELO_ARGUMENT_MAX)
		return;
	struct slice text = helo_trim(text_of(work));
	memmove(work->text + sizeof(tag) - 1, text.ptr + 1, text.len - 1);
	memcpy(work->text, tag, sizeof(tag) - 1);
	work->len = text.len + grown;
}

static void
do_address(struct work *work)
{
	if (work->judged.literal.family != 0)
		set_literal(work, &work->judged.literal);
}

static void
do_zone_id(struct work *work)
{
	struct slice text = helo_trim(text_of(work));
	bool closed = text.ptr[text.len - 1] == ']';

	text = helo_without_zone(text);
	set(work, text);
	if (closed)
		work->text[work->len++] = ']';
}

static void
do_append(struct work *work, struct slice name)
{
	if (work->len + 1 + name.len > HELO_ARGUMENT_MAX)
		return;
	work->text[work->len++] = '.';
	memcpy(work->text + work->len, name.ptr, name.len);
	work->len += name.len;
}

static void
do_client_ptr(struct work *work)
{
	if (work->ptr.len == 0)
		return;
	struct slice ptr = work->ptr;
	struct helo judged;
	if (ptr.len > 1 && ptr.ptr[ptr.len - 1] == '.')
		ptr.len--;
	helo_analyse(ptr, NULL, &judged);
	if (!judged.valid)
		return;
	set(work, ptr);
	do_lowercase(work);
}

#define BIT(flaw) HELO_BIT(HELO_FLAW_##flaw)

/* Which flaws a step mends; a step without one is asked otherwise. */
static const struct {
	uint64_t flaws;
	void (*mend)(struct work *work);
} mending[HELO_STEP_COUNT] = {
    [HELO_STEP_TRIM] = {BIT(BLANKS), do_trim},
    [HELO_STEP_FIRST_WORD] = {BIT(EXTRA_ARGUMENT), do_first_word},
    [HELO_STEP_BRACKETS] = {BIT(ANGLE_BRACKETS) | BIT(UNCLOSED_LITERAL) |
				BIT(LITERAL_OF_NAME),
	do_brackets},
    [HELO_STEP_CONTROL] = {BIT(CONTROL_CHARACTER), do_control},
    [HELO_STEP_TRAILING_DOT] = {BIT(TRAILING_DOT), do_trailing_dot},
    [HELO_STEP_UNDERSCORE] = {BIT(UNDERSCORE), do_underscore},
    [HELO_STEP_HYPHEN_EDGE] = {BIT(HYPHEN_EDGE), do_hyphen_edge},
    [HELO_STEP_EMPTY_LABEL] = {BIT(EMPTY_LABEL), do_empty_label},
    [HELO_STEP_IDNA] = {BIT(NON_ASCII), do_idna},
    [HELO_STEP_TAG_IPV6] = {BIT(UNTAGGED_IPV6), do_tag_ipv6},
    [HELO_STEP_UNTAG_IPV4] = {BIT(TAGGED_IPV4), do_address},
    [HELO_STEP_ZONE_ID] = {BIT(ZONE_ID), do_zone_id},
    [HELO_STEP_BRACKET_ADDRESS] = {BIT(BARE_IPV4) | BIT(BARE_IPV6), do_address},
};

static bool
has_upper(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] != ascii_lower(text.ptr[i]))
			return true;
	return false;
}

static void
run_step(struct work *work, const struct helo_repair_step *step)
{
	const struct helo *judged = &work->judged;

	switch (step->step) {
	case HELO_STEP_LOWERCASE:
		/* Upper case is no flaw: in `all` it goes only with
		 * another repair; a list that names the step asks for it. */
		if (judged->form == HELO_FORM_DOMAIN &&
		    (!work->whole || work->changed) && has_upper(text_of(work)))
			do_lowercase(work);
		return;
	case HELO_STEP_APPEND_DOMAIN:
		if ((judged->flaws & BIT(SINGLE_LABEL)) != 0 && work->len > 0)
			do_append(work, step->name);
		return;
	case HELO_STEP_REPLACE:
		if (judged->flaws != 0)
			set(work, step->name);
		return;
	case HELO_STEP_CLIENT_PTR:
		if (!judged->valid)
			do_client_ptr(work);
		return;
	case HELO_STEP_CLIENT_LITERAL:
		if (!judged->valid && work->client != NULL &&
		    work->client->family != 0)
			set_literal(work, work->client);
		return;
	case HELO_STEP_TRIM:
	case HELO_STEP_FIRST_WORD:
	case HELO_STEP_BRACKETS:
	case HELO_STEP_CONTROL:
	case HELO_STEP_TRAILING_DOT:
	case HELO_STEP_UNDERSCORE:
	case HELO_STEP_HYPHEN_EDGE:
	case HELO_STEP_EMPTY_LABEL:
	case HELO_STEP_IDNA:
	case HELO_STEP_TAG_IPV6:
	case HELO_STEP_UNTAG_IPV4:
	case HELO_STEP_ZONE_ID:
	case HELO_STEP_BRACKET_ADDRESS:
	case HELO_STEP_COUNT:
		break;
	}
	if ((judged->flaws & mending[step->step].flaws) != 0)
		mending[step->step].mend(work);
}

/* Whether the list has every step that takes no name. */
static bool
is_whole(const struct helo_repair *repair)
{
	uint32_t listed = 0;

	for (unsigned i = 0; i < repair->count; i++)
		listed |= 1u << repair->steps[i].step;
	for (unsigned step = 0; step < HELO_STEP_COUNT; step++)
		if (!helo_step_takes_name((enum helo_step)step) &&
		    (listed & 1u << step) == 0)
			return false;
	return true;
}

void
helo_repair_apply(const struct helo_repair *repair, struct slice argument,
    const struct addr *client, struct slice ptr, struct helo_repaired *out)
{
	struct work work = {.text = out->name, .client = client, .ptr = ptr};
	char before[HELO_ARGUMENT_MAX];

	work.whole = is_whole(repair);
	out->steps = 0;
	set(&work, argument);
	helo_analyse(text_of(&work), client, &work.judged);
	for (unsigned i = 0; i < repair->count; i++) {
		size_t before_len = work.len;
		memcpy(before, work.text, work.len);
		run_step(&work, &repair->steps[i]);
		if (slice_eq(slice_of(before, before_len), text_of(&work)))
			continue;
		out->steps |= 1u << repair->steps[i].step;
		work.changed = true;
		helo_analyse(text_of(&work), client, &work.judged);
	}
	out->len = work.len;
	out->valid = work.judged.valid;
}

void
helo_repair_all(struct helo_repair *out)
{
	out->count = 0;
	for (unsigned step = 0; step < HELO_STEP_COUNT; step++)
		if (!helo_step_takes_name((enum helo_step)step))
			out->steps[out->count++] = (struct helo_repair_step){
			    (enum helo_step)step, SLICE("")};
}
