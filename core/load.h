/* load - one generation with its configuration, as a worker has it.
 * SPDX-License-Identifier: MIT
 *
 * It is built in short steps, gets requests while it is the worker's front or canary, and goes when it was retired
 * and its last task has ended. */
#ifndef LOAD_H
#define LOAD_H

#include "worker.h"

enum load_state { LOAD_BUILDING, LOAD_READY, LOAD_RETIRED };

struct load {
    struct list node;
    struct worker *w;
    int64_t serial;
    enum load_state state;
    struct sources sources; /* until it is built */
    struct config config;
    struct buf config_text; /* for messages, until it is built */
    char config_name[256];
    struct generation *g;
};

/* Takes 'sources' over, also on failure. 'text' is the configuration (p NULL: there is none), 'name' its file. On
 * failure nothing is left but *err. */
struct load *load_begin(struct worker *w, int64_t serial, struct sources *sources, const char *name,
                        struct span text, struct err *err);
/* One step: 1 there is more to do, 0 it is ready, -1 it is refused and gone, with *err. */
int load_step(struct load *l, struct err *err);
/* Are the files that a configuration names what they have to be: a certificate with its key, and, where 'traces', a
 * trace log that can be written? Nothing is made. -1: no, "configuration: FIELD: file: reason". */
int load_check_files(const struct config *c, bool traces, struct err *err);
/* No new requests and no timers; it goes by itself. */
void load_retire(struct load *l);

struct load *load_find(struct worker *w, int64_t serial); /* NULL: none */
int load_count(const struct worker *w);
/* Tasks alive in it: requests, their children, timers. */
int load_tasks(const struct load *l);

#endif
