/* fuzz_pattern - patterns and texts of all kinds: our matcher against the standard one.
 * SPDX-License-Identifier: MIT
 *
 * Input: the pattern, a line feed, the text. Ours runs first, with few steps; where it ends by
 * itself the standard library is fast enough to be asked the same (the steps bound its work too).
 */
#include "lua_bounded.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PROBE[] =
    "local s, p = ... local out = {}\n"
    "local function note(...) for i = 1, select('#', ...) do\n"
    "   out[#out + 1] = tostring((select(i, ...))) end out[#out + 1] = '|' end\n"
    "note(pcall(string.find, s, p)) note(pcall(string.match, s, p, -3))\n"
    "note(pcall(string.gsub, s, p, '<%0%1>')) note(pcall(string.gsub, s, p, {a = 'A'}, 2))\n"
    "note(pcall(function() local n = 0 for a, b in string.gmatch(s, p) do n = n + 1\n"
    "   note(a, b) if n > 20 then break end end end))\n"
    "return table.concat(out, '\\1')";

static long left;

static bool spend(lua_State *L, long n)
{
    (void)L;
    left -= n;
    return left >= 0;
}

/* A state with the probe at 1. */
static lua_State *state_new(lua_CFunction string_library)
{
    lua_State *L = luaL_newstate();

    luaL_requiref(L, "_G", luaopen_base, 1);
    luaL_requiref(L, "table", luaopen_table, 1);
    luaL_requiref(L, "string", string_library, 1);
    lua_settop(L, 0);
    if (luaL_loadstring(L, PROBE) != LUA_OK)
        abort();
    return L;
}

static const char *probe(lua_State *L, const char *text, size_t text_n, const char *pattern,
                         size_t pattern_n, size_t *n)
{
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    lua_pushlstring(L, text, text_n);
    lua_pushlstring(L, pattern, pattern_n);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK)
        return NULL;
    return lua_tolstring(L, -1, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *ours, *standard;
    const char *pattern = (const char *)data;
    const char *cut = size ? memchr(data, '\n', size) : NULL;
    size_t a_n = 0, b_n = 0;

    if (!cut)
        return 0;
    if (!ours) {
        ours = state_new(luaopen_bounded_string);
        standard = state_new(luaopen_string);
        lua_bounded_use(ours, spend);
    }
    size_t pattern_n = (size_t)(cut - pattern), text_n = size - pattern_n - 1;
    left = 100000;
    const char *a = probe(ours, cut + 1, text_n, pattern, pattern_n, &a_n);
    if (left < 0 || !a)
        return 0;
    const char *b = probe(standard, cut + 1, text_n, pattern, pattern_n, &b_n);
    if (!b || a_n != b_n || memcmp(a, b, a_n) != 0) {
        fprintf(stderr, "ours     %s\nstandard %s\n", a, b ? b : "(failed)");
        abort();
    }
    return 0;
}
