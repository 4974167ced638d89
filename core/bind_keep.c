/* bind_keep - what kv and cache ask of their arguments: keys, options, values.
 * SPDX-License-Identifier: MIT */
#include "bind_keep.h"

#include "generation.h"
#include "lua_buf.h"
#include "lua_json.h"
#include "lua_view.h"

#include <lauxlib.h>
#include <string.h>

void keep_check_running(lua_State *L, const char *module)
{
    if (guard_of(L) == &generation_of(L)->loading)
        luaL_error(L, "%s cannot be used while a file is loaded, only by a running task", module);
}

struct span keep_key(lua_State *L, int index, size_t max)
{
    struct span key;

    luaL_argexpected(L, lua_type(L, index) == LUA_TSTRING, index, "string");
    key.p = lua_tolstring(L, index, &key.n);
    luaL_argcheck(L, key.n > 0, index, "the key is empty");
    if (key.n > max)
        luaL_argerror(L, index, lua_pushfstring(L, "the key is longer than %d bytes", (int)max));
    return key;
}

static int64_t read_ttl(lua_State *L, int index, double max)
{
    lua_Number ttl = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;

    if (!(ttl > 0 && ttl <= max))
        luaL_argerror(
            L, index,
            lua_pushfstring(L, "ttl must be a number of seconds above 0 and at most %d", (int)max));
    return ttl < 1e-6 ? 1 : (int64_t)(ttl * 1e6);
}

struct keep_options keep_options(lua_State *L, int index, double ttl_max, bool may_persist)
{
    struct keep_options o = {0};

    if (lua_isnoneornil(L, index))
        return o;
    luaL_checktype(L, index, LUA_TTABLE);
    luaL_checkstack(L, 8, NULL);
    int top = lua_gettop(L);
    if (!lua_view_push_table(L, index))
        lua_pushvalue(L, index);
    for (lua_pushnil(L); lua_next(L, top + 1); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        if (strcmp(name, "ttl") == 0) {
            o.ttl_us = read_ttl(L, index, ttl_max);
        } else if (may_persist && strcmp(name, "persist") == 0) {
            luaL_argcheck(L, lua_isboolean(L, -1), index, "persist must be true or false");
            o.persist = lua_toboolean(L, -1);
        } else {
            luaL_argerror(L, index, lua_pushfstring(L, "unknown option '%s'", name));
        }
    }
    lua_settop(L, top);
    return o;
}

struct buf *keep_encode(lua_State *L, int index, size_t max, struct err *err)
{
    struct buf *b = lua_buf_push(L, max);

    if (lua_json_encode(L, index, b, err) == 0)
        return b;
    buf_deinit(b);
    if (err->code != ERR_BUDGET)
        luaL_error(L, "the value cannot be kept: %s", err->message);
    err_set(err, ERR_BUDGET, "the value takes more than %zu bytes", max);
    return NULL;
}
