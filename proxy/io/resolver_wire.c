/*
 * DNS on the wire.  See resolver_wire.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/resolver_wire.h"

#include "base/log.h"
#include "base/magic.h"
#include "io/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	SOCKET_MAGIC = 0xd45c0001,
	WIRE_MAGIC = 0xd45c0002,
	/* Each server is tried twice, the second time for twice as long: so
	 * a question costs three times TRY_MS for each server. */
	TRIES = 2,
	SHARES = 3,
	TRY_MS_MIN = 10,
	EDNS_SIZE = 1232, /* what crosses any path unfragmented */
	FLAG_AD = 0x20,   /* in the header's fourth octet */
	/* Room for the answers of many questions asked at once. */
	RECEIVE_BUFFER = 1024 * 1024
};

struct wire_socket {
	unsigned magic;
	LIST_ENTRY(wire_socket) next;
	struct resolver_wire *wire;
	int fd;
	struct loop_watch *watch;
};

struct resolver_wire {
	unsigned magic;
	struct loop *loop;
	ares_channel channel;
	uint32_t try_ms;
	bool local; /* every server is on the loopback */
	LIST_HEAD(, wire_socket) sockets;
	struct loop_timer *timer;
	uint64_t due_us; /* when the timer fires; 0: it is stopped */
	resolver_landed_fn *landed;
	resolver_turned_fn *turned;
	void *arg;
};

/* --- time ------------------------------------------------------------------ */

static void
start_timer(struct resolver_wire *wire, uint64_t ms)
{
	wire->due_us = loop_mono_us() + ms * 1000;
	loop_timer_start(wire->timer, (uint32_t)ms);
}

/* After what may have sent something: nothing sent now is late before TRY_MS
 * are over.  ares_timeout would say it exactly, but looks at every question
 * in flight. */
static void
cover_new(struct resolver_wire *wire)
{
	uint64_t due = loop_mono_us() + (uint64_t)wire->try_ms * 1000;

	if (wire->due_us == 0 || due < wire->due_us)
		start_timer(wire, wire->try_ms);
}

static void
on_timer(void *arg)
{
	struct resolver_wire *wire;
	struct timeval room, *left;

	MAGIC_CAST(wire, arg, WIRE_MAGIC);
	wire->due_us = 0;
	ares_process_fd(wire->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	left = ares_timeout(wire->channel, NULL, &room);
	if (left != NULL)
		start_timer(wire, (uint64_t)left->tv_sec * 1000 +
				      (uint64_t)left->tv_usec / 1000 + 1);
	wire->turned(wire->arg);
}

/* --- sockets --------------------------------------------------------------- */

static void
on_ready(void *arg)
{
	struct wire_socket *socket;

	MAGIC_CAST(socket, arg, SOCKET_MAGIC);
	struct resolver_wire *wire = socket->wire;
	int fd = socket->fd;
	bool readable = loop_watch_is_readable(socket->watch);
	bool writable = loop_watch_is_writable(socket->watch);
	/* It may close the socket, and so end `socket`. */
	ares_process_fd(wire->channel, readable ? fd : ARES_SOCKET_BAD,
	    writable ? fd : ARES_SOCKET_BAD);
	cover_new(wire);
	wire->turned(wire->arg);
}

static void
free_socket(struct wire_socket *socket)
{
	LIST_REMOVE(socket, next);
	loop_watch_free(&socket->watch);
	socket->magic = 0;
	free(socket);
}

static struct wire_socket *
add_socket(struct resolver_wire *wire, int fd)
{
	struct wire_socket *socket = calloc(1, sizeof(*socket));

	if (socket == NULL)
		return NULL;
	socket->watch = loop_watch_new(wire->loop, fd, on_ready, socket);
	if (socket->watch == NULL) {
		free(socket);
		return NULL;
	}
	socket->magic = SOCKET_MAGIC;
	socket->wire = wire;
	socket->fd = fd;
	LIST_INSERT_HEAD(&wire->sockets, socket, next);
	return socket;
}

/* Neither: c-ares is about to close it. */
static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver_wire *wire;
	struct wire_socket *socket;

	MAGIC_CAST(wire, arg, WIRE_MAGIC);
	LIST_FOREACH(socket, &wire->sockets, next)
	if (socket->fd == fd)
		break;
	if (!readable && !writable) {
		if (socket != NULL)
			free_socket(socket);
		return;
	}
	/* Without memory for a watch its questions are late, no more. */
	if (socket == NULL && (socket = add_socket(wire, fd)) == NULL)
		return;
	loop_watch_want(socket->watch, readable != 0, writable != 0);
	loop_watch_start(socket->watch);
}

/* --- questions ------------------------------------------------------------- */

struct asked {
	struct resolver_wire *wire;
	void *query_arg;
};

static void
on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
	struct asked *asked = arg;
	struct resolver_wire *wire = asked->wire;
	void *query_arg = asked->query_arg;
	struct slice packet = {NULL, 0};

	(void)timeouts;
	free(asked);
	if ((status == ARES_SUCCESS || status == ARES_ENODATA ||
		status == ARES_ENOTFOUND) &&
	    bytes != NULL && len > 0)
		packet = slice_of((const char *)bytes, (size_t)len);
	/* Without a packet c-ares itself knows of a name that it is not
	 * there: .onion (RFC 7686). */
	wire->landed(query_arg, packet,
	    status == ARES_ENOTFOUND ? DNS_NXDOMAIN : DNS_TEMPERROR);
}

static const int types[DNS_TYPE_COUNT] = {1, 28, 12, 15, 2, 16, 52};

/* With the AD bit, by which a server is asked to say whether its answer is
 * validated (RFC 6840 5.7); c-ares has no flag for it. */
static void
ask_authentic(
    struct resolver_wire *wire, const char *name, int type, struct asked *asked)
{
	unsigned char *query = NULL;
	unsigned short id = 0;
	int len = 0, status = ARES_ENOMEM;

	if (getrandom(&id, sizeof(id), 0) == (ssize_t)sizeof(id))
		status = ares_create_query(
		    name, 1, type, id, 1, &query, &len, EDNS_SIZE);
	if (status == ARES_SUCCESS) {
		query[3] |= FLAG_AD;
		ares_send(wire->channel, query, len, on_answer, asked);
	} else {
		on_answer(asked, status, 0, NULL, 0);
	}
	if (query != NULL)
		ares_free_string(query);
}

void
resolver_wire_ask(struct resolver_wire *wire,
    const struct dns_question *question, void *query_arg)
{
	char name[DNS_NAME_MAX + 1];
	struct asked *asked = malloc(sizeof(*asked));

	if (asked == NULL) {
		wire->landed(query_arg, SLICE(""), DNS_TEMPERROR);
		return;
	}
	*asked = (struct asked){wire, query_arg};
	snprintf(name, sizeof(name), "%.*s", SLICE_FMT(question->name));
	/* ares_query takes a name as it is; ares_search would add domains. */
	if (question->type == DNS_TLSA)
		ask_authentic(wire, name, types[question->type], asked);
	else
		ares_query(wire->channel, name, 1, types[question->type],
		    on_answer, asked);
	cover_new(wire);
}

/* --- the channel ----------------------------------------------------------- */

enum {
	OPTIONS = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		  ARES_OPT_NDOTS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
		  ARES_OPT_NOROTATE | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_RCVBUF |
		  ARES_OPT_RESOLVCONF
};

/* Everything that c-ares would else look for in files and variables. */
static void
set_options(struct ares_options *options, char *lookups, char *resolv_conf)
{
	*options = (struct ares_options){
	    .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
	    .timeout = 1000,
	    .tries = TRIES,
	    .ndots = 1,
	    .lookups = lookups,
	    .ednspsz = EDNS_SIZE,
	    .socket_receive_buffer_size = RECEIVE_BUFFER,
	    .resolvconf_path = resolv_conf};
}

/* The servers of resolv.conf, which c-ares reads for us.  Where it cannot, it
 * takes 127.0.0.1 without a word: right for a file that is not there, as the C
 * library does, and wrong for one that we may not read. */
static int
read_system(const char *path, struct ares_addr_port_node **out)
{
	char lookups[] = "b", *copy = slice_dup(slice_str(path));
	struct ares_options options;
	ares_channel channel;

	if (access(path, R_OK) == -1 && errno != ENOENT) {
		log_error("%s: %s while reading it", path, strerror(errno));
		free(copy);
		return ARES_EFILE;
	}
	set_options(&options, lookups, copy);
	int status = ares_init_options(&channel, &options, OPTIONS);
	if (status == ARES_SUCCESS) {
		status = ares_get_servers_ports(channel, out);
		ares_destroy(channel);
	}
	free(copy);
	return status;
}

/* At most RESOLVER_SERVERS_MAX of them; their number. */
static unsigned
copy_system(
    const struct ares_addr_port_node *list, struct ares_addr_port_node *out)
{
	unsigned count = 0;

	for (; list != NULL && count < RESOLVER_SERVERS_MAX; list = list->next)
		out[count++] = *list;
	return count;
}

static unsigned
copy_given(
    const struct resolver_config *config, struct ares_addr_port_node *out)
{
	unsigned count = 0;

	for (; count < config->server_count && count < RESOLVER_SERVERS_MAX;
	     count++) {
		const struct endpoint *from = &config->servers[count];
		struct ares_addr_port_node *to = &out[count];
		*to = (struct ares_addr_port_node){
		    .family = from->addr.family == 4 ? AF_INET : AF_INET6,
		    .udp_port = from->port,
		    .tcp_port = from->port};
		memcpy(&to->addr, from->addr.bytes,
		    from->addr.family == 4 ? 4 : 16);
	}
	return count;
}

static bool
is_local(const struct ares_addr_port_node *servers, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct addr addr = {servers[i].family == AF_INET ? 4 : 6, {0}};
		memcpy(addr.bytes, &servers[i].addr, addr.family == 4 ? 4 : 16);
		if (!addr_is_loopback(&addr))
			return false;
	}
	return true;
}

static int
open_channel(struct resolver_wire *wire, uint32_t timeout_ms,
    struct ares_addr_port_node *servers, unsigned count)
{
	char lookups[] = "b", nothing[] = "/dev/null";
	struct ares_options options;

	for (unsigned i = 0; i < count; i++)
		servers[i].next = i + 1 < count ? &servers[i + 1] : NULL;
	/* A tenth is kept, so that c-ares comes to an end before the
	 * deadline does. */
	wire->try_ms = timeout_ms / 10 * 9 / SHARES / count;
	if (wire->try_ms < TRY_MS_MIN)
		wire->try_ms = TRY_MS_MIN;
	set_options(&options, lookups, nothing);
	options.timeout = (int)wire->try_ms;
	options.sock_state_cb = on_socket_state;
	options.sock_state_cb_data = wire;
	int status = ares_init_options(
	    &wire->channel, &options, OPTIONS | ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS) {
		wire->channel = NULL;
		return status;
	}
	return ares_set_servers_ports(wire->channel, servers);
}

static int
set_up(struct resolver_wire *wire, const struct resolver_config *config)
{
	struct ares_addr_port_node servers[RESOLVER_SERVERS_MAX], *list = NULL;
	const char *path = config->resolv_conf == NULL ? "/etc/resolv.conf"
						       : config->resolv_conf;
	unsigned count;
	int status = ARES_SUCCESS;

	if (config->server_count == 0)
		status = read_system(path, &list);
	count = config->server_count == 0 ? copy_system(list, servers)
					  : copy_given(config, servers);
	if (status == ARES_SUCCESS && count == 0)
		status = ARES_EFILE;
	wire->local = is_local(servers, count);
	if (status == ARES_SUCCESS)
		status = open_channel(wire, config->timeout_ms, servers, count);
	if (list != NULL)
		ares_free_data(list);
	return status;
}

bool
resolver_wire_is_local(const struct resolver_wire *wire)
{
	return wire->local;
}

struct resolver_wire *
resolver_wire_new(struct loop *loop, const struct resolver_config *config,
    resolver_landed_fn *landed, resolver_turned_fn *turned, void *arg)
{
	struct resolver_wire *wire = calloc(1, sizeof(*wire));
	int status = ares_library_init(ARES_LIB_INIT_ALL);

	if (wire == NULL || status != ARES_SUCCESS) {
		free(wire);
		return NULL;
	}
	wire->magic = WIRE_MAGIC;
	wire->loop = loop;
	wire->landed = landed;
	wire->turned = turned;
	wire->arg = arg;
	LIST_INIT(&wire->sockets);
	wire->timer = loop_timer_new(loop, on_timer, wire);
	status = wire->timer == NULL ? ARES_ENOMEM : set_up(wire, config);
	if (status != ARES_SUCCESS) {
		log_error("no resolver: %s while reading its servers",
		    ares_strerror(status));
		resolver_wire_free(&wire);
	}
	return wire;
}

void
resolver_wire_free(struct resolver_wire **wire_p)
{
	struct resolver_wire *wire = *wire_p;

	if (wire == NULL)
		return;
	if (wire->channel != NULL)
		ares_destroy(wire->channel);
	/* Of sockets that c-ares closed without a word. */
	while (!LIST_EMPTY(&wire->sockets))
		free_socket(LIST_FIRST(&wire->sockets));
	loop_timer_free(&wire->timer);
	ares_library_cleanup();
	wire->magic = 0;
	free(wire);
	*wire_p = NULL;
}
