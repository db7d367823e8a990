/*
 * `ehlogate doctor`: listeners that take TLS from their clients, or show them
 * another certificate than the server's, and what the destinations have promised
 * to senders: TLSA records (RFC 7672) and MTA-STS (RFC 8461).  A sender that
 * goes by them does not deliver through such a listener.
 *
 * Which destinations there are only the clients know.  Those are asked for that
 * the listener's configuration names, and it is said which.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/doctor.h"
#include "policy/lookup.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	DOMAINS_MAX = 50,
	MEND_MAX = DNS_NAME_MAX + 256,
	LISTED = 8,
	LIST_MAX = (LISTED + 1) * (DNS_NAME_MAX + 3)
};

/* What a listener or a rule does to TLS. */
struct way {
	enum policy_starttls order;
	enum config_tls_client client;
	const char *word;
	const char *lacks; /* what a sender does not do because of that */
	const char *mend;
	enum finding blind; /* where no name is known to ask for */
};

static const struct way ways[] = {
    {POLICY_STARTTLS_HIDE, CONFIG_TLS_HIDE, "hide", "deliver in the clear",
	"let such senders speak TLS: `pass` or `terminate`", WARN},
    {POLICY_STARTTLS_REFUSE, CONFIG_TLS_REFUSE, "refuse",
	"deliver in the clear",
	"let such senders speak TLS: `pass` or `terminate`", WARN},
    {POLICY_STARTTLS_UPLIFT, CONFIG_TLS_UPLIFT, "uplift",
	"deliver in the clear",
	"let such senders speak TLS: `pass` or `terminate`", FINE},
    {POLICY_STARTTLS_INTERCEPT, CONFIG_TLS_INTERCEPT, "intercept",
	"deliver to a certificate of the gate's",
	"name its servers in `bypass`", FINE}};

/* One way of one listener. */
struct search {
	struct doctor_dns *dns;
	const struct way *way;
	char what[160];              /* "listener `x`, client: hide" */
	struct doctor_names hosts;   /* TLSA is asked of these */
	struct doctor_names domains; /* ... and MTA-STS of these */
	unsigned found, failed;
};

/* --- which names ------------------------------------------------------------------ */

/* A host's mail is that of its own name, or of one above it. */
static void
add_parents(struct search *search, struct slice host)
{
	struct slice organisation = lookup_organisation(host);
	ptrdiff_t dot;

	if (organisation.len == 0)
		return;
	for (; host.len >= organisation.len; host = slice_from(host, dot + 1)) {
		doctor_add_name(&search->domains, host);
		if ((dot = slice_find(host, '.')) == -1)
			break;
	}
}

/* RFC 5321 5.1; where there is no MX the domain is its own host. */
static void
add_servers(struct search *search, const char *domain)
{
	const struct dns_answer *answer =
	    doctor_ask(search->dns, domain, DNS_MX);

	if (answer == NULL)
		return;
	for (unsigned i = 0; i < answer->count; i++)
		doctor_add_name(&search->hosts, answer->records[i].text);
	if (answer->status == DNS_NODATA)
		doctor_add_name(&search->hosts, slice_str(domain));
	search->failed += answer->status == DNS_TEMPERROR;
}

static void
add_names(struct search *search, const struct doctor_listener *listener)
{
	struct slice named[DOMAINS_MAX];
	unsigned count =
	    policy_domains(listener->config->policy, named, DOMAINS_MAX);

	if (count == DOMAINS_MAX)
		doctor_tell(search->dns, FINE, "",
		    "%s: of the domains in its policy the first %d are asked "
		    "for",
		    search->what, (int)DOMAINS_MAX);
	for (unsigned i = 0; i < count; i++)
		doctor_add_name(&search->domains, named[i]);
	count = search->domains.count;
	doctor_hosts(listener, &search->hosts);
	for (unsigned i = 0; i < search->hosts.count; i++)
		add_parents(search, slice_str(search->hosts.list[i]));
	/* Last: what is above these says nothing of whom they serve. */
	for (unsigned i = 0; i < count; i++)
		add_servers(search, search->domains.list[i]);
}

/* --- what they promise ------------------------------------------------------------ */

static void
check_tlsa(struct search *search, const char *host, unsigned port)
{
	char owner[DNS_NAME_MAX + 16];
	const struct dns_answer *answer =
	    doctor_ask_tlsa(search->dns, host, port, owner);

	if (answer == NULL)
		return;
	search->failed += answer->status == DNS_TEMPERROR;
	if (answer->status != DNS_FOUND)
		return;
	search->found++;
	doctor_tell(search->dns, WARN, search->way->mend,
	    "%s: %s has TLSA records%s, and who sends by DANE does not %s",
	    search->what, owner,
	    answer->authentic ? "" : " (not validated here)",
	    search->way->lacks);
}

/* RFC 8461 3.1: one record that begins so, else there is none. */
static bool
has_policy(const struct dns_answer *answer)
{
	unsigned count = 0;

	for (unsigned i = 0; i < answer->count; i++)
		count += slice_eq(
		    slice_head(answer->records[i].text, 8), SLICE("v=STSv1;"));
	return count == 1;
}

/* The mode stands in the policy, which is read over HTTPS; so the operator is
 * told where. */
static void
check_mta_sts(struct search *search, const char *domain)
{
	char name[DNS_NAME_MAX + 16], mend[MEND_MAX];

	snprintf(name, sizeof(name), "_mta-sts.%s", domain);
	const struct dns_answer *answer =
	    doctor_ask(search->dns, name, DNS_TXT);
	if (answer == NULL)
		return;
	search->failed += answer->status == DNS_TEMPERROR;
	if (!has_policy(answer))
		return;
	search->found++;
	snprintf(mend, sizeof(mend),
	    "https://mta-sts.%s/.well-known/mta-sts.txt has the mode; %s",
	    domain, search->way->mend);
	doctor_tell(search->dns, WARN, mend,
	    "%s: %s has MTA-STS; where its mode is `enforce`, who sends by it "
	    "does not %s%s",
	    search->what, domain, search->way->lacks,
	    search->way->order == POLICY_STARTTLS_INTERCEPT
		? ", unless it trusts your authority"
		: "");
}

/* --- the whole -------------------------------------------------------------------- */

static void
list(const struct doctor_names *names, const char *prefix, struct buf *out)
{
	for (unsigned i = 0; i < names->count && i < LISTED; i++)
		buf_printf(out, "%s%s%s", buf_len(out) == 0 ? "" : ", ", prefix,
		    names->list[i]);
	if (names->count > LISTED)
		buf_printf(out, " and %u more", names->count - LISTED);
}

static void
conclude(struct search *search)
{
	struct buf names;

	buf_init(&names, 2 * LIST_MAX);
	list(&search->hosts, "TLSA of ", &names);
	list(&search->domains, "_mta-sts.", &names);
	if (buf_len(&names) == 0)
		doctor_tell(search->dns, search->way->blind,
		    "ask for TXT of _mta-sts.DOMAIN and TLSA of _25._tcp.MX "
		    "of your own domains",
		    "%s: who sends by DANE or MTA-STS does not %s; no domain "
		    "is known to ask DNS for",
		    search->what, search->way->lacks);
	else if (search->failed > 0)
		doctor_tell(search->dns, WARN, "look at `dns`",
		    "%s: %u answers of DNS could not be had; asked for: %.*s",
		    search->what, search->failed, SLICE_FMT(buf_slice(&names)));
	else if (search->found == 0)
		doctor_tell(search->dns, FINE, "",
		    "%s: no DANE and no MTA-STS; asked for: %.*s", search->what,
		    SLICE_FMT(buf_slice(&names)));
	buf_fini(&names);
}

static void
run(struct search *search, const struct doctor_listener *listener)
{
	unsigned port;

	add_names(search, listener);
	for (unsigned i = 0; i < search->hosts.count; i++)
		for (unsigned k = 0;
		     (port = doctor_port(listener->config, k)) != 0; k++)
			check_tlsa(search, search->hosts.list[i], port);
	for (unsigned i = 0; i < search->domains.count; i++)
		check_mta_sts(search, search->domains.list[i]);
	conclude(search);
}

void
doctor_check_promises(
    struct doctor_dns *dns, const struct doctor_listener *listener)
{
	const struct config_listener *config = listener->config;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		bool whole = config->tls.client == ways[i].client;
		struct search *search;
		if (!config_uses_tls(config, ways[i].order) ||
		    (search = calloc(1, sizeof(*search))) == NULL)
			continue;
		search->dns = dns;
		search->way = &ways[i];
		snprintf(search->what, sizeof(search->what),
		    whole ? "listener `%.64s`, client: %s"
			  : "listener `%.64s`, starttls: %s of a rule",
		    config->name, ways[i].word);
		run(search, listener);
		free(search);
	}
}
