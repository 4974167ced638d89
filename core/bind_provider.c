/* bind_provider - the module "provider": requests to the configured providers, and what comes back.
 * SPDX-License-Identifier: MIT
 *
 * The library's side of the seam: llm.lua and the codecs stand on it. Keys are added here, in C; no
 * script sees one. */
#include "bind_call.h"
#include "bind_line.h"
#include "glance.h"
#include "json.h"
#include "lua_err.h"
#include "lua_place.h"
#include "modules.h"
#include "request_view.h"
#include "story.h"
#include "stream.h"
#include "task.h"

#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { OPEN_MAX = 64, EXTRA_MAX = 32, BODY_MAX = 256 << 20, HEAD_MAX = 64 << 10 };

#define SECONDS_MIN 0.001
#define SECONDS_MAX 86400.0
#define NUMBER_MAX  1e12

/* Where things stand while a call is made: line:call(out, more). */
enum { LINE_AT = 1, OUT, MORE, BOX_AT };

/* ---- making a request ---- */

static void on_change(struct call *c)
{
    struct box *box = c->arg;

    if (c->stream && c->committed)
        admission_proved(&box->admission);
    if (box->waiter)
        task_wake(box->waiter);
}

/* A field of 'more', which may be nil; -> its type, its value pushed. */
static int more_field(lua_State *L, const char *name)
{
    if (lua_istable(L, MORE))
        return lua_getfield(L, MORE, name);
    lua_pushnil(L);
    return LUA_TNIL;
}

static int ms_field(lua_State *L, const char *name, int otherwise)
{
    if (more_field(L, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return otherwise;
    }
    lua_Number seconds = lua_tonumber(L, -1);
    if (!(seconds > 0 && seconds <= SECONDS_MAX))
        lua_place_error(L, "line:call: %s must be seconds above 0, at most 86400", name);
    lua_pop(L, 1);
    int ms = (int)(seconds * 1000);
    return ms > 0 ? ms : 1;
}

/* A whole number from 1 on; 1 for anything else. */
static int count_field(lua_State *L, const char *name)
{
    more_field(L, name);
    lua_Integer n = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 1;
    lua_pop(L, 1);
    return n < 1 ? 1 : n > INT_MAX ? INT_MAX : (int)n;
}

static void put(lua_State *L, struct box *box, const char *text, bool ends)
{
    if (strpbrk(text, "\r\n"))
        luaL_error(L, "line:call: a header with a line break");
    if (buf_add(&box->head, text, strlen(text) + ends) < 0)
        luaL_error(L, "line:call: the headers are larger than %d bytes", HEAD_MAX);
}

/* What only this call has of header lines, one after the other, each ended by NUL. */
static void read_head(lua_State *L, struct box *box)
{
    int n = 0;

    if (lua_getfield(L, OUT, "headers") == LUA_TTABLE)
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
            if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
                luaL_error(L, "line:call: headers must be names and texts");
            if (++n == EXTRA_MAX) /* the key is one, too */
                luaL_error(L, "line:call: more than %d headers", EXTRA_MAX - 1);
            put(L, box, lua_tostring(L, -2), false);
            put(L, box, ": ", false);
            put(L, box, lua_tostring(L, -1), true);
        }
    lua_pop(L, 1);
}

/* The key's line behind them; the key itself last, so that no larger block leaves a copy of it behind. */
static int add_key(struct box *box, const struct line *line, size_t key, struct err *err)
{
    const char *text = key < line->provider->key_count ? line->provider->keys[key] : NULL;

    if (!text)
        return 0;
    if (strpbrk(text, "\r\n"))
        return err_set(err, ERR_AUTH, "key %zu of provider '%s' has a line break", key + 1,
                       line->provider->name);
    if (buf_puts(&box->head, line->key_name) < 0 || buf_puts(&box->head, ": ") < 0 ||
        buf_puts(&box->head, line->key_prefix) < 0 ||
        buf_add(&box->head, text, strlen(text) + 1) < 0)
        return err_set(err, ERR_BAD_REQUEST, "line:call: the headers are larger than %d bytes",
                       HEAD_MAX);
    return 0;
}

/* Is there a field of that name among the n lines? */
static bool is_among(const char *field, const char *const *lines, size_t n)
{
    size_t name = strcspn(field, ":") + 1;

    for (size_t i = 0; i < n; i++)
        if (strncasecmp(lines[i], field, name) == 0)
            return true;
    return false;
}

/* All header lines of a call; -> how many. What only this call has takes the place of the line's field of that name. */
static size_t all_lines(const struct line *line, const struct box *box,
                        const char *lines[LINE_FIELDS_MAX + EXTRA_MAX])
{
    const char *own[EXTRA_MAX];
    size_t n = 0, extra = 0;

    for (size_t at = 0; at < box->head.len; at += strlen(own[extra++]) + 1)
        own[extra] = box->head.data + at;
    for (size_t i = 0; i < line->field_count; i++)
        if (!is_among(line->fields[i], own, extra))
            lines[n++] = line->fields[i];
    for (size_t i = 0; i < extra; i++)
        lines[n++] = own[i];
    return n;
}

/* The body: a string, or a request with edits. */
static void make_body(lua_State *L, struct box *box)
{
    struct err err;
    int type = lua_getfield(L, OUT, "body"), body = lua_gettop(L);

    if (type == LUA_TSTRING) {
        struct span text;
        text.p = lua_tolstring(L, -1, &text.n);
        if (buf_add_span(&box->body, text) < 0)
            luaL_error(L, "line:call: the body is larger than %d bytes", BODY_MAX);
    } else if (type != LUA_TNIL && request_view_is(L, -1)) {
        bool edits = lua_getfield(L, OUT, "edits") == LUA_TTABLE;
        bool removed = lua_getfield(L, OUT, "removed") == LUA_TTABLE;
        if (request_view_compose(L, body, edits ? body + 1 : 0, removed ? body + 2 : 0, &box->body,
                                 &err) < 0)
            lua_place_error(L, "the request cannot be sent: %s", err.message);
    } else if (type != LUA_TNIL) {
        luaL_error(L, "line:call: body must be a string or a request");
    }
    lua_settop(L, body - 1);
}

/* The fields min_rate, window, max_tokens, max_cost and first_content of the table 'bounds', if there is one. */
static struct call_bounds read_bounds(lua_State *L)
{
    static const char *const names[] = {"min_rate", "window", "max_tokens", "max_cost",
                                        "first_content"};
    static const double most[] = {NUMBER_MAX, SECONDS_MAX, NUMBER_MAX, NUMBER_MAX, SECONDS_MAX};
    double values[5] = {0};

    if (more_field(L, "bounds") == LUA_TTABLE)
        for (int i = 0; i < 5; i++) {
            lua_getfield(L, -1, names[i]);
            values[i] = fmin(fmax(lua_tonumber(L, -1), 0), most[i]); /* of NaN, too */
            lua_pop(L, 1);
        }
    lua_pop(L, 1);
    if (values[1] > 0) /* a window without length would never let the loop go on */
        values[1] = fmax(values[1], SECONDS_MIN);
    return (struct call_bounds){values[0], values[1], values[2], values[3], values[4]};
}

/* The body leaves. */
static void push_body(lua_State *L, struct box *box)
{
    struct buf *b = &box->call.body;

    if (box->call.status >= 400)
        b->len = box_hide_keys(box->provider, b->data, b->len);
    struct span body = buf_span(b);
    lua_pushlstring(L, body.p, body.n);
    buf_deinit(b);
}

/* nil, err, call: the caller still has to report it. */
static int failed(lua_State *L, const struct err *err)
{
    lua_settop(L, 2);
    lua_err_fail(L, err);
    lua_pushvalue(L, 2);
    return 3;
}

static int after_settled(lua_State *L, int status, lua_KContext ctx)
{
    struct box *box = lua_touserdata(L, 2);

    (void)status;
    (void)ctx;
    if (box->call.fx && !call_settled(&box->call))
        return box_wait(L, box, after_settled);
    box_end_wait(box);
    if (!box->call.fx)
        return box_closed(L);
    if (box->call.failed)
        box_name_provider(box->provider, &box->call.err);
    if (box->call.failed && !box->call.error_event.len && !box->call.committed)
        return failed(L, &box->call.err);
    lua_settop(L, 2);
    lua_pushinteger(L, box->call.status);
    if (box->call.error_event.len && !box->call.committed) {
        struct buf *event = &box->call.error_event;
        event->len = box_hide_keys(box->provider, event->data, event->len);
        lua_pushlstring(L, event->data, event->len);
        lua_pushboolean(L, 1);
        return 4;
    }
    if (box->call.stream)
        lua_pushnil(L);
    else
        push_body(L, box);
    return 3;
}

static struct box *new_box(lua_State *L)
{
    struct box *box = lua_newuserdatauv(L, sizeof *box, 1);

    memset((char *)box + sizeof box->call, 0, sizeof *box - sizeof box->call);
    box->call.fx = NULL; /* not started; call_start clears the rest */
    buf_init(&box->body, BODY_MAX);
    buf_init(&box->head, HEAD_MAX);
    luaL_setmetatable(L, BOX);
    return box;
}

/* Bounds the calls of a request, and those one task holds open: each has a connection, which others want. */
static void check_calls(lua_State *L, struct task *t)
{
    int most = t->guard.limits.calls, open = 0;

    if (most && t->ledger && t->ledger->attempts >= most) {
        t->guard.over = GUARD_CALLS;
        guard_raise(L);
    }
    for (struct list *node = t->pendings.next; node != &t->pendings; node = node->next) {
        struct pending *p = LIST_ENTRY(node, struct pending, node);
        open += p->abort == box_abort && LIST_ENTRY(p, struct box, pending)->call.op.effect;
    }
    if (open >= OPEN_MAX)
        luaL_error(L, "more than %d calls are open in one task: read the streams, or close them",
                   OPEN_MAX);
}

/* What the task's deadline leaves of the call's time. -1: nothing. */
static int keep_deadline(const struct generation *g, const struct task *t, struct ask_call *ask,
                         struct err *err)
{
    if (!t->deadline_us)
        return 0;
    int64_t left_ms = (t->deadline_us - g->rt->fx->mono_us(g->rt->fx)) / 1000;
    if (left_ms <= 0)
        return err_set(err, ERR_TIMEOUT, "the deadline has passed: no call is made");
    if (!ask->total_ms || ask->total_ms > left_ms)
        ask->total_ms = left_ms < INT_MAX ? (int)left_ms : INT_MAX;
    return 0;
}

/* What a script says of a call beside its body and header fields. */
struct terms {
    int first_byte_ms, stall_ms, total_ms;
    int choices;
    struct call_bounds bounds;
};

static void read_terms(lua_State *L, const struct provider *p, struct terms *terms)
{
    *terms = (struct terms){
        .first_byte_ms = ms_field(L, "first_byte", p->timeouts.first_byte_ms),
        .stall_ms = ms_field(L, "stall", p->timeouts.stall_ms),
        .total_ms = ms_field(L, "timeout", p->timeouts.total_ms),
        .choices = count_field(L, "choices"),
        .bounds = read_bounds(L),
    };
}

/* The body and the head leave. */
static int start(const struct task *t, struct box *box, const struct line *line,
                 const struct terms *terms, struct err *err)
{
    struct generation *g = t->gen;
    const struct provider *p = line->provider;
    const char *lines[LINE_FIELDS_MAX + EXTRA_MAX];
    struct ask_call ask = {
        .method = line->method,
        .url = line->url,
        .headers = lines,
        .connect_ms = p->timeouts.connect_ms,
        .first_byte_ms = terms->first_byte_ms,
        .stall_ms = terms->stall_ms,
        .total_ms = terms->total_ms,
        .answer_max = p->answer_max,
        .http2 = p->http2,
    };

    if (add_key(box, line, box->admission.ticket.key_index, err) < 0 ||
        keep_deadline(g, t, &ask, err) < 0)
        return -1;
    ask.header_count = all_lines(line, box, lines);
    ask.body = buf_take(&box->body, &ask.body_len);
    box->sent = ask.body_len;
    int started =
        call_start(&box->call, g->rt->fx, &ask, line->wire, line->stream, terms->choices, err);
    buf_wipe(&box->head);
    if (started < 0)
        return -1;
    if (call_bound(&box->call, &terms->bounds, err) == 0)
        return 0;
    call_deinit(&box->call);
    return -1;
}

/* It is not made: what was composed need not wait for the collector. */
static void drop_request(struct box *box)
{
    buf_deinit(&box->body);
    buf_wipe(&box->head);
}

/* Not to be called now: nil, err with 'retry_after' and 'refused', the reason in a word. */
static int refused(lua_State *L, const char *model, const struct health_refusal *refusal)
{
    struct err err;

    health_explain(model, refusal, &err);
    lua_err_fail(L, &err);
    lua_pushstring(L, health_why_name(refusal->why));
    lua_setfield(L, -2, "refused");
    if (refusal->seconds > 0) {
        lua_pushnumber(L, refusal->seconds);
        lua_setfield(L, -2, "retry_after");
    }
    return 2;
}

/* A call that names its model asks first whether it may be made. */
static bool admitted(lua_State *L, struct box *box, const struct line *line,
                     struct health_refusal *refusal)
{
    if (!line->model[0])
        return true;
    return admission_begin(&box->admission, generation_of(L)->rt, line->provider, line->model,
                           line->requests_per_minute, line->tokens_per_minute, line->known,
                           task_of(L)->ledger, refusal) == 0;
}

/* ---- for those who want to know ---- */

static void tell_refused(const struct line *line, struct story *s,
                         const struct health_refusal *refusal)
{
    struct story_attempt attempt = {
        .model = line->model,
        .outcome = "refused",
        .refused = health_why_name(refusal->why),
        .begun_us = s->fx->mono_us(s->fx),
        .ttft = -1,
        .latency = -1,
        .input = -1,
        .output = -1,
        .cost = -1,
    };

    story_add(s, &attempt);
}

/* How the script names the call. */
static void read_names(lua_State *L, struct admission *a)
{
    more_field(L, "label");
    const char *label = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    snprintf(a->label, sizeof a->label, "%s", label);
    lua_pop(L, 1);
    a->retry = count_field(L, "try") - 1;
}

/* From now on the end of the call is told. */
static void follow(struct box *box, const struct line *line, struct story *s)
{
    struct admission *a = &box->admission;

    a->begun_us = box->call.started_us;
    a->stream = line->stream;
    a->story = s;
}

static void check_plain(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    luaL_argcheck(L, !lua_getmetatable(L, index), index,
                  "a plain table is needed, without metatable");
}

/* Line, out, more, box -> line, box: what waits needs no more. */
static int wait_for_it(lua_State *L, struct box *box, struct task *t)
{
    box->call.on_change = on_change;
    box->call.arg = box;
    box->pending.inherited = true;
    task_add_pending(t, &box->pending, box_abort);
    lua_settop(L, BOX_AT);
    lua_replace(L, OUT);
    return box_wait(L, box, after_settled);
}

/* line:call({ body = text | request, edits =, removed = (names), headers = }, more?) -- more: { timeout =, first_byte =,
 * stall = (seconds), choices = 1 (answers asked for), label =, try = (1: the first one): for the trace, bounds = {
 * min_rate = tokens a second, window = seconds, max_tokens =, max_cost = USD (for the error's words), first_content =
 * seconds } of a stream }
 *   -> call, status, body     the answer is here whole (any status)
 *   -> call, status, nil      a stream that has proved alive, or is complete
 *   -> call, 200, error, true the provider sent an error in its stream before any content
 *   -> nil, err, call         no answer, or one that makes no sense
 *   -> nil, err               it was not made: err.refused says why the model is not to be called now
 * Yields. */
static int l_call(lua_State *L)
{
    const struct line *line = line_check(L, LINE_AT);
    struct health_refusal refusal;
    struct terms terms;
    struct err err;

    lua_settop(L, MORE);
    check_plain(L, OUT);
    if (!lua_isnil(L, MORE))
        check_plain(L, MORE);
    if (!lua_isyieldable(L))
        return lua_place_error(
            L, "a model cannot be called here: not while a file is loaded, in a metamethod, or in "
               "a function that string.gsub or table.sort calls");
    struct box *box = new_box(L);
    lua_pushvalue(L, LINE_AT);
    lua_setiuservalue(L, BOX_AT, 1);
    struct task *t = task_of(L);
    check_calls(L, t);
    struct story *story = t->ledger ? t->ledger->story : NULL;
    read_terms(L, line->provider, &terms);
    if (story)
        read_names(L, &box->admission);
    read_head(L, box);
    /* last: nothing that is large waits for the collector when something above raises */
    make_body(L, box);
    /* From here on nothing raises until the call is the task's: a place in its model's breaker would be held. */
    if (!admitted(L, box, line, &refusal)) {
        drop_request(box);
        if (story)
            tell_refused(line, story, &refusal);
        return refused(L, line->model, &refusal);
    }
    if (start(t, box, line, &terms, &err) < 0) {
        admission_give_up(&box->admission);
        drop_request(box);
        return lua_err_fail(L, &err);
    }
    if (t->ledger) {
        t->ledger->attempts++;
        t->ledger->simulated = t->ledger->simulated || line->provider->simulated;
    }
    box->ledger = t->ledger;
    box->provider = line->provider;
    box->prices = line->prices;
    if (story)
        follow(box, line, story);
    return wait_for_it(L, box, t);
}

/* provider.request(text) -> request | nil, err: a view of JSON text, as policies get of a client's
 * body. */
static int l_request(lua_State *L)
{
    struct span text;
    struct err err;

    text.p = luaL_checklstring(L, 1, &text.n);
    if (json_check(text, &err) < 0)
        return lua_err_fail(L, &err);
    luaL_argcheck(L, json_type(text) == JSON_OBJECT, 1, "not a JSON object");
    request_view_push(L, 1);
    return 1;
}

/* provider.glance(body) -> text | nil: what a whole answer in the form of Chat Completions says, one that is JSON, when it
 * has one choice that ended with "stop" and says a text without escapes and nothing else. */
static int l_glance(lua_State *L)
{
    struct span body, text;

    body.p = luaL_checklstring(L, 1, &body.n);
    text = glance_text(body);
    if (!text.p)
        return 0;
    lua_pushlstring(L, text.p + 1, text.n - 2);
    return 1;
}

int luaopen_baton_provider(lua_State *L)
{
    static const luaL_Reg functions[] = {{"line", line_new},
                                         {"wire", wire_new},
                                         {"request", l_request},
                                         {"glance", l_glance},
                                         {"view", request_view_new},
                                         {"native", request_view_native},
                                         {"changes", request_view_changes},
                                         {NULL, NULL}};

    line_open(L, l_call);
    luaL_newlib(L, functions);
    return 1;
}
