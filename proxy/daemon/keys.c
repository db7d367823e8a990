/*
 * Certificates and keys.  See keys.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/keys.h"

#include "base/log.h"
#include "net/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FILE_MAX = 256 * 1024
};

/* What the child has read, in memory that it shares with us. */
struct loaded {
	struct keys_error error;
	uid_t uid; /* who must not be able to read keys */
	gid_t gid;
	size_t used, size; /* of text */
	unsigned count;
	struct {
		size_t at, len;
	} * files;
	char *text;
};

static unsigned
pairs_of(const struct config_tls *tls)
{
	return tls->certificate_count + (tls->authority.key != NULL);
}

static const struct config_pair *
pair_at(const struct config_tls *tls, unsigned i)
{
	return i < tls->certificate_count ? &tls->certificates[i]
					  : &tls->authority;
}

static unsigned
count_files(const struct config *config)
{
	unsigned count = 0;

	for (unsigned i = 0; i < config->listener_count; i++) {
		const struct config_tls *tls = &config->listeners[i].tls;
		count += 2 * pairs_of(tls) + (tls->roots != NULL) +
			 (tls->client_roots != NULL);
	}
	return count;
}

bool
keys_are_named(const struct config *config)
{
	for (unsigned i = 0; i < config->listener_count; i++) {
		const struct config_tls *tls = &config->listeners[i].tls;
		if (tls->ciphers != NULL || tls->groups != NULL)
			return true;
	}
	return count_files(config) > 0;
}

struct tls_settings
keys_settings(const struct config_tls *tls)
{
	return (struct tls_settings){
	    .min = tls->only_1_3 ? TLS_VERSION_1_3 : TLS_VERSION_1_2,
	    .ciphers = tls->ciphers,
	    .groups = tls->groups};
}

/* --- files -------------------------------------------------------------------- */

static void
warn_open(const struct loaded *loaded, const char *path, const struct stat *key)
{
	if (loaded->uid == KEYS_NOBODY)
		return;
	if ((key->st_uid == loaded->uid && (key->st_mode & S_IRUSR) != 0) ||
	    (key->st_gid == loaded->gid && (key->st_mode & S_IRGRP) != 0) ||
	    (key->st_mode & S_IROTH) != 0)
		log_warn("the key %s can be read by the user that talks to "
			 "peers: make it root's alone (chown root, chmod 600)",
		    path);
}

/* NULL, or why not. */
static const char *
read_into(struct loaded *loaded, int fd, const struct stat *found)
{
	size_t len = 0, room = loaded->size - loaded->used;
	ssize_t got = 1;

	if (!S_ISREG(found->st_mode))
		return "it is no file";
	if (room > FILE_MAX)
		room = FILE_MAX;
	while (got > 0 && len < room) {
		got = read(fd, loaded->text + loaded->used + len, room - len);
		len += got > 0 ? (size_t)got : 0;
	}
	if (got == -1)
		return strerror(errno);
	if (len == room)
		return "it is too long";
	loaded->files[loaded->count].at = loaded->used;
	loaded->files[loaded->count++].len = len;
	loaded->used += len;
	return NULL;
}

static bool
read_file(struct loaded *loaded, const char *path, bool key)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat found;
	const char *why = NULL;

	if (fd == -1 || fstat(fd, &found) == -1)
		why = strerror(errno);
	else
		why = read_into(loaded, fd, &found);
	if (why == NULL && key)
		warn_open(loaded, path, &found);
	if (why != NULL)
		snprintf(loaded->error.text, sizeof(loaded->error.text),
		    "%s cannot be read: %s", path, why);
	if (fd != -1)
		close(fd);
	return why == NULL;
}

static bool
read_all(struct loaded *loaded, const struct config *config)
{
	for (unsigned i = 0; i < config->listener_count; i++) {
		const struct config_tls *tls = &config->listeners[i].tls;
		loaded->error.line = config->listeners[i].line;
		for (unsigned k = 0; k < pairs_of(tls); k++)
			if (!read_file(loaded, pair_at(tls, k)->chain, false) ||
			    !read_file(loaded, pair_at(tls, k)->key, true))
				return false;
		if ((tls->roots != NULL &&
			!read_file(loaded, tls->roots, false)) ||
		    (tls->client_roots != NULL &&
			!read_file(loaded, tls->client_roots, false)))
			return false;
	}
	return true;
}

/* --- what was read ---------------------------------------------------------------- */

static struct slice
file_at(const struct loaded *loaded, const char *text, unsigned i)
{
	return slice_of(text + loaded->files[i].at, loaded->files[i].len);
}

/* The keys, which lie in `text`. */
static bool
lay_out(struct keys *keys, const struct config *config,
    const struct loaded *loaded, const char *text)
{
	unsigned file = 0;

	keys->count = config->listener_count;
	keys->listeners = calloc(keys->count, sizeof(struct keys_listener));
	for (unsigned i = 0; keys->listeners != NULL && i < keys->count; i++) {
		const struct config_tls *tls = &config->listeners[i].tls;
		struct keys_listener *out = &keys->listeners[i];
		out->certificates =
		    calloc(tls->certificate_count + 1, sizeof(struct tls_pair));
		if (out->certificates == NULL)
			return false;
		for (unsigned k = 0; k < pairs_of(tls); k++, file += 2) {
			struct tls_pair pair = {file_at(loaded, text, file),
			    file_at(loaded, text, file + 1)};
			if (k < tls->certificate_count)
				out->certificates[k] = pair;
			else
				out->authority = pair;
		}
		if (tls->roots != NULL)
			out->roots = file_at(loaded, text, file++);
		if (tls->client_roots != NULL)
			out->client_roots = file_at(loaded, text, file++);
	}
	return keys->listeners != NULL;
}

static void
free_layout(struct keys *keys)
{
	for (unsigned i = 0; keys->listeners != NULL && i < keys->count; i++)
		free(keys->listeners[i].certificates);
	free(keys->listeners);
}

/* --- whether it is of use ---------------------------------------------------------- */

static bool
try_certificates(struct loaded *loaded, const struct config_tls *tls,
    const struct keys_listener *keys)
{
	struct tls_settings settings = keys_settings(tls);
	char error[TLS_ERROR_MAX];

	for (unsigned i = 0; i < tls->certificate_count; i++) {
		struct tls_context *made = tls_server_context(
		    &settings, &keys->certificates[i], 1, error);
		if (made == NULL) {
			snprintf(loaded->error.text, sizeof(loaded->error.text),
			    "%s with %s: %s", tls->certificates[i].chain,
			    tls->certificates[i].key, error);
			return false;
		}
		tls_context_free(&made);
	}
	return true;
}

/* What legs to servers are spoken with. */
static bool
try_settings(struct loaded *loaded, const struct config_listener *listener,
    const struct keys_listener *keys)
{
	struct tls_settings settings = keys_settings(&listener->tls);
	char error[TLS_ERROR_MAX];
	struct tls_context *made =
	    tls_client_context(&settings, TLS_TRUST_ALL, keys->roots, error);

	if (made == NULL)
		snprintf(loaded->error.text, sizeof(loaded->error.text),
		    "`tls` of listener `%s`: %s", listener->name, error);
	tls_context_free(&made);
	return loaded->error.text[0] == '\0';
}

static bool
try_authority(struct loaded *loaded, const struct config_tls *tls,
    const struct keys_listener *keys)
{
	struct tls_settings settings = keys_settings(tls);
	char error[TLS_ERROR_MAX];

	if (tls->authority.key == NULL)
		return true;
	struct tls_context *made =
	    tls_mint_context(&settings, &keys->authority, 1, error);
	if (made == NULL)
		snprintf(loaded->error.text, sizeof(loaded->error.text),
		    "%s with %s: %s", tls->authority.chain, tls->authority.key,
		    error);
	tls_context_free(&made);
	return loaded->error.text[0] == '\0';
}

static bool
try_all(struct loaded *loaded, const struct config *config)
{
	struct keys keys = {0};

	if (!lay_out(&keys, config, loaded, loaded->text))
		return false;
	for (unsigned i = 0; i < config->listener_count; i++) {
		const struct config_tls *tls = &config->listeners[i].tls;
		loaded->error.line = config->listeners[i].line;
		if (!try_settings(
			loaded, &config->listeners[i], &keys.listeners[i]) ||
		    !try_certificates(loaded, tls, &keys.listeners[i]) ||
		    !try_authority(loaded, tls, &keys.listeners[i]))
			return false;
	}
	free_layout(&keys);
	return true;
}

/* --- the child -------------------------------------------------------------------- */

static struct loaded *
map(unsigned files, uid_t uid, gid_t gid)
{
	size_t table = sizeof(struct loaded) + files * 2 * sizeof(size_t);
	size_t size = table + (size_t)files * FILE_MAX;
	struct loaded *loaded = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (loaded == MAP_FAILED)
		return NULL;
	madvise(loaded, size, MADV_DONTDUMP);
	*loaded = (struct loaded){.uid = uid,
	    .gid = gid,
	    .size = size - table,
	    .files = (void *)(loaded + 1),
	    .text = (char *)loaded + table};
	return loaded;
}

static void
unmap(struct loaded *loaded)
{
	explicit_bzero(loaded->text, loaded->used);
	munmap(loaded, (size_t)(loaded->text - (char *)loaded) + loaded->size);
}

static void
run_loader(struct loaded *loaded, const struct config *config)
{
	log_set_hook(NULL, NULL);
	log_set_role("loader");
	net_use_read_privilege();
	_exit(read_all(loaded, config) && try_all(loaded, config) ? 0 : 1);
}

static bool
run_child(struct loaded *loaded, const struct config *config)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		run_loader(loaded, config);
	if (pid == -1 || waitpid(pid, &status, 0) == -1) {
		snprintf(loaded->error.text, sizeof(loaded->error.text),
		    "no loader: %s", strerror(errno));
		return false;
	}
	if (status != 0 && loaded->error.text[0] == '\0')
		snprintf(loaded->error.text, sizeof(loaded->error.text),
		    "the loader ended with status %d", status);
	return status == 0;
}

/* In memory that only we have: a worker must not change what the next one
 * gets. */
static struct keys *
keep(const struct loaded *loaded, const struct config *config)
{
	struct keys *keys = calloc(1, sizeof(*keys));
	char *text = mmap(NULL, loaded->used + 1, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (keys == NULL || text == MAP_FAILED)
		log_fatal("no memory for keys");
	madvise(text, loaded->used + 1, MADV_DONTDUMP);
	memcpy(text, loaded->text, loaded->used);
	keys->text = text;
	keys->size = loaded->used;
	if (!lay_out(keys, config, loaded, text))
		log_fatal("no memory for keys");
	return keys;
}

struct keys *
keys_load(
    const struct config *config, uid_t uid, gid_t gid, struct keys_error *error)
{
	struct loaded *loaded = map(count_files(config), uid, gid);
	struct keys *keys = NULL;

	if (loaded == NULL) {
		*error = (struct keys_error){0, "no memory for keys"};
		return NULL;
	}
	if (run_child(loaded, config))
		keys = keep(loaded, config);
	else
		*error = loaded->error;
	unmap(loaded);
	return keys;
}

void
keys_free(struct keys **keys_p)
{
	struct keys *keys = *keys_p;

	if (keys == NULL)
		return;
	free_layout(keys);
	explicit_bzero(keys->text, keys->size);
	munmap(keys->text, keys->size + 1);
	free(keys);
	*keys_p = NULL;
}
