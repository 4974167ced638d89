/* lua_place - which line of a policy an error of the library is about.
 * SPDX-License-Identifier: MIT
 *
 * Whoever passes a wrong argument to llm.chat wants to know the line of the call, not a line of
 * scripts/llm.lua, however deep in the library it is found out. */
#ifndef LUA_PLACE_H
#define LUA_PLACE_H

#include <lua.h>

/* luaL_error with "policies/x.lua:12: ", the innermost line outside of scripts/. A tail call ("return llm.chat(...)")
 * leaves no line: then that of the return itself while a file is loaded, or the line that a parent task waits at, else
 * what is known of the policy ("policies/x.lua: in run (line 10): ") or workflow, else nothing. */
int lua_place_error(lua_State *L, const char *format, ...);

#endif
