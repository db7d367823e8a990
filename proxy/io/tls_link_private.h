/*
 * One connection's TLS, as its files see it: tls_link.c (what goes by),
 * tls_facts.c (what is known of it).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_TLS_LINK_PRIVATE_H
#define IO_TLS_LINK_PRIVATE_H

#include "io/tls_link.h"
#include "io/tls_sessions.h"

enum {
	NAME_MAX_LEN = 256,
	PLACE_MAX = 64,
	SUBJECT_MAX = 256,
	SHA256_LEN = 32,
	HELD_MAX = 256 * 1024,
	/* Tickets, new keys and wishes to negotiate again, without an octet
	 * between them: each costs more than octets do. */
	TALK_MAX = 32
};

struct tls_link {
	SSL *ssl;
	int fd;
	int send_flags;
	uint64_t *octets_in, *octets_out;
	struct buf held;  /* what a step of the handshake says, for one send */
	bool holds;       /* such a step is under way */
	bool may_receive; /* once a call, and only where the socket was waited
			   * for: nobody reads just to see EAGAIN, and nobody
			   * can keep OpenSSL reading */
	int waits;        /* the last step of the handshake: for what */
	int next;         /* what reading found behind octets; 0: nothing */
	unsigned talk;    /* messages of TLS's own since the last octet */
	bool more;        /* reading may go on without the socket */
	bool failed;      /* by TLS: nothing more can be said on it */
	bool trusted;     /* of the target */
	char name[NAME_MAX_LEN];
	/* Of a client: where its session is kept; place, NUL, name. */
	struct tls_sessions *sessions;
	size_t key_len;
	char key[PLACE_MAX + NAME_MAX_LEN];
	char error[TLS_ERROR_MAX];
	char subject[SUBJECT_MAX];
	char fingerprint[2 * SHA256_LEN + 1];
};

#endif
