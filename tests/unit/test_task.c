/* test_task - the life of tasks, seen from outside: ends once, whatever is under way.
 * SPDX-License-Identifier: MIT */
#include "worldhelp.h"

/* A run whose owner frees everything in on_end, as a request does. */
struct owner {
    struct ledger ledger;
    int *ends;
    enum err_code *code;
};

static void on_end(struct task *t, const struct err *err)
{
    struct owner *o = t->arg;

    ++*o->ends;
    *o->code = err ? err->code : ERR_NONE;
    buf_deinit(&o->ledger.notes);
    memset(&o->ledger, 0xee, sizeof o->ledger);
    free(o);
}

static struct task *start(struct world *w, const char *name, const char *code, int *ends,
                          enum err_code *status)
{
    struct owner *o = calloc(1, sizeof *o);
    struct err err;

    *ends = 0;
    o->ends = ends;
    o->code = status;
    buf_init(&o->ledger.notes, 4096);
    CHECK_INT(generation_add_script(w->g, name, (struct span){code, strlen(code)}, &err), 0);
    struct task *t = task_new(w->g, NULL, &o->ledger, on_end, o, &err);
    CHECK(t != NULL);
    lua_pushcfunction(t->L, world_body);
    lua_pushlightuserdata(t->L, (void *)name);
    task_start(t, 1);
    return t;
}

static void cancel(struct task *t)
{
    struct err err;

    err_set(&err, ERR_CANCELLED, "the client went away");
    task_cancel(t, &err);
}

static void check_clean(struct world *w)
{
    CHECK(list_empty(&w->g->tasks));
    CHECK(list_empty(&w->g->ready));
    CHECK(list_empty(&w->fake.ops));
    CHECK_INT(w->g->refs, 1);
    CHECK(!w->g->draining);
    CHECK(w->rt.dog.running == NULL);
    fake_clear(&w->fake);
}

static void turns(struct world *w, int n)
{
    while (n-- > 0 && fake_turn(&w->fake))
        ;
}

/* Cancelled at every moment of its life. */
static void test_cancel(struct world *w)
{
    static const char code[] =
        "local task, llm = require 'task', require 'llm'\n"
        "task.sleep(1)\n"
        "local r = task.all {\n"
        "   function() return task.race { function() return llm.chat('sim/mini', 'x') end,\n"
        "      function() return task.within(5, function() task.sleep(9) end) end } end,\n"
        "   function() local s = llm.stream('sim/mini', 'x', { stream = true })\n"
        "      local r = s:reply() return r end,\n"
        "   function() task.sleep(3) pcall(task.sleep, 4) return 1 end,\n"
        "}\n"
        "task.sleep(1)\n"
        "return 'done'";
    bool done = false;

    for (int n = 0; !done && n < 60; n++) {
        enum err_code status = ERR_NONE;
        int ends;
        struct fake_script *stream = fake_answer(&w->fake), *whole = fake_answer(&w->fake);

        fake_head(whole, 1000000, 200, "content-type: application/json\r\n");
        fake_data(whole, 2000000, "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}");
        fake_done(whole, 2500000);
        fake_head(stream, 100000, 200, "content-type: text/event-stream\r\n");
        for (int i = 0; i < 4; i++)
            fake_data(stream, 1000000 + i * 500000,
                      "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n");
        fake_data(stream, 4000000, "data: [DONE]\n\n");
        fake_done(stream, 4000000);
        struct task *t = start(w, "cancelled", code, &ends, &status);
        turns(w, n);
        done = ends == 1;
        if (!done)
            cancel(t);
        CHECK_INT(ends, 1);
        CHECK_INT(status, done ? ERR_NONE : ERR_CANCELLED);
        check_clean(w);
    }
    CHECK(done);
}

/* What __close does when its task has been stopped: its owner may be gone. */
static void test_close_after_the_end(struct world *w)
{
    static const char *const codes[] = {
        "require('trace').note('closing')",
        "require('log').error('closing')",
        "require('trace').spend(1, 2, 3)",
        "require('trace').answered('x')",
        "return #require('trace').id()",
        "return require('trace').total().cost_usd",
        "require('task').sleep(1)",
        "require('task').all { function() end }",
        "require('llm').chat('sim/mini', 'x')",
        "error('in __close')",
        "local a <close> = setmetatable({}, { __close = function() error('deeper') end }) error(1)",
    };
    char code[512];
    enum err_code status;
    int ends;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        snprintf(code, sizeof code,
                 "local x <close> = setmetatable({}, { __close = function() %s end })\n"
                 "require('task').sleep(5)",
                 codes[i]);
        struct task *t = start(w, "closing", code, &ends, &status);
        cancel(t);
        CHECK_INT(ends, 1);
        check_clean(w);
        snprintf(code, sizeof code,
                 "local x <close> = setmetatable({}, { __close = function() %s end })\n"
                 "error('failed')",
                 codes[i]);
        start(w, "failing", code, &ends, &status);
        turns(w, 1000);
        CHECK_INT(ends, 1);
        CHECK(status != ERR_NONE);
        check_clean(w);
    }
}

/* The last task of an old generation closes it. */
static void test_generation_ends_with_its_last_task(struct world *w)
{
    enum err_code status[2];
    struct err err;
    int ends[2];

    start(w, "one", "require('task').sleep(1)", &ends[0], &status[0]);
    struct task *two = start(w, "two", "require('task').sleep(9)", &ends[1], &status[1]);
    generation_unref(w->g);
    turns(w, 1);
    CHECK_INT(ends[0], 1);
    CHECK_INT(ends[1], 0);
    cancel(two);
    CHECK_INT(ends[1], 1);
    CHECK_INT(status[1], ERR_CANCELLED);
    w->g = NULL;
    CHECK_INT(world_load(w, &err), 0);
    start(w, "alone", "return 1", &ends[0], &status[0]); /* ends inside task_start */
    CHECK_INT(ends[0], 1);
    struct task *last = start(w, "last", "require('task').sleep(9)", &ends[0], &status[0]);
    generation_unref(w->g);
    CHECK_INT(ends[0], 0);
    turns(w, 1);
    CHECK_INT(ends[0], 1);
    CHECK(last != NULL);
    w->g = NULL;
    CHECK_INT(world_load(w, &err), 0);
}

/* More tasks at one time than threads are kept. */
static void test_many(struct world *w)
{
    enum { MANY = 700 };
    static int ends[MANY];
    static enum err_code status[MANY];
    int total = 0;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++)
            start(w, i % 3 ? "sleeper" : "failer",
                  i % 3 ? "require('task').sleep(1) return 1"
                        : "require('task').sleep(0.5) error('x')",
                  &ends[i], &status[i]);
        turns(w, 10 * MANY);
        for (int i = 0; i < MANY; i++)
            total += ends[i];
        check_clean(w);
        CHECK(w->g->idle <= 256 && w->g->idle > 100);
    }
    CHECK_INT(total, 3 * MANY);
}

static void test_wake(struct world *w)
{
    struct outcome o;
    struct task *t = world_start(w, "require('task').sleep(1) return 'woken'", &o);

    CHECK_INT(t->state, TASK_WAITING);
    CHECK_INT(task_depth(t), 1);
    turns(w, 1);
    CHECK(o.ended && !o.failed);
    CHECK_STR(o.text, "woken");
    buf_deinit(&o.ledger.notes);
    check_clean(w);
}

/* An effect that refuses to start anything is an expected failure. */
static void test_refused(struct world *w)
{
    static const char *const codes[] = {
        "local r, e = require('task').sleep(1) return e.code",
        "local r, e = require('task').within(1, function() return 1 end) return e.code",
        "local r, e = require('llm').chat('sim/mini', 'x') return e.code",
    };
    struct outcome o;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        w->fake.refuse = 1;
        world_run(w, codes[i], &o);
        CHECK_STR(o.failed ? o.err.message : "", "");
        CHECK_STR(o.text, "overloaded");
        check_clean(w);
    }
}

static void test_results(struct world *w)
{
    struct outcome o;

    world_run(w, "return 'x', nil, 3", &o);
    CHECK_STR(o.text, "x");
    world_run(w, "error({ code = 'auth', message = 'm' })", &o);
    CHECK(o.failed);
    CHECK_INT(o.err.code, ERR_AUTH);
    CHECK_STR(o.err.message, "m");
    world_run(w, "error()", &o);
    CHECK_STR(o.err.message, "the script failed with a nil value");
    world_run(w, "error(print)", &o);
    CHECK_STR(o.err.message, "the script failed with a function value");
    world_run(w, "error({})", &o);
    CHECK_STR(o.err.message, "the script failed with a table that has no message");
    world_run(w, "error(setmetatable({}, { __index = function() error('never run') end }))", &o);
    CHECK_STR(o.err.message, "the script failed with a table that has no message");
    world_run(w, "local x = nil; return x.y", &o);
    CHECK(strstr(o.err.message, ":1: attempt to index a nil value") != NULL);
    world_run(w, "return (", &o);
    CHECK(o.failed && strstr(o.err.message, "unexpected symbol") != NULL);
    world_run(w, "\033Lua", &o);
    CHECK(o.failed && strstr(o.err.message, "attempt to load a binary chunk") != NULL);
    check_clean(w);
}

int main(void)
{
    struct world w;
    struct err err = {.message = ""};

    CHECK_INT(world_open(&w, NULL, &err), 0);
    CHECK_INT(world_load(&w, &err), 0);
    CHECK_STR(err.message, "");
    if (w.g) {
        test_results(&w);
        test_wake(&w);
        test_cancel(&w);
        test_refused(&w);
        test_many(&w);
        test_generation_ends_with_its_last_task(&w);
        test_close_after_the_end(&w);
    }
    world_close(&w);
    return test_report("task");
}
