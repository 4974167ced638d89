/* language - which language a text is in.
 * SPDX-License-Identifier: MIT
 *
 * First the script: most letters decide, and of many languages nobody else writes so. Latin, Cyrillic and Arabic letters
 * are told apart by trigrams of letters inside of words (Cavnar and Trenkle 1994), each with the logarithm of its frequency
 * as weight; greetings and small words (language_words.c) help where there are only a few. Code between ``` is left out; LANGUAGE_TEXT bytes are read. Latin: Czech, Danish, Dutch, English, Finnish,
 * French, German, Hungarian, Indonesian, Italian, Norwegian, Polish, Portuguese, Romanian, Spanish, Swedish, Turkish,
 * Vietnamese; Cyrillic: Bulgarian, Russian, Ukrainian; Arabic: Arabic, Persian, Urdu. By the script alone: Chinese,
 * Japanese, Korean, Greek, Hebrew, Hindi, Bengali, Punjabi, Gujarati, Tamil, Telugu, Kannada, Malayalam, Sinhala, Thai, Lao,
 * Burmese, Khmer, Georgian, Armenian, Amharic. A text in a language that is none of these is taken for a near one, or for
 * none. */
#ifndef LANGUAGE_H
#define LANGUAGE_H

#include "buf.h"

#include <stdint.h>

enum {
    LANGUAGES = 24,       /* that have trigrams */
    LANGUAGE_TEXT = 4096, /* bytes */
    LANGUAGE_SLOTS = 8192 /* a power of two, more than the different trigrams of all */
};

/* Scripts with several languages; the others have one each (language.c). */
enum { SCRIPT_NONE, SCRIPT_LATIN, SCRIPT_CYRILLIC, SCRIPT_ARABIC, SCRIPT_SHARED };

struct language_profile {
    const char *code; /* ISO 639-1 */
    int script;
    const char *trigrams;
};
extern const struct language_profile language_profiles[LANGUAGES]; /* language_data.c */

struct language_words {
    const char *code;
    const char *words; /* small letters, a blank between */
};
extern const struct language_words language_words[]; /* language_words.c; ends with NULL */

/* Made once. */
struct language_table {
    uint32_t slots[LANGUAGE_SLOTS];                   /* hash of a trigram or a word; 0: free */
    unsigned char weights[LANGUAGE_SLOTS][LANGUAGES]; /* of it in each language */
    int used;
};

struct language_guess {
    const char *code; /* static; "und": nothing to go by */
    float confidence; /* 0 to 1: how probable, if it is one of those above */
};

void language_init(struct language_table *t);
struct language_guess language_find(const struct language_table *t, struct span text);

/* The codes that can be found: the i-th, or NULL. */
const char *language_code(int i);

#endif
