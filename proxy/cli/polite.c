/*
 * The polite server.  See polite.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/polite.h"

#define HOST "server.invalid"

void
polite_connected(struct polite *polite, struct buf *out)
{
	polite->state = POLITE_COMMAND;
	buf_append(out, SLICE("220 " HOST " ESMTP\r\n"));
}

static const struct {
	struct slice verb, reply;
} replies[] = {
    {SLICE("EHLO"),
	SLICE("250-" HOST "\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n"
	      "250-8BITMIME\r\n250-CHUNKING\r\n250-STARTTLS\r\n"
	      "250 AUTH PLAIN\r\n")},
    {SLICE("HELO"), SLICE("250 " HOST "\r\n")},
    {SLICE("MAIL"), SLICE("250 2.1.0 Ok\r\n")},
    {SLICE("RCPT"), SLICE("250 2.1.5 Ok\r\n")},
    {SLICE("DATA"), SLICE("354 End with a dot\r\n")},
    {SLICE("RSET"), SLICE("250 2.0.0 Ok\r\n")},
    {SLICE("NOOP"), SLICE("250 2.0.0 Ok\r\n")},
    {SLICE("VRFY"), SLICE("252 2.5.0 Send it and see\r\n")},
    {SLICE("HELP"), SLICE("214 2.0.0 Anything goes\r\n")},
    {SLICE("ETRN"), SLICE("250 2.0.0 Ok\r\n")},
    {SLICE("STARTTLS"), SLICE("220 2.0.0 Go ahead\r\n")},
    {SLICE("QUIT"), SLICE("221 2.0.0 Bye\r\n")},
};

/* The word at `at`, up to a blank. */
static struct slice
word_at(struct slice line, size_t at)
{
	struct slice rest = slice_from(line, at);
	ptrdiff_t blank = slice_find(rest, ' ');

	return blank == -1 ? rest : slice_head(rest, (size_t)blank);
}

static void
answer_message(struct polite *polite, struct buf *out)
{
	buf_printf(out, "250 2.0.0 Ok: queued as %u\r\n", ++polite->messages);
}

static void
begin_chunk(struct polite *polite, struct slice line)
{
	struct slice size = word_at(line, 5);

	polite->state = POLITE_CHUNK;
	if (!slice_to_u64(size, &polite->left))
		polite->left = 0;
	polite->last = slice_has_suffix_nocase(line, SLICE(" LAST"));
}

static void
answer_auth(struct polite *polite, struct slice line, struct buf *out)
{
	/* "AUTH PLAIN" alone asks for a line more. */
	if (polite->state == POLITE_COMMAND &&
	    word_at(line, 5).len + 5 == line.len) {
		polite->state = POLITE_AUTH;
		buf_append(out, SLICE("334 \r\n"));
		return;
	}
	polite->state = POLITE_COMMAND;
	buf_append(out, SLICE("235 2.7.0 Welcome\r\n"));
}

static void
on_command(struct polite *polite, struct slice line, struct buf *out)
{
	struct slice verb = word_at(line, 0);

	if (slice_eq_nocase(verb, SLICE("AUTH"))) {
		answer_auth(polite, line, out);
		return;
	}
	if (slice_eq_nocase(verb, SLICE("BDAT"))) {
		begin_chunk(polite, line);
		return;
	}
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		if (!slice_eq_nocase(verb, replies[i].verb))
			continue;
		if (slice_eq(replies[i].verb, SLICE("DATA")))
			polite->state = POLITE_DATA;
		buf_append(out, replies[i].reply);
		return;
	}
	buf_append(out, SLICE("250 2.0.0 Ok\r\n"));
}

static void
on_line(struct polite *polite, struct slice line, struct buf *out)
{
	if (polite->saw != NULL)
		polite->saw(polite->arg, line);
	switch (polite->state) {
	case POLITE_COMMAND:
		on_command(polite, line, out);
		break;
	case POLITE_AUTH:
		answer_auth(polite, line, out);
		break;
	case POLITE_DATA:
		if (!slice_eq(line, SLICE(".")))
			break;
		polite->state = POLITE_COMMAND;
		answer_message(polite, out);
		break;
	case POLITE_CHUNK:
		break;
	}
}

static bool
take_chunk(struct polite *polite, struct buf *in, struct buf *out)
{
	size_t len = buf_len(in);

	if (len > polite->left)
		len = (size_t)polite->left;
	if (len > 0 && polite->saw != NULL)
		polite->saw(polite->arg, slice_head(buf_slice(in), len));
	buf_consume(in, len);
	polite->left -= len;
	if (polite->left > 0)
		return false;
	polite->state = POLITE_COMMAND;
	if (polite->last)
		answer_message(polite, out);
	else
		buf_append(out, SLICE("250 2.0.0 Ok\r\n"));
	return true;
}

bool
polite_step(struct polite *polite, struct buf *in, struct buf *out)
{
	struct slice bytes = buf_slice(in);

	if (polite->state == POLITE_CHUNK)
		return take_chunk(polite, in, out);
	ptrdiff_t newline = slice_find(bytes, '\n');
	if (newline == -1) {
		/* Message text may have lines longer than the buffer. */
		if (buf_room(in) == 0 && polite->state == POLITE_DATA)
			buf_clear(in);
		return false;
	}
	struct slice line = slice_head(bytes, (size_t)newline);
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	on_line(polite, line, out);
	buf_consume(in, (size_t)newline + 1);
	return true;
}
