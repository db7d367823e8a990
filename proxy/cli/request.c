/*
 * Facts from a command line.  See request.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/request.h"

#include "base/log.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "policy/policy_check.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool
set_helo(struct request *request, const char *text)
{
	ptrdiff_t len;

	free(request->helo);
	request->helo = malloc(strlen(text) + 1);
	if (request->helo == NULL)
		return false;
	len = slice_unescape(slice_str(text), request->helo);
	if (len == -1)
		return false;
	request->facts.helo = slice_of(request->helo, (size_t)len);
	request->has_helo = true;
	return true;
}

static bool
set_verb(struct request *request, const char *text)
{
	struct slice verb = slice_str(text);

	if (slice_eq_nocase(verb, SLICE("helo")))
		request->facts.verb = POLICY_VERB_HELO;
	return slice_eq_nocase(verb, SLICE("helo")) ||
	       slice_eq_nocase(verb, SLICE("ehlo"));
}

static bool
set_date(struct request *request, const char *text)
{
	struct yaml_node node = {.kind = YAML_SCALAR, .text = slice_str(text)};

	return policy_read_day(&node, &request->facts.wall_s);
}

static const char *
set_size(struct request *request, const char *text)
{
	uint64_t size;

	if (!slice_to_u64(slice_str(text), &size) || size > INT64_MAX)
		return "--size is a number of octets";
	request->facts.mail_size = (int64_t)size;
	return NULL;
}

static struct slice
without_brackets(const char *text)
{
	struct slice path = slice_str(text);

	if (path.len >= 2 && path.ptr[0] == '<' &&
	    path.ptr[path.len - 1] == '>')
		path = slice_of(path.ptr + 1, path.len - 2);
	return path;
}

static const char *
add_given(struct request *request, const char *text)
{
	if (request->given_count ==
	    sizeof(request->given) / sizeof(request->given[0]))
		return "--given: too many";
	request->given[request->given_count++] = text;
	return strchr(text, '=') == NULL ? "--given is FACT=VALUE" : NULL;
}

enum option_code {
	OPTION_CLIENT = 256,
	OPTION_SERVER,
	OPTION_LISTENER,
	OPTION_HELO,
	OPTION_VERB,
	OPTION_TLS,
	OPTION_TLS_VERSION,
	OPTION_TLS_CIPHER,
	OPTION_TLS_SNI,
	OPTION_TLS_SUBJECT,
	OPTION_TLS_FINGERPRINT,
	OPTION_FALLBACK,
	OPTION_MAIL,
	OPTION_SIZE,
	OPTION_UTF8,
	OPTION_RCPT,
	OPTION_AUTH,
	OPTION_GIVEN,
	OPTION_DATE,
	OPTION_JSON
};

static const struct option options[] = {
    {"policy", required_argument, NULL, 'p'}, {"help", no_argument, NULL, 'h'},
    {"client", required_argument, NULL, OPTION_CLIENT},
    {"server", required_argument, NULL, OPTION_SERVER},
    {"listener", required_argument, NULL, OPTION_LISTENER},
    {"helo", required_argument, NULL, OPTION_HELO},
    {"verb", required_argument, NULL, OPTION_VERB},
    {"tls", no_argument, NULL, OPTION_TLS},
    {"tls-version", required_argument, NULL, OPTION_TLS_VERSION},
    {"tls-cipher", required_argument, NULL, OPTION_TLS_CIPHER},
    {"tls-sni", required_argument, NULL, OPTION_TLS_SNI},
    {"tls-subject", required_argument, NULL, OPTION_TLS_SUBJECT},
    {"tls-fingerprint", required_argument, NULL, OPTION_TLS_FINGERPRINT},
    {"fallback", no_argument, NULL, OPTION_FALLBACK},
    {"mail", required_argument, NULL, OPTION_MAIL},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"utf8", no_argument, NULL, OPTION_UTF8},
    {"rcpt", required_argument, NULL, OPTION_RCPT},
    {"auth", required_argument, NULL, OPTION_AUTH},
    {"given", required_argument, NULL, OPTION_GIVEN},
    {"date", required_argument, NULL, OPTION_DATE},
    {"json", no_argument, NULL, OPTION_JSON}, {NULL, 0, NULL, 0}};

static const char *
take_envelope(struct request *request, int option, const char *value)
{
	switch (option) {
	case OPTION_MAIL:
		request->facts.mail_from = without_brackets(value);
		request->has_mail = true;
		return NULL;
	case OPTION_SIZE:
		return set_size(request, value);
	case OPTION_UTF8:
		request->facts.mail_utf8 = true;
		return NULL;
	case OPTION_RCPT:
		request->facts.rcpt_to = without_brackets(value);
		request->has_rcpt = true;
		return NULL;
	case OPTION_AUTH:
		request->facts.auth = true;
		request->facts.auth_user = slice_str(value);
		return NULL;
	case OPTION_GIVEN:
		return add_given(request, value);
	case OPTION_DATE:
		return set_date(request, value) ? NULL : "--date is YYYY-MM-DD";
	case OPTION_JSON:
		request->json = true;
		return NULL;
	default:
		return "";
	}
}

/* One option; NULL, or what is wrong with it. */
/* What is said of a handshake says that there was one. */
static void
take_tls(struct policy_facts *facts, int option, struct slice value)
{
	struct policy_tls *tls = &facts->tls_of;

	facts->tls = true;
	if (option == OPTION_TLS_VERSION)
		tls->version = value;
	else if (option == OPTION_TLS_CIPHER)
		tls->cipher = value;
	else if (option == OPTION_TLS_SNI)
		tls->sni = value;
	else if (option == OPTION_TLS_SUBJECT)
		tls->subject = value;
	else
		tls->fingerprint = value;
}

static const char *
take(struct request *request, int option, const char *value)
{
	switch (option) {
	case 'p':
		request->policy = value;
		return NULL;
	case OPTION_CLIENT:
		request->has_client =
		    addr_parse(slice_str(value), &request->facts.client);
		return request->has_client ? NULL : "--client is an address";
	case OPTION_SERVER:
		return endpoint_parse(slice_str(value), &request->facts.server)
			   ? NULL
			   : "--server is ADDRESS:PORT";
	case OPTION_LISTENER:
		request->facts.listener = slice_str(value);
		return NULL;
	case OPTION_HELO:
		return set_helo(request, value) ? NULL : "--helo: bad escape";
	case OPTION_VERB:
		return set_verb(request, value) ? NULL
						: "--verb is helo or ehlo";
	case OPTION_TLS:
		request->facts.tls = true;
		return NULL;
	case OPTION_TLS_VERSION:
	case OPTION_TLS_CIPHER:
	case OPTION_TLS_SNI:
	case OPTION_TLS_SUBJECT:
	case OPTION_TLS_FINGERPRINT:
		take_tls(&request->facts, option, slice_str(value));
		return NULL;
	case OPTION_FALLBACK:
		request->facts.fallback = true;
		return NULL;
	default:
		return take_envelope(request, option, value);
	}
}

/* "helo.dns=pass", "client.ptr=[a.example, b.example]": YAML behind the sign. */
static bool
give(struct request *request, const char *text)
{
	const char *sign = strchr(text, '=');
	struct slice fact = slice_of(text, (size_t)(sign - text));
	struct diag *diag = diag_new();
	struct yaml_file *yaml =
	    yaml_parse(slice_str(sign + 1), SLICE("--given"), diag);
	const char *wrong =
	    yaml == NULL ? "the value cannot be read"
			 : policy_give(request->lookup, fact, yaml_root(yaml));

	if (wrong != NULL)
		fprintf(stderr, "ehlogate: --given %s: %s\n", text, wrong);
	yaml_file_free(&yaml);
	diag_free(&diag);
	return wrong == NULL;
}

static bool
look_up(struct request *request)
{
	const struct lookup_subject subject = {.client = request->facts.client,
	    .helo = request->facts.helo,
	    .judged = request->has_helo ? &request->judged : NULL};

	helo_analyse(
	    request->facts.helo, &request->facts.client, &request->judged);
	request->lookup = lookup_new(&subject, NULL);
	if (request->lookup == NULL)
		log_fatal("no memory");
	request->facts.lookup = request->lookup;
	for (unsigned i = 0; i < request->given_count; i++)
		if (!give(request, request->given[i]))
			return false;
	return true;
}

int
request_read(struct request *request, int argc, char **argv, const char *help)
{
	int option;

	*request = (struct request){.facts = {.verb = POLICY_VERB_EHLO,
					.mail_size = -1,
					.wall_s = (uint64_t)time(NULL),
					.ref = SLICE("0000000000000000")}};
	endpoint_parse(SLICE("192.0.2.25:25"), &request->facts.server);
	while ((option = getopt_long(argc, argv, "p:h", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		const char *wrong = take(request, option, optarg);
		if (wrong == NULL)
			continue;
		return *wrong == '\0' ? CLI_USAGE : cli_usage("explain", wrong);
	}
	if (request->policy == NULL || !request->has_client || optind < argc)
		return cli_usage(
		    "explain", "it needs -p POLICY and --client IP");
	return look_up(request) ? -1 : CLI_USAGE;
}

enum policy_stage
request_stage(const struct request *request)
{
	if (request->has_rcpt)
		return POLICY_STAGE_RCPT;
	if (request->has_mail)
		return POLICY_STAGE_MAIL;
	return request->has_helo ? POLICY_STAGE_HELO : POLICY_STAGE_CONNECT;
}

void
request_fini(struct request *request)
{
	lookup_free(&request->lookup);
	free(request->helo);
}
