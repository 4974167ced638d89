/* lua_pairs - going through a table in an order that is the same in every process.
 * SPDX-License-Identifier: MIT */
#include "lua_pairs.h"

#include "guard.h"
#include "lua_json.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { CHARGE_AT = 1024, STEPS_PER_KEY = 40, FEW = 16 };

enum rank { RANK_NUMBER, RANK_STRING, RANK_BOOLEAN, RANK_OTHER };

/* A key while it is being sorted; 'at' is its place in the table of keys. */
struct key {
    enum rank rank;
    int at;
    double number;
    lua_Integer integer;
    struct span text;
};

static int compare(const void *pa, const void *pb)
{
    const struct key *a = pa, *b = pb;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->rank == RANK_STRING) {
        size_t n = a->text.n < b->text.n ? a->text.n : b->text.n;
        int order = memcmp(a->text.p, b->text.p, n);
        return order ? order : (a->text.n > b->text.n) - (a->text.n < b->text.n);
    }
    if (a->number < b->number || a->number > b->number)
        return a->number < b->number ? -1 : 1;
    if (a->integer != b->integer)
        return a->integer < b->integer ? -1 : 1;
    return a->at - b->at;
}

static struct key key_at(lua_State *L, int index, int at)
{
    struct key k = {.rank = RANK_OTHER, .at = at};

    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        k.rank = RANK_NUMBER;
        k.number = lua_tonumber(L, index);
        k.integer = lua_isinteger(L, index) ? lua_tointeger(L, index) : 0;
        break;
    case LUA_TSTRING:
        k.rank = RANK_STRING;
        k.text.p = lua_tolstring(L, index, &k.text.n);
        break;
    case LUA_TBOOLEAN:
        k.rank = RANK_BOOLEAN;
        k.number = lua_toboolean(L, index);
        break;
    default:
        break;
    }
    return k;
}

/* Long tables are paid for while they are gathered; sorting them costs about as much again. */
static void charge(lua_State *L, int n)
{
    if (n % CHARGE_AT == CHARGE_AT - 1 && !guard_steps(L, CHARGE_AT * STEPS_PER_KEY))
        guard_raise(L);
}

/* Appends to the sequence on top all keys of the table at 'index' that 'seen' (an index, or 0) does
 * not have. Returns how many stand there then; *sorted tells whether they already are 1, 2, 3 ...
 */
static int gather(lua_State *L, int index, int seen, int n, bool *sorted)
{
    int keys = lua_gettop(L);

    *sorted = true;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        charge(L, n);
        if (seen) {
            lua_pushvalue(L, -1);
            bool known = lua_rawget(L, seen) != LUA_TNIL;
            lua_pop(L, 1);
            if (known)
                continue;
        }
        lua_pushvalue(L, -1);
        lua_rawseti(L, keys, ++n);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) != n)
            *sorted = false;
    }
    return n;
}

/* Sorts the elements first+1 .. n of the sequence on top. */
static void sort_keys(lua_State *L, int first, int n)
{
    int keys = lua_gettop(L), count = n - first;
    struct key *list = lua_newuserdatauv(L, sizeof *list * (size_t)(count ? count : 1), 0);

    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, keys, first + i + 1);
        list[i] = key_at(L, -1, first + i + 1);
        lua_pop(L, 1); /* the table holds it, so its text stays */
    }
    qsort(list, (size_t)count, sizeof *list, compare);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, keys, list[i].at);
        lua_rawseti(L, -2, i + 1);
    }
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, -1, i + 1);
        lua_rawseti(L, keys, first + i + 1);
    }
    lua_settop(L, keys);
}

/* Pushes the keys of a table that no document gave an order, as they are sorted on the way. Nothing, and false, when
 * they are more than a few. */
static bool push_few(lua_State *L, int index)
{
    struct key keys[FEW];
    int base = lua_gettop(L), n = 0;

    for (lua_pushnil(L); lua_next(L, index); n++) {
        lua_pop(L, 1);
        if (n == FEW) {
            lua_settop(L, base);
            return false;
        }
        struct key k = key_at(L, -1, base + n + 1);
        int at = n;
        for (; at > 0 && compare(&k, &keys[at - 1]) < 0; at--)
            keys[at] = keys[at - 1];
        keys[at] = k;
        lua_pushvalue(L, -1); /* one stays where key_at was told, lua_next takes the other */
    }
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushvalue(L, keys[i].at);
        lua_rawseti(L, -2, i + 1);
    }
    if (n > 0)
        lua_replace(L, base + 1);
    lua_settop(L, base + 1);
    return true;
}

/* How many keys the table at 'index' has, or one more than 'most'. */
static int count_keys(lua_State *L, int index, int most)
{
    int n = 0;

    for (lua_pushnil(L); lua_next(L, index);) {
        lua_pop(L, 1);
        if (++n > most) {
            lua_pop(L, 1);
            break;
        }
    }
    return n;
}

/* As lua_pairs_keys, with the 'first' keys of the document's order in a table on top. */
static void push_with_added(lua_State *L, int index, int first)
{
    bool sorted;
    int seen = 0;

    if (first > 0) {
        lua_createtable(L, 0, first);
        for (int i = 1; i <= first; i++) {
            lua_rawgeti(L, -2, i);
            lua_pushboolean(L, 1);
            lua_rawset(L, -3);
        }
        lua_insert(L, -2);
        seen = lua_gettop(L) - 1;
    }
    int n = gather(L, index, seen, first, &sorted);
    if (!(sorted && first == 0) && n - first > 1)
        sort_keys(L, first, n);
    if (seen)
        lua_remove(L, seen);
}

void lua_pairs_keys(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    luaL_checkstack(L, FEW + 8, NULL);
    if (lua_json_push_keys(L, index)) { /* the document's order, then what was added */
        int first = (int)lua_rawlen(L, -1);
        if (count_keys(L, index, first) > first)
            push_with_added(L, index, first);
    } else if (!push_few(L, index)) {
        lua_newtable(L);
        push_with_added(L, index, 0);
    }
}

/* Upvalues: the table, its keys, how many were given out. */
static int l_step(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(3));

    for (;;) {
        if (lua_rawgeti(L, lua_upvalueindex(2), ++i) == LUA_TNIL)
            return 1;
        lua_pushvalue(L, -1);
        if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
            break;
        lua_pop(L, 2);
    }
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(3));
    return 2;
}

int lua_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushvalue(L, 1);
    lua_pairs_keys(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, l_step, 3);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* The smallest key of the table at index 1 and its value, in one pass: what next(t) asks for. */
static int push_first(lua_State *L)
{
    struct key best = {.rank = RANK_OTHER, .at = INT_MAX}, k;
    int at = 0;

    lua_pushnil(L); /* the best key so far, at index 3 */
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        charge(L, at);
        k = key_at(L, -2, at++);
        if (at > 1 && compare(&k, &best) > 0)
            continue;
        best = k;
        lua_pushvalue(L, -2);
        lua_replace(L, 3);
    }
    if (at == 0)
        return 1; /* empty: nil */
    lua_pushvalue(L, 3);
    lua_rawget(L, 1);
    return 2;
}

int lua_pairs_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_isnil(L, 2) && !lua_json_is_decoded(L, 1))
        return push_first(L);
    lua_pushnil(L);
    if (!lua_next(L, 1))
        return 1; /* empty: nil */
    lua_pop(L, 2);
    lua_pairs_keys(L, 1);
    lua_Integer n = (lua_Integer)lua_rawlen(L, 3), i = 0;
    if (!lua_isnil(L, 2)) {
        do {
            if (++i > n)
                return luaL_error(L, "invalid key to 'next'");
            lua_rawgeti(L, 3, i);
        } while (!lua_rawequal(L, -1, 2) && (lua_pop(L, 1), true));
    }
    for (i++; i <= n; i++) {
        lua_rawgeti(L, 3, i);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 1) != LUA_TNIL)
            return 2;
        lua_pop(L, 2);
    }
    lua_pushnil(L);
    return 1;
}
