/*
 * The user's name out of a SASL response, for the record.  Nothing else of a
 * response is looked at or kept.
 *
 * Sources: RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5), LOGIN as it is in use.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SMTP_SMTP_SASL_H
#define SMTP_SMTP_SASL_H

#include "base/slice.h"

enum {
	SMTP_SASL_USER_MAX = 255
};

/*
 * `response` in base64, the `step`-th of the exchange (0: the initial one, or
 * the first line after a 334).  The user's name into out, its length; 0 where
 * this response does not hold it.
 */
size_t smtp_sasl_user(struct slice mechanism, struct slice response,
    unsigned step, char out[SMTP_SASL_USER_MAX]);

#endif
