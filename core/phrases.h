/* phrases - which groups of phrases a text holds, in one pass over its words.
 * SPDX-License-Identifier: MIT
 *
 * Made for a few hundred phrases that most texts hold none of: what is looked at twice are words whose first two
 * letters begin a phrase. Words are those of words.h, in lower case, with plain apostrophes inside; what stands between
 * them does not count. The last word of a phrase may end with '*': any word that begins so. */
#ifndef PHRASES_H
#define PHRASES_H

#include "buf.h"
#include "err.h"

#include <stdint.h>

enum { PHRASES_GROUPS = 32, PHRASES_MAX = 1000, PHRASE_BYTES = 80 };

struct phrase {
    const char *text; /* "i don't know", "confiden*" */
    int group;        /* 0 .. PHRASES_GROUPS - 1 */
};

struct phrases;

/* The bytes that n phrases take, at most PHRASES_MAX. */
size_t phrases_size(size_t n);

/* Copies them into p, which has phrases_size(n) bytes and holds nothing that has to be freed. -1 with *err for one that
 * is empty, too long, not in lower case or more than single blanks apart, and for too many. */
int phrases_make(struct phrases *p, const struct phrase *all, size_t n, struct err *err);

struct phrases_seen {
    uint32_t groups; /* a bit for each group of which the text holds a phrase */
    size_t words;
    /* a hash of the first word that is no article, up to an apostrophe; 0: there is none */
    uint64_t opening;
};

/* Looks at the text in *rest, which gets shorter, and adds what it sees to *seen (all 0 before the first time). False at
 * its end; true when it has compared about 'work' bytes with phrases before that: a text can begin a phrase with each of
 * its words. */
bool phrases_look(const struct phrases *p, struct span *rest, size_t work,
                  struct phrases_seen *seen);

#endif
