/*
 * SHA-256 (FIPS 180-4), for naming what was loaded and chaining records.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/slice.h"

enum {
	SHA256_SIZE = 32
};

struct sha256 {
	uint32_t state[8];
	uint64_t length; /* bytes so far */
	uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, struct slice bytes);
void sha256_end(struct sha256 *sha, uint8_t out[SHA256_SIZE]);

#endif
