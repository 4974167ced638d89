/* threads - Lua threads of a generation, used again and again: a new one costs four times as much.
 * SPDX-License-Identifier: MIT */
#include "threads.h"

#include <lauxlib.h>

enum { POOL_MAX = 256 };

/* The pool is a sequence in the registry under this address, of references. */
static const char pool_key = 0;

/* Returns thread, reference: out of the pool, or new. */
static int l_take(lua_State *L)
{
    struct generation *g = generation_of(L);

    if (g->idle > 0) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &pool_key);
        lua_rawgeti(L, -1, g->idle);
        lua_Integer ref = lua_tointeger(L, -1);
        lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
        lua_pushinteger(L, ref);
        g->idle--;
        return 2;
    }
    lua_newthread(L);
    lua_pushvalue(L, -1);
    lua_pushinteger(L, luaL_ref(L, LUA_REGISTRYINDEX));
    return 2;
}

static int l_give(lua_State *L)
{
    struct generation *g = generation_of(L);

    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &pool_key) != LUA_TTABLE) {
        lua_createtable(L, POOL_MAX, 0);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &pool_key);
    }
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, g->idle + 1);
    g->idle++;
    return 0;
}

int threads_take(struct generation *g, lua_State **thread, int *ref)
{
    lua_State *L = g->L;

    lua_pushcfunction(L, l_take);
    if (lua_pcall(L, 0, 2, 0) != LUA_OK) {
        lua_pop(L, 1);
        return -1;
    }
    *thread = lua_tothread(L, -2);
    lua_sethook(*thread, NULL, 0, 0); /* a tick may have come after the last run on it */
    *ref = (int)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return 0;
}

void threads_drop(struct generation *g, lua_State *thread, int ref)
{
    lua_sethook(thread, NULL, 0, 0);
    guard_bind(thread, NULL);
    luaL_unref(g->L, LUA_REGISTRYINDEX, ref);
}

void threads_give(struct generation *g, lua_State *thread, int ref, bool clean)
{
    lua_State *L = g->L;

    lua_sethook(thread, NULL, 0, 0);
    if (!clean)
        lua_resetthread(thread);
    else
        lua_settop(thread, 0);
    guard_bind(thread, NULL);
    if (clean && g->idle < POOL_MAX) {
        lua_pushcfunction(L, l_give);
        lua_pushinteger(L, ref);
        if (lua_pcall(L, 1, 0, 0) == LUA_OK)
            return;
        lua_pop(L, 1);
    }
    luaL_unref(L, LUA_REGISTRYINDEX, ref);
}
