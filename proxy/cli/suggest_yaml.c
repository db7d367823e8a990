/*
 * The inventory as a table, and the exceptions as a policy.  See suggest.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "cli/suggest.h"
#include "policy/yaml.h"

#include <inttypes.h>

enum {
	NAME_SHOWN = 120,
	QUOTED_MAX = 64 * 1024,
	ACCEPTED_TESTS = 5,       /* of names that need nothing */
	TESTS_BYTES = 200 * 1024, /* beyond them: one for each rule */
	LOADABLE_PAIRS = 4000 /* a longer table is more than a policy may be */
};

/* --- the table -------------------------------------------------------------------- */

static void
print_words(const char *const *words, unsigned count, FILE *to)
{
	for (unsigned i = 0; i < count; i++)
		fprintf(to, "%s%s", i == 0 ? "" : ",", words[i]);
	if (count == 0)
		fputs("-", to);
}

static void
print_pair(const struct pair *pair, FILE *to)
{
	const char *words[HELO_FLAW_COUNT];
	char name[NAME_SHOWN], client[ADDR_TEXT];
	unsigned count = 0;

	fprintf(to,
	    "#   %-15s %-30s %7" PRIu64 " %7" PRIu64 " %7" PRIu64
	    "  %-8s %-7s  ",
	    addr_format(&pair->client, client),
	    pair->name.len == 0 ? "(none)"
				: log_quote(pair->name, name, sizeof(name)),
	    pair->greetings, pair->server_refused, pair->gate_refused,
	    pair->starttls ? "used" : "never",
	    pair->judged.valid ? "valid" : "invalid");
	for (unsigned i = 0; i < HELO_FLAW_COUNT; i++)
		if ((pair->judged.flaws & HELO_BIT(i)) != 0)
			words[count++] = helo_flaw_name((enum helo_flaw)i);
	print_words(words, count, to);
	fputs("  ", to);
	count = 0;
	for (unsigned i = 0; i < HELO_RECEIVER_COUNT; i++)
		if ((pair->judged.refused_by & 1u << i) != 0)
			words[count++] =
			    helo_receiver_name((enum helo_receiver)i);
	print_words(words, count, to);
	fputs("\n", to);
}

static void
print_network(const struct addr *client, FILE *to)
{
	struct addr network = *client;
	char text[ADDR_TEXT];
	unsigned kept = client->family == 4 ? 3 : 8;

	memset(network.bytes + kept, 0, sizeof(network.bytes) - kept);
	fprintf(to, "# %s/%u\n", addr_format(&network, text), kept * 8);
}

void
suggest_table(const struct pairs *pairs, FILE *to)
{
	if (pairs->count > LOADABLE_PAIRS)
		fputs("# With this table it is larger than a policy may be: "
		      "`--yaml` leaves it away.\n",
		    to);
	fprintf(to,
	    "# Who greets how: %" PRIu64 " sessions, %" PRIu64
	    " greetings, %u clients with a name each.\n"
	    "# `server` and `gate`: how often each refused the name itself.\n"
	    "#\n"
	    "#   %-15s %-30s %7s %7s %7s  %-8s %-7s  %s  %s\n",
	    pairs->sessions, pairs->greetings, pairs->count, "client", "name",
	    "seen", "server", "gate", "STARTTLS", "RFC5321", "flaws",
	    "refused by");
	for (unsigned i = 0; i < pairs->count; i++) {
		const struct pair *pair = &pairs->items[i];
		if (i == 0 ||
		    !is_one_network(&pair->client, &pairs->items[i - 1].client))
			print_network(&pair->client, to);
		print_pair(pair, to);
	}
	fputs("#\n", to);
}

/* --- YAML ------------------------------------------------------------------------ */

/* One character of valid UTF-8: its number. */
static uint32_t
code_point(struct slice s, size_t len)
{
	uint32_t value = (unsigned char)s.ptr[0];

	if (len > 1)
		value &= 0xffu >> (len + 1);
	for (size_t i = 1; i < len; i++)
		value = value << 6 | ((unsigned char)s.ptr[i] & 0x3f);
	return value;
}

static size_t
utf8_length(struct slice s)
{
	unsigned char first = (unsigned char)s.ptr[0];
	size_t len = first < 0x80   ? 1
		     : first < 0xc2 ? 0
		     : first < 0xe0 ? 2
		     : first < 0xf0 ? 3
		     : first < 0xf5 ? 4
				    : 0;

	return len <= s.len ? len : 0;
}

static bool
quote(struct slice name, struct buf *out)
{
	buf_append(out, SLICE("\""));
	while (name.len > 0) {
		size_t len = utf8_length(name);
		if (len == 0)
			return false;
		uint32_t code = code_point(name, len);
		if (code == '"' || code == '\\')
			buf_printf(out, "\\%c", (char)code);
		else if (code >= 0x20 && code < 0x7f)
			buf_append(out, slice_head(name, 1));
		else if (code < 0x100)
			buf_printf(out, "\\x%02x", code);
		else
			buf_printf(
			    out, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
		name = slice_from(name, len);
	}
	return buf_append(out, SLICE("\""));
}

/* The reader of policies is the judge of whether it comes back. */
bool
suggest_quote(struct slice name, struct buf *out)
{
	if (!quote(name, out))
		return false;
	struct diag *diag = diag_new();
	struct yaml_file *yaml =
	    yaml_parse(buf_slice(out), SLICE("name"), diag);
	bool same = yaml != NULL && diag_errors(diag) == 0 &&
		    slice_eq(yaml_root(yaml)->text, name);
	yaml_file_free(&yaml);
	diag_free(&diag);
	return same;
}

static void
print_address(const struct addr *client, FILE *to)
{
	char text[ADDR_TEXT];

	fprintf(to, client->family == 4 ? "%s" : "\"%s\"",
	    addr_format(client, text));
}

static void
print_list(const struct pairs *pairs, const struct mend *mend, FILE *to)
{
	fprintf(to, "  %s:\n    address:\n", mend->name);
	for (unsigned i = 0; i < mend->client_count; i++) {
		fputs("      - ", to);
		print_address(&pairs->items[mend->clients[i]].client, to);
		fputs("\n", to);
	}
}

static void
print_flaws(uint64_t flaws, FILE *to)
{
	const char *comma = "";

	fputs("[", to);
	for (unsigned i = 0; i < HELO_FLAW_COUNT; i++) {
		if ((flaws & HELO_BIT(i)) == 0)
			continue;
		fprintf(to, "%s%s", comma, helo_flaw_name((enum helo_flaw)i));
		comma = ", ";
	}
	fputs("]", to);
}

static void
print_steps(const struct mend *mend, FILE *to)
{
	struct helo_repair repair;

	mend_steps(mend, &repair);
	for (unsigned i = 0; i < repair.count; i++) {
		const struct helo_repair_step *step = &repair.steps[i];
		fputs(i == 0 ? "[" : ", ", to);
		if (step->step == HELO_STEP_APPEND_DOMAIN)
			fprintf(to, "{append_domain: \"%.*s\"}",
			    SLICE_FMT(step->name));
		else
			fputs(helo_step_name(step->step), to);
	}
	fputs("]", to);
}

static void
print_remarks(const struct mend *mend, FILE *to)
{
	if (mend->starttls)
		fputs("  # These clients use STARTTLS, and inside TLS they say "
		      "the old name again:\n"
		      "  # with `uplift` the gate encrypts in their place, "
		      "under the mended name.\n"
		      "  # Where the server takes the old name inside TLS, "
		      "`starttls: pass` does.\n",
		    to);
	if (mend->literal && mend->lone)
		fputs("  # No domain is known for these names: {append_domain: "
		      "...} before\n"
		      "  # client_literal would keep them.\n",
		    to);
	if (mend->unwritable)
		fputs("  # Names with bytes that YAML cannot say; the test has "
		      "another such name.\n",
		    to);
}

static void
print_rule(const struct mend *mend, FILE *to)
{
	print_remarks(mend, to);
	fprintf(to,
	    "  - name: %s\n    when: {client: %s, helo.flaw: ", mend->name,
	    mend->name);
	print_flaws(mend->flaws, to);
	fputs("}\n    then: {", to);
	if (mend->rewrite) {
		fputs("rewrite: \"[{client}]\"", to);
	} else {
		fputs("repair: ", to);
		print_steps(mend, to);
	}
	fputs(mend->starttls ? ", starttls: uplift" : ", starttls: pass", to);
	fputs("}\n", to);
}

/* Octets written. */
static long
print_test(const struct addr *client, struct slice name,
    const struct mend *mend, FILE *to)
{
	struct helo_repaired repaired;
	struct buf quoted, as;
	char text[ADDR_TEXT];
	long written = 0;

	buf_init(&quoted, QUOTED_MAX);
	buf_init(&as, QUOTED_MAX);
	if (suggest_quote(name, &quoted)) {
		struct slice helo = buf_slice(&quoted);
		written =
		    fprintf(to, "  - {client: \"%s\", helo: %.*s, expect: %s",
			addr_format(client, text), SLICE_FMT(helo),
			mend == NULL    ? "accept"
			: mend->rewrite ? "rewrite"
					: "repair");
		if (mend != NULL) {
			mend_apply(mend, name, client, &repaired);
			quote(slice_of(repaired.name, repaired.len), &as);
			helo = buf_slice(&as);
			written += fprintf(to, ", rule: %s, as: %.*s",
			    mend->name, SLICE_FMT(helo));
		}
		fputs("}\n", to);
	}
	buf_fini(&quoted);
	buf_fini(&as);
	return written;
}

/* A name of the rule's that can be said, for a client that no other rule
 * comes before. */
static void
print_stand_in(const struct pairs *pairs, struct mends *mends,
    const struct mend *mend, FILE *to)
{
	const struct slice name = SLICE("\xc3\xa4.\xc3\xb6");
	struct helo judged;

	helo_analyse(name, NULL, &judged);
	for (unsigned i = 0; i < mend->client_count; i++) {
		const struct addr *client =
		    &pairs->items[mend->clients[i]].client;
		if (mends_first(mends, pairs, client, judged.flaws) != mend)
			continue;
		print_test(client, name, mend, to);
		return;
	}
}

static void
print_tests(const struct pairs *pairs, struct mends *mends, FILE *to)
{
	static const struct addr anyone = {4, {192, 0, 2, 1}};
	unsigned accepted = 0;
	long octets = 0;

	fputs("\ntests:\n", to);
	for (unsigned i = 0; i < pairs->count; i++) {
		const struct pair *pair = &pairs->items[i];
		if (pair->mend == NULL) {
			if (accepted++ < ACCEPTED_TESTS)
				print_test(&pair->client, pair->name, NULL, to);
			continue;
		}
		struct mend *mend = mends->items + (pair->mend - mends->items);
		if (octets > TESTS_BYTES && mend->tested)
			continue;
		long written = print_test(&pair->client, pair->name, mend, to);
		mend->tested |= written > 0;
		octets += written;
	}
	for (unsigned i = 0; i < mends->count; i++)
		if (mends->items[i].unwritable)
			print_stand_in(pairs, mends, &mends->items[i], to);
	if (pairs->count == 0)
		print_test(&anyone, SLICE("mail.example.com"), NULL, to);
}

/* Valid names that the server refused: nothing in them can be mended. */
static void
print_refused(const struct pairs *pairs, FILE *to)
{
	char name[NAME_SHOWN], client[ADDR_TEXT];
	bool first = true;

	for (unsigned i = 0; i < pairs->count; i++) {
		const struct pair *pair = &pairs->items[i];
		if (pair->mend != NULL || pair->server_refused == 0)
			continue;
		if (first)
			fputs("# Refused by the server, and not for how it is "
			      "written:\n",
			    to);
		first = false;
		fprintf(to, "#   %s %s: %" PRIu64 "\n",
		    addr_format(&pair->client, client),
		    log_quote(pair->name, name, sizeof(name)),
		    pair->server_refused);
	}
}

static void
print_bounds(const struct pairs *pairs, const struct mends *mends, FILE *to)
{
	if (pairs->lost > 0)
		fprintf(to,
		    "# Not complete: more than %d clients with a name each; "
		    "%" PRIu64 " greetings are left out.\n",
		    PAIRS_MAX, pairs->lost);
	if (pairs->cut > 0)
		fprintf(to,
		    "# Left out: %" PRIu64 " greetings with a name that the "
		    "record cut.\n",
		    pairs->cut);
	if (mends->unruled > 0)
		fprintf(to,
		    "# Not complete: more than %d rules or %d broken names; "
		    "%" PRIu64 " are left out.\n",
		    RULES_MAX, RULED_MAX, mends->unruled);
}

void
suggest_yaml(const struct pairs *pairs, struct mends *mends, FILE *to)
{
	print_bounds(pairs, mends, to);
	print_refused(pairs, to);
	fputs("policy: 1\n"
	      "description: Exceptions for clients with broken names, by what "
	      "the log shows\n",
	    to);
	if (mends->count > 0)
		fputs("\nlists:\n", to);
	for (unsigned i = 0; i < mends->count; i++)
		print_list(pairs, &mends->items[i], to);
	if (mends->count > 0)
		fputs("\nhelo:\n", to);
	for (unsigned i = 0; i < mends->count; i++)
		print_rule(&mends->items[i], to);
	fputs("\ndefault: accept\n", to);
	print_tests(pairs, mends, to);
}
