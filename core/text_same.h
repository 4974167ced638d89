/* text_same - what counts as the same when words are looked for: capitals, marks, and other ways to write them.
 * SPDX-License-Identifier: MIT
 *
 * Beyond text_fold: "ß" is "ss" and a ligature its letters (Unicode's full case folding); a letter and the mark behind
 * it are one character (NFC); Greek letters lose their accent, as they do in capitals; the Turkish i with and without
 * a dot is one, since a capital I does not tell which; full-width ASCII, typographic apostrophes and hyphens are the
 * usual ones, all white space is a blank; what cannot be seen (soft hyphens, joiners, variation selectors) is nothing. */
#ifndef TEXT_SAME_H
#define TEXT_SAME_H

#include "buf.h"

#include <stdint.h>

enum { TEXT_SAME_MAX = 3 };

/* The character at s.p[at], at < s.n, with the marks that make one character with it, as 0 to TEXT_SAME_MAX folded
 * characters; returns how many. *bytes: of the text, *first: the character at s.p[at] as it stands there. */
int text_same(struct span s, size_t at, uint32_t to[TEXT_SAME_MAX], int *bytes, uint32_t *first);

/* A mark that stands on the character before it. */
static inline bool text_is_mark(uint32_t c)
{
    return c >= 0x300 && c <= 0x36f;
}

/* May a mark begin at this byte? */
static inline bool text_may_mark(char byte)
{
    return (unsigned char)byte == 0xcc || (unsigned char)byte == 0xcd;
}

#endif
