/* guard - how much time and memory running Lua may use, so that no script can hurt another request.
 * SPDX-License-Identifier: MIT */
#include "guard.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void guard_limits_default(struct guard_limits *l)
{
    *l = (struct guard_limits){
        .slice_ms = 200, .total_ms = 5000, .bytes = 64 << 20, .steps = 20 * 1000 * 1000};
}

/* ---- time ---- */

static void on_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    guard_raise(L);
}

static bool too_long(const struct guard *g)
{
    return g->slice * TICK_MS > g->limits.slice_ms ||
           (g->limits.total_ms > 0 && g->root->total * TICK_MS > g->limits.total_ms);
}

/* Runs in the signal handler: only plain stores and lua_sethook, which is made for that (as in
 * lua.c). */
static void on_tick(int signal, siginfo_t *info, void *context)
{
    struct watchdog *dog = info->si_value.sival_ptr;
    struct guard *g = info->si_code == SI_TIMER && dog ? dog->running : NULL;

    (void)signal;
    (void)context;
    if (!g)
        return;
    g->slice = g->slice + 1;
    g->root->total = g->root->total + 1;
    if (!too_long(g))
        return;
    if (!g->over)
        g->over = g->slice * TICK_MS > g->limits.slice_ms ? GUARD_SLICE : GUARD_TOTAL;
    /* Every instruction from here on raises, so that no error handler gets far. */
    lua_sethook(g->L, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

int watchdog_init(struct watchdog *dog, struct err *err)
{
    struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    struct itimerspec every = {.it_interval.tv_nsec = TICK_MS * 1000000L,
                               .it_value.tv_nsec = TICK_MS * 1000000L};
    timer_t timer;

    *dog = (struct watchdog){0};
    event.sigev_value.sival_ptr = dog;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGALRM, &action, NULL) < 0 ||
        timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) < 0)
        return err_set(err, ERR_INTERNAL, "cannot make the watchdog's timer: %s", strerror(errno));
    if (timer_settime(timer, 0, &every, NULL) < 0) {
        timer_delete(timer);
        return err_set(err, ERR_INTERNAL, "cannot start the watchdog: %s", strerror(errno));
    }
    dog->timer = timer;
    return 0;
}

void watchdog_deinit(struct watchdog *dog)
{
    dog->running = NULL;
    timer_delete(dog->timer);
}

struct guard *guard_enter(struct watchdog *dog, struct guard *g, lua_State *L)
{
    struct guard *before = dog->running;

    if (!g->root)
        g->root = g;
    g->L = L;
    g->slice = 0;
    g->steps = 0;
    dog->running = g;
    return before;
}

void guard_leave(struct watchdog *dog, struct guard *before)
{
    dog->running = before;
}

/* ---- memory ---- */

void *heap_alloc(void *ud, void *p, size_t osize, size_t nsize)
{
    struct heap *heap = ud;
    struct guard *g = heap->dog ? heap->dog->running : NULL;
    size_t old = p ? osize : 0; /* without a block, osize tells the type of the object */

    if (nsize > old) {
        size_t more = nsize - old;
        if (more > heap->live_max - heap->live)
            return NULL;
        if (g && g->root->bytes + (int64_t)more > g->limits.bytes)
            return NULL;
    }
    void *q = NULL;
    if (nsize == 0)
        free(p);
    else if (!(q = realloc(p, nsize)))
        return NULL;
    heap->live += nsize - old;
    if (g) {
        g->root->bytes += (int64_t)nsize - (int64_t)old;
        if (g->root->bytes < 0)
            g->root->bytes = 0;
    }
    return q;
}

/* ---- who runs, and how far over ---- */

struct guard *guard_of(lua_State *L)
{
    return *(struct guard **)lua_getextraspace(L);
}

void guard_bind(lua_State *L, struct guard *g)
{
    *(struct guard **)lua_getextraspace(L) = g;
}

enum guard_limit guard_over(const struct guard *g)
{
    return (enum guard_limit)g->over;
}

int guard_rethrow(lua_State *L, int status)
{
    struct guard *g = guard_of(L);

    if (status == LUA_ERRMEM && g && !g->over)
        g->over = GUARD_BYTES;
    return lua_error(L);
}

int64_t guard_bytes_left(lua_State *L)
{
    struct guard *g = guard_of(L);
    void *ud;

    lua_getallocf(L, &ud);
    const struct heap *heap = ud;
    int64_t left = (int64_t)(heap->live_max - heap->live);
    if (g && g->limits.bytes - g->root->bytes < left)
        left = g->limits.bytes - g->root->bytes;
    return left;
}

bool guard_steps(lua_State *L, long n)
{
    struct guard *g = guard_of(L);

    if (!g)
        return true;
    g->steps += n;
    if (!g->over && g->steps > g->limits.steps)
        g->over = GUARD_STEPS;
    return !g->over;
}

void guard_describe(const struct guard *g, enum guard_limit limit, char *out, size_t size)
{
    switch (limit) {
    case GUARD_SLICE:
        snprintf(out, size, "%d ms of CPU time between two waits", g->limits.slice_ms);
        return;
    case GUARD_TOTAL:
        snprintf(out, size, "%d ms of CPU time in all", g->limits.total_ms);
        return;
    case GUARD_BYTES:
        snprintf(out, size, "%lld bytes of memory", (long long)g->limits.bytes);
        return;
    case GUARD_STEPS:
        snprintf(out, size, "%lld steps of pattern matching and table work",
                 (long long)g->limits.steps);
        return;
    case GUARD_FINE:
        break;
    }
    snprintf(out, size, "nothing");
}

/* Pushes "policies/x.lua:3: ", the place of the innermost Lua function; C functions have none. */
static void push_place(lua_State *L)
{
    lua_Debug ar;

    for (int level = 0; lua_getstack(L, level, &ar); level++)
        if (lua_getinfo(L, "Sl", &ar) && ar.currentline > 0) {
            lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
            return;
        }
    lua_pushliteral(L, "");
}

int guard_raise(lua_State *L)
{
    struct guard *g = guard_of(L);
    char words[96];

    if (!g->over)
        g->over = GUARD_STEPS;
    guard_describe(g, guard_over(g), words, sizeof words);
    push_place(L);
    lua_pushfstring(L, "over the limit of %s", words);
    lua_concat(L, 2);
    return lua_error(L);
}
