/* guard - how much time and memory running Lua may use, so that no script can hurt another request.
 * SPDX-License-Identifier: MIT
 *
 * Time: a timer on the thread's CPU clock ticks every TICK_MS of CPU that is used (an idle process
 * is never woken). A tick that finds a run over its limit sets a hook on its Lua thread, which
 * raises at the next instruction. Until then no hook is set and Lua runs at full speed. Memory: the
 * state's allocator counts what a run takes, and refuses beyond its limit. Steps: C functions that
 * work long without running instructions count for themselves (lua_bounded). The error of a limit
 * cannot be caught: the sandbox's pcall passes it on (guard_over). */
#ifndef GUARD_H
#define GUARD_H

#include "err.h"
#include "pool.h"

#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TICK_MS = 5, HEAP_RESERVE = 16, HEAP_LITTLE = 1 << 20 };

struct guard_limits {
    int slice_ms;  /* CPU between two waits                 200 */
    int total_ms;  /* CPU in all                            5000; 0: none */
    int64_t bytes; /* net bytes allocated while it runs     64 MiB */
    int64_t steps; /* steps of C functions between two waits  20 million */
    int calls;     /* calls to providers                  1000; 0: any number */
};

/* What a run went over. The first ones end it, whatever it does; the last two are ceilings of one call, errors that
 * a script may catch. */
enum guard_limit {
    GUARD_FINE,
    GUARD_SLICE,   /* "slice": limits.slice_ms */
    GUARD_TOTAL,   /* "total": limits.total_ms */
    GUARD_BYTES,   /* "bytes": limits.bytes */
    GUARD_HEAP,    /* "heap": what all scripts of the state may hold together */
    GUARD_STEPS,   /* "steps": limits.steps */
    GUARD_CALLS,   /* "calls": limits.calls */
    GUARD_LIBRARY, /* "library": one match, sort, move or text was too much */
    GUARD_STACK,   /* "stack": too deep a recursion */
    GUARD_LIMITS   /* how many there are */
};

/* One run of Lua code: a task, or the loading of a generation. */
struct guard {
    struct guard_limits limits;
    struct guard *root; /* whose total and bytes are charged: its own, or the root task's */
    lua_State *L;       /* the thread that runs */
    volatile sig_atomic_t slice; /* ticks since the last wait */
    volatile sig_atomic_t total; /* ticks since the start */
    volatile sig_atomic_t over;  /* enum guard_limit, once a limit was passed */
    int64_t bytes;
    int64_t steps;
    int protections; /* nested pcall and xpcall */
};

/* The timer of one thread. */
struct watchdog {
    struct guard *volatile running;
    void *timer;
};

/* The memory of one Lua state. */
struct heap {
    size_t live, live_max;
    struct pool *pool;        /* where its small blocks are; NULL: with malloc, as the large ones */
    struct watchdog *dog;     /* whose running guard is charged */
    enum guard_limit refused; /* why it said no the last time: GUARD_BYTES or GUARD_HEAP */
};

void guard_limits_default(struct guard_limits *l);

/* Starts the ticking for the calling thread. Uses SIGALRM. */
int watchdog_init(struct watchdog *dog, struct err *err);
void watchdog_deinit(struct watchdog *dog);

/* Between enter and leave the thread L runs on g's account. They nest: enter returns what ran
 * before, leave takes it back. A new slice begins with enter. */
struct guard *guard_enter(struct watchdog *dog, struct guard *g, lua_State *L);
void guard_leave(struct watchdog *dog, struct guard *before);

/* For lua_newstate; ud is a struct heap. The last HEAP_RESERVE-th part of it is kept for runs that took little, so
 * that one that fills the heap hits its end before the others do. */
void *heap_alloc(void *ud, void *p, size_t osize, size_t nsize);

/* The guard of the running thread (kept in lua_getextraspace), or NULL. */
struct guard *guard_of(lua_State *L);
void guard_bind(lua_State *L, struct guard *g);

/* Which limit is passed, if any. */
enum guard_limit guard_over(const struct guard *g);
/* The limit that an error nobody caught speaks of: one call's ceiling, by the words of the library; else GUARD_FINE. */
enum guard_limit guard_limit_of(const char *message);
/* "slice", "total" ...: the label of counters. "none" for GUARD_FINE. */
const char *guard_limit_name(enum guard_limit limit);
/* "limits.cpu_slice_ms": the field of the configuration that sets it in the gateway; NULL: none does. */
const char *guard_limit_field(enum guard_limit limit);
/* What a memory error is about, in the state of L. */
enum guard_limit guard_memory_limit(lua_State *L);
/* Raises again what a lua_pcall of ours gave back. A memory error stays one that no script catches. */
int guard_rethrow(lua_State *L, int status);
/* Bytes that may still be allocated, by the run and in the state; what the collector would free is not among them. */
int64_t guard_bytes_left(lua_State *L);
/* Counts n steps of a C function; false when that is too much (then raise with guard_raise). */
bool guard_steps(lua_State *L, long n);
/* Raises the error of the passed limit, with the script's place: "policies/x.lua:3: over the limit
 * of ...". */
int guard_raise(lua_State *L);
/* "200 ms of CPU time between two waits": the limit in words, for errors. */
void guard_describe(const struct guard *g, enum guard_limit limit, char *out, size_t size);

#endif
