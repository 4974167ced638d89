/* worker - one loop and everything that hangs from it.
 * SPDX-License-Identifier: MIT */
#ifndef WORKER_H
#define WORKER_H

#include "config.h"
#include "generation.h"
#include "http.h"
#include "questions.h"
#include "shared.h"
#include "sim.h"
#include "transfer.h"
#include "worker_trace.h"

#include <event2/event.h>

/* The master's words come before everything else that waits in the loop (whose default is the last one): who was told
 * that another generation serves is answered by it. */
enum { WORKER_PRIORITIES = 2, WORKER_FIRST = 0 };

struct worker_options {
    const char *config;   /* file; NULL: baton.lua if it is there */
    const char *policies; /* folder with policies of the user; NULL: none */
    const char *const *allow_read, *const *allow_write, *const *allow_net,
                                                            *const *args; /* as in struct runtime */
    FILE *print;
    bool workflow;         /* a command-line script: its tasks may use more than a request's */
    int shared_fd;         /* memory that the master made, taken over; 0: memory of its own */
    bool bare;             /* no configuration is read */
    bool trial;            /* nothing is called: no simulator is started either */
    bool serves;           /* it is one of the master's, or a trial for one */
    const char *trace_log; /* file of the command line; NULL: the configuration's */
    struct span recorded;  /* as in config_load_recorded; p is NULL: real models */
};

struct load;

struct worker {
    struct worker_options o;
    char home[4096]; /* the folder with scripts/ and policies/ */
    struct event_base *base;
    struct log log;
    struct shared shared;
    struct cache *cache;
    struct sim *sim; /* the built-in one, when no provider is configured */
    struct transfers *transfers;
    struct effect *fx;
    struct questions *questions; /* to people */
    struct runtime rt;
    bool watched;       /* the watchdog runs */
    struct list loads;  /* struct load, every one */
    struct list graves; /* generations that are being closed */
    struct event *undertaker;
    size_t buried;       /* bytes of what is being closed */
    struct load *front;  /* what new requests get; NULL: nothing yet */
    struct load *canary; /* NULL: none */
    double share;        /* of the requests that go to the canary */
    void (*on_freed)(struct worker *w, int64_t serial); /* a load is gone; may be NULL */
    struct http *http;                                  /* "baton worker": set by it */
    struct list requests;                               /* struct request, in flight */
    struct worker_trace trace;
};

/* Builds all of it but what is served: loop, shared memory, effects. */
int worker_init(struct worker *w, const struct worker_options *o, struct err *err);
/* Reads configuration and policies from the disk and loads them: the front. For commands of one process. */
int worker_load_files(struct worker *w, struct err *err);
void worker_deinit(struct worker *w);

/* Runs the function 'name' of module "serve", or the script of that name when 'script', as a root
 * task with these arguments; loops until it has ended. */
struct worker_job {
    const char *script; /* name given to generation_add_script; NULL: the module's function */
    const char *module, *function;
    const char *const *texts; /* string arguments, NULL-terminated */
    struct ledger *ledger;
    struct buf *result; /* gets the first value returned, as JSON; NULL: not wanted */
};
int worker_run(struct worker *w, const struct worker_job *job, struct err *err);

/* More of a chore that is done in slices (a load is built, a generation buried): in the next turn of the loop, or after
 * a pause while requests are in flight. A worker that never sleeps would keep its core from all that serve them. */
void worker_continue(struct worker *w, struct event *chore);

#endif
