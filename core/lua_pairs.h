/* lua_pairs - going through a table in an order that is the same in every process.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_PAIRS_H
#define LUA_PAIRS_H

#include <lua.h>

/* lua_CFunction: pairs(t). Keys as they are at the call; those removed meanwhile are left out.
 * Honours __pairs. */
int lua_pairs(lua_State *L);

/* lua_CFunction: next(t, key?) in the same order. Takes time in the size of the table: meant for
 * asking whether a table is empty. */
int lua_pairs_next(lua_State *L);

/* Pushes a sequence of the keys of the table at 'index', in order. Raises. */
void lua_pairs_keys(lua_State *L, int index);

#endif
