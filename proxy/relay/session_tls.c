/*
 * Handshakes of a session: which context, in whose name.  See
 * session_private.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/session_private.h"

enum {
	CERTIFICATE_MAX = 64 * 1024
};

static struct stream *
stream_of(const struct session *session, enum dialog_side side)
{
	return side == DIALOG_CLIENT ? session->client : session->server;
}

/* --- whom it is with ----------------------------------------------------------------- */

/* What the client asked for by SNI, where it speaks TLS already. */
static struct slice
asked_for(const struct session *session)
{
	struct tls_facts facts;

	if (!stream_tls_facts(session->client, &facts))
		return SLICE("");
	return facts.name;
}

/* Whom the server ought to be: who the operator says; whom the client asked
 * for; or, only where somebody must be checked, who it says it is. */
static struct slice
server_name(const struct session *session)
{
	struct slice name = session->listener->tls.server_name;

	if (name.len == 0)
		name = asked_for(session);
	if (name.len == 0 && session->listener->tls.verify)
		name = dialog_server_name(session->dialog);
	return name;
}

static bool
start_server(struct session *session)
{
	char place[ENDPOINT_TEXT];
	struct tls_target target = {.name = server_name(session),
	    .place = slice_str(endpoint_format(&session->server_end, place))};

	return stream_start_tls(
	    session->server, session->listener->tls.server, &target);
}

/* As the server, whose certificate is copied where it has shown one; else by the
 * name that the client asks for, or the address that it meant. */
static bool
start_intercepted(struct session *session)
{
	char address[ADDR_TEXT];
	struct tls_target target = {.trusted = true};
	struct buf like;

	addr_format(&session->server_end.addr, address);
	target.name = dialog_server_name(session->dialog);
	if (target.name.len == 0)
		target.name = slice_str(address);
	buf_init(&like, CERTIFICATE_MAX);
	if (session->server != NULL &&
	    stream_tls_certificate(session->server, &like, &target.trusted))
		target.like = buf_slice(&like);
	bool good = stream_start_tls(
	    session->client, session->listener->tls.intercept, &target);
	buf_fini(&like);
	return good;
}

static bool
start_client(struct session *session)
{
	return session->intercepts
		   ? start_intercepted(session)
		   : stream_start_tls(session->client,
			 session->listener->tls.terminate, NULL);
}

/* --- begin ---------------------------------------------------------------------------- */

/* What comes from now on belongs to the handshake. */
void
session_order_tls(
    struct session *session, enum dialog_side side, bool intercepts)
{
	stream_pause(stream_of(session, side), true);
	session->tls_begins[side] = true;
	if (side == DIALOG_CLIENT)
		session->intercepts = intercepts;
}

static void
begin(struct session *session, enum dialog_side side)
{
	session->tls_begins[side] = false;
	stream_pause(stream_of(session, side), false);
	session->shakes[side] = side == DIALOG_CLIENT ? start_client(session)
						      : start_server(session);
	if (session->shakes[side])
		return;
	dialog_tls_failed(session->dialog, side, SLICE("no memory"));
	session_turn(session);
}

void
session_begin_tls(struct session *session, enum dialog_side side)
{
	const struct buf *out = side == DIALOG_CLIENT ? &session->io.client_out
						      : &session->io.server_out;

	if (session->tls_begins[side] && buf_len(out) == 0)
		begin(session, side);
}

/* --- implicit TLS ---------------------------------------------------------------------- */

static void
wrap_client_now(struct session *session)
{
	session->unwrapped = false;
	dialog_shakes(session->dialog, DIALOG_CLIENT);
	begin(session, DIALOG_CLIENT);
}

/* In the server's name: when it has shown its certificate. */
void
session_wrap_client(struct session *session)
{
	enum policy_starttls how = dialog_wraps_client(session->dialog);

	if (how == POLICY_STARTTLS_PASS)
		return;
	session->unwrapped = true;
	session->intercepts = how == POLICY_STARTTLS_INTERCEPT;
	session->held = !session->intercepts;
	stream_pause(session->client, true);
	if (session->held)
		wrap_client_now(session);
}

void
session_wrap_server(struct session *session)
{
	if (dialog_wraps_server(session->dialog)) {
		dialog_shakes(session->dialog, DIALOG_SERVER);
		begin(session, DIALOG_SERVER);
	} else if (session->unwrapped) {
		wrap_client_now(session);
	}
}

/* --- end ------------------------------------------------------------------------------- */

bool
session_take_handshake(
    struct session *session, enum dialog_side side, enum stream_event event)
{
	struct stream *stream = stream_of(session, side);
	struct tls_facts facts;

	if (!session->shakes[side] || session->phase == PHASE_CLOSE ||
	    (event != STREAM_TLS && event != STREAM_ERROR))
		return false;
	session->shakes[side] = false;
	if (side == DIALOG_CLIENT)
		session->held = false;
	/* What is relayed unread ends as any broken connection does. */
	if (event == STREAM_ERROR && session->phase != PHASE_TALK)
		return false;
	if (event == STREAM_ERROR)
		dialog_tls_failed(
		    session->dialog, side, slice_str(stream_tls_error(stream)));
	else if (stream_tls_facts(stream, &facts))
		dialog_secured(session->dialog, side,
		    &(struct record_tls){.version = facts.version,
			.cipher = slice_str(facts.cipher),
			.name = facts.name,
			.verified = slice_str(facts.verified),
			.subject = facts.subject,
			.fingerprint = facts.fingerprint,
			.resumed = facts.resumed});
	if (event == STREAM_TLS && side == DIALOG_SERVER && session->unwrapped)
		wrap_client_now(session);
	return true;
}
