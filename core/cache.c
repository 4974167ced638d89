/* cache - what one worker remembers: bytes by key, bounded, the least used goes first.
 * SPDX-License-Identifier: MIT */
#include "cache.h"

#include <stdlib.h>

struct cache {
    size_t max;
};

struct cache *cache_new(size_t max, struct err *err)
{
    struct cache *c = calloc(1, sizeof *c);

    if (c)
        c->max = max;
    else
        err_set(err, ERR_OVERLOADED, "out of memory for a cache");
    return c;
}

void cache_free(struct cache *c)
{
    free(c);
}
