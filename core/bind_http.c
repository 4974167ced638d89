/* bind_http - the module "http": requests of scripts to hosts that the operator has allowed.
 * SPDX-License-Identifier: MIT
 *
 * Every step of a fetch, the first and each redirect, passes the same gate: the URL read strictly (fetch_url.h), its
 * host allowed, its address public where the connection is made (address.h, transfer_guard.c). Redirects are followed
 * here and not by the transport, so that none of them escapes. */
#include "call.h"
#include "fetch_url.h"
#include "lua_class.h"
#include "lua_err.h"
#include "lua_place.h"
#include "modules.h"
#include "task.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FETCH "baton.fetch"

enum {
    HEADERS_MAX = 64,
    HEAD_MAX = 64 << 10,
    BODY_MAX = 64 << 20,
    ANSWER_MAX = 64 << 20,
    ANSWER_DEFAULT = 4 << 20,
    REDIRECTS_MAX = 5,
    TIMEOUT_DEFAULT_S = 30,
    TIMEOUT_MAX_S = 3600,
    CONNECT_MS = 10000
};

struct fetch {
    struct call call;
    struct pending pending;
    struct task *task; /* waits; NULL: it was stopped */
    bool media;        /* for media.lua: other rules */
    bool private_too;  /* addresses that are not public are fine */
    struct fetch_url url;
    const char *method; /* static */
    struct buf head;    /* the request's header lines, each ended by NUL */
    struct buf body;
    int redirects_max, redirects; /* left */
    int64_t deadline_us;
    size_t answer_max;
};

/* ---- life ---- */

static void stop(struct fetch *f)
{
    task_drop_pending(&f->pending);
    call_deinit(&f->call);
    buf_wipe(&f->head); /* it may hold a key */
    buf_wipe(&f->body);
    f->task = NULL;
}

static int l_free(lua_State *L)
{
    stop(lua_touserdata(L, 1));
    return 0;
}

static void on_abort(struct pending *p)
{
    struct fetch *f = LIST_ENTRY(p, struct fetch, pending);

    call_deinit(&f->call);
    f->task = NULL;
}

static void on_change(struct call *c)
{
    struct fetch *f = c->arg;

    if (f->task)
        task_wake(f->task);
}

static struct fetch *new_fetch(lua_State *L)
{
    struct fetch *f = lua_newuserdatauv(L, sizeof *f, 0);

    memset(f, 0, sizeof *f);
    list_init(&f->pending.node);
    buf_init(&f->head, HEAD_MAX);
    buf_init(&f->body, BODY_MAX);
    lua_class_give(L, FETCH, NULL, l_free);
    return f;
}

/* ---- options ---- */

static lua_Number number_option(lua_State *L, const char *name, lua_Number otherwise,
                                lua_Number low, lua_Number high)
{
    if (lua_isnil(L, 2) || lua_getfield(L, 2, name) == LUA_TNIL) {
        lua_settop(L, 3);
        return otherwise;
    }
    lua_Number n = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : low - 1;
    lua_settop(L, 3);
    if (!(n >= low && n <= high)) {
        lua_pushfstring(L, "http.fetch: %s must be a number from %f to %f", name, low, high);
        lua_error(L);
    }
    return n;
}

static bool is_known(const char *name)
{
    static const char *const names[] = {"method",    "headers",   "body", "timeout",
                                        "max_bytes", "redirects", NULL};

    for (int i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void check_options(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
        if (lua_type(L, -2) != LUA_TSTRING || !is_known(lua_tostring(L, -2)))
            luaL_error(L, "http.fetch: unknown option '%s'",
                       lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2));
}

/* How a message travels, where it goes and who it passes is not a script's to say. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {"host",
                                        "content-length",
                                        "transfer-encoding",
                                        "connection",
                                        "keep-alive",
                                        "proxy-connection",
                                        "proxy-authorization",
                                        "te",
                                        "trailer",
                                        "upgrade",
                                        "expect",
                                        NULL};

    for (int i = 0; names[i]; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_token(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
            return false;
    return *name != 0;
}

static void add_header(lua_State *L, struct fetch *f, size_t *count)
{
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "http.fetch: headers must be names and texts");
    size_t n;
    const char *name = lua_tostring(L, -2), *value = lua_tolstring(L, -1, &n);
    if (!is_token(name) || strpbrk(value, "\r\n") || strlen(value) != n)
        luaL_error(L, "http.fetch: '%s' is no header that can be sent", name);
    if (is_ours(name))
        luaL_error(L, "http.fetch: the header '%s' is not a script's to set", name);
    if (++*count > HEADERS_MAX || buf_printf(&f->head, "%s: %s", name, value) < 0 ||
        buf_add(&f->head, "", 1) < 0)
        luaL_error(L, "http.fetch: more than %d headers, or %d bytes of them", HEADERS_MAX,
                   HEAD_MAX);
}

static void read_headers(lua_State *L, struct fetch *f)
{
    size_t count = 0;

    if (lua_getfield(L, 2, "headers") != LUA_TNIL) {
        luaL_argcheck(L, lua_istable(L, -1), 2, "headers must be a table");
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
            add_header(L, f, &count);
    }
    lua_settop(L, 3);
}

static void read_body(lua_State *L, struct fetch *f)
{
    struct span body;

    if (lua_getfield(L, 2, "body") != LUA_TNIL) {
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 2, "body must be a string");
        body.p = lua_tolstring(L, -1, &body.n);
        if (buf_add_span(&f->body, body) < 0)
            luaL_error(L, "http.fetch: the body is larger than %d bytes", BODY_MAX);
    }
    lua_settop(L, 3);
}

static void read_method(lua_State *L, struct fetch *f)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL};
    const char *method = f->body.len ? "POST" : "GET";
    int i = 0;

    if (lua_getfield(L, 2, "method") != LUA_TNIL)
        method = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    while (methods[i] && strcmp(method, methods[i]) != 0)
        i++;
    if (!methods[i])
        luaL_error(L, "http.fetch: method must be GET, HEAD, POST, PUT, PATCH or DELETE");
    f->method = methods[i];
    lua_settop(L, 3);
}

/* Stack: url, options or nil, the fetch. */
static void read_options(lua_State *L, struct fetch *f)
{
    struct effect *fx = generation_of(L)->rt->fx;

    f->method = "GET";
    if (!lua_isnil(L, 2)) {
        check_options(L);
        read_headers(L, f);
        read_body(L, f);
        read_method(L, f);
    }
    lua_Number seconds = number_option(L, "timeout", TIMEOUT_DEFAULT_S, 0.001, TIMEOUT_MAX_S);
    f->deadline_us = fx->mono_us(fx) + (int64_t)(seconds * 1e6);
    f->answer_max = (size_t)number_option(L, "max_bytes", ANSWER_DEFAULT, 1, ANSWER_MAX);
    f->redirects_max = (int)number_option(L, "redirects", REDIRECTS_MAX, 0, REDIRECTS_MAX);
    f->redirects = f->redirects_max;
}

/* ---- the gate ---- */

/* media.lua fetches what a request names, under rules of its own. */
static bool asked_by_media(lua_State *L)
{
    lua_Debug ar;

    return lua_getstack(L, 1, &ar) && lua_getinfo(L, "S", &ar) &&
           strcmp(ar.source, "@scripts/media.lua") == 0;
}

/* Pushes config.http or config.media; nil where the configuration has none. The configuration is upvalue 1. */
static void push_rules(lua_State *L, const struct fetch *f)
{
    lua_getfield(L, lua_upvalueindex(1), f->media ? "media" : "http");
}

static bool in_list(lua_State *L, const struct fetch_url *u)
{
    lua_Integer n = luaL_len(L, -1);
    bool found = false;

    for (lua_Integer i = 1; i <= n && !found; i++) {
        struct span rule = {NULL, 0};
        if (lua_geti(L, -1, i) == LUA_TSTRING)
            rule.p = lua_tolstring(L, -1, &rule.n);
        found = rule.p && fetch_url_matches(u, rule);
        lua_pop(L, 1);
    }
    return found;
}

static bool on_command_line(lua_State *L, const struct fetch_url *u)
{
    const char *const *rules = generation_of(L)->rt->allow_net;

    for (; rules && *rules; rules++)
        if (fetch_url_matches(u, (struct span){*rules, strlen(*rules)}))
            return true;
    return false;
}

/* Reads f's rules for the URL it is about to ask. */
static bool is_allowed(lua_State *L, struct fetch *f)
{
    int top = lua_gettop(L);
    bool allowed = f->media; /* without a list: any host, as far as it is public */

    push_rules(L, f);
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "allow_private");
        f->private_too = lua_toboolean(L, -1);
        lua_pop(L, 1);
        if (lua_getfield(L, -1, "allow") == LUA_TTABLE)
            allowed = in_list(L, &f->url);
    }
    lua_settop(L, top);
    return allowed || (!f->media && on_command_line(L, &f->url));
}

static int check_allowed(lua_State *L, struct fetch *f, struct err *err)
{
    if (is_allowed(L, f))
        return 0;
    return err_set(err, ERR_AUTH,
                   f->media ? "%s:%u: not among the hosts of media.allow"
                            : "%s:%u: not an allowed host; add it to http.allow of the "
                              "configuration, or run with --allow-net",
                   f->url.host, f->url.port);
}

/* ---- asking ---- */

static size_t split_head(const struct fetch *f, const char *lines[HEADERS_MAX])
{
    size_t n = 0;

    for (size_t at = 0; at < f->head.len && n < HEADERS_MAX; at += strlen(lines[n++]) + 1)
        lines[n] = f->head.data + at;
    return n;
}

static int copy_body(const struct fetch *f, struct ask_call *ask, struct err *err)
{
    if (f->body.len == 0)
        return 0;
    ask->body = malloc(f->body.len);
    if (!ask->body)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    memcpy(ask->body, f->body.data, f->body.len);
    ask->body_len = f->body.len;
    return 0;
}

static int start(lua_State *L, struct fetch *f, struct err *err)
{
    struct effect *fx = generation_of(L)->rt->fx;
    int64_t left_ms = (f->deadline_us - fx->mono_us(fx)) / 1000;
    const char *lines[HEADERS_MAX];
    char url[FETCH_URL_SIZE];

    if (check_allowed(L, f, err) < 0)
        return -1;
    if (left_ms < 1)
        return err_set(err, ERR_TIMEOUT, "%s:%u: no answer in time", f->url.host, f->url.port);
    fetch_url_write(&f->url, url);
    struct ask_call ask = {
        .method = f->method,
        .url = url,
        .headers = lines,
        .header_count = split_head(f, lines),
        .connect_ms = (int)(left_ms < CONNECT_MS ? left_ms : CONNECT_MS),
        .total_ms = (int)left_ms,
        .answer_max = f->answer_max,
        .public_only = !f->private_too,
    };
    if (copy_body(f, &ask, err) < 0)
        return -1;
    if (call_start(&f->call, fx, &ask, NULL, false, 1, err) < 0)
        return err_prefix(err, "%s:%u", f->url.host, f->url.port);
    f->call.on_change = on_change;
    f->call.arg = f;
    return 0;
}

/* ---- redirects ---- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Headers that say nothing of who asks. All others stay with the host they were meant for: any may hold a key. */
static bool is_harmless(const char *line)
{
    static const char *const names[] = {"accept:", "accept-language:", "user-agent:", NULL};

    for (int i = 0; names[i]; i++)
        if (strncasecmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static bool is_of_body(const char *line)
{
    return strncasecmp(line, "content-", 8) == 0;
}

static void keep_lines(struct buf *head, bool (*keep)(const char *line), bool wanted)
{
    size_t to = 0, n;

    for (size_t at = 0; at < head->len; at += n) {
        n = strlen(head->data + at) + 1;
        if (keep(head->data + at) != wanted)
            continue;
        memmove(head->data + to, head->data + at, n);
        to += n;
    }
    head->len = to;
}

/* 303 asks for a GET; so do 301 and 302 after a POST, as every browser reads them. */
static void become_get(struct fetch *f, int status)
{
    bool head = strcmp(f->method, "HEAD") == 0, post = strcmp(f->method, "POST") == 0;

    if (head || (status != 303 && !(post && status < 303)))
        return;
    f->method = "GET";
    buf_wipe(&f->body);
    keep_lines(&f->head, is_of_body, false);
}

static int refuse(struct err *err, const struct fetch *f, const char *why)
{
    return err_set(err, ERR_BAD_RESPONSE, "%s:%u: redirected %s", f->url.host, f->url.port, why);
}

/* Where the answer sends us, checked; the next step is asked by 'start'. */
static int follow(struct fetch *f, struct span location, struct err *err)
{
    struct fetch_url next;

    if (f->redirects-- == 0)
        return refuse(err, f, "too many times");
    if (fetch_url_follow(&next, &f->url, location, err) < 0)
        return refuse(err, f, "to something that is not a URL to fetch");
    if (f->url.https && !next.https)
        return refuse(err, f, "from https: to http:");
    become_get(f, f->call.status);
    if (!fetch_url_same_origin(&f->url, &next)) {
        if (f->body.len)
            return refuse(err, f, "with its body to another host");
        keep_lines(&f->head, is_harmless, true);
    }
    f->url = next;
    return 0;
}

/* ---- the answer ---- */

/* Stack: the table of headers. Several of one name are joined, as HTTP says. */
static void add_answer_header(lua_State *L, struct span line)
{
    char name[128];
    const char *colon = memchr(line.p, ':', line.n), *end = line.p + line.n;
    size_t n = colon ? (size_t)(colon - line.p) : 0;

    if (n == 0 || n >= sizeof name)
        return;
    for (size_t i = 0; i < n; i++)
        name[i] = (char)tolower((unsigned char)line.p[i]);
    name[n] = 0;
    for (colon++; colon < end && (*colon == ' ' || *colon == '\t'); colon++)
        ;
    while (end > colon && strchr("\r \t", end[-1]) && end[-1])
        end--;
    bool again = lua_getfield(L, -1, name) == LUA_TSTRING;
    lua_pushstring(L, ", ");
    lua_pushlstring(L, colon, (size_t)(end - colon));
    if (again) {
        lua_concat(L, 3);
    } else {
        lua_replace(L, -3);
        lua_pop(L, 1);
    }
    lua_setfield(L, -2, name);
}

/* The body was unpacked on the way: what the head says of its packing is not true any more. */
static void forget_packing(lua_State *L)
{
    if (lua_getfield(L, -1, "content-encoding") != LUA_TNIL) {
        lua_pushnil(L);
        lua_setfield(L, -3, "content-encoding");
        lua_pushnil(L);
        lua_setfield(L, -3, "content-length");
    }
    lua_pop(L, 1);
}

static void push_headers(lua_State *L, struct span headers)
{
    const char *p = headers.p, *end = p ? p + headers.n : NULL, *stop;

    lua_newtable(L);
    for (; p && p < end; p = stop + 1) {
        stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        add_answer_header(L, (struct span){p, (size_t)(stop - p)});
    }
    forget_packing(L);
}

static int give(lua_State *L, struct fetch *f)
{
    struct span body = buf_span(&f->call.body);
    char url[FETCH_URL_SIZE];

    fetch_url_write(&f->url, url);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, f->call.status);
    lua_setfield(L, -2, "status");
    push_headers(L, buf_span(&f->call.headers));
    lua_setfield(L, -2, "headers");
    lua_pushlstring(L, body.p, body.n);
    lua_setfield(L, -2, "body");
    lua_pushstring(L, url);
    lua_setfield(L, -2, "url");
    stop(f);
    return 1;
}

static int fail(lua_State *L, struct fetch *f, const struct err *err)
{
    stop(f);
    return lua_err_fail(L, err);
}

static int after(lua_State *L, int status, lua_KContext ctx)
{
    struct fetch *f = lua_touserdata(L, 3);
    struct err err;

    (void)status, (void)ctx;
    if (!f->call.ended)
        return task_wait(L, 0, after);
    if (f->call.failed) {
        err = f->call.err;
        return fail(L, f, &err);
    }
    struct span location = call_header(&f->call, "location");
    if (!is_redirect(f->call.status) || !location.p || f->redirects_max == 0)
        return give(L, f);
    if (follow(f, location, &err) < 0)
        return fail(L, f, &err);
    call_deinit(&f->call);
    if (start(L, f, &err) < 0)
        return fail(L, f, &err);
    return task_wait(L, 0, after);
}

/* They count with the calls to models: both leave the machine on behalf of one request. */
static void count(lua_State *L, struct task *t)
{
    int most = t->guard.limits.calls;

    if (!t->ledger)
        return;
    if (most && t->ledger->attempts + t->ledger->fetches >= most) {
        t->guard.over = GUARD_CALLS;
        guard_raise(L);
    }
    t->ledger->fetches++;
}

/* http.fetch(url, { method = "GET", headers = { name = text }, body =, timeout = 30 (seconds, for all of it),
 * max_bytes = 4 MiB (of the unpacked answer), redirects = 5 (0: they are answers) }?)
 *   -> { status =, headers = { ["lower-case-name"] = text }, body =, url = (of the last step) } | nil, err
 * Any status is an answer. Only hosts that the configuration's http.allow or --allow-net names; only public addresses
 * unless http.allow_private. Errors: auth (not allowed), bad_request (no such URL), bad_response (too large, a wrong
 * redirect, no HTTP), timeout, unavailable. Yields. */
static int l_fetch(lua_State *L)
{
    struct span url;
    struct err err;

    luaL_checktype(L, 1, LUA_TSTRING);
    lua_settop(L, 2);
    url.p = lua_tolstring(L, 1, &url.n);
    struct fetch *f = new_fetch(L);
    f->media = asked_by_media(L);
    read_options(L, f);
    if (!lua_isyieldable(L))
        return lua_place_error(
            L, "nothing can be fetched here: not while a file is loaded, in a metamethod, or in "
               "a function that string.gsub or table.sort calls");
    struct task *t = task_of(L);
    count(L, t);
    if (fetch_url_read(&f->url, url, &err) < 0 || start(L, f, &err) < 0)
        return fail(L, f, &err);
    f->task = t;
    task_add_pending(t, &f->pending, on_abort);
    return task_wait(L, 0, after);
}

int luaopen_baton_http(lua_State *L)
{
    lua_createtable(L, 0, 1);
    generation_require(L, "config");
    lua_pushcclosure(L, l_fetch, 1);
    lua_setfield(L, -2, "fetch");
    return 1;
}
