/*
 * Prints the JSON schema of the log:
 *     build/tool/schema >contrib/session.schema.json
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/tool/schema.h"

int
main(void)
{
	schema_print(stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
