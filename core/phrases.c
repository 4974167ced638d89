/* phrases - which groups of phrases a text holds, in one pass over its words.
 * SPDX-License-Identifier: MIT */
#include "phrases.h"

#include "words.h"

#include <string.h>

enum { BUCKETS = 1024, WORD_MAX = PHRASE_BYTES, TRY_WORK = 16 };

static const char curly[] = "\xE2\x80\x99";

struct entry {
    char text[PHRASE_BYTES + 1];
    uint32_t bit;
    uint16_t next; /* of the same bucket, from 1; 0: none */
};

struct phrases {
    uint16_t first[BUCKETS]; /* by the first two bytes of a phrase */
    struct entry entries[];
};

static size_t bucket(char a, char b)
{
    return (size_t)(a & 31) << 5 | (b & 31);
}

/* The first two bytes of a word, whatever their case; of one with a single byte the second is a blank. */
static size_t bucket_of(struct span word)
{
    bool is_curly = word.n > 3 && memcmp(word.p + 1, curly, 3) == 0;

    return bucket(word.p[0], is_curly ? '\'' : word.n > 1 ? word.p[1] : ' ');
}

/* ---- making ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == 0;
}

/* Words in lower case with single blanks between them; a star only at the end, behind two bytes at least. */
static bool is_phrase(const char *text)
{
    size_t n = strlen(text), stem = n - (n > 0 && text[n - 1] == '*');
    char folded[PHRASE_BYTES];
    size_t at = 0;

    if (stem == 0 || n > PHRASE_BYTES || text[stem - 1] == ' ' || (n > stem && stem == 1))
        return false;
    struct span rest = {text, stem}, word;
    while (words_next(&rest, &word)) {
        size_t length = words_fold(word, folded, sizeof folded);
        if (word.p != text + at || length != word.n || memcmp(folded, word.p, length) != 0)
            return false;
        at += length;
        if (at < stem && text[at] != ' ')
            return false;
        at += at < stem;
    }
    return at == stem;
}

size_t phrases_size(size_t n)
{
    return sizeof(struct phrases) + n * sizeof(struct entry);
}

int phrases_make(struct phrases *p, const struct phrase *all, size_t n, struct err *err)
{
    if (n > PHRASES_MAX)
        return err_set(err, ERR_BUDGET, "more than %d phrases", PHRASES_MAX);
    memset(p, 0, phrases_size(n));
    for (size_t i = 0; i < n; i++) {
        const char *text = all[i].text;
        if (!is_phrase(text) || all[i].group < 0 || all[i].group >= PHRASES_GROUPS)
            return err_set(err, ERR_BAD_REQUEST,
                           "phrase '%.100s': words in lower case, single blanks between them, at "
                           "most %d bytes, in one of %d groups",
                           text, PHRASE_BYTES, PHRASES_GROUPS);
        size_t b = bucket(text[0], is_blank(text[1]) ? ' ' : text[1]);
        struct entry *e = &p->entries[i];
        memcpy(e->text, text, strlen(text) + 1);
        e->bit = UINT32_C(1) << all[i].group;
        e->next = p->first[b];
        p->first[b] = (uint16_t)(i + 1);
    }
    return 0;
}

/* ---- looking ---- */

/* The next word, without curly apostrophes at its ends: there they are quotation marks. */
static bool next_word(struct span *rest, struct span *word)
{
    while (words_next(rest, word)) {
        for (; word->n >= 3 && memcmp(word->p, curly, 3) == 0; word->p += 3)
            word->n -= 3;
        while (word->n >= 3 && memcmp(word->p + word->n - 3, curly, 3) == 0)
            word->n -= 3;
        if (word->n)
            return true;
    }
    return false;
}

/* Does the phrase stand here, from this word on? What that took is added to *work. */
static bool stands(const char *phrase, struct span word, struct span rest, size_t *work)
{
    char folded[WORD_MAX + 2];

    for (*work += TRY_WORK;;) {
        size_t n = words_fold(word, folded, sizeof folded), i = 0;
        while (i < n && folded[i] == phrase[i])
            i++;
        if (phrase[i] == '*')
            return true;
        if (i < n || !is_blank(phrase[i]))
            return false;
        if (!phrase[i])
            return true;
        phrase += i + 1;
        size_t left = rest.n;
        bool is_more = next_word(&rest, &word);
        *work += left - rest.n;
        if (!is_more)
            return false;
    }
}

static bool is_article(const char *word, size_t n)
{
    return (n == 1 && word[0] == 'a') || (n == 2 && memcmp(word, "an", 2) == 0) ||
           (n == 3 && memcmp(word, "the", 3) == 0);
}

static uint64_t opening_of(struct span word)
{
    char folded[WORD_MAX];
    size_t n = words_fold(word, folded, sizeof folded);
    const char *apostrophe = memchr(folded, '\'', n);

    n = apostrophe ? (size_t)(apostrophe - folded) : n;
    return is_article(folded, n) ? 0 : words_hash((struct span){folded, n}) | 1;
}

bool phrases_look(const struct phrases *p, struct span *rest, size_t work,
                  struct phrases_seen *seen)
{
    struct span word;
    size_t done = 0;

    while (done < work) {
        if (!next_word(rest, &word))
            return false;
        seen->words++;
        if (!seen->opening)
            seen->opening = opening_of(word);
        for (uint16_t i = p->first[bucket_of(word)]; i; i = p->entries[i - 1].next) {
            const struct entry *e = &p->entries[i - 1];
            if (!(seen->groups & e->bit) && stands(e->text, word, *rest, &done))
                seen->groups |= e->bit;
        }
    }
    return true;
}
