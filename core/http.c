/* http - the server: its deadlines, the connections that have work, the end.
 * SPDX-License-Identifier: MIT */
#include "http_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void http_limits_default(struct http_limits *l)
{
    *l = (struct http_limits){
        .line_max = 8 * 1024,
        .header_max = 64 * 1024,
        .header_count = 100,
        .body_max = 32 * 1024 * 1024,
        .header_timeout_ms = 10 * 1000,
        .body_timeout_ms = 30 * 1000,
        .idle_timeout_ms = 75 * 1000,
        .write_timeout_ms = 60 * 1000,
        .out_high = 256 * 1024,
    };
}

/* ---- clocks ---- */

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Not strftime: its names follow the locale. */
static void format_date(char *to, size_t size, time_t second)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm t;

    gmtime_r(&second, &t);
    snprintf(to, size, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT", days + 3 * (t.tm_wday % 7),
             t.tm_mday, months + 3 * (t.tm_mon % 12), t.tm_year + 1900, t.tm_hour, t.tm_min,
             t.tm_sec);
}

const char *http_date(struct http *h)
{
    time_t now = time(NULL);

    if (now != h->date_second) {
        h->date_second = now;
        format_date(h->date, sizeof h->date, now);
    }
    return h->date;
}

/* ---- deadlines: one timer for all, set to the soonest or sooner ---- */

static void arm(struct http *h, int64_t at_ms, int64_t now)
{
    int64_t ms = at_ms > now ? at_ms - now : 0;
    struct timeval wait = {ms / 1000, ms % 1000 * 1000};

    if (h->timer_ms && h->timer_ms <= at_ms)
        return;
    h->timer_ms = at_ms;
    event_add(&h->timer, &wait);
}

void http_due_again(struct conn *c, enum due_kind kind)
{
    struct http *h = c->h;

    list_remove(&c->due);
    c->due_kind = kind;
    if (kind == DUE_NEVER || h->due[kind].ms <= 0)
        return;

    int64_t now = now_ms();
    c->due_ms = now + h->due[kind].ms;
    list_append(&h->due[kind].conns, &c->due);
    arm(h, c->due_ms, now);
}

void http_due(struct conn *c, enum due_kind kind)
{
    if (c->due_kind != kind)
        http_due_again(c, kind);
}

static struct conn *first_due(struct list *conns)
{
    struct list *node = list_first(conns);

    return node ? LIST_ENTRY(node, struct conn, due) : NULL;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct http *h = arg;
    int64_t now = now_ms();

    (void)fd, (void)what;
    h->timer_ms = 0;
    for (int kind = 0; kind < DUE_KINDS; kind++) {
        struct conn *c;
        while ((c = first_due(&h->due[kind].conns)) && c->due_ms <= now)
            conn_overdue(c);
        if (c)
            arm(h, c->due_ms, now);
    }
}

/* ---- work: once for each turn of the loop, so that writes are merged ---- */

void http_work(struct conn *c)
{
    struct http *h = c->h;

    if (list_empty(&h->work))
        event_active(&h->work_event, EV_WRITE, 1);
    if (list_empty(&c->work))
        list_append(&h->work, &c->work);
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
    struct http *h = arg;
    struct list *last = h->work.prev; /* what is added from here on waits for the next call */
    bool more = !list_empty(&h->work);

    (void)fd, (void)what;
    while (more) {
        struct conn *c = LIST_ENTRY(h->work.next, struct conn, work);
        more = &c->work != last;
        list_remove(&c->work);
        if (c->state == CONN_CLOSED)
            conn_free(c);
        else
            conn_work(c);
    }
    if (!list_empty(&h->work))
        event_active(&h->work_event, EV_WRITE, 1);
}

/* ---- birth and end ---- */

void http_set_limits(struct http *h, const struct http_limits *l)
{
    const int ms[DUE_KINDS] = {
        [DUE_IDLE] = l->idle_timeout_ms, [DUE_HEADER] = l->header_timeout_ms,
        [DUE_BODY] = l->body_timeout_ms, [DUE_WRITE] = l->write_timeout_ms,
        [DUE_LINGER] = LINGER_MS,        [DUE_DRAIN] = DRAIN_MS,
    };

    h->limits = *l;
    h->parse_limits =
        (struct http1_limits){l->line_max, l->header_max, l->header_count, l->body_max};
    for (int kind = 0; kind < DUE_KINDS; kind++)
        h->due[kind].ms = ms[kind];
}

struct http *http_new(struct event_base *base, const struct http_limits *limits,
                      http_handler *on_request, void *arg, struct err *err)
{
    struct http *h = calloc(1, sizeof *h);

    if (!h) {
        err_set(err, ERR_INTERNAL, "out of memory");
        return NULL;
    }
    h->base = base;
    h->on_request = on_request;
    h->arg = arg;
    list_init(&h->listeners);
    list_init(&h->conns);
    list_init(&h->work);
    for (int kind = 0; kind < DUE_KINDS; kind++)
        list_init(&h->due[kind].conns);
    http_set_limits(h, limits);
    event_assign(&h->work_event, base, -1, EV_PERSIST, on_work, h);
    evtimer_assign(&h->timer, base, on_timer, h);
    http_listen_init(h);
    return h;
}

int http_use_tls(struct http *h, const char *certificate, const char *key, struct err *err)
{
    struct tls *t = tls_new(certificate, key, err);

    if (!t)
        return -1;
    tls_free(h->tls);
    h->tls = t;
    return 0;
}

void http_drain(struct http *h)
{
    http_listen_sweep(h);
    http_leave(h);
}

void http_leave(struct http *h)
{
    http_listen_close(h);
    h->draining = true;
    for (struct list *node = h->conns.next; node != &h->conns; node = node->next)
        conn_drain(LIST_ENTRY(node, struct conn, all));
}

int http_pending(const struct http *h)
{
    return h->pending;
}

int http_connections(const struct http *h)
{
    return h->open;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    http_listen_close(h);
    while (!list_empty(&h->conns)) {
        struct conn *c = LIST_ENTRY(h->conns.next, struct conn, all);
        conn_close(c, false);
        conn_free(c);
    }
    assert(h->open == 0 && h->pending == 0);
    event_del(&h->work_event);
    event_del(&h->timer);
    tls_free(h->tls);
    free(h);
}
