/* lua_json - the module "json" for scripts, and the keys of decoded objects.
 * SPDX-License-Identifier: MIT */
#include "lua_json.h"

#include "guard.h"
#include "json.h"
#include "lua_err.h"
#include "lua_json_shape.h"
#include "lua_place.h"
#include "lua_view.h"

#include <lauxlib.h>

bool lua_json_is_decoded(lua_State *L, int index)
{
    bool foreign;

    return lua_istable(L, index) && shape_peek(L, index, &foreign) != MARK_NONE;
}

bool lua_json_push_keys(lua_State *L, int index)
{
    lua_Integer n = 0;

    index = lua_absindex(L, index);
    luaL_checkstack(L, 6, NULL);
    if (!lua_istable(L, index) || shape_mark(L, index) != MARK_OBJECT)
        return false;
    lua_Integer keys = (lua_Integer)lua_rawlen(L, -1);
    lua_createtable(L, (int)keys, 0);
    for (lua_Integer i = 1; i <= keys; i++) {
        lua_rawgeti(L, -2, i);
        lua_pushvalue(L, -1);
        bool there = lua_rawget(L, index) != LUA_TNIL;
        lua_pop(L, 1);
        if (there)
            lua_rawseti(L, -2, ++n);
        else
            lua_pop(L, 1);
    }
    lua_remove(L, -2);
    return true;
}

/* nil, err */
static int push_failure(lua_State *L, struct err *err)
{
    err_prefix(err, "invalid JSON");
    return lua_err_fail(L, err);
}

static struct span check_text(lua_State *L, int index)
{
    struct span text;

    text.p = luaL_checklstring(L, index, &text.n);
    return text;
}

/* json.decode(text) -> value | nil, err */
static int l_decode(lua_State *L)
{
    struct span text = check_text(L, 1);
    struct err err;

    return lua_json_decode(L, text, &err) < 0 ? push_failure(L, &err) : 1;
}

enum { USUAL_TEXT = 4096 };

struct encoding {
    struct buf out;
    struct err err;
};

/* Arguments: the value, a struct encoding. Returns the text, or nil with its err filled. */
static int encode_protected(lua_State *L)
{
    struct encoding *e = lua_touserdata(L, 2);

    if (lua_json_encode(L, 1, &e->out, &e->err) < 0)
        return 0;
    struct span text = buf_span(&e->out);
    lua_pushlstring(L, text.p, text.n);
    return 1;
}

/* json.encode(value) -> text. The buffer is malloc's, so what may raise runs protected. */
static int l_encode(lua_State *L)
{
    struct encoding e;

    luaL_checkany(L, 1);
    e.err.message[0] = 0;
    buf_init(&e.out, LUA_JSON_TEXT_MAX);
    buf_reserve(&e.out, USUAL_TEXT); /* spares the first doublings; failing shows later */
    lua_settop(L, 1);
    lua_pushcfunction(L, encode_protected);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, &e);
    int status = lua_pcall(L, 2, 1, 0);
    buf_deinit(&e.out);
    if (status != LUA_OK)
        return guard_rethrow(L, status);
    if (lua_isnil(L, -1))
        return lua_place_error(L, "json.encode: %s", e.err.message);
    return 1;
}

/* The argument as a table that has no metatable but ours; a new one when there is none. */
static void check_own_table(lua_State *L)
{
    bool foreign;

    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    shape_peek(L, 1, &foreign);
    luaL_argcheck(L, !foreign, 1, "has a metatable already");
}

/* json.array(t?) -> t marked as an array */
static int l_array(lua_State *L)
{
    check_own_table(L);
    shape_set_array(L, 1);
    return 1;
}

/* json.object(t?) -> t marked as an object; one that was decoded keeps its order */
static int l_object(lua_State *L)
{
    bool foreign;

    check_own_table(L);
    if (shape_peek(L, 1, &foreign) != MARK_OBJECT)
        shape_set_empty(L, 1);
    return 1;
}

/* json.is_array(v) -> does json.encode write it as an array? */
static int l_is_array(lua_State *L)
{
    bool foreign, array = false;

    luaL_checkany(L, 1);
    if (lua_istable(L, 1)) {
        if (lua_view_push_table(L, 1))
            lua_replace(L, 1);
        enum mark mark = shape_peek(L, 1, &foreign);
        lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
        array = mark == MARK_ARRAY || (mark == MARK_NONE && n > 0 && shape_count(L, 1) == n);
    }
    lua_pushboolean(L, array);
    return 1;
}

/* json.number(digits) -> exact number */
static int l_number(lua_State *L)
{
    struct span text = check_text(L, 1);
    struct json_reader r;

    json_reader_init(&r, text);
    bool number = json_read(&r) == JSON_T_VALUE && r.type == JSON_NUMBER && r.token.n == text.n;
    luaL_argcheck(L, number, 1, "not a number of JSON");
    exact_push(L, text);
    return 1;
}

/* json.find(text, path) -> JSON text of a member | nil | nil, err */
static int l_find(lua_State *L)
{
    struct span text = check_text(L, 1);
    const char *path = luaL_checkstring(L, 2);
    struct err err;

    if (json_check(text, &err) < 0)
        return push_failure(L, &err);
    struct span found = json_path(text, path);
    if (found.p)
        lua_pushlstring(L, found.p, found.n);
    else
        lua_pushnil(L);
    return 1;
}

/* json.same(value, text) -> does the value still say what the text says? */
static int l_same(lua_State *L)
{
    struct span text = check_text(L, 2);
    struct err err;

    luaL_checkany(L, 1);
    lua_pushboolean(L, json_check(text, &err) == 0 && lua_json_same(L, 1, text));
    return 1;
}

static const luaL_Reg functions[] = {
    {"decode", l_decode}, {"encode", l_encode},     {"array", l_array},
    {"object", l_object}, {"is_array", l_is_array}, {"number", l_number},
    {"find", l_find},     {"same", l_same},         {NULL, NULL},
};

int luaopen_baton_json(lua_State *L)
{
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
