/*
 * The witnesses that are tried whatever the policies say: the usual value of
 * each fact, every form and flaw of a name.  See diff.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/diff.h"
#include "policy/lookup.h"

static const struct {
	const char *fact;
	enum dim_kind kind;
} dims[] = {
#define DIM_ROW(id, fact, kind) {fact, DIM_##kind},
    DIFF_DIMS(DIM_ROW)
#undef DIM_ROW
};

const char *
diff_fact(enum dim_id dim)
{
	return dims[dim].fact;
}

enum dim_kind
diff_kind(enum dim_id dim)
{
	return dims[dim].kind;
}

/* What DNS can say of a fact: the best first; a list is empty at first. */
static void
add_words(struct universe *universe, enum lookup_fact fact)
{
	static const char *const empty[] = {"none", "temperror", NULL};
	const char *const *words = lookup_words(fact);

	if (words == NULL)
		words = empty;
	for (unsigned id = 0; id < DIM_IDS; id++)
		for (unsigned i = 0;
		     words[i] != NULL &&
		     slice_eq(slice_str(diff_fact((enum dim_id)id)),
			 slice_str(lookup_fact_name(fact)));
		     i++)
			universe_value(
			    universe, (enum dim_id)id, slice_str(words[i]), 0);
}

/* First the usual value of each. */
void
universe_usual_values(struct universe *universe)
{
	universe_value(universe, DIM_ID_SERVER, SLICE("192.0.2.25"), 0);
	universe_value(universe, DIM_ID_SERVER, SLICE("2001:db8::25"), 0);
	universe_value(universe, DIM_ID_PORT, SLICE(""), 25);
	universe_value(universe, DIM_ID_LISTENER, SLICE("some-listener"), 0);
	universe_value(universe, DIM_ID_TLS_VERSION, SLICE("TLSv1.3"), 0);
	universe_value(
	    universe, DIM_ID_TLS_CIPHER, SLICE("TLS_AES_256_GCM_SHA384"), 0);
	universe_value(universe, DIM_ID_TLS_SNI, SLICE("none"), 0);
	universe_value(universe, DIM_ID_TLS_SUBJECT, SLICE("none"), 0);
	universe_value(universe, DIM_ID_TLS_FINGERPRINT, SLICE("none"), 0);
	universe_value(universe, DIM_ID_AUTH_USER, SLICE("some-user"), 0);
	universe_value(universe, DIM_ID_REPEAT, SLICE(""), 0);
	universe_value(universe, DIM_ID_FROM, SLICE("user@sender.invalid"), 0);
	universe_value(universe, DIM_ID_FROM, SLICE(""), 0);
	universe_value(universe, DIM_ID_SIZE, SLICE(""), 0);
	universe_value(universe, DIM_ID_TO, SLICE("user@rcpt.invalid"), 0);
	universe_value(universe, DIM_ID_COUNT, SLICE(""), 0);
	for (unsigned id = 0; id < DIM_IDS; id++) {
		if (diff_kind((enum dim_id)id) == DIM_TRUTH) {
			universe_value(universe, (enum dim_id)id, SLICE(""), 0);
			universe_value(universe, (enum dim_id)id, SLICE(""), 1);
		}
	}
	for (unsigned i = 0; i < LOOKUP_FACT_COUNT; i++)
		add_words(universe, (enum lookup_fact)i);
}

/* Every form and flaw there is, once. */
static void
add_forms(struct universe *universe)
{
	static const struct slice names[] = {SLICE("mail.witness.net"),
	    SLICE(""), SLICE("host"), SLICE("EXCH_01"), SLICE(" a.witness.net"),
	    SLICE("a b.witness.net"), SLICE("a\001.witness.net"),
	    SLICE("b\xc3\xb6se.witness.net"), SLICE("\xff.witness.net"),
	    SLICE("a!.witness.net"), SLICE("a..witness.net"),
	    SLICE("a.witness.net."), SLICE("-a.witness.net"),
	    SLICE("<a.witness.net>"), SLICE("2001:db8::1"), SLICE("[192.0.2.1"),
	    SLICE("[300.1.1.1]"), SLICE("[2001:db8::1]"),
	    SLICE("[IPv6:2001:db8::1]"), SLICE("[IPv4:192.0.2.1]"),
	    SLICE("[IPv6:fe80::1%eth0]"), SLICE("[mail.witness.net]"),
	    SLICE("[x-tag:foo]"), SLICE("localhost"), SLICE("192.0.2.1"),
	    SLICE("mail.123"), SLICE("[192.0.02.1]"), SLICE("host.local"),
	    SLICE("[10.0.0.1]"), SLICE("[8.8.8.8]"), SLICE("{client}"),
	    SLICE("{near}"), SLICE("{dynamic}")};
	char longer[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		classes_add_name(universe->names, names[i], true);
	memset(longer, 'a', sizeof(longer));
	memcpy(longer + 64, ".witness.net", 12);
	classes_add_name(universe->names, slice_of(longer, 76), true);
	for (size_t i = 50; i < sizeof(longer); i += 50)
		longer[i] = '.';
	longer[64] = 'a';
	classes_add_name(
	    universe->names, slice_of(longer, sizeof(longer)), true);
}

static void
add_clients(struct universe *universe)
{
	static const char *const clients[] = {
	    "203.0.113.99", "10.11.12.13", "2001:db8:99::1", "127.0.0.1"};
	struct addr addr;

	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
		if (addr_parse(slice_str(clients[i]), &addr))
			classes_add_addr(universe->clients, &addr);
}

void
universe_usual_classes(struct universe *universe)
{
	add_clients(universe);
	add_forms(universe);
	universe->form_count = classes_count(universe->names);
}
