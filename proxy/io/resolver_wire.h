/*
 * c-ares on the loop: questions go out, packets come back.  It owns the
 * channel, its sockets' watches and its timer; it knows nothing of caches,
 * and of packets only which answer none of its questions.
 *
 * What c-ares 1.18 does, and this relies on: a packet is taken only from the
 * server's address, with the question's id and the same question; ids come of
 * a generator seeded from the kernel; the kernel picks each socket's port, and
 * a socket is closed when nothing is in flight over it, so the next one has
 * another port; a truncated packet is asked for again over TCP; a server that
 * answers SERVFAIL, NOTIMP or REFUSED, or is unreachable, is passed over for
 * the next one.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_RESOLVER_WIRE_H
#define IO_RESOLVER_WIRE_H

#include "base/dns.h"
#include "io/loop.h"

struct resolver_config;
struct resolver_wire;

/* The end of one question, once each: a packet, to be checked, or none and
 * then its status, DNS_NXDOMAIN or DNS_TEMPERROR.  May be called within
 * resolver_wire_ask and resolver_wire_free, and must not free the wire. */
typedef void resolver_landed_fn(
    void *query_arg, struct slice packet, enum dns_status status);
/* Called from the loop after each turn in which something may have landed. */
typedef void resolver_turned_fn(void *arg);

/* NULL: no memory, or no list of servers can be had (logged). */
struct resolver_wire *resolver_wire_new(struct loop *loop,
    const struct resolver_config *config, resolver_landed_fn *landed,
    resolver_turned_fn *turned, void *arg);
/* What is in flight lands. */
void resolver_wire_free(struct resolver_wire **wire);
/* Whether every server is on the loopback: nobody between it and us can change
 * what it says. */
bool resolver_wire_is_local(const struct resolver_wire *wire);
void resolver_wire_ask(struct resolver_wire *wire,
    const struct dns_question *question, void *query_arg);

#endif
