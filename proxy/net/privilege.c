/*
 * Privileges, through libcap-ng.  See privilege.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

static const struct {
	unsigned need;
	unsigned capability;
	const char *name;
} capabilities[] = {
    {NET_NEEDS_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN"},
    {NET_NEEDS_RAW, CAP_NET_RAW, "CAP_NET_RAW"},
    {NET_NEEDS_BIND, CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"},
    {NET_NEEDS_READ, CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"},
};

enum {
	CAPABILITIES = sizeof(capabilities) / sizeof(capabilities[0])
};

const char *
net_missing_capability(unsigned needs)
{
	capng_get_caps_process();
	for (unsigned i = 0; i < CAPABILITIES; i++)
		if ((needs & capabilities[i].need) != 0 &&
		    !capng_have_capability(
			CAPNG_EFFECTIVE, capabilities[i].capability))
			return capabilities[i].name;
	return NULL;
}

int
net_drop_privileges(uid_t uid, gid_t gid, unsigned keeps)
{
	bool root = geteuid() == 0;

	capng_get_caps_process();
	bool had[CAPABILITIES];
	for (unsigned i = 0; i < CAPABILITIES; i++)
		had[i] = capng_have_capability(
		    CAPNG_PERMITTED, capabilities[i].capability);
	capng_clear(root ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
	for (unsigned i = 0; i < CAPABILITIES; i++)
		if (had[i] && (keeps & capabilities[i].need) != 0)
			capng_update(CAPNG_ADD,
			    (capabilities[i].need == NET_NEEDS_READ
				    ? 0
				    : CAPNG_EFFECTIVE) |
				CAPNG_PERMITTED |
				(root ? CAPNG_BOUNDING_SET : 0),
			    capabilities[i].capability);
	int failed = root && uid != 0
			 ? capng_change_id((int)uid, (int)gid,
			       CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING)
			 : capng_apply(CAPNG_SELECT_CAPS);
	if (failed != 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) {
		if (errno == 0)
			errno = EPERM;
		return -1;
	}
	return 0;
}

void
net_use_read_privilege(void)
{
	capng_get_caps_process();
	if (!capng_have_capability(CAPNG_PERMITTED, CAP_DAC_READ_SEARCH))
		return;
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_DAC_READ_SEARCH);
	capng_apply(CAPNG_SELECT_CAPS);
}
