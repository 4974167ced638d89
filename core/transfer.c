/* transfer - HTTP out: a request's life, its callbacks, its deadlines.
 * SPDX-License-Identifier: MIT
 *
 * A transfer is ready when there is something to tell: a head, data, its end. transfers_drain tells
 * it, always from the loop and outside libcurl; a transfer that dies while it is being told is
 * freed after. */
#include "transfer_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef BATON_VERSION
#define BATON_VERSION "dev"
#endif

enum { CONNECT_MS_DEFAULT = 10 * 1000, CONNECTIONS_MAX_DEFAULT = 10000 };

int64_t transfer_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void transfer_mark_ready(struct transfer *t)
{
    if (list_empty(&t->ready))
        list_append(&t->all->ready, &t->ready);
}

/* Tell it from the loop, since the caller is in the middle of something. */
static void mark_ready_later(struct transfer *t)
{
    transfer_mark_ready(t);
    event_active(&t->all->kick, EV_TIMEOUT, 0);
}

/* ---- deadlines: one timer each, set to the next that can pass; bytes only move last_byte_ms ----
 */

static void sooner(int64_t *when, enum end *which, int64_t candidate, enum end end)
{
    if (candidate < *when) {
        *when = candidate;
        *which = end;
    }
}

static int64_t next_deadline(const struct transfer *t, enum end *which)
{
    int64_t when = INT64_MAX;
    bool first = t->received > 0;

    if (!t->connected)
        sooner(&when, which, t->connect_from_ms + t->connect_ms, END_CONNECT);
    if (!first && t->first_byte_ms)
        sooner(&when, which, t->start_ms + t->first_byte_ms, END_FIRST_BYTE);
    if (first && t->stall_ms && !t->hold)
        sooner(&when, which, t->last_byte_ms + t->stall_ms, END_STALL);
    if (t->total_ms)
        sooner(&when, which, t->start_ms + t->total_ms, END_TOTAL);
    return when;
}

static void arm(struct transfer *t, int64_t when)
{
    int64_t ms = when - transfer_now_ms();

    t->armed_ms = when;
    if (when == INT64_MAX)
        return;
    if (ms < 1)
        ms = 1;
    event_add(&t->timer, &(struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000});
}

/* Sets the timer only when it would come too late; one that comes too early finds out itself. */
static void arm_sooner(struct transfer *t)
{
    enum end which;
    int64_t when = next_deadline(t, &which);

    if (when < t->armed_ms)
        arm(t, when);
}

void transfer_touched(struct transfer *t)
{
    t->last_byte_ms = transfer_now_ms();
    transfer_mark_ready(t);
    arm_sooner(t);
}

void transfer_reconnects(struct transfer *t)
{
    t->connected = false;
    t->connect_from_ms = transfer_now_ms();
    arm_sooner(t);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct transfer *t = arg;
    struct transfers *all = t->all;
    enum end which = END_NONE;
    int64_t when = next_deadline(t, &which);

    (void)fd, (void)what;
    if (when > transfer_now_ms()) {
        arm(t, when);
        return;
    }
    t->in.len = 0;
    transfer_over(t, which);
    transfers_drain(all);
}

/* ---- the end ---- */

static void let_go(struct transfer *t)
{
    resolve_cancel(&t->wait);
    exchange_drop(t);
    curl_drop(t);
    event_del(&t->timer);
}

void transfer_over(struct transfer *t, enum end end)
{
    if (t->end != END_NONE)
        return;
    t->end = end;
    let_go(t);
    transfer_mark_ready(t);
}

void transfer_fail(struct transfer *t, enum err_code code, const char *format, ...)
{
    char why[ERR_MESSAGE_MAX];
    va_list args;

    if (t->end != END_NONE)
        return;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    t->why_code = code;
    t->why = strdup(why);
    transfer_over(t, END_FAILED);
}

static void release(struct transfer *t)
{
    free(t->headers);
    free(t->resolved.data);
    free(t->curl_text);
    free(t->why);
    free(t->body);
    unpack_free(t->unpack);
    buf_wipe(&t->request);
    buf_deinit(&t->head);
    buf_deinit(&t->in);
    if (t->origin)
        origin_unref(t->origin);
    free(t);
}

/* No callback from here on. */
static void kill_transfer(struct transfer *t)
{
    t->dead = true;
    let_go(t);
    list_remove(&t->node);
    list_remove(&t->ready);
    t->all->count--;
}

static const char *const limits[] = {
    [END_CONNECT] = "connect timeout: no connection",
    [END_FIRST_BYTE] = "first byte timeout: no answer",
    [END_STALL] = "stall timeout: the answer stopped",
    [END_TOTAL] = "total timeout: the answer was not complete",
};

static int limit_ms(const struct transfer *t)
{
    switch (t->end) {
    case END_CONNECT:
        return t->connect_ms;
    case END_FIRST_BYTE:
        return t->first_byte_ms;
    case END_STALL:
        return t->stall_ms;
    default:
        return t->total_ms;
    }
}

static const struct err *explain(const struct transfer *t, struct err *err)
{
    if (t->end == END_WHOLE || (t->end == END_CURL && t->result == CURLE_OK && t->head_whole))
        return NULL;
    if (t->end == END_CURL && t->result == CURLE_OK)
        err_set(err, ERR_BAD_RESPONSE, "the answer has no head");
    else if (t->end == END_CURL)
        curl_explain(t, err);
    else if (t->end == END_FAILED)
        err_set(err, t->why_code, "%s", t->why ? t->why : "out of memory");
    else
        err_set(err, ERR_TIMEOUT, "%s after %d ms", limits[t->end], limit_ms(t));
    err_prefix(err, strchr(t->host, ':') ? "[%s]:%u" : "%s:%u", t->host, t->port);
    return err;
}

/* ---- what came ---- */

enum refusal transfer_keep(struct transfer *t, const char *p, size_t n)
{
    if (n > t->body_max - t->received)
        return REFUSED_BODY;
    if (!t->in.data) { /* the buffer in turn, if it is free */
        t->in = t->all->spare;
        buf_init(&t->all->spare, 0);
    }
    t->in.max = t->body_max;
    if (buf_add(&t->in, p, n) < 0)
        return REFUSED_MEMORY;
    t->received += n;
    return REFUSED_NOT;
}

void transfer_refused(const struct transfer *t, struct err *err)
{
    if (t->refused == REFUSED_NO_HEAD)
        err_set(err, ERR_BAD_RESPONSE, "the answer is not HTTP");
    else if (t->refused == REFUSED_HEAD)
        err_set(err, ERR_BAD_RESPONSE, "the answer's head is larger than %d bytes", HEAD_MAX);
    else if (t->refused == REFUSED_BODY)
        err_set(err, ERR_BAD_RESPONSE, "the answer is larger than %zu bytes", t->body_max);
    else
        err_set(err, ERR_INTERNAL, "out of memory for the answer");
}

/* ---- telling ---- */

static void tell_head(struct transfer *t)
{
    struct transfer_head head = {.status = t->status, .headers = buf_span(&t->head)};

    t->head_shown = true;
    if (t->handler.on_head)
        t->handler.on_head(t->arg, &head);
    buf_deinit(&t->head);
}

/* The buffer leaves the transfer for the call: resume may make libcurl hand over more meanwhile. */
static void tell_data(struct transfer *t)
{
    struct transfers *all = t->all;
    struct buf b = t->in;

    buf_init(&t->in, 0);
    if (t->handler.on_data)
        t->handler.on_data(t->arg, b.data, b.len);
    b.len = 0;
    if (all->spare.data || b.cap > SPARE_MAX)
        buf_deinit(&b);
    else
        all->spare = b;
}

static void tell_done(struct transfer *t)
{
    struct err err;

    kill_transfer(t);
    t->handler.on_done(t->arg, explain(t, &err));
}

static void hold(struct transfer *t, bool hold)
{
    if (t->link)
        link_hold(t->link, hold);
    else
        curl_hold(t, hold);
}

static void tell(struct transfer *t)
{
    t->telling = true;
    if (t->head_whole && !t->head_shown)
        tell_head(t);
    if (!t->dead && t->in.len && !t->hold)
        tell_data(t);
    if (!t->dead && t->hold && t->end == END_NONE)
        hold(t, true);
    if (!t->dead && t->end != END_NONE && !t->in.len)
        tell_done(t);
    t->telling = false;
    if (t->dead)
        release(t);
}

void transfers_drain(struct transfers *all)
{
    struct list *node;

    while ((node = list_first(&all->ready)) != NULL) {
        list_remove(node);
        tell(LIST_ENTRY(node, struct transfer, ready));
    }
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    links_serve(arg);
    transfers_drain(arg);
}

/* ---- starting ---- */

static int run(struct transfer *t, const char *addresses, struct err *err)
{
    if (t->public_only && guard_check(t, addresses, err) < 0)
        return -1;
    if (!t->origin)
        return curl_run(t, addresses, err);
    if (link_room(t))
        return link_open(t, addresses, err);
    link_wait(t); /* somebody was faster while the name was looked up */
    return 0;
}

static void on_resolved(void *arg, const char *addresses, const struct err *why)
{
    struct transfer *t = arg;
    struct err err;

    if (addresses && run(t, addresses, &err) == 0)
        return;
    if (!addresses)
        err = *why;
    transfer_fail(t, addresses ? err.code : ERR_UNAVAILABLE, "%s", err.message);
    mark_ready_later(t);
}

static int resolve_and_run(struct transfer *t, struct err *err)
{
    const char *addresses = NULL;

    if ((t->proxied && !t->public_only) || !url_needs_lookup(t->host))
        return run(t, NULL, err);
    int known = resolve(t->all->resolver, t->host, &t->wait, &addresses, err);
    return known > 0 ? run(t, addresses, err) : known;
}

int transfer_connect(struct transfer *t, bool turn, struct err *err)
{
    bool overtakes = !turn && !list_empty(&t->origin->waiting);

    if (!t->fresh && !overtakes && link_reuse(t)) {
        exchange_begin(t);
        return 0;
    }
    if (!overtakes && link_room(t))
        return resolve_and_run(t, err);
    link_wait(t);
    return 0;
}

static struct transfer *new_transfer(struct transfers *all, const struct url_parts *u,
                                     struct err *err)
{
    struct transfer *t = calloc(1, sizeof *t + u->host.n + 1);

    if (!t) {
        err_set(err, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    memcpy(t->host, u->host.p, u->host.n);
    t->port = u->port;
    t->all = all;
    list_init(&t->ready);
    list_init(&t->node);
    list_init(&t->wait.node);
    list_init(&t->queue);
    list_append(&all->running, &t->node);
    all->count++;
    t->wait.done = on_resolved;
    t->wait.arg = t;
    evtimer_assign(&t->timer, all->base, on_deadline, t);
    return t;
}

static void copy_limits(struct transfer *t, const struct transfer_request *r)
{
    t->connect_ms = r->connect_ms ? r->connect_ms : CONNECT_MS_DEFAULT;
    t->first_byte_ms = r->first_byte_ms;
    t->stall_ms = r->stall_ms;
    t->total_ms = r->total_ms;
    t->body_max = r->body_max ? r->body_max : BODY_MAX_DEFAULT;
    t->start_ms = t->connect_from_ms = transfer_now_ms();
    buf_init(&t->head, HEAD_MAX);
    arm(t, next_deadline(t, &(enum end){END_NONE}));
}

static int take_body(struct transfer *t, struct transfer_request *r, struct err *err)
{
    t->body = r->body_owned;
    if (!r->body_owned && r->body.n) {
        t->body = malloc(r->body.n);
        if (!t->body)
            return err_set(err, ERR_INTERNAL, "out of memory");
        memcpy(t->body, r->body.p, r->body.n);
        r->body.p = t->body;
    }
    return 0;
}

static int check_method(const char *method, struct err *err)
{
    size_t n = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    if (n == 0 || n > 16 || method[n] || strcmp(method, "CONNECT") == 0)
        return err_set(err, ERR_BAD_REQUEST, "not a usable method");
    return 0;
}

/* libcurl carries what only it can. */
static int start_in_libcurl(struct transfer *t, struct transfer_request *r, struct err *err)
{
    if (take_body(t, r, err) < 0 || curl_prepare(t, r, err) < 0)
        return -1;
    return resolve_and_run(t, err);
}

static int start(struct transfer *t, struct transfer_request *r, const struct url_parts *u,
                 struct err *err)
{
    t->public_only = r->public_only;
    t->proxied = url_may_be_proxied(u->https);
    if (r->http2 || t->proxied || u->special)
        return start_in_libcurl(t, r, err);
    if (exchange_prepare(t, r, u, err) < 0)
        return -1;
    return transfer_connect(t, false, err);
}

struct transfer *transfer_start(struct transfers *all, const struct transfer_request *request,
                                const struct transfer_handler *handler, void *arg, struct err *err)
{
    struct transfer_request r = *request;
    struct url_parts u;
    struct transfer *t = NULL;

    if (check_method(r.method, err) == 0 && url_split(r.url, &u, err) == 0) {
        u.public_only = r.public_only;
        t = new_transfer(all, &u, err);
    }
    if (!t) {
        free(r.body_owned);
        return NULL;
    }
    t->handler = *handler;
    t->arg = arg;
    copy_limits(t, &r);
    if (start(t, &r, &u, err) >= 0)
        return t;
    transfer_cancel(t);
    return NULL;
}

void transfer_cancel(struct transfer *t)
{
    if (t->dead)
        return;
    kill_transfer(t);
    if (!t->telling)
        release(t);
}

/* libcurl is told when the next bytes come: short pauses cost nothing. */
void transfer_pause(struct transfer *t)
{
    t->hold = true;
}

void transfer_resume(struct transfer *t)
{
    if (t->dead || !t->hold)
        return;
    t->hold = false;
    t->last_byte_ms = transfer_now_ms();
    hold(t, false);
    if (t->end == END_NONE)
        arm_sooner(t);
    if (t->in.len || t->end != END_NONE)
        mark_ready_later(t);
}

/* ---- all of them ---- */

void transfers_config_default(struct transfers_config *c)
{
    *c = (struct transfers_config){.connections_max = CONNECTIONS_MAX_DEFAULT,
                                   .user_agent = "baton/" BATON_VERSION};
}

struct transfers *transfers_new(struct event_base *base, const struct transfers_config *c,
                                struct err *err)
{
    struct transfers *all = calloc(1, sizeof *all);

    if (!all) {
        err_set(err, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    all->base = base;
    list_init(&all->running);
    list_init(&all->ready);
    buf_init(&all->spare, 0);
    evtimer_assign(&all->kick, base, on_kick, all);
    list_init(&all->origins);
    list_init(&all->idle_links);
    all->resolver = resolver_new(base, c->nameserver, err);
    if (!all->resolver || curl_open(all, c, err) < 0 || links_open(all, c, err) < 0) {
        transfers_free(all);
        return NULL;
    }
    return all;
}

int transfers_waiting(const struct transfers *all)
{
    return all->waiting;
}

void transfers_free(struct transfers *all)
{
    struct list *node;

    if (!all)
        return;
    while ((node = list_first(&all->running)) != NULL)
        transfer_cancel(LIST_ENTRY(node, struct transfer, node));
    event_del(&all->kick);
    if (all->multi.handle) {
        links_close(all);
        curl_close(all);
    }
    resolver_free(all->resolver);
    buf_deinit(&all->spare);
    free(all);
}

int transfers_running(const struct transfers *all)
{
    return all->count;
}
