/* fuzz_sources - a packed snapshot is refused, or is what packing it again gives.
 * SPDX-License-Identifier: MIT
 *
 * No fuzzer finds a SHA-256 by chance: what would be right but for its hash gets the right one, and
 * must then be taken. */
#include "sources.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_AT = 16, HASH = 64, HEAD = HASH_AT + HASH };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct sources *s, const char *data, size_t size)
{
    struct buf again;

    buf_init(&again, SOURCES_PACKED_MAX);
    if (sources_pack(s, &again) < 0 || again.len != size || memcmp(again.data, data, size) != 0)
        abort();
    buf_deinit(&again);
}

/* The hash that the files would have, computed from a snapshot of the same items. */
static void mend(char *packed, size_t size)
{
    struct sources s = {0};
    struct source items[64];
    size_t at = HEAD, n = 0;

    while (n < 64 && at + 8 <= size) {
        const unsigned char *p = (const unsigned char *)packed + at;
        size_t name = p[0] | (size_t)p[1] << 8, path = p[2] | (size_t)p[3] << 8;
        size_t text = p[4] | (size_t)p[5] << 8 | (size_t)p[6] << 16 | (size_t)p[7] << 24;
        if (name + path + text > size - at - 8)
            break;
        items[n].name = strndup(packed + at + 8, name);
        items[n].text = packed + at + 8 + name + path;
        items[n++].n = text;
        at += 8 + name + path + text;
    }
    s.items = items;
    s.n = n;
    sources_hash(&s);
    memcpy(packed + HASH_AT, s.hash, HASH);
    for (size_t i = 0; i < n; i++)
        free(items[i].name);
}

static void unpack(const char *data, size_t size)
{
    struct sources s;
    struct err err;

    if (sources_unpack(&s, (struct span){data, size}, &err) == 0)
        check_same(&s, data, size);
    else if (s.items || s.n)
        abort();
    sources_deinit(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);

    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    unpack(copy, size);
    if (size >= HEAD) {
        mend(copy, size);
        unpack(copy, size);
    }
    free(copy);
    return 0;
}
