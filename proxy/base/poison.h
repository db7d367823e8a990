/*
 * Included before every file by the Makefile: the C library's functions that
 * know no bounds do not compile here.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_POISON_H
#define BASE_POISON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets

#endif
