/* request - one client's request: from the exchange over its task to the answer, and the line in
 * the log. SPDX-License-Identifier: MIT */
#include "request_private.h"

#include "answer.h"
#include "canary.h"
#include "failure.h"
#include "hash.h"
#include "json.h"
#include "lua_err.h"
#include "request_view.h"
#include "secret.h"
#include "task.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES_MAX = 64 << 10 };

/* ---- the end ---- */

static void request_free(struct request *r)
{
    request_trace_end(r);
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
    r->sink.fail(&r->sink, &f);
}

/* For the operator: what failed, the limit that was passed, and the field that sets it. */
static void log_failure(struct request *r, const char *message)
{
    enum guard_limit limit = r->ledger.limit;
    const char *field = guard_limit_field(limit);

    log_write(&r->w->log, LOG_WARN, "a policy failed",
              (struct log_field[]){log_text("trace", r->ledger.id), log_text("error", message),
                                   log_text("limit", guard_limit_name(limit)),
                                   log_text("field", field ? field : "")},
              field   ? 4
              : limit ? 3
                      : 2);
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
            log_failure(r, full.message);
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

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* Header fields of the client that scripts get to see: those that mean something to providers of the same format, who
 * belongs together, and parameters. */
enum { PARAM_BYTES = 64, PARAM_FIELDS = 64 };

static const char param_prefix[] = "x-baton-param-";
static const char *const session_fields[] = {"x-session-id", "x-conversation-id",
                                             "x-claude-code-session-id", NULL};

static const char *session_of(const struct request *r)
{
    const char *text = NULL;

    for (int i = 0; session_fields[i] && !(text && *text); i++)
        text = http_header(r->x, session_fields[i]);
    return text && *text ? text : NULL;
}

/* route.NAME[key] = value; the route is on top of the stack. */
static void add_to(lua_State *L, const char *name, const char *key, const char *value)
{
    if (lua_getfield(L, -1, name) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, name);
    }
    set_text(L, key, value);
    lua_pop(L, 1);
}

static void add_param(lua_State *L, const char *name, const char *value)
{
    char key[PARAM_BYTES + 2];
    size_t n = 0;

    for (; n < sizeof key - 1 && name[n]; n++)
        key[n] = (char)tolower((unsigned char)name[n]);
    key[n] = 0; /* one byte more than a name may have is refused by name */
    add_to(L, "params", key, value);
}

/* The name as scripts know it, or NULL. */
static const char *forwarded(const char *name)
{
    static const char *const names[] = {"anthropic-version", "anthropic-beta", "openai-beta"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return names[i];
    return NULL;
}

static void push_headers(lua_State *L, const struct request *r)
{
    struct http_header h;
    bool session = false;
    int params = 0;

    for (int i = 0; r->x && http_header_at(r->x, i, &h); i++) {
        char first = (char)(h.name[0] | 32);
        if (first == 'x') {
            if (strncasecmp(h.name, param_prefix, sizeof param_prefix - 1) == 0 &&
                params++ < PARAM_FIELDS)
                add_param(L, h.name + sizeof param_prefix - 1, h.value);
            for (int k = 0; session_fields[k] && !session; k++)
                session = strcasecmp(h.name, session_fields[k]) == 0;
        } else if ((first == 'a' || first == 'o') && forwarded(h.name)) {
            add_to(L, "headers", forwarded(h.name), http_header(r->x, h.name));
        }
    }
    if (session && session_of(r))
        set_text(L, "session", session_of(r));
    if (r->caller) {
        lua_pushinteger(L, (lua_Integer)r->caller);
        lua_setfield(L, -2, "caller");
    }
}

/* What the scripts get to know besides the body. */
static void push_route(lua_State *L, const struct request *r)
{
    lua_createtable(L, 0, 8);
    set_text(L, "door", r->door.door);
    if (r->door.page)
        set_text(L, "page", r->door.page);
    if (r->door.model[0])
        set_text(L, "model", r->door.model);
    if (r->door.action[0])
        set_text(L, "action", r->door.action);
    set_text(L, "path", r->path);
    if (r->x && *http_query(r->x))
        set_text(L, "query", http_query(r->x));
    lua_pushboolean(L, r->debug);
    lua_setfield(L, -2, "debug");
    push_headers(L, r);
}

/* The task's body; the request comes as light userdata. serve.request(answer, route, body, view). */
static int l_serve(lua_State *L)
{
    struct request *r = lua_touserdata(L, 1);
    int n = 2;

    generation_require(L, "serve");
    lua_getfield(L, -1, r->door.page ? "page" : "request");
    answer_push(L, &r->sink);
    push_route(L, r);
    if (r->body) {
        lua_pushlstring(L, r->body, r->body_len);
        free(r->body);
        r->body = NULL;
        request_view_push(L, -1);
        n = 4;
    }
    lua_callk(L, n, 0, 0, after_serve);
    return 0;
}

/* Whose requests stay together when a share of them goes to another generation: those of one session, else of one
 * user (the body's "user"), else of one key, else each for itself. */
static struct span who_asks(const struct request *r)
{
    static const char *const keys[] = {"authorization", "x-api-key", "api-key", "x-goog-api-key"};
    const char *text = session_of(r);
    struct span user = {NULL, 0};

    if (!text && r->body)
        user = json_member((struct span){r->body, r->body_len}, "user");
    if (!text && r->body && !user.p) /* Anthropic's */
        user = json_path((struct span){r->body, r->body_len}, "metadata.user_id");
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
    if (r->w->trace.log)
        request_trace_begin(r);
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
    failure_write(&error, &f, r->door.form, r->id);
    head.fields[head.n++] = (struct sink_field){field, value};
    r->code = ERR_BAD_REQUEST;
    r->sink.reply(&r->sink, &head, buf_span(&error));
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

static void answer_health(struct request *r)
{
    struct sink_head head = {.status = 200, .content_type = "application/json"};

    r->sink.reply(&r->sink, &head, SPAN("{\"status\":\"ok\"}"));
    request_free(r);
}

/* For load balancers and watchers; needs no key. */
static bool is_health(const char *path)
{
    static const char *const paths[] = {"/livez", "/healthz", "/health", "/health/liveliness",
                                        "/health/readiness"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(path, paths[i]) == 0)
            return true;
    return false;
}

/* A request with a body: JSON, an object. */
static bool take_body(struct request *r)
{
    struct err err;
    struct span body;

    r->body = http_take_body(r->x, &r->body_len);
    body = (struct span){r->body ? r->body : "", r->body_len};
    if (json_check(body, &err) < 0) {
        reject(r, ERR_BAD_REQUEST, "", "the request's body is not valid JSON: %s", err.message);
        return false;
    }
    if (json_type(body) != JSON_OBJECT) {
        reject(r, ERR_BAD_REQUEST, "", "the request's body must be a JSON object%s", "");
        return false;
    }
    return true;
}

static bool has_key(struct request *r)
{
    const char *given = http_header(r->x, "authorization");
    const struct config *c = &r->w->front->config;

    if (c->key_count == 0)
        return true;
    if (given && strncasecmp(given, "Bearer ", 7) == 0)
        given += 7 + strspn(given + 7, " ");
    else
        given = http_header(r->x, "x-api-key");
    if (!given)
        given = http_header(r->x, "api-key");
    if (!given)
        given = http_header(r->x, "x-goog-api-key");
    static const struct hash_key fixed = {0};
    bool known = false;
    if (given)
        r->caller = hash_bytes(&fixed, (struct span){given, strlen(given)}) | 1;
    for (size_t i = 0; given && i < c->key_count; i++)
        known |= secret_is(given, c->keys[i]);
    return known;
}

static void refuse_key(struct request *r)
{
    struct sink_failure f = {.retry_after = -1,
                             .type = "invalid_request_error",
                             .provider_code = "invalid_api_key",
                             .clients_key = true};
    struct buf error;

    err_set(&f.err, ERR_AUTH,
            "a valid API key is needed: send it as \"Authorization: Bearer KEY\" (or in x-api-key, "
            "x-goog-api-key, api-key)");
    buf_init(&error, 1 << 10);
    failure_write(&error, &f, r->door.form, r->id);
    struct sink_head head = {.status = 401, .content_type = "application/json"};
    head.fields[head.n++] = (struct sink_field){"www-authenticate", "Bearer"};
    head.fields[head.n++] = (struct sink_field){"x-should-retry", "false"};
    r->code = ERR_AUTH;
    r->sink.reply(&r->sink, &head, buf_span(&error));
    buf_deinit(&error);
    request_free(r);
}

static void dispatch(struct request *r, const char *path)
{
    bool get = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;

    if (is_health(path)) {
        if (get)
            answer_health(r);
        else
            refuse_method(r, "GET");
        return;
    }
    door_find(r->method, path, http_header(r->x, "anthropic-version"), &r->door);
    if ((size_t)http_pending(r->w->http) > r->w->front->config.waiting_max) {
        reject(r, ERR_OVERLOADED, "", "too many requests are waiting; try again in a moment%s", "");
        return;
    }
    if (!r->door.door) {
        reject(r, ERR_NOT_FOUND, "",
               "there is nothing at %s; try /v1/chat/completions, /v1/responses, /v1/messages or "
               "/v1/models",
               r->path);
        return;
    }
    if (!get != (strcmp(r->door.allowed, "POST") == 0) ||
        (!get && strcmp(r->method, "POST") != 0)) {
        refuse_method(r, r->door.allowed);
        return;
    }
    if (!has_key(r)) {
        refuse_key(r);
        return;
    }
    if (get || (!refuse_packed(r) && take_body(r)))
        start_task(r);
}

/* ---- the beginning ---- */

static void put_hex(char out[16], uint64_t number)
{
    for (int i = 15; i >= 0; i--, number >>= 4)
        out[i] = "0123456789abcdef"[number & 15];
}

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
    r->sink = request_sink;
    list_append(&w->requests, &r->node);
    r->w = w;
    r->x = x;
    r->started_us = w->fx->mono_us(w->fx);
    r->debug = debug && strcmp(debug, "1") == 0;
    buf_init(&r->ledger.notes, NOTES_MAX);
    snprintf(r->method, sizeof r->method, "%s", http_method(x));
    snprintf(r->path, sizeof r->path, "%s", path);
    for (char *at = r->ledger.id; at < r->ledger.id + 32; at += 16)
        put_hex(at, w->fx->random(w->fx));
    choose_id(r);
    dispatch(r, path);
}
