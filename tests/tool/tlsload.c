/*
 * A client of mail for load over TLS.
 *
 *   tlsload ADDRESS:PORT starttls|implicit 1.2|1.3 full|resumed SESSIONS
 *       AT_ONCE greet|envelope|MEGABYTES
 *
 * Makes SESSIONS sessions, AT_ONCE of them side by side: TLS, EHLO, where it is
 * asked for MAIL and RCPT, or a message of so many megabytes, QUIT.  "resumed":
 * each with the newest ticket that its predecessor got.  Before that each of the
 * AT_ONCE makes one that does not count; then "ready" is printed, and a line of
 * standard input awaited.  Ends with "done FULL RESUMED"; a session that goes
 * wrong is the end of all.
 *
 * X25519 and AES-128-GCM alone, so that every server does the same (P-256 stands
 * for the certificate).
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	INPUT = 4096,
	AT_ONCE_MAX = 256,
	MEGABYTE = 1000 * 1000,
	LINE = 80 /* octets, with its end */
};

struct link {
	int fd;
	SSL *ssl; /* NULL: in the clear */
	size_t len;
	char in[INPUT + 1];
};

/* One of those that stand side by side. */
struct caller {
	pthread_t thread;
	SSL_SESSION *session; /* to be resumed */
	unsigned full, resumed;
};

static struct sockaddr_in server;
static SSL_CTX *ctx;
static bool implicit, resumes, envelope;
static unsigned megabytes;
static int session_count;
static atomic_int begun;
static pthread_barrier_t primed;
static char text[MEGABYTE];

static _Noreturn void
die(const char *what)
{
	int error = errno;
	const char *why = ERR_reason_error_string(ERR_peek_error());

	fprintf(stderr, "tlsload: %s: %s\n", what,
	    why == NULL ? strerror(error) : why);
	_exit(1);
}

/* --- one session ------------------------------------------------------------------ */

static void
say(struct link *link, const char *what, size_t len)
{
	size_t sent;

	if (link->ssl != NULL) {
		if (SSL_write_ex(link->ssl, what, len, &sent) != 1)
			die("SSL_write");
	} else if (send(link->fd, what, len, MSG_NOSIGNAL) != (ssize_t)len) {
		die("send");
	}
}

static void
hear_more(struct link *link)
{
	size_t got = 0;

	if (link->len == INPUT)
		die("a reply without end");
	if (link->ssl == NULL) {
		ssize_t len =
		    recv(link->fd, link->in + link->len, INPUT - link->len, 0);
		got = len > 0 ? (size_t)len : 0;
	} else if (SSL_read_ex(link->ssl, link->in + link->len,
		       INPUT - link->len, &got) != 1) {
		got = 0;
	}
	if (got == 0)
		die("the server hung up");
	link->len += got;
}

/* A whole reply, of that class. */
static void
hear(struct link *link, char class)
{
	for (;;) {
		const char *line = link->in;
		const char *end;
		link->in[link->len] = '\0';
		while ((end = strstr(line, "\r\n")) != NULL && line[3] == '-')
			line = end + 2;
		if (end == NULL) {
			hear_more(link);
			continue;
		}
		if (line[0] != class || end + 2 != link->in + link->len) {
			fprintf(stderr, "tlsload: unexpected: %s", line);
			_exit(1);
		}
		link->len = 0;
		return;
	}
}

static void
ask(struct link *link, const char *command, char class)
{
	say(link, command, strlen(command));
	hear(link, class);
}

static void
check_group(SSL *ssl)
{
	EVP_PKEY *key = NULL;

	if (SSL_get_peer_tmp_key(ssl, &key) == 1 &&
	    EVP_PKEY_get_base_id(key) != EVP_PKEY_X25519)
		die("a key exchange other than X25519");
	EVP_PKEY_free(key);
}

static void
shake_hands(struct link *link, struct caller *caller)
{
	link->ssl = SSL_new(ctx);
	if (link->ssl == NULL || SSL_set_fd(link->ssl, link->fd) != 1)
		die("SSL_new");
	SSL_set_app_data(link->ssl, caller);
	if (caller->session != NULL)
		SSL_set_session(link->ssl, caller->session);
	if (SSL_connect(link->ssl) != 1)
		die("SSL_connect");
	check_group(link->ssl);
	if (SSL_session_reused(link->ssl) == 1)
		caller->resumed++;
	else
		caller->full++;
}

static void
open_link(struct link *link, struct caller *caller)
{
	int on = 1;

	*link = (struct link){.fd = socket(AF_INET, SOCK_STREAM, 0)};
	setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(link->fd, (struct sockaddr *)&server, sizeof(server)) == -1)
		die("connect");
	if (!implicit) {
		hear(link, '2');
		ask(link, "EHLO mail.bench.example.com\r\n", '2');
		ask(link, "STARTTLS\r\n", '2');
	}
	shake_hands(link, caller);
	if (implicit)
		hear(link, '2');
}

/* We go first, and wait until the other side has gone. */
static void
close_link(struct link *link)
{
	SSL_shutdown(link->ssl);
	shutdown(link->fd, SHUT_WR);
	while (recv(link->fd, link->in, INPUT, 0) > 0)
		continue;
	SSL_free(link->ssl);
	close(link->fd);
}

static void
send_message(struct link *link)
{
	ask(link, "DATA\r\n", '3');
	say(link, "Subject: load\r\n\r\n", 17);
	for (unsigned i = 0; i < megabytes; i++)
		say(link, text, sizeof(text));
	ask(link, ".\r\n", '2');
}

static void
converse(struct caller *caller, bool counts)
{
	struct link link;

	open_link(&link, caller);
	ask(&link, "EHLO mail.bench.example.com\r\n", '2');
	if (envelope) {
		ask(&link, "MAIL FROM:<a@bench.example.com>\r\n", '2');
		ask(&link, "RCPT TO:<b@example.net>\r\n", '2');
	}
	if (counts && megabytes > 0)
		send_message(&link);
	ask(&link, "QUIT\r\n", '2');
	close_link(&link);
}

/* --- all of them ------------------------------------------------------------------ */

/* A ticket.  Of TLS 1.2 it may be the only one, and is used again. */
static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct caller *caller = SSL_get_app_data(ssl);

	SSL_SESSION_free(caller->session);
	caller->session = session;
	return 1;
}

static void *
call(void *arg)
{
	struct caller *caller = arg;

	converse(caller, false);
	caller->full = caller->resumed = 0;
	pthread_barrier_wait(&primed);
	pthread_barrier_wait(&primed);
	while (atomic_fetch_add(&begun, 1) < session_count)
		converse(caller, true);
	return NULL;
}

static void
set_up(const char *version)
{
	int only =
	    strcmp(version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, only) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, only) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256") != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:"
					 "ECDHE-RSA-AES128-GCM-SHA256") != 1)
		die("a context");
	SSL_CTX_set_session_cache_mode(
	    ctx, resumes ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
			 : SSL_SESS_CACHE_OFF);
	if (resumes)
		SSL_CTX_sess_set_new_cb(ctx, keep_session);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 23);
	for (size_t i = LINE; i <= sizeof(text); i += LINE)
		memcpy(text + i - 2, "\r\n", 2);
}

static bool
take_arguments(char **words)
{
	struct endpoint to;

	if (!endpoint_parse(slice_str(words[0]), &to))
		return false;
	server.sin_family = AF_INET;
	server.sin_port = htons(to.port);
	memcpy(&server.sin_addr, to.addr.bytes, 4);
	implicit = strcmp(words[1], "implicit") == 0;
	resumes = strcmp(words[3], "resumed") == 0;
	session_count = atoi(words[4]);
	megabytes = (unsigned)atoi(words[6]);
	envelope = megabytes > 0 || strcmp(words[6], "envelope") == 0;
	set_up(words[2]);
	return true;
}

int
main(int argc, char **argv)
{
	static struct caller callers[AT_ONCE_MAX];
	unsigned at_once = argc == 8 ? (unsigned)atoi(argv[6]) : 0;
	unsigned full = 0, resumed = 0;
	char line[16];

	_Static_assert(MEGABYTE % LINE == 0, "the text ends with a line");
	if (at_once == 0 || at_once > AT_ONCE_MAX || !take_arguments(argv + 1))
		return 2;
	pthread_barrier_init(&primed, NULL, at_once + 1);
	for (unsigned i = 0; i < at_once; i++)
		if (pthread_create(
			&callers[i].thread, NULL, call, &callers[i]) != 0)
			die("a thread");
	pthread_barrier_wait(&primed);
	puts("ready");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		return 2;
	pthread_barrier_wait(&primed);
	for (unsigned i = 0; i < at_once; i++) {
		pthread_join(callers[i].thread, NULL);
		full += callers[i].full;
		resumed += callers[i].resumed;
	}
	printf("done %u %u\n", full, resumed);
	return 0;
}
