/* generation - one loaded set of scripts and policies: a Lua state, its limits, its tasks.
 * SPDX-License-Identifier: MIT
 *
 * Built whole or not at all. Whoever uses it holds a reference; tasks do. The last one out closes
 * the state. */
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

/* What the scripts of one process may touch, shared by its generations. Borrowed by them. */
struct runtime {
    struct effect *fx;
    struct shared *shared; /* what all processes of the engine share; never NULL */
    struct watchdog dog;
    struct log *log;
    struct guard_limits limits;    /* of each task */
    size_t heap_max;               /* live bytes of one generation, 256 MiB */
    FILE *print;                   /* where print() goes; NULL: into the log */
    const char *const *allow_read; /* folders that fs.read may open, NULL-terminated; NULL: none */
    const char *const *allow_write;
    const char *const *args; /* what scripts see as 'arg', NULL-terminated; NULL: none */
};

struct generation {
    int refs;
    struct runtime *rt;
    const struct providers *providers; /* borrowed from the configuration, which outlives it */
    lua_State *L;
    struct heap heap;
    struct guard loading; /* the account while files are loaded */
    char hash[GENERATION_HASH + 1];
    struct list tasks; /* struct task.in_generation */
    struct list ready; /* tasks to resume */
    struct op later;   /* more is ready than one turn of the loop may take */
    bool draining;     /* somebody is resuming them */
    int idle;          /* threads in the pool */
};

/* 'facts' is what scripts may know of the configuration (JSON; the module "config"). Loads
 * "scripts/serve.lua" and every policy; the first fault is in *err with file and line. */
struct generation *generation_new(struct runtime *rt, const struct sources *sources,
                                  const struct providers *providers, struct span facts,
                                  struct err *err);
struct generation *generation_ref(struct generation *g);
void generation_unref(struct generation *g); /* NULL is fine */

/* Pushes the module of that name (as require does). Raises. */
void generation_require(lua_State *L, const char *name);

/* Compiles a script that is not part of the sources ("baton run"). The function is kept under
 * 'name' for generation_push_script. -1 with file and line in *err. */
int generation_add_script(struct generation *g, const char *name, struct span text,
                          struct err *err);
bool generation_push_script(lua_State *L, const char *name); /* Raises on memory only */

/* The generation a state belongs to. */
struct generation *generation_of(lua_State *L);

#endif
