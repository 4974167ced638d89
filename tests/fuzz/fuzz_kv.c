/* fuzz_kv - saved entries of kv must be refused or restored whole, whatever their bytes.
 * SPDX-License-Identifier: MIT
 *
 * The input is what stands between the first line and the checksum, which is made right here; when its first byte is 0xff,
 * the rest is taken as it is. */
#include "digest.h"
#include "kv.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 64 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(struct buf *b)
{
    struct digest d;
    char hex[DIGEST_HEX + 1];

    digest_init(&d);
    digest_add(&d, buf_span(b));
    digest_end(&d, hex);
    buf_puts(b, hex);
}

/* What was accepted is saved and read again: nothing may change. */
static void again(struct kv *kv)
{
    struct buf first, second;
    struct err err;
    size_t lost;

    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    if (kv_save(kv, &first) < 0 || kv_restore(kv, buf_span(&first), 0, &lost, &err) < 0 || lost ||
        kv_save(kv, &second) < 0 || first.len != second.len || !kv_is_whole(kv))
        abort();
    buf_deinit(&first);
    buf_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kv *kv = aligned_alloc(4096, SIZE);
    struct buf b;
    struct err err;
    size_t lost = 0;

    buf_init(&b, 1 << 20);
    memset(kv, 0, SIZE);
    kv_format(kv, SIZE);
    if (size && data[0] == 0xff) {
        buf_add(&b, data + 1, size - 1);
    } else {
        buf_puts(&b, "baton kv 1\n");
        buf_add(&b, data, size);
        seal(&b);
    }
    if (kv_restore(kv, buf_span(&b), 1000, &lost, &err) == 0)
        again(kv);
    else if (!*err.message)
        abort();
    buf_deinit(&b);
    free(kv);
    return 0;
}
