/* lua_fields - is a table of options what it should be? One question, asked for every selector and every call.
 * SPDX-License-Identifier: MIT */
#include "lua_fields.h"

#include "lua_view.h"

#include <lauxlib.h>
#include <string.h>

/* Stack: key, value on top. */
static bool fits(lua_State *L, int kinds)
{
    lua_pushvalue(L, -2);
    const char *kind = lua_rawget(L, kinds) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1);
    return kind && (!lua_toboolean(L, -1) || strcmp(kind, luaL_typename(L, -1)) == 0);
}

static int l_fit(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_view_push_table(L, 1))
        lua_replace(L, 1);
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
        if (!fits(L, 2)) {
            lua_pushboolean(L, 0);
            return 1;
        }
    lua_pushboolean(L, 1);
    return 1;
}

int luaopen_baton_fields(lua_State *L)
{
    static const luaL_Reg functions[] = {{"fit", l_fit}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
