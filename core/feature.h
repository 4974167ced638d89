/* feature - what a text shows of the work it asks for, counted in one pass.
 * SPDX-License-Identifier: MIT
 *
 * Not "features.h", which is libc's.
 *
 * Any bytes are a text; characters are those of text_char. The time is linear in the text, whatever it holds. Words
 * that mean something are those of lexicon.h; what is said by signs, digits and lines holds for all languages. */
#ifndef FEATURE_H
#define FEATURE_H

#include "lexicon.h"

enum { FEATURES_LANGUAGES = 8, FEATURES_LANGUAGE = 20 /* bytes of a name */ };

struct features {
    size_t bytes;
    size_t characters; /* bytes that begin one: all but UTF-8's continuation bytes */
    size_t lines;      /* 0 for an empty text */
    /* runs of letters and digits; each character of Chinese and Japanese; of scripts without blanks (Thai, ...) each
     * four characters */
    size_t words;
    /* ended by . ! ? or their like before a blank; or by an empty line, an item of a list, the end */
    size_t sentences;
    size_t questions; /* those of them that end with a question mark */
    size_t numbers;   /* "12", "1,250.5" */
    size_t steps;     /* lines that begin as "1." "2)" "(3)" or "Step 4" do */
    size_t bullets;   /* lines that begin with - * or a dot */
    size_t blocks;    /* of code, between ``` or ~~~ */
    size_t block_bytes;
    size_t code_lines; /* outside of blocks: lines that end or operate as code does */
    /* $...$, \(...\), \[...\], and stretches with operators between operands: "2x + 3 = 11" */
    size_t formulas;
    size_t urls;
    size_t symbols; /* = < > ^ { } [ ] \ | outside of blocks */

    /* Words outside of blocks and URLs. */
    size_t plain;      /* of three letters or more, all ASCII: those that the next four look at */
    size_t rare;       /* not in the list of usual words, nor a form of one */
    size_t long_words; /* of eleven letters or more */
    size_t technical;
    size_t vague;    /* each of these with its phrases */
    size_t sequence; /* "first", "then", "step by step" */
    size_t orders;   /* verbs that can be orders, anywhere */
    /* those that stand where an order does: first in a sentence, after "please", "and", a comma */
    size_t imperatives;
    size_t constraints; /* "must", "at most", "without" */
    size_t logic;       /* "if", "therefore", "for all" */

    int languages; /* of blocks, as they are named; each once */
    struct span language[FEATURES_LANGUAGES];
};

/* The spans in 'out' are of the text. */
void features_read(const struct lexicon *l, struct span text, struct features *out);

#endif
