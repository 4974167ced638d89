/* language - which language a text is in.
 * SPDX-License-Identifier: MIT */
#include "language.h"

#include "text_char.h"

#include <math.h>
#include <string.h>

enum {
    WIDE = 3,        /* what a character counts where each is a syllable or a word */
    WORD_WEIGHT = 24 /* of a word that tells, beside 16 of the most usual trigram */
};

/* Sums of weights are logarithms in halves of bits, but trigrams that overlap are no independent witnesses. */
#define EVIDENCE 0.13f

/* A language that is none of ours has few of the usual trigrams of any: what a text has on average, from where on it is
 * believed, and when fully. Ours have 6, rarely less than 4; Swahili has 2.6 of Dutch. */
#define WEIGHT_LEAST 1.5f
#define WEIGHT_FULL  4.5f
#define UNSURE       0.2f /* less confidence is "und" */

enum { HAN = SCRIPT_SHARED, KANA, HANGUL, FIRST_SINGLE };

static const struct {
    uint32_t first, last;
    int script;
    const char *code;
} scripts[] = {
    {'A', 'Z', SCRIPT_LATIN, NULL},
    {'a', 'z', SCRIPT_LATIN, NULL},
    {0xc0, 0x24f, SCRIPT_LATIN, NULL},
    {0x1e00, 0x1eff, SCRIPT_LATIN, NULL},
    {0x400, 0x52f, SCRIPT_CYRILLIC, NULL},
    {0x600, 0x6ff, SCRIPT_ARABIC, NULL},
    {0x4e00, 0x9fff, HAN, "zh"},
    {0x3400, 0x4dbf, HAN, NULL},
    {0x20000, 0x3ffff, HAN, NULL},
    {0x3040, 0x30ff, KANA, "ja"},
    {0xff66, 0xff9f, KANA, NULL},
    {0xac00, 0xd7a3, HANGUL, "ko"},
    {0x1100, 0x11ff, HANGUL, NULL},
    {0x370, 0x3ff, FIRST_SINGLE, "el"},
    {0x1f00, 0x1fff, FIRST_SINGLE, NULL},
    {0x590, 0x5ff, FIRST_SINGLE + 1, "he"},
    {0x900, 0x97f, FIRST_SINGLE + 2, "hi"},
    {0x980, 0x9ff, FIRST_SINGLE + 3, "bn"},
    {0xa00, 0xa7f, FIRST_SINGLE + 4, "pa"},
    {0xa80, 0xaff, FIRST_SINGLE + 5, "gu"},
    {0xb80, 0xbff, FIRST_SINGLE + 6, "ta"},
    {0xc00, 0xc7f, FIRST_SINGLE + 7, "te"},
    {0xc80, 0xcff, FIRST_SINGLE + 8, "kn"},
    {0xd00, 0xd7f, FIRST_SINGLE + 9, "ml"},
    {0xd80, 0xdff, FIRST_SINGLE + 10, "si"},
    {0xe00, 0xe7f, FIRST_SINGLE + 11, "th"},
    {0xe80, 0xeff, FIRST_SINGLE + 12, "lo"},
    {0x1000, 0x109f, FIRST_SINGLE + 13, "my"},
    {0x1780, 0x17ff, FIRST_SINGLE + 14, "km"},
    {0x10a0, 0x10ff, FIRST_SINGLE + 15, "ka"},
    {0x530, 0x58f, FIRST_SINGLE + 16, "hy"},
    {0x1200, 0x137f, FIRST_SINGLE + 17, "am"},
};
enum { RANGES = sizeof scripts / sizeof *scripts, SCRIPTS = FIRST_SINGLE + 18 };

static int script_of(uint32_t c)
{
    for (size_t i = 0; i < RANGES; i++)
        if (c >= scripts[i].first && c <= scripts[i].last)
            return scripts[i].script;
    return SCRIPT_NONE;
}

const char *language_code(int i)
{
    if (i < LANGUAGES)
        return language_profiles[i].code;
    i -= LANGUAGES;
    for (size_t k = 0; k < RANGES; k++)
        if (scripts[k].code && i-- == 0)
            return scripts[k].code;
    return NULL;
}

static const char *code_of(int script)
{
    for (size_t i = 0; i < RANGES; i++)
        if (scripts[i].script == script && scripts[i].code)
            return scripts[i].code;
    return "und";
}

/* ---- trigrams ---- */

static uint32_t hash(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t h = (a * 0x9e3779b1u ^ b) * 0x85ebca6bu;

    h = ((h ^ h >> 15) + c) * 0xc2b2ae35u;
    h ^= h >> 16;
    return h ? h : 1;
}

/* The slot of a trigram, or the free one where it would be. */
static uint32_t slot_of(const struct language_table *t, uint32_t h)
{
    uint32_t at = h % LANGUAGE_SLOTS;

    while (t->slots[at] && t->slots[at] != h)
        at = (at + 1) % LANGUAGE_SLOTS;
    return at;
}

static uint32_t take(struct span *s)
{
    int bytes;
    uint32_t c = text_decode(*s, 0, &bytes);

    s->p += bytes;
    s->n -= (size_t)bytes;
    return c == '_' ? ' ' : c;
}

static void add_profile(struct language_table *t, int language)
{
    struct span rest = {language_profiles[language].trigrams,
                        strlen(language_profiles[language].trigrams)};
    unsigned char weight = 0;

    while (rest.n) {
        if (text_is_upper((unsigned char)rest.p[0])) {
            weight = (unsigned char)(*rest.p - 'A' + 1);
            rest.p++;
            rest.n--;
            continue;
        }
        uint32_t a = take(&rest), b = take(&rest), h = hash(a, b, take(&rest));
        uint32_t at = slot_of(t, h);
        t->used += !t->slots[at];
        t->slots[at] = h;
        t->weights[at][language] = weight;
    }
}

static uint32_t hash_on(uint32_t h, uint32_t c)
{
    return (h ^ c) * 0x01000193u;
}

/* Apart from those of trigrams. */
static uint32_t hash_word(uint32_t h)
{
    return hash(h, 'w', 0);
}

static void add_words(struct language_table *t, int language, const char *words)
{
    struct span rest = {words, strlen(words)};

    while (rest.n) {
        uint32_t h = 0, c;
        while (rest.n && (c = take(&rest)) != ' ')
            h = hash_on(h, c);
        uint32_t at = slot_of(t, hash_word(h));
        t->used += !t->slots[at];
        t->slots[at] = hash_word(h);
        t->weights[at][language] = WORD_WEIGHT;
    }
}

void language_init(struct language_table *t)
{
    memset(t, 0, sizeof *t);
    for (int i = 0; i < LANGUAGES; i++)
        add_profile(t, i);
    for (const struct language_words *w = language_words; w->code; w++)
        for (int i = 0; i < LANGUAGES; i++)
            if (strcmp(language_profiles[i].code, w->code) == 0)
                add_words(t, i, w->words);
}

/* ---- a text ---- */

struct tally {
    const struct language_table *table;
    uint32_t script[SCRIPTS]; /* letters of each */
    uint32_t sum[LANGUAGES];  /* weights */
    uint32_t grams;
    uint32_t before[2]; /* the last two letters; blanks at the start of a word */
    uint32_t word;      /* the hash of the word so far */
};

static void add_weights(struct tally *y, uint32_t h)
{
    const struct language_table *t = y->table;
    uint32_t at = slot_of(t, h);

    if (t->slots[at])
        for (int i = 0; i < LANGUAGES; i++)
            y->sum[i] += t->weights[at][i];
}

static void add_gram(struct tally *y, uint32_t a, uint32_t b, uint32_t c)
{
    y->grams++;
    add_weights(y, hash(a, b, c));
}

static void add_letter(struct tally *y, uint32_t c)
{
    int script = script_of(c);

    y->script[script]++;
    if (script == SCRIPT_NONE || script >= SCRIPT_SHARED)
        return;
    y->word = hash_on(y->word, c);
    if (c >= 0x80)
        add_gram(y, ' ', ' ', c);
    if (y->before[1] != ' ')
        add_gram(y, y->before[0], y->before[1], c);
    y->before[0] = y->before[1];
    y->before[1] = c;
}

static void end_word(struct tally *y)
{
    if (y->before[1] != ' ')
        add_gram(y, y->before[0], y->before[1], ' ');
    if (y->word)
        add_weights(y, hash_word(y->word));
    y->word = 0;
    y->before[0] = y->before[1] = ' ';
}

static struct span behind(struct span s, size_t n)
{
    return n < s.n ? (struct span){s.p + n, s.n - n} : (struct span){s.p + s.n, 0};
}

/* The next part that is no code, at most n bytes of it. */
static struct span take_prose(struct span *rest, size_t n)
{
    size_t code = text_find_three(*rest, '`');
    struct span part = {rest->p, code < n ? code : n}, inside = behind(*rest, code + 3);

    *rest = behind(inside, text_find_three(inside, '`') + 3);
    return part;
}

static void read_text(struct tally *y, struct span text)
{
    for (size_t i = 0; i < text.n;) {
        int bytes;
        uint32_t c = text_decode(text, i, &bytes);
        i += (size_t)bytes;
        if (text_is_word(c) && !(c < 0x80 && !text_is_letter((unsigned char)c)))
            add_letter(y, text_fold(c));
        else
            end_word(y);
    }
    end_word(y);
}

/* The script of most letters. Japanese has more Chinese characters than Kana in some texts. */
static int main_script(struct tally *y, float *share)
{
    uint32_t all = 0, *n = y->script;
    int best = SCRIPT_NONE;

    n[SCRIPT_NONE] = 0;
    if (n[KANA] * 16 > n[HAN]) {
        n[KANA] += n[HAN];
        n[HAN] = 0;
    }
    for (int i = 0; i < SCRIPTS; i++) {
        n[i] *= i == HAN || i == KANA || i == HANGUL ? WIDE : 1;
        all += n[i];
        if (n[i] > n[best])
            best = i;
    }
    *share = all ? (float)n[best] / (float)all : 0;
    return best;
}

static struct language_guess by_trigrams(const struct tally *y, int script)
{
    struct language_guess guess = {"und", 0};
    int best = -1;

    for (int i = 0; i < LANGUAGES; i++)
        if (language_profiles[i].script == script && (best < 0 || y->sum[i] > y->sum[best]))
            best = i;
    float mean = y->grams ? (float)y->sum[best] / (float)y->grams : 0, others = 0;
    if (mean <= WEIGHT_LEAST)
        return guess;
    for (int i = 0; i < LANGUAGES; i++)
        if (i != best && language_profiles[i].script == script)
            others += expf(-EVIDENCE * (float)(y->sum[best] - y->sum[i]));
    float known = mean < WEIGHT_FULL ? (mean - WEIGHT_LEAST) / (WEIGHT_FULL - WEIGHT_LEAST) : 1;
    guess.confidence = known / (1 + others);
    guess.code = guess.confidence < UNSURE ? "und" : language_profiles[best].code;
    return guess;
}

struct language_guess language_find(const struct language_table *t, struct span text)
{
    struct tally y = {.table = t, .before = {' ', ' '}};
    struct span rest = text;
    size_t left = LANGUAGE_TEXT;
    float share;

    while (rest.n && left) {
        struct span part = take_prose(&rest, left);
        read_text(&y, part);
        left -= part.n;
    }
    int script = main_script(&y, &share);
    if (script == SCRIPT_NONE)
        return (struct language_guess){"und", 0};
    if (script >= SCRIPT_SHARED)
        return (struct language_guess){code_of(script), share};
    struct language_guess guess = by_trigrams(&y, script);
    guess.confidence *= share;
    return guess;
}
