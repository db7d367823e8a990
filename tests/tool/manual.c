/*
 * Prints a manual page with the parts that the tables make made anew:
 *     build/tool/manual contrib/man/ehlogate-policy.5
 *
 * A part stands between `.\" made: WHAT` and `.\" end`.  WHAT is `keys
 * SECTION`, facts, forms, flaws, steps, receivers or codes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/code.h"
#include "policy/keys.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	COLUMNS = 78
};

/* What a part is written to, before its lines are broken. */
static FILE *out;

/* --- text ----------------------------------------------------------------- */

/* A sentence of a table in mdoc: `x` is quoted, each sentence has a line. */
static void
put_text(const char *text)
{
	bool open = false, capital = strchr(text, ':') == NULL ||
				     strcspn(text, " ") < strcspn(text, ":");

	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '`')
			fputs((open = !open) ? "\\(oq" : "\\(cq", out);
		else if (*c == '.' && c[1] == ' ' && isupper(c[2]))
			fputs(".\n", out), c++;
		else if (c == text && capital)
			fputc(toupper(*c), out);
		else
			fputc(*c, out);
	}
}

/* "one|other" as "one or other". */
static void
put_words(const char *words, const char *last)
{
	while (*words != '\0') {
		size_t len = strcspn(words, "|");
		const char *next = words + len + (words[len] == '|');
		fprintf(out, "%.*s", (int)len, words);
		if (*next != '\0')
			fprintf(
			    out, "%s", strchr(next, '|') == NULL ? last : ", ");
		words = next;
	}
}

/* --- keys ----------------------------------------------------------------- */

static void
put_type(const struct key_type *type)
{
	switch ((int)type->kind) {
	case KEY_KIND_ONE_OF:
		put_words(type->words, " or ");
		break;
	case KEY_KIND_SOME_OF:
		fprintf(out, "one or more of ");
		put_words(type->words, ", ");
		break;
	case KEY_KIND_NUMBER:
		fprintf(out, "a number from %lu to %lu", type->low, type->high);
		break;
	case KEY_KIND_AUTO_OR:
		fprintf(out, "auto, or a number from %lu to %lu", type->low,
		    type->high);
		break;
	case KEY_KIND_DURATION:
		fprintf(
		    out, "a duration from %s to %s", type->least, type->most);
		break;
	case KEY_KIND_SIZE:
		fprintf(out, "octets, from %s on, as in 50M", type->least);
		break;
	case KEY_KIND_COMMANDS:
		fprintf(out, "%s of ", key_kind_text(type->kind));
		put_words(type->words, " and ");
		break;
	default:
		fprintf(out, "%s", key_kind_text(type->kind));
	}
}

static void
put_key(const struct key *key)
{
	fprintf(out, ".It Cm %s\n", key->name);
	put_text(key->sentence);
	fprintf(out, ".\n");
	if (key->need == KEY_LATER) {
		fprintf(out, "Not built in this version.\n");
		return;
	}
	fprintf(out, "Takes ");
	put_type(&key->type);
	if (key->need == KEY_MUST)
		fprintf(out, "; required");
	if (key->fallback != NULL)
		fprintf(out, "; default %s", key->fallback);
	fprintf(out, ".\n");
}

static const char *const sections[] = {"POLICY", "RULE", "THEN", "REPLY",
    "MODIFIER", "DROP", "LIMIT", "COMMAND", "LIST", "TEST", "REFUSAL",
    "CAPABILITIES", "PROTOCOL", "DEADLINES", "CONFIG", "LISTENER", "INTERCEPT",
    "TLS", "PAIR", "LOG", "TIMEOUTS", "DNS", "LIMITS"};
_Static_assert(sizeof(sections) / sizeof(sections[0]) == SECTION_LIMITS + 1,
    "a section lacks its name");

static bool
put_keys(const char *name)
{
	size_t at = 0;

	while (at <= SECTION_LIMITS && strcmp(sections[at], name) != 0)
		at++;
	if (at > SECTION_LIMITS)
		return false;
	fprintf(out, ".Bl -tag -width Ds\n");
	for (unsigned i = 0; i < key_count(); i++)
		if (key_at(i)->section == (enum policy_section)at)
			put_key(key_at(i));
	fprintf(out, ".El\n");
	return true;
}

/* --- facts and HELO ------------------------------------------------------- */

/* What a fact can be compared with. */
static const char *
kind_text(enum fact_kind kind)
{
	static const char *const texts[] = {
	    [KIND_ADDRESS] = "lists, addresses, prefixes",
	    [KIND_ADDRESSES] = "lists, addresses, prefixes, none, temperror",
	    [KIND_NUMBER] = "numbers, {over: N}, {up_to: N}",
	    [KIND_WORD] = "words, {is:}, {glob:}, {regex:}",
	    [KIND_TEXT] = "texts, {is:}, {glob:}, {regex:}",
	    [KIND_NAME] = "lists, names, {is:}, {under:}, {glob:}, {regex:}",
	    [KIND_NAMES] = "lists, names, {is:}, {under:}, {glob:}, "
			   "{regex:}, none, temperror",
	    [KIND_MAILBOX] = "lists, mailboxes, {is:}, {under:}, {glob:}, "
			     "{regex:}, {same_organisation: helo}, null",
	    [KIND_ZONE] = "zones, {zone:, answer:}, temperror",
	    [KIND_BOOL] = "true, false",
	    [KIND_LOOKUP] = NULL,
	    [KIND_FORM] = "forms",
	    [KIND_FLAW] = "flaws",
	    [KIND_VERB] = "helo, ehlo",
	    [KIND_RECEIVER] = "receivers",
	    [KIND_RELATION] = NULL,
	};

	return texts[kind];
}

static void
put_facts(void)
{
	fprintf(out, ".Bl -tag -width Ds\n");
	for (int i = 0; i < FACT_COUNT; i++) {
		enum fact fact = (enum fact)i;
		fprintf(out, ".It Cm %s\n", fact_name(fact));
		put_text(fact_sentence(fact));
		fprintf(
		    out, ".\nFrom %s on", policy_stage_name(fact_stage(fact)));
		if (kind_text(fact_kind(fact)) != NULL)
			fprintf(out, "; %s", kind_text(fact_kind(fact)));
		fprintf(out, "%s.\n", fact_is_lookup(fact) ? "; asks DNS" : "");
	}
	fprintf(out, ".El\n");
}

static void
put_forms(void)
{
	static const char *const texts[] = {
#define TEXT(id, name, text) text,
	    HELO_FORMS(TEXT)
#undef TEXT
	};

	fprintf(out, ".Bl -tag -width general_literal -compact\n");
	for (int i = 0; i < HELO_FORM_COUNT; i++)
		fprintf(out, ".It Cm %s\n%s\n",
		    helo_form_name((enum helo_form)i), texts[i]);
	fprintf(out, ".El\n");
}

static void
put_flaws(bool advisory)
{
	fprintf(out, ".Bl -tag -width control_character -compact\n");
	for (int i = 0; i < HELO_FLAW_COUNT; i++)
		if (helo_flaw_is_advisory((enum helo_flaw)i) == advisory)
			fprintf(out, ".It Cm %s\n%s\n",
			    helo_flaw_name((enum helo_flaw)i),
			    helo_flaw_text((enum helo_flaw)i));
	fprintf(out, ".El\n");
}

static void
put_steps(void)
{
	static const char *const texts[] = {
	    [HELO_STEP_TRIM] = "drops blanks before and behind the name",
	    [HELO_STEP_FIRST_WORD] = "keeps the first of several words",
	    [HELO_STEP_BRACKETS] = "mends brackets that are not whole, or "
				   "not needed",
	    [HELO_STEP_CONTROL] = "drops control characters",
	    [HELO_STEP_TRAILING_DOT] = "drops the dot at the end",
	    [HELO_STEP_UNDERSCORE] = "makes a hyphen of each underscore",
	    [HELO_STEP_HYPHEN_EDGE] = "drops hyphens at the edges of labels",
	    [HELO_STEP_EMPTY_LABEL] = "drops empty labels",
	    [HELO_STEP_IDNA] = "writes an international name in ASCII "
			       "(IDNA)",
	    [HELO_STEP_LOWERCASE] = "writes capitals small",
	    [HELO_STEP_TAG_IPV6] = "adds the tag IPv6: to a literal",
	    [HELO_STEP_UNTAG_IPV4] = "takes the tag off an IPv4 literal",
	    [HELO_STEP_ZONE_ID] = "takes the zone off an address",
	    [HELO_STEP_BRACKET_ADDRESS] = "puts brackets around an address",
	    [HELO_STEP_APPEND_DOMAIN] = "of a single label: appends the "
					"domain",
	    [HELO_STEP_REPLACE] = "puts the name in place of what is there",
	    [HELO_STEP_CLIENT_PTR] = "the client's confirmed reverse name, "
				     "where the result is still invalid",
	    [HELO_STEP_CLIENT_LITERAL] = "the client's address in brackets, "
					 "where the result is still invalid: "
					 "cannot fail"};
	_Static_assert(sizeof(texts) / sizeof(texts[0]) == HELO_STEP_COUNT,
	    "a step lacks its text");

	fprintf(out, ".Bl -tag -width Ds -compact\n");
	for (int i = 0; i < HELO_STEP_COUNT; i++) {
		enum helo_step step = (enum helo_step)i;
		fprintf(out,
		    helo_step_takes_name(step) ? ".It Brq Cm %s : Ar NAME\n%s\n"
					       : ".It Cm %s\n%s\n",
		    helo_step_name(step), texts[i]);
	}
	fprintf(out, ".El\n");
}

static void
put_receivers(void)
{
	static const char *const texts[] = {
	    [HELO_BY_RFC5321] = "whoever reads RFC 5321 to the letter",
	    [HELO_BY_POSTFIX] = "Postfix with reject_invalid_helo_hostname",
	    [HELO_BY_POSTFIX_FQDN] =
		"the same with reject_non_fqdn_helo_hostname too",
	    [HELO_BY_OPENSMTPD] = "OpenSMTPD",
	    [HELO_BY_EXIM] = "Exim with its defaults",
	    [HELO_BY_OFFICE365] = "Exchange Online, by its documentation",
	    [HELO_BY_GMAIL] = "Gmail, by its documentation"};
	_Static_assert(sizeof(texts) / sizeof(texts[0]) == HELO_RECEIVER_COUNT,
	    "a receiver lacks its text");

	fprintf(out, ".Bl -tag -width postfix_fqdn -compact\n");
	for (int i = 0; i < HELO_RECEIVER_COUNT; i++)
		fprintf(out, ".It Cm %s\n%s\n",
		    helo_receiver_name((enum helo_receiver)i), texts[i]);
	fprintf(out, ".El\n");
}

static void
put_codes(void)
{
	fprintf(out, ".Bl -tag -width P999 -compact\n");
	for (unsigned i = 0; i < code_count(); i++) {
		fprintf(out, ".It Cm %s\n", code_at(i)->name);
		put_text(code_at(i)->title);
		fprintf(out, "\n");
	}
	fprintf(out, ".El\n");
}

/* --- the page ------------------------------------------------------------- */

static bool
put_part(const char *what)
{
	if (strncmp(what, "keys ", 5) == 0)
		return put_keys(what + 5);
	if (strcmp(what, "facts") == 0)
		put_facts();
	else if (strcmp(what, "forms") == 0)
		put_forms();
	else if (strcmp(what, "syntax flaws") == 0)
		put_flaws(false);
	else if (strcmp(what, "advisory flaws") == 0)
		put_flaws(true);
	else if (strcmp(what, "steps") == 0)
		put_steps();
	else if (strcmp(what, "receivers") == 0)
		put_receivers();
	else if (strcmp(what, "codes") == 0)
		put_codes();
	else
		return false;
	return true;
}

/* Lines of text, broken between words; macros stay. */
static void
put_line(const char *line)
{
	size_t column = 0;

	while (line[0] != '.' && *line != '\0') {
		size_t len = strcspn(line, " ");
		if (column > 0 && column + 1 + len > COLUMNS) {
			putchar('\n');
			column = 0;
		} else if (column > 0) {
			putchar(' ');
			column++;
		}
		/* Not a macro. */
		if (column == 0 && (line[0] == '.' || line[0] == '\''))
			printf("\\&");
		printf("%.*s", (int)len, line);
		column += len;
		line += len + (line[len] == ' ');
	}
	printf("%s\n", line);
}

static bool
put_made(const char *what)
{
	char *made = NULL, *save = NULL;
	size_t size = 0;
	bool good;

	out = open_memstream(&made, &size);
	if (out == NULL)
		return false;
	good = put_part(what);
	fclose(out);
	for (char *line = strtok_r(made, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		put_line(line);
	free(made);
	return good;
}

static int
fail(const char *path, const char *why)
{
	fprintf(stderr, "manual: %s: %s\n", path, why);
	return 1;
}

int
main(int argc, char **argv)
{
	static const char begin[] = ".\\\" made: ", end[] = ".\\\" end\n";
	FILE *page = argc == 2 ? fopen(argv[1], "r") : NULL;
	char *line = NULL;
	size_t size = 0;
	bool within = false;

	if (page == NULL)
		return fail(argc == 2 ? argv[1] : "usage", "a page is needed");
	while (getline(&line, &size, page) != -1) {
		if (strcmp(line, end) == 0)
			within = false;
		if (!within)
			fputs(line, stdout);
		if (strncmp(line, begin, strlen(begin)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (within || !put_made(line + strlen(begin)))
			return fail(argv[1], line);
		within = true;
	}
	free(line);
	fclose(page);
	if (within)
		return fail(argv[1], "a part has no end");
	return fflush(stdout) == 0 ? 0 : 1;
}
