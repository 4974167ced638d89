/* keywords - many terms found in one pass over a text (Aho and Corasick 1975).
 * SPDX-License-Identifier: MIT
 *
 * Terms and texts are compared by what counts as the same (text_same); a run of white space is one blank, so a term of
 * several words is found across line ends. With borders (the usual) a term begins and ends where a word does; behind a
 * Korean one the word may go on, as particles do.
 * Finding takes time linear in the text, whatever the terms are. */
#ifndef KEYWORDS_H
#define KEYWORDS_H

#include "buf.h"
#include "err.h"

#include <stdint.h>

enum {
    KEYWORDS_MAX = 100000,   /* terms */
    KEYWORD_BYTES = 256,     /* of one term, folded */
    KEYWORDS_BYTES = 4 << 20 /* of all terms, folded */
};

struct keywords;

/* The terms, in their order; 'inside': they are found inside of words, too. NULL with *err set for an empty term, one
 * that is too long, too many, or no memory. Terms that are the same after folding are one: the first. */
struct keywords *keywords_new(const struct span *terms, size_t n, bool inside, struct err *err);
void keywords_free(struct keywords *k);

size_t keywords_bytes(const struct keywords *k); /* of memory that it takes */

/* Moves all of it into a block of keywords_bytes(k) bytes, aligned as malloc's are, which is then what to use: 'k' is
 * freed, the block is the caller's, and keywords_free must not get it. */
struct keywords *keywords_move(struct keywords *k, void *block);
/* The term that stands for term i: itself, or the first that is the same. */
size_t keywords_same(const struct keywords *k, size_t i);

struct keyword_hit {
    uint32_t term;
    size_t from, to; /* bytes of the text, 'to' behind the last */
};

/* Calls 'hit' for each occurrence, in order. Where terms lie in each other the longest counts, where two overlap the
 * first; so hits never overlap. */
void keywords_find(const struct keywords *k, struct span text,
                   void (*hit)(void *arg, const struct keyword_hit *h), void *arg);

#endif
