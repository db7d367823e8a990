/*
 * DNS for tools, which have nothing else to do while they wait: everything that
 * a book has noted is asked at once.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_RESOLVER_FILL_H
#define IO_RESOLVER_FILL_H

#include "io/resolver.h"

/* Answers every question of the book that has no answer, in at most the
 * time-out of the configuration.  `local`: whether every server is on the
 * loopback.  False: there is no resolver (logged), and each of them is answered
 * DNS_TEMPERROR. */
bool resolver_fill(
    const struct resolver_config *config, struct dns_book *book, bool *local);

#endif
