/* bind_timer - the module "timer": background work of a policy set, ended with its generation.
 * SPDX-License-Identifier: MIT
 *
 * A timer that is set while files are loaded waits until its generation serves (generation_start_timers); one that a
 * task sets starts at once, in this worker. Each turn is a root task with its own account. Of a timer that runs on one
 * worker, whoever comes first takes the turn (claims). */
#include "claims.h"
#include "lua_class.h"
#include "lua_err.h"
#include "modules.h"
#include "shared.h"
#include "task.h"
#include "zone.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANDLE "baton.timer"

enum {
    TIMERS_MAX = 1000, /* of one generation, those that tasks set included */
    RUNNING_MAX = 16,  /* turns under way at once in one worker */
    NAME_MAX_BYTES = 100,
    NOTES_MAX = 16 << 10,
    REST_MAX = 300,        /* seconds that a timer rests after failures by a limit, at most */
    SECOND = 1000000,      /* microseconds */
    LOOK_US = 30 * SECOND, /* how often the clock on the wall is looked at, for it may be set */
    RETRY_US = SECOND      /* when there is no room for a turn */
};

#define SECONDS_MAX 31622400.0 /* a year */
#define EVERY_MIN   0.1
#define AFTER_MIN   0.01 /* a timer that sets itself again does not keep the loop busy */

enum kind { AFTER, EVERY, AT };

struct timer {
    struct list node; /* in its generation's list */
    struct generation *g;
    struct timer **handle; /* what the script holds, or NULL */
    enum kind kind;
    bool one; /* one worker of the machine runs each turn */
    uint64_t id;
    char name[NAME_MAX_BYTES + 1];
    int function; /* in the registry */
    int64_t period_us;
    int second; /* AT: after midnight */
    struct zone *zone;
    int64_t base_us; /* EVERY: turn n is due at base + n * period */
    int64_t due_us;  /* monotonic; AT: seconds since 1970 */
    uint64_t turn;
    struct op op;      /* the wait */
    struct task *task; /* the turn under way */
    struct ledger ledger;
    bool claimed;
    int rest;  /* seconds, doubled by each failure by a limit */
    bool over; /* no more turns: it goes when its task has ended */
};

static void plan(struct timer *t);
static void wait_on(struct timer *t);

/* ---- the end ---- */

static void stop_waiting(struct timer *t)
{
    if (t->op.effect)
        t->op.effect->cancel(t->op.effect, &t->op);
}

static void let_go(struct timer *t)
{
    stop_waiting(t);
    list_remove(&t->node);
    t->g->timer_count--;
    if (t->handle)
        *t->handle = NULL;
    luaL_unref(t->g->L, LUA_REGISTRYINDEX, t->function);
    zone_free(t->zone);
    free(t);
}

/* No more turns; the one under way goes on. */
static void end(struct timer *t)
{
    t->over = true;
    stop_waiting(t);
    if (!t->task)
        let_go(t);
}

void generation_retire(struct generation *g)
{
    struct err err;

    g->retired = true;
    err_set(&err, ERR_CANCELLED, "another generation took over");
    for (struct list *node; (node = list_first(&g->timers));) {
        struct timer *t = LIST_ENTRY(node, struct timer, node);
        bool runs = t->task != NULL;
        t->over = true;
        if (runs)
            task_cancel(t->task, &err); /* its end lets the timer go */
        else
            let_go(t);
    }
}

/* ---- a turn ---- */

static struct claims *claims_of(const struct timer *t)
{
    return t->g->rt->shared->claims;
}

static void note(const struct timer *t, enum log_level level, const char *what, const char *why)
{
    log_write(t->g->rt->log, level, what,
              (struct log_field[]){log_text("timer", t->name), log_text("trace", t->ledger.id),
                                   log_text("error", why),
                                   log_text("limit", guard_limit_name(t->ledger.limit))},
              t->ledger.limit   ? 4
              : why             ? 3
              : t->ledger.id[0] ? 2
                                : 1);
}

/* A timer that goes over its limits again and again is left alone for ever longer times. */
static void rest(struct timer *t)
{
    t->rest = t->rest ? t->rest * 2 : 1;
    if (t->rest > REST_MAX)
        t->rest = REST_MAX;
    if (t->kind != EVERY || t->over)
        return;
    stop_waiting(t);
    plan(t);
    wait_on(t);
}

static void count_failure(struct timer *t)
{
    struct metrics *m = t->g->rt->shared->metrics;
    const char *const labels[] = {"(timer)", guard_limit_name(t->ledger.limit)};

    metrics_add(m, METRIC_TASK_FAILURES, NULL, 1);
    if (t->ledger.limit) {
        metrics_add(m, METRIC_LIMIT_HITS, labels, 1);
        rest(t);
    }
}

/* The turn is over, one way or the other. The timer may be gone afterwards. */
static void finish_turn(struct timer *t, const struct err *err)
{
    t->g->timers_running--;
    if (t->claimed)
        claims_end(claims_of(t), t->id, getpid());
    t->claimed = false;
    t->task = NULL;
    if (err && !t->g->retired) {
        note(t, LOG_WARN, "a timer's turn failed", err->message);
        count_failure(t);
    } else {
        t->rest = 0;
    }
    buf_deinit(&t->ledger.notes);
    if (t->over)
        let_go(t);
    else if (t->kind == AFTER)
        end(t);
}

static void on_turn_end(struct task *task, const struct err *err)
{
    finish_turn(task->arg, err);
}

static int after_turn(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 0;
}

/* The task's body. Argument: the timer, as light userdata, which lives as long. */
static int l_turn(lua_State *L)
{
    const struct timer *t = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, t->function);
    lua_callk(L, 0, 0, 0, after_turn);
    return 0;
}

static void begin_ledger(struct timer *t)
{
    struct effect *fx = t->g->rt->fx;

    t->ledger = (struct ledger){.attempts = 0};
    buf_init(&t->ledger.notes, NOTES_MAX);
    snprintf(t->ledger.id, sizeof t->ledger.id, "%016llx%016llx",
             (unsigned long long)fx->random(fx), (unsigned long long)fx->random(fx));
    snprintf(t->ledger.policy, sizeof t->ledger.policy, "timer@%s", t->g->hash);
}

static bool take_turn(struct timer *t, uint64_t turn)
{
    struct effect *fx = t->g->rt->fx;

    if (!t->one ||
        (t->kind == AFTER && !turn)) /* without a number of the load nobody else has it */
        return true;
    switch (claims_take(claims_of(t), t->id, turn, getpid(), fx->mono_us(fx))) {
    case CLAIM_MINE:
        t->claimed = true;
        return true;
    case CLAIM_BUSY:
        note(t, LOG_WARN, "a timer's turn was skipped: the one before still runs", NULL);
        return false;
    case CLAIM_TAKEN:
        break;
    }
    return false;
}

/* Runs that turn. The timer may be gone afterwards. */
static void run(struct timer *t, uint64_t turn)
{
    struct err err;

    if (t->task) {
        note(t, LOG_WARN, "a timer's turn was skipped: the one before still runs", NULL);
        return;
    }
    if (!take_turn(t, turn)) {
        if (t->kind == AFTER)
            end(t);
        return;
    }
    begin_ledger(t);
    t->task = task_new(t->g, NULL, &t->ledger, on_turn_end, t, &err);
    if (!t->task) {
        t->g->timers_running++;
        finish_turn(t, &err);
        return;
    }
    t->g->timers_running++;
    lua_pushcfunction(t->task->L, l_turn);
    lua_pushlightuserdata(t->task->L, t);
    task_start(t->task, 1);
}

/* ---- when ---- */

static int64_t wall_seconds(struct effect *fx)
{
    return fx->wall_us(fx) / SECOND;
}

/* The next turn and when it is due. */
static void plan(struct timer *t)
{
    struct effect *fx = t->g->rt->fx;
    int64_t from = fx->mono_us(fx) + (int64_t)t->rest * SECOND;

    if (t->kind == EVERY) {
        uint64_t turn = (uint64_t)((from - t->base_us) / t->period_us) + 1;
        t->turn = turn > t->turn ? turn : t->turn + 1;
        t->due_us = t->base_us + (int64_t)t->turn * t->period_us;
    } else if (t->kind == AT) {
        t->due_us = zone_next(t->zone, wall_seconds(fx), t->second) * SECOND;
        t->turn = (uint64_t)t->due_us;
    }
}

/* Of the clock that the timer goes by. */
static int64_t now_of(const struct timer *t)
{
    struct effect *fx = t->g->rt->fx;

    return t->kind == AT ? fx->wall_us(fx) : fx->mono_us(fx);
}

static void on_time(struct op *op, const struct answer *a)
{
    struct timer *t = LIST_ENTRY(op, struct timer, op);
    uint64_t turn = t->turn;

    (void)a;
    if (t->kind == AT && now_of(t) < t->due_us) {
        plan(t); /* the clock may have been set back */
        wait_on(t);
    } else if (t->g->timers_running >= RUNNING_MAX && !t->task) {
        t->due_us += RETRY_US;
        wait_on(t);
    } else {
        if (t->kind != AFTER) { /* the next turn is waited for before this one can end everything */
            plan(t);
            wait_on(t);
        }
        run(t, turn);
    }
}

static void wait_on(struct timer *t)
{
    struct effect *fx = t->g->rt->fx;
    int64_t left = t->due_us - now_of(t), most = t->kind == AT ? LOOK_US : INT64_MAX;
    struct ask ask = {.kind = ASK_SLEEP, .sleep_us = left < 0 ? 0 : left > most ? most : left};
    struct err err;

    t->op.on_answer = on_time;
    if (fx->start(fx, &t->op, &ask, &err) < 0)
        note(t, LOG_ERROR, "a timer ends: it cannot wait for its turn", err.message);
}

/* ---- the beginning ---- */

static void begin(struct timer *t)
{
    struct effect *fx = t->g->rt->fx;
    int64_t now = fx->mono_us(fx);

    t->base_us = t->one && t->kind == EVERY ? claims_base(claims_of(t), t->id, now) : now;
    if (t->kind == AFTER) {
        t->due_us = now + t->period_us;
        t->turn = t->g->serial;
    } else {
        plan(t);
    }
    wait_on(t);
}

void generation_start_timers(struct generation *g)
{
    if (g->timers_on || g->retired)
        return;
    g->timers_on = true;
    for (struct list *node = g->timers.next; node != &g->timers; node = node->next) {
        struct timer *t = LIST_ENTRY(node, struct timer, node);
        if (!t->op.effect && !t->task && !t->over)
            begin(t);
    }
}

/* ---- setting one ---- */

static bool is_loading(lua_State *L)
{
    struct generation *g = generation_of(L);

    return guard_of(L) == &g->loading;
}

static uint64_t hash(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 1099511628211u; /* FNV-1a */
    return h;
}

/* "policies/x.lua", the file of the script that calls; and the line. */
static int caller(lua_State *L, char *file, size_t size)
{
    lua_Debug ar;

    snprintf(file, size, "?");
    for (int level = 1; lua_getstack(L, level, &ar); level++)
        if (lua_getinfo(L, "Sl", &ar) && ar.currentline > 0) {
            snprintf(file, size, "%s", ar.short_src);
            return ar.currentline;
        }
    return 0;
}

/* What the table of options says. */
struct options {
    const char *on, *name, *tz; /* NULL: nothing */
};

static void read_option(lua_State *L, const char *name, const char **value)
{
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "timer: the option '%s' must be a string", name);
    *value = lua_tostring(L, -1);
}

static struct options read_options(lua_State *L, int index, enum kind kind)
{
    struct options o = {NULL, NULL, NULL};

    if (lua_isnoneornil(L, index))
        return o;
    luaL_checktype(L, index, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        if (strcmp(key, "on") == 0)
            read_option(L, key, &o.on);
        else if (strcmp(key, "name") == 0)
            read_option(L, key, &o.name);
        else if (strcmp(key, "tz") == 0 && kind == AT)
            read_option(L, key, &o.tz);
        else
            luaL_error(L, "timer: unknown option '%s'", key);
    }
    luaL_argcheck(L, !o.on || strcmp(o.on, "one") == 0 || strcmp(o.on, "each") == 0, index,
                  "on must be \"one\" or \"each\"");
    luaL_argcheck(L, !o.name || (*o.name && strlen(o.name) <= NAME_MAX_BYTES), index,
                  "name must have 1 to 100 bytes");
    luaL_argcheck(L, !(o.on && strcmp(o.on, "one") == 0 && !is_loading(L)), index,
                  "on = \"one\" is for timers that are set while files are loaded");
    return o;
}

static bool name_is_used(const struct generation *g, const char *name)
{
    for (struct list *node = g->timers.next; node != &g->timers; node = node->next)
        if (strcmp(LIST_ENTRY(node, struct timer, node)->name, name) == 0)
            return true;
    return false;
}

/* The same name in every worker, for a timer that is set while files are loaded: they load in the same order. */
static void name_timer(lua_State *L, struct timer *t, const struct options *o)
{
    char file[LUA_IDSIZE];
    int line = caller(L, file, sizeof file);

    if (o->name)
        snprintf(t->name, sizeof t->name, "%s", o->name);
    else if (is_loading(L))
        snprintf(t->name, sizeof t->name, "%.60s:%d #%d", file, line, ++t->g->timer_names);
    else
        snprintf(t->name, sizeof t->name, "%.60s:%d", file, line);
    t->id = hash(14695981039346656037u, t->name, strlen(t->name));
    t->id = hash(t->id, &t->kind, sizeof t->kind);
    t->id = hash(t->id, &t->period_us, sizeof t->period_us);
    t->id = hash(t->id, &t->second, sizeof t->second) | 1;
}

/* Stack: when, function, options. Pushes the handle, or nil, err. Takes the zone over. */
static int set(lua_State *L, struct timer *draft, const struct options *o)
{
    struct generation *g = generation_of(L);
    struct err err;

    if (g->timer_count >= TIMERS_MAX || g->retired) {
        zone_free(draft->zone);
        luaL_unref(L, LUA_REGISTRYINDEX, draft->function);
        if (is_loading(L))
            return luaL_error(L, "more than %d timers", TIMERS_MAX);
        if (g->retired)
            err_set(&err, ERR_CANCELLED, "this generation is being replaced: it takes no timers");
        else
            err_set(&err, ERR_BUDGET, "there are %d timers already", TIMERS_MAX);
        return lua_err_fail(L, &err);
    }
    struct timer *t = malloc(sizeof *t);
    if (!t) {
        zone_free(draft->zone);
        luaL_unref(L, LUA_REGISTRYINDEX, draft->function);
        return luaL_error(L, "out of memory for a timer");
    }
    *t = *draft;
    t->g = g;
    t->one = is_loading(L) && !(o->on && strcmp(o->on, "each") == 0);
    name_timer(L, t, o);
    struct timer **handle = lua_touserdata(L, -1);
    *handle = t;
    t->handle = handle;
    list_append(&g->timers, &t->node);
    g->timer_count++;
    if (!is_loading(L))
        begin(t);
    return 1;
}

/* Checks the function and the options, and prepares what may raise: afterwards the handle is on top of the stack, and
 * the draft refers to the function. */
static struct options prepare(lua_State *L, struct timer *draft)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 3);
    struct options o = read_options(L, 3, draft->kind);
    if (o.name && is_loading(L) && name_is_used(generation_of(L), o.name))
        luaL_error(L, "timer: there is another timer of the name '%s'", o.name);
    struct timer **handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = NULL;
    luaL_setmetatable(L, HANDLE);
    return o;
}

/* Refers to the function: the last thing that may raise. */
static void keep_function(lua_State *L, struct timer *draft)
{
    lua_pushvalue(L, 2);
    draft->function = luaL_ref(L, LUA_REGISTRYINDEX);
}

static int set_seconds(lua_State *L, enum kind kind, double least, const char *complaint)
{
    lua_Number seconds = luaL_checknumber(L, 1);
    struct timer draft = {.kind = kind};

    luaL_argcheck(L, seconds >= (kind == EVERY ? least : 0) && seconds <= SECONDS_MAX, 1,
                  complaint);
    if (seconds < least)
        seconds = least;
    draft.period_us = (int64_t)(seconds * SECOND);
    struct options o = prepare(L, &draft);
    keep_function(L, &draft);
    return set(L, &draft, &o);
}

/* timer.after(seconds, f, opts?) -> timer | nil, err. Calls f once, in a task of its own. */
static int l_after(lua_State *L)
{
    return set_seconds(L, AFTER, AFTER_MIN, "seconds out of range (0 to 31622400)");
}

/* timer.every(seconds, f, opts?) -> timer | nil, err. Calls f again and again; a turn that comes while the one before
 * runs is skipped. */
static int l_every(lua_State *L)
{
    return set_seconds(L, EVERY, EVERY_MIN, "seconds out of range (0.1 to 31622400)");
}

/* "03:00" or "03:00:30" as seconds after midnight; -1. */
static int read_clock(const char *text)
{
    static const int most[] = {23, 59, 59};
    int seconds[3] = {0, 0, 0};
    size_t n = strlen(text);

    if (n != 5 && n != 8)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (i % 3 == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
            return -1;
        if (i % 3 != 2)
            seconds[i / 3] = seconds[i / 3] * 10 + (text[i] - '0');
    }
    for (int i = 0; i < 3; i++)
        if (seconds[i] > most[i])
            return -1;
    return seconds[0] * 3600 + seconds[1] * 60 + seconds[2];
}

/* timer.at("03:00", f, { tz = "Europe/Berlin", ... }?) -> timer | nil, err. Calls f every day when the clocks there show
 * that time (UTC when no zone is given). */
static int l_at(lua_State *L)
{
    struct timer draft = {.kind = AT, .second = read_clock(luaL_checkstring(L, 1))};
    struct err err;

    luaL_argcheck(L, draft.second >= 0, 1, "a time is written \"03:00\" or \"03:00:30\"");
    struct options o = prepare(L, &draft);
    const char *tz = o.tz ? o.tz : "UTC";
    draft.period_us = (int64_t)hash(1, tz, strlen(tz)); /* only for the id */
    keep_function(L, &draft);
    if (!(draft.zone = zone_open(tz, &err))) {
        luaL_unref(L, LUA_REGISTRYINDEX, draft.function);
        return luaL_error(L, "timer.at: %s", err.message);
    }
    return set(L, &draft, &o);
}

/* ---- the handle ---- */

/* timer:cancel() -> was it still to run? A turn that is under way goes on. */
static int l_cancel(lua_State *L)
{
    struct timer **handle = luaL_checkudata(L, 1, HANDLE);
    bool active = *handle && !(*handle)->over;

    if (active)
        end(*handle);
    lua_pushboolean(L, active);
    return 1;
}

static int l_forget(lua_State *L)
{
    struct timer **handle = lua_touserdata(L, 1);

    if (*handle)
        (*handle)->handle = NULL;
    return 0;
}

int luaopen_baton_timer(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"after", l_after}, {"every", l_every}, {"at", l_at}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"cancel", l_cancel}, {NULL, NULL}};

    lua_class_make(L, HANDLE, methods, l_forget);
    luaL_newlib(L, functions);
    return 1;
}
