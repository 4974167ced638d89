/* tokens - about how many tokens a text has, without a tokenizer's vocabulary.
 * SPDX-License-Identifier: MIT
 *
 * Byte-pair tokenizers cut a text into pieces first: words with the blank before them, three digits, runs of signs. Those
 * pieces are counted here by what they are (a usual word, a rarer one of so many letters, a Chinese character, ...), and
 * each kind has a mean number of tokens, fitted once on texts in many languages and code (tokens_weights.c says how). One
 * count serves all families of tokenizers. The time is linear in the text. */
#ifndef TOKENS_H
#define TOKENS_H

#include "lexicon.h"

/* Kinds of pieces. */
enum token_kind {
    TOKEN_USUAL,    /* words of the lexicon and their forms */
    TOKEN_SHORT,    /* other ASCII words: of up to four letters, */
    TOKEN_ENDING,   /* of seven and more with an ending such as "tion", */
    TOKEN_WORD,     /* others of five and more, */
    TOKEN_LETTER,   /* and each letter of these after the fifth */
    TOKEN_CAPITALS, /* words of capitals, of two or more */
    TOKEN_CAPITAL,  /* each letter of these */
    TOKEN_LEAD,     /* a sign right before a word: "(word" */
    TOKEN_DIGITS,   /* up to three */
    TOKEN_SIGN,     /* one sign alone */
    TOKEN_SIGNS,    /* two or more the same or different */
    TOKEN_MORE,     /* each of these after the second */
    TOKEN_LINES,    /* line feeds with blanks around them */
    TOKEN_BLANKS,   /* two blanks or more before something; one before digits */
    TOKEN_ACCENTED, /* words with Latin letters beyond ASCII, */
    TOKEN_ACCENT,   /* each letter of these, */
    TOKEN_CYRILLIC, /* words */
    TOKEN_CYRILLIC_LETTER,
    TOKEN_GREEK_LETTER,
    TOKEN_HEBREW_LETTER,
    TOKEN_ARABIC_LETTER,
    TOKEN_INDIC_LETTER,
    TOKEN_THAI_LETTER, /* and other scripts of its neighbours */
    TOKEN_HAN_USUAL,   /* characters that are one token of a small vocabulary, too */
    TOKEN_HAN,         /* others */
    TOKEN_HIRAGANA,
    TOKEN_KATAKANA,
    TOKEN_HANGUL_USUAL,
    TOKEN_HANGUL,
    TOKEN_WIDE_SIGN, /* signs of Chinese and Japanese */
    TOKEN_OTHER,     /* bytes of all else */
    TOKEN_KINDS
};

struct token_counts {
    size_t n[TOKEN_KINDS];
};

/* A family of tokenizers. */
struct token_family {
    const char *name;
    const float *weights; /* tokens of each kind */
    float factor;         /* all of them times this */
    bool verified;        /* compared with a published tokenizer, by a test */
};
extern const struct token_family token_families[]; /* tokens_weights.c; the last has no name */

enum { TOKENS_USUAL = 678 };
extern const uint16_t tokens_usual[TOKENS_USUAL]; /* such characters, in order */

const struct token_family *tokens_family(const char *name); /* NULL: unknown */

void tokens_count(const struct lexicon *l, struct span text, struct token_counts *out);
size_t tokens_estimate(const struct token_family *f, const struct token_counts *counts);

#endif
