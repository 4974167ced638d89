/* bind_call - a call to a provider as scripts hold it: what it can be asked, and waiting for it.
 * SPDX-License-Identifier: MIT */
#include "bind_call.h"

#include "answer.h"
#include "lua_class.h"
#include "lua_err.h"
#include "lua_json.h"
#include "lua_place.h"
#include "stream.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

#define HIDDEN "[key]"

enum { BYTES_PER_TOKEN = 4 }; /* of English text and JSON, about */

static struct box *check_box(lua_State *L)
{
    return luaL_checkudata(L, 1, BOX);
}

static size_t input_of(const struct box *box)
{
    size_t input = box->sent / BYTES_PER_TOKEN;

    return box->prices.context && input > box->prices.context ? box->prices.context : input;
}

/* Providers bill the input of a call that is hung up on, and the output until they notice. */
static void estimate(const struct box *box, struct admission_end *end)
{
    end->input = (double)input_of(box);
    end->output = (double)call_tokens(&box->call);
    end->cost = (end->input * box->prices.input + end->output * box->prices.output) / 1e6;
}

/* Nobody wants the rest: what it has cost so far is booked, then it is closed. Safe when nothing is open. */
static void stop(struct box *box)
{
    struct admission_end end = {
        .outcome = HEALTH_NEUTRAL, .code = "cancelled", .latency = -1, .ttft = -1};

    end.status = box->call.status;
    if (box->call.fx && box->admission.rt && box->ledger) {
        estimate(box, &end);
        end.told = end.estimated = true;
        box->ledger->stopped++;
        box->ledger->stopped_cost += end.cost;
        box->ledger->cost += end.cost;
        box->ledger->input_tokens += (int64_t)end.input;
        box->ledger->output_tokens += (int64_t)end.output;
    }
    admission_end(&box->admission, &end);
    call_deinit(&box->call);
}

static int l_free(lua_State *L)
{
    struct box *box = lua_touserdata(L, 1);

    task_drop_pending(&box->wait);
    task_drop_pending(&box->pending);
    admission_give_up(&box->admission);
    call_deinit(&box->call);
    buf_deinit(&box->body);
    buf_wipe(&box->head);
    return 0;
}

/* The request is over, or nobody wants the call's result. Who still waits learns that it was closed. */
void box_abort(struct pending *p)
{
    struct box *box = LIST_ENTRY(p, struct box, pending);

    stop(box);
    if (box->waiter)
        task_wake(box->waiter);
}

/* The waiting task has ended; the call may go on. */
static void abort_wait(struct pending *p)
{
    struct box *box = LIST_ENTRY(p, struct box, wait);

    box->waiter = NULL;
    call_stop_forwarding(&box->call);
}

void box_end_wait(struct box *box)
{
    task_drop_pending(&box->wait);
    box->waiter = NULL;
}

int box_wait(lua_State *L, struct box *box, lua_KFunction k)
{
    if (!lua_isyieldable(L))
        return lua_place_error(
            L, "cannot wait here: not while a file is loaded, in a metamethod or in "
               "the comparison of table.sort");
    if (box->waiter && box->waiter != task_of(L))
        return lua_place_error(L, "another task already waits on this stream");
    if (!box->waiter) {
        box->waiter = task_of(L);
        task_add_pending(box->waiter, &box->wait, abort_wait);
    }
    return task_wait(L, 0, k);
}

int box_closed(lua_State *L)
{
    struct err err;

    err_set(&err, ERR_CANCELLED, "the stream was closed before its end");
    return lua_err_fail(L, &err);
}

void box_name_provider(const struct provider *p, struct err *err)
{
    const char *host = strstr(p->base_url, "://") + 3;
    size_t n = strcspn(host, "/");

    if (strncmp(err->message, host, n) != 0)
        return;
    struct err old = *err;
    const char *rest = old.message + n;
    if (rest[0] == ':' && isdigit((unsigned char)rest[1])) /* the port that base_url left out */
        rest += 1 + strspn(rest + 1, "0123456789");
    err_set(err, old.code, "provider '%s'%s", p->name, rest);
}

/* ---- what a call can be asked ---- */

/* call:header(name) -> text | nil. Of the provider's answer. */
static int l_header(lua_State *L)
{
    struct span value = call_header(&check_box(L)->call, luaL_checkstring(L, 2));

    if (!value.p)
        return 0;
    lua_pushlstring(L, value.p, value.n);
    return 1;
}

/* call:times() -> seconds to the first content (nil when there was none), seconds to the end (or
 * until now). */
static int l_times(lua_State *L)
{
    struct call *c = &check_box(L)->call;
    struct effect *fx = generation_of(L)->rt->fx;
    int64_t end = c->ended_us ? c->ended_us : fx->mono_us(fx);

    if (c->first_us)
        lua_pushnumber(L, (lua_Number)(c->first_us - c->started_us) / 1e6);
    else
        lua_pushnil(L);
    lua_pushnumber(L, (lua_Number)(end - c->started_us) / 1e6);
    return 2;
}

/* call:report(outcome, code, wait, input, cached, output, cost): how it went, in the end, for the model's health and
 * the metrics. Once; a call that was made without a model, or was reported, passes it over. outcome: "ok", "model"
 * (its fault), "wait" (it asked for 'wait' seconds, 0: it did not say), "quota" (the key did), "key" (which was
 * refused), "nobody". code: "ok" or the error's. Then tokens and USD. */
static int l_report(lua_State *L)
{
    static const char *const outcomes[] = {"nobody", "ok",  "model", "wait",
                                           "quota",  "key", NULL}; /* as enum health_outcome */
    struct box *box = check_box(L);
    struct call *c = &box->call;
    struct admission_end end = {
        .outcome = (enum health_outcome)luaL_checkoption(L, 2, NULL, outcomes),
        .code = luaL_checkstring(L, 3),
        .wait = luaL_optnumber(L, 4, 0),
        .input = luaL_optnumber(L, 5, 0),
        .cached = luaL_optnumber(L, 6, 0),
        .output = luaL_optnumber(L, 7, 0),
        .cost = luaL_optnumber(L, 8, 0),
        .told = lua_gettop(L) > 4,
        .status = c->status,
        .latency = c->ended_us ? (double)(c->ended_us - c->started_us) / 1e6 : -1,
        .ttft = c->stream && c->first_us ? (double)(c->first_us - c->started_us) / 1e6 : -1,
    };

    admission_end(&box->admission, &end);
    return 0;
}

/* call:usage() -> the last values of the stream at the wire's paths of usage, decoded, each or nil. */
static int l_usage(lua_State *L)
{
    struct call *c = &check_box(L)->call;

    for (int i = 0; i < WIRE_USAGES; i++)
        if (c->usage[i].len)
            lua_json_push(L, buf_span(&c->usage[i]));
        else
            lua_pushnil(L);
    return WIRE_USAGES;
}

/* Puts [key] in the place of the key wherever it stands; the bytes get no more. */
static size_t hide(char *text, size_t n, const char *key)
{
    size_t k = strlen(key);
    char *to = text, *from = text, *end = text + n, *p;

    if (k < sizeof HIDDEN - 1)
        return n;
    while ((p = memmem(from, (size_t)(end - from), key, k))) {
        memmove(to, from, (size_t)(p - from));
        to += p - from;
        memcpy(to, HIDDEN, sizeof HIDDEN - 1);
        to += sizeof HIDDEN - 1;
        from = p + k;
    }
    memmove(to, from, (size_t)(end - from));
    return (size_t)(to - text) + (size_t)(end - from);
}

size_t box_hide_keys(const struct provider *p, char *text, size_t n)
{
    for (size_t i = 0; i < p->key_count && n; i++)
        n = hide(text, n, p->keys[i]);
    return n;
}

/* call:spent() -> tokens of the input and of what the stream has said so far, estimated. */
static int l_spent(lua_State *L)
{
    struct box *box = check_box(L);

    lua_pushinteger(L, (lua_Integer)input_of(box));
    lua_pushinteger(L, (lua_Integer)call_tokens(&box->call));
    return 2;
}

/* call:excerpt(answer?) -> text | nil: how an answer began that made no sense, or the event that did; at most 200 bytes,
 * and the provider's keys are not in it. */
static int l_excerpt(lua_State *L)
{
    struct box *box = check_box(L);
    struct span from = buf_span(&box->call.odd);
    char text[LOOKED_AT];

    if (!from.n)
        from.p = luaL_optlstring(L, 2, "", &from.n);
    size_t n = from.n < LOOKED_AT ? from.n : LOOKED_AT;
    if (n == 0)
        return 0;
    memcpy(text, from.p, n);
    n = box_hide_keys(box->provider, text, n);
    lua_pushlstring(L, text, n < EXCERPT ? n : EXCERPT);
    return 1;
}

/* call:streaming() -> is it a stream whose events are still to be taken? */
static int l_streaming(lua_State *L)
{
    struct call *c = &check_box(L)->call;

    lua_pushboolean(L, c->stream && c->fx);
    return 1;
}

static int push_stream_error(lua_State *L, struct box *box)
{
    struct call *c = &box->call;

    box_name_provider(box->provider, &c->err);
    lua_err_fail(L, &c->err);
    if (c->error_event.len) {
        c->error_event.len = box_hide_keys(box->provider, c->error_event.data, c->error_event.len);
        lua_pushlstring(L, c->error_event.data, c->error_event.len);
        lua_setfield(L, -2, "event");
    }
    return 2;
}

/* A stream that a script has put aside cannot be used by another request. */
static void check_owner(lua_State *L, const struct box *box)
{
    if (box->ledger != task_of(L)->ledger)
        lua_place_error(L, "this stream belongs to another request");
}

static int after_next(lua_State *L, int status, lua_KContext ctx)
{
    struct box *box = check_box(L);
    struct span event, data;

    (void)status;
    (void)ctx;
    if (!box->call.fx && !box->call.complete) {
        box_end_wait(box);
        return box_closed(L);
    }
    if (!box->call.fx) {
        box_end_wait(box);
        return 0;
    }
    if (call_next(&box->call, &event, &data)) {
        box_end_wait(box);
        lua_pushlstring(L, data.p, data.n);
        lua_pushlstring(L, event.p, event.n);
        return 2;
    }
    if (!box->call.ended)
        return box_wait(L, box, after_next);
    box_end_wait(box);
    if (box->call.failed)
        return push_stream_error(L, box);
    return 0;
}

/* call:next() -> data, event name of the next event of the stream | nothing at its end | nil, err.
 * Yields. */
static int l_next(lua_State *L)
{
    check_owner(L, check_box(L));
    return after_next(L, LUA_OK, 0);
}

static int after_forward(lua_State *L, int status, lua_KContext ctx)
{
    struct box *box = check_box(L);

    (void)status;
    (void)ctx;
    if (box->call.fx && (!box->call.ended || box->call.taken < box->call.queue.len))
        return box_wait(L, box, after_forward);
    box_end_wait(box);
    if (!box->call.fx && !box->call.complete)
        return box_closed(L);
    call_stop_forwarding(&box->call);
    if (box->call.failed)
        return push_stream_error(L, box);
    lua_pushboolean(L, 1);
    lua_pushboolean(L, box->call.done && !box->call.wire->end_mark[0]);
    return 2;
}

/* call:forward(answer, strip) -> true, ended | nil, err. Lets the events flow to the client as they come (less
 * an end mark that is no JSON, and less the usage that only we asked for), without running Lua for each, until the
 * end. ended: has the client got the event that ends a stream of this format? Yields. */
static int l_forward(lua_State *L)
{
    struct box *box = check_box(L);
    struct sink *sink = answer_sink(L, 2);

    check_owner(L, box);
    if (!box->call.fx || !box->call.stream)
        return luaL_error(L, "the call has no stream to forward");
    if (box->waiter)
        return lua_place_error(L, "another task already waits on this stream");
    box->call.strip_usage = lua_toboolean(L, 3);
    call_forward(&box->call, sink);
    return after_forward(L, LUA_OK, 0);
}

/* call:close(): nobody wants the rest. */
static int l_close(lua_State *L)
{
    struct box *box = check_box(L);

    check_owner(L, box);
    task_drop_pending(&box->pending);
    stop(box);
    if (box->waiter)
        task_wake(box->waiter);
    return 0;
}

void stream_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"header", l_header},
                                       {"times", l_times},
                                       {"usage", l_usage},
                                       {"next", l_next},
                                       {"forward", l_forward},
                                       {"close", l_close},
                                       {"streaming", l_streaming},
                                       {"report", l_report},
                                       {"excerpt", l_excerpt},
                                       {"spent", l_spent},
                                       {NULL, NULL}};

    lua_class_make(L, BOX, methods, l_free);
    wire_open(L);
}
