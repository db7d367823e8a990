/*
 * Certificates that are made for a server's name.  For tls.c and tls_link.c.
 *
 * A copy has the names and the validity of the original, another key, and the
 * authority's signature; where the original leads to no root, it is signed by
 * one that nobody trusts, so that who looks is as wary as without us.  Copies
 * are kept, a bounded number: who was not asked for longest goes first.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_TLS_MINT_H
#define IO_TLS_MINT_H

#include "io/tls_private.h"

struct tls_mint;

/* NULL: `error` says why the authority is of no use. */
struct tls_mint *tls_mint_new(const struct tls_pair *authority,
    unsigned remembered, char error[TLS_ERROR_MAX]);
void tls_mint_free(struct tls_mint **mint);
/* Puts a copy of `like` (DER) on the connection; where that is empty, one for
 * `name`, a domain name or the text of an address.  False: it cannot be made. */
bool tls_mint_put(struct tls_mint *mint, SSL *ssl, struct slice like,
    struct slice name, bool trusted);

#endif
