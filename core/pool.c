/* pool - small blocks by size, for one Lua state: what scripts make and drop by the hundred in each request.
 * SPDX-License-Identifier: MIT */
#include "pool.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    CHUNK = 16 << 10,
    CHUNKS = 64, /* of a region: a bit each */
    REGION = CHUNK * CHUNKS
};

/* Memory of the system's, cut into chunks. */
struct region {
    struct list link;
    char *base;     /* a multiple of CHUNK */
    uint64_t spare; /* chunks that serve no size */
    uint64_t dirty; /* of these, the ones that still hold memory; */
    uint64_t idle;  /* of these, the ones that nobody has wanted since the last pool_trim */
};

/* The head of each chunk in use; behind it are the blocks. */
struct chunk {
    struct list link; /* among those of its size with room; alone while it has none */
    struct region *region;
    void *back;     /* blocks that came back, each with the next one's address in it */
    unsigned fresh; /* where the bytes begin that were never given out */
    unsigned used;  /* blocks given out */
    unsigned size;  /* of a block */
};

enum { HEAD = (sizeof(struct chunk) + POOL_STEP - 1) / POOL_STEP * POOL_STEP };

void pool_init(struct pool *p, size_t most)
{
    p->held = 0;
    p->most = most;
    for (int c = 0; c < POOL_CLASSES; c++)
        list_init(&p->room[c]);
    list_init(&p->open);
    list_init(&p->full);
}

/* ---- regions ---- */

/* A region whose chunks begin at multiples of their size: what is mapped too much on either side goes back. */
static struct region *region_new(void)
{
    struct region *r = malloc(sizeof *r);
    char *p =
        r ? mmap(NULL, REGION + CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
          : MAP_FAILED;

    if (p == MAP_FAILED) {
        free(r);
        return NULL;
    }
    size_t before = -(uintptr_t)p % CHUNK;
    if (before > 0)
        munmap(p, before);
    munmap(p + before + REGION, CHUNK - before);
    *r = (struct region){.base = p + before, .spare = UINT64_MAX};
    return r;
}

static void region_free(struct region *r)
{
    munmap(r->base, REGION);
    free(r);
}

static void regions_free(struct list *regions)
{
    for (struct list *l; (l = list_first(regions));) {
        list_remove(l);
        region_free(LIST_ENTRY(l, struct region, link));
    }
}

void pool_deinit(struct pool *p)
{
    regions_free(&p->open);
    regions_free(&p->full);
}

/* What was idle the last time, too, goes. */
static size_t region_trim(struct region *r)
{
    size_t bytes = 0;

    for (int i = 0; i < CHUNKS; i++)
        if (r->idle >> i & 1) {
            madvise(r->base + (size_t)i * CHUNK, CHUNK, MADV_DONTNEED);
            bytes += CHUNK;
        }
    r->dirty &= ~r->idle;
    r->idle = r->dirty;
    return bytes;
}

size_t pool_trim(struct pool *p)
{
    size_t bytes = 0;

    for (struct list *l = p->open.next, *next; l != &p->open; l = next) {
        struct region *r = LIST_ENTRY(l, struct region, link);

        next = l->next;
        bytes += region_trim(r);
        if (r->spare == UINT64_MAX && !r->dirty) {
            list_remove(l);
            region_free(r);
        }
    }
    return bytes;
}

/* ---- chunks ---- */

/* The bytes of a block of this class. */
static unsigned size_of(unsigned class)
{
    const unsigned fine = POOL_FINE / POOL_STEP;

    return class < fine ? (class + 1) * POOL_STEP : POOL_FINE + (class + 1 - fine) * POOL_WIDE;
}

static struct region *region_with_room(struct pool *p)
{
    struct list *l = list_first(&p->open);

    if (l)
        return LIST_ENTRY(l, struct region, link);
    struct region *r = region_new();
    if (r)
        list_append(&p->open, &r->link);
    return r;
}

/* A chunk of blocks of this size: one that holds memory already, where there is one. */
static struct chunk *chunk_new(struct pool *p, unsigned class, bool urgent)
{
    struct region *r = urgent || p->held + CHUNK <= p->most ? region_with_room(p) : NULL;

    if (!r)
        return NULL;
    p->held += CHUNK;
    int i = __builtin_ctzll(r->dirty ? r->dirty : r->spare);
    r->spare &= ~(UINT64_C(1) << i);
    r->dirty &= ~(UINT64_C(1) << i);
    r->idle &= r->dirty;
    if (!r->spare) {
        list_remove(&r->link);
        list_append(&p->full, &r->link);
    }
    struct chunk *c = (struct chunk *)(r->base + (size_t)i * CHUNK);
    *c = (struct chunk){.region = r, .fresh = HEAD, .size = size_of(class)};
    list_append(&p->room[class], &c->link);
    return c;
}

static void chunk_free(struct pool *p, struct chunk *c)
{
    struct region *r = c->region;
    uint64_t bit = UINT64_C(1) << (((char *)c - r->base) / CHUNK);

    list_remove(&c->link);
    if (!r->spare) {
        list_remove(&r->link);
        list_append(&p->open, &r->link);
    }
    p->held -= CHUNK;
    r->spare |= bit;
    r->dirty |= bit;
}

/* ---- blocks ---- */

static bool chunk_full(const struct chunk *c)
{
    return !c->back && c->fresh + c->size > CHUNK;
}

static void *chunk_get(struct chunk *c)
{
    void *block = c->back;

    if (block) {
        c->back = *(void **)block;
    } else {
        block = (char *)c + c->fresh;
        c->fresh += c->size;
    }
    c->used++;
    return block;
}

void *pool_get(struct pool *p, size_t n, bool urgent)
{
    assert(n > 0 && n <= POOL_BLOCK_MAX);
    unsigned class = pool_class(n);
    struct list *l = list_first(&p->room[class]);
    struct chunk *c = l ? LIST_ENTRY(l, struct chunk, link) : chunk_new(p, class, urgent);

    if (!c)
        return NULL;
    void *block = chunk_get(c);
    if (chunk_full(c))
        list_remove(&c->link);
    return block;
}

void pool_put(struct pool *p, void *block)
{
    struct chunk *c = (struct chunk *)((uintptr_t)block & ~(uintptr_t)(CHUNK - 1));
    bool was_full = chunk_full(c);

    *(void **)block = c->back;
    c->back = block;
    if (--c->used == 0)
        chunk_free(p, c);
    else if (was_full)
        list_append(&p->room[pool_class(c->size)], &c->link);
}
