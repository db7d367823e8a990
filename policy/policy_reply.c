/*
 * Replies and templates: what a client is told, in words that say why.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/policy_private.h"

#include <stdio.h>

enum {
	/* What one {word} may contribute: a reply line is short. */
	WORD_MAX = 128,
	REF_ROOM = 32
};

static const char *const words[] = {
    "{helo}", "{client}", "{client.ptr}", "{server}", "{rule}", "{ref}"};

enum {
	WORD_PTR = 2,
	WORDS = sizeof(words) / sizeof(words[0])
};

/* The word at the start of the text, or -1. */
static int
word_at(struct slice text)
{
	for (int i = 0; i < WORDS; i++)
		if (slice_eq(slice_head(text, strlen(words[i])),
			slice_str(words[i])))
			return i;
	return -1;
}

bool
policy_template_is_known(struct slice template, struct slice *bad)
{
	for (size_t i = 0; i < template.len; i++) {
		if (template.ptr[i] != '{')
			continue;
		struct slice rest = slice_from(template, i);
		if (word_at(rest) != -1)
			continue;
		ptrdiff_t end = slice_find(rest, '}');
		*bad = end == -1 ? rest : slice_head(rest, (size_t)end + 1);
		return false;
	}
	return true;
}

bool policy_template_is_constant(struct slice template)
{
	return slice_find(template, '{') == -1;
}

bool policy_template_has_ptr(struct slice template)
{
	for (size_t i = 0; i < template.len; i++)
		if (template.ptr[i] == '{' &&
		    word_at(slice_from(template, i)) == WORD_PTR)
			return true;
	return false;
}

struct slice
policy_ptr(const struct policy_facts *facts)
{
	const struct lookup_value *value;

	if (facts->lookup == NULL)
		return SLICE("");
	value = lookup_get(facts->lookup, LOOKUP_CLIENT_PTR);
	return value->state == LOOKUP_KNOWN && value->name_count > 0
		   ? value->names[0]
		   : SLICE("");
}

static struct slice
value_of(int word, const struct policy_facts *facts,
    const struct policy_rule_id *rule, char text[ADDR_TEXT])
{
	switch (word) {
	case 0:
		return facts->helo;
	case 1:
		return slice_str(addr_format(&facts->client, text));
	case WORD_PTR:
		return policy_ptr(facts);
	case 3:
		return slice_str(addr_format(&facts->server.addr, text));
	case 4:
		return rule->name;
	default:
		return facts->ref;
	}
}

static size_t
put(struct slice text, char *out, size_t size)
{
	size_t n = 0;

	for (; n < text.len && n < size; n++)
		out[n] = text.ptr[n] >= 0x20 && text.ptr[n] <= 0x7e
			     ? text.ptr[n]
			     : '?';
	return n;
}

size_t
policy_expand(struct slice template, const struct policy_facts *facts,
    const struct policy_rule_id *rule, char *out, size_t size)
{
	char text[ADDR_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < template.len && n < size;) {
		struct slice rest = slice_from(template, i);
		int word = rest.ptr[0] == '{' ? word_at(rest) : -1;
		if (word == -1) {
			n += put(slice_head(rest, 1), out + n, size - n);
			i++;
			continue;
		}
		struct slice value =
		    slice_head(value_of(word, facts, rule, text), WORD_MAX);
		n += put(value, out + n, size - n);
		i += strlen(words[word]);
	}
	return n;
}

static int
first_syntax_flaw(const struct helo *judged)
{
	for (int i = 0; i < HELO_FLAW_COUNT; i++)
		if ((judged->flaws & HELO_BIT(i)) != 0 &&
		    !helo_flaw_is_advisory((enum helo_flaw)i))
			return i;
	return -1;
}

/* What a reply says that the rule leaves unsaid. */
struct reply {
	unsigned code;
	const char *status;
	char text[160];
};

static void
say_reject(const struct policy_facts *facts, struct reply *out)
{
	int flaw =
	    facts->judged == NULL ? -1 : first_syntax_flaw(facts->judged);

	out->code = 550;
	out->status = "5.7.1";
	if (flaw != -1) {
		out->code = 501;
		out->status = "5.5.4";
	} else if (facts->judged != NULL &&
		   (facts->judged->flaws & HELO_BIT(HELO_FLAW_SINGLE_LABEL)) !=
		       0) {
		flaw = HELO_FLAW_SINGLE_LABEL;
		out->code = 504;
		out->status = "5.5.2";
	}
	snprintf(out->text, sizeof(out->text), "HELO/EHLO argument refused: %s",
	    flaw == -1 ? "the policy of this gate does not take this name"
		       : helo_flaw_text((enum helo_flaw)flaw));
}

static void
say_default(const struct then *then, enum policy_stage stage,
    const struct policy_facts *facts, struct reply *out)
{
	bool reject = then->action != POLICY_TEMPFAIL;

	if (stage == POLICY_STAGE_CONNECT) {
		out->code = reject ? 554 : 421;
		out->status = reject ? "5.7.1" : "4.7.1";
		snprintf(out->text, sizeof(out->text),
		    reject ? "the policy of this gate refuses the connection"
			   : "not now, try again later");
	} else if (stage != POLICY_STAGE_HELO) {
		out->code = reject ? 550 : 450;
		out->status = reject ? "5.7.1" : "4.7.1";
		snprintf(out->text, sizeof(out->text), "%s %s",
		    stage == POLICY_STAGE_MAIL ? "sender" : "recipient",
		    reject ? "refused by the policy of this gate"
			   : "not taken now, try again later");
	} else if (reject) {
		say_reject(facts, out);
	} else {
		out->code = 450;
		out->status = "4.7.1";
		snprintf(out->text, sizeof(out->text),
		    "HELO/EHLO argument not taken now, try again later");
	}
}

void
policy_reply(const struct then *then, const struct policy_rule_id *rule,
    enum policy_stage stage, const struct policy_facts *facts,
    struct policy_verdict *out)
{
	struct reply reply;
	size_t room = sizeof(out->reply) - REF_ROOM;
	size_t len;

	say_default(then, stage, facts, &reply);
	/* A code of the operator's own does not keep a status that belongs
	 * to another. */
	if (then->code != 0 && then->code != reply.code) {
		reply.code = then->code;
		reply.status = then->code >= 500 ? "5.7.1" : "4.7.1";
	}
	len = (size_t)snprintf(out->reply, room, "%u ", reply.code);
	struct slice status =
	    then->status.len > 0 ? then->status : slice_str(reply.status);
	len += put(status, out->reply + len, room - len);
	out->reply[len++] = ' ';
	struct slice text =
	    then->text.len > 0 ? then->text : slice_str(reply.text);
	len += policy_expand(text, facts, rule, out->reply + len, room - len);
	len += (size_t)snprintf(out->reply + len, REF_ROOM, " [ref %.*s]",
	    SLICE_FMT(slice_head(facts->ref, 16)));
	out->reply_len = len;
}
