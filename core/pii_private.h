/* pii_private - what the files of pii share.
 * SPDX-License-Identifier: MIT */
#ifndef PII_PRIVATE_H
#define PII_PRIVATE_H

#include "pii.h"
#include "text_char.h"

/* What words before a number say about it. */
enum pii_context {
    ABOUT_CARD,
    ABOUT_PHONE,
    ABOUT_NUMBER, /* of what, it does not say */
    ABOUT_SSN,
    ABOUT_BANK,
    ABOUT_PASSPORT,
    ABOUT_ID,
    ABOUT_BIRTH,
    ABOUT_SECRET,
    ABOUT_VERSION,
    ABOUT_CRYPTO,
    ABOUT_KINDS
};

enum { CONTEXT_BYTES = 64 }; /* how far before a number such a word may stand */

struct pii_scan {
    struct span text;
    uint32_t kinds;
    float score;
    struct buf *out;
    bool full;
    size_t seen[ABOUT_KINDS]; /* behind the last such word; 0: none yet */
    size_t looked;            /* up to here random-looking runs were judged */
    size_t key_end;           /* where the next "-----END" is, once looked for; SIZE_MAX: nowhere */
    size_t label;             /* behind the last "://" */
    size_t url_end;           /* behind the last URL */
};

/* The byte at i, or 0 outside of the text. */
static inline unsigned char pii_at(const struct pii_scan *s, size_t i)
{
    return i < s->text.n ? (unsigned char)s->text.p[i] : 0;
}

/* The byte before i, or 0. */
static inline unsigned char pii_before(const struct pii_scan *s, size_t i)
{
    return i ? (unsigned char)s->text.p[i - 1] : 0;
}

/* Bytes that belong to words: beyond ASCII all do. */
static inline bool pii_is_word(unsigned char c)
{
    return text_is_alnum(c) || c == '_' || c >= 0x80;
}

/* Is there such a word shortly before i? */
static inline bool pii_about(const struct pii_scan *s, enum pii_context about, size_t i)
{
    return s->seen[about] && s->seen[about] <= i && i - s->seen[about] <= CONTEXT_BYTES;
}

/* Notes a finding, and returns 'to'. */
size_t pii_note(struct pii_scan *s, enum pii_kind kind, float score, const char *name, size_t from,
                size_t to);

/* Each looks at what begins at i, notes what it finds, and returns where to go on; i: it found nothing. */
size_t pii_number(struct pii_scan *s, size_t i);   /* at a digit, '+' or '(' */
size_t pii_date(struct pii_scan *s, size_t i);     /* at a digit or a letter */
size_t pii_email(struct pii_scan *s, size_t i);    /* at an '@' */
size_t pii_address(struct pii_scan *s, size_t i);  /* IP or MAC; at a digit, a letter or ':' */
size_t pii_url(struct pii_scan *s, size_t i);      /* at "://" */
size_t pii_iban(struct pii_scan *s, size_t i);     /* at a letter */
size_t pii_id(struct pii_scan *s, size_t i);       /* at a letter or a digit: ids with letters */
size_t pii_token(struct pii_scan *s, size_t i);    /* at the start of a word */
size_t pii_armour(struct pii_scan *s, size_t i);   /* at "-----BEGIN" */
size_t pii_assigned(struct pii_scan *s, size_t i); /* at '=' or ':' */
size_t pii_random(struct pii_scan *s, size_t i);   /* at the start of a word */

/* Ids of digits only: notes those that the n digits can be. 'parts' is "3-3-4", how they were grouped. */
void pii_digit_ids(struct pii_scan *s, const char *digits, size_t n, const char *parts, size_t from,
                   size_t to);
bool pii_luhn(const char *digits, size_t n);

#endif
