/* test_timer - background work on a fake clock: when, where, how often, and until when.
 * SPDX-License-Identifier: MIT */
#include "worldhelp.h"

#define SECOND 1000000LL
#define HOUR   (3600 * SECOND)

static int64_t jump; /* how far the clock on the wall was set forward */

static int64_t jumping_wall(struct effect *e)
{
    return fake_wall(e) + jump;
}

/* Delivers all that is due within the next so many microseconds. */
static void pass(struct world *w, int64_t us)
{
    int64_t until = w->fake.now + us;

    for (;;) {
        bool due = false;
        for (struct list *node = w->fake.ops.next; node != &w->fake.ops; node = node->next) {
            struct fake_op *o = LIST_ENTRY(node, struct fake_op, node);
            due = due || (!o->paused && o->due <= until);
        }
        if (!due || !fake_turn(&w->fake))
            break;
    }
    w->fake.now = until;
}

/* A world with one more policy, "mine": 'code' runs while it is loaded, with "n" and "note" in its hands; what it
 * returns is told by said(). */
static bool begin(struct world *w, const char *code)
{
    char path[] = "/tmp/baton_timer_XXXXXX", file[64];
    struct err err = {.message = ""};

    jump = 0;
    CHECK(mkdtemp(path) != NULL);
    snprintf(file, sizeof file, "%s/mine.lua", path);
    FILE *f = fopen(file, "w");
    fprintf(f,
            "local timer, task, clock, log = require 'timer', require 'task', require 'clock', "
            "require 'log'\n"
            "local n, said = 0, {}\n"
            "local function count() n = n + 1 end\n"
            "local function note(x) said[#said + 1] = tostring(x) end\n"
            "local kept\n%s\n"
            "return require('policy').define { name = 'mine', run = function(f)\n"
            "   if f then return f(timer, count, note, kept) end\n"
            "   return n .. ' ' .. table.concat(said, ' ') end }\n",
            code);
    fclose(f);
    CHECK_INT(world_open(w, NULL, &err), 0);
    w->fake.effect.wall_us = jumping_wall;
    CHECK_INT(sources_add_policy(&w->sources, file, &err), 0);
    int loaded = world_load(w, &err);
    CHECK_STR(err.message, "");
    unlink(file);
    rmdir(path);
    return loaded == 0;
}

/* How often count() was called, and what note() was told. */
static const char *said(struct world *w, struct generation *g)
{
    static struct outcome o;
    struct generation *mine = w->g;

    w->g = g;
    world_run(w, "return require('policies').mine.run()", &o);
    w->g = mine;
    return o.failed ? o.err.message : o.text;
}

static void check_said(struct world *w, const char *want)
{
    CHECK_STR(said(w, w->g), want);
}

/* Runs a task with timer, count, note and kept in its hands; what it returns. */
static const char *in_task(struct world *w, const char *code)
{
    static struct outcome o;
    static char text[2048];

    snprintf(text, sizeof text,
             "return require('policies').mine.run(function(timer, count, note, kept)\n%s\nend)",
             code);
    struct task *t = world_start(w, text, &o);
    (void)t;
    if (!o.ended)
        return "it waits";
    buf_deinit(&o.ledger.notes);
    return o.failed ? o.err.message : o.text;
}

static void end(struct world *w)
{
    generation_retire(w->g);
    CHECK(list_empty(&w->fake.ops) && list_empty(&w->g->tasks) && list_empty(&w->g->timers));
    CHECK_INT(w->g->timer_count, 0);
    CHECK_INT(w->g->timers_running, 0);
    world_close(w);
}

static void test_when(void)
{
    struct world w;

    if (begin(&w, "timer.every(10, count) timer.after(25, function() note 'once' end)")) {
        pass(&w, 100 * SECOND);
        check_said(&w, "0 "); /* it does not serve yet */
        generation_start_timers(w.g);
        generation_start_timers(w.g);
        pass(&w, 9 * SECOND);
        check_said(&w, "0 ");
        pass(&w, 1 * SECOND);
        check_said(&w, "1 ");
        pass(&w, 10 * SECOND);
        check_said(&w, "2 ");
        pass(&w, 980 * SECOND);
        check_said(&w, "100 once");
        end(&w);
    }
}

static void test_cancel(void)
{
    struct world w;
    static const char code[] = "kept = timer.every(1, function() count() if n == 3 then\n"
                               "   note(kept:cancel()) note(kept:cancel()) end end)\n"
                               "local other = timer.every(1, count) other:cancel() other = nil\n";

    if (begin(&w, code)) {
        generation_start_timers(w.g);
        pass(&w, 20 * SECOND);
        check_said(&w, "3 true false");
        CHECK_STR(in_task(&w, "return tostring(kept:cancel())"), "false");
        CHECK_INT(w.g->timer_count, 0);
        end(&w);
    }
    if (begin(&w, "kept = timer.after(5, count)")) {
        generation_start_timers(w.g);
        CHECK_STR(in_task(&w, "return tostring(kept:cancel())"), "true");
        pass(&w, 20 * SECOND);
        check_said(&w, "0 ");
        end(&w);
    }
    /* a handle that nobody keeps, and one that outlives its timer */
    if (begin(&w, "timer.after(5, count) kept = timer.after(6, count) timer.every(7, count)")) {
        generation_start_timers(w.g);
        lua_gc(w.g->L, LUA_GCCOLLECT);
        pass(&w, 20 * SECOND);
        lua_gc(w.g->L, LUA_GCCOLLECT);
        check_said(&w, "4 ");
        CHECK_STR(in_task(&w, "return tostring(kept:cancel())"), "false");
        end(&w);
    }
}

/* A turn waits like every task; those that come meanwhile are skipped. */
static void test_overlap(void)
{
    struct world w;

    if (begin(&w, "timer.every(10, function() count() task.sleep(25) note 'done' end)")) {
        generation_start_timers(w.g);
        pass(&w, 34 * SECOND); /* begun at 10; 20 and 30 are skipped */
        check_said(&w, "1 ");
        pass(&w, 6 * SECOND); /* done at 35, begun at 40 */
        check_said(&w, "2 done");
        pass(&w, 60 * SECOND);
        check_said(&w, "4 done done done");
        end(&w); /* one is under way */
    }
}

static void test_failures(void)
{
    struct world w;
    const char *const limit[] = {"(timer)", "slice"};

    if (begin(&w, "timer.every(10, function() count() error 'no' end)")) {
        generation_start_timers(w.g);
        pass(&w, 100 * SECOND);
        check_said(&w, "10 ");
        CHECK_INT((int)metrics_value(w.shared.metrics, METRIC_TASK_FAILURES, NULL), 10);
        end(&w);
    }
    /* one that goes over its limits rests: 1, 2, 4, ... seconds, 300 at most */
    if (begin(&w, "timer.every(0.1, function() count() while true do end end)")) {
        w.g->limits.slice_ms = 10;
        generation_start_timers(w.g);
        pass(&w, 16 * SECOND);
        check_said(&w, "5 ");
        CHECK_INT((int)metrics_value(w.shared.metrics, METRIC_LIMIT_HITS, limit), 5);
        end(&w);
    }
}

static void test_at(void)
{
    struct world w;

    /* it is midnight in UTC, two in the morning in Berlin */
    if (begin(&w, "timer.at('03:00', function() note(clock.date()) end, { tz = 'Europe/Berlin' })\n"
                  "timer.at('23:59:30', count)")) {
        generation_start_timers(w.g);
        pass(&w, 1 * HOUR - SECOND);
        check_said(&w, "0 ");
        pass(&w, SECOND);
        check_said(&w, "0 2026-07-25T01:00:00.000Z");
        pass(&w, 24 * HOUR);
        check_said(&w, "1 2026-07-25T01:00:00.000Z 2026-07-26T01:00:00.000Z");
        end(&w);
    }
    /* the clock is set forward: late, once; then back: not again */
    if (begin(&w, "timer.at('03:00', function() note(clock.date()) end)")) {
        generation_start_timers(w.g);
        pass(&w, 10 * SECOND);
        jump = 4 * HOUR;
        pass(&w, 60 * SECOND);
        check_said(&w, "0 2026-07-25T04:00:30.000Z");
        jump = 0;
        pass(&w, 5 * HOUR);
        check_said(&w, "0 2026-07-25T04:00:30.000Z");
        pass(&w, 22 * HOUR);
        check_said(&w, "0 2026-07-25T04:00:30.000Z 2026-07-26T03:00:00.000Z");
        end(&w);
    }
    /* set back before its time: it waits longer */
    if (begin(&w, "timer.at('03:00', count)")) {
        generation_start_timers(w.g);
        pass(&w, HOUR);
        jump = -2 * HOUR;
        pass(&w, 3 * HOUR);
        check_said(&w, "0 ");
        pass(&w, HOUR + SECOND);
        check_said(&w, "1 ");
        end(&w);
    }
}

/* Two generations on one shared memory stand for two workers. */
static void test_one_and_each(void)
{
    struct world w;
    struct err err;

    if (begin(&w, "timer.every(10, count) timer.at('00:01', count) timer.after(5, count)\n"
                  "timer.every(10, function() note 'e' end, { on = 'each' })")) {
        struct generation *other = generation_new(&w.rt, &w.plan, &err);
        CHECK(other != NULL);
        w.g->serial = 1;
        generation_start_timers(w.g);
        pass(&w, 3 * SECOND);
        if (other) {
            int first, second;
            other->serial = 1;
            generation_start_timers(other);
            pass(&w, 62 * SECOND);
            first = atoi(said(&w, w.g));
            CHECK(strstr(said(&w, w.g), "e e e e e e") != NULL);
            second = atoi(said(&w, other));
            CHECK(strstr(said(&w, other), "e e e e e e") != NULL);
            CHECK_INT(first + second, 6 + 1 + 1);
            generation_retire(w.g); /* what one leaves, the other does */
            pass(&w, 60 * SECOND);
            CHECK_INT(atoi(said(&w, other)) - second, 6);
            generation_retire(other);
            generation_unref(other);
        }
        end(&w);
    }
}

/* A reload of the same timers does not begin their time anew; one that fires once does so after each load. */
static void test_reload(void)
{
    struct world w;
    struct err err;

    if (begin(&w, "timer.every(100, count) timer.after(1, function() note 'a' end)")) {
        w.g->serial = 1;
        generation_start_timers(w.g);
        pass(&w, 60 * SECOND);
        check_said(&w, "0 a");
        struct generation *next = generation_new(&w.rt, &w.plan, &err);
        CHECK(next != NULL);
        if (next) {
            next->serial = 2;
            generation_retire(w.g);
            generation_start_timers(next);
            pass(&w, 41 * SECOND);
            CHECK_STR(said(&w, next), "1 a");
            generation_retire(next);
            generation_unref(next);
        }
        end(&w);
    }
}

static void test_retire(void)
{
    struct world w;

    if (begin(&w,
              "timer.every(1, function() count()\n"
              "   local x <close> = setmetatable({}, { __close = function() note 'closed' end })\n"
              "   task.sleep(100) note 'never' end)\n"
              "timer.after(3, count) timer.at('00:00:04', count)")) {
        generation_start_timers(w.g);
        pass(&w, 2 * SECOND);
        check_said(&w, "1 ");
        generation_retire(w.g);
        generation_retire(w.g);
        CHECK(list_empty(&w.fake.ops));
        pass(&w, 200 * SECOND);
        check_said(&w, "1 closed");
        CHECK_STR(
            in_task(&w,
                    "local t, err = timer.after(1, count) return tostring(t) .. ' ' .. err.code"),
            "nil cancelled");
        generation_start_timers(w.g);
        pass(&w, 200 * SECOND);
        check_said(&w, "1 closed");
        end(&w);
    }
    /* without being told: the last reference ends them */
    if (begin(&w, "timer.every(1, count)")) {
        generation_start_timers(w.g);
        pass(&w, 2 * SECOND);
        generation_unref(w.g);
        w.g = NULL;
        CHECK(list_empty(&w.fake.ops));
        world_close(&w);
    }
}

/* Timers that tasks set begin at once, in this worker, and outlive their task. */
static void test_in_tasks(void)
{
    struct world w;

    if (begin(&w, "")) {
        CHECK_STR(in_task(&w, "timer.after(1, count) timer.every(2, count) return 'set'"), "set");
        pass(&w, 10 * SECOND);
        check_said(&w, "6 ");
        CHECK_STR(
            in_task(&w, "local made = 0 for i = 1, 2000 do\n"
                        "   local t, err = timer.after(100, count)\n"
                        "   if not t then return made .. ' ' .. err.code end made = made + 1 end"),
            "999 budget");
        pass(&w, 100 * SECOND);
        CHECK_INT(w.g->timer_count, 1);
        CHECK_INT(atoi(said(&w, w.g)), 6 + 50 + 999);
        end(&w);
    }
    /* one that sets itself again does not keep the loop busy; many at once come one after the other */
    if (begin(&w, "local function again() count() timer.after(0, again) end timer.after(0, again)\n"
                  "for i = 1, 50 do timer.after(1, function() task.sleep(10) note 'x' end) end")) {
        generation_start_timers(w.g);
        pass(&w, SECOND - 1);
        check_said(&w, "99 ");
        pass(&w, 10 * SECOND);
        CHECK_INT(w.g->timers_running, 16);
        pass(&w, 60 * SECOND);
        CHECK_INT(w.g->timer_count, 1);
        end(&w);
    }
}

static void test_arguments(void)
{
    static const struct {
        const char *code, *want;
    } cases[] = {
        {"timer.every(0.01, count)", "seconds out of range (0.1 to"},
        {"timer.every(0/0, count)", "seconds out of range"},
        {"timer.after(-1, count)", "seconds out of range (0 to"},
        {"timer.after(1e9, count)", "seconds out of range"},
        {"timer.after('x', count)", "number expected"},
        {"timer.after(1)", "function expected"},
        {"timer.after(1, count, { tz = 'UTC' })", "unknown option 'tz'"},
        {"timer.every(1, count, { On = 'each' })", "unknown option 'On'"},
        {"timer.every(1, count, { on = 'two' })", "on must be \"one\" or \"each\""},
        {"timer.every(1, count, { on = 'one' })", "for timers that are set while files are loaded"},
        {"timer.every(1, count, { name = '' })", "1 to 100 bytes"},
        {"timer.every(1, count, { name = 7 })", "'name' must be a string"},
        {"timer.at('3:00', count)", "a time is written"},
        {"timer.at('24:00', count)", "a time is written"},
        {"timer.at('03:60', count)", "a time is written"},
        {"timer.at('03:00:0', count)", "a time is written"},
        {"timer.at('03-00', count)", "a time is written"},
        {"timer.at(300, count)", "a time is written"},
        {"timer.at('03:00', count, { tz = 'Europe/Atlantis' })",
         "there is no time zone 'Europe/Atlantis'"},
        {"timer.at('03:00', count, { tz = '../etc/passwd' })", "is no name of a time zone"},
        {"timer.after(1, count).cancel({})", "timer expected"},
        {"return getmetatable(timer.after(1, count))", "timer"},
    };
    struct world w;

    if (begin(&w, "")) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            const char *got = in_task(&w, cases[i].code);
            CHECK(strstr(got, cases[i].want) != NULL);
            if (!strstr(got, cases[i].want))
                fprintf(stderr, "   %s\n   %s\n", cases[i].code, got);
        }
        end(&w);
    }
}

int main(void)
{
    test_when();
    test_cancel();
    test_overlap();
    test_failures();
    test_at();
    test_one_and_each();
    test_reload();
    test_retire();
    test_in_tasks();
    test_arguments();
    return test_report("timer");
}
