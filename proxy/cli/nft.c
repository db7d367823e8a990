/*
 * `ehlogate nft`: the ruleset, printed, installed, compared, removed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/nft.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "daemon/kernel.h"
#include "net/route.h"

#include <getopt.h>
#include <pwd.h>
#include <unistd.h>

enum {
	OUTPUT_MAX = 1024 * 1024,
	WHY = 256
};

static const char help[] =
    "usage: ehlogate nft print|apply|check|remove [-c FILE]\n"
    "\n"
    "  print   the ruleset that the configuration (" CLI_CONFIG ") asks for,\n"
    "          as `nft -f -` reads it\n"
    "  apply   installs table and policy route without the daemon: from then\n"
    "          on connections are refused until it runs (on_failure: closed)\n"
    "  check   compares the kernel's table and routes with it\n"
    "  remove  deletes our table and policy routes; needs no configuration\n"
    "\n"
    "Exit status: 0 done, or the same; 1 not, or different; 2 bad usage.\n";

/* Whose connections a redirect leaves alone. */
static uid_t
gate_uid(const struct config *config)
{
	const struct passwd *user =
	    config->user == NULL ? NULL : getpwnam(config->user);

	return user == NULL ? geteuid() : user->pw_uid;
}

static int
print(const struct kernel *kernel)
{
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	nft_print(kernel_ruleset(kernel), &out);
	cli_write(stdout, &out);
	return CLI_OK;
}

static int
apply(const struct kernel *kernel)
{
	const struct nft_ruleset *ruleset = kernel_ruleset(kernel);
	enum nft_keeping keeping;
	char why[WHY];

	if (!ruleset->closed) {
		fprintf(stderr,
		    "ehlogate: with `on_failure: open` the table belongs to "
		    "the daemon and goes with it: there is nothing to apply\n");
		return CLI_ERROR;
	}
	for (int family = 4; family <= 6; family += 2) {
		if (!kernel_has_tproxy(kernel) || route_install(family, why))
			continue;
		fprintf(stderr, "ehlogate: no policy route: %s\n", why);
		return CLI_ERROR;
	}
	struct nft_handle *handle = nft_install(ruleset, &keeping, why);
	if (handle == NULL) {
		fprintf(stderr, "ehlogate: no nftables table: %s\n", why);
		return CLI_ERROR;
	}
	nft_close(&handle);
	printf("table inet %s is installed\n", NFT_TABLE);
	return CLI_OK;
}

static bool
check_routes(const struct kernel *kernel)
{
	bool good = true;
	char why[WHY];

	for (int family = 4; family <= 6; family += 2) {
		bool rule = false, route = false;
		if (!kernel_has_tproxy(kernel))
			continue;
		if (route_check(family, &rule, &route, why) == -1)
			printf("route: %s\n", why);
		else if (!rule || !route)
			printf("missing: IPv%d policy %s\n", family,
			    rule ? "route" : "rule");
		good &= rule && route;
	}
	return good;
}

static int
check(const struct kernel *kernel)
{
	struct buf out;
	char why[WHY];

	buf_init(&out, OUTPUT_MAX);
	int same = nft_compare(kernel_ruleset(kernel), &out, why);
	cli_write(stdout, &out);
	if (same == -1)
		printf("%s\n", why);
	bool routes = check_routes(kernel);
	if (same != 1 || !routes)
		return CLI_ERROR;
	printf("table and routes are as the configuration asks\n");
	return CLI_OK;
}

static int
remove_all(void)
{
	char why[WHY];
	int done = nft_remove(why);

	if (done == -1) {
		fprintf(stderr, "ehlogate: the table stays: %s\n", why);
		return CLI_ERROR;
	}
	for (int family = 4; family <= 6; family += 2) {
		if (route_remove(family, why))
			continue;
		fprintf(stderr, "ehlogate: the route stays: %s\n", why);
		return CLI_ERROR;
	}
	printf(done == 1 ? "table inet %s and its routes are removed\n"
			 : "there was no table inet %s\n",
	    NFT_TABLE);
	return CLI_OK;
}

static int
with_config(const char *path, int (*act)(const struct kernel *kernel))
{
	struct config *config = cli_load_config(path);
	struct kernel *kernel;
	int status;

	if (config == NULL)
		return CLI_ERROR;
	kernel = kernel_describe(config, gate_uid(config));
	status = act(kernel);
	kernel_free(&kernel);
	config_free(&config);
	return status;
}

int
cli_nft(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *path = CLI_CONFIG;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c')
			path = optarg;
		else if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		else
			return CLI_USAGE;
	}
	struct slice word = slice_str(optind + 1 == argc ? argv[optind] : "");
	if (slice_eq(word, SLICE("print")))
		return with_config(path, print);
	if (slice_eq(word, SLICE("apply")))
		return with_config(path, apply);
	if (slice_eq(word, SLICE("check")))
		return with_config(path, check);
	if (slice_eq(word, SLICE("remove")))
		return remove_all();
	return cli_usage("nft", "it needs print, apply, check or remove");
}
