/* pii - personal data and secrets in a text: what, where, how sure.
 * SPDX-License-Identifier: MIT
 *
 * One pass over the bytes. A candidate is looked at where its first characters stand, no further than its own bounded
 * length, so the time is linear in the text. Check digits (Luhn, mod 97, mod 11, ...) are computed wherever a format
 * has them; typographic blanks, hyphens, quotes and full-width signs count as those of ASCII (pii_plain). Words before a number ("card", "SSN", "phone", "born") raise the score of what fits them. */
#ifndef PII_H
#define PII_H

#include "buf.h"

#include <stdint.h>

enum pii_kind {
    PII_EMAIL,
    PII_PHONE,
    PII_CREDIT_CARD,
    PII_IBAN,
    PII_US_SSN,
    PII_US_ITIN,
    PII_NATIONAL_ID, /* others; 'name' tells the country */
    PII_BANK_ACCOUNT,
    PII_PASSPORT,
    PII_IP,
    PII_MAC,
    PII_DATE_OF_BIRTH,
    PII_DATE,
    PII_URL,
    PII_CRYPTO_ADDRESS,
    PII_API_KEY, /* keys and tokens of known form; 'name' tells whose */
    PII_PRIVATE_KEY,
    PII_PASSWORD, /* in a URL, or assigned to a name such as "password" */
    PII_SECRET,   /* random by its look */
    PII_KINDS
};

/* Any date and any URL are found only when asked for. */
#define PII_USUAL (((1u << PII_KINDS) - 1) & ~(1u << PII_DATE | 1u << PII_URL))

struct pii_finding {
    enum pii_kind kind;
    float score;      /* 0 to 1 */
    const char *name; /* static: "github", "uk_nino"; or NULL */
    size_t from, to;  /* bytes, 'to' behind the last */
};

const char *pii_kind_name(enum pii_kind kind);
int pii_kind_find(const char *name); /* -1: unknown */

/* Appends a struct pii_finding to 'out' for each finding of the wanted kinds (bits) with at least that score, in the
 * order of 'from'. One place may be found as several kinds. -1 when 'out' is full, or for want of memory. */
int pii_find(struct span text, uint32_t kinds, float score, struct buf *out);

#endif
