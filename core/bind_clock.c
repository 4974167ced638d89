/* bind_clock - the modules "clock" and "random": time and chance, from the seam.
 * SPDX-License-Identifier: MIT */
#include "generation.h"
#include "modules.h"

#include <lauxlib.h>

static struct effect *effect_of(lua_State *L)
{
    return generation_of(L)->rt->fx;
}

/* clock.now() -> seconds since 1970 (a float, microseconds resolved). */
static int l_now(lua_State *L)
{
    struct effect *fx = effect_of(L);

    lua_pushnumber(L, (lua_Number)fx->wall_us(fx) / 1e6);
    return 1;
}

/* clock.monotonic() -> seconds since some moment; never goes back: for durations. */
static int l_monotonic(lua_State *L)
{
    struct effect *fx = effect_of(L);

    lua_pushnumber(L, (lua_Number)fx->mono_us(fx) / 1e6);
    return 1;
}

/* clock.date(seconds?) -> "2026-11-21T23:47:54.123Z" (UTC, ISO 8601); now when left out. */
static int l_date(lua_State *L)
{
    struct effect *fx = effect_of(L);
    char text[25];
    lua_Number at = luaL_optnumber(L, 1, (lua_Number)fx->wall_us(fx) / 1e6);

    luaL_argcheck(L, at >= 0 && at < 253402300800.0, 1, "seconds out of range");
    log_time((int64_t)(at * 1e6), text);
    lua_pushstring(L, text);
    return 1;
}

int luaopen_baton_clock(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"now", l_now}, {"monotonic", l_monotonic}, {"date", l_date}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}

/* random.number() -> float in [0, 1). */
static int l_number(lua_State *L)
{
    struct effect *fx = effect_of(L);

    lua_pushnumber(L, (lua_Number)(fx->random(fx) >> 11) * 0x1p-53);
    return 1;
}

/* random.integer(low, high) -> integer, both ends included, evenly. */
static int l_integer(lua_State *L)
{
    struct effect *fx = effect_of(L);
    lua_Integer low = luaL_checkinteger(L, 1), high = luaL_checkinteger(L, 2);
    uint64_t width = (uint64_t)high - (uint64_t)low + 1, r;

    luaL_argcheck(L, low <= high, 2, "the interval is empty");
    do { /* drop the few values that would favour the low end */
        r = fx->random(fx);
    } while (width && r >= UINT64_MAX - UINT64_MAX % width);
    lua_pushinteger(L, (lua_Integer)((uint64_t)low + (width ? r % width : r)));
    return 1;
}

/* random.id(bytes = 16) -> that many random bytes as hexadecimal text. */
static int l_id(lua_State *L)
{
    struct effect *fx = effect_of(L);
    lua_Integer n = luaL_optinteger(L, 1, 16);
    luaL_Buffer text;
    char digits[3];

    luaL_argcheck(L, n >= 1 && n <= 64, 1, "bytes out of range (1 to 64)");
    luaL_buffinit(L, &text);
    for (lua_Integer i = 0; i < n; i++) {
        snprintf(digits, sizeof digits, "%02x", (unsigned)(fx->random(fx) & 255));
        luaL_addlstring(&text, digits, 2);
    }
    luaL_pushresult(&text);
    return 1;
}

int luaopen_baton_random(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"number", l_number}, {"integer", l_integer}, {"id", l_id}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
