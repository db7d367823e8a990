/*
 * What the parts of `ehlogate doctor` share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "base/dns.h"
#include "policy/config.h"

struct kernel;

enum finding {
	FINE,
	WARN,
	FAIL
};

struct findings {
	const struct config *config;
	struct kernel *kernel;
	unsigned failures;
};

/* A line: what was found and, where it is not fine, what mends it. */
void doctor_report(struct findings *findings, enum finding finding,
    const char *what, const char *mend);

/* TLS of the listeners against what DNS says of their names. */
void doctor_check_tls(struct findings *findings);

/* --- of TLS and DNS ----------------------------------------------------------- */

/* The checks run over and over: as long as there are questions that nobody has
 * asked yet they only ask, and in the last round they tell. */
struct doctor_dns {
	struct findings *findings;
	struct dns_book *book;
	bool telling;
	bool local; /* every name server is on the loopback */
};

struct tls_chain;

/* A listener with the certificates that could be read. */
struct doctor_listener {
	const struct config_listener *config;
	struct tls_chain **chains;
	const char **files; /* whose they are */
	bool *shown;        /* room for who is shown to whom */
	unsigned count;
};

enum {
	DOCTOR_NAMES_MAX = 200
};

/* Each once. */
struct doctor_names {
	unsigned count;
	char list[DOCTOR_NAMES_MAX][DNS_NAME_MAX + 1]; /* lower case */
};

/* NULL: not yet known. */
const struct dns_answer *doctor_ask(
    struct doctor_dns *dns, const char *name, enum dns_type type);
/* The TLSA records of a server of mail (RFC 7672 2.2.3); `owner` is their
 * name. */
const struct dns_answer *doctor_ask_tlsa(struct doctor_dns *dns,
    const char *name, unsigned port, char owner[DNS_NAME_MAX + 16]);
/* As doctor_report; nothing before the last round. */
void doctor_tell(struct doctor_dns *dns, enum finding finding, const char *mend,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* One that is full, or has the name already, is left as it is. */
void doctor_add_name(struct doctor_names *names, struct slice name);
/* The i-th port at which the listener's servers are asked for; 0: there are no
 * more. */
unsigned doctor_port(const struct config_listener *listener, unsigned i);
/* Names of hosts: those of its certificates but wildcards, and `server_name`. */
void doctor_hosts(
    const struct doctor_listener *listener, struct doctor_names *out);

/* Certificates that the listener shows, against TLSA records. */
void doctor_check_certificates(
    struct doctor_dns *dns, const struct doctor_listener *listener);
/* Where it takes TLS from clients, or its server's certificate: who of the names
 * that the configuration knows has told senders not to bear that. */
void doctor_check_promises(
    struct doctor_dns *dns, const struct doctor_listener *listener);

#endif
