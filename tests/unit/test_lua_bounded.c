/* test_lua_bounded - the bounded libraries beside the standard ones, and against hostile scripts.
 * SPDX-License-Identifier: MIT */
#include "lua_bounded.h"
#include "testhelp.h"

#include <lauxlib.h>
#include <lualib.h>
#include <time.h>

#define CASES "tests/unit/lua_bounded_cases.lua"
enum { ROUNDS = 4000 };

static lua_State *standard_state(void)
{
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    return L;
}

static lua_State *bounded_state(void)
{
    lua_State *L = luaL_newstate();

    luaL_requiref(L, "_G", luaopen_base, 1);
    luaL_requiref(L, "math", luaopen_math, 1);
    luaL_requiref(L, "utf8", luaopen_utf8, 1);
    luaL_requiref(L, "string", luaopen_bounded_string, 1);
    luaL_requiref(L, "table", luaopen_bounded_table, 1);
    lua_settop(L, 0);
    return L;
}

/* Leaves the lines of the cases on the stack. */
static bool run_cases(lua_State *L)
{
    bool ok = luaL_loadfile(L, CASES) == LUA_OK;

    lua_pushinteger(L, ROUNDS);
    ok = ok && lua_pcall(L, 1, 1, 0) == LUA_OK;
    if (!ok)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return ok;
}

/* Where our message says more than the standard one, on purpose. */
static bool said_otherwise(const char *standard, const char *ours)
{
    return strstr(standard, "invalid order function") || strstr(ours, "took too many steps") ||
           strstr(ours, "string too large (limit") ||
           (strstr(standard, "#1 to 'table.remove'") && strstr(ours, "#2 to 'table.remove'"));
}

static void test_alike(void)
{
    lua_State *a = standard_state(), *b = bounded_state();

    if (!run_cases(a) || !run_cases(b)) {
        CHECK_STR("the cases", "ran");
    } else {
        CHECK_INT(lua_rawlen(a, -1), lua_rawlen(b, -1));
        for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(a, -1); i++) {
            lua_rawgeti(a, -1, i);
            lua_rawgeti(b, -1, i);
            const char *x = lua_tostring(a, -1), *y = lua_tostring(b, -1);
            if (!said_otherwise(x, y))
                CHECK_STR(x, y);
            lua_pop(a, 1);
            lua_pop(b, 1);
        }
    }
    lua_close(a);
    lua_close(b);
}

/* Runs 'code' and gives its result or its error as a string, to be freed by closing L. */
static const char *run(lua_State *L, const char *code)
{
    lua_settop(L, 0);
    if (luaL_loadstring(L, code) == LUA_OK)
        lua_pcall(L, 0, 1, 0);
    return luaL_tolstring(L, -1, NULL);
}

static long ms_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Each would take seconds to ages, or gigabytes, in the standard libraries. */
static const struct {
    const char *code, *says;
} hostile[] = {
    {"return (('a'):rep(30)..'b'):match(('a*'):rep(30)..'c')", "took too many steps"},
    {"return (('a'):rep(30)..'b'):match(('a-'):rep(30)..'c')", "took too many steps"},
    {"return ('a'):rep(60):find(('a?'):rep(60)..('a'):rep(61))", "took too many steps"},
    {"return ('x'):rep(100000):find('.-y')", "took too many steps"},
    {"return ('x'):rep(100000):find('.*.*y')", "took too many steps"},
    {"return ('x'):rep(100000):gsub('x*y', '')", "took too many steps"},
    {"for _ in ('x'):rep(100000):gmatch('(.-)(.-)y') do end", "took too many steps"},
    {"return (('('):rep(100000)):gsub('%b()', '')", "took too many steps"},
    {"return ('x'):rep(50000):match('(.*)(.*)%2%1y')", "took too many steps"},
    {"return ('b'):rep(50000):find('['..('a'):rep(50000)..']')", "took too many steps"},
    {"return ('b'):rep(50000):find('%f['..('a'):rep(50000)..']')", "took too many steps"},
    {"return ('a'):rep(1000):match(('(a*)'):rep(32)..'b')", "took too many steps"},
    {"return ('a'):rep(1000000):match('^(a-)*$')", "nil"},
    {"return ('x'):rep(1 << 40)", "too large"},
    {"return ('x'):rep(1 << 62, 'yy')", "too large"},
    {"return ('x'):rep(0x7fffffffffffffff, ('y'):rep(1000))", "too large"},
    {"return (('x'):rep(100000):gsub('', ('y'):rep(100000)))", "too large"},
    {"return (('x'):rep(100000):gsub('.*', ('%0'):rep(100000)))", "too large"},
    {"return (('x'):rep(100000):gsub('x', function() return ('y'):rep(100000) end))", "too large"},
    {"local s = ('x'):rep(1 << 20) local t = {} for i = 1, 100 do t[i] = s end "
     "return table.concat(t)",
     "too large"},
    {"return table.concat({1, 2, 3}, ('x'):rep(1 << 26))", "too large"},
    {"local t = setmetatable({}, {__len = function() return 1 << 40 end,"
     " __index = function() return '' end}) return table.concat(t)",
     "took too many steps"},
    {"return table.move({}, 1, 1 << 40, 2)", "took too many steps"},
    {"return table.move({}, 1, 1 << 40, 2, {})", "took too many steps"},
    {"local t = setmetatable({}, {__len = function() return 1 << 40 end}) "
     "return table.insert(t, 1, 2)",
     "took too many steps"},
    {"local t = setmetatable({}, {__len = function() return 1 << 40 end}) "
     "return table.remove(t, 1)",
     "took too many steps"},
    {"local t = setmetatable({}, {__len = function() return 1 << 30 end}) return table.sort(t)",
     "took too many steps"},
    {"return select('#', table.unpack({}, 1, 1 << 24))", "too many results"},
    {"return select('#', table.unpack({}, 1, 1 << 40))", "too many results"},
    {"return table.unpack({}, math.mininteger, math.maxinteger)", "too many results"},
    {"return string.dump", "nil"},
    {"return select('#', ('x'):rep(1 << 24):byte(1, -1))", "string slice too long"},
    {"return ('%99999d'):format(1)", "invalid conversion"},
    {"return ('%s'):rep(10):format(table.unpack({}, 1, 10))", "nilnil"},
};

static void test_hostile(void)
{
    lua_State *L = bounded_state();

    for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
        long before = ms_now();
        const char *said = run(L, hostile[i].code);
        long took = ms_now() - before;
        if (!test_note(strstr(said, hostile[i].says) != NULL, __FILE__, __LINE__))
            fprintf(stderr, "%s\n  said %.200s\n", hostile[i].code, said);
        if (!test_note(took < 2000, __FILE__, __LINE__))
            fprintf(stderr, "%s\n  took %ld ms\n", hostile[i].code, took);
        if (getenv("TIMES"))
            printf("%5ld ms  %.100s\n", took, hostile[i].code);
    }
    lua_close(L);
}

/* Order functions that make no sense: all end, and the table still holds the same elements. */
static void test_orders(void)
{
    lua_State *L = bounded_state();
    static const char *const orders[] = {
        "return true",
        "return false",
        "return a <= b",
        "return (a * 7 + b) % 3 == 0",
        "n = n + 1 return n % 2 == 0",
        "t[1] = 99 return a < b",
        "t[#t] = nil return a < b",
    };

    for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
        char code[512];
        snprintf(code, sizeof(code),
                 "n, t = 0, {} local sum = 0 for i = 1, 500 do t[i] = i * 37 %% 101 sum = sum + "
                 "t[i] end "
                 "table.sort(t, function(a, b) %s end) "
                 "for i = 1, 500 do sum = sum - t[i] end return sum",
                 orders[i]);
        CHECK_STR(run(L, code), "0");
    }
    CHECK_STR(run(L, "local t = {3, 1, 2} pcall(table.sort, t, function(a, b)"
                     " if a == 2 or b == 2 then error('x') end return a < b end)"
                     " return table.concat(t, ',')"),
              "3,1,2");
    CHECK_STR(run(L, "local t, out = {}, {} for i = 1, 300 do t[i] = {i % 3, i} end"
                     " table.sort(t, function(a, b) return a[1] < b[1] end)"
                     " for i = 2, 300 do if t[i - 1][1] == t[i][1] and t[i - 1][2] > t[i][2] then"
                     " return 'unstable' end end return 'stable'"),
              "stable");
    lua_close(L);
}

/* A sandbox with a budget: what each call takes is charged, however it ends. */
static long budget;

static bool spend(lua_State *L, long n)
{
    (void)L;
    budget -= n;
    return budget >= 0;
}

static long charged(lua_State *L, const char *code)
{
    budget = 1000000000;
    run(L, code);
    return 1000000000 - budget;
}

static void test_budget(void)
{
    lua_State *L = bounded_state();

    lua_bounded_use(L, spend);
    CHECK(charged(L, "return ('hello'):find('l')") <= 1);
    CHECK(charged(L, "return ('hello'):match('^h')") <= 4);
    CHECK(charged(L, "return ('x'):rep(64 * 1000)") >= 1000);
    CHECK(charged(L, "return ('x'):rep(64 * 1000):upper():lower()") >= 3000);
    CHECK(charged(L, "return ('x'):rep(64 * 1000):find('y', 1, true)") >= 2000);
    CHECK(charged(L, "return table.move({}, 1, 5000, 2)") == 5000);
    CHECK(charged(L, "return select('#', table.unpack({}, 1, 5000))") == 5000);
    CHECK(charged(L, "local t = {} for i = 1, 1000 do t[i] = -i end table.sort(t)") >= 5000);
    CHECK(charged(L, "return ('a'):rep(10000):match('a*b')") >= MATCH_STEPS);
    CHECK(charged(L, "return pcall(string.rep, 'x', 1 << 40)") == 0);

    static const char *const costly[] = {
        "return ('a'):rep(1000):match('a*b')",
        "return ('a'):rep(10000):gsub('.', '%0')",
        "return ('x'):rep(1 << 20)",
        "return table.move({}, 1, 5000, 2)",
        "local t = {} for i = 1, 2000 do t[i] = -i end return table.sort(t)",
        "local t = {} for i = 1, 2000 do t[i] = i end return table.concat(t, ',')",
        "for _ in ('a b '):rep(1000):gmatch('%a') do end",
    };
    for (size_t i = 0; i < sizeof(costly) / sizeof(*costly); i++) {
        budget = 500;
        CHECK(strstr(run(L, costly[i]), "budget of the task is used up") != NULL);
    }
    lua_bounded_use(L, NULL);
    CHECK(charged(L, "return ('a'):rep(10000):match('a*b')") == 0);
    lua_close(L);
}

int main(void)
{
    test_alike();
    test_hostile();
    test_orders();
    test_budget();
    return test_report("lua_bounded");
}
