/* lua_bounded - steps: counted in portions, charged to whoever keeps the task's budget.
 * SPDX-License-Identifier: MIT */
#include "lua_bounded.h"

#include <lauxlib.h>
#include <limits.h>

enum { PORTION = 1000, SMALL = 16 };

/* The spender's place in the registry is this address: a block that holds the pointer, since ISO C
 * has no way from a function's address to a light userdata. */
static const char spender_key;

void lua_bounded_use(lua_State *L, steps_spend *spend)
{
    steps_spend **block = lua_newuserdatauv(L, sizeof(*block), 0);

    *block = spend;
    lua_rawsetp(L, LUA_REGISTRYINDEX, &spender_key);
}

void lua_bounded_steps(lua_State *L, struct steps *s, long limit)
{
    steps_spend **block = NULL;

    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &spender_key) == LUA_TUSERDATA)
        block = lua_touserdata(L, -1);
    lua_pop(L, 1);
    long portion = limit < PORTION ? limit : PORTION;
    *s = (struct steps){.L = L,
                        .spend = block ? *block : NULL,
                        .left = portion,
                        .portion = portion,
                        .limit = limit};
}

bool steps_end(struct steps *s)
{
    long used = s->portion - s->left;

    s->taken += used;
    s->portion = s->left = 0;
    return used == 0 || !s->spend || s->spend(s->L, used);
}

bool steps_ask(struct steps *s)
{
    bool granted = steps_end(s);

    if (s->taken > s->limit)
        return false;
    s->portion = s->limit - s->taken < PORTION ? s->limit - s->taken : PORTION;
    s->left = s->portion;
    return granted;
}

int lua_bounded_over(lua_State *L, const struct steps *s, const char *what)
{
    if (s->taken > s->limit)
        return luaL_error(L, "%s took too many steps (limit %I)", what, (LUAI_UACINT)s->limit);
    return luaL_error(L, "%s took too many steps (the budget of the task is used up)", what);
}

void lua_bounded_charge(lua_State *L, size_t n, const char *what)
{
    struct steps s;

    lua_bounded_steps(L, &s, STRING_STEPS);
    if (!steps_take(&s, n < LONG_MAX / 2 ? (long)n : LONG_MAX / 2) || !steps_end(&s))
        lua_bounded_over(L, &s, what);
}

/* Calls the standard function in upvalue 1. */
static int call_bounded(lua_State *L)
{
    lua_CFunction standard = lua_tocfunction(L, lua_upvalueindex(1));
    int results = standard(L);
    size_t n = (size_t)results / 4;

    for (int i = 1; i <= results; i++)
        if (lua_type(L, -i) == LUA_TSTRING)
            n += lua_rawlen(L, -i) / STEP_BYTES;
    if (n > SMALL) /* the call itself is some instructions, which the hook counts */
        lua_bounded_charge(L, n, "a library function");
    return results;
}

void lua_bounded_wrap(lua_State *L, const char *const names[])
{
    for (; *names; names++) {
        lua_getfield(L, -1, *names);
        lua_pushcclosure(L, call_bounded, 1);
        lua_setfield(L, -2, *names);
    }
}
