/* test_pool - small blocks: each its own, of the right size, none lost, and memory that goes back.
 * SPDX-License-Identifier: MIT */
#include "pool.h"
#include "testhelp.h"

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

enum { BLOCKS = 20000 };

static struct {
    unsigned char *p;
    size_t n;
    unsigned char mark;
} blocks[BLOCKS];

static uint32_t seed = 1;

static uint32_t dice(uint32_t sides)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % sides;
}

static void fill(int i, struct pool *p, size_t n)
{
    blocks[i].p = pool_get(p, n, false);
    blocks[i].n = n;
    blocks[i].mark = (unsigned char)dice(256);
    memset(blocks[i].p, blocks[i].mark, n);
}

static bool is_whole(int i)
{
    for (size_t k = 0; k < blocks[i].n; k++)
        if (blocks[i].p[k] != blocks[i].mark)
            return false;
    return true;
}

/* Any order of taking and giving back: no block touches another. */
static void blocks_are_their_own(void)
{
    struct pool p;
    int odd = 0, broken = 0;

    pool_init(&p, SIZE_MAX);
    for (int i = 0; i < BLOCKS; i++)
        fill(i, &p, 1 + dice(dice(8) ? 128 : POOL_BLOCK_MAX));
    for (int round = 0; round < 200000; round++) {
        int i = (int)dice(BLOCKS);
        odd += (uintptr_t)blocks[i].p % POOL_STEP != 0;
        broken += !is_whole(i);
        pool_put(&p, blocks[i].p);
        fill(i, &p, 1 + dice(dice(8) ? 128 : POOL_BLOCK_MAX));
        if (round % 50000 == 0)
            pool_trim(&p);
    }
    for (int i = 0; i < BLOCKS; i++)
        broken += !is_whole(i);
    CHECK_INT(odd, 0);
    CHECK_INT(broken, 0);
    pool_deinit(&p);
}

/* The ends of each size: a block holds as many bytes as were asked for, and classes tell sizes apart. */
static void sizes_have_their_class(void)
{
    struct pool p;

    pool_init(&p, SIZE_MAX);
    CHECK_INT(pool_class(1), 0);
    CHECK_INT(pool_class(16), 0);
    CHECK_INT(pool_class(17), 1);
    CHECK_INT(pool_class(512), 31);
    CHECK_INT(pool_class(513), 32);
    CHECK_INT(pool_class(640), 32);
    CHECK_INT(pool_class(641), 33);
    CHECK_INT(pool_class(POOL_BLOCK_MAX), POOL_CLASSES - 1);
    for (size_t n = 1; n <= POOL_BLOCK_MAX;
         n++) { /* two of a size, side by side: the first one's end is its own */
        unsigned char *a = pool_get(&p, n, false), *b = pool_get(&p, n, false);
        memset(a, 1, n);
        memset(b, 2, n);
        if (a[n - 1] != 1 || b[0] != 2)
            CHECK_INT(n, 0);
        pool_put(&p, a);
        pool_put(&p, b);
    }
    pool_deinit(&p);
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    CHECK(f && fscanf(f, "%*d %ld", &pages) == 1);
    if (f)
        fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* What is not used goes back, at the second look; what was taken again in between stays. */
static void memory_goes_back(void)
{
    enum { N = 30000, SIZE = 1000 };
    static void *held[N];
    struct pool p;

    pool_init(&p, SIZE_MAX);
    for (int i = 0; i < N; i++)
        memset(held[i] = pool_get(&p, SIZE, false), 1, SIZE);
    long full = resident_kb();
    for (int i = 0; i < N; i++)
        pool_put(&p, held[i]);
    CHECK_INT(pool_trim(&p), 0);
    void *one = pool_get(&p, SIZE, false);
    size_t back = pool_trim(&p);
    CHECK(back >= (size_t)N * SIZE);
    CHECK(full - resident_kb() >= N * SIZE / 1024 / 2);
    CHECK_INT(pool_trim(&p), 0);
    memset(one, 2, SIZE);
    pool_put(&p, one);
    pool_deinit(&p);
}

/* A chunk that one size has left serves another: the memory of a pool is bounded by what lives in it. */
static void chunks_change_their_size(void)
{
    enum { N = 4000 };
    static void *held[N];
    struct pool p;

    pool_init(&p, SIZE_MAX);
    long before = resident_kb();
    for (size_t n = POOL_STEP; n <= 512; n += POOL_STEP) {
        for (int i = 0; i < N; i++)
            memset(held[i] = pool_get(&p, n, false), 1, n);
        for (int i = 0; i < N; i++)
            pool_put(&p, held[i]);
    }
    CHECK(resident_kb() - before < 8L * N * 512 / 1024);
    pool_deinit(&p);
}

/* One block is kept of each chunk, in size after size: what that holds is bounded, and blocks for which there is room are
 * still given out. */
static void pinned_chunks_are_counted(void)
{
    enum { MOST = 8 << 20, CHUNK = 16 << 10, N = MOST / POOL_STEP };
    static void *held[N];
    struct pool p;
    size_t refused = 0, pinned = 0;

    pool_init(&p, MOST);
    for (size_t n = POOL_BLOCK_MAX; n >= POOL_WIDE; n -= POOL_WIDE) {
        int got = 0;
        uintptr_t last = 0;
        while (got < N && (held[got] = pool_get(&p, n, false)))
            got++;
        refused += got < N;
        for (int i = 0; i < got; i++) {
            uintptr_t chunk = (uintptr_t)held[i] / CHUNK;
            if (chunk == last)
                pool_put(&p, held[i]);
            else
                pinned++;
            last = chunk;
        }
        CHECK(p.held <= MOST);
    }
    CHECK(refused > 0 && pinned > 0);
    CHECK(p.held == MOST);
    CHECK(pool_get(&p, POOL_STEP, false) == NULL);      /* would need a chunk of its own, */
    CHECK(pool_get(&p, POOL_BLOCK_MAX, false) != NULL); /* these do not, */
    CHECK(pool_get(&p, POOL_STEP, true) != NULL);       /* and this one must have it */
    CHECK_INT(p.held, MOST + CHUNK);
    pool_deinit(&p);
}

int main(void)
{
    pinned_chunks_are_counted();
    blocks_are_their_own();
    sizes_have_their_class();
    memory_goes_back();
    chunks_change_their_size();
    return test_report("test_pool");
}
