/*
 * libFuzzer: any bytes as a HELO argument.  The oracle is the module's own
 * promise: rfc5321 is !valid; `all` with a client ends valid, short enough and
 * at rest; a name that is valid with nothing to mend stays as it is.
 * THREATS A4-01.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/helo.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct slice argument, const struct addr *client)
{
	static struct helo_repaired once, twice;
	struct helo_repair all;
	struct helo helo;

	helo_analyse(argument, client, &helo);
	assert(helo.form < HELO_FORM_COUNT);
	assert(helo.valid == !(helo.refused_by & 1U << HELO_BY_RFC5321));
	assert(!helo.valid || argument.len <= HELO_NAME_MAX);
	helo_repair_all(&all);
	helo_repair_apply(&all, argument, client, slice_of("", 0), &once);
	assert(once.len <= HELO_ARGUMENT_MAX);
	if (helo.valid && once.steps == 0)
		assert(slice_eq(argument, slice_of(once.name, once.len)));
	if (client == NULL)
		return;
	assert(once.valid && once.len <= HELO_NAME_MAX);
	helo_repair_apply(&all, slice_of(once.name, once.len), client,
	    slice_of("", 0), &twice);
	assert(twice.steps == 0 && twice.valid);
	assert(slice_eq(
	    slice_of(once.name, once.len), slice_of(twice.name, twice.len)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct addr v4 = {4, {192, 0, 2, 7}};
	static const struct addr v6 = {
	    6, {0x20, 0x01, 0x0d, 0xb8, [15] = 0x07}};
	struct slice argument = slice_of((const char *)data, size);

	check(argument, NULL);
	check(argument, &v4);
	check(argument, &v6);
	return 0;
}
