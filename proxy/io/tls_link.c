/*
 * One connection's TLS.  See tls_link.h.  OpenSSL's own way to a socket knows
 * no MSG_NOSIGNAL and counts nothing, hence a BIO of ours.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/tls_link.h"

#include "io/tls_link_private.h"
#include "io/tls_mint.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* --- the way to the socket -------------------------------------------------------- */

static int
bio_read(BIO *bio, char *to, size_t room, size_t *got)
{
	struct tls_link *link = BIO_get_data(bio);
	ssize_t len;

	*got = 0;
	BIO_clear_retry_flags(bio);
	if (!link->may_receive) {
		BIO_set_retry_read(bio);
		return 0;
	}
	link->may_receive = false;
	do
		len = recv(link->fd, to, room, 0);
	while (len == -1 && errno == EINTR);
	if (len == -1 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	if (len == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	*got = len > 0 ? (size_t)len : 0;
	*link->octets_in += *got;
	return len > 0;
}

static ssize_t
send_now(struct tls_link *link, struct slice bytes, int flags)
{
	ssize_t did;

	flags |= link->send_flags;
	do
		did = send(link->fd, bytes.ptr, bytes.len, flags);
	while (did == -1 && errno == EINTR);
	*link->octets_out += did > 0 ? (uint64_t)did : 0;
	return did;
}

static int
bio_write(BIO *bio, const char *from, size_t len, size_t *sent)
{
	struct tls_link *link = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (link->holds) {
		*sent = buf_append(&link->held, slice_of(from, len)) ? len : 0;
		return *sent > 0;
	}
	ssize_t did = send_now(link, slice_of(from, len), 0);
	if (did == -1 && errno == EAGAIN)
		BIO_set_retry_write(bio);
	*sent = did > 0 ? (size_t)did : 0;
	return did > 0;
}

/* 0: all of it, or a tls_result. */
static int
send_held(struct tls_link *link, int flags)
{
	while (buf_len(&link->held) > 0) {
		ssize_t did = send_now(link, buf_slice(&link->held), flags);
		if (did == -1)
			return errno == EAGAIN ? TLS_WRITABLE : TLS_FAILED;
		buf_consume(&link->held, (size_t)did);
	}
	return 0;
}

static long
bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return command == BIO_CTRL_FLUSH;
}

/* One for the whole program, made when it is first asked for. */
static BIO_METHOD *
bio_method(void)
{
	static BIO_METHOD *method;

	if (method != NULL)
		return method;
	method =
	    BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	if (method == NULL)
		return NULL;
	BIO_meth_set_read_ex(method, bio_read);
	BIO_meth_set_write_ex(method, bio_write);
	BIO_meth_set_ctrl(method, bio_control);
	return method;
}

/* --- begin, end ------------------------------------------------------------------- */

static bool
set_name(struct tls_link *link, struct slice name, enum tls_trust trust)
{
	if (name.len >= sizeof(link->name) || slice_find(name, '\0') != -1)
		return false;
	memcpy(link->name, name.ptr, name.len);
	link->name[name.len] = '\0';
	/* A literal is no name (RFC 6066 3). */
	ASN1_OCTET_STRING *literal = a2i_IPADDRESS(link->name);
	bool good = literal != NULL ||
		    SSL_set_tlsext_host_name(link->ssl, link->name) == 1;
	if (trust == TLS_TRUST_NAMED && literal != NULL)
		good = X509_VERIFY_PARAM_set1_ip_asc(
			   SSL_get0_param(link->ssl), link->name) == 1;
	else if (trust == TLS_TRUST_NAMED)
		good = good && SSL_set1_host(link->ssl, link->name) == 1;
	ASN1_OCTET_STRING_free(literal);
	ERR_clear_error();
	return good;
}

/* A session with that server, from before. */
static void
resume(struct tls_link *link, struct tls_context *context,
    const struct tls_target *target)
{
	size_t place = target->place.len;

	if (context->sessions == NULL || place == 0 || place > PLACE_MAX - 1 ||
	    target->name.len >= NAME_MAX_LEN)
		return;
	link->sessions = context->sessions;
	memcpy(link->key, target->place.ptr, place);
	if (target->name.len > 0)
		memcpy(
		    link->key + place + 1, target->name.ptr, target->name.len);
	link->key_len = place + 1 + target->name.len;
	SSL_SESSION *session = tls_sessions_take(
	    link->sessions, slice_of(link->key, link->key_len));
	if (session == NULL)
		return;
	SSL_set_session(link->ssl, session);
	SSL_SESSION_free(session);
}

/* Sessions are resumed with the same original alone, or the same name. */
static bool
mint(struct tls_link *link, struct tls_context *context,
    const struct tls_target *target)
{
	bool copies = target->like.len > 0;

	snprintf(link->name, sizeof(link->name), "%.*s",
	    SLICE_FMT(slice_head(target->name, NAME_MAX_LEN - 1)));
	link->trusted = target->trusted;
	return tls_set_id(link->ssl, context,
		   copies ? target->like : target->name, target->trusted) &&
	       (!copies || tls_mint_put(context->mint, link->ssl, target->like,
			       target->name, target->trusted));
}

struct slice
tls_link_name(const SSL *ssl)
{
	const struct tls_link *link = SSL_get_app_data(ssl);

	return slice_str(link->name);
}

bool
tls_link_is_trusted(const SSL *ssl)
{
	const struct tls_link *link = SSL_get_app_data(ssl);

	return link->trusted;
}

static bool
set_up(struct tls_link *link, struct tls_context *context,
    const struct tls_target *target)
{
	BIO *bio = BIO_new(bio_method());

	if (bio == NULL)
		return false;
	BIO_set_data(bio, link);
	BIO_set_init(bio, 1);
	SSL_set_bio(link->ssl, bio, bio);
	SSL_set_app_data(link->ssl, link);
	if (context->server) {
		SSL_set_accept_state(link->ssl);
		return context->mint == NULL || mint(link, context, target);
	}
	SSL_set_connect_state(link->ssl);
	if (context->trust == TLS_TRUST_NAMED)
		SSL_set_verify(link->ssl, SSL_VERIFY_PEER, NULL);
	resume(link, context, target);
	return target->name.len == 0 ||
	       set_name(link, target->name, context->trust);
}

struct tls_link *
tls_link_open(struct tls_context *context, int fd,
    const struct tls_target *target, uint64_t *octets_in, uint64_t *octets_out)
{
	static const struct tls_target nobody;
	struct tls_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->fd = fd;
	link->send_flags = MSG_NOSIGNAL;
	buf_init(&link->held, HELD_MAX);
	/* A client speaks first. */
	link->waits = context->server ? TLS_READABLE : TLS_WRITABLE;
	link->octets_in = octets_in;
	link->octets_out = octets_out;
	link->ssl = SSL_new(context->each[0]);
	if (link->ssl == NULL ||
	    !set_up(link, context, target == NULL ? &nobody : target))
		tls_link_free(&link);
	return link;
}

/* A ticket came, or a session can be had (TLS 1.2): it is kept. */
static void
keep(struct tls_link *link, SSL_SESSION *session)
{
	tls_sessions_put(
	    link->sessions, slice_of(link->key, link->key_len), session);
}

int
tls_link_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_link *link = SSL_get_app_data(ssl);

	if (link->sessions == NULL)
		return 0;
	keep(link, session);
	return 1;
}

void
tls_link_free(struct tls_link **link_p)
{
	struct tls_link *link = *link_p;

	if (link == NULL)
		return;
	/* Or OpenSSL takes the session for spoiled, since nobody said goodbye. */
	if (link->ssl != NULL && !link->failed)
		SSL_set_shutdown(link->ssl, SSL_SENT_SHUTDOWN);
	SSL_free(link->ssl);
	buf_fini(&link->held);
	free(link);
	*link_p = NULL;
}

/* --- what goes by ------------------------------------------------------------------ */

/* Why a certificate was not taken, or what OpenSSL says. */
static void
explain(struct tls_link *link)
{
	long verified = SSL_get_verify_result(link->ssl);

	if (verified != X509_V_OK && !SSL_is_server(link->ssl)) {
		snprintf(link->error, sizeof(link->error), "certificate: %s",
		    X509_verify_cert_error_string(verified));
		ERR_clear_error();
		return;
	}
	tls_explain(link->error, "TLS");
}

static int
result_of(struct tls_link *link, int returned, int error)
{
	if (link->talk > TALK_MAX) {
		link->failed = true;
		snprintf(link->error, sizeof(link->error),
		    "handshake messages without end");
		ERR_clear_error();
		return TLS_FAILED;
	}
	switch (SSL_get_error(link->ssl, returned)) {
	case SSL_ERROR_WANT_READ:
		return TLS_READABLE;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WRITABLE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_ENDED;
	case SSL_ERROR_SYSCALL:
		link->failed = true;
		snprintf(link->error, sizeof(link->error), "%s",
		    error == 0 ? "the connection ended" : strerror(error));
		ERR_clear_error();
		return TLS_FAILED;
	default:
		break;
	}
	link->failed = true;
	explain(link);
	return TLS_FAILED;
}

/* What is said last, by a server of TLS 1.3, are tickets: nobody waits for them,
 * and the next words soon take them along. */
static bool
is_urgent(const struct tls_link *link)
{
	return SSL_in_init(link->ssl) || !SSL_is_server(link->ssl) ||
	       SSL_version(link->ssl) != TLS1_3_VERSION;
}

/* As SSL_do_handshake.  What it says goes out afterwards, at once: OpenSSL would
 * send it in pieces of 4 KiB, and a chain of certificates is longer. */
static int
step(struct tls_link *link)
{
	ERR_clear_error();
	errno = 0;
	link->may_receive = link->waits == TLS_READABLE;
	link->holds = true;
	int done = SSL_do_handshake(link->ssl);
	int error = errno;
	link->holds = false;
	int result = done == 1 ? 0 : result_of(link, done, error);
	int sent = send_held(link, is_urgent(link) ? 0 : MSG_MORE);
	if (result != 0 && result != TLS_READABLE)
		return result;
	if (sent == TLS_WRITABLE)
		return sent;
	if (sent == TLS_FAILED && result != 0) {
		link->failed = true;
		snprintf(
		    link->error, sizeof(link->error), "%s", strerror(errno));
		return sent;
	}
	return result;
}

/* Once the handshake is done. */
static void
on_message(int sending, int version, int type, const void *message, size_t len,
    SSL *ssl, void *arg)
{
	struct tls_link *link = arg;

	(void)version;
	(void)message;
	(void)len;
	if (sending != 0 || type != SSL3_RT_HANDSHAKE ||
	    ++link->talk <= TALK_MAX)
		return;
	/* It reads no further. */
	SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

static void
settle(struct tls_link *link)
{
	/* One that was resumed is used again; of TLS 1.3 a new one comes. */
	if (link->sessions != NULL && SSL_session_reused(link->ssl) == 1 &&
	    SSL_version(link->ssl) == TLS1_2_VERSION)
		keep(link, SSL_get1_session(link->ssl));
	SSL_set_msg_callback(link->ssl, on_message);
	SSL_set_msg_callback_arg(link->ssl, link);
	/* What came with the last octets is there already. */
	link->more = SSL_has_pending(link->ssl) == 1;
}

int
tls_link_shake(struct tls_link *link)
{
	int result = send_held(link, 0);

	if (result != TLS_WRITABLE)
		result = step(link);
	link->waits = result;
	if (result == 0) {
		settle(link);
		return 1;
	}
	if (result != TLS_ENDED)
		return result;
	link->failed = true;
	snprintf(link->error, sizeof(link->error),
	    "the connection ended within the handshake");
	return TLS_FAILED;
}

/* A record, or what is left of one; 0 or a tls_result. */
static int
read_record(struct tls_link *link, char *to, size_t room, size_t *got)
{
	*got = 0;
	ERR_clear_error();
	errno = 0;
	int done = SSL_read_ex(link->ssl, to, room, got);
	if (done != 1)
		return result_of(link, done, errno);
	link->talk = 0;
	return 0;
}

int
tls_link_read(struct tls_link *link, char *to, size_t room)
{
	size_t len = 0, got;
	int result = link->next;

	link->may_receive = !link->more;
	link->more = false;
	while (result == 0 && len < room &&
	       (len == 0 || SSL_has_pending(link->ssl) == 1)) {
		result = read_record(link, to + len, room - len, &got);
		len += got;
		link->may_receive = false;
	}
	if (len == 0)
		return result;
	/* Octets first: what ended them is told the next time. */
	if (result == TLS_ENDED || result == TLS_FAILED)
		link->next = result;
	link->more =
	    link->next != 0 || (result == 0 && SSL_has_pending(link->ssl) == 1);
	return (int)len;
}

int
tls_link_write(struct tls_link *link, struct slice bytes)
{
	size_t sent;

	ERR_clear_error();
	errno = 0;
	link->may_receive = true; /* it does so within a late handshake */
	int done = SSL_write_ex(link->ssl, bytes.ptr, bytes.len, &sent);
	int result = done == 1 ? (int)sent : result_of(link, done, errno);
	if (!link->may_receive)
		link->more = result != TLS_READABLE;
	return result;
}

bool
tls_link_has_more(const struct tls_link *link)
{
	return link->more;
}

int
tls_link_waits(const struct tls_link *link)
{
	return link->waits;
}

void
tls_link_last(struct tls_link *link)
{
	link->send_flags |= MSG_MORE;
}

void
tls_link_close(struct tls_link *link)
{
	if (link->failed || SSL_in_init(link->ssl))
		return;
	tls_link_last(link);
	ERR_clear_error();
	SSL_shutdown(link->ssl);
	ERR_clear_error();
}

const char *
tls_link_error(const struct tls_link *link)
{
	return link->error;
}
