/* request - one client's request: from the exchange over its task to the answer, and the line in
 * the log. SPDX-License-Identifier: MIT */
#include "request_private.h"

#include "answer.h"
#include "canary.h"
#include "failure.h"
#include "json.h"
#include "lua_err.h"
#include "request_view.h"
#include "secret.h"
#include "task.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES_MAX = 64 << 10, HEADERS_MAX = SINK_FIELDS_MAX + 12 };

/* ---- the answer's head ---- */

/* Header lines under construction; texts that are made here live in 'text'. */
struct head {
    struct http_header lines[HEADERS_MAX];
    size_t n;
    char attempts[16], cost[32], retry[24], retry_ms[24];
};

static void add(struct head *h, const char *name, const char *value)
{
    if (h->n < HEADERS_MAX && *value)
        h->lines[h->n++] = (struct http_header){name, value};
}

/* What every answer says of how it came about. Cost and attempts are known only at the end of a
 * stream. */
static void add_story(struct request *r, struct head *h, bool whole)
{
    add(h, "x-request-id", r->id);
    add(h, "x-baton-trace", r->ledger.id);
    add(h, "x-baton-policy", r->ledger.policy);
    add(h, "x-baton-model", r->ledger.model);
    if (whole && r->ledger.attempts) {
        snprintf(h->attempts, sizeof h->attempts, "%d", r->ledger.attempts);
        snprintf(h->cost, sizeof h->cost, "%.9g", r->ledger.cost);
        add(h, "x-baton-attempts", h->attempts);
        add(h, "x-baton-cost-usd", h->cost);
    }
    if (r->ledger.simulated)
        add(h, "x-baton-simulated", "true");
}

static void add_given(const struct sink_head *given, struct head *h)
{
    add(h, "content-type", given->content_type);
    for (size_t i = 0; i < given->n; i++)
        add(h, given->fields[i].name, given->fields[i].value);
}

/* ---- the sink ---- */

static void end_exchange(struct request *r)
{
    r->x = NULL;
}

static void sink_reply(struct sink *s, const struct sink_head *given, struct span body)
{
    struct request *r = (struct request *)s;
    struct head h = {.n = 0};

    if (!r->x)
        return;
    r->status = given->status;
    r->bytes = body.n;
    add_given(given, &h);
    add_story(r, &h, true);
    http_reply(r->x, given->status, h.lines, h.n, body.p, body.n);
    end_exchange(r);
}

static void sink_start(struct sink *s, const struct sink_head *given)
{
    struct request *r = (struct request *)s;
    struct head h = {.n = 0};

    if (!r->x)
        return;
    r->status = given->status;
    r->streaming = true;
    add_given(given, &h);
    add(&h, "cache-control", "no-cache");
    add(&h, "x-accel-buffering", "no"); /* proxies before us must not gather the events */
    add_story(r, &h, false);
    http_reply_start(r->x, given->status, h.lines, h.n);
}

static void sink_send(struct sink *s, struct span bytes)
{
    struct request *r = (struct request *)s;

    if (!r->x)
        return;
    if (!r->first_us)
        r->first_us = r->w->fx->mono_us(r->w->fx);
    r->bytes += bytes.n;
    http_reply_send(r->x, bytes.p, bytes.n);
}

static void sink_end(struct sink *s)
{
    struct request *r = (struct request *)s;

    if (!r->x)
        return;
    http_reply_end(r->x);
    end_exchange(r);
}

static bool sink_blocked(const struct sink *s)
{
    const struct request *r = (const struct request *)s;

    return r->x && http_reply_blocked(r->x);
}

static void on_room(struct http_exchange *x, void *arg)
{
    struct request *r = arg;
    sink_room *f = r->on_room;

    (void)x;
    r->on_room = NULL;
    if (f)
        f(r->room_arg);
}

static void sink_on_room(struct sink *s, sink_room *f, void *arg)
{
    struct request *r = (struct request *)s;

    r->on_room = f;
    r->room_arg = arg;
    if (f && r->x)
        http_on_room(r->x, on_room, r);
}

static void fail_in_stream(struct request *r, struct span error)
{
    struct buf event;

    buf_init(&event, error.n + 16);
    buf_puts(&event, "data: ");
    buf_add_span(&event, error);
    buf_puts(&event, "\n\n");
    sink_send(&r->sink, buf_span(&event));
    buf_deinit(&event);
    sink_end(&r->sink);
}

static void fail_whole(struct request *r, const struct sink_failure *f, struct span error)
{
    struct head h = {.n = 0};

    r->status = failure_status(f);
    r->bytes = error.n;
    add(&h, "content-type", "application/json");
    if (f->retry_after >= 0) {
        snprintf(h.retry, sizeof h.retry, "%lld", (long long)(f->retry_after + 0.999));
        snprintf(h.retry_ms, sizeof h.retry_ms, "%lld", (long long)(f->retry_after * 1000));
        add(&h, "retry-after", h.retry);
        add(&h, "retry-after-ms", h.retry_ms);
    }
    if (!f->retryable)
        add(&h, "x-should-retry", "false");
    add_story(r, &h, true);
    http_reply(r->x, r->status, h.lines, h.n, error.p, error.n);
    end_exchange(r);
}

static void sink_fail(struct sink *s, const struct sink_failure *f)
{
    struct request *r = (struct request *)s;
    struct buf error;

    r->code = f->err.code;
    if (!r->x)
        return;
    buf_init(&error, 16 << 10);
    failure_write(&error, f);
    if (r->streaming)
        fail_in_stream(r, buf_span(&error));
    else
        fail_whole(r, f, buf_span(&error));
    buf_deinit(&error);
}

static const struct sink sink_functions = {
    .reply = sink_reply,
    .start = sink_start,
    .send = sink_send,
    .end = sink_end,
    .blocked = sink_blocked,
    .on_room = sink_on_room,
    .fail = sink_fail,
};

/* ---- the end ---- */

static void request_free(struct request *r)
{
    request_note(r);
    list_remove(&r->node);
    buf_deinit(&r->ledger.notes);
    free(r->body);
    free(r);
}

static void fail_now(struct request *r, const struct err *err, const char *param)
{
    struct sink_failure f = {
        .err = *err, .retry_after = -1, .retryable = lua_err_retryable(err->code)};

    snprintf(f.param, sizeof f.param, "%s", param);
    sink_fail(&r->sink, &f);
}

/* A policy's fault is told with the policy's name; the message has file and line. */
static void on_task_end(struct task *t, const struct err *err)
{
    struct request *r = t->arg;
    struct err full;

    r->task = NULL;
    if (err) {
        full = *err;
        if (r->ledger.policy[0])
            err_prefix(&full, "policy '%.*s'", (int)strcspn(r->ledger.policy, "@"),
                       r->ledger.policy);
        if (full.code == ERR_NOT_FOUND)
            full.code = ERR_INTERNAL; /* what the policy did not find, the client has not named */
        r->code = full.code;
        if (r->code != ERR_CANCELLED)
            log_write(&r->w->log, LOG_WARN, "a policy failed",
                      (struct log_field[]){log_text("trace", r->ledger.id),
                                           log_text("error", full.message),
                                           log_text("limit", guard_limit_name(r->ledger.limit))},
                      r->ledger.limit ? 3 : 2);
    } else if (r->x) {
        err_set(&full, ERR_INTERNAL, "the engine's scripts ended without an answer");
    }
    if (r->x)
        fail_now(r, &full, "");
    request_free(r);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct request *r = arg;
    struct err err;

    (void)x;
    r->x = NULL;
    r->code = ERR_CANCELLED;
    err_set(&err, ERR_CANCELLED, "the client went away");
    if (r->task)
        task_cancel(r->task, &err); /* frees r */
}

/* ---- the task ---- */

static int after_serve(lua_State *L, int status, lua_KContext ctx)
{
    (void)L;
    (void)status;
    (void)ctx;
    return 0;
}

/* The task's body; the request comes as light userdata. */
static int l_serve(lua_State *L)
{
    struct request *r = lua_touserdata(L, 1);
    int n = 2;

    generation_require(L, "serve");
    lua_getfield(L, -1, r->door ? "request" : "models");
    if (r->door) {
        request_view_push(L, (struct span){r->body, r->body_len});
        free(r->body);
        r->body = NULL;
        answer_push(L, &r->sink);
        lua_pushstring(L, r->door);
        lua_pushboolean(L, r->debug);
        n = 4;
    } else {
        answer_push(L, &r->sink);
        lua_pushstring(L, r->model_id);
    }
    lua_callk(L, n, 0, 0, after_serve);
    return 0;
}

/* Whose requests stay together when a share of them goes to another generation: those of one session, else of one
 * user (the body's "user"), else of one key, else each for itself. */
static struct span who_asks(const struct request *r)
{
    static const char *const keys[] = {"authorization", "x-api-key", "api-key", "x-goog-api-key"};
    const char *text = http_header(r->x, "x-session-id");
    struct span user = {NULL, 0};

    if (!text && r->body)
        user = json_member((struct span){r->body, r->body_len}, "user");
    if (user.p && json_type(user) == JSON_STRING)
        return user;
    for (size_t i = 0; !text && i < sizeof keys / sizeof *keys; i++)
        text = http_header(r->x, keys[i]);
    text = text ? text : r->ledger.id;
    return (struct span){text, strlen(text)};
}

static struct load *choose_load(const struct request *r)
{
    const struct worker *w = r->w;

    if (!w->canary)
        return w->front;
    return canary_pick(who_asks(r), (uint64_t)w->canary->serial, w->share) ? w->canary : w->front;
}

static void start_task(struct request *r)
{
    struct err err;

    r->load = choose_load(r);
    r->task = task_new(r->load->g, NULL, &r->ledger, on_task_end, r, &err);
    if (!r->task) {
        fail_now(r, &err, "");
        request_free(r);
        return;
    }
    http_on_gone(r->x, on_gone, r);
    lua_pushcfunction(r->task->L, l_serve);
    lua_pushlightuserdata(r->task->L, r);
    task_start(r->task, 1);
}

/* ---- routes ---- */

static void reject(struct request *r, enum err_code code, const char *param, const char *format,
                   const char *detail)
{
    struct err err;

    err_set(&err, code, format, detail);
    fail_now(r, &err, param);
    request_free(r);
}

/* 4xx with a header field that says what would be right. */
static void refuse(struct request *r, int status, const char *field, const char *value,
                   const struct err *err)
{
    struct sink_failure f = {.err = *err, .retry_after = -1};
    struct sink_head head = {.status = status, .content_type = "application/json"};
    struct buf error;

    buf_init(&error, 2 << 10);
    failure_write(&error, &f);
    head.fields[head.n++] = (struct sink_field){field, value};
    r->code = ERR_BAD_REQUEST;
    sink_reply(&r->sink, &head, buf_span(&error));
    buf_deinit(&error);
    request_free(r);
}

static void refuse_method(struct request *r, const char *allowed)
{
    struct err err;

    err_set(&err, ERR_BAD_REQUEST, "%s does not take %s; use %s", r->path, r->method, allowed);
    refuse(r, 405, "allow", allowed, &err);
}

/* A packed body is not unpacked, and must not be called broken JSON. */
static bool refuse_packed(struct request *r)
{
    const char *coding = http_header(r->x, "content-encoding");
    struct err err;

    if (!coding || !*coding || strcasecmp(coding, "identity") == 0)
        return false;
    err_set(&err, ERR_BAD_REQUEST,
            "the header Content-Encoding: %.40s is not understood; send the body as it is", coding);
    refuse(r, 415, "accept-encoding", "identity", &err);
    return true;
}

static void handle_health(struct request *r, const char *rest)
{
    struct sink_head head = {.status = 200, .content_type = "application/json"};

    (void)rest;
    sink_reply(&r->sink, &head, SPAN("{\"status\":\"ok\"}"));
    request_free(r);
}

static void handle_chat(struct request *r, const char *rest)
{
    struct err err;
    struct span body;

    (void)rest;
    if (refuse_packed(r))
        return;
    r->door = "openai";
    r->body = http_take_body(r->x, &r->body_len);
    body = (struct span){r->body ? r->body : "", r->body_len};
    if (json_check(body, &err) < 0) {
        reject(r, ERR_BAD_REQUEST, "", "the request's body is not valid JSON: %s", err.message);
        return;
    }
    if (json_type(body) != JSON_OBJECT) {
        reject(r, ERR_BAD_REQUEST, "", "the request's body must be a JSON object%s", "");
        return;
    }
    start_task(r);
}

static void handle_models(struct request *r, const char *rest)
{
    http_decode_percent(*rest == '/' ? rest + 1 : rest, r->model_id, sizeof r->model_id);
    start_task(r);
}

struct route {
    const char *method,
        *path; /* without /v1; a path that ends in '/' also stands for all below it */
    bool open; /* needs no key */
    void (*handle)(struct request *r, const char *rest);
};

static const struct route routes[] = {
    {"POST", "/chat/completions", false, handle_chat}, {"GET", "/models", false, handle_models},
    {"GET", "/models/", false, handle_models},         {"GET", "/livez", true, handle_health},
    {"GET", "/healthz", true, handle_health},          {"GET", "/health", true, handle_health},
};

static const char *match(const struct route *route, const char *path)
{
    size_t n = strlen(route->path);

    if (route->path[n - 1] == '/')
        return strncmp(path, route->path, n) == 0 && path[n] ? path + n : NULL;
    return strcmp(path, route->path) == 0 ? "" : NULL;
}

static bool has_key(const struct request *r)
{
    const char *given = http_header(r->x, "authorization");
    const struct config *c = &r->w->front->config;

    if (c->key_count == 0)
        return true;
    if (given && strncasecmp(given, "Bearer ", 7) == 0)
        given += 7;
    else
        given = http_header(r->x, "x-api-key");
    if (!given)
        given = http_header(r->x, "api-key");
    if (!given)
        given = http_header(r->x, "x-goog-api-key");
    bool known = false;
    for (size_t i = 0; given && i < c->key_count; i++)
        known |= secret_is(given, c->keys[i]);
    return known;
}

static void refuse_key(struct request *r)
{
    struct sink_failure f = {
        .retry_after = -1, .type = "invalid_request_error", .provider_code = "invalid_api_key"};
    struct buf error;

    err_set(&f.err, ERR_AUTH,
            "a valid API key is needed: send it as \"Authorization: Bearer KEY\"");
    buf_init(&error, 1 << 10);
    failure_write(&error, &f);
    struct sink_head head = {.status = 401, .content_type = "application/json"};
    head.fields[head.n++] = (struct sink_field){"www-authenticate", "Bearer"};
    head.fields[head.n++] = (struct sink_field){"x-should-retry", "false"};
    r->code = ERR_AUTH;
    sink_reply(&r->sink, &head, buf_span(&error));
    buf_deinit(&error);
    request_free(r);
}

static void dispatch(struct request *r, const char *path)
{
    const char *allowed = NULL;

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const char *rest = match(&routes[i], path);
        if (!rest)
            continue;
        allowed = routes[i].method;
        bool head = strcmp(r->method, "HEAD") == 0 && strcmp(routes[i].method, "GET") == 0;
        if (!head && strcmp(r->method, routes[i].method) != 0)
            continue;
        if (!routes[i].open && !has_key(r)) {
            refuse_key(r);
            return;
        }
        routes[i].handle(r, rest);
        return;
    }
    if (allowed)
        refuse_method(r, allowed);
    else
        reject(r, ERR_NOT_FOUND, "",
               "there is nothing at %s; try /v1/chat/completions or /v1/models", r->path);
}

/* ---- the beginning ---- */

/* The client's id when it can stand in a header and a log, else one of ours. */
static void choose_id(struct request *r)
{
    const char *given = http_header(r->x, "x-request-id");
    size_t n = given ? strlen(given) : 0;
    bool fit = n > 0 && n <= ID_MAX;

    for (size_t i = 0; fit && i < n; i++)
        fit = given[i] > ' ' && given[i] < 127;
    if (fit)
        snprintf(r->id, sizeof r->id, "%s", given);
    else
        snprintf(r->id, sizeof r->id, "req_%.24s", r->ledger.id);
}

void request_handle(struct http_exchange *x, void *arg)
{
    struct worker *w = arg;
    struct request *r = calloc(1, sizeof *r);
    const char *path = http_path(x), *debug = http_header(x, "x-baton-debug");

    if (!r) {
        http_reply(x, 503, NULL, 0, "", 0);
        return;
    }
    r->sink = sink_functions;
    list_append(&w->requests, &r->node);
    r->w = w;
    r->x = x;
    r->started_us = w->fx->mono_us(w->fx);
    r->debug = debug && strcmp(debug, "1") == 0;
    buf_init(&r->ledger.notes, NOTES_MAX);
    snprintf(r->method, sizeof r->method, "%s", http_method(x));
    snprintf(r->path, sizeof r->path, "%s", path);
    snprintf(r->ledger.id, sizeof r->ledger.id, "%016llx%016llx",
             (unsigned long long)w->fx->random(w->fx), (unsigned long long)w->fx->random(w->fx));
    choose_id(r);
    if ((size_t)http_pending(w->http) > w->front->config.waiting_max) {
        reject(r, ERR_OVERLOADED, "", "too many requests are waiting; try again in a moment%s", "");
        return;
    }
    dispatch(r, strncmp(path, "/v1/", 4) == 0 ? path + 3 : path);
}
