/*
 * SPF records: choosing the one of a domain and reading its terms by the
 * grammar of RFC 7208 12.  Reads hostile text; asks nothing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/spf_private.h"

static const struct {
	const char *name;
	enum spf_kind kind;
} mechanisms[] = {{"all", SPF_ALL}, {"include", SPF_INCLUDE}, {"a", SPF_A},
    {"mx", SPF_MX}, {"ptr", SPF_PTR}, {"ip4", SPF_IP4}, {"ip6", SPF_IP6},
    {"exists", SPF_EXISTS}};

bool
spf_term_is_modifier(const struct spf_term *term)
{
	return term->kind == SPF_REDIRECT || term->kind == SPF_EXP ||
	       term->kind == SPF_UNKNOWN;
}

bool
spf_term_asks(const struct spf_term *term)
{
	return term->kind == SPF_INCLUDE || term->kind == SPF_A ||
	       term->kind == SPF_MX || term->kind == SPF_PTR ||
	       term->kind == SPF_EXISTS || term->kind == SPF_REDIRECT;
}

int
spf_record_select(const struct dns_answer *texts, struct slice *out)
{
	const struct slice version = SLICE("v=spf1");
	int found = 0;

	for (unsigned i = 0; i < texts->count; i++) {
		struct slice text = texts->records[i].text;
		struct slice rest = slice_from(text, version.len);
		if (!slice_has_prefix_nocase(text, version) ||
		    (rest.len > 0 && rest.ptr[0] != ' '))
			continue;
		if (found++ > 0)
			return -1;
		*out = rest;
	}
	return found;
}

/* name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ); its length. */
static size_t
name_length(struct slice term)
{
	size_t len = 0;

	if (term.len == 0 || !ascii_is_alpha(term.ptr[0]))
		return 0;
	while (len < term.len &&
	       (ascii_is_alpha(term.ptr[len]) ||
		   ascii_is_digit(term.ptr[len]) || term.ptr[len] == '-' ||
		   term.ptr[len] == '_' || term.ptr[len] == '.'))
		len++;
	return len;
}

static bool
read_modifier(struct slice name, struct slice value, struct spf_term *out)
{
	out->spec = value;
	if (slice_eq_nocase(name, SLICE("redirect")))
		out->kind = SPF_REDIRECT;
	else if (slice_eq_nocase(name, SLICE("exp")))
		out->kind = SPF_EXP;
	else {
		out->kind = SPF_UNKNOWN;
		return spf_macro_is_valid(value, true);
	}
	return spf_domain_spec_is_valid(value);
}

/* A prefix length: digits without a leading zero, at most max. */
static bool
read_bits(struct slice digits, unsigned max, uint8_t *out)
{
	uint64_t bits;

	if (digits.len > 3 || (digits.len > 1 && digits.ptr[0] == '0') ||
	    !slice_to_u64(digits, &bits) || bits > max)
		return false;
	*out = (uint8_t)bits;
	return true;
}

/* How many digits stand at the end. */
static size_t
digits_at_end(struct slice text)
{
	size_t len = 0;

	while (len < text.len && ascii_is_digit(text.ptr[text.len - len - 1]))
		len++;
	return len;
}

/* Cuts "/N" off the end, or with `slashes` 2 "//N".  A domain-spec cannot end
 * so: its last label has no slash, and a macro ends with a brace.  False: what
 * is cut off is no prefix length. */
static bool
cut_bits(struct slice *text, size_t slashes, unsigned max, uint8_t *out)
{
	size_t digits = digits_at_end(*text);

	if (digits == 0 || text->len < digits + slashes)
		return true;
	size_t at = text->len - digits - slashes;
	for (size_t i = 0; i < slashes; i++)
		if (text->ptr[at + i] != '/')
			return true;
	/* "a//64" has no IPv4 part. */
	if (slashes == 1 && at > 0 && text->ptr[at - 1] == '/')
		return false;
	if (!read_bits(slice_from(*text, at + slashes), max, out))
		return false;
	*text = slice_head(*text, at);
	return true;
}

/* What follows a, mx, ptr, include, exists: [ ":" domain-spec ] [ cidr ]. */
static bool
read_domain(struct slice rest, struct spf_term *out)
{
	bool needs = out->kind == SPF_INCLUDE || out->kind == SPF_EXISTS;
	bool cidr = out->kind == SPF_A || out->kind == SPF_MX;

	if (cidr && (!cut_bits(&rest, 2, 128, &out->bits6) ||
			!cut_bits(&rest, 1, 32, &out->bits4)))
		return false;
	if (rest.len == 0)
		return !needs;
	out->spec = slice_from(rest, 1);
	return rest.ptr[0] == ':' && spf_domain_spec_is_valid(out->spec);
}

/* ip6:::ffff:192.0.2.1 is a network of IPv6, whatever base makes of it. */
static void
remap(struct addr *addr)
{
	if (addr->family != 4)
		return;
	memcpy(addr->bytes + 12, addr->bytes, 4);
	memset(addr->bytes, 0, 10);
	memset(addr->bytes + 10, 0xff, 2);
	addr->family = 6;
}

/* ":" network [ "/" bits ] */
static bool
read_network(struct slice rest, struct spf_term *out)
{
	bool six = out->kind == SPF_IP6;
	struct prefix *net = &out->net;
	ptrdiff_t slash = slice_find(rest, '/');
	unsigned max = six ? 128 : 32;

	if (rest.len == 0 || rest.ptr[0] != ':')
		return false;
	net->bits = (uint8_t)max;
	if (slash != -1) {
		if (!read_bits(
			slice_from(rest, (size_t)slash + 1), max, &net->bits))
			return false;
		rest = slice_head(rest, (size_t)slash);
	}
	rest = slice_from(rest, 1);
	if (!addr_parse(rest, &net->addr) ||
	    six != (slice_find(rest, ':') != -1))
		return false;
	if (six)
		remap(&net->addr);
	return true;
}

static bool
read_mechanism(struct slice term, struct spf_term *out)
{
	size_t len = 0;

	if (term.len > 0 && memchr("+-~?", term.ptr[0], 4) != NULL) {
		char q = term.ptr[0];
		out->qualifier = q == '+'   ? SPF_PASS
				 : q == '-' ? SPF_FAIL
				 : q == '~' ? SPF_SOFTFAIL
					    : SPF_NEUTRAL;
		term = slice_from(term, 1);
	}
	while (len < term.len && term.ptr[len] != ':' && term.ptr[len] != '/')
		len++;
	struct slice name = slice_head(term, len), rest = slice_from(term, len);
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]);
	     i++) {
		if (!slice_eq_nocase(name, slice_str(mechanisms[i].name)))
			continue;
		out->kind = mechanisms[i].kind;
		if (out->kind == SPF_ALL)
			return rest.len == 0;
		if (out->kind == SPF_IP4 || out->kind == SPF_IP6)
			return read_network(rest, out);
		return read_domain(rest, out);
	}
	return false;
}

int
spf_term_next(struct slice *record, struct spf_term *out)
{
	struct slice term = *record;
	size_t name;

	while (term.len > 0 && term.ptr[0] == ' ')
		term = slice_from(term, 1);
	ptrdiff_t end = slice_find(term, ' ');
	*record = slice_from(term, end == -1 ? term.len : (size_t)end);
	term = slice_head(term, term.len - record->len);
	if (term.len == 0)
		return 0;
	*out =
	    (struct spf_term){.qualifier = SPF_PASS, .bits4 = 32, .bits6 = 128};
	name = name_length(term);
	if (name > 0 && name < term.len && term.ptr[name] == '=')
		return read_modifier(slice_head(term, name),
			   slice_from(term, name + 1), out)
			   ? 1
			   : -1;
	return read_mechanism(term, out) ? 1 : -1;
}
