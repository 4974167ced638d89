/* bind_human - the module "person": a task waits for a person's answer. human.lua stands on it.
 * SPDX-License-Identifier: MIT */
#include "json.h"
#include "lua_buf.h"
#include "lua_err.h"
#include "lua_place.h"
#include "modules.h"
#include "questions.h"
#include "task.h"

#include <lauxlib.h>
#include <string.h>

#define WITHIN_MAX (7 * 86400.0) /* seconds */

/* A userdata on the stack of the task that waits, above the buffers it points to. */
struct parked {
    struct question_wait wait;
    struct pending pending;
    struct task *task;
    struct effect *fx;
    struct buf *text, *by;
    double waited;
    bool failed, out_of_memory;
    struct err err;
};

static void on_answer(struct question_wait *w, const struct question_answer *a)
{
    struct parked *p = (struct parked *)w;

    task_drop_pending(&p->pending);
    p->waited = a->waited;
    p->failed = a->err != NULL;
    if (a->err)
        p->err = *a->err;
    else
        p->out_of_memory = buf_add_span(p->text, a->text) < 0 || buf_add_span(p->by, a->by) < 0;
    task_wake(p->task);
}

/* The client has gone, or the task is not wanted any more: nobody needs to answer. */
static void abort_question(struct pending *pending)
{
    struct parked *p = LIST_ENTRY(pending, struct parked, pending);

    p->fx->drop_question(p->fx, &p->wait);
}

static int after_parked(lua_State *L, int status, lua_KContext ctx)
{
    struct parked *p = lua_touserdata(L, -1);

    (void)status;
    (void)ctx;
    if (p->out_of_memory)
        return luaL_error(L, "out of memory for an answer");
    if (p->failed)
        return lua_err_fail(L, &p->err);
    struct span text = buf_span(p->text), by = buf_span(p->by);
    lua_pushlstring(L, text.p ? text.p : "", text.n);
    lua_pushlstring(L, by.p ? by.p : "", by.n);
    lua_pushnumber(L, p->waited);
    buf_deinit(p->text);
    buf_deinit(p->by);
    return 3;
}

/* person.ask(form, within) -> text, by, seconds | nil, err. form: JSON text of an object, what people see; within: seconds,
 * up to 7 days. Errors: timeout (nobody answered), overloaded (too many questions are open, or the engine stops),
 * unavailable (nobody can be asked), budget (it is too large). Yields. */
static int l_ask(lua_State *L)
{
    struct generation *g = generation_of(L);
    struct effect *fx = g->rt->fx;
    struct question_form form = {.serial = g->serial};
    struct err err;

    form.shown.p = luaL_checklstring(L, 1, &form.shown.n);
    lua_Number within = luaL_checknumber(L, 2);
    luaL_argcheck(L, within > 0 && within <= WITHIN_MAX, 2, "seconds out of range");
    luaL_argcheck(L, json_check(form.shown, &err) == 0 && json_type(form.shown) == JSON_OBJECT, 1,
                  "not a JSON object");
    if (!lua_isyieldable(L))
        return lua_place_error(L, "nobody can be asked here: not while a file is loaded, in a "
                                  "metamethod or in the comparison of table.sort");
    form.within_us = (int64_t)(within * 1e6);
    struct buf *text = lua_buf_push(L, QUESTION_TEXT_MAX), *by = lua_buf_push(L, QUESTION_TEXT_MAX);
    struct parked *p = lua_newuserdatauv(L, sizeof *p, 0);
    *p = (struct parked){
        .wait.on_answer = on_answer, .task = task_of(L), .fx = fx, .text = text, .by = by};
    if (fx->ask_person(fx, &p->wait, &form, &err) < 0)
        return lua_err_fail(L, &err);
    task_add_pending(p->task, &p->pending, abort_question);
    return task_wait(L, 0, after_parked);
}

/* person.place() -> "workflow", "timer" or "request": what kind of task this is. */
static int l_place(lua_State *L)
{
    const struct ledger *l = task_of(L)->ledger;

    if (!l || l->script)
        lua_pushliteral(L, "workflow");
    else if (strncmp(l->policy, "timer@", 6) == 0)
        lua_pushliteral(L, "timer");
    else
        lua_pushliteral(L, "request");
    return 1;
}

int luaopen_baton_person(lua_State *L)
{
    static const luaL_Reg functions[] = {{"ask", l_ask}, {"place", l_place}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
