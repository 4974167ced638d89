/* call - one request to a provider: its answer whole, or as a stream of inspected events.
 * SPDX-License-Identifier: MIT */
#include "call.h"

#include "list.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

enum {
    HEADERS_MAX = 64 << 10,
    USAGE_MAX = 16 << 10,
    ODD_MAX = 512,
    QUEUE_MAX = 32 << 20,
    QUEUE_COMPACT = 64 << 10,
    GATHER_MAX = 32 << 10,
    BYTES_PER_TOKEN = 4, /* of English text, about */
    LINGER_US = 50000
};

/* Stands in the queue before the three texts of an event. */
struct record {
    uint32_t raw, event, data;
};

static void changed(struct call *c)
{
    if (c->on_change)
        c->on_change(c);
}

static void note_end(struct call *c)
{
    c->ended = true;
    c->ended_us = c->fx->mono_us(c->fx);
    c->fx->cancel(c->fx, &c->linger);
    c->fx->cancel(c->fx, &c->pace);
    c->fx->cancel(c->fx, &c->op);
}

static void fail(struct call *c, const struct err *err)
{
    if (c->ended)
        return;
    c->err = *err;
    c->failed = true;
    note_end(c);
}

static void fail_full(struct call *c, const char *what, size_t limit)
{
    struct err err;

    err_set(&err, ERR_BAD_RESPONSE, "the provider's %s passes the limit of %zu bytes", what, limit);
    fail(c, &err);
}

/* ---- the queue ---- */

static int queue_event(struct call *c, const struct sse_event *e)
{
    struct record r = {(uint32_t)e->raw.n, (uint32_t)e->event.n, (uint32_t)e->data.n};

    if (c->taken == c->queue.len) {
        c->taken = c->queue.len = 0;
    } else if (c->taken > QUEUE_COMPACT && c->taken > c->queue.len / 2) {
        buf_consume(&c->queue, c->taken);
        c->taken = 0;
    }
    if (!buf_reserve(&c->queue, sizeof r + e->raw.n + e->event.n + e->data.n))
        return -1;
    buf_add(&c->queue, &r, sizeof r);
    buf_add_span(&c->queue, e->raw);
    buf_add_span(&c->queue, e->event);
    buf_add_span(&c->queue, e->data);
    return 0;
}

static bool take_event(struct call *c, struct span *raw, struct span *event, struct span *data)
{
    struct record r;
    const char *p;

    if (c->taken == c->queue.len)
        return false;
    memcpy(&r, c->queue.data + c->taken, sizeof r);
    p = c->queue.data + c->taken + sizeof r;
    *raw = (struct span){p, r.raw};
    *event = (struct span){p + r.raw, r.event};
    *data = (struct span){p + r.raw + r.event, r.data};
    c->taken += sizeof r + r.raw + r.event + r.data;
    return true;
}

/* Holds the provider back while nobody takes its events; before the commit point nobody can. */
static void steer(struct call *c)
{
    bool full = call_settled(c) && c->queue.len - c->taken > CALL_QUEUE_HIGH;

    if (full == c->paused || c->ended)
        return;
    c->paused = full;
    c->held = c->held || full;
    c->fx->pause(c->fx, &c->op, full);
}

bool call_next(struct call *c, struct span *event, struct span *data)
{
    struct span raw;

    do {
        if (!take_event(c, &raw, event, data))
            return false;
    } while (data->n == 0); /* comments and the like */
    steer(c);
    return true;
}

/* ---- forwarding ---- */

static void send_gathered(struct call *c)
{
    if (c->out.len)
        c->sink->send(c->sink, buf_span(&c->out));
    c->out.len = 0;
}

/* Events that came together go out together. */
static void forward_event(struct call *c, struct span raw, struct span data)
{
    struct err err;
    int result = c->strip_usage && data.n ? wire_strip_usage(c->wire, raw, data, &c->out)
                                          : buf_add_span(&c->out, raw);

    if (result < 0) {
        err_set(&err, ERR_OVERLOADED, "out of memory for an event of the stream");
        fail(c, &err);
    }
    if (c->out.len >= GATHER_MAX)
        send_gathered(c);
}

static void pump(struct call *c);

static void on_room(void *arg)
{
    struct call *c = arg;

    pump(c);
}

/* Goes on forwarding: the sink has room. */
static void pump(struct call *c)
{
    struct span raw, event, data;

    while (!c->sink->blocked(c->sink) && take_event(c, &raw, &event, &data))
        if (!c->wire->end_mark[0] || !span_is(data, c->wire->end_mark))
            forward_event(c, raw, data);
    send_gathered(c);
    steer(c);
    if (c->taken < c->queue.len)
        c->sink->on_room(c->sink, on_room, c);
    else if (c->ended)
        changed(c);
}

void call_forward(struct call *c, struct sink *sink)
{
    c->sink = sink;
    pump(c);
}

void call_stop_forwarding(struct call *c)
{
    if (c->sink)
        c->sink->on_room(c->sink, NULL, NULL);
    c->sink = NULL;
}

/* Tells whoever waits; events that go to a sink go by themselves. */
static void progress(struct call *c)
{
    if (c->sink)
        pump(c);
    else
        changed(c);
}

/* ---- bounds ---- */

static void on_pace(struct op *op, const struct answer *a);

/* Begins a window of the rate. */
static void start_pace(struct call *c)
{
    struct ask window = {.kind = ASK_SLEEP, .sleep_us = (int64_t)(c->bounds.window * 1e6)};
    struct err err;

    c->paced = c->tokens;
    c->held = c->paused;
    c->pace.on_answer = on_pace;
    if (c->fx->start(c->fx, &c->pace, &window, &err) < 0)
        fail(c, &err);
}

/* A client that is slower than the provider is not the provider's fault. */
static void on_pace(struct op *op, const struct answer *a)
{
    struct call *c = LIST_ENTRY(op, struct call, pace);
    double rate = (c->tokens - c->paced) / c->bounds.window;
    struct err err;

    (void)a;
    if (c->finished)
        return;
    if (rate >= c->bounds.min_rate || c->held || c->paused) {
        start_pace(c);
        return;
    }
    err_set(&err, ERR_TIMEOUT, "slower than %g tokens a second: %.3g in %g s", c->bounds.min_rate,
            rate * c->bounds.window, c->bounds.window);
    fail(c, &err);
    progress(c);
}

/* An event with content says one token at least. */
static void measure(struct call *c, struct span data)
{
    size_t bytes = wire_content_bytes(c->wire, data);
    struct err err;

    if (!bytes)
        return;
    if (c->bounds.min_rate > 0 && !c->pace.effect)
        start_pace(c);
    c->tokens += bytes < BYTES_PER_TOKEN ? 1 : (double)bytes / BYTES_PER_TOKEN;
    if (c->bounds.max_tokens <= 0 || c->tokens <= c->bounds.max_tokens || c->finished)
        return;
    err_set(&err, ERR_BUDGET, "the answer passes the limit of %g USD (after about %.0f tokens)",
            c->bounds.max_cost, c->tokens);
    fail(c, &err);
}

/* Whole answers have their first byte, which is watched below us. */
static void on_no_content(struct op *op, const struct answer *a)
{
    struct call *c = LIST_ENTRY(op, struct call, pace);
    struct err err;

    (void)a;
    if (c->committed || !c->stream)
        return;
    err_set(&err, ERR_TIMEOUT, "no content within %g s", c->bounds.first_content);
    fail(c, &err);
    progress(c);
}

int call_bound(struct call *c, const struct call_bounds *bounds, struct err *err)
{
    struct ask patience = {.kind = ASK_SLEEP, .sleep_us = (int64_t)(bounds->first_content * 1e6)};

    c->bounds = *bounds;
    if (!c->asked || bounds->first_content <= 0)
        return 0;
    c->pace.on_answer = on_no_content;
    return c->fx->start(c->fx, &c->pace, &patience, err);
}

size_t call_tokens(const struct call *c)
{
    return c->tokens > 0 ? (size_t)c->tokens : c->events;
}

/* ---- what comes from the provider ---- */

static void note_content(struct call *c)
{
    if (c->committed)
        return;
    c->fx->cancel(c->fx, &c->pace);
    c->committed = true;
    c->first_us = c->fx->mono_us(c->fx);
}

static void fail_inside(struct call *c, struct span error)
{
    struct err err;

    c->error_event.len = 0;
    buf_add_span(&c->error_event, error);
    err_set(&err, ERR_UNAVAILABLE, "the provider sent an error inside the stream");
    fail(c, &err);
}

/* A server that fails in mid-stream may write its error as it is, without the form of an event (Vertex AI does): a
 * block that is one JSON object. p NULL: it is none. */
static struct span bare_error(const struct call *c, struct span block)
{
    struct wire_seen seen;
    struct err err;

    while (block.n && strchr(" \t\r\n", block.p[block.n - 1]))
        block.n--;
    while (block.n && strchr(" \t\r\n", *block.p))
        block = (struct span){block.p + 1, block.n - 1};
    bool object = block.n > 1 && *block.p == '{' && block.p[block.n - 1] == '}';
    if (!object || wire_inspect(c->wire, block, false, &seen, &err) < 0 || !seen.error)
        return (struct span){NULL, 0};
    return block;
}

/* The reader found an event. Returns false to stop reading. */
static bool on_event(void *arg, const struct sse_event *e)
{
    struct call *c = arg;
    struct wire_seen seen;
    struct err err;

    if (c->done)
        return true; /* nothing counts after the end mark */
    if (e->data.p && e->data.n) {
        if (wire_inspect(c->wire, e->data, !c->committed, &seen, &err) < 0) {
            buf_add(&c->odd, e->data.p, e->data.n < ODD_MAX ? e->data.n : ODD_MAX);
            fail(c, &err);
            return false;
        }
        if (seen.error || span_is(e->event, "error")) {
            fail_inside(c, e->data);
            return false;
        }
        for (int i = 0; i < WIRE_USAGES; i++)
            if (seen.usage[i].p) {
                c->usage[i].len = 0;
                buf_add_span(&c->usage[i], seen.usage[i]);
            }
        if (seen.content)
            note_content(c);
        c->events += c->committed;
        if (seen.finish)
            c->finishes |= wire_finishes(c->wire, e->data);
        c->finished = __builtin_popcountll(c->finishes) >= c->choices;
        c->done = seen.done;
        c->nulls = c->nulls || seen.null;
        if (!c->committed && (c->finished ? c->nulls : c->done)) {
            err_set(&err, ERR_BAD_RESPONSE, "the stream ended without an answer%s%s",
                    c->nulls ? ": null is at " : "", c->nulls ? c->wire->object : "");
            fail(c, &err);
            return false;
        }
    } else {
        struct span error = bare_error(c, e->raw);
        if (error.p) {
            fail_inside(c, error);
            return false;
        }
    }
    if (queue_event(c, e) < 0)
        fail_full(c, "stream", c->queue.max);
    if (c->bounds.window > 0 && e->data.n && !c->failed)
        measure(c, e->data);
    return !c->failed;
}

static bool is_stream(const struct call *c)
{
    struct span type = call_header(c, "content-type");
    const char *whole[] = {"application/json", "text/html"};

    for (int i = 0; i < 2; i++)
        if (type.n >= strlen(whole[i]) && strncasecmp(type.p, whole[i], strlen(whole[i])) == 0)
            return false;
    return c->status == 200;
}

static void start_reading(struct call *c)
{
    sse_init(&c->reader, c->wire->framing, CALL_EVENT_MAX, on_event, c);
    c->stream = c->reading = true;
}

static void on_head(struct call *c, const struct answer *a)
{
    c->status = a->status;
    buf_add_span(&c->headers, a->headers);
    c->stream = false;
    if (c->asked && is_stream(c))
        start_reading(c);
}

/* Some servers call their events application/json; JSON and HTML begin with none of these. */
static bool begins_events(const struct call *c, struct span data)
{
    return c->asked && c->status == 200 && !c->body.len && c->wire->framing == SSE_EVENTS &&
           data.n && strchr("de:", data.p[0]) && data.p[0];
}

static void on_data(struct call *c, struct span data)
{
    struct err err;

    if (!c->stream && begins_events(c, data))
        start_reading(c);
    if (c->stream) {
        if (sse_feed(&c->reader, data.p, data.n, &err) < 0)
            fail(c, &err);
        steer(c);
    } else {
        if (!c->first_us)
            c->first_us = c->fx->mono_us(c->fx);
        if (buf_add_span(&c->body, data) < 0)
            fail_full(c, "answer", c->body.max);
    }
}

/* The transfer ended well. A stream is whole only when the provider said so. */
static void on_end(struct call *c)
{
    struct err err;

    if (c->stream && !c->done && sse_end(&c->reader, true, &err) < 0)
        fail(c, &err);
    if (c->ended)
        return;
    if (c->stream && !c->done && !c->finished) {
        err_set(&err, ERR_BAD_RESPONSE, "the stream ended before the answer was complete");
        fail(c, &err);
        return;
    }
    note_end(c);
}

static void on_linger(struct op *op, const struct answer *a)
{
    struct call *c = LIST_ENTRY(op, struct call, linger);

    (void)a;
    note_end(c);
    progress(c);
}

/* The end mark was read, but not yet the end of the answer's body, which usually follows at once.
 */
static void start_linger(struct call *c)
{
    struct ask moment = {.kind = ASK_SLEEP, .sleep_us = LINGER_US};
    struct err err;

    c->linger.on_answer = on_linger;
    if (c->fx->start(c->fx, &c->linger, &moment, &err) < 0)
        note_end(c);
}

static void on_answer(struct op *op, const struct answer *a)
{
    struct call *c = LIST_ENTRY(op, struct call, op);

    switch (a->kind) {
    case ANSWER_HEAD:
        on_head(c, a);
        return;
    case ANSWER_DATA:
        on_data(c, a->data);
        if (c->done && !c->ended && !c->linger.effect)
            start_linger(c);
        break;
    case ANSWER_DONE:
        on_end(c);
        break;
    case ANSWER_FAIL:
        if (c->stream &&
            (c->finished || c->done)) /* all of the answer is here; only the goodbye is missing */
            note_end(c);
        else
            fail(c, a->err);
        break;
    }
    progress(c);
}

int call_start(struct call *c, struct effect *fx, const struct ask_call *ask,
               const struct wire *wire, bool stream, int choices, struct err *err)
{
    struct ask request = {.kind = ASK_CALL, .call = *ask};

    *c = (struct call){.op.on_answer = on_answer,
                       .fx = fx,
                       .wire = wire,
                       .asked = stream,
                       .choices = choices < 1    ? 1
                                  : choices > 64 ? 64
                                                 : choices};
    buf_init(&c->headers, HEADERS_MAX);
    buf_init(&c->body, ask->answer_max);
    buf_init(&c->queue, QUEUE_MAX);
    buf_init(&c->out, QUEUE_MAX);
    for (int i = 0; i < WIRE_USAGES; i++)
        buf_init(&c->usage[i], USAGE_MAX);
    buf_init(&c->error_event, USAGE_MAX);
    buf_init(&c->odd, ODD_MAX);
    c->started_us = fx->mono_us(fx);
    return fx->start(fx, &c->op, &request, err);
}

void call_deinit(struct call *c)
{
    if (!c->fx)
        return;
    c->complete = c->ended && !c->failed && c->taken == c->queue.len;
    call_stop_forwarding(c);
    c->fx->cancel(c->fx, &c->linger);
    c->fx->cancel(c->fx, &c->pace);
    c->fx->cancel(c->fx, &c->op);
    if (c->reading)
        sse_deinit(&c->reader);
    buf_deinit(&c->headers);
    buf_deinit(&c->body);
    buf_deinit(&c->queue);
    buf_deinit(&c->out);
    for (int i = 0; i < WIRE_USAGES; i++)
        buf_deinit(&c->usage[i]);
    buf_deinit(&c->error_event);
    buf_deinit(&c->odd);
    c->fx = NULL;
}

bool call_settled(const struct call *c)
{
    return c->ended || (c->stream && (c->committed || c->finished));
}

struct span call_header(const struct call *c, const char *name)
{
    size_t n = strlen(name);
    const char *p = c->headers.data, *end = p ? p + c->headers.len : NULL;

    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        eol = eol ? eol : end;
        if ((size_t)(eol - p) > n && p[n] == ':' && strncasecmp(p, name, n) == 0) {
            for (p += n + 1; p < eol && (*p == ' ' || *p == '\t'); p++)
                ;
            while (eol > p && (eol[-1] == '\r' || eol[-1] == ' ' || eol[-1] == '\t'))
                eol--;
            return (struct span){p, (size_t)(eol - p)};
        }
        p = eol + 1;
    }
    return (struct span){NULL, 0};
}
