/* lua_err - errors as scripts see them: a table with code, message, retryable and what else is
 * known. SPDX-License-Identifier: MIT */
#include "lua_err.h"

#include "lua_place.h"

#include <lauxlib.h>
#include <stdio.h>

#define METATABLE "baton.err"

/* The field as text, without metamethods; NULL when it is none. */
static const char *raw_text(lua_State *L, int index, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, index);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1); /* the table keeps it alive */
    return text;
}

static int l_tostring(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *code = raw_text(L, 1, "code"), *message = raw_text(L, 1, "message");
    lua_pushfstring(L, "%s: %s", code ? code : "internal", message ? message : "no message");
    return 1;
}

void lua_err_open(lua_State *L)
{
    luaL_newmetatable(L, METATABLE);
    lua_pushcfunction(L, l_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "err");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

bool lua_err_retryable(enum err_code code)
{
    return code == ERR_TIMEOUT || code == ERR_RATE_LIMITED || code == ERR_OVERLOADED ||
           code == ERR_UNAVAILABLE || code == ERR_BAD_RESPONSE;
}

void lua_err_push(lua_State *L, const struct err *err)
{
    lua_createtable(L, 0, 6);
    lua_pushstring(L, err_name(err->code));
    lua_setfield(L, -2, "code");
    lua_pushstring(L, err->message);
    lua_setfield(L, -2, "message");
    lua_pushboolean(L, lua_err_retryable(err->code));
    lua_setfield(L, -2, "retryable");
    luaL_setmetatable(L, METATABLE);
}

void lua_err_adopt(lua_State *L)
{
    luaL_setmetatable(L, METATABLE);
}

bool lua_err_is(lua_State *L, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, METATABLE);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

int lua_err_fail(lua_State *L, const struct err *err)
{
    lua_pushnil(L);
    lua_err_push(L, err);
    return 2;
}

void lua_err_read(lua_State *L, int index, struct err *err)
{
    index = lua_absindex(L, index);
    if (lua_type(L, index) == LUA_TSTRING) {
        err_set(err, ERR_INTERNAL, "%s", lua_tostring(L, index));
        return;
    }
    if (lua_type(L, index) != LUA_TTABLE) {
        err_set(err, ERR_INTERNAL, "the script failed with a %s value", luaL_typename(L, index));
        return;
    }
    const char *code = raw_text(L, index, "code"), *message = raw_text(L, index, "message");
    enum err_code known = code ? err_code_of(code) : ERR_NONE;
    err_set(err, known ? known : ERR_INTERNAL, "%s",
            message ? message : "the script failed with a table that has no message");
}

static int l_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "code");
    enum err_code code = lua_isstring(L, -1) ? err_code_of(lua_tostring(L, -1)) : ERR_NONE;
    luaL_argcheck(L, code != ERR_NONE, 1, "code is none of the known codes");
    if (lua_getfield(L, 1, "retryable") == LUA_TNIL) {
        lua_pushboolean(L, lua_err_retryable(code));
        lua_setfield(L, 1, "retryable");
    }
    lua_settop(L, 1);
    luaL_setmetatable(L, METATABLE);
    return 1;
}

/* errors.raise(message): a wrong argument, told with the line outside of scripts/ that passed it. */
static int l_raise(lua_State *L)
{
    return lua_place_error(L, "%s", luaL_checkstring(L, 1));
}

int luaopen_baton_errors(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", l_new}, {"raise", l_raise}, {NULL, NULL}};

    luaL_newlib(L, functions);
    lua_createtable(L, ERR_CODES, 0);
    for (int code = ERR_NONE + 1; code < ERR_CODES; code++) {
        lua_pushstring(L, err_name(code));
        lua_rawseti(L, -2, code);
    }
    lua_setfield(L, -2, "codes");
    return 1;
}
