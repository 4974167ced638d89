/* bind_model - what 'baton train' made, as scripts hold it: found by its name.
 * SPDX-License-Identifier: MIT */
#include "bind_model.h"

#include "lua_place.h"

#include <string.h>

static void push_kept(lua_State *L, const void *key)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void model_keep(lua_State *L, const void *key, const char *file)
{
    push_kept(L, key);
    lua_insert(L, -2);
    lua_setfield(L, -2, file);
    lua_pop(L, 1);
}

int model_find(lua_State *L, const void *key, const char *name, const char *missing)
{
    static const char *const folders[] = {"policies", "scripts"};
    size_t n = strlen(name);
    const char *end = n > 6 && strcmp(name + n - 6, ".model") == 0 ? "" : ".model";

    push_kept(L, key);
    for (int i = 0; i < 2; i++) {
        lua_pushfstring(L, "%s/%s%s", folders[i], name, end);
        if (lua_rawget(L, -2) == LUA_TUSERDATA)
            return 1;
        lua_pop(L, 1);
    }
    return lua_place_error(L, missing, lua_pushfstring(L, "%s%s", name, end));
}
