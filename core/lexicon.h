/* lexicon - words that tell something of a request: usual ones, technical ones, orders, limits, logic.
 * SPDX-License-Identifier: MIT
 *
 * English, and but for the usual words also German, French, Spanish, Italian, Portuguese, Chinese and
 * Japanese.
 *
 * A table of hashes made once; looking a word up takes some nanoseconds. Words are compared by 32-bit hashes: of four
 * billion other words one is taken for each of these, which a count of words can bear. */
#ifndef LEXICON_H
#define LEXICON_H

#include "buf.h"

#include <stdint.h>

/* What a word or a phrase is; several at once. */
enum lexicon_kind {
    WORD_COMMON = 1 << 0,     /* among the usual words of English prose */
    WORD_TECHNICAL = 1 << 1,  /* of a science or a trade */
    WORD_VAGUE = 1 << 2,      /* leaves open what is meant */
    WORD_SEQUENCE = 1 << 3,   /* one thing after another */
    WORD_ORDER = 1 << 4,      /* a verb that asks for work, where a verb can stand */
    WORD_LOGIC = 1 << 5,      /* reasons, conditions, quantities of all or none */
    WORD_CONSTRAINT = 1 << 6, /* what an answer must keep to */
    WORD_LEAD = 1 << 7,       /* an order may follow: "please", "can you" */
    WORD_LAST = 1 << 8,       /* the last word of a phrase */
    WORD_PHRASE = 1 << 9      /* several words */
};

enum {
    LEXICON_PHRASE = 4,  /* words of a phrase, at most */
    LEXICON_BYTES = 32,  /* of a word; longer ones are in no list */
    LEXICON_SLOTS = 8192 /* a power of two, more than twice the number of words */
};

struct lexicon {
    struct lexicon_entry {
        uint32_t hash;
        uint16_t kinds; /* 0: a free slot */
    } slots[LEXICON_SLOTS];
    int used;
};

/* Words separated by blanks, or phrases by semicolons, that are of one kind. */
struct lexicon_list {
    unsigned kinds;
    const char *words;
};
extern const struct lexicon_list lexicon_lists[]; /* lexicon_words.c; the last has no words */

void lexicon_init(struct lexicon *l);

/* The hash of a word grows byte by byte, in lower case: start with LEXICON_START. */
#define LEXICON_START 2166136261u
static inline uint32_t lexicon_add(uint32_t hash, unsigned char folded)
{
    return (hash ^ folded) * 16777619u;
}

/* The hash of a phrase: that of its first words, and the next. */
static inline uint32_t lexicon_join(uint32_t before, uint32_t word)
{
    return (before * 0x85ebca6bu ^ word) + 0x9e3779b9u;
}

/* The kinds of what has that hash; 0 when it is in no list. */
unsigned lexicon_find(const struct lexicon *l, uint32_t hash);

/* Is it a usual word, or a form of one ("cities", "stopped", "making")? 'hashes' are those of its first 1 to n
 * letters, n <= LEXICON_BYTES. */
bool lexicon_is_common(const struct lexicon *l, const char *word, int n, const uint32_t *hashes);

#endif
