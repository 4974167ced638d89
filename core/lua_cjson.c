/* lua_cjson - lua-cjson for the scripts that expect it, with its dangerous settings capped.
 * SPDX-License-Identifier: MIT
 *
 * Nothing of a client's or a provider's goes through it: see lua_json. Its decoder recurses on the
 * C stack, so a depth raised to 100,000 would crash the process; 1,000, its default, is safe. */
#include "guard.h"
#include "sandbox.h"

#include <lauxlib.h>
#include <lua-cjson.h>

enum { DEPTH_MAX = 1000, TEXT_MAX = 16 << 20, KEY_ROOM = 36 };

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

/* What the decoder may take at most, by the signs in the text. */
static int64_t decoded_size(const char *p, size_t n)
{
    enum { TABLE = 56, ENTRY = 72, QUOTE = 16 }; /* an entry while its table grows; half a string */
    int64_t size = (int64_t)n;

    for (const char *end = p + n; p < end; p++) {
        size += *p == ',' || *p == '[' || *p == '{' ? ENTRY : 0;
        size += *p == '[' || *p == '{' ? TABLE : 0;
        size += *p == '"' ? QUOTE : 0;
    }
    return size;
}

/* The decoder loses a buffer as large as the text when memory ends while it works, so it is not begun then. */
static void check_room(lua_State *L, int64_t size)
{
    if (size <= guard_bytes_left(L))
        return;
    lua_gc(L, LUA_GCCOLLECT);
    if (size > guard_bytes_left(L))
        luaL_error(L, "cjson.decode: there may not be enough memory for what the text says");
}

static int l_decode(lua_State *L)
{
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);

    luaL_argcheck(L, n <= TEXT_MAX, 1, "the text is larger than 16 MiB");
    if (!guard_steps(L, (long)n / 4))
        return guard_raise(L);
    check_room(L, decoded_size(text, n));
    return call_original(L);
}

/* What the encoder may have to write for the value at 'index', in bytes at worst: it builds in memory of its own,
 * which no limit of a task counts. */
static int64_t measure(lua_State *L, int index, int depth)
{
    int64_t n = 0;
    lua_Integer top = 0;

    if (lua_type(L, index) == LUA_TSTRING)
        return 6 * (int64_t)lua_rawlen(L, index) + 2;
    if (lua_type(L, index) != LUA_TTABLE || depth > DEPTH_MAX)
        return 32;
    luaL_checkstack(L, 4, NULL);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (!guard_steps(L, 4))
            guard_raise(L);
        if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > top)
            top = lua_tointeger(L, -2);
        if (lua_type(L, -2) == LUA_TSTRING) /* other keys are numbers, or an error */
            n += 6 * (int64_t)lua_rawlen(L, -2);
        n += measure(L, lua_gettop(L), depth + 1) + KEY_ROOM;
        if (n + 5 * (int64_t)(top < TEXT_MAX ? top : TEXT_MAX) > TEXT_MAX)
            luaL_error(L, "cjson.encode: the text may become larger than 16 MiB");
    }
    return n + 5 * (int64_t)top; /* the holes of a sparse array are written as null */
}

/* Upvalues: the originals of encode and of encode_keep_buffer. The encoder's buffer belongs to the instance, so that
 * nothing leaks when it raises; it is let go at once, since no limit counts it and the collector does not see it. */
static int l_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    measure(L, 1, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    int status = lua_pcall(L, 1, 1, 0);
    for (int keep = 0; keep <= 1; keep++) {
        lua_pushvalue(L, lua_upvalueindex(2));
        lua_pushboolean(L, keep);
        lua_call(L, 1, 0);
    }
    return status == LUA_OK ? 1 : guard_rethrow(L, status);
}

/* encode_keep_buffer(any) -> false. Kept for those who call it. */
static int l_keep_buffer(lua_State *L)
{
    lua_pushboolean(L, 0);
    return 1;
}

static int l_sparse(lua_State *L)
{
    if (!lua_isnoneornil(L, 2)) {
        lua_Integer ratio = luaL_checkinteger(L, 2);
        luaL_argcheck(L, ratio >= 1 && ratio <= 10, 2, "1 to 10");
    }
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
    lua_getfield(L, -1, "encode");
    lua_getfield(L, -2, "encode_keep_buffer");
    lua_pushcclosure(L, l_encode, 2);
    lua_setfield(L, -2, "encode");
    lua_pushcfunction(L, l_keep_buffer);
    lua_setfield(L, -2, "encode_keep_buffer");
    guard_function(L, "encode_sparse_array", l_sparse);
    lua_pushcfunction(L, luaopen_baton_cjson);
    lua_setfield(L, -2, "new");
    return 1;
}
