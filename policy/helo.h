/*
 * The HELO/EHLO argument: what form it has, what is wrong with it, how to
 * mend it, and who would refuse it.  Pure: bytes and an address in, facts
 * out; no DNS, no clock, nothing of the session.
 *
 * Sources: RFC 5321 4.1.1.1, 4.1.2, 4.1.3, 4.1.4; RFC 1123 2.1; RFC 4291 2.2;
 * the receivers' own checks as measured in tests/vectors/helo_receivers.tsv,
 * and for two that cannot be measured here as they or their users tell (see
 * helo_receivers.c).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef POLICY_HELO_H
#define POLICY_HELO_H

#include "base/addr.h"
#include "base/slice.h"

enum {
	/* The longest argument that is judged; a command line is shorter. */
	HELO_ARGUMENT_MAX = 4096,
	/* A valid argument is no longer (RFC 5321 4.5.3.1.2); brackets and tag
	 * of a literal are well below. */
	HELO_NAME_MAX = 255,
	HELO_LABEL_MAX = 63
};

/*      FORM(enumerator, name, what it is) */
#define HELO_FORMS(FORM)                                                   \
	FORM(MISSING, "missing", "no argument at all")                     \
	FORM(ADDRESS_LITERAL, "address_literal", "[v4] or [IPv6:v6]")      \
	FORM(GENERAL_LITERAL, "general_literal", "[tag:...], never valid") \
	FORM(BARE_ADDRESS, "bare_address", "an address without brackets")  \
	FORM(DOMAIN, "domain", "labels, with dots or without")             \
	FORM(MALFORMED, "malformed", "none of these")

enum helo_form {
#define HELO_FORM_ENUM(id, name, text) HELO_FORM_##id,
	HELO_FORMS(HELO_FORM_ENUM)
#undef HELO_FORM_ENUM
	HELO_FORM_COUNT
};

/*
 * Flaws, each one bit.  Syntax flaws make the argument invalid; advisory ones
 * do not.  The order is the order in which they are reported, and the first
 * syntax flaw is the one a refusal names.
 *
 *      FLAW(enumerator, name, advisory, plain words for a reply)
 */
#define HELO_FLAWS(FLAW)                                                      \
	FLAW(MISSING, "missing", 0, "no name was given")                      \
	FLAW(CONTROL_CHARACTER, "control_character", 0,                       \
	    "the name has a control character")                               \
	FLAW(INVALID_UTF8, "invalid_utf8", 0,                                 \
	    "the name has bytes that are no characters")                      \
	FLAW(NON_ASCII, "non_ascii", 0,                                       \
	    "the name has characters outside ASCII")                          \
	FLAW(BLANKS, "blanks", 0, "the name has a blank before or behind it") \
	FLAW(EXTRA_ARGUMENT, "extra_argument", 0,                             \
	    "there is more than one word")                                    \
	FLAW(ANGLE_BRACKETS, "angle_brackets", 0,                             \
	    "the name stands in angle brackets")                              \
	FLAW(UNCLOSED_LITERAL, "unclosed_literal", 0,                         \
	    "the address literal lacks a bracket")                            \
	FLAW(ZONE_ID, "zone_id", 0, "the address has a zone")                 \
	FLAW(UNTAGGED_IPV6, "untagged_ipv6", 0,                               \
	    "the IPv6 literal lacks its tag IPv6:")                           \
	FLAW(TAGGED_IPV4, "tagged_ipv4", 0, "the IPv4 literal has a tag")     \
	FLAW(LITERAL_OF_NAME, "literal_of_name", 0,                           \
	    "the brackets hold a name, not an address")                       \
	FLAW(UNKNOWN_TAG, "unknown_tag", 0,                                   \
	    "the literal's tag is not registered")                            \
	FLAW(BAD_LITERAL, "bad_literal", 0,                                   \
	    "the brackets hold no valid address")                             \
	FLAW(BARE_IPV6, "bare_ipv6", 0,                                       \
	    "an IPv6 address must stand in brackets")                         \
	FLAW(UNDERSCORE, "underscore", 0, "the name has an underscore")       \
	FLAW(BAD_CHARACTER, "bad_character", 0,                               \
	    "the name has a character that names do not have")                \
	FLAW(EMPTY_LABEL, "empty_label", 0, "the name has an empty label")    \
	FLAW(TRAILING_DOT, "trailing_dot", 0, "the name ends in a dot")       \
	FLAW(HYPHEN_EDGE, "hyphen_edge", 0,                                   \
	    "a label begins or ends with a hyphen")                           \
	FLAW(LABEL_TOO_LONG, "label_too_long", 0,                             \
	    "a label is longer than 63 octets")                               \
	FLAW(NAME_TOO_LONG, "name_too_long", 0,                               \
	    "the name is longer than 255 octets")                             \
	FLAW(SINGLE_LABEL, "single_label", 1,                                 \
	    "a fully-qualified name is needed")                               \
	FLAW(LOCALHOST, "localhost", 1, "the name is the local host's")       \
	FLAW(ALL_NUMERIC, "all_numeric", 1, "the last label is all digits")   \
	FLAW(BARE_IPV4, "bare_ipv4", 1,                                       \
	    "an IPv4 address must stand in brackets")                         \
	FLAW(LEADING_ZERO, "leading_zero", 1,                                 \
	    "the IPv4 literal has leading zeros")                             \
	FLAW(RESERVED_NAME, "reserved_name", 1, "the name is reserved")       \
	FLAW(RESERVED_ADDRESS, "reserved_address", 1,                         \
	    "the address is reserved for special purposes")                   \
	FLAW(DYNAMIC_NAME, "dynamic_name", 1,                                 \
	    "the name holds the client's address")                            \
	FLAW(LITERAL_MISMATCH, "literal_mismatch", 1,                         \
	    "the literal is not the client's address")

enum helo_flaw {
#define HELO_FLAW_ENUM(id, name, advisory, text) HELO_FLAW_##id,
	HELO_FLAWS(HELO_FLAW_ENUM)
#undef HELO_FLAW_ENUM
	HELO_FLAW_COUNT
};

#define HELO_BIT(flaw) (UINT64_C(1) << (flaw))

/*
 * Who would refuse; one bit each in refused_by.  What is documented is not
 * measured, and not the whole: such a receiver may refuse more than we say.
 *
 *      RECEIVER(enumerator, name, documented only)
 */
#define HELO_RECEIVERS(RECEIVER)                  \
	RECEIVER(RFC5321, "rfc5321", 0)           \
	RECEIVER(POSTFIX, "postfix", 0)           \
	RECEIVER(POSTFIX_FQDN, "postfix_fqdn", 0) \
	RECEIVER(OPENSMTPD, "opensmtpd", 0)       \
	RECEIVER(EXIM, "exim", 0)                 \
	RECEIVER(OFFICE365, "office365", 1)       \
	RECEIVER(GMAIL, "gmail", 1)

enum helo_receiver {
#define HELO_RECEIVER_ENUM(id, name, documented) HELO_BY_##id,
	HELO_RECEIVERS(HELO_RECEIVER_ENUM)
#undef HELO_RECEIVER_ENUM
	HELO_RECEIVER_COUNT
};

/* What is known of one argument. */
struct helo {
	enum helo_form form;
	uint64_t flaws;      /* HELO_BIT of each */
	bool valid;          /* no syntax flaw */
	uint32_t refused_by; /* 1 << enum helo_receiver */
	struct addr literal; /* the address of a literal or bare address that
			      * could be read; family 0 where none */
};

/*
 * Repair steps, in the order that `all` applies them.
 *      STEP(enumerator, name, takes a name)
 */
#define HELO_STEPS(STEP)                            \
	STEP(TRIM, "trim", 0)                       \
	STEP(FIRST_WORD, "first_word", 0)           \
	STEP(BRACKETS, "brackets", 0)               \
	STEP(CONTROL, "control", 0)                 \
	STEP(TRAILING_DOT, "trailing_dot", 0)       \
	STEP(UNDERSCORE, "underscore", 0)           \
	STEP(HYPHEN_EDGE, "hyphen_edge", 0)         \
	STEP(EMPTY_LABEL, "empty_label", 0)         \
	STEP(IDNA, "idna", 0)                       \
	STEP(LOWERCASE, "lowercase", 0)             \
	STEP(TAG_IPV6, "tag_ipv6", 0)               \
	STEP(UNTAG_IPV4, "untag_ipv4", 0)           \
	STEP(ZONE_ID, "zone_id", 0)                 \
	STEP(BRACKET_ADDRESS, "bracket_address", 0) \
	STEP(APPEND_DOMAIN, "append_domain", 1)     \
	STEP(REPLACE, "replace", 1)                 \
	STEP(CLIENT_PTR, "client_ptr", 0)           \
	STEP(CLIENT_LITERAL, "client_literal", 0)

enum helo_step {
#define HELO_STEP_ENUM(id, name, named) HELO_STEP_##id,
	HELO_STEPS(HELO_STEP_ENUM)
#undef HELO_STEP_ENUM
	HELO_STEP_COUNT
};

struct helo_repair_step {
	enum helo_step step;
	struct slice name; /* of append_domain and replace; outlives the list */
};

enum {
	HELO_REPAIR_MAX = 24
};

struct helo_repair {
	struct helo_repair_step steps[HELO_REPAIR_MAX];
	unsigned count;
};

struct helo_repaired {
	bool valid; /* name is a valid argument */
	size_t len;
	char name[HELO_ARGUMENT_MAX]; /* the result, valid or not */
	uint32_t steps;               /* 1 << enum helo_step that changed it */
};

/*
 * Judges an argument: the rest of the command line behind its one blank, as
 * received.  `client` may be NULL: then dynamic_name and literal_mismatch are
 * never found.  More than HELO_ARGUMENT_MAX bytes are judged as name_too_long
 * by their first HELO_ARGUMENT_MAX.  Cannot fail; reads only `argument`.
 */
void helo_analyse(
    struct slice argument, const struct addr *client, struct helo *out);

/*
 * Applies the steps in their order; each runs if the flaw it mends is
 * present, `client_ptr` and `client_literal` only if the result is still
 * invalid.  `client` may be NULL and `ptr` (the verified reverse name) empty:
 * steps that need them do nothing.  With client_literal in the list and a
 * client the result is always valid; repairing a result changes nothing.
 */
void helo_repair_apply(const struct helo_repair *repair, struct slice argument,
    const struct addr *client, struct slice ptr, struct helo_repaired *out);

/* The list that `repair: all` stands for: every step in order but the two
 * that take a name. */
void helo_repair_all(struct helo_repair *out);

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" into out (RFC 5321 4.1.3); its
 * length. */
size_t helo_client_literal(const struct addr *client, char out[ADDR_TEXT + 8]);

/* The words of this interface; the tables above are their only home. */
const char *helo_form_name(enum helo_form form);
const char *helo_flaw_name(enum helo_flaw flaw);
/* Plain words for a reply, e.g. "the name has an underscore". */
const char *helo_flaw_text(enum helo_flaw flaw);
bool helo_flaw_is_advisory(enum helo_flaw flaw);
const char *helo_receiver_name(enum helo_receiver receiver);
/* Whether what it refuses is documented, not measured. */
bool helo_receiver_is_documented(enum helo_receiver receiver);
const char *helo_step_name(enum helo_step step);
/* 1 and *out, or -1: no such word. */
int helo_flaw_parse(struct slice name, enum helo_flaw *out);
int helo_form_parse(struct slice name, enum helo_form *out);
int helo_receiver_parse(struct slice name, enum helo_receiver *out);
int helo_step_parse(struct slice name, enum helo_step *out);
bool helo_step_takes_name(enum helo_step step);

#endif
