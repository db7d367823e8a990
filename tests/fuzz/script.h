/*
 * Both ends by a script: the first byte chooses a policy and how the gate
 * greets; then a byte for what happens, two for a length, and as many bytes.
 * tests/fuzz/seeds.py writes the transcripts so.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef FUZZ_SCRIPT_H
#define FUZZ_SCRIPT_H

#include "tests/fuzz/drive.h"

static const char *const script_texts[] = {
    "policy: 1\nhelo: []\ndefault: accept\n",
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
    "starttls: pass}\n",
    /* The protocol, enforced and watched. */
    "policy: 1\nprotocol: {bare_newline: reject, pipelining: hold, "
    "early_talker: log, banner: \"gw {ref}\"}\n"
    "limits: {junk: 4, commands: 12}\nhelo: []\ndefault: accept\n",
    ("policy: 1\nmode: monitor\nprotocol: {bare_newline: reject}\n"
     "limits: {junk: 4, commands: 12}\nhelo: []\ndefault: accept\n")};

enum {
	SCRIPT_POLICIES = sizeof(script_texts) / sizeof(script_texts[0])
};

static struct policy *script_policies[SCRIPT_POLICIES];

static inline void
script_load(void)
{
	for (unsigned i = 0; i < SCRIPT_POLICIES; i++)
		if (script_policies[i] == NULL)
			script_policies[i] = drive_policy(script_texts[i]);
}

/* `piece`: how many bytes at a time, by side; 0: all that come together. */
static inline void
script_happen(struct drive *drive, unsigned what, struct slice bytes,
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

/* Which policy a script is about. */
static inline unsigned
script_policy(struct slice input)
{
	return (uint8_t)input.ptr[0] / 4 % SCRIPT_POLICIES;
}

static inline bool
script_asks_dns(struct slice input)
{
	return strstr(script_texts[script_policy(input)], "dns") != NULL;
}

static inline void
script_play(struct drive *drive, struct slice input, const size_t piece[2])
{
	unsigned first = (uint8_t)input.ptr[0];

	drive_open(drive, script_policies[script_policy(input)], first % 2 != 0,
	    first / 2 % 2 != 0);
	input = slice_from(input, 1);
	while (input.len >= 3) {
		const uint8_t *head = (const uint8_t *)input.ptr;
		size_t len = (size_t)head[1] << 8 | head[2];
		unsigned what = head[0];

		input = slice_from(input, 3);
		if (len > input.len)
			len = input.len;
		script_happen(drive, what, slice_head(input, len), piece);
		input = slice_from(input, len);
	}
	drive_finish(drive);
	drive_end(drive);
}

#endif
