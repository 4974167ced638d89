/* bind_spawn - handles of the module "task": a child that runs while its parent goes on.
 * SPDX-License-Identifier: MIT
 *
 * A handle holds what its child returned until somebody asks. While the child runs, the registry keeps the handle
 * under its address, whatever the script does with it. A parent that ends stops its children (task.c). */
#include "bind_task.h"

#include "log.h"
#include "lua_class.h"
#include "lua_err.h"
#include "task.h"

#include <lauxlib.h>
#include <string.h>

#define HANDLE "baton.task"

enum { SPAWNED_MAX = 256, FIRST_MAX = 1024 };
enum { VALUE = 1, WHY = 2 }; /* user values of a handle: what the child returned */

struct handle {
    struct task *child;  /* NULL: it has ended */
    struct task *waiter; /* its parent, while it waits for it */
    struct err failure;  /* of a child that raised or was stopped: failed */
    bool failed;
    uint64_t turn; /* when it ended: which one before which */
};

/* While a parent waits, on its stack. */
struct watch {
    struct op timer;
    struct pending pending;
    struct task *task;
    bool over; /* the time is up */
};

static struct handle *check_handle(lua_State *L, int index)
{
    return luaL_checkudata(L, index, HANDLE);
}

/* ---- the end of a child ---- */

/* Keeps value and err, the top of the child's thread. Allocates nothing, so nothing can fail. */
static void keep_results(struct handle *h, lua_State *L)
{
    lua_settop(L, 2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, h);
    lua_insert(L, 1);
    lua_setiuservalue(L, 1, WHY);
    lua_setiuservalue(L, 1, VALUE);
    lua_settop(L, 0);
}

static void tell_failure(const struct task *t, const struct err *err)
{
    struct log_field fields[] = {
        log_text("trace", t->ledger ? t->ledger->id : ""),
        log_text("error", err->message),
    };

    log_write(t->gen->rt->log, LOG_WARN, "a spawned task failed while nobody waited for it", fields,
              2);
}

static void on_child_end(struct task *t, const struct err *err)
{
    struct handle *h = t->arg;

    h->child = NULL;
    h->turn = ++t->gen->ended;
    if (err) {
        h->failed = true;
        h->failure = *err;
        if (!h->waiter && err->code != ERR_CANCELLED)
            tell_failure(t, err);
    } else {
        keep_results(h, t->L);
    }
    lua_State *L = t->gen->L;
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, h); /* the key is there: no memory is needed */
    if (h->waiter)
        task_wake(h->waiter);
}

static void check_room(lua_State *L, const struct task *parent)
{
    int n = 0;

    for (const struct list *node = parent->children.next; node != &parent->children;
         node = node->next)
        n++;
    if (n >= SPAWNED_MAX)
        luaL_error(L, "more than %d tasks run at once below one task", SPAWNED_MAX);
}

/* task.spawn(f) -> handle. Calls f side by side with its caller, which goes on at once: f begins when its caller waits
 * for something. A caller that ends stops it. Raises when tasks are too many, or nested too deep. */
int task_spawn(lua_State *L)
{
    struct task *parent = task_of(L);
    struct err err;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    check_can_group(L);
    check_room(L, parent);
    struct handle *h = lua_newuserdatauv(L, sizeof *h, 2);
    memset(h, 0, sizeof *h);
    luaL_setmetatable(L, HANDLE);
    lua_pushvalue(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, h);
    struct task *t = task_new(parent->gen, parent, parent->ledger, on_child_end, h, &err);
    if (!t) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, h);
        return luaL_error(L, "%s", err.message);
    }
    h->child = t;
    lua_pushvalue(L, 1);
    lua_xmove(L, t->L, 1);
    task_start(t, 0);
    return 1;
}

/* ---- waiting ---- */

static void on_time_up(struct op *op, const struct answer *a)
{
    struct watch *w = LIST_ENTRY(op, struct watch, timer);

    (void)a;
    task_drop_pending(&w->pending);
    w->over = true;
    task_wake(w->task);
}

static void abort_timer(struct pending *p)
{
    struct watch *w = LIST_ENTRY(p, struct watch, pending);

    if (w->timer.effect)
        w->timer.effect->cancel(w->timer.effect, &w->timer);
}

/* The watch of a wait of so long, pushed; us < 0: without end. */
static struct watch *push_watch(lua_State *L, int64_t us)
{
    struct effect *fx = generation_of(L)->rt->fx;
    struct ask ask = {.kind = ASK_SLEEP, .sleep_us = us};
    struct watch *w = lua_newuserdatauv(L, sizeof *w, 0);
    struct err err;

    *w = (struct watch){.timer.on_answer = on_time_up, .task = task_of(L)};
    if (us < 0)
        return w;
    if (fx->start(fx, &w->timer, &ask, &err) < 0)
        luaL_error(L, "%s", err.message);
    task_add_pending(w->task, &w->pending, abort_timer);
    return w;
}

static void end_watch(struct watch *w)
{
    task_drop_pending(&w->pending);
    abort_timer(&w->pending);
}

static void check_owner(lua_State *L, const struct handle *h)
{
    if (h->child && h->child->parent != task_of(L))
        luaL_error(L, "only the task that spawned another can wait for it, or stop it");
}

/* What a child that has ended came to: its results are pushed, its error is raised. */
static int push_results(lua_State *L, int index, const struct handle *h)
{
    if (h->failed) {
        lua_err_push(L, &h->failure);
        return lua_error(L);
    }
    lua_getiuservalue(L, index, VALUE);
    lua_getiuservalue(L, index, WHY);
    return 2;
}

static int after_join(lua_State *L, int status, lua_KContext ctx)
{
    struct handle *h = check_handle(L, 1);

    (void)status;
    (void)ctx;
    h->waiter = NULL;
    return push_results(L, 1, h);
}

/* handle:join() -> what f returned (a value and an err). Raises what f raised; a child that was stopped raises the code
 * cancelled. Yields while it runs. */
static int l_join(lua_State *L)
{
    struct handle *h = check_handle(L, 1);

    lua_settop(L, 1);
    if (!h->child)
        return push_results(L, 1, h);
    check_owner(L, h);
    check_can_wait(L);
    h->waiter = task_of(L);
    return task_wait(L, 0, after_join);
}

/* handle:cancel() -> did it still run? Stops the child with everything it started, before this returns. */
static int l_cancel(lua_State *L)
{
    struct handle *h = check_handle(L, 1);
    struct task *child = h->child;
    struct err err;

    check_owner(L, h);
    if (child) {
        err_set(&err, ERR_CANCELLED, "no longer needed");
        task_cancel(child, &err);
    }
    lua_pushboolean(L, child != NULL);
    return 1;
}

/* handle:done() -> has it ended? */
static int l_done(lua_State *L)
{
    lua_pushboolean(L, !check_handle(L, 1)->child);
    return 1;
}

/* The handle at place i of the list at index 1; the list keeps it. */
static struct handle *handle_at(lua_State *L, lua_Integer i)
{
    lua_rawgeti(L, 1, i);
    struct handle *h = luaL_testudata(L, -1, HANDLE);
    lua_pop(L, 1);
    if (!h)
        luaL_error(L, "bad argument #1: entry %d of the list is no task that was spawned", (int)i);
    return h;
}

/* Which of the list at index 1 ended first; 0: none has. */
static lua_Integer find_first(lua_State *L, lua_Integer n)
{
    lua_Integer found = 0;
    uint64_t turn = 0;

    for (lua_Integer i = 1; i <= n; i++) {
        struct handle *h = handle_at(L, i);
        if (!h->child && (!found || h->turn < turn)) {
            found = i;
            turn = h->turn;
        }
    }
    return found;
}

static void set_waiters(lua_State *L, lua_Integer n, struct task *waiter)
{
    for (lua_Integer i = 1; i <= n; i++)
        handle_at(L, i)->waiter = waiter;
}

static int after_first(lua_State *L, int status, lua_KContext ctx)
{
    lua_Integer n = (lua_Integer)ctx, found = find_first(L, n);

    (void)status;
    end_watch(lua_touserdata(L, 2));
    set_waiters(L, n, NULL);
    if (!found)
        return 0;
    lua_pushinteger(L, found);
    return 1;
}

/* The list at index 1 becomes one that no script changes while its tasks are waited for. */
static void own_list(lua_State *L, lua_Integer n)
{
    lua_createtable(L, (int)n, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
        lua_rawseti(L, -2, i);
    }
    lua_replace(L, 1);
}

/* task.first(handles, seconds?) -> position | nil. Which of the list, of at most 1024, ended first; waits for one while
 * all run, at most so many seconds. Yields. */
int task_first(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
    luaL_argcheck(L, n > 0, 1, "no task to wait for");
    luaL_argcheck(L, n <= FIRST_MAX, 1, "more than 1024 tasks");
    int64_t us = lua_isnoneornil(L, 2) ? -1 : check_seconds(L, 2);
    lua_settop(L, 1);
    lua_Integer found = find_first(L, n);
    if (found) {
        lua_pushinteger(L, found);
        return 1;
    }
    check_can_wait(L);
    for (lua_Integer i = 1; i <= n; i++)
        check_owner(L, handle_at(L, i));
    own_list(L, n);
    struct watch *w = push_watch(L, us);
    set_waiters(L, n, w->task);
    return task_wait(L, (lua_KContext)n, after_first);
}

void spawn_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"join", l_join}, {"cancel", l_cancel}, {"done", l_done}, {NULL, NULL}};

    lua_class_make(L, HANDLE, methods, NULL);
}
