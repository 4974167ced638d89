/* lua_view - read-only views of tables that all requests share.
 * SPDX-License-Identifier: MIT
 *
 * A view reads as its table does (fields, #, ipairs, pairs, next, json.encode); writing raises. Tables inside are
 * views too, as deep as it goes. Reading costs one lookup more and runs no function. */
#ifndef LUA_VIEW_H
#define LUA_VIEW_H

#include <lua.h>
#include <stdbool.h>

/* Replaces the table on top of the stack by a view of it; 'what' names it in errors. A value that is no table, and a
 * table with a metatable that is not JSON's, stay as they are. Raises. */
void lua_view(lua_State *L, const char *what);

/* Pushes the table behind the view at 'index' and returns true; false and nothing when it is no view. Does not
 * raise. Needs two free slots. */
bool lua_view_push_table(lua_State *L, int index);

/* lua_CFunction: the module "readonly", a function: readonly(t, what = "the table") -> a view of t. */
int luaopen_baton_readonly(lua_State *L);

/* lua_CFunction: the module "writable", a function: writable(value) -> a copy of a table or a view, and of those
 * inside, without metatables; anything else as it is. Raises when it is nested more than 100 deep. */
int luaopen_baton_writable(lua_State *L);

#endif
