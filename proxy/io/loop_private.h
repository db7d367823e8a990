/*
 * The loop as the other files of io/ see it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_LOOP_PRIVATE_H
#define IO_LOOP_PRIVATE_H

#include "io/loop.h"

#include <ev.h>

struct ev_loop *loop_ev(struct loop *loop);

#endif
