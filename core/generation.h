/* generation - one loaded set of scripts and policies: a Lua state, its limits, its tasks.
 * SPDX-License-Identifier: MIT
 *
 * Built whole or not at all, and in steps, so that requests of another generation can run between
 * them. Whoever uses it holds a reference; tasks do. When the last one is gone the state is closed,
 * in steps, too, where the runtime says so. */
#ifndef GENERATION_H
#define GENERATION_H

#include "effect.h"
#include "guard.h"
#include "list.h"
#include "log.h"
#include "provider.h"
#include "shared.h"
#include "sources.h"

#include <lua.h>
#include <stdio.h>

enum { GENERATION_HASH = 12 };

struct generation;

/* What the scripts of one process may touch, shared by its generations. Borrowed by them. */
struct runtime {
    struct effect *fx;
    struct shared *shared; /* what all processes of the engine share; never NULL */
    struct watchdog dog;
    struct log *log;
    FILE *print;                   /* where print() goes; NULL: into the log */
    const char *const *allow_read; /* folders that fs.read may open, NULL-terminated; NULL: none */
    const char *const *allow_write;
    const char *const
        *allow_net;          /* hosts that http.fetch may ask besides those of the configuration */
    const char *const *args; /* what scripts see as 'arg', NULL-terminated; NULL: none */
    /* Gets a generation that nobody uses any more, and calls generation_bury_step(g) until it is
     * gone, not from in here. NULL: it is closed at once. */
    void (*bury)(struct runtime *rt, struct generation *g);
};

/* What a generation is made of. */
struct generation_plan {
    const struct sources *sources;     /* borrowed until it is built */
    const struct providers *providers; /* borrowed; they outlive the generation (see on_close) */
    struct span facts;          /* what scripts may know of the configuration (JSON; the module
                                   "config"); borrowed until it is built */
    struct guard_limits limits; /* of each task */
    size_t heap_max;            /* live bytes of all of it */
};

struct generation {
    int refs;
    struct runtime *rt;
    const struct providers *providers;
    struct guard_limits limits; /* of each task */
    lua_State *L;
    struct pool pool; /* of the heap's small blocks */
    struct heap heap;
    struct guard loading; /* the account while files are loaded */
    char hash[GENERATION_HASH + 1];
    struct list tasks;         /* struct task.in_generation */
    struct list ready;         /* tasks to resume */
    struct op later;           /* more is ready than one turn of the loop may take */
    bool draining;             /* somebody is resuming them */
    uint64_t ended;            /* spawned tasks, so far */
    int idle;                  /* threads in the pool */
    struct building *building; /* NULL once it is built */
    struct list timers;        /* bind_timer.c */
    int timer_count, timers_running, timer_names;
    bool timers_on, retired;
    /* number of the load, the same in all workers, set by whoever publishes it; 0: it is alone */
    uint64_t serial;
    int buried;           /* steps of its end that are done */
    struct list in_grave; /* the node is free for the runtime's 'bury' */

    /* Set by the owner: runs once, when the state is closed and the memory of 'g' is about to go. */
    void (*on_close)(void *arg);
    void *on_close_arg;
};

/* An empty state with one reference. Then generation_step, one short piece of work a call (compile
 * a file, run a policy's file, run its checks, ...): 1 there is more to do, 0 all is done, -1
 * refused, with the first fault in *err, with file and line; the caller unrefs it then. Nobody else
 * may use it before it is done. */
struct generation *generation_begin(struct runtime *rt, const struct generation_plan *plan,
                                    struct err *err);
int generation_step(struct generation *g, struct err *err);
/* All steps in a row. */
struct generation *generation_new(struct runtime *rt, const struct generation_plan *plan,
                                  struct err *err);

struct generation *generation_ref(struct generation *g);
void generation_unref(struct generation *g); /* NULL is fine */

/* Frees a part of what was handed to the runtime's 'bury', for about half a millisecond. True while
 * there is more; after false 'g' is gone. */
bool generation_bury_step(struct generation *g);

/* The timers that were set while files were loaded begin: it serves now. Once more is fine. */
void generation_start_timers(struct generation *g);
/* Another generation took its place: timers end here, also those whose turn is under way, and no new ones are taken.
 * Requests go on. Not from inside a task. */
void generation_retire(struct generation *g);

/* Pushes the module of that name (as require does). Raises. */
void generation_require(lua_State *L, const char *name);

/* Compiles a script that is not part of the sources ("baton run"). The function is kept under
 * 'name' for generation_push_script. -1 with file and line in *err. */
int generation_add_script(struct generation *g, const char *name, struct span text,
                          struct err *err);
bool generation_push_script(lua_State *L, const char *name); /* Raises on memory only */

/* While files are loaded: pushes "policies/x.lua:12: ", the line where the present one returns; false
 * when that is not known, or none is loaded. Raises on memory only. */
bool generation_push_return(lua_State *L, const struct generation *g);

/* The generation a state belongs to. */
struct generation *generation_of(lua_State *L);

#endif
