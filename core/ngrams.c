/* ngrams - the words, pairs of words and pieces of words in a text, as numbers of a small range.
 * SPDX-License-Identifier: MIT */
#include "ngrams.h"

#include <string.h>

enum { GAP = 0, NOTHING = 1, ALONE = 2, LEAD = 3 }; /* no folded byte is one of these */

#define START 0x3c6ef372u
#define END   0xa54ff53au
#define PRIME 0x01000193u

#define Z8(x)  x, x, x, x, x, x, x, x
#define HIGH16 Z8(LEAD), Z8(LEAD)

/* What a byte is: one of the above, or the byte it is folded to. */
static const unsigned char kinds[256] = {Z8(0),
                                         Z8(0),
                                         Z8(0),
                                         Z8(0),
                                         /* blank to slash */ 0,
                                         ALONE,
                                         0,
                                         0,
                                         ALONE,
                                         ALONE,
                                         0,
                                         NOTHING,
                                         0,
                                         0,
                                         ALONE,
                                         ALONE,
                                         0,
                                         0,
                                         0,
                                         ALONE,
                                         /* digits, : ; < = > ? */ Z8('0'),
                                         '0',
                                         '0',
                                         0,
                                         0,
                                         ALONE,
                                         ALONE,
                                         ALONE,
                                         ALONE,
                                         /* @ */ 0,
                                         'a',
                                         'b',
                                         'c',
                                         'd',
                                         'e',
                                         'f',
                                         'g',
                                         'h',
                                         'i',
                                         'j',
                                         'k',
                                         'l',
                                         'm',
                                         'n',
                                         'o',
                                         'p',
                                         'q',
                                         'r',
                                         's',
                                         't',
                                         'u',
                                         'v',
                                         'w',
                                         'x',
                                         'y',
                                         'z',
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         /* ` */ NOTHING,
                                         'a',
                                         'b',
                                         'c',
                                         'd',
                                         'e',
                                         'f',
                                         'g',
                                         'h',
                                         'i',
                                         'j',
                                         'k',
                                         'l',
                                         'm',
                                         'n',
                                         'o',
                                         'p',
                                         'q',
                                         'r',
                                         's',
                                         't',
                                         'u',
                                         'v',
                                         'w',
                                         'x',
                                         'y',
                                         'z',
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         HIGH16,
                                         HIGH16,
                                         HIGH16,
                                         HIGH16,
                                         HIGH16,
                                         HIGH16,
                                         HIGH16,
                                         HIGH16};

struct word {
    unsigned char bytes[NGRAMS_WORD + 8]; /* a blank on either side */
    int n;
};

/* Capital letters of two bytes: writes both, folded. */
static void fold_pair(unsigned char a, unsigned char b, unsigned char *out)
{
    if (a == 0xc3 && b >= 0x80 && b <= 0x9e && b != 0x97) { /* À to Þ */
        b += 0x20;
    } else if (a == 0xce && b >= 0x91 && b <= 0xa9) { /* Α to Ω */
        a = b < 0xa0 ? 0xce : 0xcf;
        b = (unsigned char)(b < 0xa0 ? b + 0x20 : b - 0x20);
    } else if (a == 0xd0 && b >= 0x80 && b <= 0xaf) { /* Ѐ to Я */
        bool small_next = b < 0x90 || b >= 0xa0;
        b = (unsigned char)(b < 0x90 ? b + 0x10 : b < 0xa0 ? b + 0x20 : b - 0x20);
        a = small_next ? 0xd1 : 0xd0;
    }
    out[0] = a;
    out[1] = b;
}

/* Takes one character of several bytes. GAP when it ends the word, LEAD when it was added to it. Bytes that are no UTF-8
 * are taken one by one. */
static int take_wide(struct span *in, struct word *w)
{
    const unsigned char *p = (const unsigned char *)in->p;
    size_t n = 1;

    if (p[0] == 0xe2 && in->n >= 3 && p[1] == 0x80) { /* U+2000 to U+203F: blanks, dashes, quotes */
        in->p += 3;
        in->n -= 3;
        return p[2] == 0x99 ? LEAD : GAP; /* the apostrophe is nothing */
    }
    if ((p[0] == 0xe3 && in->n >= 3 && p[1] == 0x80 && p[2] <= 0x82) ||
        (p[0] == 0xc2 && in->n >= 2)) { /* ideographic blank, comma, stop; signs of Latin-1 */
        n = p[0] == 0xc2 ? 2 : 3;
        in->p += n;
        in->n -= n;
        return GAP;
    }
    if (in->n >= 2 && p[0] >= 0xc3 && p[0] <= 0xdf) {
        fold_pair(p[0], p[1], w->bytes + w->n);
        n = 2;
    } else {
        w->bytes[w->n] = p[0];
    }
    w->n += (int)n;
    in->p += n;
    in->n -= n;
    return LEAD;
}

/* The next word, with its two blanks; false at the end. */
static bool take_word(struct span *in, struct word *w)
{
    w->bytes[0] = ' ';
    w->n = 1;
    while (in->n && w->n <= NGRAMS_WORD) {
        unsigned char kind = kinds[(unsigned char)*in->p];
        if (kind == LEAD) {
            if (take_wide(in, w) == GAP && w->n > 1)
                break;
            continue;
        }
        if (kind == ALONE && w->n > 1)
            break;
        if (kind == ALONE)
            w->bytes[w->n++] = (unsigned char)*in->p;
        else if (kind > LEAD)
            w->bytes[w->n++] = kind;
        in->p++;
        in->n--;
        if (kind == ALONE || (kind == GAP && w->n > 1))
            break;
    }
    w->bytes[w->n++] = ' ';
    return w->n > 2;
}

/* All bits of the hash decide about the upper ones, which are kept. */
static uint32_t bucket(uint32_t h, int bits)
{
    h = (h ^ h >> 15) * 0x846ca68bu;
    h = (h ^ h >> 13) * 0x7feb352du;
    return h >> (32 - bits);
}

static int add_pieces(const struct ngrams *how, const struct word *w, uint32_t *out)
{
    int n = 0;

    for (int i = 0; i + how->least <= w->n; i++) {
        uint32_t h = START;
        int end = i + how->most < w->n ? i + how->most : w->n;
        for (int k = i; k < end; k++) {
            h = (h ^ w->bytes[k]) * PRIME;
            if (k - i + 1 >= how->least)
                out[n++] = bucket(h + (uint32_t)(k - i), how->bits);
        }
    }
    return n;
}

static uint32_t pair(uint32_t a, uint32_t b)
{
    return (a * 0x85ebca6bu) ^ (b * 0xc2b2ae35u + 1);
}

void ngrams_begin(struct ngrams_reader *r, const struct ngrams *how, struct span text)
{
    const size_t tail = NGRAMS_TEXT / 4, head = NGRAMS_TEXT - tail;

    r->how = how;
    r->parts[0] = text;
    r->parts[1] = (struct span){0};
    r->before = START;
    r->ended = false;
    if (how->once)
        memset(r->seen, 0, sizeof r->seen[0] * ((((size_t)1 << (how->bits - how->own)) + 63) / 64));
    if (text.n > NGRAMS_TEXT) {
        r->parts[0].n = head;
        r->parts[1] = (struct span){text.p + text.n - tail, tail};
    }
}

static int next_word(struct ngrams_reader *r, uint32_t out[NGRAMS_OUT], int *words)
{
    const int bits = r->how->bits;
    struct word w;
    uint32_t h = END;

    *words = 2;
    if (!take_word(&r->parts[0], &w) && !take_word(&r->parts[1], &w)) {
        if (r->ended || r->before == START)
            return 0;
        r->ended = true;
        out[0] = bucket(pair(r->before, END), bits);
        return *words = 1;
    }
    for (int i = 1; i < w.n - 1; i++)
        h = (h ^ w.bytes[i]) * PRIME;
    out[0] = bucket(h * 31 + 7, bits);
    out[1] = bucket(pair(r->before, h), bits);
    r->before = h;
    return 2 + (r->how->most ? add_pieces(r->how, &w, out + 2) : 0);
}

/* Keeps the hashes of buckets that this text did not have yet; their number. */
static int drop_seen(struct ngrams_reader *r, uint32_t *out, int n, int *words)
{
    int kept = 0, kept_words = 0;

    for (int i = 0; i < n; i++) {
        uint32_t bucket = out[i] >> r->how->own;
        uint64_t *set = &r->seen[bucket / 64], bit = (uint64_t)1 << bucket % 64;
        if (*set & bit)
            continue;
        *set |= bit;
        out[kept++] = out[i];
        kept_words += i < *words;
    }
    *words = kept_words;
    return kept;
}

int ngrams_next(struct ngrams_reader *r, uint32_t out[NGRAMS_OUT], int *words)
{
    int n, kept = 0;

    do {
        n = next_word(r, out, words);
        kept = r->how->once ? drop_seen(r, out, n, words) : n;
    } while (n > 0 && kept == 0);
    return kept;
}
