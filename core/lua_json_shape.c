/* lua_json_shape - the metatables of JSON values: arrays and objects that know their order.
 * SPDX-License-Identifier: MIT */
#include "lua_json_shape.h"

#include <lauxlib.h>

static const char mark_key, array_key, empty_key, cache_key; /* addresses, for lua_rawsetp */

enum mark shape_mark(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return MARK_NONE;
    lua_rawgetp(L, -1, &mark_key);
    enum mark mark = (enum mark)lua_tointeger(L, -1);
    lua_pop(L, mark == MARK_OBJECT ? 1 : 2);
    return mark;
}

enum mark shape_peek(lua_State *L, int index, bool *foreign)
{
    *foreign = lua_getmetatable(L, index);
    if (!*foreign)
        return MARK_NONE;
    lua_rawgetp(L, -1, &mark_key);
    enum mark mark = (enum mark)lua_tointeger(L, -1);
    lua_pop(L, 2);
    *foreign = mark == MARK_NONE;
    return mark;
}

static void push_marked(lua_State *L, int keys, enum mark mark)
{
    lua_createtable(L, keys, 2);
    lua_pushinteger(L, mark);
    lua_rawsetp(L, -2, &mark_key);
    lua_pushstring(L, mark == MARK_ARRAY ? "json.array" : "json.object");
    lua_setfield(L, -2, "__metatable");
}

void shape_push_new(lua_State *L, int keys)
{
    push_marked(L, keys, MARK_OBJECT);
}

static void set_kept(lua_State *L, int index, const char *key, enum mark mark)
{
    index = lua_absindex(L, index);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TNIL) {
        lua_pop(L, 1);
        push_marked(L, 0, mark);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, key);
    }
    lua_setmetatable(L, index);
}

void shape_set_array(lua_State *L, int index)
{
    set_kept(L, index, &array_key, MARK_ARRAY);
}

void shape_set_empty(lua_State *L, int index)
{
    set_kept(L, index, &empty_key, MARK_OBJECT);
}

void shape_push_cache(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &cache_key) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &cache_key);
}

lua_Integer shape_count(lua_State *L, int index)
{
    lua_Integer n = 0;

    index = lua_absindex(L, index);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        n++;
    return n;
}
