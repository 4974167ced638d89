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
    *l = (struct guard_limits){.slice_ms = 200,
                               .total_ms = 5000,
                               .bytes = 64 << 20,
                               .steps = 20 * 1000 * 1000,
                               .calls = 1000};
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

/* Calling a table whose __call is a table, and so on, Lua goes from one to the next in a single instruction, moving
 * all arguments each time: a table that is its own __call takes minutes until the stack is full, and no hook runs. Each
 * turn looks the metamethod up, so the linker puts this in the place of the look-up (--wrap, in the Makefile). */
const void *__real_luaT_gettmbyobj(lua_State *L, const void *o, int event);
const void *__wrap_luaT_gettmbyobj(lua_State *L, const void *o, int event);

enum { TM_CALL = 23 }; /* of Lua 5.4's ltm.h */

const void *__wrap_luaT_gettmbyobj(lua_State *L, const void *o, int event)
{
    if (event == TM_CALL) {
        struct guard *g = guard_of(L);
        if (g && (g->over == GUARD_SLICE || g->over == GUARD_TOTAL))
            guard_raise(L);
    }
    return __real_luaT_gettmbyobj(L, o, event);
}

/* ---- memory ---- */

/* A run that is over may still say so: each refusal would cost a collection of all garbage first. */
enum { LAST_WORDS = 1 << 20 };

/* How much may live in the heap while this run goes on. */
static size_t ceiling(const struct heap *heap, const struct guard *g)
{
    bool large = g && g->root->bytes > HEAP_LITTLE;

    return heap->live_max - (large ? heap->live_max / HEAP_RESERVE : 0);
}

static void *refuse(struct heap *heap, enum guard_limit why)
{
    heap->refused = why;
    return NULL;
}

/* As realloc and free, of a block whose size is known; from the pool while it is small. A block that shrinks always
 * finds room: Lua counts on it. */
static void *resize(struct pool *pool, void *p, size_t old, size_t n)
{
    bool was_small = pool && old > 0 && old <= POOL_BLOCK_MAX,
         small = pool && n > 0 && n <= POOL_BLOCK_MAX;

    if (!was_small && !small) {
        if (n > 0)
            return realloc(p, n);
        free(p);
        return NULL;
    }
    if (was_small && small && pool_class(old) == pool_class(n))
        return p;
    void *q = n == 0 ? NULL : small ? pool_get(pool, n, n < old) : malloc(n);
    if (n > 0 && !q)
        return NULL;
    if (p && q)
        memcpy(q, p, old < n ? old : n);
    if (was_small)
        pool_put(pool, p);
    else
        free(p);
    return q;
}

void *heap_alloc(void *ud, void *p, size_t osize, size_t nsize)
{
    struct heap *heap = ud;
    struct guard *g = heap->dog ? heap->dog->running : NULL;
    size_t old = p ? osize : 0; /* without a block, osize tells the type of the object */

    if (nsize > old) {
        size_t more = nsize - old;
        if (g && g->root->bytes + (int64_t)more > g->limits.bytes + (g->over ? LAST_WORDS : 0))
            return refuse(heap, GUARD_BYTES);
        if (heap->live + more > ceiling(heap, g))
            return refuse(heap, GUARD_HEAP);
    }
    void *q = resize(heap->pool, p, old, nsize);
    if (nsize > 0 && !q)
        return refuse(heap, GUARD_HEAP);
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

enum guard_limit guard_memory_limit(lua_State *L)
{
    void *ud;

    lua_getallocf(L, &ud);
    const struct heap *heap = ud;
    return heap->refused ? heap->refused : GUARD_BYTES;
}

int guard_rethrow(lua_State *L, int status)
{
    struct guard *g = guard_of(L);

    if (status == LUA_ERRMEM && g && !g->over)
        g->over = (sig_atomic_t)guard_memory_limit(L);
    return lua_error(L);
}

int64_t guard_bytes_left(lua_State *L)
{
    struct guard *g = guard_of(L);
    void *ud;

    lua_getallocf(L, &ud);
    const struct heap *heap = ud;
    size_t most = ceiling(heap, NULL) -
                  heap->live_max / HEAP_RESERVE; /* whatever it will have taken by then */
    int64_t left = (int64_t)most - (int64_t)heap->live;
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
    case GUARD_HEAP:
        snprintf(out, size, "memory of all scripts together");
        return;
    case GUARD_CALLS:
        snprintf(out, size, "%d calls to providers", g->limits.calls);
        return;
    case GUARD_LIBRARY:
    case GUARD_STACK:
    case GUARD_FINE:
    case GUARD_LIMITS:
        break;
    }
    snprintf(out, size, "nothing");
}

enum guard_limit guard_limit_of(const char *message)
{
    static const struct {
        const char *words;
        enum guard_limit limit;
    } own[] = {
        {"took too many steps (", GUARD_LIBRARY},
        {"resulting string too large", GUARD_LIBRARY},
        {"too many results to unpack", GUARD_LIBRARY},
        {"may become larger than", GUARD_LIBRARY},
        {"bytes of JSON", GUARD_LIBRARY},
        {"stack overflow", GUARD_STACK},
        {"chain too long", GUARD_STACK},
        {"nested more than", GUARD_STACK},
        {"calls are open in one task", GUARD_CALLS},
    };

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strstr(message, own[i].words))
            return own[i].limit;
    return GUARD_FINE;
}

const char *guard_limit_name(enum guard_limit limit)
{
    static const char *const names[GUARD_LIMITS] = {
        [GUARD_FINE] = "none",   [GUARD_SLICE] = "slice",     [GUARD_TOTAL] = "total",
        [GUARD_BYTES] = "bytes", [GUARD_HEAP] = "heap",       [GUARD_STEPS] = "steps",
        [GUARD_CALLS] = "calls", [GUARD_LIBRARY] = "library", [GUARD_STACK] = "stack",
    };

    return names[limit];
}

const char *guard_limit_field(enum guard_limit limit)
{
    static const char *const fields[GUARD_LIMITS] = {
        [GUARD_SLICE] = "limits.cpu_slice_ms", [GUARD_TOTAL] = "limits.cpu_total_ms",
        [GUARD_BYTES] = "limits.task_bytes",   [GUARD_HEAP] = "limits.heap_bytes",
        [GUARD_CALLS] = "limits.task_calls",
    };

    return fields[limit];
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
