/* lua_class - a type of userdata: its methods, what frees it, and no more that a script could see or change.
 * SPDX-License-Identifier: MIT */
#include "lua_class.h"

#include <string.h>

static void push_class(lua_State *L, const char *type, const luaL_Reg *methods, lua_CFunction gc)
{
    if (!luaL_newmetatable(L, type))
        return;
    if (methods) {
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_setfield(L, -2, "__index");
    }
    if (gc) {
        lua_pushcfunction(L, gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_pushstring(L, strchr(type, '.') + 1);
    lua_setfield(L, -2, "__metatable");
}

void lua_class_make(lua_State *L, const char *type, const luaL_Reg *methods, lua_CFunction gc)
{
    push_class(L, type, methods, gc);
    lua_pop(L, 1);
}

void lua_class_give(lua_State *L, const char *type, const luaL_Reg *methods, lua_CFunction gc)
{
    push_class(L, type, methods, gc);
    lua_setmetatable(L, -2);
}
