/* admin - the operators' side over HTTP: who may ask, routes, what changes something.
 * SPDX-License-Identifier: MIT */
#include "admin_private.h"

#include "json.h"
#include "listen.h"
#include "secret.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { BODY_MAX = 64 << 10, CONNECTIONS_MAX = 256, BY_MAX = 200 };

/* ---- answers ---- */

void admin_reply(struct http_exchange *x, int status, struct span json)
{
    const struct http_header headers[] = {{"content-type", "application/json"},
                                          {"cache-control", "no-store"}};

    http_reply(x, status, headers, 2, json.p, json.n);
}

void admin_fail(struct http_exchange *x, int status, const struct err *err)
{
    struct buf out;

    buf_init(&out, 8 << 10);
    buf_printf(&out, "{\"error\":{\"code\":\"%s\",\"message\":", err_name(err->code));
    json_write_text(&out, (struct span){err->message, strlen(err->message)});
    buf_puts(&out, "}}\n");
    admin_reply(x, status, buf_span(&out));
    buf_deinit(&out);
}

static void refuse(struct http_exchange *x, int status, enum err_code code, const char *message)
{
    struct err err;

    err_set(&err, code, "%s", message);
    admin_fail(x, status, &err);
}

/* ---- who may ask ---- */

static bool is_local(const char *peer)
{
    return strncmp(peer, "127.", 4) == 0 || strncmp(peer, "[::1]", 5) == 0 ||
           strcmp(peer, "unix") == 0;
}

static bool has_token(const struct http_exchange *x, const char *token)
{
    const char *given = http_header(x, "authorization");

    return given && strncasecmp(given, "Bearer ", 7) == 0 && secret_is(given + 7, token);
}

/* A page in a browser on this machine could reach us, too: it shows by its Origin, or by a Host that is a name of
 * somebody else's (DNS rebinding). */
static bool from_browser(const struct http_exchange *x)
{
    const char *host = http_header(x, "host");

    if (http_header(x, "origin") || http_header(x, "sec-fetch-site"))
        return true;
    if (!host || host[0] == '[')
        return false;
    if (strncasecmp(host, "localhost", 9) == 0 && (host[9] == 0 || host[9] == ':'))
        return false;
    return host[strspn(host, "0123456789.:")] != 0;
}

/* True: go on. Else it is answered. */
static bool admitted(const struct master *m, struct http_exchange *x)
{
    const char *token = m->config.admin_token;

    if (token) {
        if (has_token(x, token))
            return true;
        refuse(x, 401, ERR_AUTH,
               "the admin token is needed: send it as \"Authorization: Bearer TOKEN\"");
    } else if (!is_local(http_peer(x))) {
        refuse(x, 403, ERR_AUTH,
               "without a token the admin API answers this machine only; set admin = { token = env "
               "\"BATON_ADMIN_TOKEN\" } in the configuration");
    } else if (from_browser(x)) {
        refuse(x, 403, ERR_AUTH, "without a token the admin API does not answer web pages");
    } else {
        return true;
    }
    return false;
}

/* ---- reload and use ---- */

/* Who waits for a change. */
struct waiter {
    struct http_exchange *x; /* NULL: it left */
};

static void on_waiter_gone(struct http_exchange *x, void *arg)
{
    (void)x;
    ((struct waiter *)arg)->x = NULL;
}

static int status_of(const struct change *c, const struct err *err)
{
    if (c->kind == CHANGE_USE && err->code == ERR_NOT_FOUND && !c->edition->hash[0])
        return 404;
    if (c->kind == CHANGE_USE && err->code == ERR_BAD_REQUEST && !c->edition->hash[0])
        return 409;
    return err->code == ERR_OVERLOADED || err->code == ERR_TIMEOUT ? 503 : 422;
}

static void on_changed(struct change *c, const struct edition *e, bool unchanged,
                       const struct err *err)
{
    struct waiter *waiter = c->arg;
    struct buf out;

    if (waiter->x && err) {
        admin_fail(waiter->x, c->edition ? status_of(c, err) : 503, err);
    } else if (waiter->x) {
        buf_init(&out, 1024);
        buf_printf(&out, "{\"hash\":\"%s\",\"serial\":%lld,\"state\":\"%s\",\"unchanged\":%s}\n",
                   e->hash, (long long)e->serial, view_state(e->state),
                   unchanged ? "true" : "false");
        admin_reply(waiter->x, 200, buf_span(&out));
        buf_deinit(&out);
    }
    free(waiter);
}

static double number_of(struct span doc, const char *name)
{
    struct span value = json_member(doc, name);
    double d = 0;

    return value.p && json_type(value) == JSON_NUMBER && json_double(value, &d) == 0 ? d : 0;
}

/* One that is misspelled would otherwise change what all requests get. */
bool admin_read_body(struct http_exchange *x, const char *const known[3], struct span *doc)
{
    struct json_iter it = {0};
    struct span key, value;
    struct err err;

    *doc = http_body(x);
    if (doc->n == 0)
        *doc = SPAN("{}");
    if (json_check(*doc, &err) < 0 || json_type(*doc) != JSON_OBJECT) {
        refuse(x, 400, ERR_BAD_REQUEST, "the body must be a JSON object");
        return false;
    }
    while (json_next(*doc, &it, &key, &value)) {
        if (json_is_text(key, known[0]) || json_is_text(key, known[1]) ||
            (known[2] && json_is_text(key, known[2])))
            continue;
        err_set(&err, ERR_BAD_REQUEST, "%.*s: unknown member (known: %s, %s%s%s)", (int)key.n,
                key.p, known[0], known[1], known[2] ? ", " : "", known[2] ? known[2] : "");
        admin_fail(x, 400, &err);
        return false;
    }
    return true;
}

static void wait_for(struct master *m, struct http_exchange *x, struct change *c)
{
    struct waiter *waiter = c ? calloc(1, sizeof *waiter) : NULL;

    if (!waiter) {
        refuse(x, 503, ERR_OVERLOADED,
               m->stopping ? "the engine is stopping"
                           : "too many changes are waiting; try again in a moment");
        return;
    }
    waiter->x = x;
    http_on_gone(x, on_waiter_gone, waiter);
    c->done = on_changed;
    c->arg = waiter;
}

/* 0 < share < 1, or absent. False: it is answered. */
static bool read_share(struct http_exchange *x, struct span doc, double *share)
{
    *share = number_of(doc, "share");
    if (!json_member(doc, "share").p || (*share > 0 && *share < 1))
        return true;
    refuse(x, 400, ERR_BAD_REQUEST, "share: must be a number between 0 and 1 (0.05 is 5%)");
    return false;
}

/* Seconds, or absent (0: as configured). False: it is answered. */
static bool read_promote_after(struct http_exchange *x, struct span doc, double *seconds)
{
    *seconds = number_of(doc, "promote_after");
    if (!json_member(doc, "promote_after").p || (*seconds > 0 && *seconds <= 30 * 86400.0))
        return true;
    refuse(x, 400, ERR_BAD_REQUEST, "promote_after: must be seconds, up to 30 days");
    return false;
}

/* A boolean, or absent (false), and not together with a share. False: it is answered. */
static bool read_stage(struct http_exchange *x, struct span doc, bool *stage)
{
    struct span value = json_member(doc, "stage");
    bool is_boolean = !value.p || json_type(value) == JSON_TRUE || json_type(value) == JSON_FALSE;

    *stage = value.p && json_type(value) == JSON_TRUE;
    if (is_boolean && !(*stage && json_member(doc, "share").p))
        return true;
    refuse(x, 400, ERR_BAD_REQUEST,
           is_boolean ? "stage and share exclude each other" : "stage: must be true or false");
    return false;
}

static void handle_reload(struct master *m, struct http_exchange *x, const char *rest)
{
    static const char *const known[3] = {"stage", "share", "promote_after"};
    struct span doc;
    double share, promote_after;
    bool stage;

    (void)rest;
    if (!admin_read_body(x, known, &doc) || !read_share(x, doc, &share) ||
        !read_promote_after(x, doc, &promote_after) || !read_stage(x, doc, &stage))
        return;
    enum edition_state goal = stage ? EDITION_STAGED : share > 0 ? EDITION_CANARY : EDITION_SERVING;
    struct change *c = change_add(m, CHANGE_DISK, goal, "request");
    if (c) {
        c->share = share;
        c->promote_after = promote_after;
    }
    wait_for(m, x, c);
}

static void handle_use(struct master *m, struct http_exchange *x, const char *rest)
{
    static const char *const known[3] = {"hash", "share", "promote_after"};
    struct span doc;
    double share, promote_after;
    char hash[65];

    (void)rest;
    if (!admin_read_body(x, known, &doc) || !read_share(x, doc, &share) ||
        !read_promote_after(x, doc, &promote_after))
        return;
    struct span given = json_member(doc, "hash");
    size_t n = given.p && json_type(given) == JSON_STRING && given.n < sizeof hash + 2
                   ? json_unescape(given, hash)
                   : 0;
    hash[n] = 0;
    for (char *p = hash; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (n < 6 || strspn(hash, "0123456789abcdef") != n) {
        refuse(x, 400, ERR_BAD_REQUEST,
               "hash: must be at least the first 6 digits of a generation's hash");
        return;
    }
    struct change *c =
        change_add(m, CHANGE_USE, share > 0 ? EDITION_CANARY : EDITION_SERVING, "request");
    if (c) {
        memcpy(c->hash, hash, sizeof hash);
        c->share = share;
        c->promote_after = promote_after;
    }
    wait_for(m, x, c);
}

/* ---- looking ---- */

static void show(struct master *m, struct http_exchange *x,
                 void (*view)(struct master *m, struct buf *out))
{
    struct buf out;

    buf_init(&out, ADMIN_ANSWER_MAX);
    view(m, &out);
    admin_reply(x, 200, buf_span(&out));
    buf_deinit(&out);
}

static void handle_policies(struct master *m, struct http_exchange *x, const char *rest)
{
    (void)rest;
    show(m, x, view_policies);
}

static void handle_workers(struct master *m, struct http_exchange *x, const char *rest)
{
    (void)rest;
    show(m, x, view_workers);
}

static void handle_breakers(struct master *m, struct http_exchange *x, const char *rest)
{
    (void)rest;
    show(m, x, view_breakers);
}

/* {"model":"openai/gpt-4o-mini","state":"open"|"closed"|"auto"} */
static void handle_force(struct master *m, struct http_exchange *x, const char *rest)
{
    static const char *const known[3] = {"model", "state"};
    enum health_forced forced = FORCE_NONE;
    char model[HEALTH_NAME_MAX + 1];
    struct span doc;

    (void)rest;
    if (!admin_read_body(x, known, &doc))
        return;
    struct span name = json_member(doc, "model"), state = json_member(doc, "state");
    size_t n = name.p && json_type(name) == JSON_STRING && name.n < sizeof model
                   ? json_unescape(name, model)
                   : 0;
    model[n] = 0;
    if (n == 0 || !strchr(model, '/')) {
        refuse(x, 400, ERR_BAD_REQUEST, "model: must be \"provider/model\"");
        return;
    }
    if (state.p && json_is_text(state, "open")) {
        forced = FORCE_OPEN;
    } else if (state.p && json_is_text(state, "closed")) {
        forced = FORCE_CLOSED;
    } else if (!state.p || !json_is_text(state, "auto")) {
        refuse(x, 400, ERR_BAD_REQUEST, "state: must be \"open\", \"closed\" or \"auto\"");
        return;
    }
    if (health_force(m->shared.health, model, forced, master_now()) < 0) {
        refuse(x, 409, ERR_OVERLOADED, "too many models are forced already");
        return;
    }
    show(m, x, view_breakers);
}

static void handle_metrics(struct master *m, struct http_exchange *x, const char *rest)
{
    const struct http_header type = {"content-type", "text/plain; version=0.0.4; charset=utf-8"};
    struct buf out;

    (void)rest;
    buf_init(&out, ADMIN_ANSWER_MAX);
    if (metrics_page(m, &out) == 0)
        http_reply(x, 200, &type, 1, out.data, out.len);
    else
        refuse(x, 500, ERR_INTERNAL, "the metrics do not fit their buffer");
    buf_deinit(&out);
}

static void handle_live(struct master *m, struct http_exchange *x, const char *rest)
{
    (void)m;
    (void)rest;
    admin_reply(x, 200, SPAN("{\"status\":\"ok\"}\n"));
}

static void handle_ready(struct master *m, struct http_exchange *x, const char *rest)
{
    int serving = 0;

    (void)rest;
    for (struct list *n = m->hands.next; n != &m->hands; n = n->next)
        serving += LIST_ENTRY(n, struct hand, node)->state == HAND_SERVING;
    if (serving && !m->stopping)
        admin_reply(x, 200, SPAN("{\"status\":\"ready\"}\n"));
    else
        admin_reply(x, 503, SPAN("{\"status\":\"not ready\"}\n"));
}

static void handle_requests(struct master *m, struct http_exchange *x, const char *rest)
{
    (void)rest;
    ask_requests(m, x);
}

static void handle_cancel(struct master *m, struct http_exchange *x, const char *rest)
{
    char id[512];

    http_decode_percent(rest, id, sizeof id);
    ask_cancel(m, x, id);
}

static void handle_bandits(struct master *m, struct http_exchange *x, const char *rest)
{
    (void)rest;
    bandits_show(m, x, NULL);
}

static void handle_bandit(struct master *m, struct http_exchange *x, const char *rest)
{
    char name[BANDIT_NAME_MAX * 3 + 1];

    http_decode_percent(rest, name, sizeof name);
    bandits_show(m, x, name);
}

static void handle_freeze(struct master *m, struct http_exchange *x, const char *rest)
{
    (void)rest;
    bandits_freeze(m, x);
}

static void handle_reset(struct master *m, struct http_exchange *x, const char *rest)
{
    char name[BANDIT_NAME_MAX * 3 + 1];

    http_decode_percent(rest, name, sizeof name);
    bandits_reset(m, x, name);
}

static void handle_questions(struct master *m, struct http_exchange *x, const char *rest)
{
    (void)rest;
    ask_questions(m, x);
}

/* A text of the body, unescaped, into 'out'. False: it is none, or longer than out->max. */
static bool read_text(struct span doc, const char *name, struct buf *out)
{
    struct span value = json_member(doc, name);

    return value.p && json_type(value) == JSON_STRING && json_text(value, out) == 0;
}

/* {"answer":"yes","by":"ada"} */
static void handle_answer(struct master *m, struct http_exchange *x, const char *rest)
{
    static const char *const known[3] = {"answer", "by"};
    char id[512];
    struct buf text, by;
    struct span doc;

    if (!admin_read_body(x, known, &doc))
        return;
    http_decode_percent(rest, id, sizeof id);
    buf_init(&text, QUESTION_TEXT_MAX);
    buf_init(&by, BY_MAX);
    if (!read_text(doc, "answer", &text))
        refuse(x, 400, ERR_BAD_REQUEST, "answer: must be a text of at most 16 KiB");
    else if (json_member(doc, "by").p && !read_text(doc, "by", &by))
        refuse(x, 400, ERR_BAD_REQUEST, "by: must be a text of at most 200 bytes");
    else
        ask_answer(m, x, id, (struct span){text.data ? text.data : "", text.len},
                   (struct span){by.data ? by.data : "", by.len});
    buf_deinit(&text);
    buf_deinit(&by);
}

static void handle_expire(struct master *m, struct http_exchange *x, const char *rest)
{
    char id[512];

    http_decode_percent(rest, id, sizeof id);
    ask_expire(m, x, id);
}

/* ---- routes ---- */

struct route {
    const char *method, *path; /* a path that ends in '/' takes what follows it */
    bool open;                 /* for everybody: says nothing of anybody */
    void (*handle)(struct master *m, struct http_exchange *x, const char *rest);
};

static const struct route routes[] = {
    {"GET", "/livez", true, handle_live},
    {"GET", "/readyz", true, handle_ready},
    {"GET", "/metrics", false, handle_metrics},
    {"POST", "/admin/reload", false, handle_reload},
    {"GET", "/admin/policies", false, handle_policies},
    {"POST", "/admin/use", false, handle_use},
    {"GET", "/admin/breakers", false, handle_breakers},
    {"POST", "/admin/breakers", false, handle_force},
    {"GET", "/admin/bandits", false, handle_bandits},
    {"GET", "/admin/bandits/", false, handle_bandit},
    {"POST", "/admin/bandits", false, handle_freeze},
    {"DELETE", "/admin/bandits/", false, handle_reset},
    {"GET", "/admin/requests", false, handle_requests},
    {"DELETE", "/admin/requests/", false, handle_cancel},
    {"GET", "/admin/questions", false, handle_questions},
    {"POST", "/admin/questions/", false, handle_answer},
    {"DELETE", "/admin/questions/", false, handle_expire},
    {"GET", "/admin/workers", false, handle_workers},
};

static const char *match(const struct route *route, const char *path)
{
    size_t n = strlen(route->path);

    if (route->path[n - 1] == '/')
        return strncmp(path, route->path, n) == 0 && path[n] ? path + n : NULL;
    return strcmp(path, route->path) == 0 ? "" : NULL;
}

static void on_request(struct http_exchange *x, void *arg)
{
    struct master *m = arg;
    const char *method = http_method(x);
    bool known = false;

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const char *rest = match(&routes[i], http_path(x));
        known |= rest != NULL;
        if (!rest || strcmp(method, routes[i].method) != 0)
            continue;
        if (routes[i].open || admitted(m, x))
            routes[i].handle(m, x, rest);
        return;
    }
    if (known)
        refuse(x, 405, ERR_BAD_REQUEST, "this path does not take that method");
    else
        refuse(x, 404, ERR_NOT_FOUND,
               "there is nothing here; try /admin/policies, /admin/requests, /admin/questions, "
               "/admin/breakers, /admin/bandits, /admin/workers or /metrics");
}

/* ---- birth and end ---- */

/* An engine whose port is picked for it is one of several perhaps: so is that of its admin API. */
static const char *where(const struct master *m)
{
    const char *asked = m->o.listen ? m->o.listen : m->config.listen, *colon = strrchr(asked, ':');

    if (m->o.admin || m->config.admin_listen)
        return m->o.admin ? m->o.admin : m->config.admin_listen;
    return colon && strcmp(colon, ":0") == 0 ? "127.0.0.1:0" : "127.0.0.1:8081";
}

int admin_open(struct master *m, struct err *err)
{
    const char *address = where(m);
    struct http_limits limits;

    if (strcmp(address, "none") == 0)
        return 0;
    http_limits_default(&limits);
    limits.body_max = BODY_MAX;
    limits.connections_max = CONNECTIONS_MAX;
    if (!(m->admin = http_new(m->base, &limits, on_request, m, err)))
        return -1;
    if (m->admin_fd < 0 && (m->admin_fd = listen_open(address, false, err)) < 0)
        return err_prefix(err, "the admin API (--admin ADDR, or \"none\")");
    if (!m->config.admin_token && strncmp(address, "unix:", 5) != 0 && !is_local(address) &&
        strncmp(address, "localhost:", 10) != 0)
        log_write(&m->log, LOG_WARN,
                  "the admin API answers this machine only; for others set admin = { token = env "
                  "\"BATON_ADMIN_TOKEN\" }",
                  (struct log_field[]){log_text("admin", address)}, 1);
    return http_listen_fd(m->admin, m->admin_fd, err);
}

void admin_close(struct master *m)
{
    ask_drop_all(m);
    if (m->admin && strncmp(http_address(m->admin), "unix:", 5) == 0)
        unlink(http_address(m->admin) + 5);
    http_free(m->admin);
    m->admin = NULL;
    if (m->admin_fd >= 0)
        close(m->admin_fd);
    m->admin_fd = -1;
}
