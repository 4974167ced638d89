/* bind_trace - the module "trace": what a request decided, tried and cost, into its ledger.
 * SPDX-License-Identifier: MIT */
#include "lua_json.h"
#include "modules.h"
#include "task.h"

#include <lauxlib.h>
#include <string.h>

static struct ledger *ledger_of(lua_State *L)
{
    struct generation *g = generation_of(L);

    return guard_of(L) == &g->loading ? NULL : task_of(L)->ledger;
}

/* Appends {"KIND":VALUE} to the notes; a ledger that is full drops it. */
static int add_note(lua_State *L, const char *kind)
{
    struct ledger *ledger = ledger_of(L);
    struct err err;

    luaL_checkany(L, 1);
    if (!ledger)
        return 0;
    size_t before = ledger->notes.len;
    buf_puts(&ledger->notes, before ? "," : "[");
    buf_printf(&ledger->notes, "{\"%s\":", kind);
    if (lua_json_encode(L, 1, &ledger->notes, &err) < 0) {
        ledger->notes.len = before;
        if (err.code != ERR_BUDGET)
            return luaL_error(L, "trace.%s: %s", kind, err.message);
        return 0;
    }
    if (buf_puts(&ledger->notes, "}") < 0 || ledger->notes.len + 1 > ledger->notes.max)
        ledger->notes.len = before;
    return 0;
}

/* trace.decide{ model =, reason =, confidence =, candidates = }: which model, and why. */
static int l_decide(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return add_note(L, "decide");
}

/* trace.note(value): anything JSON can hold. */
static int l_note(lua_State *L)
{
    return add_note(L, "note");
}

/* trace.id() -> the request's trace id, "" outside of a request. */
static int l_id(lua_State *L)
{
    struct ledger *ledger = ledger_of(L);

    lua_pushstring(L, ledger ? ledger->id : "");
    return 1;
}

/* trace.spend(usd, input_tokens, output_tokens): books what an attempt cost. */
static int l_spend(lua_State *L)
{
    struct ledger *ledger = ledger_of(L);
    lua_Number usd = luaL_checknumber(L, 1);
    lua_Integer input = luaL_optinteger(L, 2, 0), output = luaL_optinteger(L, 3, 0);

    if (ledger) {
        ledger->cost += usd;
        ledger->input_tokens += input;
        ledger->output_tokens += output;
    }
    return 0;
}

/* trace.answered(model): which "provider/model" the answer comes from. */
static int l_answered(lua_State *L)
{
    struct ledger *ledger = ledger_of(L);
    const char *model = luaL_checkstring(L, 1);

    if (ledger) {
        ledger->model[0] = 0;
        strncat(ledger->model, model, sizeof ledger->model - 1);
    }
    return 0;
}

/* trace.policy(name): which policy runs; the generation's hash is added. */
static int l_policy(lua_State *L)
{
    struct ledger *ledger = ledger_of(L);
    const char *name = luaL_checkstring(L, 1);

    if (ledger)
        snprintf(ledger->policy, sizeof ledger->policy, "%.140s@%s", name, generation_of(L)->hash);
    return 0;
}

/* trace.total() -> { attempts =, cost_usd =, input_tokens =, output_tokens =, policy = its name, stopped = calls
 * that were stopped, stopped_usd = what they cost, estimated and a part of cost_usd } so far. */
static int l_total(lua_State *L)
{
    struct ledger *ledger = ledger_of(L);
    struct ledger none = {0};

    if (!ledger)
        ledger = &none;
    lua_createtable(L, 0, 7);
    lua_pushinteger(L, ledger->stopped);
    lua_setfield(L, -2, "stopped");
    lua_pushnumber(L, ledger->stopped_cost);
    lua_setfield(L, -2, "stopped_usd");
    lua_pushinteger(L, ledger->attempts);
    lua_setfield(L, -2, "attempts");
    lua_pushnumber(L, ledger_cost(ledger));
    lua_setfield(L, -2, "cost_usd");
    lua_pushinteger(L, ledger->input_tokens);
    lua_setfield(L, -2, "input_tokens");
    lua_pushinteger(L, ledger->output_tokens);
    lua_setfield(L, -2, "output_tokens");
    lua_pushlstring(L, ledger->policy, strcspn(ledger->policy, "@"));
    lua_setfield(L, -2, "policy");
    return 1;
}

int luaopen_baton_trace(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"decide", l_decide}, {"note", l_note},         {"id", l_id},         {"spend", l_spend},
        {"total", l_total},   {"answered", l_answered}, {"policy", l_policy}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
