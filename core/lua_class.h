/* lua_class - a type of userdata: its methods, what frees it, and no more that a script could see or change.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_CLASS_H
#define LUA_CLASS_H

#include <lauxlib.h>

/* Makes the metatable that luaL_setmetatable and luaL_checkudata know as 'type', "baton.WORD"; scripts see WORD in its
 * place. 'methods' and 'gc' may be NULL. Nothing happens when it is there. Raises. */
void lua_class_make(lua_State *L, const char *type, const luaL_Reg *methods, lua_CFunction gc);

/* The same, and gives it to the userdata on top of the stack. Raises. */
void lua_class_give(lua_State *L, const char *type, const luaL_Reg *methods, lua_CFunction gc);

#endif
