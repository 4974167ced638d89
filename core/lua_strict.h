/* lua_strict - a table that says what it has when it is asked for what it has not.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_STRICT_H
#define LUA_STRICT_H

#include <lua.h>

/* The table on the top of the stack, or the one behind a read-only view (lua_view.h), raises "WHAT has no 'x' (it has:
 * a, b)" when a member is read that is not there. A table with a metatable of its own, one without functions, which holds
 * data, and what is no table stay as they are. */
void lua_strict(lua_State *L, const char *what);

#endif
