/* bind_neighbours - the module "nearest": labelled examples by their words, and vectors by their direction.
 * SPDX-License-Identifier: MIT */
#include "bind_neighbours.h"
#include "base64.h"
#include "bind_model.h"
#include "lua_bounded.h"
#include "lua_class.h"
#include "lua_place.h"
#include "modules.h"
#include "neighbours.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#define EXAMPLES "baton.neighbours"

enum { STEPS_PER_BYTE = 16, STEPS_INDEX = 50000, STEPS_INDEX_BYTE = 4 };

/* Registry key: examples by file. */
static const char files_key = 0;

struct held {
    struct neighbours *n;
};

static int l_free(lua_State *L)
{
    struct held *h = luaL_checkudata(L, 1, EXAMPLES);

    neighbours_free(h->n);
    h->n = NULL;
    return 0;
}

static struct neighbours *check(lua_State *L)
{
    struct held *h = luaL_checkudata(L, 1, EXAMPLES);

    luaL_argcheck(L, h->n, 1, "the examples are gone");
    return h->n;
}

/* examples:find(text, k) -> { label, score, text, … }, three a neighbour, nearest first. */
static int l_find(lua_State *L)
{
    const struct neighbours *n = check(L);
    struct neighbour found[NEIGHBOURS_K];
    struct span text;

    text.p = luaL_checklstring(L, 2, &text.n);
    lua_Integer k = luaL_checkinteger(L, 3);
    luaL_argcheck(L, k >= 1 && k <= NEIGHBOURS_K, 3, "1 to 100 neighbours");
    size_t bytes = text.n < NGRAMS_TEXT ? text.n : NGRAMS_TEXT;
    lua_bounded_charge(L, bytes * STEPS_PER_BYTE + (size_t)neighbours_count(n),
                       "classify.neighbours");
    int count = neighbours_find(n, text, (int)k, found);
    if (count < 0)
        return luaL_error(L, "classify.neighbours: out of memory");
    lua_createtable(L, count * 3, 0);
    for (int i = 0; i < count; i++) {
        struct span example = neighbours_text(n, found[i].example);
        lua_pushstring(L, neighbours_label(n, found[i].example));
        lua_rawseti(L, -2, i * 3 + 1);
        lua_pushnumber(L, (lua_Number)found[i].score);
        lua_rawseti(L, -2, i * 3 + 2);
        lua_pushlstring(L, example.p, example.n);
        lua_rawseti(L, -2, i * 3 + 3);
    }
    return 1;
}

/* examples:labels() -> a list, in the order in which they were first seen; the number of examples. */
static int l_labels(lua_State *L)
{
    const struct neighbours *n = check(L);
    int count;
    const char *const *labels = neighbours_labels(n, &count);

    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, labels[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushinteger(L, neighbours_count(n));
    return 2;
}

static struct held *push_held(lua_State *L)
{
    static const luaL_Reg methods[] = {{"find", l_find}, {"labels", l_labels}, {NULL, NULL}};

    struct held *h = lua_newuserdatauv(L, sizeof *h, 1);
    h->n = NULL;
    lua_class_give(L, EXAMPLES, methods, l_free);
    return h;
}

/* ---- made by a script ---- */

static struct span text_at(lua_State *L, int list, lua_Integer place)
{
    struct span s = {NULL, 0};

    if (lua_rawgeti(L, list, place) == LUA_TSTRING)
        s.p = lua_tolstring(L, -1, &s.n);
    else
        luaL_error(L, "classify.neighbours: an example is a text with a label");
    lua_pop(L, 1); /* the list keeps it */
    return s;
}

/* The index on top of the stack is not in Lua's memory, but counts there: as much is set aside, and never touched. */
static void weigh(lua_State *L, const struct held *h)
{
    lua_newuserdatauv(L, neighbours_bytes(h->n), 0);
    lua_setiuservalue(L, -2, 1);
}

/* nearest.index({ text, label, text, label, … }) -> examples. Raises with what is wrong. */
static int l_index(lua_State *L)
{
    struct err err;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
    struct held *h = push_held(L);
    lua_bounded_charge(L, STEPS_INDEX, "classify.neighbours");
    if (!(h->n = neighbours_new()))
        return luaL_error(L, "classify.neighbours: out of memory");
    for (lua_Integer i = 1; i < n; i += 2) {
        struct span text = text_at(L, 1, i), label = text_at(L, 1, i + 1);
        lua_bounded_charge(L, text.n * STEPS_INDEX_BYTE + 1, "classify.neighbours");
        if (neighbours_add(h->n, text, label, &err) < 0)
            return lua_place_error(L, "classify.neighbours: %s", err.message);
    }
    if (neighbours_count(h->n) == 0)
        return lua_place_error(L, "classify.neighbours: there are no examples");
    if (neighbours_build(h->n, &err) < 0)
        return lua_place_error(L, "classify.neighbours: %s", err.message);
    weigh(L, h);
    return 1;
}

/* ---- made by 'baton train --neighbours' ---- */

bool neighbours_add_model(lua_State *L, const char *file, struct span bytes)
{
    struct err err;

    if (!neighbours_is_file(bytes))
        return false;
    struct held *h = push_held(L);
    if (!(h->n = neighbours_read(bytes, &err)))
        luaL_error(L, "%s: %s", file, err.message);
    model_keep(L, &files_key, file);
    return true;
}

/* nearest.model(name) -> the examples in policies/NAME.model, else in scripts/NAME.model. Raises when there are none. */
static int l_model(lua_State *L)
{
    return model_find(L, &files_key, luaL_checkstring(L, 1),
                      "there are no examples '%s' beside the policies ('baton train --neighbours' "
                      "writes some)");
}

/* ---- vectors ---- */

/* The bytes of a base64 text of 4-byte numbers; leaves them on the stack. */
static struct span check_floats(lua_State *L, int index)
{
    struct span text;

    text.p = luaL_checklstring(L, index, &text.n);
    ptrdiff_t size = base64_size(text, NULL);
    luaL_argcheck(L, size >= 0 && size % 4 == 0, index, "no base64 of 4-byte numbers");
    lua_bounded_charge(L, text.n / STEP_BYTES + 1, "nearest.cosines");
    char *bytes = lua_newuserdatauv(L, (size_t)size + 1, 0);
    base64_decode(bytes, text);
    return (struct span){bytes, (size_t)size};
}

static float float_at(const char *p)
{
    uint32_t bits = 0;
    float f;

    for (int i = 0; i < 4; i++)
        bits |= (uint32_t)(unsigned char)p[i] << 8 * i;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double dot(const char *a, const char *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)(float_at(a + 4 * i) * float_at(b + 4 * i));
    return sum;
}

/* nearest.cosines(vector, vectors) -> { number, … } | nil: of a vector with each of a row of vectors as long as it, both
 * as base64.of_floats writes them. nil where the lengths do not fit. A vector of nothing is like no other: 0. */
static int l_cosines(lua_State *L)
{
    lua_settop(L, 2);
    struct span one = check_floats(L, 1), all = check_floats(L, 2);
    size_t n = one.n / 4, count = one.n ? all.n / one.n : 0;

    if (!n || all.n % one.n)
        return 0;
    lua_bounded_charge(L, all.n / STEP_BYTES + count, "nearest.cosines");
    double own = sqrt(dot(one.p, one.p, n));
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        const char *other = all.p + i * one.n;
        double both = own * sqrt(dot(other, other, n)), c = dot(one.p, other, n) / both;
        lua_pushnumber(L, both > 0 && isfinite(c) ? c : 0);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

int luaopen_baton_nearest(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"index", l_index}, {"model", l_model}, {"cosines", l_cosines}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
