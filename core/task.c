/* task - one coroutine of work: start, wait, resume, cancel, end exactly once.
 * SPDX-License-Identifier: MIT */
#include "task.h"

#include "lua_err.h"
#include "threads.h"

#include <assert.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURN_US = 20000 }; /* of tasks in one turn of the loop */

struct task *task_new(struct generation *g, struct task *parent, struct ledger *ledger,
                      task_end *on_end, void *arg, struct err *err)
{
    struct task *t = calloc(1, sizeof *t);

    if (!t || threads_take(g, &t->L, &t->ref) < 0) {
        free(t);
        err_set(err, ERR_OVERLOADED, "out of memory for a task");
        return NULL;
    }
    t->guard.limits = g->limits;
    t->guard.root = parent ? parent->guard.root : &t->guard;
    guard_bind(t->L, &t->guard);
    t->gen = generation_ref(g);
    t->parent = parent;
    t->ledger = ledger;
    t->deadline_us = parent ? parent->deadline_us : 0;
    t->on_end = on_end;
    t->arg = arg;
    list_init(&t->children);
    list_init(&t->sibling);
    list_init(&t->in_generation);
    list_init(&t->in_ready);
    list_init(&t->pendings);
    list_append(&g->tasks, &t->in_generation);
    if (parent)
        list_append(&parent->children, &t->sibling);
    return t;
}

static void abort_pendings(struct task *t)
{
    struct list *node;

    while ((node = list_first(&t->pendings))) {
        list_remove(node);
        struct pending *p = LIST_ENTRY(node, struct pending, node);
        p->abort(p);
    }
}

/* What the task has opened and may have returned belongs to its parent now. */
static void bequeath(struct task *t)
{
    struct list *node = t->pendings.next;

    while (node != &t->pendings) {
        struct pending *p = LIST_ENTRY(node, struct pending, node);
        node = node->next;
        if (!p->inherited)
            continue;
        list_remove(&p->node);
        list_append(&t->parent->pendings, &p->node);
    }
}

static void run_ready(struct generation *g);

/* Between hold and let_go nobody is resumed: a parent must not go on, and start new children, while
 * the old ones are still being ended. */
static bool hold(struct generation *g)
{
    bool before = g->draining;

    generation_ref(g);
    g->draining = true;
    return before;
}

static void let_go(struct generation *g, bool before)
{
    g->draining = before;
    run_ready(g);
    generation_unref(g);
}

void task_cancel_children(struct task *t, const char *why)
{
    struct generation *g = t->gen;
    bool before = hold(g);
    struct err err;
    struct list *node;

    err_set(&err, ERR_CANCELLED, "%s", why);
    while ((node = list_first(&t->children)))
        task_cancel(LIST_ENTRY(node, struct task, sibling), &err);
    let_go(g, before);
}

static void give_thread(struct task *t, bool clean)
{
    struct generation *g = t->gen;

    if (!clean && guard_over(&t->guard)) {
        threads_drop(g, t->L, t->ref);
        return;
    }
    struct guard *before = guard_enter(&g->rt->dog, &t->guard, t->L);
    threads_give(g, t->L, t->ref, clean);
    guard_leave(&g->rt->dog, before);
}

static void note_limit(struct task *t, enum guard_limit limit)
{
    if (t->ledger && limit)
        t->ledger->limit = limit;
}

/* The one end of every task. */
static void finish(struct task *t, const struct err *err)
{
    struct generation *g = t->gen;
    bool held = hold(g);

    assert(t->state != TASK_ENDED);
    t->state = TASK_ENDED;
    list_remove(&t->in_ready);
    task_cancel_children(t, "the task that started this one has ended");
    if (!err && t->parent)
        bequeath(t);
    abort_pendings(t);
    list_remove(&t->sibling);
    if (err) /* its __close handlers may still look at what on_end gives up */
        give_thread(t, false);
    note_limit(t, guard_over(&t->guard));
    if (err && t->parent && guard_over(&t->guard))
        t->parent->guard.over = t->guard.over; /* a limit counts for all that shares the account */
    abort_pendings(t);
    t->on_end(t, err);
    if (!err)
        give_thread(t, true);
    list_remove(&t->in_generation);
    free(t);
    let_go(g, held);
    generation_unref(g);
}

/* "policies/x.lua:3: " of the innermost Lua function whose file begins so by its name; a failed thread
 * keeps its frames. Allocates nothing. */
static void describe_place(lua_State *L, const char *file, char *out, size_t size)
{
    lua_Debug ar;

    out[0] = 0;
    for (int level = 0; lua_getstack(L, level, &ar); level++)
        if (lua_getinfo(L, "Sl", &ar) && ar.currentline > 0 &&
            strncmp(ar.source + 1, file, strlen(file)) == 0) {
            snprintf(out, size, "%s:%d: ", ar.short_src, ar.currentline);
            return;
        }
}

static void describe_limit(const struct task *t, enum guard_limit limit, struct err *err)
{
    char words[96], place[96];

    guard_describe(&t->guard, limit, words, sizeof words);
    describe_place(t->L, "", place, sizeof place);
    err_set(err, ERR_BUDGET, "%sover the limit of %s", place, words);
}

/* A place before the message; its code stays. */
static void add_place(const struct task *t, const char *file, struct err *err)
{
    char place[96];
    struct err old = *err;

    describe_place(t->L, file, place, sizeof place);
    err_set(err, old.code, "%s%s", place, old.message);
}

/* What ended the run: the limit that was passed, or the error value on top of the stack. */
static void read_failure(struct task *t, int status, struct err *err)
{
    if (status == LUA_ERRMEM) {
        enum guard_limit limit = guard_memory_limit(t->L);
        note_limit(t, limit);
        describe_limit(t, limit, err);
        return;
    }
    lua_err_read(t->L, -1, err);
    enum guard_limit own =
        lua_type(t->L, -1) == LUA_TSTRING ? guard_limit_of(err->message) : GUARD_FINE;
    if (own) {
        note_limit(t, own);
        err->code = ERR_BUDGET;
    }
    if (guard_over(&t->guard)) {
        err->code = ERR_BUDGET;
        if (!strstr(err->message, "over the limit")) /* what a pcall had caught when time was up */
            describe_limit(t, guard_over(&t->guard), err);
    } else if (lua_type(t->L, -1) == LUA_TSTRING && !strstr(err->message, ".lua:")) {
        add_place(t, "", err); /* Lua's own errors, like a full stack, name none */
    } else if (lua_type(t->L, -1) != LUA_TSTRING && !t->parent && t->ledger && t->ledger->script) {
        /* assert(llm.chat(...)): the workflow's author wants the line */
        add_place(t, t->ledger->script, err);
    }
}

static void resume(struct task *t)
{
    struct watchdog *dog = &t->gen->rt->dog;
    struct guard *before = guard_enter(dog, &t->guard, t->L);
    struct err err;
    int results;

    t->state = TASK_RUNNING;
    int status = lua_resume(t->L, NULL, t->args, &results);
    guard_leave(dog, before);
    t->args = 0;
    if (status == LUA_YIELD)
        return;
    if (status == LUA_OK && !guard_over(&t->guard)) {
        finish(t, NULL);
        return;
    }
    if (status == LUA_OK) { /* it swallowed the error somehow: the limit still counts */
        describe_limit(t, guard_over(&t->guard), &err);
    } else {
        read_failure(t, status, &err);
    }
    finish(t, &err);
}

static void on_later(struct op *op, const struct answer *a)
{
    struct generation *g = LIST_ENTRY(op, struct generation, later);

    (void)a;
    run_ready(g);
    generation_unref(g);
}

/* The rest runs in the next turn of the loop, so that connections and timers get theirs. False: it cannot. */
static bool run_later(struct generation *g)
{
    struct effect *fx = g->rt->fx;
    struct ask now = {.kind = ASK_SLEEP, .sleep_us = 0};
    struct err err;

    if (g->later.effect)
        return true;
    g->later.on_answer = on_later;
    if (fx->start(fx, &g->later, &now, &err) < 0)
        return false;
    generation_ref(g);
    return true;
}

/* Nobody is left to run later: a generation does not outlive its tasks for that. */
static void forget_later(struct generation *g)
{
    if (!g->later.effect)
        return;
    g->rt->fx->cancel(g->rt->fx, &g->later);
    generation_unref(g);
}

static void run_ready(struct generation *g)
{
    struct effect *fx = g->rt->fx;
    struct list *node;

    if (g->draining)
        return;
    g->draining = true;
    generation_ref(g); /* the last task may end in here */
    int64_t stop = fx->mono_us(fx) + TURN_US;
    while ((node = list_first(&g->ready))) {
        if (fx->mono_us(fx) > stop && run_later(g))
            break;
        list_remove(node);
        resume(LIST_ENTRY(node, struct task, in_ready));
    }
    g->draining = false;
    if (list_empty(&g->ready))
        forget_later(g);
    generation_unref(g);
}

static void make_ready(struct task *t)
{
    t->state = TASK_READY;
    list_append(&t->gen->ready, &t->in_ready);
    run_ready(t->gen);
}

void task_start(struct task *t, int nargs)
{
    assert(t->state == TASK_NEW);
    t->args = nargs;
    make_ready(t);
}

struct task *task_of(lua_State *L)
{
    return (struct task *)guard_of(L);
}

int task_wait(lua_State *L, lua_KContext ctx, lua_KFunction k)
{
    task_of(L)->state = TASK_WAITING;
    return lua_yieldk(L, 0, ctx, k);
}

void task_wake(struct task *t)
{
    if (t->state == TASK_WAITING)
        make_ready(t);
}

void task_cancel(struct task *t, const struct err *err)
{
    assert(t->state != TASK_RUNNING);
    if (t->state != TASK_ENDED)
        finish(t, err);
}

void task_add_pending(struct task *t, struct pending *p, void (*abort)(struct pending *))
{
    p->abort = abort;
    list_append(&t->pendings, &p->node);
}

void task_drop_pending(struct pending *p)
{
    if (p->node.next)
        list_remove(&p->node);
}

double ledger_cost(const struct ledger *l)
{
    return l->cost < 1000 ? nearbyint(l->cost * 1e12) / 1e12 : l->cost;
}

int task_depth(const struct task *t)
{
    int depth = 1;

    for (const struct task *p = t->parent; p; p = p->parent)
        depth++;
    return depth;
}
