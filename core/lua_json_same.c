/* lua_json_same - does a Lua value still say what a document says?
 * SPDX-License-Identifier: MIT
 *
 * Reads the document once, beside the value. As long as keys come in the order of the object's
 * shape, they are compared as bytes and nothing is allocated. */
#include "lua_json.h"

#include "json.h"
#include "lua_json_shape.h"

#include <string.h>

struct pair {
    lua_State *L;
    struct json_reader in;
};

static bool same_value(struct pair *p, enum json_token token, int index);

static bool same_token(const struct pair *p, struct span text)
{
    struct span token = p->in.token;

    if (p->in.escaped)
        return json_text_is(token, text);
    return token.n - 2 == text.n && memcmp(token.p + 1, text.p, text.n) == 0;
}

static bool same_string(struct pair *p, int index)
{
    struct span text = {NULL, 0};

    if (lua_type(p->L, index) != LUA_TSTRING)
        return false;
    text.p = lua_tolstring(p->L, index, &text.n);
    return same_token(p, text);
}

static bool same_number(struct pair *p, int index)
{
    if (lua_type(p->L, index) != LUA_TNUMBER) {
        struct span digits = exact_digits(p->L, index);
        return digits.p && digits.n == p->in.token.n &&
               memcmp(digits.p, p->in.token.p, digits.n) == 0;
    }
    struct number n = number_of(p->in.token);
    if (lua_isinteger(p->L, index))
        return n.kind == NUMBER_INTEGER && n.integer == lua_tointeger(p->L, index);
    lua_Number d = lua_tonumber(p->L, index);
    return n.kind == NUMBER_FLOAT && memcmp(&d, &n.number, sizeof d) == 0; /* -0.0 is not 0.0 */
}

static bool same_scalar(struct pair *p, int index)
{
    switch (p->in.type) {
    case JSON_STRING:
        return same_string(p, index);
    case JSON_NUMBER:
        return same_number(p, index);
    case JSON_TRUE:
    case JSON_FALSE:
        return lua_isboolean(p->L, index) &&
               lua_toboolean(p->L, index) == (p->in.type == JSON_TRUE);
    default:
        return lua_islightuserdata(p->L, index) && !lua_touserdata(p->L, index);
    }
}

static bool same_array(struct pair *p, int index, bool marked)
{
    enum json_token token;
    lua_Integer n = 0;

    while ((token = json_read(&p->in)) != JSON_T_CLOSE_ARRAY) {
        if (token == JSON_T_ERROR)
            return false;
        lua_rawgeti(p->L, index, ++n);
        if (!same_value(p, token, lua_gettop(p->L)))
            return false;
        lua_pop(p->L, 1);
    }
    return (marked || n > 0) && shape_count(p->L, index) == n;
}

/* Pushes the key just read, when the n-th of the shape is the same. */
static bool push_expected(struct pair *p, int shape, lua_Integer n)
{
    if (lua_isnil(p->L, shape))
        return false;
    lua_rawgeti(p->L, shape, n);
    if (same_string(p, -1))
        return true;
    lua_pop(p->L, 1);
    return false;
}

static void push_key(struct pair *p)
{
    struct span token = p->in.token;

    if (!p->in.escaped) {
        lua_pushlstring(p->L, token.p + 1, token.n - 2);
        return;
    }
    char *text = lua_newuserdatauv(p->L, token.n, 0);
    lua_pushlstring(p->L, text, json_unescape(token, text));
    lua_remove(p->L, -2);
}

/* Pushes a key that was not expected. The first time a set is made of those before it, since from
 * here on only the set knows whether a key comes twice. False when this one does. */
static bool push_unexpected(struct pair *p, int shape, lua_Integer before, int set)
{
    lua_State *L = p->L;

    if (lua_isnil(L, set)) {
        lua_newtable(L);
        for (lua_Integer i = 1; i <= before; i++) {
            lua_rawgeti(L, shape, i);
            lua_pushboolean(L, 1);
            lua_rawset(L, -3);
        }
        lua_replace(L, set);
    }
    push_key(p);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, set) != LUA_TNIL)
        return false;
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, set);
    return true;
}

/* Slots: the shape or nil, and above it the set or nil. */
static bool same_object(struct pair *p, int index, int shape)
{
    lua_State *L = p->L;
    int set = shape + 1;
    enum json_token token;
    lua_Integer n = 0;

    while ((token = json_read(&p->in)) != JSON_T_CLOSE_OBJECT) {
        if (token == JSON_T_ERROR)
            return false;
        bool expected = lua_isnil(L, set) && push_expected(p, shape, n + 1);
        if (!expected && !push_unexpected(p, shape, n, set))
            return false;
        n++;
        lua_rawget(L, index);
        if (!same_value(p, json_read(&p->in), lua_gettop(L)))
            return false;
        lua_pop(L, 1);
    }
    return shape_count(L, index) == n;
}

static bool same_table(struct pair *p, bool object, int index)
{
    lua_State *L = p->L;
    int top = lua_gettop(L);
    bool same = false;

    if (!lua_istable(L, index) || !lua_checkstack(L, 16))
        return false;
    enum mark mark = shape_mark(L, index);
    if (object && mark != MARK_ARRAY) {
        lua_settop(L, top + (mark == MARK_OBJECT)); /* the shape, */
        lua_settop(L, top + 2);                     /* or nil; and nil for the set */
        same = same_object(p, index, top + 1);
    } else if (!object && mark != MARK_OBJECT) {
        same = same_array(p, index, mark == MARK_ARRAY);
    }
    lua_settop(L, top);
    return same;
}

static bool same_value(struct pair *p, enum json_token token, int index)
{
    switch (token) {
    case JSON_T_VALUE:
        return same_scalar(p, index);
    case JSON_T_OPEN_ARRAY:
        return same_table(p, false, index);
    case JSON_T_OPEN_OBJECT:
        return same_table(p, true, index);
    default:
        return false;
    }
}

bool lua_json_same(lua_State *L, int index, struct span doc)
{
    struct pair p; /* the reader's error text makes it too large to clear */
    int top = lua_gettop(L);

    p.L = L;
    json_reader_init(&p.in, doc);
    index = lua_absindex(L, index);
    bool same = lua_checkstack(L, 16) && same_value(&p, json_read(&p.in), index) &&
                json_read(&p.in) == JSON_T_END;
    lua_settop(L, top);
    return same;
}
