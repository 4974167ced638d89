/* bind_wire - where things stand in a provider's answers, as a codec says it, and reading a whole one.
 * SPDX-License-Identifier: MIT */
#include "json.h"
#include "lua_err.h"
#include "lua_json.h"
#include "stream.h"

#include <lauxlib.h>
#include <string.h>

#define WIRE "baton.wire"

static void copy_path(lua_State *L, int index, const char *what, wire_path out)
{
    size_t n;
    const char *text = luaL_checklstring(L, index, &n);

    if (n >= WIRE_PATH_MAX)
        luaL_error(L, "provider.wire: %s is longer than %d bytes", what, WIRE_PATH_MAX - 1);
    memcpy(out, text, n + 1);
}

static void path_field(lua_State *L, const char *name, wire_path out)
{
    if (lua_getfield(L, 1, name) != LUA_TNIL)
        copy_path(L, -1, name, out);
    lua_pop(L, 1);
}

/* provider.wire{ framing = "sse" | "ndjson", done =, content = { paths }, finish =, usage =,
 * payload =, error =, answer = } -> wire: where things stand in a provider's events (core/wire.h).
 */
int wire_new(lua_State *L)
{
    static const char *const framings[] = {"sse", "ndjson", NULL};

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct wire *w = lua_newuserdatauv(L, sizeof *w, 0);
    memset(w, 0, sizeof *w);
    luaL_setmetatable(L, WIRE);
    lua_getfield(L, 1, "framing");
    w->framing = (enum sse_framing)luaL_checkoption(L, -1, "sse", framings);
    lua_pop(L, 1);
    path_field(L, "done", w->done);
    path_field(L, "finish", w->finish);
    path_field(L, "usage", w->usage);
    path_field(L, "payload", w->payload);
    path_field(L, "error", w->error);
    path_field(L, "answer", w->answer);
    lua_getfield(L, 1, "content");
    for (int i = 0; lua_istable(L, -1) && lua_rawgeti(L, -1, i + 1) != LUA_TNIL; i++) {
        luaL_argcheck(L, i < WIRE_PATHS, 1, "too many content paths");
        copy_path(L, -1, "a content path", w->content[i]);
        lua_pop(L, 1);
    }
    wire_prepare(w);
    lua_settop(L, 2);
    return 1;
}

/* wire:read(body) -> true, usage | nil, err. Is this a whole answer: JSON, with what an answer must
 * have? 'usage' is its usage object, decoded, or nil. */
static int l_read(lua_State *L)
{
    const struct wire *w = luaL_checkudata(L, 1, WIRE);
    struct span body;
    struct err err;

    body.p = luaL_checklstring(L, 2, &body.n);
    if (json_check(body, &err) < 0) {
        err.code = ERR_BAD_RESPONSE;
        err_prefix(&err, "the answer is no JSON");
        return lua_err_fail(L, &err);
    }
    if (w->answer[0] && !wire_find(body, w->answer).p) {
        err_set(&err, ERR_BAD_RESPONSE, "the answer has no %s", w->answer);
        return lua_err_fail(L, &err);
    }
    lua_pushboolean(L, 1);
    struct span usage = w->usage[0] ? wire_find(body, w->usage) : (struct span){NULL, 0};
    if (!usage.p)
        return 1;
    lua_json_push(L, usage);
    return 2;
}

const struct wire *wire_check(lua_State *L, int index)
{
    return luaL_checkudata(L, index, WIRE);
}

void wire_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"read", l_read}, {NULL, NULL}};

    luaL_newmetatable(L, WIRE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "wire");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
