/*
 * Preloaded by Debian 12's OpenSMTPD where it is a server of TLS.  The process
 * that speaks it has no private key: what it signs is to go to another process
 * by hooks of OpenSSL 1.1, which OpenSSL 3 passes over (OpenSMTPD issue 1171).
 * So it gets the key itself: the file SMTPD_KEY, read before it gives up root.
 *
 * Programs that are not OpenSMTPD load this too, and have no OpenSSL: nothing
 * of it is called before somebody else has called it.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

static char pem[16 * 1024];
static ssize_t pem_len = -1;

__attribute__((constructor)) static void
read_key(void)
{
	const char *path = getenv("SMTPD_KEY");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return;
	pem_len = read(fd, pem, sizeof(pem));
	close(fd);
}

int
SSL_CTX_use_PrivateKey(SSL_CTX *ctx, EVP_PKEY *fake)
{
	int (*use)(SSL_CTX *, EVP_PKEY *) =
	    dlsym(RTLD_NEXT, "SSL_CTX_use_PrivateKey");
	BIO *bio = pem_len < 1 ? NULL : BIO_new_mem_buf(pem, (int)pem_len);
	EVP_PKEY *key =
	    bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	int good = use(ctx, key == NULL ? fake : key);

	EVP_PKEY_free(key);
	BIO_free(bio);
	return good;
}
