/* fuzz_neighbours - a file of examples is refused, or finds neighbours of any text, in order and below 1.
 * SPDX-License-Identifier: MIT
 *
 * No fuzzer finds the check sum by chance: the input is what stands behind the frame, which is put right first. */
#include "hash.h"
#include "neighbours.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 24, K = 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(char *to, uint64_t n, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (char)(n >> 8 * i & 255);
}

static void ask(const struct neighbours *n, struct span text)
{
    struct neighbour found[K];
    int count = neighbours_find(n, text, K, found);

    if (count < 0 || count > K)
        abort();
    for (int i = 0; i < count; i++) {
        if (!(found[i].score > 0 && found[i].score <= 1) ||
            (i && found[i].score > found[i - 1].score))
            abort();
        if (!neighbours_label(n, found[i].example)[0])
            abort();
    }
}

/* What was read is written as it was, but for labels that no example has. */
static void write_again(const struct neighbours *n)
{
    struct buf file;
    struct err err;

    buf_init(&file, NEIGHBOURS_FILE_MAX);
    if (neighbours_write(n, &file, &err) < 0)
        abort();
    struct neighbours *again = neighbours_read(buf_span(&file), &err);
    if (!again || neighbours_count(again) != neighbours_count(n))
        abort();
    neighbours_free(again);
    buf_deinit(&file);
}

static void try(struct span file)
{
    struct err err;
    struct neighbours *n = neighbours_read(file, &err);

    if (!n)
        return;
    ask(n, file);
    ask(n, SPAN("what is it?"));
    ask(n, neighbours_text(n, 0));
    write_again(n);
    neighbours_free(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *file = calloc(HEAD + size, 1);

    try((struct span){(const char *)data, size});
    if (!file)
        return 0;
    memcpy(file, "BATONNEI", 8);
    put(file + 8, 1, 4);
    put(file + 12, HEAD + size, 4);
    if (size)
        memcpy(file + HEAD, data, size);
    put(file + 16, hash_bytes(&(struct hash_key){0, 0}, (struct span){file + HEAD, size}), 8);
    try((struct span){file, HEAD + size});
    free(file);
    return 0;
}
