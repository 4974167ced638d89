/* tokens - about how many tokens a text has.
 * SPDX-License-Identifier: MIT */
#include "tokens.h"

#include "text_char.h"

#include <string.h>

struct reader {
    const struct lexicon *lexicon;
    struct span text;
    size_t at;
    size_t *n; /* of each kind */
};

static unsigned char at(const struct reader *r, size_t i)
{
    return i < r->text.n ? (unsigned char)r->text.p[i] : 0;
}

/* ---- words of ASCII ---- */

static void count_capitals(struct reader *r, size_t n)
{
    r->n[TOKEN_CAPITALS]++;
    r->n[TOKEN_CAPITAL] += n;
}

/* Endings of words that came from Latin or were put together: most of these are one token. */
static bool has_ending(const char *word, size_t n)
{
    static const char endings[][5] = {
        "tion", "sion", "ment", "ness", "able", "ible", "ance", "ence", "ally", "ical", "ious",
        "ated", "ates", "izes", "ized", "ines", "ions", "ents", "ants", "ures", "ings", "ters"};
    static const char short_endings[][4] = {"ity", "ive", "ous", "ate", "ing", "ial", "ure", "ent",
                                            "ant", "ist", "ism", "ary", "ory", "ize", "ise", "ies"};

    for (size_t i = 0; n >= 7 && i < sizeof endings / sizeof *endings; i++)
        if (memcmp(word + n - 4, endings[i], 4) == 0)
            return true;
    for (size_t i = 0; n >= 7 && i < sizeof short_endings / sizeof *short_endings; i++)
        if (memcmp(word + n - 3, short_endings[i], 3) == 0)
            return true;
    return false;
}

static void count_piece(struct reader *r, size_t from, size_t n)
{
    char word[LEXICON_BYTES];
    uint32_t hashes[LEXICON_BYTES], hash = LEXICON_START;

    for (size_t i = 0; i < n && i < LEXICON_BYTES; i++) {
        word[i] = text_lower(r->text.p[from + i]);
        hashes[i] = hash = lexicon_add(hash, (unsigned char)word[i]);
    }
    if (n <= LEXICON_BYTES && lexicon_is_common(r->lexicon, word, (int)n, hashes)) {
        r->n[TOKEN_USUAL]++;
    } else if (n < 5) {
        r->n[TOKEN_SHORT]++;
    } else if (n <= LEXICON_BYTES && has_ending(word, n)) {
        r->n[TOKEN_ENDING]++;
    } else {
        r->n[TOKEN_WORD]++;
        r->n[TOKEN_LETTER] += n - 5;
    }
}

/* "HTTPServerName" is three pieces: HTTP, Server, Name. */
static void read_word(struct reader *r)
{
    size_t from = r->at;

    while (text_is_upper(at(r, r->at)))
        r->at++;
    size_t capitals = r->at - from;
    if (capitals > 1 && text_is_lower(at(r, r->at))) {
        count_capitals(r, capitals - 1);
        from = r->at - 1;
    } else if (capitals > 1) {
        count_capitals(r, capitals);
        return;
    }
    while (text_is_lower(at(r, r->at)))
        r->at++;
    count_piece(r, from, r->at - from);
}

/* ---- other scripts ---- */

static enum token_kind script_of(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        enum token_kind kind;
    } scripts[] = {
        {0xaa, 0x24f, TOKEN_ACCENT},           {0x370, 0x3ff, TOKEN_GREEK_LETTER},
        {0x400, 0x52f, TOKEN_CYRILLIC_LETTER}, {0x590, 0x5ff, TOKEN_HEBREW_LETTER},
        {0x600, 0x77f, TOKEN_ARABIC_LETTER},   {0x900, 0xdff, TOKEN_INDIC_LETTER},
        {0xe00, 0x109f, TOKEN_THAI_LETTER},    {0x1100, 0x11ff, TOKEN_HANGUL},
        {0x1780, 0x17ff, TOKEN_THAI_LETTER},   {0x1e00, 0x1eff, TOKEN_ACCENT},
        {0x1f00, 0x1fff, TOKEN_GREEK_LETTER},  {0x3000, 0x303f, TOKEN_WIDE_SIGN},
        {0x3040, 0x309f, TOKEN_HIRAGANA},      {0x30a0, 0x30ff, TOKEN_KATAKANA},
        {0x3400, 0x9fff, TOKEN_HAN},           {0xac00, 0xd7a3, TOKEN_HANGUL},
        {0xf900, 0xfaff, TOKEN_HAN},           {0xff00, 0xff64, TOKEN_WIDE_SIGN},
        {0xff65, 0xff9f, TOKEN_KATAKANA},
    };

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        if (c >= scripts[i].first && c <= scripts[i].last)
            return scripts[i].kind;
    return TOKEN_OTHER;
}

/* The rest of a word of one script, after its first character; letters in all. */
static size_t read_letters(struct reader *r, enum token_kind kind)
{
    size_t letters = 0;

    for (int bytes; r->at < r->text.n; r->at += (size_t)bytes, letters++) {
        unsigned char c = at(r, r->at);
        bytes = 1;
        if (c < 0x80 && !(kind == TOKEN_ACCENT && text_is_letter(c)))
            break;
        if (c >= 0x80 && script_of(text_decode(r->text, r->at, &bytes)) != kind)
            break;
    }
    return letters;
}

static bool is_usual(uint32_t c)
{
    size_t low = 0, high = TOKENS_USUAL;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (tokens_usual[middle] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < TOKENS_USUAL && tokens_usual[low] == c;
}

static void read_wide(struct reader *r)
{
    int bytes;
    uint32_t c = text_decode(r->text, r->at, &bytes);
    enum token_kind kind = script_of(c);

    switch (kind) {
    case TOKEN_HAN:
    case TOKEN_HANGUL:
        r->n[is_usual(c) ? kind - 1 : kind]++;
        r->at += (size_t)bytes;
        break;
    case TOKEN_OTHER:
        r->n[kind] += (size_t)bytes;
        r->at += (size_t)bytes;
        break;
    case TOKEN_ACCENT:
    case TOKEN_CYRILLIC_LETTER:
        r->n[kind - 1]++;
        r->n[kind] += read_letters(r, kind);
        break;
    default:
        r->n[kind] += read_letters(r, kind);
        break;
    }
}

/* Does a letter beyond ASCII follow the ASCII ones? Then the word is one with accents. */
static bool is_accented(const struct reader *r)
{
    size_t i = r->at;

    while (text_is_letter(at(r, i)) && i - r->at < LEXICON_BYTES)
        i++;
    if (at(r, i) < 0xc3)
        return false;
    int bytes;
    return script_of(text_decode(r->text, i, &bytes)) == TOKEN_ACCENT;
}

/* ---- blanks, digits, signs ---- */

static void read_blanks(struct reader *r)
{
    size_t from = r->at, line = 0;

    while (text_is_blank(at(r, r->at))) {
        if (at(r, r->at) == '\n')
            line = r->at + 1;
        r->at++;
    }
    r->n[TOKEN_LINES] += line > 0;
    size_t n = r->at - (line ? line : from);
    r->n[TOKEN_BLANKS] += n > 1 || (n == 1 && text_is_digit(at(r, r->at)));
}

static void read_digits(struct reader *r)
{
    size_t from = r->at;

    while (text_is_digit(at(r, r->at)))
        r->at++;
    r->n[TOKEN_DIGITS] += (r->at - from + 2) / 3;
}

static bool is_sign(unsigned char c)
{
    return c > ' ' && c < 0x7f && !text_is_alnum(c);
}

static void read_signs(struct reader *r)
{
    size_t from = r->at;

    while (is_sign(at(r, r->at)))
        r->at++;
    size_t n = r->at - from;
    if (n && text_is_letter(at(r, r->at))) { /* the last one goes with the word */
        n--;
        r->n[TOKEN_LEAD]++;
    }
    r->n[TOKEN_SIGN] += n == 1;
    r->n[TOKEN_SIGNS] += n > 1;
    r->n[TOKEN_MORE] += n > 2 ? n - 2 : 0;
}

void tokens_count(const struct lexicon *l, struct span text, struct token_counts *out)
{
    *out = (struct token_counts){0};
    struct reader r = {.lexicon = l, .text = text, .n = out->n};

    while (r.at < text.n) {
        unsigned char c = at(&r, r.at);
        if (text_is_letter(c) && is_accented(&r)) {
            r.n[TOKEN_ACCENTED]++;
            r.n[TOKEN_ACCENT] += read_letters(&r, TOKEN_ACCENT);
        } else if (text_is_letter(c)) {
            read_word(&r);
        } else if (text_is_blank(c)) {
            read_blanks(&r);
        } else if (text_is_digit(c)) {
            read_digits(&r);
        } else if (c >= 0x80) {
            read_wide(&r);
        } else if (is_sign(c)) {
            read_signs(&r);
        } else { /* control characters */
            r.n[TOKEN_OTHER]++;
            r.at++;
        }
    }
}

size_t tokens_estimate(const struct token_family *f, const struct token_counts *counts)
{
    double sum = 0;

    for (int i = 0; i < TOKEN_KINDS; i++)
        sum += (double)f->weights[i] * (double)counts->n[i];
    sum *= (double)f->factor;
    return (size_t)(sum + 0.5) + (sum > 0 && sum < 0.5);
}

const struct token_family *tokens_family(const char *name)
{
    for (const struct token_family *f = token_families; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}
