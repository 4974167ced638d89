/* lua_table - the table library: moves and comparisons are counted, sorting is stable.
 * SPDX-License-Identifier: MIT */
#include "buf.h"
#include "lua_bounded.h"

#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <string.h>

enum { READ = 1, WRITE = 2, LENGTH = 4 }; /* what a function does with its table */

static bool has_field(lua_State *L, const char *name)
{
    bool has = lua_getfield(L, -1, name) != LUA_TNIL;

    lua_pop(L, 1);
    return has;
}

/* A table, or something whose metamethods can do 'what'. */
static void check_table(lua_State *L, int arg, int what)
{
    if (lua_istable(L, arg))
        return;
    bool able = lua_getmetatable(L, arg) != 0;
    if (able) {
        able = (!(what & READ) || has_field(L, "__index")) &&
               (!(what & WRITE) || has_field(L, "__newindex")) &&
               (!(what & LENGTH) || has_field(L, "__len"));
        lua_pop(L, 1);
    }
    if (!able)
        luaL_checktype(L, arg, LUA_TTABLE);
}

static lua_Integer check_length(lua_State *L, int arg, int what)
{
    check_table(L, arg, what | LENGTH);
    return luaL_len(L, arg);
}

/* Elements from first to last, as a number of steps. */
static size_t count_of(lua_Integer first, lua_Integer last)
{
    return first > last ? 0 : (size_t)((lua_Unsigned)last - (lua_Unsigned)first) + 1;
}

/* t[to] = t[from] in the table at 1. */
static void copy_item(lua_State *L, lua_Integer from, lua_Integer to)
{
    lua_geti(L, 1, from);
    lua_seti(L, 1, to);
}

/* table.insert(t, pos?, value) */
static int l_insert(lua_State *L)
{
    lua_Integer end = (lua_Integer)((lua_Unsigned)check_length(L, 1, READ | WRITE) + 1);
    lua_Integer pos = end;
    int args = lua_gettop(L);

    if (args != 2 && args != 3)
        return luaL_error(L, "wrong number of arguments to 'insert'");
    if (args == 3) {
        pos = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)pos - 1u < (lua_Unsigned)end, 2, "position out of bounds");
        if (end - pos > STEP_BYTES)
            lua_bounded_charge(L, (size_t)(end - pos), "table.insert");
        for (lua_Integer i = end; i > pos; i--)
            copy_item(L, i - 1, i);
    }
    lua_seti(L, 1, pos);
    return 0;
}

/* table.remove(t, pos?) -> the value removed */
static int l_remove(lua_State *L)
{
    lua_Integer size = check_length(L, 1, READ | WRITE);
    lua_Integer pos = luaL_optinteger(L, 2, size);

    if (pos != size) /* t[#t] is always fine, even t[0] of an empty one */
        luaL_argcheck(L, (lua_Unsigned)pos - 1u <= (lua_Unsigned)size, 2, "position out of bounds");
    if (size - pos > STEP_BYTES)
        lua_bounded_charge(L, (size_t)(size - pos), "table.remove");
    lua_geti(L, 1, pos);
    for (; pos < size; pos++)
        copy_item(L, pos + 1, pos);
    lua_pushnil(L);
    lua_seti(L, 1, pos);
    return 1;
}

/* table.move(from, first, last, at, to?) -> to */
static int l_move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    lua_Integer at = luaL_checkinteger(L, 4);
    int to = lua_isnoneornil(L, 5) ? 1 : 5;

    check_table(L, 1, READ);
    check_table(L, to, WRITE);
    if (last >= first) {
        luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3,
                      "too many elements to move");
        lua_Integer n = last - first + 1;
        luaL_argcheck(L, at <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
        lua_bounded_charge(L, (size_t)n, "table.move");
        bool upwards = at > last || at <= first || (to != 1 && !lua_compare(L, 1, to, LUA_OPEQ));
        for (lua_Integer k = 0; k < n; k++) {
            lua_Integer i = upwards ? k : n - 1 - k; /* never over what is still to be read */
            lua_geti(L, 1, first + i);
            lua_seti(L, to, at + i);
        }
    }
    lua_pushvalue(L, to);
    return 1;
}

/* table.unpack(t, first?, last?) -> at most UNPACK_MAX values */
static int l_unpack(lua_State *L)
{
    lua_Integer first = luaL_optinteger(L, 2, 1);
    lua_Integer last = luaL_opt(L, luaL_checkinteger, 3, luaL_len(L, 1));
    size_t n = count_of(first, last);

    if (first > last)
        return 0;
    if (n == 0 || n > UNPACK_MAX || !lua_checkstack(L, (int)n))
        return luaL_error(L, "too many results to unpack");
    if (n > STEP_BYTES)
        lua_bounded_charge(L, n, "table.unpack");
    for (size_t i = 0; i < n; i++)
        lua_geti(L, 1, (lua_Integer)((lua_Unsigned)first + i));
    return (int)n;
}

/* --- concat -------------------------------------------------------------------------------------
 */

/* What concat makes: checked before each piece is added. */
struct joined {
    luaL_Buffer buffer;
    struct steps steps;
};

static void join_check(lua_State *L, struct joined *j, size_t n)
{
    if (n > STRING_MAX || luaL_bufflen(&j->buffer) > STRING_MAX - n)
        luaL_error(L, "resulting string too large (limit %d bytes)", STRING_MAX);
    if (!steps_take(&j->steps, 1 + (long)(n / STEP_BYTES)))
        lua_bounded_over(L, &j->steps, "table.concat");
}

static void join_item(lua_State *L, struct joined *j, lua_Integer i)
{
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1),
                   (LUAI_UACINT)i);
    join_check(L, j, lua_type(L, -1) == LUA_TSTRING ? lua_rawlen(L, -1) : 0);
    luaL_addvalue(&j->buffer);
}

/* table.concat(t, separator?, first?, last?) -> string of at most STRING_MAX bytes */
static int l_concat(lua_State *L)
{
    lua_Integer length = check_length(L, 1, READ);
    size_t sep_n;
    const char *sep = luaL_optlstring(L, 2, "", &sep_n);
    lua_Integer i = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, length);
    struct joined j;

    lua_bounded_steps(L, &j.steps, TABLE_STEPS);
    luaL_buffinit(L, &j.buffer);
    for (; i < last; i++) { /* 'last' itself comes after: i + 1 might wrap around */
        join_item(L, &j, i);
        join_check(L, &j, sep_n);
        luaL_addlstring(&j.buffer, sep, sep_n);
    }
    if (i == last)
        join_item(L, &j, i);
    if (!steps_end(&j.steps))
        lua_bounded_over(L, &j.steps, "table.concat");
    luaL_pushresult(&j.buffer);
    return 1;
}

/* --- sort ---------------------------------------------------------------------------------------
 */

/* A merge sort of places: 'from' and 'to' hold indices into the snapshot, so that a comparison is
 * all that runs Lua, and the table is written once, in the end. */
struct sort {
    struct steps steps;
    int snapshot;   /* stack index of the elements as they were */
    bool has_order; /* is there an order function at 2? */
    int *from, *to; /* each has room for all; swapped after a pass */
};

/* Is the text below the top of the stack less than the one on it? By bytes, as Lua does in the C locale, but in one
 * pass: Lua's own comparison goes from one zero byte to the next. */
static bool text_less(lua_State *L, struct sort *s)
{
    struct span a, b;

    a.p = lua_tolstring(L, -2, &a.n);
    b.p = lua_tolstring(L, -1, &b.n);
    size_t n = a.n < b.n ? a.n : b.n;
    if (!steps_take(&s->steps, (long)(n / STEP_BYTES)))
        lua_bounded_over(L, &s->steps, "table.sort");
    int order = memcmp(a.p, b.p, n);
    return order ? order < 0 : a.n < b.n;
}

/* Must place b stand before place a? */
static bool goes_before(lua_State *L, struct sort *s, int b, int a)
{
    bool yes;

    if (!steps_take(&s->steps, 1))
        lua_bounded_over(L, &s->steps, "table.sort");
    if (!s->has_order) {
        lua_rawgeti(L, s->snapshot, b);
        lua_rawgeti(L, s->snapshot, a);
        bool texts = lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING;
        yes = texts ? text_less(L, s) : lua_compare(L, -2, -1, LUA_OPLT);
        lua_pop(L, 2);
        return yes;
    }
    lua_pushvalue(L, 2);
    lua_rawgeti(L, s->snapshot, b);
    lua_rawgeti(L, s->snapshot, a);
    lua_call(L, 2, 1);
    yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

/* Merges from[lo..mid) and from[mid..hi) into to[lo..hi). Equal elements keep their order. */
static void merge(lua_State *L, struct sort *s, size_t lo, size_t mid, size_t hi)
{
    size_t a = lo, b = mid, out = lo;

    if (mid < hi && !goes_before(L, s, s->from[mid], s->from[mid - 1]))
        b = mid = hi; /* in order already */
    while (a < mid && b < hi)
        s->to[out++] = goes_before(L, s, s->from[b], s->from[a]) ? s->from[b++] : s->from[a++];
    while (a < mid)
        s->to[out++] = s->from[a++];
    while (b < hi)
        s->to[out++] = s->from[b++];
}

static void sort_places(lua_State *L, struct sort *s, size_t n)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = lo + width < n ? lo + width : n;
            merge(L, s, lo, mid, mid + width < n ? mid + width : n);
        }
        int *swap = s->from;
        s->from = s->to;
        s->to = swap;
    }
}

/* table.sort(t, order?): stable. order(a, b) says whether a must come before b. */
static int l_sort(lua_State *L)
{
    lua_Integer length = check_length(L, 1, READ | WRITE);
    struct sort s = {.snapshot = 3};

    if (length < 2)
        return 0;
    luaL_argcheck(L, length < INT_MAX, 1, "array too big");
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    s.has_order = !lua_isnil(L, 2);
    lua_bounded_steps(L, &s.steps, TABLE_STEPS);
    if (!steps_take(&s.steps, length))
        return lua_bounded_over(L, &s.steps, "table.sort");
    size_t n = (size_t)length;
    lua_createtable(L, (int)n, 0);
    s.from = lua_newuserdatauv(L, 2 * n * sizeof(int), 0);
    s.to = s.from + n;
    for (size_t i = 0; i < n; i++) {
        s.from[i] = (int)i + 1;
        lua_geti(L, 1, (lua_Integer)i + 1);
        lua_rawseti(L, s.snapshot, (lua_Integer)i + 1);
    }
    sort_places(L, &s, n);
    for (size_t i = 0; i < n; i++) {
        if (s.from[i] == (int)i + 1)
            continue; /* stands where it stood */
        lua_rawgeti(L, s.snapshot, s.from[i]);
        lua_seti(L, 1, (lua_Integer)i + 1);
    }
    if (!steps_end(&s.steps))
        lua_bounded_over(L, &s.steps, "table.sort");
    return 0;
}

static const luaL_Reg functions[] = {
    {"insert", l_insert}, {"remove", l_remove}, {"move", l_move}, {"unpack", l_unpack},
    {"concat", l_concat}, {"sort", l_sort},     {NULL, NULL},
};

/* 'pack' stays: it holds what is on the stack already. */
int luaopen_bounded_table(lua_State *L)
{
    luaopen_table(L);
    luaL_setfuncs(L, functions, 0);
    return 1;
}
