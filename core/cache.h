/* cache - what one worker remembers: bytes by key, bounded, the least used goes first.
 * SPDX-License-Identifier: MIT */
#ifndef CACHE_H
#define CACHE_H

#include "err.h"

#include <stddef.h>

enum { CACHE_BYTES = 64 << 20 };

struct cache;

/* At most so many bytes, what it needs to keep them included. */
struct cache *cache_new(size_t max, struct err *err);
void cache_free(struct cache *c); /* NULL is fine */

#endif
