/* request_sink - the answer on its way to the client: its head, its pieces, its errors.
 * SPDX-License-Identifier: MIT */
#include "request_private.h"

#include <stdio.h>
#include <string.h>

enum { HEADERS_MAX = SINK_FIELDS_MAX + 12 };

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
    if (r->door.form == FORM_ANTHROPIC)
        add(h, "request-id", r->id);
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

    if (!r->x || r->streaming) /* the keeping alive has begun it */
        return;
    r->status = given->status;
    r->streaming = true;
    r->array = strncmp(given->content_type, "application/json", 16) == 0;
    add_given(given, &h);
    add(&h, "cache-control", "no-cache");
    add(&h, "x-accel-buffering", "no"); /* proxies before us must not gather the events */
    add_story(r, &h, false);
    http_reply_start(r->x, given->status, h.lines, h.n);
}

/* Events are numbered in OpenAI's Responses: an error that follows them has the next number. */
static void count_events(struct request *r, struct span bytes)
{
    static const char data[] = "data:";
    const char *p = bytes.p, *end = bytes.p + bytes.n;

    if (r->array)
        r->events++;
    if (r->door.form != FORM_RESPONSES)
        return;
    while ((p = memmem(p, (size_t)(end - p), data, sizeof data - 1))) {
        r->events += p == bytes.p || p[-1] == '\n';
        p += sizeof data - 1;
    }
}

static void send_bytes(struct request *r, struct span bytes)
{
    r->bytes += bytes.n;
    r->heard_us = r->w->fx->mono_us(r->w->fx);
    http_reply_send(r->x, bytes.p, bytes.n);
}

static void sink_send(struct sink *s, struct span bytes)
{
    struct request *r = (struct request *)s;

    if (!r->x || !bytes.n)
        return;
    count_events(r, bytes);
    send_bytes(r, bytes);
    if (!r->first_us)
        r->first_us = r->heard_us;
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

static void fail_in_stream(struct request *r, const struct sink_failure *f, struct buf *event)
{
    struct failure_place place = {r->id, r->ledger.id, r->events, r->array};

    failure_write_event(event, f, r->door.form, &place);
    sink_send(&r->sink, buf_span(event));
    sink_end(&r->sink);
}

static void fail_whole(struct request *r, const struct sink_failure *f, struct buf *error)
{
    struct head h = {.n = 0};

    failure_write(error, f, r->door.form, r->id);
    r->status = failure_status(f, r->door.form);
    r->bytes = error->len;
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
    http_reply(r->x, r->status, h.lines, h.n, error->data, error->len);
    end_exchange(r);
}

static void sink_fail(struct sink *s, const struct sink_failure *f)
{
    struct request *r = (struct request *)s;
    struct buf error;

    r->code = f->err.code;
    if (!r->x)
        return;
    buf_init(&error, 32 << 10);
    if (r->streaming)
        fail_in_stream(r, f, &error);
    else
        fail_whole(r, f, &error);
    buf_deinit(&error);
}

/* ---- a client that hears nothing for a while ---- */

static void sink_keep_alive(struct sink *s, const char *content_type, struct span ping)
{
    struct request *r = (struct request *)s;

    snprintf(r->keep_type, sizeof r->keep_type, "%s", content_type);
    snprintf(r->ping, sizeof r->ping, "%.*s", (int)ping.n, ping.p);
    r->heard_us = r->w->fx->mono_us(r->w->fx);
}

static void keep_alive(struct request *r)
{
    struct sink_head head = {.status = 200, .content_type = r->keep_type};

    if (!r->streaming)
        sink_start(&r->sink, &head);
    if (r->x && !http_reply_blocked(r->x))
        send_bytes(r, (struct span){r->ping, strlen(r->ping)});
}

void request_keep_alive(struct worker *w)
{
    int64_t now = w->fx->mono_us(w->fx), after = w->front->config.keepalive_us;

    for (struct list *n = w->requests.next, *next; n != &w->requests; n = next) {
        struct request *r = LIST_ENTRY(n, struct request, node);
        next = n->next;
        if (r->x && r->keep_type[0] && now - r->heard_us >= after)
            keep_alive(r);
    }
}

const struct sink request_sink = {
    .reply = sink_reply,
    .start = sink_start,
    .send = sink_send,
    .end = sink_end,
    .blocked = sink_blocked,
    .on_room = sink_on_room,
    .fail = sink_fail,
    .keep_alive = sink_keep_alive,
};
