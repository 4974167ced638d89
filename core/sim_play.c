/* sim_play - plays one planned answer over time, and writes its line to the log.
 * SPDX-License-Identifier: MIT
 *
 * Functions that take a lua_State run inside lua_pcall; what they learn they leave in the play. */
#include "sim_play.h"

#include "lua_json.h"

#include <lauxlib.h>
#include <stdlib.h>

enum { HEADERS_MAX = 16, FIELDS_MAX = 256 * 1024 * 1024 };

enum finish { FINISH_END, FINISH_CUT, FINISH_RESET, FINISH_HANG };

/* One answer on its way: a plan of the scripts and how far it got. */
struct play {
    struct sim_stage *s;
    struct http_exchange *x;
    struct event *timer;
    int plan;        /* registry reference */
    int status;      /* 0: nothing is ever sent */
    double after_ms; /* before the first byte */
    bool whole;      /* plan.body; else plan.next */
    enum finish finish;
    bool started;   /* the head is out */
    bool complete;  /* all that was planned is out */
    bool waiting;   /* plan.pending is to be sent when the timer fires */
    bool over;      /* the scripts have no more pieces */
    double wait_ms; /* of the pending piece */
    size_t bytes;   /* of the body */
};

/* ---- calling the scripts ---- */

/* Runs f(play) protected. -1 after a script's fault, which is logged. */
static int protected_call(struct play *p, lua_CFunction f)
{
    lua_State *L = p->s->L;

    lua_pushcfunction(L, f);
    lua_pushlightuserdata(L, p);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return 0;
    const char *why = lua_tostring(L, -1);
    struct log_field field = log_text("error", why ? why : "no message");
    log_write(&p->s->errors, LOG_ERROR, "sim: a script failed", &field, 1);
    lua_pop(L, 1);
    return -1;
}

static void push_request(lua_State *L, struct http_exchange *x)
{
    struct span body = http_body(x);
    struct http_header h;

    lua_createtable(L, 0, 5);
    lua_pushstring(L, http_method(x));
    lua_setfield(L, -2, "method");
    lua_pushstring(L, http_path(x));
    lua_setfield(L, -2, "path");
    lua_pushstring(L, http_query(x));
    lua_setfield(L, -2, "query");
    lua_pushlstring(L, body.p, body.n);
    lua_setfield(L, -2, "body");
    lua_newtable(L);
    for (int i = 0; http_header_at(x, i, &h); i++) {
        luaL_Buffer b;
        luaL_buffinit(L, &b);
        for (const char *c = h.name; *c; c++)
            luaL_addchar(&b, (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c));
        luaL_pushresult(&b);
        lua_pushstring(L, h.value);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "headers");
}

static enum finish finish_of(lua_State *L, int plan)
{
    static const char *const names[] = {"end", "cut", "reset", "hang", NULL};

    lua_getfield(L, plan, "finish");
    int i = luaL_checkoption(L, -1, "end", names);
    lua_pop(L, 1);
    return (enum finish)i;
}

/* play -> asks the scripts for the plan and reads what the player needs of it. */
static int l_plan(lua_State *L)
{
    struct play *p = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, p->s->server);
    lua_getfield(L, -1, "answer");
    lua_insert(L, -2);
    push_request(L, p->x);
    lua_call(L, 2, 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    p->finish = finish_of(L, lua_gettop(L));
    lua_getfield(L, -1, "status");
    lua_getfield(L, -2, "after");
    lua_getfield(L, -3, "body");
    p->status = (int)luaL_optinteger(L, -3, 0);
    p->after_ms = luaL_optnumber(L, -2, 0);
    p->whole = !lua_isnil(L, -1);
    lua_pop(L, 3);
    p->plan = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* ---- the log, and the end ---- */

/* play, buffer -> the JSON object of what the plan says for the log, in the buffer. */
static int l_fields(lua_State *L)
{
    struct play *p = lua_touserdata(L, 1);
    struct buf *out = lua_touserdata(L, 2);
    struct err err;

    lua_newtable(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, p->plan);
    lua_getfield(L, -1, "model");
    lua_setfield(L, -3, "model");
    lua_getfield(L, -1, "format");
    lua_setfield(L, -3, "format");
    lua_getfield(L, -1, "stream");
    lua_pushboolean(L, lua_toboolean(L, -1));
    lua_setfield(L, -4, "stream");
    lua_pop(L, 1);
    lua_getfield(L, -1, "log");
    lua_pushboolean(L, p->complete);
    lua_call(L, 1, 1);
    lua_pushinteger(L, (lua_Integer)p->bytes);
    lua_setfield(L, -2, "bytes");
    lua_setfield(L, -3, "answered");
    lua_pop(L, 1);
    if (lua_json_encode(L, lua_gettop(L), out, &err) < 0)
        return luaL_error(L, "%s", err.message);
    return 0;
}

static void write_log(struct play *p, bool client_left)
{
    lua_State *L = p->s->L;
    struct buf fields;

    if (!p->s->log || p->plan == LUA_NOREF)
        return;
    buf_init(&fields, FIELDS_MAX);
    lua_pushcfunction(L, l_fields);
    lua_pushlightuserdata(L, p);
    lua_pushlightuserdata(L, &fields);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK) {
        sim_log_write(p->s->log, p->x, buf_span(&fields), client_left);
    } else {
        struct log_field why = log_text("error", lua_tostring(L, -1));
        log_write(&p->s->errors, LOG_ERROR, "sim: a request is not logged", &why, 1);
        lua_pop(L, 1);
    }
    buf_deinit(&fields);
}

static void play_free(struct play *p)
{
    luaL_unref(p->s->L, LUA_REGISTRYINDEX, p->plan);
    if (p->timer)
        event_free(p->timer);
    free(p);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct play *p = arg;

    (void)x;
    write_log(p, true);
    play_free(p);
}

/* The plan is carried out: end as it says. The log comes first, so that a client that has its
 * answer finds the line. */
static void end_play(struct play *p)
{
    p->complete = true;
    if (p->finish == FINISH_HANG)
        return; /* until the client goes */
    write_log(p, false);
    if (p->finish == FINISH_END)
        http_reply_end(p->x);
    else if (p->finish == FINISH_CUT)
        http_reply_abort(p->x);
    else
        http_reply_reset(p->x);
    play_free(p);
}

static void give_up(struct play *p)
{
    static const char body[] = "{\"error\":{\"message\":\"a script of the simulator failed\","
                               "\"type\":\"server_error\",\"param\":null,\"code\":null}}\n";
    static const struct http_header type[] = {{"content-type", "application/json"}};

    if (p->started)
        http_reply_abort(p->x);
    else
        http_reply(p->x, 500, type, 1, body, sizeof body - 1);
    play_free(p);
}

/* ---- playing ---- */

/* The plan's headers; the texts live as long as the plan. */
static size_t read_headers(lua_State *L, int plan, struct http_header *out)
{
    size_t n = 0;

    lua_getfield(L, plan, "headers");
    for (lua_Integer i = 1; n < HEADERS_MAX && lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        out[n++] = (struct http_header){luaL_checkstring(L, -2), luaL_checkstring(L, -1)};
        lua_pop(L, 3);
    }
    lua_pop(L, 2);
    return n;
}

/* play -> sends the head, or the whole answer. */
static int l_begin(lua_State *L)
{
    struct play *p = lua_touserdata(L, 1);
    struct http_header headers[HEADERS_MAX];

    lua_rawgeti(L, LUA_REGISTRYINDEX, p->plan);
    size_t n = read_headers(L, 2, headers);
    if (!p->whole) {
        p->started = true;
        http_reply_start(p->x, p->status, headers, n);
        return 0;
    }
    lua_getfield(L, 2, "body");
    const char *body = luaL_checklstring(L, -1, &p->bytes);
    p->complete = p->over = true;
    write_log(p, false);
    http_reply(p->x, p->status, headers, n, body, p->bytes);
    return 0;
}

/* play -> the next piece is sent, or kept in plan.pending with the time it has to wait. */
static int l_step(lua_State *L)
{
    struct play *p = lua_touserdata(L, 1);
    size_t n;

    lua_rawgeti(L, LUA_REGISTRYINDEX, p->plan);
    lua_getfield(L, 2, "next");
    lua_call(L, 0, 2);
    if (lua_isnil(L, -2)) {
        p->over = true;
        return 0;
    }
    const char *data = luaL_checklstring(L, -1, &n);
    p->wait_ms = luaL_checknumber(L, -2);
    p->waiting = p->wait_ms > 0;
    if (p->waiting) {
        lua_setfield(L, 2, "pending");
        return 0;
    }
    http_reply_send(p->x, data, n);
    p->bytes += n;
    return 0;
}

/* play -> plan.pending is sent. */
static int l_pending(lua_State *L)
{
    struct play *p = lua_touserdata(L, 1);
    size_t n;

    lua_rawgeti(L, LUA_REGISTRYINDEX, p->plan);
    lua_getfield(L, 2, "pending");
    const char *data = luaL_checklstring(L, -1, &n);
    http_reply_send(p->x, data, n);
    p->bytes += n;
    lua_pushnil(L);
    lua_setfield(L, 2, "pending");
    p->waiting = false;
    return 0;
}

static void wait_for(struct play *p, double ms)
{
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000)};

    tv.tv_usec = (suseconds_t)((ms - (double)tv.tv_sec * 1000) * 1000);
    event_add(p->timer, &tv);
}

static void on_room(struct http_exchange *x, void *arg);

/* Sends pieces until one has to wait, the client has to read first, or there are no more. */
static void advance(struct play *p)
{
    for (;;) {
        if (http_reply_blocked(p->x)) {
            http_on_room(p->x, on_room, p);
            return;
        }
        if (protected_call(p, l_step) < 0) {
            give_up(p);
            return;
        }
        if (p->over) {
            end_play(p);
            return;
        }
        if (p->waiting) {
            wait_for(p, p->wait_ms);
            return;
        }
    }
}

static void on_room(struct http_exchange *x, void *arg)
{
    (void)x;
    advance(arg);
}

static void begin(struct play *p)
{
    if (p->status == 0) {
        end_play(p);
        return;
    }
    if (protected_call(p, l_begin) < 0)
        give_up(p);
    else if (p->over)
        play_free(p);
    else
        advance(p);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct play *p = arg;

    (void)fd, (void)what;
    if (!p->started)
        begin(p);
    else if (protected_call(p, l_pending) < 0)
        give_up(p);
    else
        advance(p);
}

/* Nobody will look at the request's body again unless it is logged. */
static void drop_body(struct play *p)
{
    size_t n;

    if (!p->s->log)
        free(http_take_body(p->x, &n));
}

void sim_play(struct sim_stage *s, struct http_exchange *x)
{
    struct play *p = calloc(1, sizeof *p);

    if (!p) {
        http_reply_abort(x);
        return;
    }
    *p = (struct play){.s = s, .x = x, .plan = LUA_NOREF};
    p->timer = evtimer_new(s->base, on_timer, p);
    if (!p->timer || protected_call(p, l_plan) < 0) {
        give_up(p);
        return;
    }
    drop_body(p);
    http_on_gone(x, on_gone, p);
    if (p->after_ms > 0)
        wait_for(p, p->after_ms);
    else
        begin(p);
}
