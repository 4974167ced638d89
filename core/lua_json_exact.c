/* lua_json_exact - numbers between JSON and Lua; json.number, which keeps its digits.
 * SPDX-License-Identifier: MIT */
#include "lua_json_shape.h"

#include "json.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

struct number number_of(struct span token)
{
    struct number n = {.kind = NUMBER_INTEGER};

    if (json_int(token, &n.integer) == 0 && !(n.integer == 0 && token.p[0] == '-'))
        return n;
    bool whole = !memchr(token.p, '.', token.n) && !memchr(token.p, 'e', token.n) &&
                 !memchr(token.p, 'E', token.n);
    bool exact = (whole && !span_is(token, "-0")) || json_double(token, &n.number) < 0;
    n.kind = exact ? NUMBER_EXACT : NUMBER_FLOAT;
    return n;
}

static const char TYPE[] = "json.number";

struct exact {
    size_t n;
    char digits[]; /* terminated */
};

/* The nearest float of any number or json.number. Raises for other values. */
static lua_Number nearest(lua_State *L, int index)
{
    const struct exact *e = luaL_testudata(L, index, TYPE);
    return e ? (lua_Number)strtod(e->digits, NULL) : luaL_checknumber(L, index);
}

static int compute(lua_State *L, int op)
{
    lua_Number a = nearest(L, 1), b = nearest(L, 2);

    lua_pushnumber(L, a);
    if (op != LUA_OPUNM)
        lua_pushnumber(L, b);
    lua_arith(L, op);
    return 1;
}

static int l_add(lua_State *L)
{
    return compute(L, LUA_OPADD);
}

static int l_sub(lua_State *L)
{
    return compute(L, LUA_OPSUB);
}

static int l_mul(lua_State *L)
{
    return compute(L, LUA_OPMUL);
}

static int l_div(lua_State *L)
{
    return compute(L, LUA_OPDIV);
}

static int l_mod(lua_State *L)
{
    return compute(L, LUA_OPMOD);
}

static int l_pow(lua_State *L)
{
    return compute(L, LUA_OPPOW);
}

static int l_idiv(lua_State *L)
{
    return compute(L, LUA_OPIDIV);
}

static int l_unm(lua_State *L)
{
    return compute(L, LUA_OPUNM);
}

static int l_eq(lua_State *L)
{
    const struct exact *a = luaL_testudata(L, 1, TYPE), *b = luaL_testudata(L, 2, TYPE);

    lua_pushboolean(L, a && b && nearest(L, 1) == nearest(L, 2));
    return 1;
}

static int l_lt(lua_State *L)
{
    lua_pushboolean(L, nearest(L, 1) < nearest(L, 2));
    return 1;
}

static int l_le(lua_State *L)
{
    lua_pushboolean(L, nearest(L, 1) <= nearest(L, 2));
    return 1;
}

static int l_tostring(lua_State *L)
{
    const struct exact *e = luaL_checkudata(L, 1, TYPE);

    lua_pushlstring(L, e->digits, e->n);
    return 1;
}

static void push_operand(lua_State *L, int index)
{
    const struct exact *e = luaL_testudata(L, index, TYPE);

    if (e)
        lua_pushlstring(L, e->digits, e->n);
    else
        lua_pushstring(L, luaL_checkstring(L, index));
}

static int l_concat(lua_State *L)
{
    push_operand(L, 1);
    push_operand(L, 2);
    lua_concat(L, 2);
    return 1;
}

static const luaL_Reg methods[] = {
    {"__add", l_add},       {"__sub", l_sub}, {"__mul", l_mul},   {"__div", l_div},
    {"__mod", l_mod},       {"__pow", l_pow}, {"__idiv", l_idiv}, {"__unm", l_unm},
    {"__eq", l_eq},         {"__lt", l_lt},   {"__le", l_le},     {"__tostring", l_tostring},
    {"__concat", l_concat}, {NULL, NULL},
};

void exact_push(lua_State *L, struct span digits)
{
    struct exact *e = lua_newuserdatauv(L, sizeof *e + digits.n + 1, 0);

    e->n = digits.n;
    memcpy(e->digits, digits.p, digits.n);
    e->digits[digits.n] = 0;
    if (luaL_newmetatable(L, TYPE)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushstring(L, TYPE);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
}

struct span exact_digits(lua_State *L, int index)
{
    const struct exact *e = luaL_testudata(L, index, TYPE);
    return e ? (struct span){e->digits, e->n} : (struct span){NULL, 0};
}
