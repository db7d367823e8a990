/*
 * libFuzzer: both ends say anything.  The first byte chooses a policy; then
 * a byte for what happens, two for a length, and as many bytes.  The oracle:
 * what goes to the server has proper line ends and no NUL; what goes to the
 * client is whole reply lines; and whole or byte by byte, the same input gives
 * the same output and the same record.  (A server that speaks unasked is found
 * out sooner or later, as its bytes come.)
 *
 * SPDX-License-Identifier: MIT
 */
#include "tests/fuzz/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const texts[] = {"policy: 1\nhelo: []\ndefault: accept\n",
    "policy: 1\nhelo:\n"
    "- {name: a, when: {helo.flaw: [underscore, single_label, missing]}, "
    "then: {repair: all, starttls: pass}}\n"
    "- {name: b, when: {helo.valid: false}, then: reject}\n"
    "default: accept\n"
    "on_server_refusal: {repair: [lowercase, client_literal], "
    "starttls: pass}\n",
    "policy: 1\nmode: monitor\nhelo:\n"
    "- {name: a, when: {helo.valid: false}, then: tempfail}\n"
    "default: reject\n",
    "policy: 1\nhelo:\n"
    "- {name: a, when: {helo.valid: false}, then: splice}\n"
    "- {name: b, when: {helo: drop.example}, then: drop}\n"
    "default: {rewrite: \"{helo}.example\", "
    "starttls: hide, accept_downgrade: true}\n",
    /* The envelope, limits, refusals put off. */
    "policy: 1\nlimits: {errors: 6, recipients: 3, messages: 2}\n"
    "commands: {deny: [VRFY], AUTH: {require: tls}}\nhelo:\n"
    "- {name: a, when: {helo: a.example}, then: {reject: {at: mail}}}\n"
    "- {name: b, when: {helo: b.example}, then: {tempfail: {at: rcpt}}}\n"
    "- {name: c, when: {helo: c.example}, then: {reject: {delay: 5s}}}\n"
    "mail:\n"
    "- {name: d, when: {mail.from: d@x.example}, then: reject}\n"
    "- {name: e, when: {mail.from: null}, then: {tempfail: {delay: 5s}}}\n"
    "rcpt:\n"
    "- {name: f, when: {rcpt.to: f@x.example}, then: reject}\n"
    "- {name: g, when: {rcpt.to: g@x.example}, then: drop}\n"
    "- {name: h, when: {rcpt.to: h@x.example}, then: splice}\n"
    "default: accept\n",
    /* DNS in all stages. */
    "policy: 1\nconnect:\n"
    "- {name: a, when: {client.ptr: {under: no.example}}, then: reject}\n"
    "- {name: b, then: {accept: {delay: 1s}}}\nhelo:\n"
    "- {name: c, when: {helo.dns: nxdomain}, on_temperror: tempfail, "
    "then: {reject: {delay: 2s}}}\n"
    "- {name: d, when: {helo.dns: none}, then: {reject: {at: rcpt}}}\n"
    "- {name: e, when: {helo.valid: false}, "
    "then: {repair: [client_ptr, client_literal], starttls: pass}}\n"
    "mail:\n"
    "- {name: f, when: {helo.spf: fail, mail.from: null}, then: reject}\n"
    "- {name: g, when: {helo.rhsbl: x.example}, then: tempfail}\n"
    "rcpt:\n"
    "- {name: h, when: {client.dnsbl: y.example, rcpt.to: f@x.example}, "
    "then: reject}\n"
    "default: accept\n"
    "on_server_refusal: {repair: [client_ptr, client_literal], "
    "starttls: pass}\n"};

enum {
	POLICIES = sizeof(texts) / sizeof(texts[0])
};

static struct policy *policies[POLICIES];

static void
happen(struct drive *drive, unsigned what, struct slice bytes,
    const size_t piece[2])
{
	switch (what % 8) {
	case 0:
	case 1:
	case 2:
		drive_feed(drive, DIALOG_CLIENT, bytes, piece[0]);
		return;
	case 3:
	case 4:
	case 5:
		drive_feed(drive, DIALOG_SERVER, bytes, piece[1]);
		return;
	case 6:
		drive_eof(
		    drive, bytes.len % 2 == 0 ? DIALOG_CLIENT : DIALOG_SERVER);
		return;
	default:
		break;
	}
	if (drive->over)
		return;
	if (bytes.len % 4 == 0) {
		drive_time_out(drive);
	} else if (bytes.len % 4 == 1) {
		dialog_drain(drive->dialog);
		drive_step(drive);
	} else {
		drive_answer(drive, bytes.len % 4 == 2 ? 1 : DRIVE_ASKED);
	}
}

static void
play(struct drive *drive, struct slice input, const size_t piece[2])
{
	unsigned first = (uint8_t)input.ptr[0];

	drive_open(drive, policies[first / 2 % POLICIES], first % 2 != 0);
	input = slice_from(input, 1);
	while (input.len >= 3) {
		const uint8_t *head = (const uint8_t *)input.ptr;
		size_t len = (size_t)head[1] << 8 | head[2];
		unsigned what = head[0];

		input = slice_from(input, 3);
		if (len > input.len)
			len = input.len;
		happen(drive, what, slice_head(input, len), piece);
		input = slice_from(input, len);
	}
	drive_finish(drive);
	drive_end(drive);
}

static void
check_replies(struct slice bytes)
{
	while (bytes.len > 0) {
		ptrdiff_t end = slice_find(bytes, '\n');

		assert(end >= 4 && bytes.ptr[end - 1] == '\r');
		assert(bytes.ptr[0] >= '2' && bytes.ptr[0] <= '5');
		/* "250" alone is a reply (RFC 5321 4.2). */
		assert(end == 4 || bytes.ptr[3] == ' ' || bytes.ptr[3] == '-');
		bytes = slice_from(bytes, (size_t)end + 1);
	}
}

static void
same(const struct buf *whole, const struct buf *bytes, const char *what)
{
	struct slice a = buf_slice(whole), b = buf_slice(bytes);

	if (slice_eq(a, b))
		return;
	fprintf(stderr, "%s, whole:\n%.*s\nbyte by byte:\n%.*s\n", what,
	    SLICE_FMT(a), SLICE_FMT(b));
	abort();
}

static void
compare(const struct drive *a, const struct drive *b)
{
	same(&a->to_client, &b->to_client, "to the client");
	same(&a->to_server, &b->to_server, "to the server");
	same(&a->record, &b->record, "record");
}

static bool
is_proper(const struct drive *drive)
{
	static const char none[] = "\"violation_count\":0,";
	struct slice record = buf_slice(&drive->record);

	return memmem(record.ptr, record.len, none, strlen(none)) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t wholes[] = {0, 0}, client[] = {1, 0},
			    both[] = {1, 1};
	static struct drive whole, bytes, pieces;
	struct slice input = slice_of((const char *)data, size);

	if (size == 0)
		return 0;
	for (unsigned i = 0; i < POLICIES; i++)
		if (policies[i] == NULL)
			policies[i] = drive_policy(texts[i]);
	play(&whole, input, wholes);
	play(&bytes, input, client);
	play(&pieces, input, both);
	assert(drive_is_clean(buf_slice(&whole.to_server)));
	assert(drive_is_clean(buf_slice(&pieces.to_server)));
	if (!whole.blind)
		check_replies(buf_slice(&whole.to_client));
	compare(&whole, &bytes);
	if (is_proper(&whole) && is_proper(&pieces))
		compare(&whole, &pieces);
	drive_close(&whole);
	drive_close(&bytes);
	drive_close(&pieces);
	return 0;
}
