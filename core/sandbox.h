/* sandbox - which names a script sees.
 * SPDX-License-Identifier: MIT
 *
 * The list in sandbox.c, with a reason an entry, is the contract. Globals are read-only, unknown
 * ones raise. 'pairs' and 'next' go in a stable order: for decoded JSON objects the order of the
 * document; otherwise numbers ascending, then strings by bytes, then false and true; keys of other
 * types come last in no promised order. 'tostring' and %s show no addresses. The error of a limit
 * passes through pcall. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "buf.h"

#include <lua.h>

/* Makes the environment in a fresh state and keeps it in the registry. Raises. */
void sandbox_open(lua_State *L);

/* Adds a name to the environment from the value on top of the stack, which is popped. Raises. */
void sandbox_add(lua_State *L, const char *name);

/* Compiles text (never bytecode) with the sandbox as its globals; pushes the function. 'name'
 * stands in messages: "policies/x.lua". Returns a lua_load status; on failure the message is
 * pushed. */
int sandbox_load(lua_State *L, struct span text, const char *name);

/* Pushes the text of the value at 'index', as tostring does: without an address. Raises. */
void sandbox_push_text(lua_State *L, int index);

/* lua_CFunction: lua-cjson with its depth settings capped, a fresh instance each call, so that a
 * script's settings are its own. */
int luaopen_baton_cjson(lua_State *L);

#endif
