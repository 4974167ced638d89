/* bind_bandit - the module "bandits": choices, scores and feedback, on the engine's shared table.
 * SPDX-License-Identifier: MIT
 *
 * bandit.lua and feedback.lua stand on it; arguments are in their order, and what is wrong is told as a text for them. */
#include "bind_keep.h"
#include "lua_buf.h"
#include "lua_class.h"
#include "lua_err.h"
#include "lua_json.h"
#include "modules.h"
#include "task.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#define BOX "baton.bandit"

enum { LOOK_MAX = 8 << 20 };

/* A bandit's description with its names. */
struct box {
    struct bandit_spec spec;
    char name[BANDIT_NAME_MAX];
    char arm[BANDIT_ARMS][BANDIT_ARM_MAX], feature[BANDIT_FEATURES][BANDIT_FEATURE_MAX];
};

static struct runtime *runtime_of(lua_State *L)
{
    keep_check_running(L, "bandit");
    return generation_of(L)->rt;
}

static const struct bandit_spec *spec_at(lua_State *L, int index)
{
    return &((struct box *)luaL_checkudata(L, index, BOX))->spec;
}

static struct span text_at(lua_State *L, int index)
{
    struct span s;

    s.p = luaL_checklstring(L, index, &s.n);
    return s;
}

/* ---- a description ---- */

/* Copies a name; one that is too long only as its length, which bandit_check refuses. */
static struct span keep_name(char *to, size_t max, struct span from)
{
    memcpy(to, from.p, from.n < max ? from.n : max);
    return (struct span){to, from.n};
}

static int refuse(lua_State *L, const char *format, const char *what, int n)
{
    lua_pushnil(L);
    lua_pushfstring(L, format, what, n);
    return 2;
}

/* The list of texts at 'index' of the description; how many, or -1 with a message pushed. */
static int read_list(lua_State *L, const char *member, struct span *names, char *room, size_t each,
                     int max)
{
    lua_Integer n = luaL_len(L, -1);

    if (n < 0 || n > max) { /* a metatable may say anything */
        refuse(L, "%s: there may be %d at most", member, max);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        struct span name;
        if (lua_geti(L, -1, i + 1) != LUA_TSTRING) {
            refuse(L, "%s: number %d is not a string", member, i + 1);
            return -1;
        }
        name.p = lua_tolstring(L, -1, &name.n);
        names[i] = keep_name(room + (size_t)i * each, each, name);
        lua_pop(L, 1);
    }
    return (int)n;
}

static double number_of(lua_State *L, const char *name)
{
    double d = lua_getfield(L, 1, name) == LUA_TNUMBER ? lua_tonumber(L, -1) : (double)NAN;

    lua_pop(L, 1);
    return d;
}

/* bandits.spec{ name =, linucb = boolean, arms = {}, features = {}, discount =, explore =, prior_a =, prior_b =, alpha =,
 * ridge =, worth = } -> spec | nil, message. All members must be there, of the right types. */
static int l_spec(lua_State *L)
{
    struct err err;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
    memset(box, 0, sizeof *box);
    luaL_setmetatable(L, BOX);
    struct bandit_spec *s = &box->spec;
    lua_getfield(L, 1, "name");
    s->name = keep_name(box->name, sizeof box->name, text_at(L, -1));
    lua_getfield(L, 1, "linucb");
    s->method = lua_toboolean(L, -1) ? BANDIT_LINUCB : BANDIT_THOMPSON;
    lua_getfield(L, 1, "arms");
    s->arms = read_list(L, "arms", s->arm, box->arm[0], BANDIT_ARM_MAX, BANDIT_ARMS);
    if (s->arms < 0)
        return 2;
    lua_getfield(L, 1, "features");
    s->features =
        read_list(L, "features", s->feature, box->feature[0], BANDIT_FEATURE_MAX, BANDIT_FEATURES);
    if (s->features < 0)
        return 2;
    s->discount = number_of(L, "discount");
    s->explore = number_of(L, "explore");
    s->prior_a = number_of(L, "prior_a");
    s->prior_b = number_of(L, "prior_b");
    s->alpha = number_of(L, "alpha");
    s->ridge = number_of(L, "ridge");
    s->worth = number_of(L, "worth");
    if (bandit_check(s, &err) < 0)
        return refuse(L, "%s", err.message, 0);
    lua_settop(L, 2);
    return 1;
}

/* ---- choosing and learning ---- */

static struct span bucket_at(lua_State *L, int index)
{
    struct span s = text_at(L, index);

    if (s.n > BANDIT_BUCKET_MAX || memchr(s.p, 0, s.n))
        luaL_error(L, "a bucket's name has at most %d bytes and no zero byte", BANDIT_BUCKET_MAX);
    return s;
}

/* Features in the description's order. */
static void features_at(lua_State *L, int index, const struct bandit_spec *s, double *x)
{
    luaL_checktype(L, index, LUA_TTABLE);
    for (int i = 0; i < s->features; i++) {
        bool number = lua_geti(L, index, i + 1) == LUA_TNUMBER;
        x[i] = lua_tonumber(L, -1);
        if (!number || !(fabs(x[i]) <= BANDIT_FEATURE_LIMIT))
            luaL_error(L, "feature '%s' must be a number from %d to %d",
                       lua_pushlstring(L, s->feature[i].p, s->feature[i].n),
                       -(int)BANDIT_FEATURE_LIMIT, (int)BANDIT_FEATURE_LIMIT);
        lua_pop(L, 1);
    }
}

static void push_metric(lua_State *L, const struct bandit_spec *s, int arm, const char *labels[2])
{
    labels[0] = lua_pushlstring(L, s->name.p, s->name.n);
    labels[1] = lua_pushlstring(L, s->arm[arm].p, s->arm[arm].n);
}

/* bandits.choose(spec, bucket, features, among, trace) -> arm's position, probability, decision's number | nil, err.
 * features: numbers in the description's order; among: bit i for the arm at position i + 1. */
static int l_choose(lua_State *L)
{
    struct runtime *rt = runtime_of(L);
    const struct bandit_spec *s = spec_at(L, 1);
    struct bandit_context c = {.bucket = bucket_at(L, 2),
                               .among = (uint32_t)luaL_checkinteger(L, 4),
                               .trace = text_at(L, 5)};
    struct bandit_choice choice;
    const char *labels[2];
    struct err err;

    features_at(L, 3, s, c.x);
    luaL_argcheck(L, c.among && !((uint64_t)c.among >> s->arms), 4, "none of the arms");
    luaL_argcheck(L, c.trace.n <= BANDIT_TRACE_MAX, 5, "the trace is too long");
    if (rt->fx->bandit_choose(rt->fx, s, &c, &choice, &err) < 0)
        return lua_err_fail(L, &err);
    if (choice.decision && task_of(L)->ledger)
        task_of(L)->ledger->decided = true;
    push_metric(L, s, choice.arm, labels);
    metrics_add(rt->shared->metrics, METRIC_BANDIT_CHOICES, labels, 1);
    lua_pushinteger(L, choice.arm + 1);
    lua_pushnumber(L, choice.probability);
    lua_pushinteger(L, (lua_Integer)choice.decision);
    return 3;
}

static void count_learned(struct runtime *rt, const char *const labels[2], double reward)
{
    metrics_add(rt->shared->metrics, METRIC_BANDIT_LEARNED, labels, 1);
    metrics_add(rt->shared->metrics, METRIC_BANDIT_REWARD, labels, reward);
}

/* bandits.learn(spec, arm's position, bucket, features, score, cost, decision's number) -> true, or false when it is
 * frozen | nil, err. decision: one that needs no feedback any more, or 0. */
static int l_learn(lua_State *L)
{
    struct runtime *rt = runtime_of(L);
    const struct bandit_spec *s = spec_at(L, 1);
    lua_Integer arm = luaL_checkinteger(L, 2);
    struct bandit_outcome o = {.arm = (int)arm - 1,
                               .bucket = bucket_at(L, 3),
                               .score = luaL_checknumber(L, 5),
                               .cost = luaL_checknumber(L, 6),
                               .decision = (uint64_t)luaL_checkinteger(L, 7)};
    const char *labels[2];
    struct err err;

    luaL_argcheck(L, arm >= 1 && arm <= s->arms, 2, "no such arm");
    features_at(L, 4, s, o.x);
    luaL_argcheck(L, o.score >= 0 && o.score <= 1, 5, "the score must be from 0 to 1");
    luaL_argcheck(L, o.cost >= 0 && isfinite(o.cost), 6, "the cost must be 0 or more");
    int learned = rt->fx->bandit_learn(rt->fx, s, &o, &err);
    if (learned < 0)
        return lua_err_fail(L, &err);
    push_metric(L, s, o.arm, labels);
    if (learned)
        count_learned(rt, labels, bandit_reward(o.score, o.cost, s->worth));
    lua_pushboolean(L, learned);
    return 1;
}

/* bandits.withdraw(decision's number): no feedback is for it. */
static int l_withdraw(lua_State *L)
{
    struct effect *fx = runtime_of(L)->fx;

    fx->bandit_withdraw(fx, (uint64_t)luaL_checkinteger(L, 1));
    return 0;
}

/* bandits.reward(score, cost, worth) -> number, as bandit_reward. */
static int l_reward(lua_State *L)
{
    lua_pushnumber(
        L, bandit_reward(luaL_checknumber(L, 1), luaL_checknumber(L, 2), luaL_checknumber(L, 3)));
    return 1;
}

/* ---- feedback ---- */

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double d)
{
    lua_pushnumber(L, d);
    lua_setfield(L, -2, name);
}

static void push_told(lua_State *L, const struct bandit_told *told)
{
    lua_createtable(L, 0, 7);
    set_text(L, "bandit", told->bandit);
    set_text(L, "arm", told->arm);
    set_text(L, "bucket", told->bucket);
    set_number(L, "probability", told->probability);
    set_number(L, "cost", told->cost);
    set_number(L, "reward", told->reward);
    lua_pushboolean(L, told->learned);
    lua_setfield(L, -2, "learned");
}

static void count_feedback(struct runtime *rt, const char *result)
{
    metrics_add(rt->shared->metrics, METRIC_FEEDBACK, (const char *[]){result}, 1);
}

/* bandits.spent(trace, usd): what the trace's decisions have cost. */
static int l_spent(lua_State *L)
{
    struct effect *fx = runtime_of(L)->fx;

    fx->bandit_spent(fx, text_at(L, 1), luaL_checknumber(L, 2));
    return 0;
}

/* bandits.feedback(trace, score, bandit | nil) -> { decisions =, learned =, repeated =, told = { { bandit =, arm =, bucket
 * =, probability =, cost =, reward =, learned = }, ... } } | nil, err: code "not_found", or "invalid_output" where it has
 * another score already. */
static int l_feedback(lua_State *L)
{
    struct runtime *rt = runtime_of(L);
    struct span trace = text_at(L, 1), name = {0};
    lua_Number score = luaL_checknumber(L, 2);
    struct bandit_feedback f;
    struct err err;

    luaL_argcheck(L, score >= 0 && score <= 1, 2, "the score must be from 0 to 1");
    if (!lua_isnoneornil(L, 3))
        name = text_at(L, 3);
    if (rt->fx->bandit_feedback(rt->fx, trace, name, score, &f, &err) < 0) {
        count_feedback(rt, err.code == ERR_NOT_FOUND ? "unknown" : "conflict");
        return lua_err_fail(L, &err);
    }
    count_feedback(rt, f.repeated ? "repeated" : f.learned ? "learned" : "frozen");
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, f.decisions);
    lua_setfield(L, -2, "decisions");
    lua_pushinteger(L, f.learned);
    lua_setfield(L, -2, "learned");
    lua_pushboolean(L, f.repeated);
    lua_setfield(L, -2, "repeated");
    lua_createtable(L, f.decisions, 0);
    for (int i = 0; i < f.decisions; i++) {
        const char *labels[2] = {f.told[i].bandit, f.told[i].arm};
        push_told(L, &f.told[i]);
        lua_rawseti(L, -2, i + 1);
        if (f.told[i].learned)
            count_learned(rt, labels, f.told[i].reward);
    }
    lua_setfield(L, -2, "told");
    return 1;
}

/* ---- looking after them ---- */

/* bandits.look(name | nil) -> { bandits = { ... } } as the admin API shows it. */
static int l_look(lua_State *L)
{
    struct runtime *rt = runtime_of(L);
    struct span name = {0};
    struct buf *out = lua_buf_push(L, LOOK_MAX);

    if (!lua_isnoneornil(L, 1))
        name = text_at(L, 1);
    if (rt->fx->bandit_look(rt->fx, name, out) < 0)
        return luaL_error(L, "what is known of the bandits is more than %d bytes", LOOK_MAX);
    lua_json_push(L, buf_span(out));
    buf_deinit(out);
    return 1;
}

/* bandits.freeze(name, on) -> how many have that name. */
static int l_freeze(lua_State *L)
{
    struct effect *fx = runtime_of(L)->fx;

    lua_pushinteger(L, fx->bandit_freeze(fx, text_at(L, 1), lua_toboolean(L, 2)));
    return 1;
}

/* bandits.reset(name) -> how many had that name. */
static int l_reset(lua_State *L)
{
    struct effect *fx = runtime_of(L)->fx;

    lua_pushinteger(L, fx->bandit_reset(fx, text_at(L, 1)));
    return 1;
}

/* bandits.loading() -> is a file being loaded? */
static int l_loading(lua_State *L)
{
    lua_pushboolean(L, guard_of(L) == &generation_of(L)->loading);
    return 1;
}

int luaopen_baton_bandits(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"spec", l_spec},       {"choose", l_choose},     {"learn", l_learn},
        {"reward", l_reward},   {"feedback", l_feedback}, {"look", l_look},
        {"freeze", l_freeze},   {"reset", l_reset},       {"spent", l_spent},
        {"loading", l_loading}, {"withdraw", l_withdraw}, {NULL, NULL}};

    lua_class_make(L, BOX, NULL, NULL);
    luaL_newlib(L, functions);
    return 1;
}
