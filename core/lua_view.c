/* lua_view - read-only views of tables that all requests share.
 * SPDX-License-Identifier: MIT */
#include "lua_view.h"

#include "lua_json.h"
#include "lua_pairs.h"

#include <lauxlib.h>

enum { DEPTH_MAX = 100 }; /* each level takes C stack */

/* In a view's metatable the table stands under this address, which no script can name. */
static const char table_key = 0;

/* The functions of all views are the same, so that a view is two tables and no more: thousands of them live as long as
 * their generation, and the collector walks over each. */

static int l_refuse_write(lua_State *L)
{
    luaL_getmetafield(L, 1, "__metatable"); /* says what it is */
    return luaL_error(L, "%s is read-only (writing '%s')", lua_tostring(L, -1),
                      lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2));
}

/* The iterator of the table behind, but with the view in the loop's hands: never the table itself. */
static int l_pairs(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushcfunction(L, lua_pairs);
    lua_view_push_table(L, 1);
    lua_call(L, 1, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int l_length(lua_State *L)
{
    lua_view_push_table(L, 1);
    lua_pushinteger(L, luaL_len(L, -1));
    return 1;
}

static bool may_lock(lua_State *L, int index)
{
    if (!lua_istable(L, index))
        return false;
    return !lua_getmetatable(L, index) || (lua_pop(L, 1), lua_json_is_decoded(L, index));
}

/* Stack: ..., table -> ..., view. 'seen' is the index of a map from tables to their views. */
static void make_view(lua_State *L, const char *what, int seen, int depth)
{
    int table = lua_gettop(L), view = table + 1;

    luaL_checkstack(L, 12, NULL);
    if (depth > DEPTH_MAX)
        luaL_error(L, "%s is nested more than %d deep", what, DEPTH_MAX);
    lua_pushvalue(L, table);
    if (lua_rawget(L, seen) != LUA_TNIL) {
        lua_replace(L, table);
        return;
    }
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, table);
    lua_pushvalue(L, view);
    lua_rawset(L, seen);
    for (lua_pushnil(L); lua_next(L, table);) {
        if (!may_lock(L, -1)) {
            lua_pop(L, 1);
            continue;
        }
        make_view(L, what, seen, depth + 1);
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, table); /* a field that exists: the walk goes on */
    }
    lua_createtable(L, 0, 6);
    lua_pushvalue(L, table);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_refuse_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, l_pairs);
    lua_setfield(L, -2, "__pairs");
    lua_pushcfunction(L, l_length);
    lua_setfield(L, -2, "__len");
    lua_pushstring(L, what);
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, table);
    lua_rawsetp(L, -2, &table_key);
    lua_setmetatable(L, view);
    lua_replace(L, table);
}

void lua_view(lua_State *L, const char *what)
{
    if (!may_lock(L, -1))
        return;
    lua_newtable(L);
    lua_insert(L, -2);
    make_view(L, what, lua_gettop(L) - 1, 1);
    lua_remove(L, -2);
}

bool lua_view_push_table(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    if (lua_rawgetp(L, -1, &table_key) != LUA_TTABLE) {
        lua_pop(L, 2);
        return false;
    }
    lua_remove(L, -2);
    return true;
}

static int l_readonly(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *what = luaL_optstring(L, 2, "the table");
    lua_pushvalue(L, 1);
    lua_view(L, what);
    return 1;
}

int luaopen_baton_readonly(lua_State *L)
{
    lua_pushcfunction(L, l_readonly);
    return 1;
}

/* ---- the other way ---- */

/* An empty table for as much as the table at 'index' has; of one with holes the length may be anything. */
static void push_room(lua_State *L, int index)
{
    lua_Unsigned n = lua_rawlen(L, index), all = 0;

    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        all++;
    n = n < all ? n : all;
    lua_createtable(L, (int)n, (int)(all - n));
}

/* Replaces the table or the view on top of the stack by a copy. */
static void copy(lua_State *L, int depth)
{
    luaL_checkstack(L, 8, NULL);
    if (depth > DEPTH_MAX)
        luaL_error(L, "a table is nested more than %d deep", DEPTH_MAX);
    if (lua_view_push_table(L, -1))
        lua_replace(L, -2);
    int from = lua_gettop(L);
    push_room(L, from);
    for (lua_pushnil(L); lua_next(L, from);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        if (lua_istable(L, -1))
            copy(L, depth + 1);
        lua_rawset(L, from + 1);
    }
    lua_replace(L, from);
}

static int l_writable(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_istable(L, 1))
        copy(L, 1);
    return 1;
}

int luaopen_baton_writable(lua_State *L)
{
    lua_pushcfunction(L, l_writable);
    return 1;
}
