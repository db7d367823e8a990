/*
 * TLS of a dialog: what becomes of STARTTLS, and what handshakes bring.
 *
 * SPDX-License-Identifier: MIT
 */
#include "relay/dialog_private.h"

#include <stdio.h>
#include <stdlib.h>

/* --- what becomes of STARTTLS ------------------------------------------------------- */

/* `pass` is said of clients that never use it, and takes nothing back that the
 * listener does to all. */
static enum policy_starttls
stricter(const struct dialog *dialog, enum policy_starttls what)
{
	enum policy_starttls own = dialog->listener->starttls;

	if (own == POLICY_STARTTLS_INTERCEPT && dialog->start.bypass)
		own = POLICY_STARTTLS_PASS;
	if (what == POLICY_STARTTLS_INTERCEPT && dialog->start.bypass)
		what = POLICY_STARTTLS_PASS;
	if (what == POLICY_STARTTLS_UNSAID || what == POLICY_STARTTLS_PASS ||
	    (what == POLICY_STARTTLS_HIDE && own == POLICY_STARTTLS_UPLIFT))
		return own;
	return what;
}

static enum dialog_wish
wish_of(const struct dialog *dialog, enum policy_starttls what)
{
	bool ends = what == POLICY_STARTTLS_TERMINATE ||
		    what == POLICY_STARTTLS_INTERCEPT;

	/* From an uplift on, whatever name comes next: what was encrypted
	 * stays so. */
	if (dialog->uplifted)
		return dialog->listener->uplift_wish;
	return ends ? dialog->listener->end_wish : DIALOG_WISH_NONE;
}

/* Once there was TLS with the server in this session, the engine takes no less
 * than that. */
static void
set_wish(struct dialog *dialog, enum dialog_wish wish)
{
	_Static_assert((int)DIALOG_WISH_MIRROR == (int)SMTP_WISH_MIRROR &&
			   (int)DIALOG_WISH_TRY == (int)SMTP_WISH_TRY &&
			   (int)DIALOG_WISH_MUST == (int)SMTP_WISH_MUST,
	    "the same wishes");
	if (dialog->engine.wish != SMTP_WISH_MUST)
		dialog->engine.wish = (enum smtp_wish)wish;
}

bool
dialog_order_starttls(struct dialog *dialog, enum policy_starttls what)
{
	struct smtp_engine *engine = &dialog->engine;

	if (engine->client_tls)
		return false;
	what = stricter(dialog, what);
	dialog->uplifted |= what == POLICY_STARTTLS_UPLIFT;
	engine->wanted =
	    (struct smtp_starttls){.ends = what == POLICY_STARTTLS_INTERCEPT ||
					   what == POLICY_STARTTLS_TERMINATE,
		.server_first = what == POLICY_STARTTLS_INTERCEPT,
		.refused = what == POLICY_STARTTLS_REFUSE};
	set_wish(dialog, wish_of(dialog, what));
	return what == POLICY_STARTTLS_HIDE;
}

static bool
is_wrapped(const struct dialog *dialog)
{
	return dialog->listener->implicit && !dialog->start.bypass;
}

void
dialog_begin_tls(struct dialog *dialog)
{
	dialog_order_starttls(dialog, POLICY_STARTTLS_UNSAID);
	dialog->engine.client_tls = is_wrapped(dialog);
}

enum policy_starttls
dialog_wraps_client(const struct dialog *dialog)
{
	return is_wrapped(dialog) ? dialog->listener->starttls
				  : POLICY_STARTTLS_PASS;
}

bool
dialog_wraps_server(const struct dialog *dialog)
{
	return is_wrapped(dialog) && (dialog->engine.wish == SMTP_WISH_MIRROR ||
					 dialog->engine.wish == SMTP_WISH_MUST);
}

/* --- the server's name -------------------------------------------------------------- */

void
dialog_keep_server_name(struct dialog *dialog, struct slice greeting)
{
	struct slice name = slice_from(greeting, 4);
	struct helo judged;
	size_t len = 0;

	while (len < name.len && name.ptr[len] != ' ')
		len++;
	name = slice_head(name, len);
	helo_analyse(name, NULL, &judged);
	if (!judged.valid || judged.form != HELO_FORM_DOMAIN)
		name.len = 0;
	snprintf(dialog->server_name, sizeof(dialog->server_name), "%.*s",
	    SLICE_FMT(name));
}

struct slice
dialog_server_name(const struct dialog *dialog)
{
	return slice_str(dialog->server_name);
}

/* --- handshakes --------------------------------------------------------------------- */

void
dialog_shakes(struct dialog *dialog, enum dialog_side side)
{
	dialog->shaking[side] = true;
}

/* What was said in the clear anybody can have said (RFC 3207 4.2): names are
 * judged anew, and nothing of them is in force. */
static void
forget_names(struct dialog *dialog)
{
	free(dialog->deferred);
	free(dialog->coming);
	dialog->deferred = dialog->coming = NULL;
	dialog->current = dialog->greeted = NULL;
	greetings_fini(&dialog->greetings);
	dialog->ehlo_refused = false;
	dialog_set_wants(dialog, NULL);
}

void
dialog_secured(
    struct dialog *dialog, enum dialog_side side, const struct record_tls *tls)
{
	bool server = side == DIALOG_SERVER;

	dialog->shaking[side] = false;
	record_secured(dialog->record, server, tls);
	if (!server)
		dialog->tls_of = (struct policy_tls){slice_str(tls->version),
		    tls->cipher, tls->name, tls->subject, tls->fingerprint};
	if (server && dialog_wraps_server(dialog)) {
		smtp_engine_server_wrapped(&dialog->engine);
	} else if (server) {
		smtp_engine_server_secured(&dialog->engine);
	} else if (!is_wrapped(dialog)) {
		smtp_engine_client_secured(&dialog->engine);
		set_wish(dialog, wish_of(dialog, POLICY_STARTTLS_TERMINATE));
		forget_names(dialog);
	}
}

void
dialog_tls_failed(
    struct dialog *dialog, enum dialog_side side, struct slice detail)
{
	dialog->shaking[side] = false;
	dialog_keep_detail(dialog, detail);
	record_tls_failed(dialog->record, side == DIALOG_SERVER, detail);
	smtp_engine_tls_failed(&dialog->engine, side == DIALOG_SERVER);
}

void
dialog_shook_too_long(struct dialog *dialog)
{
	bool server = dialog->shaking[DIALOG_SERVER];

	dialog->shaking[DIALOG_CLIENT] = dialog->shaking[DIALOG_SERVER] = false;
	record_tls_failed(dialog->record, server, SLICE(""));
	if (server)
		smtp_engine_end(&dialog->engine, "4.4.2",
		    "TLS with the server took too long", "s",
		    "handshake_timeout");
	else
		smtp_engine_over(&dialog->engine, 'c', "handshake_timeout");
}
