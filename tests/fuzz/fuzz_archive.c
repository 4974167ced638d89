/* fuzz_archive - a stored generation is refused, or is what packing it again gives.
 * SPDX-License-Identifier: MIT
 *
 * No fuzzer finds a SHA-256 by chance: the record gets the right one, and this engine's version. */
#include "archive.h"
#include "digest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SUM_AT = 8, BODY_AT = SUM_AT + 64, VERSION_AT = BODY_AT + 4, VERSION = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(const char *data, size_t size)
{
    struct archived d;
    struct err err = {.message = ""};
    struct buf again;

    if (archived_unpack(&d, (struct span){data, size}, &err) < 0) {
        if (d.sources.items || !err.message[0])
            abort();
        return;
    }
    buf_init(&again, size);
    if (archived_pack(&d.sources, d.at_us, &again) < 0 || again.len != size ||
        memcmp(again.data, data, size) != 0)
        abort();
    buf_deinit(&again);
    archived_deinit(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1), sum[DIGEST_HEX + 1];
    struct digest d;

    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    unpack(copy, size);
    if (size >= VERSION_AT + VERSION) {
        memset(copy + VERSION_AT, 0, VERSION);
        memcpy(copy + VERSION_AT, BATON_VERSION, sizeof BATON_VERSION);
        digest_init(&d);
        digest_add(&d, (struct span){copy + BODY_AT, size - BODY_AT});
        digest_end(&d, sum);
        memcpy(copy + SUM_AT, sum, 64);
        unpack(copy, size);
    }
    free(copy);
    return 0;
}
