/* test_generation - a generation is built whole or not at all; failing memory at every place.
 * SPDX-License-Identifier: MIT
 *
 * The torture: the state's allocator refuses the first, second, third ... allocation (and from
 * there on all, or only that one) while a request runs. Nothing may crash or leak, the task ends
 * once, and the next one runs as if nothing had been. */
#include "worldhelp.h"

/* ---- modules ---- */

static int add(struct world *w, const char *name, const char *text)
{
    struct err err = {.message = ""};
    int result = generation_add_script(w->g, name, (struct span){text, strlen(text)}, &err);

    CHECK_STR(err.message, "");
    return result;
}

static void check_run(struct world *w, const char *code, const char *want)
{
    struct outcome o;

    world_run(w, code, &o);
    const char *got = o.failed ? o.err.message : o.text;
    CHECK(strstr(got, want) != NULL);
    if (!strstr(got, want))
        fprintf(stderr, "   %s\n   gives: %s\n", code, got);
    fake_clear(&w->fake);
}

static void test_require(struct world *w)
{
    add(w, "scripts/one.lua", "return { two = require 'two' }");
    add(w, "scripts/two.lua", "return { one = require 'one' }");
    add(w, "scripts/self.lua", "return require 'self'");
    add(w, "scripts/nothing.lua", "local x = 1");
    add(w, "scripts/broken.lua", "error('broken for good')");
    add(w, "scripts/deep/er.lua", "local name = ... return { name = name }");
    add(w, "scripts/text.of.lua", "return {}");
    add(w, "scripts/number.lua", "return 7");
    add(w, "scripts/waits.lua", "require('task').sleep(1) return {}");
    for (int i = 0; i < 2; i++) { /* the second time is like the first */
        check_run(w, "require 'one'", "module 'one' requires itself, directly or through others");
        check_run(w, "require 'self'", "module 'self' requires itself");
        check_run(w, "require 'nothing'", "module 'nothing' returns nothing");
        check_run(w, "require 'broken'", "broken for good");
        check_run(w, "require 'waits'", "cannot wait here");
        check_run(w, "return tostring(pcall(require, 'broken'))", "false");
        check_run(w, "require 'none'", "module 'none' not found");
    }
    check_run(w, "return require('deep.er').name", "deep.er");
    check_run(w, "return require 'number'", "7");
    check_run(w, "local a, b = require 'deep.er', require 'deep.er' return tostring(a == b)",
              "true");
    check_run(w, "require('deep.er').name = 'x'", "read-only");
    check_run(w, "return require('policies').direct.name", "direct");
    check_run(w, "require('policies').direct = nil", "read-only");
    check_run(w, "require('policies').direct.run = nil", "read-only");
    check_run(w, "require('config').policies.x = 1", "read-only");
}

/* ---- files that nobody needs while they are loaded ---- */

/* Adds a helper beside the policies. */
static void add_helper(struct world *w, const char *name, const char *text)
{
    char dir[] = "/tmp/baton_test_XXXXXX", path[64];
    struct err err = {.message = ""};

    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    CHECK_INT(sources_add_policy(&w->sources, path, &err), 0);
    CHECK_STR(err.message, "");
    unlink(path);
    rmdir(dir);
}

static void test_late(void)
{
    struct world w;
    struct err err = {.message = ""};
    struct buf large;

    buf_init(&large, 1 << 20);
    buf_puts(&large, "local t = {}\n");
    while (large.len < 600000)
        buf_puts(&large, "t[#t + 1] = function(x) return x * 7 + 3, t end\n");
    buf_add(&large, "return t\n", sizeof "return t\n");
    CHECK_INT(world_open(&w, NULL, &err), 0);
    add_helper(&w, "_late.lua",
               "local name = ...\nreturn { name = name,\nfail = function() error('late') end }\n");
    add_helper(&w, "_large.lua", large.data);
    buf_deinit(&large);
    CHECK_INT(world_load(&w, &err), 0);
    CHECK_STR(err.message, "");
    check_run(&w, "return require('_late').name", "_late");
    check_run(&w, "local a = require '_late' return tostring(a == require '_late')", "true");
    check_run(&w, "require('_late').fail()", "policies/_late.lua:3: late");
    for (int full = 0; full < 2; full++) { /* no pcall swallows the end of the memory */
        lua_gc(w.g->L, LUA_GCCOLLECT);
        w.g->limits.bytes = full ? 64 << 20 : 1 << 20;
        w.g->heap.live_max = full ? w.g->heap.live + (1 << 20) : 256 << 20;
        check_run(&w, "return tostring(pcall(require, '_large'))", "over the limit of");
    }
    check_run(&w, "return require('_late').name", "_late");
    w.g->limits.bytes = 1 << 20;
    check_run(&w,
              "local t, new = {}, require('words').phrases for i = 1, 2000 do t[i] = new {} end",
              "over the limit of"); /* what a looker takes is on the task's account */
    check_run(&w,
              "local t, new = {}, require('scan').keywords "
              "for i = 1, 2000 do t[i] = new({ 'some words', 'and others' }, false) end",
              "over the limit of"); /* and what a matcher takes */
    world_close(&w);
}

/* Facts of a configuration that no policy can live with. */
static void test_bad_configurations(void)
{
    static const struct {
        const char *code, *want;
    } cases[] = {
        {"default_policy = 'none'", "there is no policy 'none'"},
        {"policies = { none = {} }", "policies.none: there is no policy of that name"},
        {"policies = { cascade = { treshold = 1 } }", "the policy has no such parameter"},
        {"policies = { cascade = { threshold = 'x' } }", "must be a number"},
        {"aliases = { a = 'b', b = 'a' }", "leads back to itself"},
        {"aliases = { a = { teer = 'x' } }", "unknown key 'teer'"},
        {"providers = { x = { base_url = 'http://x', codec = 'none' } }", "none"},
    };
    char code[256];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct err err = {.message = ""};
        snprintf(code, sizeof code, "return { %s }", cases[i].code);
        CHECK_INT(world_open(&w, code, &err), 0);
        CHECK_INT(world_load(&w, &err), -1);
        bool good = strstr(err.message, cases[i].want) != NULL;
        CHECK(good);
        if (!good)
            fprintf(stderr, "   %s\n   gives: %s\n", code, err.message);
        world_close(&w);
    }
}

/* ---- torture ---- */

struct torture {
    struct generation *g;
    long until; /* allocations that succeed; below 0: all do */
    bool for_ever;
    long refused;
    bool off;
};

static void *refuse(void *ud, void *p, size_t osize, size_t nsize)
{
    struct torture *t = ud;

    if (!t->off && nsize > (p ? osize : 0)) {
        if (t->until == 0) {
            t->refused++;
            if (t->for_ever || t->refused > 1) /* a second: Lua tries again after a collection */
                t->until = t->for_ever ? 0 : -1;
            return NULL;
        }
        if (t->until > 0)
            t->until--;
    }
    return heap_alloc(&t->g->heap, p, osize, nsize);
}

static void script_answers(struct fake *f)
{
    struct fake_script *s = fake_answer(f);

    fake_head(s, 0, 200, "content-type: application/json\r\n");
    fake_data(s, 1,
              "{\"choices\":[{\"message\":{\"content\":\"whole\"},\"finish_reason\":\"stop\"}],"
              "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}");
    fake_done(s, 2);
    s = fake_answer(f);
    fake_head(s, 0, 200, "content-type: text/event-stream\r\n");
    for (int i = 0; i < 3; i++)
        fake_data(s, 10 + i, "data: {\"choices\":[{\"delta\":{\"content\":\"part \"}}]}\n\n");
    fake_data(
        s, 20,
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    fake_done(s, 20);
}

static const char *const victims[] = {
    "local llm, json = require 'llm', require 'json'\n"
    "local r = llm.chat('sim/mini', 'x', { temperature = 0 })\n"
    "local s = llm.stream('sim/mini', { messages = {} }, { stream = true })\n"
    "return r.text .. s:reply().text",
    "local p, llm = require 'provider', require 'llm'\n"
    "local q = "
    "p.request('{\"messages\":[{\"role\":\"user\",\"content\":\"\\\\u0041\"}],\"x\":[1,{\"y\":2}]}'"
    ")\n"
    "local text = q.text q.x[2].y = 3 q.z = { 1 }\n"
    "local c = q:with({ temperature = 0 }, { 'x' })\n"
    "local r = llm.chat('sim/mini', c)\n"
    "local s = llm.stream('sim/mini', q, { stream = true })\n"
    "for e in s:events() do text = text .. e.kind end\n"
    "return text .. c:json() .. r.text",
    "local task, llm = require 'task', require 'llm'\n"
    "local r, e = task.all { a = function() return llm.chat('sim/mini', 'x').text end,\n"
    "   b = function() return (llm.stream('sim/mini', 'x', { stream = true }):reply()).text end,\n"
    "   c = function() task.sleep(0.5) return 1 end, d = function() return nil, 'e' end }\n"
    "local v = task.race { function() task.sleep(1) return 1 end, function() task.sleep(2) end }\n"
    "local w, t = task.within(0.1, function() task.sleep(1) end)\n"
    "return r.a .. r.b .. r.c .. e.d .. v .. t.code",
    "local json, errors = require 'json', require 'errors'\n"
    "local t = json.decode('{\"a\":[1,2.5,\"\\\\u00e9\",null,{\"b\":12345678901234567890123}]}')\n"
    "t.c = { x = 1 } local s = json.encode(t) .. tostring(t.a[5].b)\n"
    "require('trace').note(t) require('trace').decide { model = 'm' }\n"
    "require('log').error('m', { t = t })\n"
    "local k = {} for n in pairs(t) do k[#k + 1] = n end table.sort(k)\n"
    "local ok, e = pcall(error, errors.new { code = 'auth', message = 'm' })\n"
    "local c = require('cjson').encode { 1, 2 }\n"
    "return s .. table.concat(k) .. tostring(e) .. ('%s'):format({}):sub(1, 5) .. c\n"
    "   .. (('x'):rep(50):gsub('x', 'yy'))",
    "local serve, p = require 'serve', require 'provider'\n"
    "local q = p.request('{\"messages\":[{\"role\":\"user\",\"content\":\"Prove it.\"}]}')\n"
    "local r, e = serve.run(q, 'complexity')\n"
    "return r and r.text or e.code",
};

/* One run with allocation number 'until' refused. True when none was: the run was too short. */
static bool torture_once(struct world *w, struct torture *t, const char *code, long until,
                         bool for_ever, const char *want)
{
    struct outcome o;

    script_answers(&w->fake);
    CHECK_INT(add(w, "victim", code), 0);
    struct err err;
    struct ledger ledger = {.cost = 0};
    buf_init(&ledger.notes, 64 << 10);
    o = (struct outcome){.ended = false};
    struct task *task = task_new(w->g, NULL, &ledger, world_on_end, &o, &err);
    CHECK(task != NULL);
    lua_pushcfunction(task->L, world_body);
    lua_pushlightuserdata(task->L, (void *)"victim");
    t->until = until;
    t->for_ever = for_ever;
    t->refused = 0;
    t->off = false;
    task_start(task, 1);
    while (!o.ended && fake_turn(&w->fake))
        ;
    t->off = true;
    bool untouched = t->refused == 0;
    CHECK(o.ended);
    if (!o.ended)
        task_cancel(task, &(struct err){.code = ERR_CANCELLED});
    bool good = o.failed ? !untouched && (o.err.code == ERR_BUDGET || o.err.code == ERR_INTERNAL ||
                                          o.err.code == ERR_OVERLOADED)
                         : strcmp(o.text, want) == 0 || !untouched;
    CHECK(good);
    if (!good)
        fprintf(stderr, "   refusing %ld%s: %s (%s)\n", until, for_ever ? " and on" : "",
                o.failed ? o.err.message : o.text, err_name(o.err.code));
    CHECK(list_empty(&w->g->tasks) && list_empty(&w->fake.ops));
    buf_deinit(&ledger.notes);
    fake_clear(&w->fake);
    return untouched;
}

static void test_requests(void)
{
    struct world w;
    struct err err;
    char want[2048];

    for (size_t v = 0; v < sizeof victims / sizeof *victims; v++) {
        CHECK_INT(world_open(&w, NULL, &err), 0);
        w.plan.limits.slice_ms = 60000;
        w.plan.limits.total_ms = 0;
        CHECK_INT(world_load(&w, &err), 0);
        struct torture t = {.g = w.g, .off = true};
        lua_setallocf(w.g->L, refuse, &t);
        struct outcome o;
        script_answers(&w.fake);
        world_run(&w, victims[v], &o);
        CHECK_STR(o.failed ? o.err.message : "", "");
        snprintf(want, sizeof want, "%s", o.text);
        fake_clear(&w.fake);
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            long n = 0;
            while (n < 20000 && !torture_once(&w, &t, victims[v], n, for_ever, want))
                n += n < 300 ? 1 : n / 150;
            CHECK(n > 20 && n < 20000);
        }
        script_answers(&w.fake);
        world_run(&w, victims[v], &o); /* as if nothing had been */
        CHECK_STR(o.failed ? o.err.message : o.text, want);
        lua_gc(w.g->L, LUA_GCCOLLECT);
        lua_setallocf(w.g->L, heap_alloc, &w.g->heap);
        world_close(&w);
    }
}

/* The ceiling of the state, at every height, while all files are loaded. */
static void test_building(void)
{
    struct world w;
    struct err err = {.message = ""};
    size_t max = 1000, step = 1000;
    int failed = 0;

    CHECK_INT(world_open(&w, NULL, &err), 0);
    for (;; max += step) {
        w.plan.heap_max = max;
        err.message[0] = 0;
        if (world_load(&w, &err) == 0)
            break;
        failed++;
        CHECK(err.code == ERR_BUDGET || err.code == ERR_OVERLOADED || err.code == ERR_INTERNAL);
        CHECK(err.message[0] != 0);
        step = max < 100000 ? 1009 : 4099;
        if (max > (64 << 20))
            break;
    }
    CHECK(failed > 50);
    CHECK(w.g != NULL);
    if (w.g) {
        struct outcome o;
        w.g->heap.live_max = 64 << 20;
        world_run(&w, "return 'alive'", &o);
        CHECK_STR(o.text, "alive");
    }
    world_close(&w);
}

/* A generation at its ceiling: tasks fail, the state stays usable. */
static void test_a_full_state(void)
{
    struct world w;
    struct err err;
    struct outcome o;

    CHECK_INT(world_open(&w, NULL, &err), 0);
    CHECK_INT(world_load(&w, &err), 0);
    lua_gc(w.g->L, LUA_GCCOLLECT);
    size_t live = w.g->heap.live;
    for (size_t room = 0; room < 200000; room += room < 4000 ? 97 : 5003) {
        w.g->heap.live_max = w.g->heap.live + room;
        o = (struct outcome){.ended = false};
        struct ledger ledger = {.cost = 0};
        struct task *t = task_new(w.g, NULL, &ledger, world_on_end, &o, &err);
        if (t) {
            lua_pushcfunction(t->L, world_body);
            lua_pushlightuserdata(t->L, (void *)"no such script");
            task_start(t, 1);
            CHECK(o.ended && o.failed);
        } else {
            CHECK_INT(err.code, ERR_OVERLOADED);
        }
        w.g->heap.live_max = 64 << 20;
        world_run(&w, "local t = {} for i = 1, 1000 do t[i] = i .. '' end return #t", &o);
        CHECK_STR(o.failed ? o.err.message : o.text, "1000");
        lua_gc(w.g->L, LUA_GCCOLLECT);
    }
    CHECK(w.g->heap.live < live + (1 << 20));
    world_close(&w);
}

int main(void)
{
    struct world w;
    struct err err = {.message = ""};

    CHECK_INT(world_open(&w, NULL, &err), 0);
    CHECK_INT(world_load(&w, &err), 0);
    CHECK_STR(err.message, "");
    if (w.g)
        test_require(&w);
    world_close(&w);
    test_late();
    test_bad_configurations();
    test_building();
    test_a_full_state();
    test_requests();
    return test_report("generation");
}
