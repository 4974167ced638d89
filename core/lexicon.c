/* lexicon - words that tell something of a request.
 * SPDX-License-Identifier: MIT */
#include "lexicon.h"

#include <assert.h>
#include <string.h>

static void put(struct lexicon *l, uint32_t hash, unsigned kinds)
{
    uint32_t at = hash % LEXICON_SLOTS;

    while (l->slots[at].kinds && l->slots[at].hash != hash)
        at = (at + 1) % LEXICON_SLOTS;
    assert(l->slots[at].kinds || l->used < LEXICON_SLOTS / 2);
    l->used += !l->slots[at].kinds;
    l->slots[at].hash = hash;
    l->slots[at].kinds |= (uint16_t)kinds;
}

/* The hash of the next word of a list, and where it ends. */
static const char *take(const char *p, uint32_t *hash)
{
    *hash = LEXICON_START;
    while (*p && *p != ' ' && *p != ';')
        *hash = lexicon_add(*hash, (unsigned char)*p++);
    return p;
}

static void put_phrases(struct lexicon *l, const char *p, unsigned kinds)
{
    while (*p) {
        uint32_t word, all;
        p = take(p, &all);
        for (word = all; *p == ' '; all = lexicon_join(all, word))
            p = take(p + 1, &word);
        put(l, all, kinds | WORD_PHRASE);
        put(l, word, WORD_LAST);
        p += *p == ';';
    }
}

static void put_words(struct lexicon *l, const char *p, unsigned kinds)
{
    while (*p) {
        uint32_t hash;
        p = take(p, &hash);
        put(l, hash, kinds);
        p += *p == ' ';
    }
}

void lexicon_init(struct lexicon *l)
{
    memset(l, 0, sizeof *l);
    for (const struct lexicon_list *list = lexicon_lists; list->words; list++) {
        if (strchr(list->words, ';'))
            put_phrases(l, list->words, list->kinds);
        else
            put_words(l, list->words, list->kinds);
    }
}

unsigned lexicon_find(const struct lexicon *l, uint32_t hash)
{
    for (uint32_t at = hash % LEXICON_SLOTS; l->slots[at].kinds; at = (at + 1) % LEXICON_SLOTS)
        if (l->slots[at].hash == hash)
            return l->slots[at].kinds;
    return 0;
}

static bool is_common(const struct lexicon *l, uint32_t hash)
{
    return lexicon_find(l, hash) & WORD_COMMON;
}

/* Endings of English: what is cut off, what stands there instead in the word of the list. */
static const struct {
    char cut[5];
    unsigned char n;
    char instead; /* or 0 */
} endings[] = {
    {"s", 1, 0},  {"'s", 2, 0},    {"es", 2, 0},     {"ies", 3, 'y'}, {"ness", 4, 0},
    {"d", 1, 0},  {"ed", 2, 0},    {"ied", 3, 'y'},  {"ing", 3, 0},   {"ing", 3, 'e'},
    {"ly", 2, 0}, {"ily", 3, 'y'}, {"r", 1, 0},      {"er", 2, 0},    {"ier", 3, 'y'},
    {"st", 2, 0}, {"est", 3, 0},   {"iest", 4, 'y'}, {"n't", 3, 0},
};

static bool is_form(const struct lexicon *l, const char *word, int n, const uint32_t *hashes,
                    int ending)
{
    int left = n - endings[ending].n;

    if (left < 2 || memcmp(word + left, endings[ending].cut, endings[ending].n) != 0)
        return false;
    uint32_t hash = hashes[left - 1];
    if (endings[ending].instead)
        hash = lexicon_add(hash, (unsigned char)endings[ending].instead);
    bool doubled = left > 3 && word[left - 1] == word[left - 2]; /* "stopped" */
    return is_common(l, hash) || (doubled && is_common(l, hashes[left - 2]));
}

bool lexicon_is_common(const struct lexicon *l, const char *word, int n, const uint32_t *hashes)
{
    char last = word[n - 1];

    if (is_common(l, hashes[n - 1]))
        return true;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (endings[i].cut[endings[i].n - 1] == last && is_form(l, word, n, hashes, (int)i))
            return true;
    return false;
}
