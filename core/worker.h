/* worker - one loop and everything that hangs from it.
 * SPDX-License-Identifier: MIT */
#ifndef WORKER_H
#define WORKER_H

#include "cache.h"
#include "config.h"
#include "generation.h"
#include "http.h"
#include "shared.h"
#include "sim.h"
#include "transfer.h"

#include <event2/event.h>

struct worker_options {
    const char *config;   /* file; NULL: baton.lua if it is there */
    const char *policies; /* folder with policies of the user; NULL: none */
    const char *const *allow_read, *const *allow_write, *const *args; /* as in struct runtime */
    FILE *print;
    bool workflow; /* a command-line script: its tasks may use more than a request's */
};

struct worker {
    char home[4096]; /* the folder with scripts/ and policies/ */
    struct event_base *base;
    struct log log;
    struct config config;
    struct sim *sim; /* the built-in one, when no provider is configured */
    struct transfers *transfers;
    struct shared shared;
    struct cache *cache;
    struct effect *fx;
    struct runtime rt;
    bool watched; /* the watchdog runs */
    struct generation *current;
    struct http *http; /* "baton serve": set by it */
};

/* Builds all of it but a server: configuration, simulator if needed, effects, the first generation.
 */
int worker_init(struct worker *w, const struct worker_options *o, struct err *err);
void worker_deinit(struct worker *w);

/* Runs the function 'name' of module "serve", or the script of that name when 'script', as a root
 * task with these arguments; loops until it has ended. */
struct worker_job {
    const char *script; /* name given to generation_add_script; NULL: the module's function */
    const char *module, *function;
    const char *const *texts; /* string arguments, NULL-terminated */
    struct ledger *ledger;
};
int worker_run(struct worker *w, const struct worker_job *job, struct err *err);

#endif
