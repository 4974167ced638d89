/* worker_memory - what a burst of requests or a greedy task took goes back to the system when it is quiet.
 * SPDX-License-Identifier: MIT */
#include "worker_memory.h"

#include "load.h"

#include <malloc.h>

enum {
    QUIET = 64,           /* requests in flight, at most, while garbage is collected */
    COLLECT_US = 2000,    /* of collecting in a tick */
    HEAP_SMALL = 6 << 20, /* not worth it */
    LOOK_TICKS = 4,       /* between two looks at unused memory */
    LOOKS = 4,            /* before some is given back */
    SPARE_BYTES = 24 << 20
};

/* What a burst leaves in Lua is collected only when as much again was allocated: so, while little is asked, a little
 * of it in each tick, once for what has come since the last time. */
static void collect(struct worker_memory *m, struct worker *w)
{
    struct effect *fx = w->fx;
    int64_t stop = fx->mono_us(fx) + COLLECT_US;

    if (!w->front || !w->http || http_pending(w->http) > QUIET)
        return;
    struct generation *g = w->front->g;
    if (g->heap.live < HEAP_SMALL || g->heap.live < m->collected + m->collected / 2)
        return;
    while (fx->mono_us(fx) < stop)
        if (lua_gc(g->L, LUA_GCSTEP, 0)) {
            m->collected = g->heap.live;
            return;
        }
}

/* What was given up stays with malloc, for the next who wants it. When nobody does for some seconds the system gets it
 * back. */
static void give_back(struct worker_memory *m, struct worker *w)
{
    bool first = m->ticks % (LOOKS * LOOK_TICKS) == 0;

    if (m->ticks % LOOK_TICKS != 0)
        return;
    size_t unused = mallinfo2().fordblks;
    if (first && m->spare > SPARE_BYTES)
        malloc_trim(0);
    if (first && w->front)
        pool_trim(&w->front->g->pool);
    if (first || unused < m->spare)
        m->spare = unused;
}

void worker_memory_tick(struct worker_memory *m, struct worker *w)
{
    collect(m, w);
    give_back(m, w);
    m->ticks++;
}
