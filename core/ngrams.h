/* ngrams - the words, pairs of words and pieces of words in a text, as numbers of a small range.
 * SPDX-License-Identifier: MIT
 *
 * A text is read word by word: letters are folded to small ones (ASCII, Latin-1, Greek, Cyrillic), digits are all
 * alike, an apostrophe is nothing, the signs ? ! $ % + = < > / * stand alone, all else separates. Of each word come its
 * hash, that of the pair with the word before, and those of its pieces of 'least' to 'most' bytes, with a blank before
 * and after it; with 'once' only the first of each bucket in a text. Bytes, not characters: in UTF-8 the pieces of other scripts are shorter, which costs little.
 *
 * Linear in the text, whatever it holds: a word is cut after NGRAMS_WORD bytes, and of a text longer than NGRAMS_TEXT
 * bytes the first three quarters of that and the last quarter are read. A model is made for one way of reading: what
 * changes here changes the version of its file (linear.h). */
#ifndef NGRAMS_H
#define NGRAMS_H

#include "buf.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    NGRAMS_TEXT = 16 << 10,
    NGRAMS_WORD = 62,
    NGRAMS_PIECE_MAX = 6, /* bytes of the longest piece */
    NGRAMS_BITS_MAX = 20,
    NGRAMS_ONCE_BITS_MAX = 16, /* of a bucket, with "once" */
    NGRAMS_OUT = 2 + (NGRAMS_WORD + 2) * NGRAMS_PIECE_MAX
};

struct ngrams {
    int bits;        /* hashes are below 1 << bits */
    int least, most; /* bytes of a piece, 2 to NGRAMS_PIECE_MAX; most is 0: no pieces */
    bool once;       /* a bucket comes once in a text, however often it occurs */
    int own; /* bits at the end of a hash that are not of its bucket: they tell whose it is */
};

struct ngrams_reader {
    const struct ngrams *how;
    struct span parts[2]; /* what is left */
    uint32_t before;      /* the word before */
    bool ended;
    uint64_t seen[(1 << NGRAMS_ONCE_BITS_MAX) / 64]; /* a bit for each bucket; only with "once" */
};

/* The text must stay until the end. */
void ngrams_begin(struct ngrams_reader *r, const struct ngrams *how, struct span text);
/* The hashes of the next word: first 'words' of them of the word and its pair, then its pieces. Their number; 0 at the
 * end of the text. The last word is followed by one pair with the end. With 'once' words that bring nothing new are
 * passed over. */
int ngrams_next(struct ngrams_reader *r, uint32_t out[NGRAMS_OUT], int *words);

#endif
