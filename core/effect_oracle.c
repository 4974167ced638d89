/* effect_oracle - the seam where providers are recordings.
 * SPDX-License-Identifier: MIT */
#include "effect_oracle.h"

#include "effect_state.h"
#include "json.h"
#include "list.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 64 << 20, STEPS = 3 };

struct oracle {
    struct effect effect; /* first */
    struct effect *under;
    const struct outcomes *data;
    struct event *turn;
    struct list ops;
    int64_t now; /* microseconds */
    uint64_t order, dice;
    size_t row;
    struct oracle_calls calls;
};

/* What runs behind one op: a sleep, or an answer that comes in up to three steps at one time. */
struct running {
    struct list node;
    struct op *op;
    int64_t due;
    uint64_t order;
    bool call;
    int step, status;
    struct buf body;
    struct err err; /* a call that gets no answer; its message is empty otherwise */
    const char *headers;
};

static struct oracle *oracle_of(struct effect *e)
{
    return (struct oracle *)e;
}

static int64_t oracle_now(struct effect *e)
{
    return oracle_of(e)->now;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t oracle_random(struct effect *e)
{
    uint64_t z = oracle_of(e)->dice += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int oracle_read(struct effect *e, const char *path, struct buf *out, struct err *err)
{
    struct effect *under = oracle_of(e)->under;

    return under->read_file(under, path, out, err);
}

static int oracle_write(struct effect *e, const char *path, struct span data, bool append,
                        struct err *err)
{
    struct effect *under = oracle_of(e)->under;

    return under->write_file(under, path, data, append, err);
}

/* ---- what a model answered ---- */

static void write_usage(struct buf *out, const struct outcomes_row *row, const struct outcome *x)
{
    long input = (long)(row->prompt.n / OUTCOMES_CHARS + 1), output = x->tokens > 0 ? x->tokens : 1;

    buf_printf(out,
               "\"usage\":{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,\"total_tokens\":%ld}",
               input, output, input + output);
}

/* As OpenAI's Chat Completions answers, whole or as a stream of one event. */
static int write_answer(struct buf *out, bool stream, struct span model,
                        const struct outcomes_row *row, const struct outcome *x, struct span text)
{
    if (stream)
        buf_puts(out, "data: ");
    buf_printf(out,
               "{\"id\":\"recorded\",\"object\":\"chat.completion%s\",\"created\":0,\"model\":",
               stream ? ".chunk" : "");
    json_write_text(out, model);
    buf_printf(out, ",\"choices\":[{\"index\":0,\"%s\":{\"role\":\"assistant\",\"content\":",
               stream ? "delta" : "message");
    if (json_write_text(out, text) < 0)
        return -1;
    buf_puts(out, "},\"finish_reason\":\"stop\"}],");
    write_usage(out, row, x);
    return buf_puts(out, stream ? "}\n\ndata: [DONE]\n\n" : "}");
}

static void refuse(struct running *r, int status, const char *code, const char *message)
{
    r->status = status;
    buf_puts(&r->body, "{\"error\":{\"message\":");
    json_write_text(&r->body, (struct span){message, strlen(message)});
    buf_printf(&r->body, ",\"type\":\"invalid_request_error\",\"code\":\"%s\"}}", code);
}

/* Does the body ask what was asked when it was recorded? */
static bool asks(struct span body, struct span prompt)
{
    struct buf text;

    buf_init(&text, BODY_MAX);
    bool found = json_write_text(&text, prompt) == 0 && memmem(body.p, body.n, text.data, text.len);
    buf_deinit(&text);
    return found;
}

static void book(struct oracle *o, int model, const struct outcome *x)
{
    o->calls.calls++;
    o->calls.asked[model]++;
    o->calls.unpriced |= isnan(x->cost);
    o->calls.cost += isnan(x->cost) ? 0 : x->cost;
}

/* The name of the model: the URL's provider, and what the body says. */
static struct span name_of(const struct ask_call *call, char *name, size_t size)
{
    const char *provider = call->url + sizeof EFFECT_ORACLE_URL - 1;
    int n = snprintf(name, size, "%.*s/", (int)strcspn(provider, "/"), provider);

    if (n < 0 || (size_t)n >= size)
        return SPAN("");
    json_member_text((struct span){call->body, call->body_len}, "model", name + n,
                     size - (size_t)n);
    return (struct span){name, strlen(name)};
}

static void answer_call(struct oracle *o, struct running *r, const struct ask_call *call)
{
    const char *path = strrchr(call->url, '/');
    char name[512], message[700], made[200];
    struct span body = {call->body, call->body_len};

    if (strncmp(call->url, EFFECT_ORACLE_URL, sizeof EFFECT_ORACLE_URL - 1) != 0) {
        err_set(&r->err, ERR_UNAVAILABLE, "only recorded models are asked here: no network");
        return;
    }
    struct span model = name_of(call, name, sizeof name);
    int k = outcomes_find(o->data, model);
    const struct outcome *x = k < 0 ? NULL : outcomes_at(o->data, o->row, k);
    if (!path || strcmp(path, "/completions") != 0 || !x || isnan(x->score)) {
        o->calls.missing++;
        snprintf(message, sizeof message,
                 x ? "of %.300s the data have no outcome in line %zu"
                   : "the data have no model %.300s",
                 name, o->data->rows[o->row].line);
        refuse(r, 404, "model_not_found", message);
        return;
    }
    struct span stream = json_member(body, "stream");
    bool streams = stream.p && json_type(stream) == JSON_TRUE;
    book(o, k, x);
    o->calls.reworded += !asks(body, o->data->rows[o->row].prompt);
    r->due = o->now + (int64_t)((double)x->latency * 1e6);
    r->headers = streams ? "content-type: text/event-stream\r\n" : r->headers;
    model.p += strcspn(name, "/") + 1;
    model.n -= strcspn(name, "/") + 1;
    if (write_answer(&r->body, streams, model, &o->data->rows[o->row], x,
                     outcomes_answer(o->data, o->row, k, made)) < 0)
        err_set(&r->err, ERR_OVERLOADED, "out of memory for an answer");
}

/* ---- operations ---- */

static void plan_turn(struct oracle *o)
{
    if (!list_empty(&o->ops))
        event_active(o->turn, EV_TIMEOUT, 1);
}

static int oracle_start(struct effect *e, struct op *op, const struct ask *ask, struct err *err)
{
    struct oracle *o = oracle_of(e);
    struct running *r = calloc(1, sizeof *r);

    if (r) {
        *r = (struct running){.op = op, .order = o->order++, .status = 200};
        r->headers = "content-type: application/json\r\n";
        r->call = ask->kind == ASK_CALL;
        r->due = o->now + (r->call ? 0 : ask->sleep_us);
        buf_init(&r->body, BODY_MAX);
        if (r->call)
            answer_call(o, r, &ask->call);
        int total = r->call ? ask->call.total_ms : 0;
        if (total && r->due > o->now + (int64_t)total * 1000) {
            r->due = o->now + (int64_t)total * 1000;
            err_set(&r->err, ERR_TIMEOUT, "no answer within %g seconds", total / 1e3);
        }
    }
    if (ask->kind == ASK_CALL)
        free(ask->call.body);
    if (!r)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    list_append(&o->ops, &r->node);
    op->effect = e;
    op->live = r;
    plan_turn(o);
    return 0;
}

static void drop(struct running *r)
{
    list_remove(&r->node);
    r->op->effect = NULL;
    r->op->live = NULL;
    buf_deinit(&r->body);
    free(r);
}

static void oracle_cancel(struct effect *e, struct op *op)
{
    (void)e;
    if (op->live)
        drop(op->live);
}

/* Answers are short enough to wait in memory. */
static void oracle_pause(struct effect *e, struct op *op, bool on)
{
    (void)e;
    (void)op;
    (void)on;
}

static struct running *next_due(struct oracle *o)
{
    struct running *next = NULL;

    for (struct list *n = o->ops.next; n != &o->ops; n = n->next) {
        struct running *r = LIST_ENTRY(n, struct running, node);
        if (!next || r->due < next->due || (r->due == next->due && r->order < next->order))
            next = r;
    }
    return next;
}

/* The handler may cancel and free what it is told about, so nothing is used after it. */
static void deliver(struct running *r)
{
    struct op *op = r->op;
    struct answer a = {.kind = ANSWER_DONE, .status = r->status};
    struct buf body = {0};

    if (r->err.message[0]) {
        struct err why = r->err;
        drop(r);
        op->on_answer(op, &(struct answer){.kind = ANSWER_FAIL, .err = &why});
        return;
    }
    if (!r->call || r->step == STEPS - 1) {
        drop(r);
    } else if (r->step++ == 0) {
        a.kind = ANSWER_HEAD;
        a.headers = (struct span){r->headers, strlen(r->headers)};
    } else {
        a.kind = ANSWER_DATA;
        body = r->body;
        r->body = (struct buf){0};
        a.data = buf_span(&body);
    }
    op->on_answer(op, &a);
    buf_deinit(&body);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct oracle *o = arg;
    struct running *r = next_due(o);

    (void)fd;
    (void)what;
    if (!r)
        return;
    if (r->due > o->now)
        o->now = r->due;
    deliver(r);
    plan_turn(o);
}

static void oracle_free(struct effect *e)
{
    struct oracle *o = oracle_of(e);

    event_free(o->turn);
    o->under->free(o->under);
    free(o);
}

struct effect *effect_oracle_new(struct event_base *base, struct effect *under,
                                 const struct outcomes *data, uint64_t seed, struct err *err)
{
    struct oracle *o = calloc(1, sizeof *o);

    if (o)
        o->turn = event_new(base, -1, 0, on_turn, o);
    if (!o || !o->turn) {
        free(o);
        err_set(err, ERR_OVERLOADED, "out of memory");
        return NULL;
    }
    list_init(&o->ops);
    o->under = under;
    o->data = data;
    o->dice = seed;
    o->now = (int64_t)1700000000 * 1000000;
    o->effect = (struct effect){.name = "oracle",
                                .wall_us = oracle_now,
                                .mono_us = oracle_now,
                                .random = oracle_random,
                                .read_file = oracle_read,
                                .write_file = oracle_write,
                                .start = oracle_start,
                                .cancel = oracle_cancel,
                                .pause = oracle_pause,
                                .free = oracle_free};
    effect_state_use(&o->effect, under->shared, under->cache);
    return &o->effect;
}

void effect_oracle_row(struct effect *e, size_t row)
{
    oracle_of(e)->row = row;
    oracle_of(e)->calls = (struct oracle_calls){0};
}

const struct oracle_calls *effect_oracle_calls(const struct effect *e)
{
    return &((const struct oracle *)e)->calls;
}
