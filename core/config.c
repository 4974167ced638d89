/* config - what baton.lua says, checked and filled in.
 * SPDX-License-Identifier: MIT */
#include "config.h"

#include "file.h"
#include "log.h"
#include "lua_buf.h"
#include "lua_err.h"
#include "lua_json.h"
#include "sandbox.h"
#include "where.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAP_MAX = 64 << 20, STEPS_MAX = 200 * 1000 * 1000, CPU_MS = 2000, FACTS_MAX = 16 << 20 };

#define ANSWER_MAX (64u << 20) /* bytes of a provider's answer */

/* What runs protected: everything that touches Lua. */
struct job {
    struct config *config;
    const char *home, *path, *simulated;
    const struct sources *sources;  /* where configure.lua comes from; NULL: from 'home' */
    struct span text;               /* of the configuration; p is NULL: what stands in 'path' */
    struct span recorded;           /* as in config_load_recorded; p is NULL: none */
    void (*note)(const char *text); /* of an unset variable; NULL: it is an error */
};

/* ---- reading the checked table; it is at the top of the stack ---- */

/* What has no memory must not pass for what is not said: no key, no certificate. */
static void *check_memory(lua_State *L, void *made)
{
    if (!made)
        luaL_error(L, "out of memory");
    return made;
}

/* NULL: there is none. */
static char *take_text(lua_State *L, const char *name)
{
    char *copy = NULL;

    if (lua_getfield(L, -1, name) == LUA_TSTRING)
        copy = check_memory(L, strdup(lua_tostring(L, -1)));
    lua_pop(L, 1);
    return copy;
}

static lua_Integer take_int(lua_State *L, const char *name, lua_Integer otherwise)
{
    lua_Integer i = otherwise;

    if (lua_getfield(L, -1, name) == LUA_TNUMBER)
        i = (lua_Integer)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return i;
}

static bool take_flag(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        explicit_bzero(list[i], strlen(list[i]));
        free(list[i]);
    }
    free(list);
}

/* The texts of the list of that name, into *list and *n, which are empty when it raises. */
static void take_list(lua_State *L, const char *name, char ***list, size_t *n)
{
    lua_getfield(L, -1, name);
    lua_Integer length = luaL_len(L, -1);
    char **made = check_memory(L, calloc((size_t)length + 1, sizeof *made));
    size_t count = 0;
    for (lua_Integer i = 1; i <= length; i++, count++) {
        lua_geti(L, -1, i);
        if (!(made[count] = strdup(lua_tostring(L, -1)))) {
            free_list(made, count);
            check_memory(L, NULL);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    *list = made;
    *n = count;
}

static void take_limits(lua_State *L, struct config *c)
{
    struct http_limits *h = &c->http;

    http_limits_default(h);
    guard_limits_default(&c->task);
    lua_getfield(L, -1, "limits");
    h->body_max = (size_t)take_int(L, "body", (lua_Integer)h->body_max);
    h->header_max = (size_t)take_int(L, "header_bytes", (lua_Integer)h->header_max);
    h->header_count = (int)take_int(L, "headers", h->header_count);
    h->line_max = (size_t)take_int(L, "request_line", (lua_Integer)h->line_max);
    h->connections_max = (int)take_int(L, "connections", h->connections_max);
    h->header_timeout_ms = (int)take_int(L, "header_timeout_ms", h->header_timeout_ms);
    h->body_timeout_ms = (int)take_int(L, "body_timeout_ms", h->body_timeout_ms);
    h->idle_timeout_ms = (int)take_int(L, "idle_timeout_ms", h->idle_timeout_ms);
    h->write_timeout_ms = (int)take_int(L, "write_timeout_ms", h->write_timeout_ms);
    c->task.slice_ms = (int)take_int(L, "cpu_slice_ms", c->task.slice_ms);
    c->task.total_ms = (int)take_int(L, "cpu_total_ms", c->task.total_ms);
    c->task.bytes = take_int(L, "task_bytes", c->task.bytes);
    c->task.calls = (int)take_int(L, "task_calls", c->task.calls);
    c->heap_max = (size_t)take_int(L, "heap_bytes", 512 << 20);
    c->cache_bytes = (size_t)take_int(L, "cache_bytes", CACHE_BYTES);
    c->waiting_max = (size_t)take_int(L, "waiting", 20000);
    c->drain_timeout_ms = (int)take_int(L, "drain_timeout_ms", 30000);
    lua_pop(L, 1);
}

static void take_kv(lua_State *L, struct config *c)
{
    lua_getfield(L, -1, "kv");
    c->kv_bytes = (size_t)take_int(L, "bytes", KV_BYTES);
    lua_pop(L, 1);
}

static double take_number(lua_State *L, const char *name, double otherwise)
{
    double d = otherwise;

    if (lua_getfield(L, -1, name) == LUA_TNUMBER)
        d = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return d;
}

static void take_canary(lua_State *L, struct canary_bounds *b)
{
    canary_bounds_default(b);
    lua_getfield(L, -1, "canary");
    b->window_s = take_number(L, "window", b->window_s);
    b->min_requests = take_number(L, "min_requests", b->min_requests);
    b->error_rate = take_number(L, "error_rate", b->error_rate);
    b->latency = take_number(L, "latency", b->latency);
    b->cost = take_number(L, "cost", b->cost);
    b->promote_after_s = take_number(L, "promote_after", b->promote_after_s);
    lua_pop(L, 1);
}

static void take_breaker(lua_State *L, struct health_bounds *b)
{
    health_bounds_default(b);
    lua_getfield(L, -1, "breaker");
    b->failures = (int)take_int(L, "failures", b->failures);
    b->min_calls = (int)take_int(L, "min_calls", b->min_calls);
    b->error_rate = take_number(L, "error_rate", b->error_rate);
    b->window = take_number(L, "window", b->window);
    b->cooldown = take_number(L, "cooldown", b->cooldown);
    b->max_cooldown = take_number(L, "max_cooldown", b->max_cooldown);
    b->retry_share = take_number(L, "retry_share", b->retry_share);
    b->min_retries = (int)take_int(L, "min_retries", b->min_retries);
    lua_pop(L, 1);
}

static void take_human(lua_State *L, struct config *c)
{
    lua_getfield(L, -1, "human");
    c->human.open_max = (int)take_int(L, "open", 1000);
    c->human.url = take_text(L, "webhook");
    char **headers;
    take_list(L, "headers", &headers, &c->human.header_count);
    c->human.headers = headers;
    c->human_pin_us = take_int(L, "pin_ms", 600000) * 1000;
    lua_pop(L, 1);
}

static void take_provider(lua_State *L, struct config *c, size_t answer_max)
{
    struct provider *p = providers_add(&c->providers);

    check_memory(L, p);
    p->name = take_text(L, "name");
    p->codec = take_text(L, "codec");
    p->base_url = take_text(L, "base_url");
    take_list(L, "keys", &p->keys, &p->key_count);
    take_list(L, "headers", &p->headers, &p->header_count);
    p->timeouts = (struct timeouts){
        .connect_ms = (int)take_int(L, "connect_ms", 0),
        .first_byte_ms = (int)take_int(L, "first_byte_ms", 0),
        .stall_ms = (int)take_int(L, "stall_ms", 0),
        .total_ms = (int)take_int(L, "total_ms", 0),
    };
    p->http2 = take_flag(L, "http2");
    p->simulated = take_flag(L, "simulated");
    p->answer_max = answer_max;
    c->simulated = c->simulated || p->simulated;
}

static void take_providers(lua_State *L, struct config *c)
{
    lua_getfield(L, -1, "limits");
    size_t answer_max = (size_t)take_int(L, "answer", ANSWER_MAX);
    lua_pop(L, 1);
    lua_getfield(L, -1, "providers");
    lua_Integer n = luaL_len(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, -1, i);
        take_provider(L, c, answer_max);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void take_facts(lua_State *L, struct config *c)
{
    struct buf facts;
    struct err err;
    size_t n;

    lua_getfield(L, -1, "facts");
    buf_init(&facts, FACTS_MAX);
    int result = lua_json_encode(L, -1, &facts, &err);
    if (result == 0 && buf_add(&facts, "", 1) < 0)
        result = err_set(&err, ERR_BUDGET, "its facts are larger than %d bytes", FACTS_MAX);
    if (result < 0) {
        buf_deinit(&facts);
        luaL_error(L, "%s (the configuration cannot be handed to scripts)", err.message);
    }
    c->facts = buf_take(&facts, &n);
    lua_pop(L, 1);
}

static void take_catalogue(lua_State *L, struct config *c)
{
    lua_getfield(L, -1, "catalogue");
    c->catalogue.file = take_text(L, "file");
    c->catalogue.dated = take_text(L, "dated");
    c->catalogue.path = take_text(L, "path");
    c->catalogue.count = (int)take_int(L, "count", 0);
    lua_pop(L, 1);
}

static void take_all(lua_State *L, struct config *c)
{
    char *level = take_text(L, "log");

    c->listen = take_text(L, "listen");
    c->log_level = log_level_of(level ? level : "info");
    free(level);
    take_list(L, "keys", &c->keys, &c->key_count);
    lua_getfield(L, -1, "tls");
    c->certificate = take_text(L, "certificate");
    c->key = take_text(L, "key");
    lua_pop(L, 1);
    c->state = take_text(L, "state");
    c->trace_log = take_text(L, "trace_log");
    c->workers = (int)take_int(L, "workers", 0);
    c->watch = take_flag(L, "watch");
    c->watchdog_ms = (int)take_int(L, "watchdog_ms", 10000);
    c->keepalive_us = take_int(L, "keepalive_ms", 15000) * 1000;
    lua_getfield(L, -1, "admin");
    c->admin_listen = take_text(L, "listen");
    c->admin_token = take_text(L, "token");
    lua_pop(L, 1);
    take_limits(L, c);
    take_kv(L, c);
    take_human(L, c);
    take_canary(L, &c->canary);
    take_breaker(L, &c->breaker);
    take_providers(L, c);
    take_catalogue(L, c);
    take_facts(L, c);
}

/* ---- running the file ---- */

static int l_env(lua_State *L)
{
    const struct job *job = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1), *value = getenv(name);

    if (value && *value) {
        lua_pushstring(L, value);
    } else if (!lua_isnone(L, 2)) {
        lua_settop(L, 2);
    } else if (job->note) {
        lua_pushfstring(L, "note: the environment variable %s is not set", name);
        job->note(lua_tostring(L, -1));
        lua_pushliteral(L, "unset");
    } else {
        return luaL_error(L,
                          "the environment variable %s is not set; set it, or give a default: "
                          "env(\"%s\", \"...\")",
                          name, name);
    }
    return 1;
}

/* env(name) for configure.lua: nil where it is not set. */
static int l_getenv(lua_State *L)
{
    const char *value = getenv(luaL_checkstring(L, 1));

    if (!value || !*value)
        return 0;
    lua_pushstring(L, value);
    return 1;
}

static void push_text(lua_State *L, struct span text, const char *name)
{
    if (text.n > CONFIG_MAX)
        luaL_error(L, "%s: larger than %d bytes", name, CONFIG_MAX);
    if (sandbox_load(L, text, name) != LUA_OK)
        lua_error(L);
}

/* The file's bytes, which are in the buffer that it pushes. */
static struct span push_bytes(lua_State *L, const char *path, size_t max)
{
    struct buf *bytes = lua_buf_push(L, max);
    struct err err;

    if (config_read(path, bytes, &err) < 0)
        luaL_error(L, "%s", err.message);
    return buf_span(bytes);
}

static void push_file(lua_State *L, const char *path, const char *name)
{
    push_text(L, push_bytes(L, path, CONFIG_MAX), name);
    lua_remove(L, -2);
}

/* read(name) -> decoded JSON, path. For configure.lua: a file beside the configuration. Raises. */
static int l_read(lua_State *L)
{
    const struct job *job = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1);
    const char *slash = job->path && *name != '/' ? strrchr(job->path, '/') : NULL;
    char path[4096];
    struct err err;

    snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash + 1 - job->path) : 0,
             slash ? job->path : "", name);
    struct span text = push_bytes(L, path, CATALOGUE_MAX);
    if (lua_json_decode(L, text, &err) < 0)
        return luaL_error(L, "%s", err.message);
    lua_pushstring(L, path);
    return 2;
}

/* Pushes the function that scripts/configure.lua returns. */
static void push_configure(lua_State *L, const struct job *job)
{
    static const char name[] = "scripts/configure.lua";
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", job->home, name);
    const struct source *s = job->sources ? sources_find(job->sources, name) : NULL;
    if (s)
        push_text(L, (struct span){s->text, s->n}, name);
    else if (job->sources)
        luaL_error(L, "%s: not found", name);
    else
        push_file(L, path, name);
    lua_call(L, 0, 1);
}

static int l_job(lua_State *L)
{
    const struct job *job = lua_touserdata(L, 1);

    lua_err_open(L);
    sandbox_open(L);
    lua_pushlightuserdata(L, (void *)job);
    lua_pushcclosure(L, l_env, 1);
    sandbox_add(L, "env");
    push_configure(L, job);
    if (job->path) {
        if (job->text.p)
            push_text(L, job->text, job->path);
        else
            push_file(L, job->path, job->path);
        lua_call(L, 0, 1);
        if (!lua_istable(L, -1))
            luaL_error(L, "%s: must return a table: return { ... }", job->path);
    } else {
        lua_pushnil(L);
    }
    lua_pushcfunction(L, l_getenv);
    lua_pushstring(L, job->simulated);
    lua_pushlightuserdata(L, (void *)job);
    lua_pushcclosure(L, l_read, 1);
    if (job->recorded.p)
        lua_json_push(L, job->recorded);
    else
        lua_pushnil(L);
    lua_call(L, 5, 1);
    take_all(L, job->config);
    return 0;
}

/* ---- where a field stands ---- */

int config_read(const char *path, struct buf *text, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), result = 0;

    if (fd < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    if (file_read(fd, text) < 0)
        result = errno == EFBIG
                     ? err_set(err, ERR_BUDGET, "%s: larger than %zu bytes", path, text->max)
                     : err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    close(fd);
    return result;
}

/* Puts "baton.lua:14" before a message about a field, "baton.lua" where the line is not known. The
 * table has no lines, so they are looked for in the text. */
static void name_place(const char *path, struct span text, struct err *err)
{
    int line = text.n > 0 ? where_line(text, err->message) : 0;

    if (line)
        err_prefix(err, "%s:%d", path, line);
    else
        err_prefix(err, "%s", path);
}

static void name_place_in_file(const char *path, struct err *err)
{
    struct err trouble;
    struct buf text;

    buf_init(&text, CONFIG_MAX);
    if (config_read(path, &text, &trouble) < 0)
        buf_deinit(&text);
    name_place(path, buf_span(&text), err);
    buf_deinit(&text);
}

/* What is left to do when the state exists. The guard's error cannot be caught by the file's own pcall. */
static int run_guarded(lua_State *L, struct job *job, struct watchdog *dog, struct guard *guard,
                       struct err *err)
{
    struct guard *before = guard_enter(dog, guard, L);

    lua_pushcfunction(L, l_job);
    lua_pushlightuserdata(L, job);
    int status = lua_pcall(L, 1, 0, 0);
    guard_leave(dog, before);
    if (status == LUA_OK)
        return 0;
    if (status == LUA_ERRMEM)
        err_set(err, ERR_BUDGET, "the configuration takes more than %d bytes of memory", HEAP_MAX);
    else
        lua_err_read(L, -1, err);
    if (job->path && strncmp(err->message, job->path, strlen(job->path)) != 0) {
        if (job->text.p)
            name_place(job->path, job->text, err);
        else
            name_place_in_file(job->path, err);
    }
    config_deinit(job->config);
    return -1;
}

static int run_job(struct job *job, struct err *err)
{
    struct watchdog dog;
    struct heap heap = {.live_max = HEAP_MAX, .dog = &dog};
    struct guard guard = {.limits = {.slice_ms = CPU_MS, .bytes = HEAP_MAX, .steps = STEPS_MAX}};
    int result = -1;

    *job->config = (struct config){0};
    if (watchdog_init(&dog, err) < 0)
        return -1;
    lua_State *L = lua_newstate(heap_alloc, &heap);
    if (L) {
        guard_bind(L, &guard);
        result = run_guarded(L, job, &dog, &guard, err);
        lua_close(L);
    } else {
        err_set(err, ERR_OVERLOADED, "out of memory");
    }
    watchdog_deinit(&dog);
    return result;
}

const char *config_path(const char *path)
{
    return path ? path : access("baton.lua", F_OK) == 0 ? "baton.lua" : NULL;
}

/* Takes "configuration: " off the message; false when it does not begin so. */
static bool is_about_config(struct err *err)
{
    static const char prefix[] = "configuration: ";
    struct err old = *err;

    if (strncmp(err->message, prefix, sizeof prefix - 1) != 0)
        return false;
    err_set(err, old.code, "%s", old.message + sizeof prefix - 1);
    return true;
}

void config_blame(const char *path, struct err *err)
{
    path = config_path(path);
    if (path && is_about_config(err))
        name_place_in_file(path, err);
}

void config_blame_text(const char *name, struct span text, struct err *err)
{
    if (name && is_about_config(err))
        name_place(name, text, err);
}

int config_load(struct config *c, const char *home, const char *path, const char *simulated,
                void (*note)(const char *text), struct err *err)
{
    struct job job = {
        .config = c, .home = home, .path = config_path(path), .simulated = simulated, .note = note};

    return run_job(&job, err);
}

int config_load_text(struct config *c, const struct sources *sources, const char *name,
                     struct span text, const char *simulated, struct err *err)
{
    struct job job = {.config = c,
                      .home = "",
                      .path = text.p ? name : NULL,
                      .simulated = simulated,
                      .sources = sources,
                      .text = text};

    return run_job(&job, err);
}

/* No model is called, so no key is needed. */
static void ignore_note(const char *text)
{
    (void)text;
}

int config_load_recorded(struct config *c, const struct sources *sources, const char *name,
                         struct span text, struct span recorded, struct err *err)
{
    struct job job = {.config = c,
                      .home = "",
                      .path = text.p ? name : NULL,
                      .sources = sources,
                      .text = text,
                      .recorded = recorded,
                      .note = ignore_note};

    return run_job(&job, err);
}

void config_deinit(struct config *c)
{
    free(c->listen);
    free((char *)c->human.url);
    free_list((char **)c->human.headers, c->human.header_count);
    free_list(c->keys, c->key_count);
    if (c->admin_token)
        explicit_bzero(c->admin_token, strlen(c->admin_token));
    free(c->admin_token);
    free(c->admin_listen);
    free(c->state);
    free(c->trace_log);
    free(c->catalogue.file);
    free(c->catalogue.dated);
    free(c->catalogue.path);
    free(c->certificate);
    free(c->key);
    providers_deinit(&c->providers);
    free(c->facts);
    *c = (struct config){0};
}
