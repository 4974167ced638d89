/* bind_linear - models made by 'baton train', as scripts hold them.
 * SPDX-License-Identifier: MIT */
#include "bind_linear.h"

#include "bind_model.h"
#include "linear.h"
#include "lua_bounded.h"
#include "lua_class.h"
#include "lua_place.h"
#include "modules.h"

#include <lauxlib.h>
#include <string.h>

#define MODEL "baton.linear"

enum { STEPS_PER_BYTE = 2 };

/* Registry key: models by file. */
static const char models_key = 0;

struct held {
    struct linear *model;
};

static int l_free(lua_State *L)
{
    struct held *h = luaL_checkudata(L, 1, MODEL);

    linear_free(h->model);
    h->model = NULL;
    return 0;
}

static struct linear *check(lua_State *L)
{
    struct held *h = luaL_checkudata(L, 1, MODEL);

    luaL_argcheck(L, h->model, 1, "the model is gone");
    return h->model;
}

/* ---- a text through the model ---- */

static const struct linear_head *check_head(lua_State *L, const struct linear *m, int index)
{
    int n;
    const struct linear_head *heads = linear_heads(m, &n);
    const char *name = luaL_optstring(L, index, NULL);

    if (!name)
        return heads;
    for (int i = 0; i < n; i++)
        if (strcmp(heads[i].name, name) == 0)
            return &heads[i];
    lua_place_error(L, "the model has no head '%s'", name);
    return NULL;
}

/* The numbers of the table at 'index', in the model's order. Others in it do not matter; one that is missing does. */
static void read_inputs(lua_State *L, const struct linear *m, int index, float out[LINEAR_INPUTS])
{
    int n;
    const struct linear_input *inputs = linear_inputs(m, &n);

    if (n && !lua_istable(L, index))
        lua_place_error(L, "the model has inputs ('%s', ...): a table of numbers is missing",
                        inputs->name);
    for (int i = 0; i < n; i++) {
        lua_getfield(L, index, inputs[i].name);
        if (lua_type(L, -1) != LUA_TNUMBER)
            lua_place_error(L, "the model's input '%s' must be a number", inputs[i].name);
        out[i] = (float)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
}

/* The scores of all heads of the text at 2 and the inputs at 'inputs', in memory of Lua's. Leaves one value. */
static const float *score(lua_State *L, const struct linear *m, int inputs)
{
    float numbers[LINEAR_INPUTS];
    struct span text;

    text.p = luaL_checklstring(L, 2, &text.n);
    read_inputs(L, m, inputs, numbers);
    size_t bytes = text.n < NGRAMS_TEXT ? text.n : NGRAMS_TEXT;
    lua_bounded_charge(L, bytes * STEPS_PER_BYTE + (size_t)linear_columns(m), "classify.linear");
    float *out = lua_newuserdatauv(L, (size_t)linear_columns(m) * sizeof *out, 0);
    linear_scores(m, text, numbers, out);
    return out;
}

/* Leaves one value. */
static float *probabilities(lua_State *L, const struct linear_head *h, const float *scores,
                            struct linear_answer *a)
{
    float *p = lua_newuserdatauv(L, (size_t)h->count * sizeof *p, 0);

    *a = linear_labels(h, scores, p);
    return p;
}

static void check_kind(lua_State *L, const struct linear_head *h, enum linear_kind kind)
{
    if (h->kind != kind)
        lua_place_error(L,
                        kind == LINEAR_LABELS ? "'%s' is a number: it has no labels"
                                              : "'%s' has labels: it is no number",
                        h->name);
}

/* model:label(text, head?, inputs?) -> label (nil: out of scope), the probability of the best label, the best label. */
static int l_label(lua_State *L)
{
    const struct linear *m = check(L);
    const struct linear_head *h = check_head(L, m, 3);
    struct linear_answer a;

    check_kind(L, h, LINEAR_LABELS);
    probabilities(L, h, score(L, m, 4), &a);
    if (a.known)
        lua_pushstring(L, h->labels[a.best]);
    else
        lua_pushnil(L);
    lua_pushnumber(L, (lua_Number)a.p);
    lua_pushstring(L, h->labels[a.best]);
    return 3;
}

/* model:scores(text, head?, inputs?) -> { [label] = its probability }. */
static int l_scores(lua_State *L)
{
    const struct linear *m = check(L);
    const struct linear_head *h = check_head(L, m, 3);
    struct linear_answer a;

    check_kind(L, h, LINEAR_LABELS);
    const float *p = probabilities(L, h, score(L, m, 4), &a);
    lua_createtable(L, 0, h->count);
    for (int i = 0; i < h->count; i++) {
        lua_pushnumber(L, (lua_Number)p[i]);
        lua_setfield(L, -2, h->labels[i]);
    }
    return 1;
}

static lua_Number value(lua_State *L, const struct linear_head *h, const float *scores)
{
    struct linear_answer a;

    if (h->kind == LINEAR_NUMBER)
        return (lua_Number)linear_number(h, scores);
    if (h->count != 2)
        check_kind(L, h, LINEAR_NUMBER);
    lua_Number p = (lua_Number)probabilities(L, h, scores, &a)[1];
    lua_pop(L, 1);
    return p;
}

/* model:value(text, head?, inputs?) -> the number; of a head with two labels, the probability of the second ("1", "yes"). */
static int l_value(lua_State *L)
{
    const struct linear *m = check(L);
    const struct linear_head *h = check_head(L, m, 3);

    lua_pushnumber(L, value(L, h, score(L, m, 4)));
    return 1;
}

/* model:values(text, inputs?) -> { [head] = number }: of all heads that model:value can tell, in one pass over the text. */
static int l_values(lua_State *L)
{
    const struct linear *m = check(L);
    int n;
    const struct linear_head *heads = linear_heads(m, &n);
    const float *scores = score(L, m, 3);

    lua_createtable(L, 0, n);
    for (int i = 0; i < n; i++)
        if (heads[i].kind == LINEAR_NUMBER || heads[i].count == 2) {
            lua_pushnumber(L, value(L, &heads[i], scores));
            lua_setfield(L, -2, heads[i].name);
        }
    return 1;
}

/* model:inputs() -> names. */
static int l_inputs(lua_State *L)
{
    int n;
    const struct linear_input *inputs = linear_inputs(check(L), &n);

    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushstring(L, inputs[i].name);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* model:heads() -> { { name =, labels = { ... } or nil for a number, other = label or nil }, ... }. */
static int l_heads(lua_State *L)
{
    int n;
    const struct linear_head *heads = linear_heads(check(L), &n);

    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        const struct linear_head *h = &heads[i];
        lua_createtable(L, 0, 3);
        lua_pushstring(L, h->name);
        lua_setfield(L, -2, "name");
        lua_createtable(L, h->count, 0);
        for (int k = 0; k < h->count; k++) {
            lua_pushstring(L, h->labels[k]);
            lua_rawseti(L, -2, k + 1);
        }
        if (h->kind == LINEAR_NUMBER) {
            lua_pop(L, 1);
            lua_pushnil(L);
        }
        lua_setfield(L, -2, "labels");
        if (h->other >= 0) {
            lua_pushstring(L, h->labels[h->other]);
            lua_setfield(L, -2, "other");
        }
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---- the models of a generation ---- */

static struct held *push_held(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"label", l_label}, {"scores", l_scores}, {"value", l_value}, {"values", l_values},
        {"heads", l_heads}, {"inputs", l_inputs}, {NULL, NULL}};

    struct held *h = lua_newuserdatauv(L, sizeof *h, 0);
    h->model = NULL;
    lua_class_give(L, MODEL, methods, l_free);
    return h;
}

void linear_add_model(lua_State *L, const char *file, struct span bytes)
{
    struct held *h = push_held(L);
    struct err err;

    if (!(h->model = linear_read(bytes, &err)))
        luaL_error(L, "%s: %s", file, err.message);
    model_keep(L, &models_key, file);
}

/* linear.model(name) -> the model in policies/NAME.model, else in scripts/NAME.model. Raises when there is none. */
static int l_model(lua_State *L)
{
    return model_find(L, &models_key, luaL_checkstring(L, 1),
                      "there is no model '%s' beside the policies ('baton train' makes one)");
}

int luaopen_baton_linear(lua_State *L)
{
    static const luaL_Reg functions[] = {{"model", l_model}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
