/* words - the words of a text one after the other, and whether it says the same again and again.
 * SPDX-License-Identifier: MIT */
#include "words.h"

#include <string.h>

/* What a byte is: 1 a word may begin with it, 2 it may stand inside. */
enum { BEGINS = 1, INSIDE = 2, TRIES_MAX = 256 };

#define L   BEGINS | INSIDE
#define L4  L, L, L, L
#define L16 L4, L4, L4, L4
#define L26 L16, L4, L4, L, L
#define L64 L16, L16, L16, L16

static const unsigned char kinds[256] = {
    ['\''] = INSIDE, ['0'] = L4, L4, L, L, ['A'] = L26, ['a'] = L26, [128] = L64, L64};

static bool is(char c, int kind)
{
    return kinds[(unsigned char)c] & kind;
}

bool words_next(struct span *rest, struct span *word)
{
    const char *p = rest->p, *end = rest->p + rest->n;

    while (p < end && !is(*p, BEGINS))
        p++;
    const char *from = p;
    while (p < end && is(*p, INSIDE))
        p++;
    *rest = (struct span){p, (size_t)(end - p)};
    *word = (struct span){from, (size_t)(p - from)};
    if (p == from)
        return false;
    word->n -= p[-1] == '\'';
    return true;
}

size_t words_fold(struct span word, char *to, size_t room)
{
    static const char curly[] = "\xE2\x80\x99";
    size_t n = 0;

    for (size_t i = 0; i < word.n && n < room; n++) {
        bool is_curly = word.n - i >= 3 && memcmp(word.p + i, curly, 3) == 0;
        to[n] = is_curly ? '\'' : words_lower(word.p[i]);
        i += is_curly ? 3 : 1;
    }
    return n - (n > 0 && to[n - 1] == '\'');
}

uint64_t words_hash(struct span word)
{
    uint64_t hash = word.n;

    for (size_t i = 0; i < word.n; i++)
        hash = (hash ^ (unsigned char)words_lower(word.p[i])) * UINT64_C(0x100000001B3);
    return hash ^ hash >> 32;
}

/* Was it there? Then it is. A text that was made so that all its runs want one place is not followed further than
 * TRIES_MAX of them. */
static bool note(uint64_t *seen, size_t slots, uint64_t hash)
{
    size_t at = hash & (slots - 1);

    for (int tries = 0; seen[at]; at = (at + 1) & (slots - 1))
        if (seen[at] == hash || ++tries == TRIES_MAX)
            return seen[at] == hash;
    seen[at] = hash;
    return false;
}

size_t words_again(struct span text, uint64_t *seen, size_t slots, size_t *runs)
{
    uint64_t last[WORDS_RUN] = {0};
    size_t n = 0, again = 0;
    struct span word;

    memset(seen, 0, slots * sizeof *seen);
    while (words_next(&text, &word)) {
        last[n++ % WORDS_RUN] = words_hash(word);
        if (n < WORDS_RUN)
            continue;
        uint64_t run = 0;
        for (size_t i = n - WORDS_RUN; i < n; i++) {
            run = (run ^ last[i % WORDS_RUN]) * UINT64_C(0x9E3779B97F4A7C15);
            run ^= run >> 29;
        }
        again += note(seen, slots, run ? run : 1);
    }
    *runs = n < WORDS_RUN ? 0 : n - WORDS_RUN + 1;
    return again;
}
