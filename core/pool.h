/* pool - small blocks by size, for one Lua state: what scripts make and drop by the hundred in each request.
 * SPDX-License-Identifier: MIT
 *
 * A collector frees thousands of blocks at once, which malloc answers with merging and splitting (a seventh of a
 * request's CPU). Here a block comes from a chunk of blocks of its own size and goes back there in a few instructions;
 * a chunk that nobody uses serves another size, and its memory can go back to the system. The slab allocator of
 * Bonwick (USENIX 1994), without its constructors. */
#ifndef POOL_H
#define POOL_H

#include "list.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    POOL_STEP = 16, /* sizes are rounded up to it, so are addresses; */
    POOL_FINE = 512,
    POOL_WIDE = 128,       /* above POOL_FINE to this */
    POOL_BLOCK_MAX = 2560, /* larger blocks are malloc's */
    POOL_CLASSES =
        POOL_FINE / POOL_STEP + (POOL_BLOCK_MAX - POOL_FINE) / POOL_WIDE, /* sizes there are */
};

struct pool {
    struct list room[POOL_CLASSES]; /* of each size: chunks that have a block left */
    struct list open;               /* regions that have a chunk left */
    struct list full;               /* the others */
    size_t held;                    /* bytes of the chunks in use: at most */
    size_t most;                    /* this */
};

/* most: bytes that chunks in use may take, however little of them is in use: who gives back all blocks of a chunk but
 * one, in size after size, would hold many times what his blocks sum up to. */
void pool_init(struct pool *p, size_t most);
void pool_deinit(struct pool *p); /* all blocks go with it */

/* Which of the sizes a block of n bytes, 1 to POOL_BLOCK_MAX, has. */
static inline unsigned pool_class(size_t n)
{
    if (n <= POOL_FINE)
        return (unsigned)((n - 1) / POOL_STEP);
    return (unsigned)(POOL_FINE / POOL_STEP + (n - 1 - POOL_FINE) / POOL_WIDE);
}

/* A block of n bytes, 1 to POOL_BLOCK_MAX, or NULL when the system has no memory, or no chunk has room and there may
 * be no more; the second does not hold where it is 'urgent'. */
void *pool_get(struct pool *p, size_t n, bool urgent);
/* Takes back what pool_get gave. */
void pool_put(struct pool *p, void *block);

/* Gives memory back to the system that no block has used since the last call. Returns how many bytes that was. To be
 * called now and then. */
size_t pool_trim(struct pool *p);

#endif
