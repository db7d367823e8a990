/*
 * SASL user names.  See smtp_sasl.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "smtp/smtp_sasl.h"

/* A response is decoded no further than a name can reach: an authorisation
 * identity, a NUL, the name. */
enum {
	DECODED_MAX = 2 * SMTP_SASL_USER_MAX + 2
};

static int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

static size_t
decode(struct slice in, char out[DECODED_MAX])
{
	unsigned bits = 0, value = 0;
	size_t n = 0;

	for (size_t i = 0; i < in.len && n < DECODED_MAX; i++) {
		int six = sextet(in.ptr[i]);
		if (six < 0)
			break;
		value = (value << 6 | (unsigned)six) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (char)(value >> bits & 0xff);
		}
	}
	return n;
}

/* authzid NUL authcid NUL password */
static struct slice
plain_user(struct slice decoded)
{
	ptrdiff_t nul = slice_find(decoded, '\0');

	if (nul == -1)
		return SLICE("");
	struct slice rest = slice_from(decoded, (size_t)nul + 1);
	nul = slice_find(rest, '\0');
	return nul == -1 ? SLICE("") : slice_head(rest, (size_t)nul);
}

/* user SP digest */
static struct slice
cram_user(struct slice decoded)
{
	size_t space = decoded.len;

	while (space > 0 && decoded.ptr[space - 1] != ' ')
		space--;
	return space == 0 ? SLICE("") : slice_head(decoded, space - 1);
}

size_t
smtp_sasl_user(struct slice mechanism, struct slice response, unsigned step,
    char out[SMTP_SASL_USER_MAX])
{
	char text[DECODED_MAX];
	struct slice user = SLICE("");

	if (step > 0)
		return 0;
	struct slice decoded = slice_of(text, decode(response, text));
	if (slice_eq_nocase(mechanism, SLICE("PLAIN")))
		user = plain_user(decoded);
	else if (slice_eq_nocase(mechanism, SLICE("LOGIN")))
		user = decoded;
	else if (slice_eq_nocase(mechanism, SLICE("CRAM-MD5")))
		user = cram_user(decoded);
	user = slice_head(user, SMTP_SASL_USER_MAX);
	if (user.len > 0)
		memcpy(out, user.ptr, user.len);
	explicit_bzero(text, sizeof(text));
	return user.len;
}
