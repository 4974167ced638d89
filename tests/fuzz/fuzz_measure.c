/* fuzz_measure - any bytes as a text: what is counted in it can be there, and it is in some language or none.
 * SPDX-License-Identifier: MIT */
#include "feature.h"
#include "language.h"
#include "tokens.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lexicon words;
static struct language_table languages;

static void check_features(struct span text)
{
    struct features f;

    features_read(&words, text, &f);
    if (f.bytes != text.n || f.characters > f.bytes || f.words > f.bytes || f.sentences > f.bytes ||
        f.questions > f.sentences || f.numbers > f.words || f.rare > f.plain ||
        f.imperatives > f.orders || f.block_bytes > f.bytes || f.languages > FEATURES_LANGUAGES)
        abort();
    for (int i = 0; i < f.languages; i++)
        if (f.language[i].p < text.p || f.language[i].p + f.language[i].n > text.p + text.n)
            abort();
}

static void check_tokens(struct span text)
{
    struct token_counts counts;
    size_t pieces = 0;

    tokens_count(&words, text, &counts);
    for (int i = 0; i < TOKEN_KINDS; i++)
        pieces += counts.n[i];
    if (pieces > 2 * text.n) /* a word counts itself and its letters */
        abort();
    for (const struct token_family *f = token_families; f->name; f++)
        if (tokens_estimate(f, &counts) > 4 * text.n)
            abort();
}

static void check_language(struct span text)
{
    struct language_guess guess = language_find(&languages, text);

    if (!guess.code || !(guess.confidence >= 0 && guess.confidence <= 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};

    if (!words.used) {
        lexicon_init(&words);
        language_init(&languages);
    }
    check_features(text);
    check_tokens(text);
    check_language(text);
    return 0;
}
