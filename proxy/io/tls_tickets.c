/*
 * Keys of tickets.  See tls_tickets.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls_tickets.h"

#include "io/tls_private.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum {
	/* One seals, two more open, and the one that is written next is
	 * nobody's. */
	SLOTS = 4,
	OPENS = 3,
	NAME_LEN = 16
};

struct key {
	unsigned char name[NAME_LEN];
	unsigned char cipher[32], mac[32];
};

struct tls_tickets {
	_Atomic unsigned turns; /* so many keys there were; 0: none yet */
	struct key keys[SLOTS];
};

struct tls_tickets *
tls_tickets_open(void)
{
	struct tls_tickets *tickets = mmap(NULL, sizeof(*tickets),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (tickets == MAP_FAILED)
		return NULL;
	madvise(tickets, sizeof(*tickets), MADV_DONTDUMP);
	if (!tls_tickets_rotate(tickets))
		tls_tickets_close(&tickets);
	return tickets;
}

void
tls_tickets_close(struct tls_tickets **tickets_p)
{
	if (*tickets_p != NULL)
		munmap(*tickets_p, sizeof(**tickets_p));
	*tickets_p = NULL;
}

bool
tls_tickets_rotate(struct tls_tickets *tickets)
{
	unsigned turns = atomic_load(&tickets->turns);
	struct key fresh;

	if (RAND_bytes((unsigned char *)&fresh, sizeof(fresh)) != 1)
		return false;
	tickets->keys[turns % SLOTS] = fresh;
	OPENSSL_cleanse(&fresh, sizeof(fresh));
	atomic_store(&tickets->turns, turns + 1);
	return true;
}

/* The key of that name; how many turns ago it was made. */
static const struct key *
find(
    const struct tls_tickets *tickets, const unsigned char *name, unsigned *age)
{
	unsigned turns = atomic_load(&tickets->turns);

	for (*age = 0; *age < OPENS && *age < turns; (*age)++) {
		const struct key *key =
		    &tickets->keys[(turns - 1 - *age) % SLOTS];
		if (memcmp(key->name, name, NAME_LEN) == 0)
			return key;
	}
	return NULL;
}

static bool
set_keys(const struct key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int seals)
{
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(
		OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
	    OSSL_PARAM_construct_end()};

	return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher,
		   iv, seals) == 1 &&
	       EVP_MAC_init(mac, key->mac, sizeof(key->mac), params) == 1;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) has it. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seals)
{
	const struct tls_context *context =
	    SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct tls_tickets *tickets = context->tickets;
	unsigned age = 0;

	if (seals != 0) {
		const struct key *key =
		    &tickets->keys[(atomic_load(&tickets->turns) - 1) % SLOTS];
		memcpy(name, key->name, NAME_LEN);
		if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1 ||
		    !set_keys(key, iv, cipher, mac, 1))
			return -1;
		return 1;
	}
	const struct key *key = find(tickets, name, &age);
	if (key == NULL)
		return 0;
	if (!set_keys(key, iv, cipher, mac, 0))
		return -1;
	/* Of TLS 1.3 one is used once: another one goes with it. */
	return age == 0 && SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2;
}

void
tls_context_use_tickets(
    struct tls_context *context, const struct tls_tickets *tickets)
{
	context->tickets = tickets;
	for (unsigned i = 0; i < context->count; i++) {
		SSL_CTX *ctx = context->each[i];
		SSL_CTX_set_app_data(ctx, context);
		SSL_CTX_set_timeout(ctx, 2 * TLS_TICKETS_ROTATE_S);
		SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	}
}
