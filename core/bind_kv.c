/* bind_kv - the module "kv": values that all workers share and that survive a reload.
 * SPDX-License-Identifier: MIT */
#include "bind_keep.h"
#include "generation.h"
#include "lua_buf.h"
#include "lua_err.h"
#include "lua_json.h"
#include "modules.h"

#include <lauxlib.h>
#include <math.h>

#define TTL_MAX 315360000.0 /* seconds: ten years */

enum { CAS_TRIES = 8 };

static struct effect *effect_of(lua_State *L)
{
    keep_check_running(L, "kv");
    return generation_of(L)->rt->fx;
}

static struct kv_keep check_keep(lua_State *L, struct effect *fx, int index)
{
    struct keep_options o = keep_options(L, index, TTL_MAX, true);

    return (struct kv_keep){o.ttl_us ? fx->wall_us(fx) + o.ttl_us : 0, o.persist};
}

/* Pushes a buffer with the value's JSON; false when there is none. */
static bool push_json(lua_State *L, struct effect *fx, struct span key, struct buf **out)
{
    *out = lua_buf_push(L, KV_VALUE_MAX);
    int found = fx->kv_get(fx, key, *out);

    if (found < 0)
        luaL_error(L, "not enough memory for a value of kv");
    return found > 0;
}

/* kv.get(key) -> value | nil. 'key': 1 to 256 bytes. */
static int l_get(lua_State *L)
{
    struct effect *fx = effect_of(L);
    struct span key = keep_key(L, 1, KV_KEY_MAX);
    struct buf *b;

    if (!push_json(L, fx, key, &b))
        return 0;
    lua_json_push(L, buf_span(b));
    buf_deinit(b);
    return 1;
}

static int finish(lua_State *L, int result, const struct err *err)
{
    if (result < 0)
        return lua_err_fail(L, err);
    lua_pushboolean(L, result);
    return 1;
}

/* kv.set(key, value, { ttl = seconds, persist = false }?) -> true | nil, err. 'value': what JSON can hold, up to 64 KiB,
 * not nil. Without ttl (up to ten years) it stays until it is deleted. err.code: "budget" when it is too large or kv is
 * full. */
static int l_set(lua_State *L)
{
    struct effect *fx = effect_of(L);
    struct span key = keep_key(L, 1, KV_KEY_MAX);
    struct err err;

    luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "nil cannot be kept: kv.delete(key)");
    struct kv_keep keep = check_keep(L, fx, 3);
    struct buf *b = keep_encode(L, 2, KV_VALUE_MAX, &err);
    if (!b)
        return lua_err_fail(L, &err);
    int result = fx->kv_set(fx, key, buf_span(b), &keep, &err);
    buf_deinit(b);
    return finish(L, result < 0 ? -1 : 1, &err);
}

static struct kv_number check_number(lua_State *L, int index)
{
    struct kv_number n = {.whole = true, .i = 1};

    if (lua_isnoneornil(L, index))
        return n;
    luaL_argexpected(L, lua_type(L, index) == LUA_TNUMBER, index, "number");
    n.whole = lua_isinteger(L, index);
    if (n.whole)
        n.i = lua_tointeger(L, index);
    else
        n.d = lua_tonumber(L, index);
    luaL_argcheck(L, n.whole || isfinite(n.d), index, "the number is not finite");
    return n;
}

/* kv.incr(key, by = 1, { ttl =, persist = }?) -> number | nil, err. Adds in one step, whoever else does; integers stay
 * exact, with a float the sum is one. An absent value counts as 0 and is kept as the options say; they do not change how
 * one that is there is kept. err.code: "bad_request" when the value is no number or the sum is too large, "budget" when
 * kv is full. */
static int l_incr(lua_State *L)
{
    struct effect *fx = effect_of(L);
    struct span key = keep_key(L, 1, KV_KEY_MAX);
    struct kv_number by = check_number(L, 2), sum;
    struct kv_keep keep = check_keep(L, fx, 3);
    struct err err;

    if (fx->kv_incr(fx, key, by, &keep, &sum, &err) < 0)
        return lua_err_fail(L, &err);
    if (sum.whole)
        lua_pushinteger(L, sum.i);
    else
        lua_pushnumber(L, sum.d);
    return 1;
}

/* The bytes that stand there now, if they say what the value at 'index' says: the same value may be spelled in several
 * ways. Pushes a buffer. */
static bool find_spelling(lua_State *L, struct effect *fx, struct span key, int index,
                          struct buf **old)
{
    if (!push_json(L, fx, key, old))
        return lua_isnil(L, index);
    return !lua_isnil(L, index) && lua_json_same(L, index, buf_span(*old));
}

/* Between the look and the change the value may have been spelled anew: then look again. */
static int change(lua_State *L, struct effect *fx, struct span key, struct span value,
                  const struct kv_keep *keep, struct err *err)
{
    int result = 0, top = lua_gettop(L);

    for (int i = 0; i < CAS_TRIES && result == 0; i++) {
        struct buf *old;
        lua_settop(L, top);
        if (!find_spelling(L, fx, key, 2, &old)) {
            buf_deinit(old);
            return 0;
        }
        struct span was = old->len ? buf_span(old) : (struct span){0};
        result = fx->kv_cas(fx, key, was, value, keep, err);
        buf_deinit(old);
    }
    return result;
}

/* kv.cas(key, old, new, { ttl =, persist = }?) -> true | false | nil, err. Sets 'new' if the value is 'old', in one step;
 * old = nil: only if there is none; new = nil: deletes. 1 and 1.0 differ, the order of an object's members does not
 * matter. false: the value is another one. err.code as in kv.set. */
static int l_cas(lua_State *L)
{
    struct effect *fx = effect_of(L);
    struct span key = keep_key(L, 1, KV_KEY_MAX), value = {0};
    struct buf *b = NULL;
    struct err err;

    luaL_argcheck(L, lua_gettop(L) >= 3, 3, "the new value is missing (nil deletes)");
    lua_settop(L, 4);
    struct kv_keep keep = check_keep(L, fx, 4);
    if (!lua_isnil(L, 3)) {
        if (!(b = keep_encode(L, 3, KV_VALUE_MAX, &err)))
            return lua_err_fail(L, &err);
        value = buf_span(b);
    }
    int result = change(L, fx, key, value, &keep, &err);
    if (b)
        buf_deinit(b);
    return finish(L, result, &err);
}

/* kv.delete(key) -> boolean: was there a value? */
static int l_delete(lua_State *L)
{
    struct effect *fx = effect_of(L);

    lua_pushboolean(L, fx->kv_delete(fx, keep_key(L, 1, KV_KEY_MAX)));
    return 1;
}

int luaopen_baton_kv(lua_State *L)
{
    static const luaL_Reg functions[] = {{"get", l_get}, {"set", l_set},       {"incr", l_incr},
                                         {"cas", l_cas}, {"delete", l_delete}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
