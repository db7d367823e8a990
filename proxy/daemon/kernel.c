/*
 * The kernel's part.  See kernel.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "daemon/kernel.h"

#include "base/log.h"

bool
kernel_is_needed(const struct config *config)
{
	for (unsigned i = 0; i < config->listener_count; i++)
		if (config->listeners[i].mode != CONFIG_EXPLICIT)
			return true;
	return false;
}

struct kernel *
kernel_open(const struct config *config, uid_t gate_uid)
{
	(void)config;
	(void)gate_uid;
	log_error("interception is not built in this version: use `mode: "
		  "explicit`");
	return NULL;
}

void
kernel_close(struct kernel **kernel)
{
	*kernel = NULL;
}

void
kernel_forget(struct kernel **kernel)
{
	*kernel = NULL;
}

int
kernel_watch_fd(const struct kernel *kernel)
{
	(void)kernel;
	return -1;
}

void
kernel_mend(struct kernel *kernel)
{
	(void)kernel;
}

const char *
kernel_promise(const struct kernel *kernel)
{
	(void)kernel;
	return "";
}
