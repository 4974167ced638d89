/* words - the words of a text one after the other, and whether it says the same again and again.
 * SPDX-License-Identifier: MIT
 *
 * A word: ASCII letters, digits and bytes beyond ASCII, and apostrophes after its first byte; one at its end does not
 * belong to it. Any bytes are a text. */
#ifndef WORDS_H
#define WORDS_H

#include "buf.h"

#include <stdint.h>

/* Takes the next word from the front of 'rest', as it stands there; false at the end. */
bool words_next(struct span *rest, struct span *word);

/* A word in lower case, with plain apostrophes (of U+2019, too), none at its end; at most 'room' bytes of it. -> how many. */
size_t words_fold(struct span word, char *to, size_t room);

/* An ASCII letter in lower case, another byte as it is. */
static inline char words_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* A hash of the word in lower case; the same in every process. */
uint64_t words_hash(struct span word);

/* Of the runs of WORDS_RUN words that follow each other in the text, how many were there before; *runs: how many there
 * are. 'seen' is room for 'slots' hashes, a power of two, at least twice the words. */
enum { WORDS_RUN = 5 };
size_t words_again(struct span text, uint64_t *seen, size_t slots, size_t *runs);

#endif
