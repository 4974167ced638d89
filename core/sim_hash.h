/* sim_hash - the hash the simulator draws its chances from, as a Lua module.
 * SPDX-License-Identifier: MIT */
#ifndef SIM_HASH_H
#define SIM_HASH_H

#include <lua.h>

/* lua_CFunction: require "hash" is a function: hash(...) -> a 64-bit integer of strings and
 * numbers, the same in every process, with all bits well mixed. Not for secrets. */
int luaopen_sim_hash(lua_State *L);

#endif
