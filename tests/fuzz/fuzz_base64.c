/* fuzz_base64 - what is read as base64 is written the same; a data: URL's parts lie inside of it.
 * SPDX-License-Identifier: MIT */
#include "base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Own memory of exactly that size, so that the sanitizer sees a step outside. */
static char *copy(const char *p, size_t n)
{
    char *own = malloc(n ? n : 1);

    if (n)
        memcpy(own, p, n);
    return own;
}

static void check_text(struct span text)
{
    bool usual = false;
    ptrdiff_t size = base64_size(text, &usual);

    if (size < 0)
        return;
    char *bytes = malloc(size ? (size_t)size : 1);
    size_t n = base64_length((size_t)size);
    char *again = malloc(n ? n : 1);
    base64_decode(bytes, text);
    base64_encode(again, (struct span){bytes, (size_t)size});
    if (usual != (n == text.n && memcmp(again, text.p, n) == 0))
        abort();
    if (base64_size((struct span){again, n}, &usual) != size || !usual)
        abort();
    free(again);
    free(bytes);
}

static void check_inside(struct span part, struct span all)
{
    if (part.p && (part.p < all.p || part.p + part.n > all.p + all.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span all = {copy((const char *)data, size), size};
    struct data_url u;
    char *out = malloc(size ? size : 1);
    ptrdiff_t n = percent_decode(out, all);

    if (n > (ptrdiff_t)size)
        abort();
    if (n >= 0)
        check_text((struct span){out, (size_t)n});
    check_text(all);
    if (data_url_read(&u, all)) {
        check_inside(u.type, all);
        check_inside(u.data, all);
        check_text(u.data);
    }
    free(out);
    free((char *)all.p);
    return 0;
}
