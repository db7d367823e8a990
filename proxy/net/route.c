/*
 * The policy route.  See route.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/route.h"

#include "net/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

enum {
	WHY = 256,
	NETLINK_BUFFER = 8 * 1024,
	REMOVE_MAX = 16
};

static uint8_t
af_of(int family)
{
	return family == 4 ? AF_INET : AF_INET6;
}

static void
put_rule(struct nlmsghdr *header, int family)
{
	struct fib_rule_hdr *rule =
	    mnl_nlmsg_put_extra_header(header, sizeof(*rule));

	rule->family = af_of(family);
	rule->action = FR_ACT_TO_TBL;
	rule->table = RT_TABLE_UNSPEC;
	mnl_attr_put_u32(header, FRA_PRIORITY, ROUTE_PRIORITY);
	mnl_attr_put_u32(header, FRA_FWMARK, NFT_MARK);
	mnl_attr_put_u32(header, FRA_FWMASK, NFT_MARK);
	mnl_attr_put_u32(header, FRA_TABLE, ROUTE_TABLE);
}

static void
put_route(struct nlmsghdr *header, int family)
{
	struct rtmsg *route =
	    mnl_nlmsg_put_extra_header(header, sizeof(*route));

	route->rtm_family = af_of(family);
	route->rtm_table = RT_TABLE_UNSPEC;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = RT_SCOPE_HOST;
	route->rtm_type = RTN_LOCAL;
	mnl_attr_put_u32(header, RTA_TABLE, ROUTE_TABLE);
	mnl_attr_put_u32(header, RTA_OIF, if_nametoindex("lo"));
}

/* One request; 0, or an errno. */
static int
request(uint16_t type, uint16_t flags, int family,
    void (*put)(struct nlmsghdr *header, int family))
{
	char buffer[NETLINK_BUFFER];
	struct mnl_socket *socket = mnl_socket_open(NETLINK_ROUTE);
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	int error = 0;

	if (socket == NULL)
		return errno;
	header->nlmsg_type = type;
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	header->nlmsg_seq = (uint32_t)time(NULL);
	put(header, family);
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, header, header->nlmsg_len) < 0) {
		error = errno;
	} else {
		ssize_t got =
		    mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (got == -1 ||
		    mnl_cb_run(buffer, (size_t)got, header->nlmsg_seq,
			mnl_socket_get_portid(socket), NULL, NULL) == -1)
			error = errno;
	}
	mnl_socket_close(socket);
	return error;
}

static bool
fail(char why[WHY], const char *what, int family, int error)
{
	snprintf(why, WHY, "IPv%d %s: %s%s", family, what, strerror(error),
	    error == EPERM ? " (CAP_NET_ADMIN is missing)" : "");
	return false;
}

bool
route_install(int family, char why[WHY])
{
	int rule =
	    request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, family, put_rule);
	int route;

	if (rule != 0 && rule != EEXIST)
		return fail(why, "rule", family, rule);
	route =
	    request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, family, put_route);
	if (route == 0 || route == EEXIST)
		return true;
	if (rule == 0)
		request(RTM_DELRULE, 0, family, put_rule);
	return fail(why, "route", family, route);
}

bool
route_remove(int family, char why[WHY])
{
	int rule = 0, route = 0;

	for (int i = 0; i < REMOVE_MAX && rule == 0; i++)
		rule = request(RTM_DELRULE, 0, family, put_rule);
	for (int i = 0; i < REMOVE_MAX && route == 0; i++)
		route = request(RTM_DELROUTE, 0, family, put_route);
	/* What is not there is removed. */
	if (rule != 0 && rule != ENOENT && rule != EAFNOSUPPORT)
		return fail(why, "rule", family, rule);
	if (route != 0 && route != ESRCH && route != ENOENT)
		return fail(why, "route", family, route);
	return true;
}

/* Whether the kernel has it already, without a change: what cannot be created
 * because it exists.  Dumping and comparing would say the same at length; an
 * exclusive creation that succeeds is taken back at once. */
static int
exists(uint16_t new_type, uint16_t del_type, int family,
    void (*put)(struct nlmsghdr *header, int family), bool *out)
{
	int error = request(new_type, NLM_F_CREATE | NLM_F_EXCL, family, put);

	if (error == 0)
		request(del_type, 0, family, put);
	*out = error == EEXIST;
	return error == EEXIST ? 0 : error;
}

int
route_check(int family, bool *rule, bool *route, char why[WHY])
{
	int error = exists(RTM_NEWRULE, RTM_DELRULE, family, put_rule, rule);

	if (error == 0)
		error = exists(
		    RTM_NEWROUTE, RTM_DELROUTE, family, put_route, route);
	if (error != 0)
		fail(why, "rule", family, error);
	return error == 0 ? 1 : -1;
}
