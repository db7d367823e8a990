/*
 * `ehlogate test`: the tests that policy files bring along.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/cli.h"
#include "cli/common.h"
#include "policy/policy_check.h"

static const char help[] = "usage: ehlogate test POLICY...\n"
			   "\n"
			   "Runs the `tests:` of each policy.  The last line "
			   "is `N passed, N failed`;\n"
			   "a policy without tests is a failure.\n"
			   "\n"
			   "Exit status: 0 all passed, 1 not, 2 bad usage.\n";

struct tally {
	unsigned passed, failed;
};

static void
run_tests(const struct policy *policy, const char *path, struct tally *tally)
{
	struct buf out;

	if (policy_test_count(policy) == 0) {
		printf("%s: there are no tests in it\n", path);
		tally->failed++;
	}
	for (unsigned i = 0; i < policy_test_count(policy); i++) {
		buf_init(&out, 8192);
		if (policy_test_run(policy, i, &out))
			tally->passed++;
		else
			tally->failed++;
		cli_write(stdout, &out);
	}
}

static void
test_file(const char *path, struct tally *tally)
{
	struct diag *diag = diag_new();
	struct policy *policy = policy_load(path, diag);

	if (policy == NULL) {
		cli_print_diag(diag);
		tally->failed++;
	} else {
		run_tests(policy, path, tally);
	}
	policy_free(&policy);
	diag_free(&diag);
}

int
cli_test(int argc, char **argv)
{
	struct tally tally = {0, 0};

	if (argc == 2 && slice_eq(slice_str(argv[1]), SLICE("--help")))
		return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
	if (argc < 2)
		return cli_usage("test", "it needs a policy file");
	for (int i = 1; i < argc; i++)
		test_file(argv[i], &tally);
	printf("%u passed, %u failed\n", tally.passed, tally.failed);
	return tally.failed == 0 && tally.passed > 0 ? CLI_OK : CLI_ERROR;
}
