/* fuzz_linear - a model file is refused, or answers any text with probabilities that are some.
 * SPDX-License-Identifier: MIT
 *
 * No fuzzer finds the check sum by chance: the length and the sum are put right first. The input is the file's contents
 * behind its frame; it is tried with the zeros that
 * 256 empty buckets are, too. */
#include "linear.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(char *to, uint64_t n, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (char)(n >> 8 * i & 255);
}

static void ask(const struct linear *m, struct span text)
{
    int n;
    const struct linear_head *heads = linear_heads(m, &n);
    float *scores = calloc((size_t)linear_columns(m), sizeof *scores);
    float *p = calloc(LINEAR_COLUMNS, sizeof *p);

    const float inputs[LINEAR_INPUTS] = {1, -1e30f, NAN, INFINITY};
    linear_scores(m, text, inputs, scores);
    for (int i = 0; i < n; i++) {
        if (heads[i].kind == LINEAR_NUMBER) {
            float x = linear_number(&heads[i], scores);
            if (!(x >= heads[i].low && x <= heads[i].high))
                abort();
            continue;
        }
        struct linear_answer a = linear_labels(&heads[i], scores, p);
        if (a.best < 0 || a.best >= heads[i].count || !(a.p >= 0 && a.p <= 1))
            abort();
    }
    free(scores);
    free(p);
}

static void try(const char *file, size_t size)
{
    struct err err;
    struct linear *m = linear_read((struct span){file, size}, &err);

    if (m) {
        ask(m, (struct span){file, size});
        ask(m, SPAN(""));
        ask(m, SPAN("what is it?"));
    }
    linear_free(m);
}

/* The frame around 'size' bytes and as many zeros. */
static void frame(const uint8_t *data, size_t size, size_t zeros)
{
    size_t n = HEAD + size + zeros;
    char *file = calloc(n, 1);

    if (!file)
        return;
    memcpy(file, "BATONLIN", 8);
    put(file + 8, 1, 4);
    put(file + 12, n, 4);
    if (size)
        memcpy(file + HEAD, data, size);
    put(file + 16, linear_sum((struct span){file + HEAD, n - HEAD}), 8);
    try(file, n);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try((const char *)data, size);
    frame(data, size, 0);
    frame(data, size, 512); /* what 256 buckets take: all of them unseen */
    if (size > HEAD && memcmp(data, "BATONLIN", 8) == 0)
        frame(data + HEAD, size - HEAD, 0);
    return 0;
}
