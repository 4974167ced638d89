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
    ABOUT_NET,
    ABOUT_DIGEST, /* of something: random, and no secret */
    ABOUT_OTHER,  /* orders, parts, pages: nobody's data */
    ABOUT_KINDS
};

enum { CONTEXT_BYTES = 64 }; /* how far before a number such a word may stand */

enum { PII_WORD_SLOTS = 1024, PII_FORMS_MAX = 120 };
enum { PII_BODIES = 8, PII_RANDOM_LOOK = 128 };

/* A run of bytes of one class, as far as it was looked at. */
struct pii_run {
    size_t from, to;
};

struct pii_scan {
    struct span text;
    uint32_t kinds;
    float score;
    struct buf *out;
    bool full;
    size_t seen[ABOUT_KINDS]; /* behind the last such word; 0: none yet */
    enum pii_context nearest; /* the last of them */
    size_t looked;            /* up to here random-looking runs were judged */
    size_t no_token;          /* the dot behind a run that is no token's head */
    struct pii_run run;       /* of bytes that tokens consist of */
    struct pii_run runs[PII_BODIES];
    float gain
        [PII_RANDOM_LOOK]; /* of entropy, by how often a byte was there before; filled when first needed */
    size_t key_end;        /* where the next "-----END" is, once looked for; SIZE_MAX: nowhere */
    size_t label;          /* behind the last "://" */
    size_t url_end;        /* behind the last URL */
    unsigned short words[PII_WORD_SLOTS]; /* an index of pii_words.c + 1 */
    unsigned char first[128];          /* of the forms of pii_secret.c with that first byte, + 1 */
    unsigned char next[PII_FORMS_MAX]; /* of each form: the next such, + 1 */
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

/* Is the last word heard before i one of these (bits)? 'within': how many bytes it may be away. */
static inline bool pii_nearest(const struct pii_scan *s, unsigned kinds, size_t i, size_t within)
{
    size_t at = s->seen[s->nearest];

    return at && at <= i && i - at <= within && (kinds >> s->nearest & 1);
}

/* The number behind it is nobody's. */
enum { ABOUT_NOBODY = 1 << ABOUT_OTHER | 1 << ABOUT_VERSION | 1 << ABOUT_DIGEST };

void pii_words_begin(struct pii_scan *s);
void pii_hear(struct pii_scan *s, size_t from, size_t to); /* a word */
void pii_secret_begin(struct pii_scan *s);

/* Notes a finding, and returns 'to'. */
size_t pii_note(struct pii_scan *s, enum pii_kind kind, float score, const char *name, size_t from,
                size_t to);

enum { PII_GROUPS = 8, PII_DIGITS = 20 };

/* Digits as they stand, in groups. */
struct pii_digits {
    size_t from; /* with '+' or '(' */
    int n;       /* groups */
    int even;    /* so many from the first have the same between them */
    int count[PII_GROUPS];
    size_t end[PII_GROUPS];  /* of each group in the text */
    size_t done[PII_GROUPS]; /* digits up to its end */
    uint32_t shape
        [PII_GROUPS]; /* of the groups up to this one: 0x334 are three, three and four digits */
    char before
        [PII_GROUPS]; /* what separates it from the group before: ' ', '-', '.', '/', '(' or ')' */
    char digits[PII_DIGITS + 1];
    bool plus;
};

/* Are the groups from the second to number n separated by one and the same of these? */
static inline bool pii_is_even(const struct pii_digits *m, int n, char a, char b, char c)
{
    return n < 2 || (n <= m->even && (m->before[1] == a || m->before[1] == b || m->before[1] == c));
}

bool pii_is_one_digit(const char *digits, size_t n);

/* Notes it, and returns its end; m->from: it is none. */
size_t pii_phone(struct pii_scan *s, const struct pii_digits *m);

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
size_t pii_npmrc(struct pii_scan *s, size_t i);    /* at ":_authToken=" */
size_t pii_assigned(struct pii_scan *s, size_t i); /* at '=' or ':' */
size_t pii_random(struct pii_scan *s, size_t i);   /* at the start of a word */

/* Ids of digits only: notes those that the n digits can be. 'shape': how they were grouped; 0: not at all. Returns 'to'
 * when a word before tells of one, else 'from'. */
size_t pii_digit_ids(struct pii_scan *s, const char *digits, size_t n, uint32_t shape, size_t from,
                     size_t to);
bool pii_luhn(const char *digits, size_t n);

#endif
