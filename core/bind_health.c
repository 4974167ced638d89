/* bind_health - the module "health": what is known of models at this moment.
 * SPDX-License-Identifier: MIT
 *
 * models.lua stands on it. */
#include "admission.h"
#include "modules.h"

#include <lauxlib.h>

static void set_number(lua_State *L, const char *name, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

/* Unknown quantiles are left out. */
static void set_quantiles(lua_State *L, const char *name, const struct health_quantiles *q)
{
    lua_createtable(L, 0, 3);
    if (q->p50 >= 0) {
        set_number(L, "p50", q->p50);
        set_number(L, "p95", q->p95);
        set_number(L, "p99", q->p99);
    }
    lua_setfield(L, -2, name);
}

/* health.look("provider/model") -> { state = "closed" | "open" | "half_open", forced = "open" | "closed" | nil,
 * failures =, calls =, error_rate =, open_for =, benched =, cooldown =, latency = { p50 =, p95 =, p99 = }, ttft = } */
static int l_look(lua_State *L)
{
    static const char *const forced[] = {NULL, "open", "closed"};
    struct effect *fx = generation_of(L)->rt->fx;
    struct health_view view;

    fx->health(fx, luaL_checkstring(L, 1), &view);
    lua_createtable(L, 0, 10);
    lua_pushstring(L, health_state_name(view.state));
    lua_setfield(L, -2, "state");
    lua_pushstring(L, forced[view.forced]);
    lua_setfield(L, -2, "forced");
    lua_pushinteger(L, view.failures);
    lua_setfield(L, -2, "failures");
    lua_pushboolean(L, view.benched);
    lua_setfield(L, -2, "benched");
    set_number(L, "calls", view.calls);
    set_number(L, "error_rate", view.error_rate);
    set_number(L, "open_for", view.open_for);
    set_number(L, "cooldown", view.cooldown);
    set_quantiles(L, "latency", &view.latency);
    set_quantiles(L, "ttft", &view.ttft);
    return 1;
}

/* health.ready(provider, "provider/model", requests_per_minute?, tokens_per_minute?) -> would it be called now? */
static int l_ready(lua_State *L)
{
    const struct generation *g = generation_of(L);
    const struct provider *p = providers_find(g->providers, luaL_checkstring(L, 1));
    const char *model = luaL_checkstring(L, 2);
    double requests = luaL_optnumber(L, 3, 0), tokens = luaL_optnumber(L, 4, 0);

    lua_pushboolean(L, p && admission_ready(g->rt, p, model, requests, tokens));
    return 1;
}

/* health.retry("provider/model") -> may a call that failed be made again? Then it is counted as a retry. */
static int l_retry(lua_State *L)
{
    struct effect *fx = generation_of(L)->rt->fx;

    lua_pushboolean(L, fx->retry(fx, luaL_checkstring(L, 1)));
    return 1;
}

int luaopen_baton_health(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"look", l_look}, {"ready", l_ready}, {"retry", l_retry}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
