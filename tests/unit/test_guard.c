/* test_guard - no script holds the engine: each of these ends with its limit, and all goes on.
 * SPDX-License-Identifier: MIT */
#include "worldhelp.h"

#include <time.h>

enum { SLICE_MS = 60, MEMORY = 16 << 20 };

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void check_alive(struct world *w)
{
    struct outcome o;

    world_run(w, "local t = {} for i = 1, 1000 do t[i] = i .. '' end return #t", &o);
    CHECK_STR(o.failed ? o.err.message : o.text, "1000");
    CHECK(list_empty(&w->g->tasks) && list_empty(&w->fake.ops));
}

/* Ends with ERR_BUDGET and this in its message, before long. */
static void check_limit(struct world *w, const char *code, const char *want)
{
    struct outcome o;
    double begun = cpu_ms();

    world_run(w, code, &o);
    double took = cpu_ms() - begun;
    bool good = o.failed && o.err.code == ERR_BUDGET && strstr(o.err.message, want);
    CHECK(good);
    CHECK(took < 60 * SLICE_MS);
    if (!good || took >= 60 * SLICE_MS)
        fprintf(stderr, "   after %.0f ms: %s\n   %s\n", took, o.failed ? o.err.message : o.text,
                code);
    check_alive(w);
}

/* Fails, or ends by itself; either way before long, and all goes on. */
static void check_ends(struct world *w, const char *code)
{
    struct outcome o;
    double begun = cpu_ms();

    world_run(w, code, &o);
    double took = cpu_ms() - begun;
    CHECK(o.ended);
    CHECK(took < 60 * SLICE_MS);
    if (took >= 60 * SLICE_MS)
        fprintf(stderr, "   after %.0f ms: %s\n   %s\n", took, o.failed ? o.err.message : o.text,
                code);
    check_alive(w);
}

static void test_time(struct world *w)
{
    static const char *const endless[] = {
        "while true do end",
        "while true do local x = {} end",
        "for i = 1, math.maxinteger do end",
        "for i = 1, math.huge do end",
        "::again:: goto again",
        "repeat until false",
        "pcall(function() while true do end end) return 'swallowed'",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error) end",
        "local function f() pcall(f) while true do end end f()",
        "local function f() pcall(f) pcall(f) end f()",
        "local function f() return f() end f()",
        "xpcall(function() while true do end end, function() return 1 end) return 'swallowed'",
        "xpcall(function() while true do end end, function() while true do end end)",
        "xpcall(error, function() while true do end end)",
        "while true do xpcall(error, function() end) end",
        "local function h() xpcall(error, h) end xpcall(error, h) while true do end",
        "table.sort({ 3, 2, 1 }, function() while true do end end)",
        "local n = 0 table.sort({ 3, 2, 1 }, function() while true do n = n + 1 end end)",
        "('x'):gsub('x', function() while true do end end)",
        "for _ in function() while true do end end do end",
        "for _ in function() return 1 end do end",
        "return setmetatable({}, { __index = function() while true do end end }).x",
        "setmetatable({}, { __newindex = function() while true do end end }).x = 1",
        "return setmetatable({}, { __call = function() while true do end end })()",
        "return setmetatable({}, { __concat = function() while true do end end }) .. 'x'",
        "return setmetatable({}, { __lt = function() while true do end end }) < {}",
        "return setmetatable({}, { __eq = function() while true do end end }) == {}",
        "return #setmetatable({}, { __len = function() while true do end end })",
        "tostring(setmetatable({}, { __tostring = function() while true do end end }))",
        "return ('%s'):format(setmetatable({}, { __tostring = function() while true do end end }))",
        "for _ in pairs(setmetatable({}, { __pairs = function() while true do end end })) do end",
        "local x <close> = setmetatable({}, { __close = function() while true do end end })",
        "local x <close> = setmetatable({}, { __close = function() while true do end end })\n"
        "while true do end",
        "local x <close> = setmetatable({}, { __close = function() pcall(error) while true do end "
        "end })\n"
        "local y <close> = setmetatable({}, { __close = function() while true do end end })\n"
        "while true do end",
        "pcall(function() local x <close> = setmetatable({}, { __close = function()\n"
        "   while true do end end }) end) return 'swallowed'",
        "pcall(string.rep, setmetatable({}, { __tostring = function() while true do end end }))\n"
        "while true do end",
        "print(setmetatable({}, { __tostring = function() while true do end end }))",
        "local t = {} setmetatable(t, { __call = t }) t()",
        "local t = {} setmetatable(t, { __call = t }) pcall(t) return 'swallowed'",
        "local t = {} setmetatable(t, { __call = t }) table.sort({ 2, 1 }, function() t() end)",
        "local t, u = {}, {} setmetatable(t, { __call = u }) setmetatable(u, { __call = t })\n"
        "for i = 1, 1e9 do pcall(t, i) end",
        "require('task').sleep(1) while true do end",
        "pcall(require('task').sleep, 1) pcall(function() while true do end end) return "
        "'swallowed'",
    };

    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++)
        check_limit(w, endless[i], "ms of CPU time between two waits");
}

/* Errors whose reading or cleaning up runs for ever. */
static void test_ends(struct world *w)
{
    static const char *const codes[] = {
        "error(setmetatable({}, { __tostring = function() while true do end end }))",
        "error(setmetatable({}, { __index = function() while true do end end }))",
        "local x <close> = setmetatable({}, { __close = function() while true do end end }) "
        "error(1)",
        "error(setmetatable({ message = 1 }, { __name = 'x', __index = error }))",
        "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end\n"
        "return t.x",
        "local function f() return f() + 1 end return f()",
        "local function f(...) return f(1, ...) end return f()",
        "local function f() f() end pcall(f) return 'fine'",
        "local s = ('('):rep(300000) .. (')'):rep(300000) return require('json').decode(s)",
        "return require('json').decode(('['):rep(1000000))",
        "local t = {} t.t = t return pcall(require('json').encode, t)",
        "return select('#', table.unpack({}, 1, 1e8))",
        "return ('x'):rep(1e15)",
        "return ('x'):rep(-1)",
        "return ('%99999999d'):format(1)",
        "return ('a?'):rep(30):len(), ('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30))",
        "return table.concat({}, 'x', 1, 1e15)",
        "return table.move({}, 1, 1e15, 2)",
        "return #table.pack(pcall(table.insert, {}, 1e15, 1))",
        "return utf8.char(table.unpack({}, 1, 200))",
        "return ('x'):byte(1, 1e15)",
        "return tostring(string.pack('s', ('x'):rep(1e6))):len()",
        "return require('cjson').encode(setmetatable({}, { __index = error }))",
        "require('no.such')",
        "return #require('random').id(64)",
        "local t = {} for i = 1, 200000 do t[i] = i end local n = 0\n"
        "for _ in pairs(t) do n = n + 1 end return n",
    };

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        check_ends(w, codes[i]);
}

static void test_memory(struct world *w)
{
    static const char *const greedy[] = {
        "local t = {} for i = 1, 1e9 do t[i] = { i } end",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local s = 'x' while true do s = s .. s end",
        "local s = 'x' while true do local ok = pcall(function() s = s .. s end) end",
        "return pcall(function() local s = 'x' while true do s = s .. s end end)",
        "local t = {} pcall(function() for i = 1, 1e9 do t[i] = { i } end end) return 'swallowed'",
        "return ('x'):rep(50e6)",
        "return pcall(string.rep, 'x', 50e6)",
        "local t = {} for i = 1, 1e9 do t['k' .. i] = true end",
        "local f for i = 1, 1e9 do local g = f f = function() return g end end",
        "return table.concat({ ('x'):rep(7e6), ('y'):rep(7e6), ('z'):rep(7e6) })",
        "return (('x'):rep(1e6):gsub('x', ('y'):rep(60)))",
        "xpcall(string.rep, function() return 'handled' end, 'x', 50e6) return 'swallowed'",
        "local function f(n) local a, b, c = n, n, n return 1 + f(n + 1) end return f(1)",
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
    };

    w->g->limits.slice_ms = 1000; /* memory first */
    for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++)
        check_limit(w, greedy[i], "bytes of memory");
    w->g->limits.slice_ms = SLICE_MS;
}

static void test_steps(struct world *w)
{
    static const char *const slow[] = {
        "local s = ('a'):rep(20000) .. 'b' while true do pcall(string.find, s, ('a*'):rep(20) .. "
        "'c') end",
        "local t = {} for i = 1, 20000 do t[i] = i end while true do table.sort(t) end",
        "local t = {} for i = 1, 20000 do t[i] = i end while true do pcall(table.move, t, 1, "
        "20000, 2) end",
        "while true do pcall(string.rep, '', 1e9) ; (('x'):rep(1e6)):reverse() end",
        "local s = ('x'):rep(1e6) while true do s:upper() end",
        "local s = ('x'):rep(1e6) while true do s:find('y', 1, true) end",
        "local t = {} for i = 1, 20000 do t[i] = 'x' end while true do table.concat(t) end",
        "local s, t = ('\\0'):rep(4e6), {} for i = 1, 2000 do t[i] = s end table.sort(t)",
        "local s, t = ('x'):rep(4e6), {} for i = 1, 20000 do t[i] = s end table.sort(t)",
        "local t = {} for i = 1, 60 do t = { t, t } end return require('json').encode(t)",
        "local t = {} for i = 1, 60 do t = { x = t, y = t } end return require('json').encode(t)",
    };
    struct outcome o;

    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
        double begun = cpu_ms();
        world_run(w, slow[i], &o);
        CHECK(o.failed && o.err.code == ERR_BUDGET);
        CHECK(strstr(o.err.message, "over the limit") != NULL);
        CHECK(cpu_ms() - begun < 60 * SLICE_MS);
        check_alive(w);
    }
}

/* Waiting starts a new slice, but not a new account of time in all. */
static void test_total(struct world *w)
{
    struct guard_limits before = w->g->limits;

    w->g->limits.total_ms = 150;
    check_limit(w,
                "local task = require 'task'\n"
                "while true do for i = 1, 1e5 do end task.sleep(0.001) end",
                "150 ms of CPU time in all");
    check_limit(w,
                "local task = require 'task'\n"
                "while true do pcall(function() for i = 1, 1e5 do end task.sleep(0.001) end) end",
                "150 ms of CPU time in all");
    w->g->limits = before;
    struct outcome o;
    world_run(w,
              "local task = require 'task'\n"
              "for n = 1, 20 do for i = 1, 1e5 do end task.sleep(0.001) end return 'fine'",
              &o);
    CHECK_STR(o.failed ? o.err.message : o.text, "fine");
}

/* A child's limit ends its parent with the same error. */
static void test_children(struct world *w)
{
    static const char *const kin[] = {
        "require('task').all { function() while true do end end }",
        "require('task').race { function() while true do end end, function() return 1 end }",
        "require('task').within(1, function() while true do end end)",
        ("require('task').all { function() require('task').sleep(1) end,\n"
         "   function() require('task').sleep(0.5) pcall(function() while true do end end) end }"),
    };

    for (size_t i = 0; i < sizeof kin / sizeof *kin; i++)
        check_limit(w, kin[i], "ms of CPU time between two waits");
}

/* The limit is known where a task ends, for counters: also one that its parent, or a pcall, has caught. */
static void test_labels(struct world *w)
{
    static const struct {
        const char *code, *label;
        bool fails;
    } cases[] = {
        {"return 1", "none", false},
        {"error('over the limit', 0)", "none", true},
        {"while true do end", "slice", true},
        {"local t = {} while true do t[#t + 1] = {} end", "bytes", true},
        {"pcall(function() local t = {} while true do t[#t + 1] = {} end end)", "bytes", true},
        {"while true do pcall(string.find, ('a'):rep(5000), ('a-'):rep(20) .. 'b') end", "steps",
         true},
        {"local m = {} m.__len = function(a) return #a + 1 end return #setmetatable({}, m)",
         "stack", true},
        {"return ('a'):rep(5000):find(('a-'):rep(20) .. 'b')", "library", true},
        {"return pcall(string.find, ('a'):rep(5000), ('a-'):rep(20) .. 'b')", "none", false},
        {"require('task').all { function() while true do end end }", "slice", true},
        {"return pcall(require('task').all, { function() return ('x'):rep(1 << 40) end })",
         "library", false},
        {"local x <close> = setmetatable({}, { __close = function() while true do end end }) "
         "error(1)",
         "slice", true},
    };
    struct outcome o;

    w->g->limits.steps = 3 * 1000 * 1000;
    w->g->limits.slice_ms = 300;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world_run(w, cases[i].code, &o);
        CHECK_STR(guard_limit_name(o.ledger.limit), cases[i].label);
        CHECK_INT(o.failed, cases[i].fails);
        if (strcmp(guard_limit_name(o.ledger.limit), cases[i].label) != 0)
            fprintf(stderr, "   %s\n   %s\n", o.failed ? o.err.message : o.text, cases[i].code);
    }
    guard_limits_default(&w->g->limits);
    w->g->limits.slice_ms = SLICE_MS;
    w->g->limits.bytes = MEMORY;
}

/* A run that took much hits the end of the state's memory before those that took little do. */
static void test_heap(struct world *w)
{
    static const char fill[] = "local t = {} for i = 1, 1e9 do t[i] = { i } end";
    static const char little[] = "local t = {} for i = 1, 1000 do t[i] = { i } end return 'fine'";
    struct outcome o;
    size_t before = w->g->heap.live_max;

    lua_gc(w->g->L, LUA_GCCOLLECT);
    w->g->heap.live_max = w->g->heap.live + (4 << 20);
    w->g->limits.slice_ms = 1000;
    world_run(w, fill, &o);
    CHECK(o.failed && strstr(o.err.message, "over the limit of memory of all scripts together"));
    CHECK_STR(guard_limit_name(o.ledger.limit), "heap");
    world_run(w, little, &o);
    CHECK_STR(o.failed ? o.err.message : o.text, "fine");
    w->g->heap.live_max = before;
    w->g->limits.slice_ms = SLICE_MS;
}

/* An index of examples is not in Lua's memory, and counts there all the same. */
static void test_index(struct world *w)
{
    static const char one[] = "require('nearest').index { 'a text', 'a label' } return 'fine'";
    static const char many[] = "local kept = {} for i = 1, 60 do "
                               "kept[i] = require('nearest').index { 'a text', 'a label' } end";
    struct outcome o;

    w->g->limits.slice_ms = 1000;
    world_run(w, one, &o);
    CHECK_STR(o.failed ? o.err.message : o.text, "fine");
    world_run(w, many, &o);
    CHECK(o.failed && strstr(o.err.message, "bytes of memory"));
    CHECK_STR(guard_limit_name(o.ledger.limit), "bytes");
    w->g->limits.slice_ms = SLICE_MS;
}

/* Names the place in the script. */
static void test_place(struct world *w)
{
    struct outcome o;

    world_run(w, "local x = 1\n\nwhile true do x = x + 1 end", &o);
    CHECK(strstr(o.err.message, ":3: over the limit of 60 ms of CPU time") != NULL);
    world_run(w, "local s = 'x'\nwhile true do\n s = s .. s\nend", &o);
    CHECK(strstr(o.err.message, ":3: over the limit of") != NULL);
}

/* What the scripts took is given back. */
static void test_nothing_stays(struct world *w)
{
    struct outcome o;

    lua_gc(w->g->L, LUA_GCCOLLECT);
    size_t before = w->g->heap.live;
    for (int i = 0; i < 50; i++)
        world_run(w, "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end", &o);
    lua_gc(w->g->L, LUA_GCCOLLECT);
    lua_gc(w->g->L, LUA_GCCOLLECT);
    CHECK(w->g->heap.live < before + (1 << 20));
}

/* A fault while files are loaded is found within its own limits. */
static void test_loading(void)
{
    static const struct {
        const char *code, *want;
    } cases[] = {
        {"pcall(function() while true do end end)", "endless.lua:1: over the limit of"},
        {"local t = {} for i = 1, 1e9 do t[i] = { i } end", "bytes"},
        {"local s = 'x' while true do s = s .. s end", "bytes"},
        {"error('at load', 0)", "at load"},
        {"require('task').sleep(1)", "cannot wait here"},
        {"require('llm').chat('sim/mini', 'x')", "not while a file is loaded"},
        {"return 7", "must return policy.define"},
        {"return {}", "must return policy.define"},
        {"return { run = print }", "has no name"},
        {"return { name = 'direct', run = print }", "already defines a policy"},
        {"require 'endless'", "requires itself"},
        {"syntax error", "endless.lua:1:"},
        {"return require('policy').define { name = 'x', run = print, checks = function()\n"
         "   error('checked', 0) end }",
         "checked"},
        {"require('trace').note(1) require('log').info('x') require('clock').now()\n"
         "return require('policy').define { name = 'x', run = print }",
         ""},
    };
    char path[] = "/tmp/baton_guard_XXXXXX", file[64];
    struct err err;

    CHECK(mkdtemp(path) != NULL);
    snprintf(file, sizeof file, "%s/endless.lua", path);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        FILE *f = fopen(file, "w");
        fputs(cases[i].code, f);
        fclose(f);
        CHECK_INT(world_open(&w, NULL, &err), 0);
        w.plan.heap_max = 64 << 20;
        err.message[0] = 0;
        CHECK_INT(sources_add_policy(&w.sources, file, &err), 0);
        int loaded = world_load(&w, &err);
        CHECK_INT(loaded, cases[i].want[0] ? -1 : 0);
        bool good = strstr(err.message, cases[i].want) != NULL;
        CHECK(good);
        if (!good)
            fprintf(stderr, "   %s\n   is not: %s\n", err.message, cases[i].want);
        world_close(&w);
    }
    unlink(file);
    rmdir(path);
}

int main(void)
{
    struct world w;
    struct err err = {.message = ""};

    CHECK_INT(world_open(&w, NULL, &err), 0);
    w.plan.limits.slice_ms = SLICE_MS;
    w.plan.limits.bytes = MEMORY;
    CHECK_INT(world_load(&w, &err), 0);
    CHECK_STR(err.message, "");
    if (w.g) {
        test_time(&w);
        test_ends(&w);
        test_memory(&w);
        test_steps(&w);
        test_total(&w);
        test_children(&w);
        test_labels(&w);
        test_heap(&w);
        test_index(&w);
        test_place(&w);
        test_nothing_stays(&w);
    }
    world_close(&w);
    test_loading();
    return test_report("guard");
}
