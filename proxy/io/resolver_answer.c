/*
 * Answers of DNS.  See resolver_answer.h.
 *
 * c-ares 1.18 has a parser per type, but those of PTR, MX, NS and TXT give no
 * TTL, and none compares the owner with the name asked for.  So the records
 * are walked here: names are expanded by c-ares (compression, loops, bounds),
 * every other read goes through take(), which knows where the packet ends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/resolver_answer.h"

#include "base/buf.h"

#include <ares.h>
#include <assert.h>
#include <stdlib.h>

enum {
	HEADER = 12,
	/* More than these are not looked at: room for DNS_RECORDS_MAX, their
	 * chain, its signatures, and the zone's SOA. */
	WALK_MAX = 256,
	TEXT_ROOM = DNS_RECORDS_MAX * (DNS_TEXT_MAX + 1),
	SOA_NUMBERS = 20, /* the five numbers at the end of a SOA */
	CLASS_IN = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	RCODE_NXDOMAIN = 3,
	FLAG_AD = 0x20 /* in the header's fourth octet */
};

/* By enum dns_type. */
static const uint16_t type_numbers[DNS_TYPE_COUNT] = {1, 28, 12, 15, 2, 16, 52};

/* A resource record as it lies in the packet. */
struct raw {
	char owner[DNS_NAME_MAX + 1]; /* lower case; "": none that we ask for */
	uint16_t type;
	uint32_t ttl;
	size_t at; /* its data */
	size_t len;
	bool is_authority;
};

struct walk {
	const unsigned char *packet;
	size_t len;
	size_t at;
	unsigned count;
	struct raw raw[WALK_MAX];
};

/* What is found, before it is put in one piece.  Texts are offsets into
 * `text` until that no longer moves. */
struct found {
	enum dns_status status;
	bool authentic;
	uint32_t ttl;
	bool had_records; /* of the type, whether or not they count */
	unsigned count;
	struct dns_record records[DNS_RECORDS_MAX];
	size_t text_at[DNS_RECORDS_MAX];
	struct buf text;
};

/* --- reading --------------------------------------------------------------- */

static const unsigned char *
take(struct walk *walk, size_t len)
{
	const unsigned char *at = walk->packet + walk->at;

	if (walk->at > walk->len || len > walk->len - walk->at)
		return NULL;
	walk->at += len;
	return at;
}

static uint16_t
u16(const unsigned char *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t
u32(const unsigned char *at)
{
	return (uint32_t)u16(at) << 16 | u16(at + 2);
}

/* A name in lower case.  One that cannot be a host's or be asked for (c-ares
 * writes odd bytes as escapes, which have a backslash) becomes "".  False: the
 * packet is malformed. */
static bool
take_name(struct walk *walk, char out[DNS_NAME_MAX + 1])
{
	char *name;
	long used;

	if (walk->at >= walk->len ||
	    ares_expand_name(walk->packet + walk->at, walk->packet,
		(int)walk->len, &name, &used) != ARES_SUCCESS)
		return false;
	walk->at += (size_t)used;
	struct slice text = slice_str(name);
	if (!dns_name_is_askable(text))
		text.len = 0;
	for (size_t i = 0; i < text.len; i++)
		out[i] = ascii_lower(text.ptr[i]);
	out[text.len] = '\0';
	ares_free_string(name);
	return walk->at <= walk->len;
}

static bool
take_record(struct walk *walk, bool is_authority)
{
	struct raw *raw = &walk->raw[walk->count];
	const unsigned char *fixed;

	if (!take_name(walk, raw->owner) || (fixed = take(walk, 10)) == NULL)
		return false;
	raw->type = u16(fixed);
	raw->ttl = u32(fixed + 4);
	/* RFC 2181 8: one beyond 2^31 - 1 counts as zero. */
	if (raw->ttl > INT32_MAX)
		raw->ttl = 0;
	raw->len = u16(fixed + 8);
	raw->at = walk->at;
	raw->is_authority = is_authority;
	if (take(walk, raw->len) == NULL)
		return false;
	if (u16(fixed + 2) == CLASS_IN)
		walk->count++;
	return true;
}

/* The question, which must be ours, and all records of the first two
 * sections. */
static bool
take_all(struct walk *walk, const struct dns_question *question)
{
	const unsigned char *header = walk->packet, *fixed;
	char name[DNS_NAME_MAX + 1];
	unsigned answers = u16(header + 6), authority = u16(header + 8);

	walk->at = HEADER;
	if (u16(header + 4) != 1 || !take_name(walk, name) ||
	    !slice_eq_nocase(slice_str(name), question->name) ||
	    (fixed = take(walk, 4)) == NULL ||
	    u16(fixed) != type_numbers[question->type] ||
	    u16(fixed + 2) != CLASS_IN)
		return false;
	for (unsigned i = 0; i < answers + authority; i++) {
		if (walk->count == WALK_MAX)
			return true;
		if (!take_record(walk, i >= answers))
			return false;
	}
	return true;
}

/* --- records --------------------------------------------------------------- */

static bool
add_text(struct found *found, struct slice text)
{
	found->text_at[found->count] = buf_len(&found->text);
	found->records[found->count].text.len = text.len;
	return buf_append(&found->text, text);
}

/* A host's name at the end of a record's data.  False: malformed. */
static bool
add_host(
    struct walk *walk, const struct raw *raw, size_t skip, struct found *found)
{
	char name[DNS_NAME_MAX + 1];
	struct dns_record *record = &found->records[found->count];

	if (raw->len <= skip)
		return false;
	walk->at = raw->at + skip;
	if (!take_name(walk, name) || walk->at != raw->at + raw->len)
		return false;
	if (name[0] == '\0')
		return true;
	*record = (struct dns_record){.preference = 0};
	if (skip == 2)
		record->preference = u16(walk->packet + raw->at);
	if (!add_text(found, slice_str(name)))
		return false;
	found->count++;
	return true;
}

static bool
add_strings(struct walk *walk, const struct raw *raw, struct found *found)
{
	char text[DNS_TEXT_MAX];
	size_t len = 0, end = raw->at + raw->len;

	if (raw->len == 0)
		return false;
	for (size_t at = raw->at; at < end;) {
		size_t size = walk->packet[at++];
		if (size > end - at)
			return false;
		size_t keep =
		    size < sizeof(text) - len ? size : sizeof(text) - len;
		memcpy(text + len, walk->packet + at, keep);
		len += keep;
		at += size;
	}
	found->records[found->count] = (struct dns_record){.preference = 0};
	if (!add_text(found, slice_of(text, len)))
		return false;
	found->count++;
	return true;
}

/* A record's data as it is, for who knows what it means. */
static bool
add_data(struct walk *walk, const struct raw *raw, struct found *found)
{
	struct slice data =
	    slice_of((const char *)walk->packet + raw->at, raw->len);

	found->records[found->count] = (struct dns_record){.preference = 0};
	if (raw->len > DNS_TEXT_MAX || !add_text(found, data))
		return false;
	found->count++;
	return true;
}

static bool
add_address(struct walk *walk, const struct raw *raw, struct found *found)
{
	static const uint8_t mapped[12] = {
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	const unsigned char *bytes = walk->packet + raw->at;
	struct addr addr = {.family = 4};
	size_t len = raw->len;

	if (len != (raw->type == type_numbers[DNS_A] ? 4 : 16))
		return false;
	/* addr.h: such an address has one form only. */
	if (len == 16 && memcmp(bytes, mapped, 12) == 0) {
		bytes += 12;
		len = 4;
	}
	if (len == 16)
		addr.family = 6;
	memcpy(addr.bytes, bytes, len);
	found->records[found->count++] = (struct dns_record){.addr = addr};
	return true;
}

static bool
add_record(struct walk *walk, const struct raw *raw, enum dns_type type,
    struct found *found)
{
	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		return add_address(walk, raw, found);
	case DNS_PTR:
	case DNS_NS:
		return add_host(walk, raw, 0, found);
	case DNS_MX:
		return add_host(walk, raw, 2, found);
	case DNS_TXT:
		return add_strings(walk, raw, found);
	case DNS_TLSA:
		return add_data(walk, raw, found);
	case DNS_TYPE_COUNT:
	default:
		return false;
	}
}

static void
lower_ttl(struct found *found, uint32_t ttl)
{
	if (ttl < found->ttl)
		found->ttl = ttl;
}

/* The records of one owner; how many there were, -1: malformed. */
static int
add_records(struct walk *walk, const char *owner, enum dns_type type,
    struct found *found)
{
	int seen = 0;

	for (unsigned i = 0; i < walk->count; i++) {
		const struct raw *raw = &walk->raw[i];
		if (raw->is_authority || raw->type != type_numbers[type] ||
		    strcmp(raw->owner, owner) != 0)
			continue;
		seen++;
		lower_ttl(found, raw->ttl);
		if (found->count < DNS_RECORDS_MAX &&
		    !add_record(walk, raw, type, found))
			return -1;
	}
	return seen;
}

/* --- the whole ------------------------------------------------------------- */

static const struct raw *
find_alias(const struct walk *walk, const char *owner)
{
	for (unsigned i = 0; i < walk->count; i++)
		if (!walk->raw[i].is_authority &&
		    walk->raw[i].type == TYPE_CNAME &&
		    strcmp(walk->raw[i].owner, owner) == 0)
			return &walk->raw[i];
	return NULL;
}

/* From the name to its records, alias by alias.  False: nonsense. */
static bool
follow(
    struct walk *walk, const struct dns_question *question, struct found *found)
{
	char owner[DNS_NAME_MAX + 1];

	for (size_t i = 0; i < question->name.len; i++)
		owner[i] = ascii_lower(question->name.ptr[i]);
	owner[question->name.len] = '\0';
	for (unsigned links = 0; links <= RESOLVER_CHAIN_MAX; links++) {
		int seen = add_records(walk, owner, question->type, found);
		found->had_records = seen > 0;
		if (seen != 0)
			return seen > 0;
		const struct raw *alias = find_alias(walk, owner);
		if (alias == NULL)
			return true;
		lower_ttl(found, alias->ttl);
		walk->at = alias->at;
		if (!take_name(walk, owner) ||
		    walk->at != alias->at + alias->len)
			return false;
		/* An alias of a name that can have no address. */
		if (owner[0] == '\0')
			return true;
	}
	return false;
}

/* How long it may be remembered that there is nothing.  False: it is a
 * referral, the server does not resolve for us (RFC 2308 2.2). */
static bool
take_negative_ttl(const struct walk *walk, struct found *found)
{
	bool is_referral = false;

	for (unsigned i = 0; i < walk->count; i++) {
		const struct raw *raw = &walk->raw[i];
		if (!raw->is_authority)
			lower_ttl(found, raw->ttl);
		if (raw->is_authority && raw->type == TYPE_NS)
			is_referral = walk->raw[0].is_authority;
		if (!raw->is_authority || raw->type != TYPE_SOA ||
		    raw->len < SOA_NUMBERS)
			continue;
		lower_ttl(found, raw->ttl);
		lower_ttl(found, u32(walk->packet + raw->at + raw->len - 4));
		lower_ttl(found, RESOLVER_TTL_NEGATIVE_MAX);
		return true;
	}
	found->ttl = RESOLVER_TTL_MIN;
	return !is_referral;
}

static bool
read_packet(
    struct walk *walk, const struct dns_question *question, struct found *found)
{
	const unsigned char *header = walk->packet;

	/* QR set, opcode 0, not cut off. */
	if (walk->len < HEADER || walk->len > UINT16_MAX ||
	    (header[2] & 0xfa) != 0x80)
		return false;
	found->authentic = (header[3] & FLAG_AD) != 0;
	unsigned code = header[3] & 0x0f;
	if ((code != 0 && code != RCODE_NXDOMAIN) || !take_all(walk, question))
		return false;
	if (code == RCODE_NXDOMAIN)
		found->status = DNS_NXDOMAIN;
	else if (!follow(walk, question, found))
		return false;
	else
		found->status = found->count > 0 ? DNS_FOUND : DNS_NODATA;
	return found->had_records || take_negative_ttl(walk, found);
}

static struct resolver_answer *
make(const struct found *found)
{
	size_t bytes = sizeof(struct resolver_answer) +
		       found->count * sizeof(struct dns_record) +
		       buf_len(&found->text);
	struct resolver_answer *out = calloc(1, bytes);

	if (out == NULL)
		return NULL;
	struct dns_record *records = (struct dns_record *)(out + 1);
	char *text = (char *)(records + found->count);
	memcpy(records, found->records, found->count * sizeof(*records));
	memcpy(text, buf_slice(&found->text).ptr, buf_len(&found->text));
	for (unsigned i = 0; i < found->count; i++)
		if (found->records[i].addr.family == 0)
			records[i].text.ptr = text + found->text_at[i];
	out->refs = 1;
	out->bytes = bytes;
	out->answer =
	    (struct dns_answer){found->status, found->ttl, found->count,
		records, found->authentic && found->status != DNS_TEMPERROR};
	return out;
}

struct resolver_answer *
resolver_answer_parse(struct slice packet, const struct dns_question *question)
{
	struct walk *walk = malloc(sizeof(*walk));
	struct found *found = malloc(sizeof(*found));
	struct resolver_answer *out = NULL;

	assert(question->name.len <= DNS_NAME_MAX);
	if (walk != NULL && found != NULL) {
		walk->packet = (const unsigned char *)packet.ptr;
		walk->len = packet.len;
		walk->count = 0;
		found->ttl = RESOLVER_TTL_MAX;
		found->count = 0;
		found->had_records = found->authentic = false;
		buf_init(&found->text, TEXT_ROOM);
		if (!read_packet(walk, question, found)) {
			found->status = DNS_TEMPERROR;
			found->count = 0;
			buf_clear(&found->text);
		}
		if (found->status == DNS_TEMPERROR ||
		    found->ttl < RESOLVER_TTL_MIN)
			found->ttl = RESOLVER_TTL_MIN;
		out = make(found);
		buf_fini(&found->text);
	}
	free(walk);
	free(found);
	return out;
}

struct resolver_answer *
resolver_answer_new(enum dns_status status, uint32_t ttl)
{
	struct resolver_answer *out = calloc(1, sizeof(*out));

	if (out == NULL)
		return NULL;
	out->refs = 1;
	out->bytes = sizeof(*out);
	out->answer.status = status;
	out->answer.ttl = ttl;
	return out;
}

struct resolver_answer *
resolver_answer_ref(struct resolver_answer *answer)
{
	answer->refs++;
	return answer;
}

void
resolver_answer_unref(struct resolver_answer **answer_p)
{
	struct resolver_answer *answer = *answer_p;

	*answer_p = NULL;
	if (answer == NULL)
		return;
	assert(answer->refs > 0);
	if (--answer->refs == 0)
		free(answer);
}
