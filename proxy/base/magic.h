/*
 * A typed tag in every struct that travels through a void *: the event loop
 * hands callbacks a void *, and the tag catches a freed or foreign object at
 * the door.  The first member is `unsigned magic;`.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_MAGIC_H
#define BASE_MAGIC_H

#include <assert.h>
#include <stddef.h>

/* Sets `to` from a void *, or stops the program: we are wrong. */
#define MAGIC_CAST(to, from, value)                             \
	do {                                                    \
		(to) = (from);                                  \
		assert((to) != NULL && (to)->magic == (value)); \
	} while (0)

#endif
