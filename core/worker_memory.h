/* worker_memory - what a burst of requests or a greedy task took goes back to the system when it is quiet.
 * SPDX-License-Identifier: MIT */
#ifndef WORKER_MEMORY_H
#define WORKER_MEMORY_H

#include "worker.h"

struct worker_memory {
    int ticks;
    size_t spare;     /* the least that malloc kept unused, of the last looks */
    size_t collected; /* bytes in Lua that were alive after the last collection made here */
};

/* Call it four times a second, from the loop. It takes at most some milliseconds. */
void worker_memory_tick(struct worker_memory *m, struct worker *w);

#endif
