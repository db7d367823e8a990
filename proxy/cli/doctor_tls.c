/*
 * `ehlogate doctor`: TLS of the listeners against what DNS says of their names.
 * This file reads the certificates (never a key), asks, and compares what a
 * listener shows with the TLSA records that a sender of mail would ask for.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/cli.h"
#include "cli/doctor.h"
#include "io/resolver_fill.h"
#include "io/tls_dane.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	TEXT_MAX = 16 * 1024,
	FILE_MAX = 256 * 1024,
	MAIL_PORT = 25,
	SECURE_PORT = 465
};

/* --- asking and telling ------------------------------------------------------- */

const struct dns_answer *
doctor_ask(struct doctor_dns *dns, const char *name, enum dns_type type)
{
	return dns_book_ask(dns->book, slice_str(name), type);
}

const struct dns_answer *
doctor_ask_tlsa(struct doctor_dns *dns, const char *name, unsigned port,
    char owner[DNS_NAME_MAX + 16])
{
	snprintf(owner, DNS_NAME_MAX + 16, "_%u._tcp.%s", port, name);
	return doctor_ask(dns, owner, DNS_TLSA);
}

void
doctor_tell(struct doctor_dns *dns, enum finding finding, const char *mend,
    const char *format, ...)
{
	char what[TEXT_MAX];
	va_list args;

	if (!dns->telling)
		return;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	doctor_report(dns->findings, finding, what, mend);
}

void
doctor_add_name(struct doctor_names *names, struct slice name)
{
	if (names->count == DOCTOR_NAMES_MAX || !dns_name_is_askable(name))
		return;
	for (unsigned i = 0; i < names->count; i++)
		if (slice_eq_nocase(slice_str(names->list[i]), name))
			return;
	char *to = names->list[names->count++];
	for (size_t i = 0; i < name.len; i++)
		to[i] = ascii_lower(name.ptr[i]);
	to[name.len] = '\0';
}

/* What an explicit listener is bound to is no port that others know. */
unsigned
doctor_port(const struct config_listener *listener, unsigned i)
{
	if (listener->mode == CONFIG_EXPLICIT)
		return i > 0                    ? 0
		       : listener->tls.implicit ? SECURE_PORT
						: MAIL_PORT;
	return i < listener->intercept.port_count ? listener->intercept.ports[i]
						  : 0;
}

void
doctor_hosts(const struct doctor_listener *listener, struct doctor_names *out)
{
	char name[DNS_NAME_MAX + 1];

	for (unsigned i = 0; i < listener->count; i++)
		for (unsigned k = 0;
		     tls_chain_name(listener->chains[i], k, name); k++)
			doctor_add_name(out, slice_str(name));
	doctor_add_name(out, slice_str(listener->config->tls.server_name));
}

/* --- certificates ------------------------------------------------------------- */

/* NULL, or why not. */
static const char *
read_file(const char *path, char *text, size_t *len)
{
	FILE *file = fopen(path, "re");
	const char *why = NULL;

	if (file == NULL)
		return strerror(errno);
	*len = fread(text, 1, FILE_MAX, file);
	if (ferror(file))
		why = strerror(errno);
	else if (*len == FILE_MAX)
		why = "it is too long";
	fclose(file);
	return why;
}

static void
read_chain(struct findings *findings, struct doctor_listener *listener,
    const char *path, char *text)
{
	char error[TLS_ERROR_MAX], what[TEXT_MAX];
	size_t len = 0;
	const char *why = read_file(path, text, &len);
	struct tls_chain *chain = NULL;

	if (why == NULL) {
		chain = tls_chain_new(slice_of(text, len), error);
		why = error;
	}
	if (chain == NULL) {
		snprintf(what, sizeof(what),
		    "listener `%s`: %s cannot be read: %s",
		    listener->config->name, path, why);
		doctor_report(
		    findings, FAIL, what, "`ehlogate check` says more");
		return;
	}
	listener->chains[listener->count] = chain;
	listener->files[listener->count++] = path;
}

static void
read_chains(struct findings *findings, struct doctor_listener *listener)
{
	const struct config_tls *tls = &listener->config->tls;
	char *text = malloc(FILE_MAX);

	listener->chains =
	    calloc(tls->certificate_count + 1, sizeof(struct tls_chain *));
	listener->files =
	    calloc(tls->certificate_count + 1, sizeof(const char *));
	listener->shown = calloc(tls->certificate_count + 1, sizeof(bool));
	for (unsigned i = 0; i < tls->certificate_count && text != NULL &&
			     listener->chains != NULL &&
			     listener->files != NULL && listener->shown != NULL;
	     i++)
		read_chain(
		    findings, listener, tls->certificates[i].chain, text);
	free(text);
}

static void
free_chains(struct doctor_listener *listener)
{
	for (unsigned i = 0; i < listener->count; i++)
		tls_chain_free(&listener->chains[i]);
	free(listener->chains);
	free(listener->files);
	free(listener->shown);
}

/* --- TLSA records --------------------------------------------------------------- */

/* What a sender finds for one name and port. */
struct promise {
	struct doctor_dns *dns;
	const struct doctor_listener *listener;
	const char *name;
	char owner[DNS_NAME_MAX + 16];
	bool authentic;
	unsigned count;
	struct tls_tlsa records[DNS_RECORDS_MAX]; /* of use to it */
};

static void
read_records(struct promise *promise, const struct dns_answer *answer)
{
	const char *listener = promise->listener->config->name;
	char text[TLS_TLSA_TEXT];

	for (unsigned i = 0; i < answer->count; i++) {
		struct tls_tlsa *record = &promise->records[promise->count];
		const char *why = "it is too short";
		bool whole = tls_tlsa_parse(answer->records[i].text, record);
		if (whole && (why = tls_tlsa_refusal(record)) == NULL)
			promise->count++;
		else
			doctor_tell(promise->dns, WARN,
			    "take it out of the zone",
			    "listener `%s`: TLSA %s of %s is of no use: %s",
			    listener,
			    whole ? tls_tlsa_format(record, text) : "record",
			    promise->owner, why);
	}
}

/* RFC 7672 2.2: who does not validate sees no records at all. */
static void
tell_trust(const struct promise *promise)
{
	if (promise->authentic)
		return;
	doctor_tell(promise->dns, WARN,
	    promise->dns->local
		? "sign the zone, and ask a resolver that validates"
		: "ask a resolver on this host that validates, as in dns: "
		  "{servers: [127.0.0.1]}",
	    "listener `%s`: TLSA of %s is there, but not validated: %s",
	    promise->listener->config->name, promise->owner,
	    promise->dns->local ? "the resolver does not vouch for it (AD)"
				: "the resolver is not on the loopback");
}

/* The first record that is enough alone; NULL: none. */
static const struct tls_tlsa *
find_match(const struct promise *promise, const struct tls_chain *chain)
{
	const char *why;

	for (unsigned i = 0; i < promise->count; i++)
		if (tls_chain_is_taken(
			chain, promise->name, &promise->records[i], 1, &why))
			return &promise->records[i];
	return NULL;
}

static void
judge_chain(const struct promise *promise, unsigned at)
{
	const struct tls_chain *chain = promise->listener->chains[at];
	const char *listener = promise->listener->config->name;
	const char *file = promise->listener->files[at], *why;
	char text[TLS_TLSA_TEXT] = "", mend[DNS_NAME_MAX + TLS_TLSA_TEXT + 64];
	bool taken = tls_chain_is_taken(
	    chain, promise->name, promise->records, promise->count, &why);
	const struct tls_tlsa *match = find_match(promise, chain);

	if (taken) {
		if (match != NULL)
			tls_tlsa_format(match, text);
		doctor_tell(promise->dns, FINE, "",
		    "listener `%s`: TLSA %s of %s matches %s", listener, text,
		    promise->owner, file);
		return;
	}
	if (why == NULL)
		why = match == NULL ? "no record matches"
				    : "a record matches, but not that of the "
				      "strongest digest (RFC 7671 9)";
	tls_chain_record(chain, text);
	snprintf(mend, sizeof(mend), "publish: %s. IN TLSA %s", promise->owner,
	    text);
	doctor_tell(promise->dns, promise->authentic ? FAIL : WARN, mend,
	    "listener `%s`: TLSA of %s does not fit %s: %s; who sends by DANE "
	    "does not deliver",
	    listener, promise->owner, file, why);
}

static void
judge(struct promise *promise, const struct dns_answer *answer)
{
	const struct doctor_listener *listener = promise->listener;

	promise->authentic = answer->authentic;
	tell_trust(promise);
	read_records(promise, answer);
	if (promise->count == 0) {
		doctor_tell(promise->dns, WARN, "publish one of usage 3",
		    "listener `%s`: no TLSA record of %s is of use: who sends "
		    "by DANE encrypts, and takes any certificate",
		    listener->config->name, promise->owner);
		return;
	}
	tls_chain_choose(
	    listener->chains, listener->count, promise->name, listener->shown);
	for (unsigned i = 0; i < listener->count; i++)
		if (listener->shown[i])
			judge_chain(promise, i);
}

static void
check_name(struct doctor_dns *dns, const struct doctor_listener *listener,
    const char *name, unsigned port)
{
	struct promise promise = {
	    .dns = dns, .listener = listener, .name = name};
	const struct dns_answer *answer =
	    doctor_ask_tlsa(dns, name, port, promise.owner);

	if (answer == NULL)
		return;
	if (answer->status == DNS_FOUND)
		judge(&promise, answer);
	else if (answer->status == DNS_TEMPERROR)
		doctor_tell(dns, WARN,
		    "look at the zone's servers and signatures, and at `dns`",
		    "listener `%s`: TLSA of %s cannot be had: who sends by "
		    "DANE and gets no answer either does not deliver",
		    listener->config->name, promise.owner);
	else
		doctor_tell(dns, FINE, "",
		    "listener `%s`: no TLSA record of %s",
		    listener->config->name, promise.owner);
}

/* RFC 7672 asks for the name of a host, and any could be below that. */
static void
tell_wildcards(struct doctor_dns *dns, const struct doctor_listener *listener)
{
	char name[DNS_NAME_MAX + 1];

	for (unsigned i = 0; i < listener->count; i++)
		for (unsigned k = 0;
		     tls_chain_name(listener->chains[i], k, name); k++)
			if (name[0] == '*')
				doctor_tell(dns, FINE, "",
				    "listener `%s`: %s of %s is no host's "
				    "name; TLSA records below it are not "
				    "asked for",
				    listener->config->name, name,
				    listener->files[i]);
}

void
doctor_check_certificates(
    struct doctor_dns *dns, const struct doctor_listener *listener)
{
	struct doctor_names *names = calloc(1, sizeof(*names));
	unsigned port;

	if (names == NULL || listener->count == 0 ||
	    !config_uses_tls(listener->config, POLICY_STARTTLS_TERMINATE)) {
		free(names);
		return;
	}
	tell_wildcards(dns, listener);
	doctor_hosts(listener, names);
	if (names->count == DOCTOR_NAMES_MAX)
		doctor_tell(dns, FINE, "",
		    "listener `%s`: the first %d names are asked for",
		    listener->config->name, (int)DOCTOR_NAMES_MAX);
	for (unsigned i = 0; i < names->count; i++)
		for (unsigned k = 0;
		     (port = doctor_port(listener->config, k)) != 0; k++)
			check_name(dns, listener, names->list[i], port);
	free(names);
}

/* --- the rounds ----------------------------------------------------------------- */

static void
ask_servers(struct doctor_dns *dns)
{
	const struct config_dns *config = &dns->findings->config->dns;

	resolver_fill(&(struct resolver_config){.servers = config->servers,
			  .server_count = config->server_count,
			  .timeout_ms = config->timeout_ms,
			  .in_flight_max = DNS_QUESTIONS_MAX},
	    dns->book, &dns->local);
}

static void
run_round(struct doctor_dns *dns, const struct doctor_listener *listeners)
{
	for (unsigned i = 0; i < dns->findings->config->listener_count; i++) {
		doctor_check_certificates(dns, &listeners[i]);
		doctor_check_promises(dns, &listeners[i]);
	}
}

void
doctor_check_tls(struct findings *findings)
{
	unsigned count = findings->config->listener_count;
	struct doctor_listener *listeners = calloc(count, sizeof(*listeners));
	struct doctor_dns dns = {findings, dns_book_new(), false, false};

	for (unsigned i = 0; listeners != NULL && i < count; i++) {
		listeners[i].config = &findings->config->listeners[i];
		read_chains(findings, &listeners[i]);
	}
	if (listeners != NULL && dns.book != NULL) {
		run_round(&dns, listeners);
		while (dns_book_pending(dns.book) > 0) {
			ask_servers(&dns);
			run_round(&dns, listeners);
		}
		dns.telling = true;
		run_round(&dns, listeners);
	}
	for (unsigned i = 0; listeners != NULL && i < count; i++)
		free_chains(&listeners[i]);
	free(listeners);
	dns_book_free(&dns.book);
}
