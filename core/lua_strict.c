/* lua_strict - a table that says what it has when it is asked for what it has not. SPDX-License-Identifier: MIT */
#include "lua_strict.h"

#include "lua_view.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 100, LIST_MAX = 400 };

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the table's members, in their order. The table keeps them alive. */
static int names_of(lua_State *L, int table, const char *names[NAMES_MAX])
{
    int n = 0;

    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING && n < NAMES_MAX)
            names[n++] = lua_tostring(L, -2);
    qsort(names, (size_t)n, sizeof *names, by_name);
    return n;
}

/* Upvalue: what the table is. */
static int l_refuse_unknown(lua_State *L)
{
    const char *names[NAMES_MAX];
    luaL_Buffer list;
    size_t size = 0;

    int n = names_of(L, 1, names);
    luaL_buffinit(L, &list);
    for (int i = 0; i < n && size < LIST_MAX; i++) {
        luaL_addstring(&list, i ? ", " : "");
        size += strlen(names[i]);
        luaL_addstring(&list, size < LIST_MAX ? names[i] : "…");
    }
    luaL_pushresult(&list);
    return luaL_error(L, "%s has no '%s' (it has: %s)", lua_tostring(L, lua_upvalueindex(1)),
                      lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2),
                      lua_tostring(L, -1));
}

/* A list of functions is data, too. */
static bool has_functions(lua_State *L, int table)
{
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        if (lua_isfunction(L, -1) && lua_type(L, -2) == LUA_TSTRING) {
            lua_pop(L, 2);
            return true;
        }
    return false;
}

void lua_strict(lua_State *L, const char *what)
{
    luaL_checkstack(L, 6, NULL);
    if (!lua_view_push_table(L, -1))
        lua_pushvalue(L, -1);
    int table = lua_gettop(L);
    if (lua_istable(L, table) && !lua_getmetatable(L, table) && has_functions(L, table)) {
        lua_createtable(L, 0, 1);
        lua_pushstring(L, what);
        lua_pushcclosure(L, l_refuse_unknown, 1);
        lua_setfield(L, -2, "__index");
        lua_setmetatable(L, table);
    }
    lua_settop(L, table - 1);
}
