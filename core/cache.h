/* cache - what one worker remembers: bytes by key, bounded, the least used goes first.
 * SPDX-License-Identifier: MIT
 *
 * It lies outside of every Lua heap, so it costs no collector anything and outlives the scripts that filled it. Times are
 * microseconds of any clock that never goes back; they come from the caller. */
#ifndef CACHE_H
#define CACHE_H

#include "buf.h"
#include "err.h"

#include <stdbool.h>
#include <stdint.h>

enum { CACHE_BYTES = 64 << 20, CACHE_KEY_MAX = 1024, CACHE_VALUE_MAX = 1 << 20 };

struct cache;

/* At most 'max' bytes: keys, values, and what it takes to keep them. */
struct cache *cache_new(size_t max, struct err *err);
void cache_free(struct cache *c); /* NULL is fine */

/* From now on at most so many bytes; what is too much goes. */
void cache_resize(struct cache *c, size_t max);

/* The value, borrowed until the cache is used again; it counts as used now. Counts a hit or a miss. */
bool cache_get(struct cache *c, struct span key, int64_t now, struct span *value);
/* Copies. Others go when there is no room. An entry that would fill more than an eighth of the cache is refused: -1 and
 * ERR_BUDGET. A former value of the key is gone in any case. */
int cache_set(struct cache *c, struct span key, struct span value, int64_t expires,
              struct err *err);
/* Was there one? */
bool cache_delete(struct cache *c, struct span key, int64_t now);

struct cache_stats {
    uint64_t hits, misses;
    uint64_t evicted; /* gone for want of room, before their time */
    size_t entries, bytes, max;
};
void cache_stats(const struct cache *c, struct cache_stats *stats);

#endif
