/* lua_buf - a growing buffer that Lua owns: nothing leaks when something raises.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_BUF_H
#define LUA_BUF_H

#include "buf.h"

#include <lua.h>

/* Pushes a userdata with an empty buffer of that ceiling, freed by the collector; buf_deinit it as soon as it is no
 * longer needed, since the collector does not know its size. Raises on memory. */
struct buf *lua_buf_push(lua_State *L, size_t max);

#endif
