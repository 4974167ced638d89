/* bind_task - the module "tasks": work side by side, with one end.
 * SPDX-License-Identifier: MIT
 *
 * Children are started together, and all have ended before the caller goes on. An error that a
 * child raises stops the others and is raised in the caller; an expected failure (nil, err) is a
 * result. Handles of single children: bind_spawn.c. What scripts see is scripts/task.lua. */
#include "bind_task.h"

#include "lua_err.h"
#include "lua_pairs.h"
#include "modules.h"
#include "task.h"

#include <lauxlib.h>

enum { CHILDREN_MAX = 256, DEPTH_MAX = 16 };

#define MOMENT_MAX 1e12 /* seconds */

struct child {
    struct group *group;
    int slot; /* the key's place in the sequence of keys */
};

/* What the parent waits for: a userdata at index 2 of the parent's stack, with user values RESULTS,
 * ERRORS and KEYS. It lives as long as the children: they end before the parent goes on. */
struct group {
    struct task *parent;
    bool first_wins; /* race, within */
    int running;
    bool over;      /* the rest does not count any more */
    bool timed_out; /* within */
    double seconds; /* within */
    bool raised;    /* a child raised: 'failure' says what */
    struct err failure;
    struct op timer; /* within */
    struct pending pending;
    struct child children[];
};

enum { FUNCTIONS = 1, GROUP = 2 };          /* places on the parent's stack */
enum { RESULTS = 1, ERRORS = 2, KEYS = 3 }; /* user values */

/* ---- waiting for time ---- */

struct nap {
    struct op op;
    struct pending pending;
    struct task *task;
};

static void on_nap_over(struct op *op, const struct answer *a)
{
    struct nap *nap = LIST_ENTRY(op, struct nap, op);

    (void)a;
    task_drop_pending(&nap->pending);
    task_wake(nap->task);
}

static void abort_nap(struct pending *p)
{
    struct nap *nap = LIST_ENTRY(p, struct nap, pending);

    if (nap->op.effect)
        nap->op.effect->cancel(nap->op.effect, &nap->op);
}

static int after_nap(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    (void)ctx;
    lua_pushboolean(L, 1);
    return 1;
}

void check_can_wait(lua_State *L)
{
    if (!lua_isyieldable(L))
        luaL_error(L, "cannot wait here: not while a file is loaded, in a metamethod or in the "
                      "comparison of table.sort");
}

int64_t check_seconds(lua_State *L, int index)
{
    lua_Number seconds = luaL_checknumber(L, index);

    luaL_argcheck(L, seconds >= 0 && seconds <= SLEEP_MAX, index,
                  "seconds out of range (0 to 86400)");
    return (int64_t)(seconds * 1e6);
}

/* task.sleep(seconds) -> true. Yields. */
static int l_sleep(lua_State *L)
{
    struct effect *fx = generation_of(L)->rt->fx;
    int64_t us = check_seconds(L, 1);
    struct err err;

    check_can_wait(L);
    struct nap *nap = lua_newuserdatauv(L, sizeof *nap, 0); /* stays on the stack while we wait */
    *nap = (struct nap){.op.on_answer = on_nap_over, .task = task_of(L)};
    struct ask ask = {.kind = ASK_SLEEP, .sleep_us = us};
    if (fx->start(fx, &nap->op, &ask, &err) < 0)
        return lua_err_fail(L, &err);
    task_add_pending(nap->task, &nap->pending, abort_nap);
    return task_wait(L, 0, after_nap);
}

/* ---- children ---- */

static void stop_children(struct group *group)
{
    task_cancel_children(group->parent, "no longer needed");
}

/* Stack: results, errors, keys, slot, value, err. */
static int l_store(lua_State *L)
{
    int table = lua_isnil(L, 5) ? 2 : 1, value = lua_isnil(L, 5) ? 6 : 5;

    lua_rawgeti(L, 3, lua_tointeger(L, 4));
    lua_pushvalue(L, value);
    lua_settable(L, table);
    return 0;
}

/* Puts what the child returned (value, err: the top of its thread) into the group's tables. */
static bool store_result(struct group *group, struct task *t, int slot)
{
    lua_State *L = t->L, *P = group->parent->L;

    if (!lua_checkstack(L, 8) || !lua_checkstack(P, 4))
        return false;
    lua_settop(L, 2);
    lua_pushcfunction(L, l_store);
    for (int i = RESULTS; i <= KEYS; i++) {
        lua_getiuservalue(P, GROUP, i);
        lua_xmove(P, L, 1);
    }
    lua_pushinteger(L, slot);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    if (lua_pcall(L, 6, 0, 0) == LUA_OK)
        return true;
    lua_pop(L, 1);
    return false;
}

static void note_failure(struct group *group, const struct err *err)
{
    group->failure = *err;
    group->raised = group->over = true;
    stop_children(group);
}

static void on_child_end(struct task *t, const struct err *err)
{
    struct child *child = t->arg;
    struct group *group = child->group;
    struct err full;

    group->running--;
    if (!group->over && err) {
        note_failure(group, err);
    } else if (!group->over) {
        bool success = lua_gettop(t->L) > 0 && !lua_isnil(t->L, 1);
        if (!store_result(group, t, child->slot)) {
            err_set(&full, ERR_BUDGET, "out of memory for a result");
            note_failure(group, &full);
        } else if (success && group->first_wins) {
            group->over = true;
            stop_children(group);
        }
    }
    if (group->running == 0)
        task_wake(group->parent);
}

/* Makes the group for the functions in the table at index 1: after it, KEYS holds the keys in
 * order. */
static struct group *new_group(lua_State *L, bool first_wins)
{
    lua_pairs_keys(L, FUNCTIONS);
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    luaL_argcheck(L, n <= CHILDREN_MAX, 1, "more than 256 functions");
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        if (lua_gettable(L, FUNCTIONS) != LUA_TFUNCTION)
            luaL_error(L, "bad argument #1: entry %d of the table is a %s, not a function", (int)i,
                       luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    size_t size = sizeof(struct group) + (size_t)n * sizeof(struct child);
    struct group *group = lua_newuserdatauv(L, size, 3);
    *group = (struct group){.parent = task_of(L), .first_wins = first_wins, .running = (int)n};
    lua_insert(L, GROUP);
    lua_setiuservalue(L, GROUP, KEYS);
    lua_newtable(L);
    lua_setiuservalue(L, GROUP, RESULTS);
    lua_newtable(L);
    lua_setiuservalue(L, GROUP, ERRORS);
    return group;
}

/* Starts a child for every key. After the first one nothing here raises but memory, which no script
 * catches. */
static void start_children(lua_State *L, struct group *group)
{
    struct task *parent = group->parent;
    int n = group->running;
    struct err err;

    lua_getiuservalue(L, GROUP, KEYS);
    for (int i = 0; i < n; i++) {
        group->children[i] = (struct child){group, i + 1};
        struct task *t =
            task_new(parent->gen, parent, parent->ledger, on_child_end, &group->children[i], &err);
        if (!t) {
            group->running = i;
            stop_children(group);
            /* no pcall: the group dies with the task, not before */
            parent->guard.over = (sig_atomic_t)guard_memory_limit(L);
            luaL_error(L, "%s", err.message);
            return;
        }
        lua_rawgeti(L, -1, i + 1);
        lua_gettable(L, FUNCTIONS);
        lua_xmove(L, t->L, 1);
        task_start(t, 0);
    }
    lua_settop(L, GROUP);
}

void check_can_group(lua_State *L)
{
    check_can_wait(L);
    if (task_depth(task_of(L)) > DEPTH_MAX)
        luaL_error(L, "tasks are nested more than %d deep", DEPTH_MAX);
}

static void raise_failure(lua_State *L, const struct group *group)
{
    if (!group->raised)
        return;
    lua_err_push(L, &group->failure);
    lua_error(L);
}

static int after_all(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    (void)ctx;
    raise_failure(L, lua_touserdata(L, GROUP));
    lua_getiuservalue(L, GROUP, RESULTS);
    lua_getiuservalue(L, GROUP, ERRORS);
    return 2;
}

/* task.all{ f, g, key = h } -> results, errors. Calls all functions side by side. results[k] is
 * what function k returned; where that is nil, errors[k] is its second value. Yields. */
static int l_all(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    check_can_group(L);
    struct group *group = new_group(L, false);
    if (group->running == 0)
        return after_all(L, LUA_OK, 0);
    start_children(L, group);
    return task_wait(L, 0, after_all);
}

/* Pushes the key of the winner and its value, or only the first error in the order of the keys, or
 * nil. True: a winner. */
static bool push_outcome(lua_State *L)
{
    lua_getiuservalue(L, GROUP, RESULTS);
    lua_pushnil(L);
    if (lua_next(L, -2))
        return true;
    lua_getiuservalue(L, GROUP, ERRORS);
    lua_getiuservalue(L, GROUP, KEYS);
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        if (lua_gettable(L, -3) != LUA_TNIL)
            return false;
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    return false;
}

static int after_race(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    (void)ctx;
    raise_failure(L, lua_touserdata(L, GROUP));
    if (!push_outcome(L))
        lua_pushnil(L); /* err, nil */
    lua_insert(L, -2);  /* value, key; or nil, err */
    return 2;
}

/* task.race{ f, g, key = h } -> value, key | nil, err. The first result that is not nil wins, the
 * others are stopped at once. When all fail: the error of the first in the list. Yields. */
static int l_race(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    check_can_group(L);
    struct group *group = new_group(L, true);
    luaL_argcheck(L, group->running > 0, 1, "no function to run");
    start_children(L, group);
    return task_wait(L, 0, after_race);
}

/* ---- a limit of time ---- */

static void on_time_up(struct op *op, const struct answer *a)
{
    struct group *group = LIST_ENTRY(op, struct group, timer);

    (void)a;
    task_drop_pending(&group->pending);
    group->over = group->timed_out = true;
    stop_children(group);
}

static void abort_timer(struct pending *p)
{
    struct group *group = LIST_ENTRY(p, struct group, pending);

    if (group->timer.effect)
        group->timer.effect->cancel(group->timer.effect, &group->timer);
}

static int after_within(lua_State *L, int status, lua_KContext ctx)
{
    struct group *group = lua_touserdata(L, GROUP);
    struct err err;

    (void)status;
    (void)ctx;
    task_drop_pending(&group->pending);
    abort_timer(&group->pending);
    raise_failure(L, group);
    if (group->timed_out) {
        err_set(&err, ERR_TIMEOUT, "not done within %g seconds", group->seconds);
        return lua_err_fail(L, &err);
    }
    if (push_outcome(L))
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* task.within(seconds, f) -> what f returned | nil, err. When the time is up, f is stopped with
 * everything it started, and err.code is "timeout". Yields. */
static int l_within(lua_State *L)
{
    struct effect *fx = generation_of(L)->rt->fx;
    int64_t us = check_seconds(L, 1);
    double seconds = lua_tonumber(L, 1);
    struct err err;

    luaL_checktype(L, 2, LUA_TFUNCTION);
    check_can_group(L);
    lua_settop(L, 2);
    lua_createtable(L, 1, 0);
    lua_insert(L, 1);
    lua_rawseti(L, 1, 1);
    lua_settop(L, 1); /* { f } */
    struct group *group = new_group(L, true);
    group->seconds = seconds;
    group->timer.on_answer = on_time_up;
    struct ask ask = {.kind = ASK_SLEEP, .sleep_us = us};
    if (fx->start(fx, &group->timer, &ask, &err) < 0)
        return lua_err_fail(L, &err);
    task_add_pending(group->parent, &group->pending, abort_timer);
    start_children(L, group);
    return task_wait(L, 0, after_within);
}

/* ---- a deadline ---- */

/* tasks.deadline(at?) -> the one before. The moment, in seconds of the monotonic clock, beyond which no call to a model
 * of this task goes on, nor of children that it starts from now on; nil: none. */
static int l_deadline(lua_State *L)
{
    struct task *t = task_of(L);
    int64_t before = t->deadline_us;

    lua_Number at = luaL_optnumber(L, 1, 0);
    luaL_argcheck(L, at >= -MOMENT_MAX && at <= MOMENT_MAX, 1, "no moment of the clock");
    t->deadline_us = (int64_t)(at * 1e6);
    if (!before)
        return 0;
    lua_pushnumber(L, (lua_Number)before / 1e6);
    return 1;
}

/* tasks.left() -> seconds until the deadline, 0 when it has passed | nil: there is none. */
static int l_left(lua_State *L)
{
    struct effect *fx = generation_of(L)->rt->fx;
    int64_t deadline = task_of(L)->deadline_us;

    if (!deadline)
        return 0;
    int64_t left = deadline - fx->mono_us(fx);
    lua_pushnumber(L, left > 0 ? (lua_Number)left / 1e6 : 0);
    return 1;
}

int luaopen_baton_tasks(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"sleep", l_sleep},       {"all", l_all},        {"race", l_race},
        {"within", l_within},     {"spawn", task_spawn}, {"first", task_first},
        {"deadline", l_deadline}, {"left", l_left},      {NULL, NULL}};

    spawn_open(L);
    luaL_newlib(L, functions);
    return 1;
}
