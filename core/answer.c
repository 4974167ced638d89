/* answer - the way back to the client, as scripts see it.
 * SPDX-License-Identifier: MIT */
#include "answer.h"

#include "lua_class.h"
#include "lua_err.h"
#include "task.h"

#include <lauxlib.h>
#include <string.h>

#define METATABLE "baton.answer"

enum answer_state { FRESH, BEGUN, ENDED };

struct answer_box {
    struct sink *sink;
    enum answer_state state;
    struct pending pending; /* while waiting for room */
    struct task *waiter;
};

void answer_push(lua_State *L, struct sink *sink)
{
    struct answer_box *a = lua_newuserdatauv(L, sizeof *a, 0);

    *a = (struct answer_box){.sink = sink};
    luaL_setmetatable(L, METATABLE);
}

static struct answer_box *check(lua_State *L, enum answer_state needed)
{
    static const char *const problems[] = {"has already begun", "has not begun", ""};
    struct answer_box *a = luaL_checkudata(L, 1, METATABLE);

    if (a->state == ENDED)
        luaL_error(L, "the answer has already ended");
    if (a->state != needed)
        luaL_error(L, "the answer %s", problems[needed]);
    return a;
}

struct sink *answer_sink(lua_State *L, int index)
{
    struct answer_box *a = luaL_checkudata(L, index, METATABLE);

    if (a->state != BEGUN)
        luaL_error(L, "the answer has not begun, or has ended");
    return a->sink;
}

/* Arguments status, content type, fields? from index 2. The texts stay on the stack. */
static struct sink_head read_head(lua_State *L)
{
    struct sink_head head = {.status = (int)luaL_checkinteger(L, 2),
                             .content_type = luaL_checkstring(L, 3)};

    luaL_argcheck(L, head.status >= 200 && head.status <= 599, 2, "not a final HTTP status");
    if (lua_isnoneornil(L, 4))
        return head;
    luaL_checktype(L, 4, LUA_TTABLE);
    luaL_checkstack(L, 2 * SINK_FIELDS_MAX + 4, NULL);
    lua_pushnil(L);
    while (lua_next(L, 4)) {
        luaL_argcheck(L, head.n < SINK_FIELDS_MAX, 4, "too many header fields");
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, 4, "a field's name must be a string");
        head.fields[head.n].name = lua_tostring(L, -2);
        head.fields[head.n++].value = luaL_tolstring(L, -1, NULL);
        lua_replace(L, -2); /* the text stays */
        lua_pushvalue(L, -2);
    }
    return head;
}

/* answer:reply(status, content_type, fields?, body): the whole answer. */
static int l_reply(lua_State *L)
{
    struct answer_box *a = check(L, FRESH);
    struct span body;

    lua_settop(L, 5);
    body.p = luaL_checklstring(L, 5, &body.n);
    struct sink_head head = read_head(L);
    a->state = ENDED;
    a->sink->reply(a->sink, &head, body);
    return 0;
}

/* answer:start(status, content_type, fields?): begins a streamed answer. */
static int l_start(lua_State *L)
{
    struct answer_box *a = check(L, FRESH);

    lua_settop(L, 4);
    struct sink_head head = read_head(L);
    a->state = BEGUN;
    a->sink->start(a->sink, &head);
    return 0;
}

static void on_room(void *arg)
{
    struct answer_box *a = arg;

    task_drop_pending(&a->pending);
    task_wake(a->waiter);
}

static void abort_wait(struct pending *p)
{
    struct answer_box *a = LIST_ENTRY(p, struct answer_box, pending);

    a->sink->on_room(a->sink, NULL, NULL);
}

static int after_room(lua_State *L, int status, lua_KContext ctx)
{
    (void)L;
    (void)status;
    (void)ctx;
    return 0;
}

/* answer:send(bytes): a piece of a streamed answer. Yields while the client takes nothing. */
static int l_send(lua_State *L)
{
    struct answer_box *a = check(L, BEGUN);
    struct span bytes;

    bytes.p = luaL_checklstring(L, 2, &bytes.n);
    a->sink->send(a->sink, bytes);
    if (!a->sink->blocked(a->sink) || !lua_isyieldable(L))
        return 0;
    a->waiter = task_of(L);
    task_add_pending(a->waiter, &a->pending, abort_wait);
    a->sink->on_room(a->sink, on_room, a);
    return task_wait(L, 0, after_room);
}

/* answer:keep_alive(content_type, ping): the client waits for a stream. When it has heard nothing for keepalive_after
 * it gets 'ping', a piece of a stream that says nothing. */
static int l_keep_alive(lua_State *L)
{
    struct answer_box *a = check(L, FRESH);
    struct span ping;
    const char *type = luaL_checkstring(L, 2);

    ping.p = luaL_checklstring(L, 3, &ping.n);
    a->sink->keep_alive(a->sink, type, ping);
    return 0;
}

/* answer:finish(): the end of a streamed answer. */
static int l_finish(lua_State *L)
{
    struct answer_box *a = check(L, BEGUN);

    a->state = ENDED;
    a->sink->end(a->sink);
    return 0;
}

static void copy_text(lua_State *L, const char *name, char *out, size_t size)
{
    out[0] = 0;
    lua_pushstring(L, name);
    if (lua_rawget(L, 2) == LUA_TSTRING)
        strncat(out, lua_tostring(L, -1), size - 1);
    lua_pop(L, 1);
}

static double read_number(lua_State *L, const char *name, double otherwise)
{
    lua_pushstring(L, name);
    double d = lua_rawget(L, 2) == LUA_TNUMBER ? lua_tonumber(L, -1) : otherwise;
    lua_pop(L, 1);
    return d;
}

/* answer:fail(err): the error in the door's own form. Before the answer has begun with a real
 * status, afterwards inside the stream, which it ends. */
static int l_fail(lua_State *L)
{
    struct answer_box *a = luaL_checkudata(L, 1, METATABLE);
    struct sink_failure failure = {.retry_after = -1};

    if (a->state == ENDED)
        return luaL_error(L, "the answer has already ended");
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_err_read(L, 2, &failure.err);
    double status = read_number(L, "status", 0);
    failure.status = status >= 100 && status <= 599 ? (int)status : 0;
    failure.retry_after = read_number(L, "retry_after", -1);
    lua_pushliteral(L, "retryable");
    failure.retryable = lua_rawget(L, 2) == LUA_TBOOLEAN ? lua_toboolean(L, -1)
                                                         : lua_err_retryable(failure.err.code);
    lua_pop(L, 1);
    copy_text(L, "type", failure.type, sizeof failure.type);
    copy_text(L, "param", failure.param, sizeof failure.param);
    copy_text(L, "provider_code", failure.provider_code, sizeof failure.provider_code);
    a->state = ENDED;
    a->sink->fail(a->sink, &failure);
    return 0;
}

void answer_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"reply", l_reply},   {"start", l_start}, {"send", l_send}, {"keep_alive", l_keep_alive},
        {"finish", l_finish}, {"fail", l_fail},   {NULL, NULL}};

    lua_class_make(L, METATABLE, methods, NULL);
}
