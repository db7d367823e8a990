/*
 * libFuzzer: any packet as an answer of DNS.  Whatever is in it, what comes
 * out obeys base/dns.h, TLSA records can be judged, and the addresses are among those that c-ares's own
 * parser finds.
 *
 * The input: a byte (bits 0-2 the type, bit 3: the rest is a whole packet);
 * else a byte of flags, the return code, the numbers of answers and of
 * records of authority, and those.  The question is always "q.example".
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/resolver_answer.h"
#include "io/tls_dane.h"

#include <ares.h>
#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	PARTS = 5,
	HEADER = 12,
	QUESTION = 15,
	ADDRESSES = 1000
};

static const struct slice name = {"q.example", 9};

static void
check_host(struct slice host)
{
	assert(dns_name_is_askable(host));
	for (size_t i = 0; i < host.len; i++)
		assert(ascii_lower(host.ptr[i]) == host.ptr[i]);
}

/* Whatever it holds, it is read, judged and printed. */
static void
check_tlsa(struct slice data)
{
	char text[TLS_TLSA_TEXT];
	struct tls_tlsa record;

	if (!tls_tlsa_parse(data, &record)) {
		assert(data.len <= 3);
		return;
	}
	assert(record.data.len == data.len - 3);
	assert(strlen(tls_tlsa_format(&record, text)) < sizeof(text));
	assert(tls_tlsa_refusal(&record) != NULL || record.usage == 2 ||
	       record.usage == 3);
}

static void
check_record(enum dns_type type, const struct dns_record *record)
{
	if (type == DNS_A || type == DNS_AAAA) {
		char text[ADDR_TEXT];
		struct addr again;
		addr_format(&record->addr, text);
		assert(addr_parse(slice_str(text), &again));
		assert(addr_eq(&again, &record->addr));
		assert(record->text.len == 0);
		return;
	}
	assert(record->addr.family == 0);
	if (type == DNS_TLSA)
		check_tlsa(record->text);
	if (type == DNS_TXT || type == DNS_TLSA)
		assert(record->text.len <= DNS_TEXT_MAX);
	else
		check_host(record->text);
}

static void
check(enum dns_type type, const struct resolver_answer *whole)
{
	const struct dns_answer *answer = &whole->answer;
	size_t text = 0;

	assert(answer->ttl >= RESOLVER_TTL_MIN);
	assert(answer->ttl <= RESOLVER_TTL_MAX);
	assert((answer->status == DNS_FOUND) == (answer->count > 0));
	assert(answer->count <= DNS_RECORDS_MAX);
	assert(answer->status != DNS_TEMPERROR || answer->ttl == 1);
	for (unsigned i = 0; i < answer->count; i++) {
		check_record(type, &answer->records[i]);
		text += answer->records[i].text.len;
	}
	assert(
	    whole->bytes ==
	    sizeof(*whole) + answer->count * sizeof(struct dns_record) + text);
}

/* c-ares does not look at owners, so it may find more.  Where an owner has an
 * alias and addresses too, which is forbidden, it takes the alias and we take
 * the addresses: no packet with an alias is compared. */
static void
compare(struct slice packet, const struct dns_answer *answer)
{
	static struct ares_addrttl found[ADDRESSES];
	struct hostent *host = NULL;
	int count = ADDRESSES;

	if (ares_parse_a_reply((const unsigned char *)packet.ptr,
		(int)packet.len, &host, found, &count) != ARES_SUCCESS)
		return;
	bool has_alias = host->h_aliases[0] != NULL;
	ares_free_hostent(host);
	for (unsigned i = 0; i < answer->count && !has_alias; i++) {
		bool same = false;
		for (int n = 0; n < count && !same; n++)
			same = memcmp(&found[n].ipaddr,
				   answer->records[i].addr.bytes, 4) == 0;
		assert(same);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t numbers[] = {1, 28, 12, 15, 2, 16, 52};

	if (size < PARTS)
		return 0;
	struct dns_question question = {
	    name, (enum dns_type)((data[0] & 7) % DNS_TYPE_COUNT)};
	bool is_whole = (data[0] & 8) != 0;
	size_t skip = is_whole ? 1 : PARTS;
	size_t made = is_whole ? 0 : HEADER + QUESTION;
	size_t len = made + size - skip;
	uint8_t *packet = malloc(len);

	if (!is_whole) {
		memcpy(packet, "\0\0\x80\0\0\1\0\0\0\0\0\0", HEADER);
		packet[2] ^= data[1];
		packet[3] = data[2];
		packet[7] = data[3];
		packet[9] = data[4];
		memcpy(packet + HEADER, "\1q\7example\0\0\0\0\1", QUESTION);
		packet[HEADER + 12] = numbers[question.type];
	}
	memcpy(packet + made, data + skip, size - skip);
	struct slice bytes = slice_of((const char *)packet, len);
	struct resolver_answer *answer =
	    resolver_answer_parse(bytes, &question);
	assert(answer != NULL && answer->refs == 1);
	check(question.type, answer);
	if (question.type == DNS_A)
		compare(bytes, &answer->answer);
	free(packet);
	resolver_answer_unref(&answer);
	return 0;
}
