/*
 * `ehlogate doctor`: what of this host stands in the way, with the command
 * that mends it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/doctor.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "daemon/kernel.h"
#include "net/nft.h"
#include "net/route.h"

#include <getopt.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	WHY = 256,
	REPORT_MAX = 64 * 1024,
	SPARE = 64
};

static const char help[] =
    "usage: ehlogate doctor [-c FILE]\n"
    "\n"
    "Looks at forwarding, reverse path filters, policy routes, table, guard\n"
    "and descriptor limits for both families.  Certificates that listeners\n"
    "show are compared with the TLSA records of their names; where listeners\n"
    "keep TLS from clients, DNS is asked who relies on it (DANE, MTA-STS).\n"
    "A line each: ok, warn or FAIL, what, and what mends it.\n"
    "\n"
    "Exit status: 0 no FAIL, 1 some, 2 bad usage.\n";

void
doctor_report(struct findings *findings, enum finding finding, const char *what,
    const char *mend)
{
	static const char *const words[] = {"ok  ", "warn", "FAIL"};

	printf("%s  %s%s%s\n", words[finding], what,
	    finding == FINE ? "" : "  ->  ", finding == FINE ? "" : mend);
	findings->failures += finding == FAIL;
}

/* A number under /proc/sys, or -1. */
static long
read_sysctl(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[32];
	long value = -1;

	if (file == NULL)
		return -1;
	if (fgets(line, sizeof(line), file) != NULL)
		value = strtol(line, NULL, 10);
	fclose(file);
	return value;
}

static void
check_forwarding(struct findings *findings)
{
	bool v4 = read_sysctl("/proc/sys/net/ipv4/ip_forward") == 1;
	bool v6 = read_sysctl("/proc/sys/net/ipv6/conf/all/forwarding") == 1;

	doctor_report(findings, v4 ? FINE : FAIL, "IPv4 forwarding",
	    "sysctl -w net.ipv4.ip_forward=1");
	doctor_report(findings, v6 ? FINE : WARN, "IPv6 forwarding",
	    "sysctl -w net.ipv6.conf.all.forwarding=1");
}

/* The stricter of all's and the interface's value holds; loopback too: the
 * diverted packets come in there. */
static void
check_rp_filter(struct findings *findings)
{
	static const char pattern[] = "/proc/sys/net/ipv4/conf/*/rp_filter";
	glob_t paths;
	char what[128], mend[160];
	unsigned strict = 0;

	if (glob(pattern, 0, NULL, &paths) != 0)
		return;
	for (size_t i = 0; i < paths.gl_pathc; i++) {
		struct slice path = slice_str(paths.gl_pathv[i]);
		if (read_sysctl(paths.gl_pathv[i]) != 1)
			continue;
		/* Between ".../conf/" and "/rp_filter". */
		path = slice_of(path.ptr + 24, path.len - 24 - 10);
		snprintf(what, sizeof(what), "strict rp_filter on %.*s",
		    SLICE_FMT(path));
		snprintf(mend, sizeof(mend),
		    "sysctl -w net.ipv4.conf.%.*s.rp_filter=2",
		    SLICE_FMT(path));
		doctor_report(findings, WARN, what, mend);
		strict++;
	}
	if (strict == 0)
		doctor_report(findings, FINE, "no strict rp_filter", "");
	globfree(&paths);
}

static void
check_route_of(struct findings *findings, int family)
{
	bool rule = false, route = false;
	char why[WHY], what[WHY + 64], mend[128];

	if (route_check(family, &rule, &route, why) == -1) {
		snprintf(what, sizeof(what), "policy route: %s", why);
		doctor_report(findings, FAIL, what, "run this as root");
		return;
	}
	snprintf(what, sizeof(what), "IPv%d policy rule and route", family);
	snprintf(mend, sizeof(mend), "start the gate, or: ehlogate nft apply");
	doctor_report(findings, rule && route ? FINE : FAIL, what, mend);
}

static void
check_table(struct findings *findings)
{
	const struct nft_ruleset *ruleset = kernel_ruleset(findings->kernel);
	struct buf difference;
	char why[WHY], what[WHY + 64];

	buf_init(&difference, REPORT_MAX);
	int same = nft_compare(ruleset, &difference, why);
	buf_fini(&difference);
	if (same == -1)
		snprintf(what, sizeof(what), "nftables table: %s", why);
	else
		snprintf(what, sizeof(what),
		    "nftables table as the configuration asks");
	doctor_report(findings, same == 1 ? FINE : FAIL, what,
	    same == 0 ? "ehlogate nft check shows the differences"
		      : "start the gate, or: ehlogate nft apply");
	if (!kernel_has_tproxy(findings->kernel))
		return;
	doctor_report(findings, ruleset->closed ? FINE : WARN,
	    ruleset->closed
		? "guard in the forward chain (on_failure: closed)"
		: "no guard: without the gate, connections pass by it",
	    "on_failure: closed");
}

static void
check_descriptors(struct findings *findings)
{
	struct rlimit limit;
	unsigned long wanted =
	    2ul * findings->config->sessions_max / findings->config->workers +
	    SPARE;
	char what[128];

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	snprintf(what, sizeof(what),
	    "descriptors a process: %llu, limits.sessions needs %lu",
	    (unsigned long long)limit.rlim_max, wanted);
	doctor_report(findings, limit.rlim_max >= wanted ? FINE : WARN, what,
	    "LimitNOFILE=65536 in the unit, or a lower limits.sessions");
}

static void
check_sources(struct findings *findings)
{
	char what[160];

	for (unsigned i = 0; i < findings->config->listener_count; i++) {
		const struct config_listener *listener =
		    &findings->config->listeners[i];
		if (listener->source != CONFIG_SOURCE_GATE)
			continue;
		snprintf(what, sizeof(what),
		    "servers see this gate's address on listener `%s`",
		    listener->name);
		doctor_report(findings, WARN, what,
		    "make sure that no server trusts that address to relay");
	}
}

static int
examine(struct findings *findings)
{
	if (kernel_is_needed(findings->config)) {
		check_forwarding(findings);
		check_rp_filter(findings);
		if (kernel_has_tproxy(findings->kernel)) {
			check_route_of(findings, 4);
			check_route_of(findings, 6);
		}
		check_table(findings);
	}
	check_descriptors(findings);
	check_sources(findings);
	doctor_check_tls(findings);
	return findings->failures == 0 ? CLI_OK : CLI_ERROR;
}

int
cli_doctor(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"live", required_argument, NULL, 'l'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct findings findings = {NULL, NULL, 0};
	const char *path = CLI_CONFIG;
	struct config *config;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c')
			path = optarg;
		else if (option == 'l')
			return cli_usage(
			    "doctor", "--live is not built in this version");
		else if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		else
			return CLI_USAGE;
	}
	config = cli_load_config(path);
	if (config == NULL)
		return CLI_ERROR;
	findings.config = config;
	findings.kernel = kernel_describe(config, geteuid());
	int status = examine(&findings);
	kernel_free(&findings.kernel);
	config_free(&config);
	return status;
}
