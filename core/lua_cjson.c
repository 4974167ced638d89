/* lua_cjson - lua-cjson for the scripts that expect it, with its dangerous settings capped.
 * SPDX-License-Identifier: MIT
 *
 * Nothing of a client's or a provider's goes through it: see lua_json. Its decoder recurses on the
 * C stack, so a depth raised to 100,000 would crash the process; 1,000, its default, is safe. */
#include "sandbox.h"

#include <lauxlib.h>
#include <lua-cjson.h>

enum { DEPTH_MAX = 1000, TEXT_MAX = 16 << 20 };

/* Calls the original, which is upvalue 1. */
static int call_original(lua_State *L)
{
    int n = lua_gettop(L);

    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

static int l_depth(lua_State *L)
{
    if (!lua_isnoneornil(L, 1))
        luaL_argcheck(L, luaL_checkinteger(L, 1) <= DEPTH_MAX, 1, "at most 1000");
    return call_original(L);
}

static int l_decode(lua_State *L)
{
    size_t n;

    luaL_checklstring(L, 1, &n);
    luaL_argcheck(L, n <= TEXT_MAX, 1, "the text is larger than 16 MiB");
    return call_original(L);
}

/* Replaces a function of the table on top of the stack by a guarded one. */
static void guard_function(lua_State *L, const char *name, lua_CFunction f)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, f, 1);
    lua_setfield(L, -2, name);
}

int luaopen_baton_cjson(lua_State *L)
{
    lua_pushcfunction(L, luaopen_cjson);
    lua_call(L, 0, 1);
    guard_function(L, "encode_max_depth", l_depth);
    guard_function(L, "decode_max_depth", l_depth);
    guard_function(L, "decode", l_decode);
    lua_pushcfunction(L, luaopen_baton_cjson);
    lua_setfield(L, -2, "new");
    return 1;
}
