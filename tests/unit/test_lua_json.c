/* test_lua_json - JSON to Lua values and back: order, digits, arrays, changes, failing memory.
 * SPDX-License-Identifier: MIT */
#include "testhelp.h"

#include "guard.h"
#include "json.h"
#include "lua_json.h"

#include <lauxlib.h>
#include <lualib.h>

static lua_State *new_state(void)
{
    lua_State *L = luaL_newstate();
    guard_bind(L, NULL);

    guard_bind(L, NULL); /* json.encode asks whose memory has ended */
    luaL_openlibs(L);
    luaL_requiref(L, "json", luaopen_baton_json, 1);
    lua_settop(L, 0);
    return L;
}

/* Decodes and encodes again. */
static void check_trip(lua_State *L, const char *doc, const char *want)
{
    struct span in = {doc, strlen(doc)};
    struct buf out;
    struct err err = {0};

    buf_init(&out, 1 << 20);
    CHECK_INT(lua_json_decode(L, in, &err), 0);
    CHECK_INT(lua_gettop(L), 1);
    CHECK_INT(lua_json_encode(L, 1, &out, &err), 0);
    CHECK_STR(err.message, "");
    CHECK_BYTES(out.data ? out.data : "", out.len, want);
    CHECK(lua_json_same(L, 1, buf_span(&out)));
    CHECK_INT(lua_gettop(L), 1);
    lua_settop(L, 0);
    buf_deinit(&out);
}

static void check_kept(lua_State *L, const char *doc)
{
    check_trip(L, doc, doc);
}

static void test_round_trips(lua_State *L)
{
    for (int i = 0; i < 2; i++) { /* the second time shapes are known */
        check_kept(
            L,
            "{\"z\":1,\"a\":[],\"m\":{},\"b\":[{\"k\":null,\"j\":true},{\"k\":false,\"j\":[[]]}]}");
        check_kept(L, "[1,2,{\"b\":1,\"a\":2},{\"b\":3,\"a\":4},{\"a\":5,\"b\":6}]");
        check_kept(
            L, "[1,-1,0,9223372036854775807,-9223372036854775808,9223372036854775808,0.1,-0.0,1.0,"
               "1e+22,1e999,-1E-999,3.14159265358979323846264338327950288,5e-324]");
        check_kept(L, "{\"\":\"\",\"__metatable\":1,\"__index\":{\"__gc\":2},\"1\":\"one\"}");
        check_kept(L, "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0000\xE2\x82\xAC\"");
    }
    check_kept(L, "null");
    check_kept(L, "[null,null]");
    check_trip(L, " [ 1e2 , -0, 0.10, \"\\u0041\\/\\ud83d\\ude00\" ] ",
               "[100.0,-0.0,0.1,\"A/\xF0\x9F\x98\x80\"]");
    check_trip(L, "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}");
    check_trip(L, "{\"a\":1,\"\\u0061\":{\"x\":1,\"x\":2}}", "{\"a\":{\"x\":2}}");
}

/* More values than wait on the stack; keys past the length of interned strings. */
static void test_large(lua_State *L)
{
    static const int sizes[] = {31, 32, 33, 63, 64, 65, 66, 127, 128, 129, 3000};
    struct buf doc;

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        buf_init(&doc, 1 << 20);
        buf_puts(&doc, "[[");
        for (int i = 0; i < sizes[s]; i++)
            buf_printf(&doc, "%s[%d]", i ? "," : "", i);
        buf_puts(&doc, "],{");
        for (int i = 0; i < sizes[s]; i++)
            buf_printf(&doc, "%s\"%d-a key that is longer than forty bytes, is it\":{\"x\":%d}",
                       i ? "," : "", i * 7919 % 3001, i);
        buf_puts(&doc, "}]");
        CHECK_INT(buf_add(&doc, "", 1), 0);
        check_kept(L, doc.data);
        doc.len--;
        lua_json_push(L, buf_span(&doc));
        CHECK(lua_json_same(L, 1, buf_span(&doc)));
        lua_settop(L, 0);
        buf_deinit(&doc);
    }
}

static void test_depth(lua_State *L)
{
    char text[4 * JSON_DEPTH_MAX + 8];
    struct buf out;
    struct err err;
    size_t n = 0;

    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        text[n++] = '[';
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        text[n++] = ']';
    text[n] = 0;
    check_kept(L, text);
    lua_json_push(L, (struct span){text, n});
    lua_createtable(L, 1, 0); /* one level too many */
    lua_insert(L, 1);
    lua_rawseti(L, 1, 1);
    buf_init(&out, 10000);
    CHECK_INT(lua_json_encode(L, 1, &out, &err), -1);
    CHECK(strstr(err.message, "[1][1][1]") && strstr(err.message, "512 levels"));
    CHECK_INT(out.len, 0);
    lua_settop(L, 0);
    buf_deinit(&out);
}

static void test_bad_input(lua_State *L)
{
    struct err err;

    CHECK_INT(lua_json_decode(L, SPAN("{\"a\":[1,{\"b\":tru}]}"), &err), -1);
    CHECK_STR(err.message, "line 1, column 14: expected a value");
    CHECK_INT(err.code, ERR_BAD_REQUEST);
    CHECK_INT(lua_gettop(L), 0);
    CHECK_INT(lua_json_decode(L, (struct span){NULL, 0}, &err), -1);
    CHECK_INT(lua_gettop(L), 0);
}

static void test_full(lua_State *L)
{
    struct buf out;
    struct err err;

    lua_json_push(L, SPAN("{\"a\":[1,\"two\",null]}"));
    for (size_t max = 1; max < 22; max++) {
        buf_init(&out, max);
        buf_puts(&out, "x");
        CHECK_INT(lua_json_encode(L, 1, &out, &err), max < 21 ? -1 : 0);
        CHECK_INT(out.len, max < 21 ? 1 : 21);
        CHECK(max == 21 || err.code == ERR_BUDGET);
        CHECK_INT(lua_gettop(L), 1);
        buf_deinit(&out);
    }
    lua_settop(L, 0);
}

/* ---- has it changed? ---- */

static bool same_after(lua_State *L, const char *doc, const char *change)
{
    struct span in = {doc, strlen(doc)};

    lua_settop(L, 0);
    lua_json_push(L, in);
    lua_setglobal(L, "v");
    if (luaL_dostring(L, change) != LUA_OK)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_settop(L, 0);
    lua_getglobal(L, "v");
    bool same = lua_json_same(L, 1, in);
    CHECK_INT(lua_gettop(L), 1);
    lua_settop(L, 0);
    return same;
}

static void test_same(lua_State *L)
{
    static const char doc[] =
        " {\"m\":\"gpt\", \"l\":[1,2.5,{\"x\":null}], \"e\":{}, \"\\u0065m\":[], \"big\":1e999,"
        " \"t\":\"\\u20ac\\n\", \"z\":-0, \"b\":true} ";
    static const char *const keep[] = {
        "",
        "local x = v.m",
        "v.m = 'g' .. 'pt'",
        "v.l[1] = 1",
        "v.l[2] = 5/2",
        "v.e = {}",
        "v.em = json.array()",
        "v.big = json.number '1e999'",
        "v.l = {1, 2.5, {x = json.null}}",
        "v.l[3] = {x = json.null}",
        "v.z = -0.0",
        "v.new = 1; v.new = nil",
        "v.m = nil; v.m = 'gpt'",
        "v.l[1] = json.number '1'",
        "local c = {}; for k, x in pairs(v) do c[k] = x end; v = c",
    };
    static const char *const change[] = {
        "v.m = 'gpt2'",
        "v.m = nil",
        "v.l[1] = 1.0",
        "v.l[2] = 2.25",
        "v.l[4] = 1",
        "v.l[3] = nil",
        "v.l[1] = '1'",
        "v.l[3].x = false",
        "v.e.a = 1",
        "v.e = json.array()",
        "v.em = {}",
        "v.em[1] = 1",
        "v.big = 1/0",
        "v.z = 0",
        "v.big = json.number '1e998'",
        "v.z = 0.0",
        "v.b = false",
        "v.t = '\\u{20ac}'",
        "v.new = 1",
        "v[1] = 1",
        "v = nil",
        "v.l = {1, 2.5, {x = json.null}, n = 3}",
        "v.l = json.object {1}",
        "v = json.array(v)",
        "v.b = nil; v.c = true",
        "local c = {}; for k, x in pairs(v) do c[k] = x end; c.m = nil; c.n = 'gpt'; v = c",
    };
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        bool same = same_after(L, doc, keep[i]);
        CHECK(same);
        if (!same)
            fprintf(stderr, "  after %s\n", keep[i]);
    }
    for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
        bool same = same_after(L, doc, change[i]);
        CHECK(!same);
        if (same)
            fprintf(stderr, "  after %s\n", change[i]);
    }
    CHECK(!same_after(L, "{\"a\":1,\"a\":1}", "v = { a = 1, b = 2 }"));
    CHECK(!same_after(L, "{\"a\":1,\"a\":1}", ""));
    CHECK(!same_after(L, "{\"a\":1,\"b\":2,\"a\":1}", "v.c = 3"));
    lua_json_push(L, SPAN("{\"a\":1,\"b\":2}"));
    CHECK(lua_json_same(L, 1, SPAN("{\"b\":2,\"a\":1}"))); /* the order of members says nothing */
    CHECK(lua_json_same(L, 1, SPAN("{ \"\\u0062\" : 2, \"a\" : 1 }")));
    CHECK(!lua_json_same(L, 1, SPAN("{\"a\":1,\"b\":2")));
    CHECK(!lua_json_same(L, 1, SPAN("{\"a\":1,\"b\":2}x")));
    CHECK(!lua_json_same(L, 1, SPAN("{\"a\":1,\"b\":2,\"c\":3}")));
    CHECK(!lua_json_same(L, 1, SPAN("{\"a\":1}")));
    lua_settop(L, 0);
}

static void test_keys(lua_State *L)
{
    lua_json_push(L, SPAN("{\"z\":1,\"a\":2,\"m\":3}"));
    lua_pushnil(L);
    lua_setfield(L, 1, "a");
    lua_pushinteger(L, 1);
    lua_setfield(L, 1, "added");
    CHECK(lua_json_push_keys(L, 1));
    CHECK_INT(lua_gettop(L), 2);
    CHECK_INT(lua_rawlen(L, 2), 2);
    lua_rawgeti(L, 2, 1);
    lua_rawgeti(L, 2, 2);
    CHECK_STR(lua_tostring(L, 3), "z");
    CHECK_STR(lua_tostring(L, 4), "m");
    lua_settop(L, 0);
    lua_newtable(L);
    CHECK(!lua_json_push_keys(L, 1));
    lua_json_push(L, SPAN("[1]"));
    CHECK(!lua_json_push_keys(L, 2));
    lua_pushinteger(L, 1);
    CHECK(!lua_json_push_keys(L, 3));
    CHECK_INT(lua_gettop(L), 3);
    lua_settop(L, 0);
}

/* ---- what scripts see ---- */

/* test_lua_json.lua, beside this file. */
static void test_module(lua_State *L)
{
    char path[] = __FILE__ "  ";

    strcpy(path + strlen(__FILE__) - 1, "lua");
    lua_pushlightuserdata(L, NULL); /* what cjson.null is */
    lua_setglobal(L, "cjson_null");
    bool ok = luaL_dofile(L, path) == LUA_OK;
    CHECK(ok);
    if (!ok)
        fprintf(stderr, "  %s\n", lua_tostring(L, -1));
    lua_settop(L, 0);
}

/* ---- failing memory ---- */

struct account {
    long left; /* allocations until they fail; below 0: never */
};

static void *count_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
    struct account *a = ud;

    (void)osize;
    if (nsize == 0) {
        free(ptr);
        return NULL;
    }
    if (a->left == 0)
        return NULL;
    if (a->left > 0)
        a->left--;
    return realloc(ptr, nsize);
}

static int trip_in_lua(lua_State *L)
{
    static const char doc[] = "{\"a\":[1,2.5,1e999,{\"k\":\"a \\n\"}],\"b\":{\"c\":[],\"a key of "
                              "more than forty bytes, so not interned\":null}}";

    luaL_requiref(L, "json", luaopen_baton_json, 1);
    lua_getfield(L, -1, "decode");
    lua_pushstring(L, doc);
    lua_call(L, 1, 1);
    lua_pushinteger(L, 5);
    lua_setfield(L, -2, "new"); /* makes the encoder sort */
    lua_json_push_keys(L, -1);
    lua_pop(L, 1);
    lua_json_same(L, -1, (struct span){"{\"z\":1}", 7});
    lua_getfield(L, -2, "encode");
    lua_insert(L, -2);
    lua_call(L, 1, 1);
    CHECK_STR(lua_tostring(L, -1), "{\"a\":[1,2.5,1e999,{\"k\":\"a \\n\"}],\"b\":{\"c\":[],\"a key "
                                   "of more than forty bytes, so not interned\":null},\"new\":5}");
    return 0;
}

/* Allocation 1, 2, 3 … fails until all of it passes. The leak sanitizer watches. */
static void test_failing_memory(void)
{
    for (long fail_at = 0; fail_at < 2000; fail_at++) {
        struct account account = {.left = -1};
        lua_State *L = lua_newstate(count_alloc, &account);
        guard_bind(L, NULL);
        guard_bind(L, NULL);
        luaL_checkstack(L, 50, NULL);
        lua_pushcfunction(L, trip_in_lua);
        account.left = fail_at;
        int status = lua_pcall(L, 0, 0, 0);
        account.left = -1;
        lua_close(L);
        if (status == LUA_OK) {
            CHECK(fail_at > 20);
            return;
        }
    }
    CHECK(false);
}

int main(void)
{
    lua_State *L = new_state();

    test_round_trips(L);
    test_large(L);
    test_depth(L);
    test_bad_input(L);
    test_full(L);
    test_same(L);
    test_keys(L);
    test_module(L);
    lua_gc(L, LUA_GCGEN, 0, 0);
    test_large(L);
    test_module(L);
    lua_close(L);
    test_failing_memory();
    return test_report("lua_json");
}
