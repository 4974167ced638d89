/* fuzz_measure - any bytes as a text: what is counted in it can be there.
 * SPDX-License-Identifier: MIT */
#include "feature.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_features(struct span text)
{
    static struct lexicon words;
    struct features f;

    if (!words.used)
        lexicon_init(&words);
    features_read(&words, text, &f);
    if (f.bytes != text.n || f.characters > f.bytes || f.words > f.bytes || f.sentences > f.bytes ||
        f.questions > f.sentences || f.numbers > f.words || f.rare > f.plain ||
        f.imperatives > f.orders || f.block_bytes > f.bytes || f.languages > FEATURES_LANGUAGES)
        abort();
    for (int i = 0; i < f.languages; i++)
        if (f.language[i].p < text.p || f.language[i].p + f.language[i].n > text.p + text.n)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_features((struct span){(const char *)data, size});
    return 0;
}
