/* bind_cache - the module "cache": what a worker remembers, and one flight for each key that is missing.
 * SPDX-License-Identifier: MIT
 *
 * Flights belong to a generation's state: the tasks of one flight are of one generation. The first task that misses a key
 * runs its function, the others wait for what comes of it. When the one that runs is stopped, the next one takes over. A
 * task that runs a flight waits for no other one (it calls its own function instead), so nobody waits in a circle. */
#include "bind_keep.h"
#include "digest.h"
#include "hash.h"
#include "lua_bounded.h"
#include "lua_buf.h"
#include "lua_err.h"
#include "lua_json.h"
#include "modules.h"
#include "task.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL_MAX 2592000.0 /* seconds: 30 days */

enum { TTL_DEFAULT = 3600, BUCKETS = 1024, NESTED_MAX = 16, FAILURE_MAX = 64 << 10 };

/* Registry key: the address counts, not the value. */
static const char flights_key = 0;

struct flights {
    struct hash_key hash;
    struct list buckets[BUCKETS]; /* struct flight.node */
};

/* A key that somebody is finding out. Lives as long as somebody runs it. */
struct flight {
    struct list node;
    struct list waiting; /* struct party.node, the oldest first */
    size_t key_n;
    char key[];
};

enum result_kind {
    VALUE,   /* JSON of the value */
    FAILURE, /* the function returned nil and this (JSON) */
    ERROR,   /* the same, an err table */
    NIL,     /* the same without a second value */
    RAISED,  /* err says what was raised */
    NOTHING  /* the value is too large to be handed on */
};

/* What came of a flight, for those who waited. */
struct result {
    int refs;
    enum result_kind kind;
    struct err err;
    size_t n;
    char text[];
};

enum party_state { RUNS, ALONE, WAITS, LANDED };

/* A task in cache.fetch: a userdata on its stack, with a pending, so that its end is seen. */
struct party {
    struct pending pending;
    struct list node; /* WAITS */
    struct task *task;
    struct flight *flight; /* RUNS, WAITS */
    struct result *result; /* LANDED */
    enum party_state state;
    int64_t ttl_us;
};

enum { KEY = 1, OPTIONS = 2, FUNCTION = 3, PARTY = 4 }; /* places on the stack of cache.fetch */

static struct effect *effect_of(lua_State *L)
{
    keep_check_running(L, "cache");
    return generation_of(L)->rt->fx;
}

static int64_t check_ttl(lua_State *L, int index)
{
    struct keep_options o = keep_options(L, index, TTL_MAX, false);

    return o.ttl_us ? o.ttl_us : (int64_t)TTL_DEFAULT * 1000000;
}

/* ---- without flights ---- */

/* Pushes the value and returns true, or pushes nothing. */
static bool push_cached(lua_State *L, struct effect *fx, struct span key)
{
    struct span value;

    if (!fx->cache_get(fx, key, &value))
        return false;
    lua_json_push(L, value);
    return true;
}

/* cache.get(key) -> value | nil. 'key': 1 to 1024 bytes. */
static int l_get(lua_State *L)
{
    struct effect *fx = effect_of(L);

    return push_cached(L, fx, keep_key(L, 1, CACHE_KEY_MAX));
}

/* cache.set(key, value, { ttl = 3600 }?) -> true | nil, err. 'value': what JSON can hold, up to 1 MiB, not nil; ttl in
 * seconds, up to 30 days. err.code: "budget" when it is too large. */
static int l_set(lua_State *L)
{
    struct effect *fx = effect_of(L);
    struct span key = keep_key(L, 1, CACHE_KEY_MAX);
    struct err err;

    luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "nil cannot be kept: cache.delete(key)");
    int64_t ttl_us = check_ttl(L, 3);
    struct buf *b = keep_encode(L, 2, CACHE_VALUE_MAX, &err);
    if (!b)
        return lua_err_fail(L, &err);
    int result = fx->cache_set(fx, key, buf_span(b), ttl_us, &err);
    buf_deinit(b);
    if (result < 0)
        return lua_err_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* cache.delete(key) -> boolean: was there a value? */
static int l_delete(lua_State *L)
{
    struct effect *fx = effect_of(L);

    lua_pushboolean(L, fx->cache_delete(fx, keep_key(L, 1, CACHE_KEY_MAX)));
    return 1;
}

/* cache.stats() -> { hits =, misses =, evicted =, entries =, bytes =, max = } of this worker: numbers since its start,
 * bytes with what it takes to keep them. */
static int l_stats(lua_State *L)
{
    struct effect *fx = effect_of(L);
    struct cache_stats s;

    fx->cache_stats(fx, &s);
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {{"hits", s.hits},       {"misses", s.misses}, {"evicted", s.evicted},
                  {"entries", s.entries}, {"bytes", s.bytes},   {"max", s.max}};
    lua_createtable(L, 0, 6);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        lua_pushinteger(L, (lua_Integer)fields[i].value);
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}

/* ---- flights ---- */

static int l_free_flights(lua_State *L)
{
    struct flights *all = lua_touserdata(L, 1);
    struct list *node;

    for (int i = 0; i < BUCKETS; i++)
        while ((node = list_first(&all->buckets[i]))) { /* none: tasks have ended before */
            list_remove(node);
            free(LIST_ENTRY(node, struct flight, node));
        }
    return 0;
}

/* The state's flights; the registry keeps them. */
static struct flights *flights_of(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &flights_key) == LUA_TNIL) {
        struct flights *made = lua_newuserdatauv(L, sizeof *made, 0);
        hash_key_init(&made->hash);
        for (int i = 0; i < BUCKETS; i++)
            list_init(&made->buckets[i]);
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, l_free_flights);
        lua_setfield(L, -2, "__gc");
        lua_setmetatable(L, -2);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &flights_key);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &flights_key);
        lua_remove(L, -2);
    }
    struct flights *all = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return all;
}

static struct list *bucket_of(struct flights *all, struct span key)
{
    return &all->buckets[hash_bytes(&all->hash, key) % BUCKETS];
}

static struct flight *find_flight(struct flights *all, struct span key)
{
    struct list *head = bucket_of(all, key);

    for (struct list *node = head->next; node != head; node = node->next) {
        struct flight *f = LIST_ENTRY(node, struct flight, node);
        if (f->key_n == key.n && memcmp(f->key, key.p, key.n) == 0)
            return f;
    }
    return NULL;
}

static struct flight *new_flight(lua_State *L, struct flights *all, struct span key)
{
    struct flight *f = malloc(sizeof *f + key.n);

    if (!f) {
        luaL_error(L, "not enough memory");
        return NULL;
    }
    f->key_n = key.n;
    memcpy(f->key, key.p, key.n);
    list_init(&f->waiting);
    list_append(bucket_of(all, key), &f->node);
    return f;
}

static void release(struct result *r)
{
    if (r && --r->refs == 0)
        free(r);
}

/* Without memory for a result those who wait run their own functions. */
static struct result *new_result(enum result_kind kind, struct span text)
{
    struct result *r = malloc(sizeof *r + text.n);

    if (!r)
        return NULL;
    r->refs = 1;
    r->kind = kind;
    r->n = text.n;
    if (text.n)
        memcpy(r->text, text.p, text.n);
    return r;
}

/* The flight is over: hands the result (taken over; NULL: none) to everybody who waits. */
static void land(struct party *runner, struct result *r)
{
    struct flight *f = runner->flight;
    struct list *node;

    runner->state = ALONE;
    runner->flight = NULL;
    while ((node = list_first(&f->waiting))) {
        struct party *p = LIST_ENTRY(node, struct party, node);
        list_remove(node);
        p->flight = NULL;
        p->state = LANDED;
        p->result = r;
        if (r)
            r->refs++;
        task_wake(p->task);
    }
    list_remove(&f->node);
    free(f);
    release(r);
}

/* The one that ran the flight was stopped: the next one runs it. */
static void pass_on(struct flight *f)
{
    struct list *node = list_first(&f->waiting);

    if (!node) {
        list_remove(&f->node);
        free(f);
        return;
    }
    list_remove(node);
    struct party *p = LIST_ENTRY(node, struct party, node);
    p->state = RUNS;
    task_wake(p->task);
}

static void abort_party(struct pending *pending)
{
    struct party *p = LIST_ENTRY(pending, struct party, pending);

    if (p->state == RUNS)
        pass_on(p->flight);
    else if (p->state == WAITS)
        list_remove(&p->node);
    else if (p->state == LANDED)
        release(p->result);
    p->state = ALONE;
}

/* How many fetches of this task are under way; does it run a flight, or a task it belongs to? */
static int count_fetches(const struct task *t, bool *runs)
{
    int n = 0;

    *runs = false;
    for (const struct task *p = t; p; p = p->parent)
        for (const struct list *node = p->pendings.next; node != &p->pendings; node = node->next) {
            const struct pending *pending = LIST_ENTRY(node, struct pending, node);
            if (pending->abort != abort_party)
                continue;
            n += p == t;
            *runs |= LIST_ENTRY(pending, struct party, pending)->state == RUNS;
        }
    return n;
}

/* ---- running the function ---- */

/* nil and the error at 'at', for the others. */
static struct result *make_failure(lua_State *L, int at)
{
    struct buf *b;
    struct result *r;
    struct err err;

    if (lua_isnil(L, at))
        return new_result(NIL, (struct span){0});
    b = lua_buf_push(L, FAILURE_MAX);
    if (lua_json_encode(L, at, b, &err) == 0)
        r = new_result(lua_err_is(L, at) ? ERROR : FAILURE, buf_span(b));
    else if ((r = new_result(RAISED, (struct span){0})))
        lua_err_read(L, at, &r->err);
    buf_deinit(b);
    return r;
}

/* Keeps the value at 'at'. For the others, if there are any: its JSON. */
static struct result *keep_value(lua_State *L, struct party *p, int at)
{
    struct effect *fx = generation_of(L)->rt->fx;
    struct buf *b = lua_buf_push(L, CACHE_VALUE_MAX);
    struct result *r = NULL;
    struct err err;

    if (lua_json_encode(L, at, b, &err) < 0) {
        buf_deinit(b);
        if (err.code != ERR_BUDGET)
            luaL_error(L, "cache.fetch: what the function returned cannot be kept: %s",
                       err.message);
        return new_result(NOTHING, (struct span){0});
    }
    /* what is too large for a small cache is not kept, and no fault of the script */
    fx->cache_set(fx, keep_key(L, KEY, CACHE_KEY_MAX), buf_span(b), p->ttl_us, &err);
    if (p->state == RUNS && !list_empty(&p->flight->waiting))
        r = new_result(VALUE, buf_span(b));
    buf_deinit(b);
    return r;
}

/* The stack of after_function. Leaves the party's flight landed. */
static int l_keep(lua_State *L)
{
    struct party *p = lua_touserdata(L, PARTY);
    struct result *r =
        lua_isnil(L, PARTY + 1) ? make_failure(L, PARTY + 2) : keep_value(L, p, PARTY + 1);

    if (p->state == RUNS)
        land(p, r);
    else
        release(r);
    return 0;
}

/* Something was raised (the error is on top): everybody else gets it as an error, this task raises it again. */
static int fail(lua_State *L, struct party *p, int status)
{
    if (p->state == RUNS) {
        struct result *r = new_result(RAISED, (struct span){0});
        if (r && status == LUA_ERRMEM)
            err_set(&r->err, ERR_BUDGET, "out of memory");
        else if (r)
            lua_err_read(L, -1, &r->err);
        land(p, r);
    }
    task_drop_pending(&p->pending);
    return guard_rethrow(L, status);
}

/* Stack: key, options, function, party, value, err. */
static int after_function(lua_State *L, int status, lua_KContext ctx)
{
    struct party *p = lua_touserdata(L, PARTY);

    (void)ctx;
    if (status != LUA_OK && status != LUA_YIELD)
        return fail(L, p, status);
    lua_pushcfunction(L, l_keep); /* protected: the flight lands whatever happens */
    for (int i = KEY; i <= PARTY + 2; i++)
        lua_pushvalue(L, i);
    status = lua_pcall(L, PARTY + 2, 0, 0);
    if (status != LUA_OK)
        return fail(L, p, status);
    task_drop_pending(&p->pending);
    return lua_isnil(L, -2) ? 2 : (lua_pop(L, 1), 1);
}

/* From here to the end of after_function nothing raises while the party is on its task's list: a pcall of the script
 * would leave it there. */
static int run(lua_State *L)
{
    lua_settop(L, PARTY);
    lua_pushvalue(L, FUNCTION);
    return after_function(L, lua_pcallk(L, 0, 2, 0, 0, after_function), 0);
}

/* ---- waiting ---- */

/* Pushes what came of the flight; the number of values. The result stays with the party until nothing can raise. */
static int push_result(lua_State *L, struct party *p)
{
    const struct result *r = p->result;
    struct span text = {r->text, r->n};
    int n = 2;

    if (r->kind == VALUE) {
        lua_json_push(L, text);
        n = 1;
    } else if (r->kind == NIL) {
        lua_pushnil(L);
        n = 1;
    } else if (r->kind == RAISED) {
        lua_err_fail(L, &r->err);
    } else {
        lua_pushnil(L);
        lua_json_push(L, text);
        if (r->kind == ERROR)
            lua_err_adopt(L);
    }
    release(p->result);
    p->state = ALONE;
    task_drop_pending(&p->pending);
    return n;
}

static int after_wait(lua_State *L, int status, lua_KContext ctx)
{
    struct party *p = lua_touserdata(L, PARTY);

    (void)status;
    (void)ctx;
    if (p->state == LANDED && p->result && p->result->kind != NOTHING)
        return push_result(L, p);
    if (p->state == LANDED) {
        release(p->result);
        p->state = ALONE;
    }
    return run(L);
}

static void check_can_fetch(lua_State *L, bool *runs)
{
    if (!lua_isyieldable(L))
        luaL_error(L, "cannot wait here: not in a metamethod or in the comparison of table.sort");
    if (count_fetches(task_of(L), runs) >= NESTED_MAX)
        luaL_error(L, "cache.fetch is nested more than %d deep", NESTED_MAX);
}

static struct party *new_party(lua_State *L, int64_t ttl_us)
{
    struct party *p = lua_newuserdatauv(L, sizeof *p, 0);

    *p = (struct party){.task = task_of(L), .state = ALONE, .ttl_us = ttl_us};
    list_init(&p->node);
    return p;
}

/* cache.fetch(key, { ttl = 3600 } or nil, f) -> value | nil, err. The cached value, or what f() returns, which is then
 * kept. While one task runs its f for a key, others in this worker wait for what comes of it: the value, f's nil, err
 * (which is not kept), or an err when f raised. If the task that runs is stopped, one that waits runs its own f. A value
 * over 1 MiB is returned and not kept. Inside of f another fetch waits for nobody. Waits. */
static int l_fetch(lua_State *L)
{
    struct effect *fx = effect_of(L);
    struct span key = keep_key(L, KEY, CACHE_KEY_MAX);
    int64_t ttl_us = check_ttl(L, OPTIONS);
    bool runs;

    luaL_checktype(L, FUNCTION, LUA_TFUNCTION);
    lua_settop(L, FUNCTION);
    if (push_cached(L, fx, key))
        return 1;
    check_can_fetch(L, &runs);
    struct flights *all = flights_of(L);
    struct flight *f = find_flight(all, key);
    struct party *p = new_party(L, ttl_us);
    if (!f) {
        p->flight = new_flight(L, all, key);
        p->state = RUNS;
    } else if (!runs) {
        p->flight = f;
        p->state = WAITS;
        list_append(&f->waiting, &p->node);
    }
    task_add_pending(p->task, &p->pending, abort_party);
    return p->state == WAITS ? task_wait(L, 0, after_wait) : run(L);
}

/* cache.key(text, …) -> a key for these texts, however long they are: the first one, a colon, and a SHA-256 of all. */
static int l_key(lua_State *L)
{
    char hex[DIGEST_HEX + 1], head[32];
    struct digest d;
    int n = lua_gettop(L);
    size_t bytes = 0, size;

    for (int i = 1; i <= n; i++) {
        luaL_checklstring(L, i, &size);
        bytes += size + 1;
    }
    luaL_checklstring(L, 1, &size);
    luaL_argcheck(L, size <= CACHE_KEY_MAX - DIGEST_HEX - 1, 1, "too long for a key's beginning");
    lua_bounded_charge(L, bytes / 8 + 1, "cache.key");
    digest_init(&d);
    for (int i = 1; i <= n; i++) {
        const char *p = lua_tolstring(L, i, &size);
        int length = snprintf(head, sizeof head, "%zu ", size);
        digest_add(&d, (struct span){head, (size_t)length});
        digest_add(&d, (struct span){p, size});
    }
    digest_end(&d, hex);
    lua_settop(L, 1);
    lua_pushfstring(L, ":%s", hex);
    lua_concat(L, 2);
    return 1;
}

int luaopen_baton_cache(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"get", l_get},     {"set", l_set}, {"delete", l_delete}, {"fetch", l_fetch},
        {"stats", l_stats}, {"key", l_key}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
