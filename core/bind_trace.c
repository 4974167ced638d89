/* bind_trace - the module "trace": what a request decided, tried and cost, into its ledger.
 * SPDX-License-Identifier: MIT */
#include "lua_buf.h"
#include "lua_json.h"
#include "modules.h"
#include "story.h"
#include "task.h"

#include <lauxlib.h>
#include <string.h>

enum { RECORD_MAX = 1 << 20 };

static struct ledger *ledger_of(lua_State *L)
{
    struct generation *g = generation_of(L);

    return guard_of(L) == &g->loading ? NULL : task_of(L)->ledger;
}

/* Appends {"KIND":VALUE} to the notes, with its time where the request has a story; a ledger that is full drops it. */
static int add_note(lua_State *L, const char *kind)
{
    struct ledger *ledger = ledger_of(L);
    struct err err;

    luaL_checkany(L, 1);
    if (!ledger)
        return 0;
    struct story *story = ledger->story;
    size_t before = ledger->notes.len;
    buf_puts(&ledger->notes, before ? "," : "[");
    buf_printf(&ledger->notes, "{\"%s\":", kind);
    if (lua_json_encode(L, 1, &ledger->notes, &err) < 0) {
        ledger->notes.len = before;
        if (err.code != ERR_BUDGET)
            return luaL_error(L, "trace.%s: %s", kind, err.message);
        if (story)
            story->notes_left_out++;
        return 0;
    }
    if (story)
        buf_printf(&ledger->notes, ",\"at_ms\":%.3f",
                   story_ms(story, story->fx->mono_us(story->fx)));
    if (buf_puts(&ledger->notes, "}") < 0 || ledger->notes.len + 1 > ledger->notes.max) {
        ledger->notes.len = before;
        if (story)
            story->notes_left_out++;
    }
    return 0;
}

/* nil and false, which replies have for what is not known, are fine. */
static void check_member(lua_State *L, const char *name, int type)
{
    int found = lua_getfield(L, 1, name);

    if (found != type && lua_toboolean(L, -1))
        luaL_error(L, "trace.decide: %s must be a %s, not a %s", name, lua_typename(L, type),
                   lua_typename(L, found));
    lua_pop(L, 1);
}

/* trace.decide{ model =, reason =, confidence =, candidates = }: which model (a name, or another target), and why.
 * candidates: those that were looked at, names or { model =, why = }. Any other member is kept, too. */
static int l_decide(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    check_member(L, "reason", LUA_TSTRING);
    check_member(L, "confidence", LUA_TNUMBER);
    check_member(L, "candidates", LUA_TTABLE);
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

/* trace.detailed() -> does anybody want to know every step of this request? */
static int l_detailed(lua_State *L)
{
    const struct ledger *ledger = ledger_of(L);

    lua_pushboolean(L, ledger && ledger->story);
    return 1;
}

static void keep_json(lua_State *L, int index, struct buf *out)
{
    struct err err;

    out->len = 0;
    if (!lua_isnoneornil(L, index) && lua_json_encode(L, index, out, &err) < 0)
        out->len = 0; /* a function among them, say */
}

/* trace.begun(asked, params, overridden?): the model that the client named, what the policy's run gets, and the names of
 * what the caller has set. For those who want to know; serve.lua calls it. */
static int l_begun(lua_State *L)
{
    const struct ledger *ledger = ledger_of(L);
    struct story *story = ledger ? ledger->story : NULL;

    if (!story)
        return 0;
    snprintf(story->asked, sizeof story->asked, "%s", luaL_optstring(L, 1, ""));
    keep_json(L, 2, &story->params);
    keep_json(L, 3, &story->overridden);
    return 0;
}

/* trace.session(hash): the session that the request belongs to, as a number. session.lua calls it. */
static int l_session(lua_State *L)
{
    const struct ledger *ledger = ledger_of(L);
    lua_Integer hash = luaL_checkinteger(L, 1);

    if (ledger && ledger->story)
        ledger->story->session = (uint64_t)hash;
    return 0;
}

/* trace.record() -> the request's record so far, as the trace log has it, or nil when nobody wants to know. */
static int l_record(lua_State *L)
{
    struct ledger *ledger = ledger_of(L);

    if (!ledger || !ledger->story)
        return 0;
    struct buf *out = lua_buf_push(L, RECORD_MAX);
    buf_puts(out, "{\"v\":1");
    story_write(ledger, out);
    if (buf_puts(out, "}") < 0)
        return luaL_error(L, "out of memory for the record");
    lua_json_push(L, buf_span(out));
    buf_deinit(out);
    return 1;
}

int luaopen_baton_trace(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"decide", l_decide}, {"note", l_note},         {"id", l_id},           {"spend", l_spend},
        {"total", l_total},   {"answered", l_answered}, {"policy", l_policy},   {"begun", l_begun},
        {"record", l_record}, {"detailed", l_detailed}, {"session", l_session}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
