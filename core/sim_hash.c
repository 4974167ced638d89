/* sim_hash - the hash the simulator draws its chances from, as a Lua module.
 * SPDX-License-Identifier: MIT */
#include "sim_hash.h"

#include <lauxlib.h>
#include <stdint.h>

/* FNV-1a over the bytes; the end of each argument counts, so that ("ab", "c") is not ("a", "bc").
 */
static uint64_t fnv(uint64_t h, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 0x100000001b3U;
    return (h ^ 0x1ff) * 0x100000001b3U;
}

/* The finalizer of splitmix64: FNV alone leaves the high bits poor for short input. */
static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9U;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebU;
    return h ^ (h >> 31);
}

static int l_hash(lua_State *L)
{
    uint64_t h = 0xcbf29ce484222325U;

    for (int i = 1; i <= lua_gettop(L); i++) {
        size_t n;
        const char *p = luaL_tolstring(L, i, &n);
        h = fnv(h, p, n);
        lua_pop(L, 1);
    }
    lua_pushinteger(L, (lua_Integer)mix(h));
    return 1;
}

int luaopen_sim_hash(lua_State *L)
{
    lua_pushcfunction(L, l_hash);
    return 1;
}
