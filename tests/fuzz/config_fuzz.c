/*
 * libFuzzer: any bytes as the configuration.  What cannot be loaded has an
 * error; what can be loaded has what the daemon takes for granted.
 * THREATS A4-01.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/config.h"
#include "policy/diag.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `policy.yaml` in an input stands for this one. */
static const char policy[] = "policy: 1\nhelo: []\ndefault: accept\n";
static char policy_path[64];

static int
file_of(const char *name, char path[64])
{
	int fd = memfd_create(name, 0);

	assert(fd != -1);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* The input with the policy's name replaced by its place. */
static void
write_config(int fd, const uint8_t *data, size_t size)
{
	static const char name[] = "policy.yaml";
	size_t len = strlen(name);

	assert(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	while (size > 0) {
		const uint8_t *at = memmem(data, size, name, len);
		size_t before = at == NULL ? size : (size_t)(at - data);
		assert(write(fd, data, before) == (ssize_t)before);
		data += before;
		size -= before;
		if (at == NULL)
			break;
		assert(write(fd, policy_path, strlen(policy_path)) > 0);
		data += len;
		size -= len;
	}
}

static void
check(const struct config *config)
{
	assert(config->listener_count > 0);
	assert(config->workers >= 1 && config->workers <= 64);
	assert(config->sessions_max > 0 && config->node != NULL);
	for (unsigned i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];
		assert(listener->policy != NULL);
		if (listener->mode == CONFIG_EXPLICIT)
			assert(listener->upstream.port != 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[64];
	struct diag *diag = diag_new();

	if (fd == -1) {
		int other = file_of("policy", policy_path);
		assert(write(other, policy, strlen(policy)) > 0);
		fd = file_of("config", path);
	}
	write_config(fd, data, size);
	struct config *config = config_load(path, diag);
	assert((config == NULL) == (diag_errors(diag) > 0));
	if (config != NULL)
		check(config);
	config_free(&config);
	diag_free(&diag);
	return 0;
}
