/* bind_wire - where things stand in a provider's answers, as a codec says it, and reading a whole one.
 * SPDX-License-Identifier: MIT */
#include "json.h"
#include "lua_class.h"
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

/* A field that is one path or a list of at most n of them, into every 'step'th byte from 'out' on. */
static void path_list(lua_State *L, const char *name, char *out, size_t step, int n)
{
    if (lua_getfield(L, 1, name) == LUA_TSTRING)
        copy_path(L, -1, name, out);
    for (int i = 0; lua_istable(L, -1) && lua_rawgeti(L, -1, i + 1) != LUA_TNIL; i++) {
        if (i == n)
            luaL_error(L, "provider.wire: %s has more than %d paths", name, n);
        copy_path(L, -1, name, out + (size_t)i * step);
        lua_pop(L, 1);
    }
    lua_settop(L, 2);
}

/* The end of a stream: data that is no JSON, or the event that a mark finds. */
static void done_field(lua_State *L, struct wire *w)
{
    path_field(L, "done", w->end_mark);
    if (!strchr(w->end_mark, '='))
        return;
    memcpy(w->marks[WIRE_DONE].path, w->end_mark, sizeof w->end_mark);
    w->end_mark[0] = 0;
}

/* provider.wire{ framing = "sse" | "ndjson", done = "[DONE]" or a mark, content = { paths }, finish = mark, usage = one
 * or two paths, payload = path, object = path, error = up to three marks, answer = up to three paths } -> wire: where things stand in
 * a provider's events (core/wire.h). A mark is a path, or "path=value|value".
 */
int wire_new(lua_State *L)
{
    static const char *const framings[] = {"sse", "ndjson", NULL};
    const size_t step = sizeof(struct wire_mark);

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct wire *w = lua_newuserdatauv(L, sizeof *w, 0);
    memset(w, 0, sizeof *w);
    luaL_setmetatable(L, WIRE);
    lua_getfield(L, 1, "framing");
    w->framing = (enum sse_framing)luaL_checkoption(L, -1, "sse", framings);
    lua_pop(L, 1);
    done_field(L, w);
    path_field(L, "finish", w->marks[WIRE_FINISH].path);
    path_field(L, "payload", w->payload);
    path_field(L, "object", w->object);
    path_list(L, "usage", w->marks[WIRE_USAGE].path, step, WIRE_USAGES);
    path_list(L, "error", w->marks[WIRE_ERROR].path, step, WIRE_ALTERNATIVES);
    path_list(L, "answer", w->answer[0], sizeof(wire_path), WIRE_ALTERNATIVES);
    path_list(L, "content", w->content[0], sizeof(wire_path), WIRE_PATHS);
    wire_prepare(w);
    return 1;
}

static bool is_answer(const struct wire *w, struct span body)
{
    for (int i = 0; i < WIRE_ALTERNATIVES && w->answer[i][0]; i++)
        if (wire_find(body, w->answer[i]).p)
            return true;
    return !w->answer[0][0];
}

/* wire:read(body) -> true, usage, usage | nil, err. Is this a whole answer: JSON, with what an answer must
 * have? 'usage' are the values at the paths of usage, decoded, or nil. */
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
    if (!is_answer(w, body)) {
        err_set(&err, ERR_BAD_RESPONSE, "the answer has no %s", w->answer[0]);
        return lua_err_fail(L, &err);
    }
    lua_pushboolean(L, 1);
    for (int i = 0; i < WIRE_USAGES; i++) {
        const char *path = w->marks[WIRE_USAGE + i].path;
        struct span usage = strcmp(path, ".") == 0 ? body : wire_find(body, path);
        if (*path && usage.p)
            lua_json_push(L, usage);
        else
            lua_pushnil(L);
    }
    return 1 + WIRE_USAGES;
}

const struct wire *wire_check(lua_State *L, int index)
{
    return luaL_checkudata(L, index, WIRE);
}

void wire_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"read", l_read}, {NULL, NULL}};

    lua_class_make(L, WIRE, methods, NULL);
}
