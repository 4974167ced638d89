/* fakehelp - an effect for tests: a virtual clock, and providers that answer as they were told.
 * SPDX-License-Identifier: MIT
 *
 * Nothing happens by itself: fake_turn() moves the clock to what is due next and delivers it. Of
 * two things due at one time the one asked for first comes first. */
#ifndef FAKEHELP_H
#define FAKEHELP_H

#include "effect.h"
#include "list.h"
#include "testhelp.h"

#include <errno.h>

#define FAKE_EPOCH_US 1784937600000000 /* 2026-07-25T00:00:00Z: where wall_us begins */

enum { FAKE_STEPS = 256 };

/* One piece of an answer. */
struct fake_step {
    int64_t at_us; /* after the start of the call */
    enum answer_kind kind;
    int status;
    struct buf text; /* header lines or data */
    struct err err;
};

/* How one call will be answered; after the last step nothing more comes. */
struct fake_script {
    struct list node;
    struct fake_step steps[FAKE_STEPS];
    size_t n;
};

/* A call that was made. */
struct fake_request {
    struct list node;
    char method[16], url[512];
    struct buf headers, body; /* header lines, a line break after each */
    int connect_ms, first_byte_ms, stall_ms, total_ms;
    int64_t at_us;
    int pauses;
    bool cancelled, ended, public_only;
};

struct fake_op {
    struct list node;
    struct op *op;
    struct fake_script *script; /* NULL: a sleep */
    struct fake_request *request;
    size_t at;
    int64_t started, due;
    uint64_t order;
    bool paused;
    bool heard; /* a byte of the answer's body has come */
    bool late;  /* what is due is the end of its time */
};

struct fake {
    struct effect effect; /* first */
    int64_t now;          /* microseconds since the start */
    uint64_t seed, orders;
    struct list ops;      /* under way */
    struct list scripts;  /* not yet used, oldest first */
    struct list used;     /* kept: their texts may be looked at */
    struct list requests; /* oldest first */
    int refuse;           /* so many starts fail */
};

static inline int64_t fake_wall(struct effect *e)
{
    return FAKE_EPOCH_US + ((struct fake *)e)->now;
}

static inline int64_t fake_mono(struct effect *e)
{
    return ((struct fake *)e)->now;
}

/* splitmix64 */
static inline uint64_t fake_random(struct effect *e)
{
    uint64_t z = ((struct fake *)e)->seed += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline int fake_read_file(struct effect *e, const char *path, struct buf *out,
                                 struct err *err)
{
    FILE *f = fopen(path, "re");
    char piece[4096];
    size_t n;
    int result = 0;

    (void)e;
    if (!f)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    while (result == 0 && (n = fread(piece, 1, sizeof piece, f)) > 0)
        result = buf_add(out, piece, n);
    if (ferror(f))
        result = err_set(err, ERR_BAD_REQUEST, "%s: cannot be read", path);
    else if (result < 0)
        err_set(err, ERR_BUDGET, "%s: too large", path);
    fclose(f);
    return result;
}

static inline int fake_write_file(struct effect *e, const char *path, struct span data, bool append,
                                  struct err *err)
{
    (void)e, (void)data, (void)append;
    return err_set(err, ERR_AUTH, "%s: tests write nothing", path);
}

/* ---- scripts ---- */

/* The next call that nobody else has claimed is answered by this one. */
static inline struct fake_script *fake_answer(struct fake *f)
{
    struct fake_script *s = calloc(1, sizeof *s);

    list_append(&f->scripts, &s->node);
    return s;
}

static inline struct fake_step *fake_add(struct fake_script *s, int64_t at_us,
                                         enum answer_kind kind, const char *text, size_t n)
{
    struct fake_step *step = &s->steps[s->n < FAKE_STEPS - 1 ? s->n++ : s->n];

    step->at_us = at_us;
    step->kind = kind;
    buf_init(&step->text, (size_t)1 << 30);
    if (n)
        buf_add(&step->text, text, n);
    return step;
}

static inline void fake_head(struct fake_script *s, int64_t at_us, int status, const char *headers)
{
    fake_add(s, at_us, ANSWER_HEAD, headers, strlen(headers))->status = status;
}

static inline void fake_data(struct fake_script *s, int64_t at_us, const char *text)
{
    fake_add(s, at_us, ANSWER_DATA, text, strlen(text));
}

static inline void fake_done(struct fake_script *s, int64_t at_us)
{
    fake_add(s, at_us, ANSWER_DONE, "", 0);
}

static inline void fake_fail(struct fake_script *s, int64_t at_us, enum err_code code,
                             const char *message)
{
    err_set(&fake_add(s, at_us, ANSWER_FAIL, "", 0)->err, code, "%s", message);
}

static inline void fake_free_scripts(struct list *all)
{
    struct list *node;

    while ((node = list_first(all))) {
        struct fake_script *s = LIST_ENTRY(node, struct fake_script, node);
        list_remove(node);
        for (size_t i = 0; i < s->n; i++)
            buf_deinit(&s->steps[i].text);
        free(s);
    }
}

/* ---- operations ---- */

static inline struct fake_request *fake_note(struct fake *f, const struct ask_call *c)
{
    struct fake_request *r = calloc(1, sizeof *r);

    snprintf(r->method, sizeof r->method, "%s", c->method);
    snprintf(r->url, sizeof r->url, "%s", c->url);
    buf_init(&r->headers, 1 << 20);
    buf_init(&r->body, 1 << 28);
    for (size_t i = 0; i < c->header_count; i++) {
        buf_puts(&r->headers, c->headers[i]);
        buf_puts(&r->headers, "\n");
    }
    if (c->body_len)
        buf_add(&r->body, c->body, c->body_len);
    r->connect_ms = c->connect_ms;
    r->first_byte_ms = c->first_byte_ms;
    r->stall_ms = c->stall_ms;
    r->total_ms = c->total_ms;
    r->public_only = c->public_only;
    r->at_us = f->now;
    list_append(&f->requests, &r->node);
    return r;
}

static inline struct fake_script *fake_next_script(struct fake *f)
{
    if (list_empty(&f->scripts))
        fake_fail(fake_answer(f), 0, ERR_UNAVAILABLE, "the test has scripted no answer");
    struct fake_script *s = LIST_ENTRY(list_first(&f->scripts), struct fake_script, node);
    list_remove(&s->node);
    list_append(&f->used, &s->node);
    return s;
}

/* The limits of time are kept as the live effect keeps them, but for stalls. */
static inline void fake_schedule(struct fake_op *o)
{
    const struct fake_request *r = o->request;
    const struct fake_script *s = o->script;
    int64_t limit = r->total_ms > 0 ? o->started + r->total_ms * INT64_C(1000) : INT64_MAX;

    o->due = o->at < s->n ? o->started + s->steps[o->at].at_us : INT64_MAX;
    if (r->first_byte_ms > 0 && !o->heard) {
        int64_t first = o->started + r->first_byte_ms * INT64_C(1000);
        limit = first < limit ? first : limit;
    }
    o->late = o->due > limit;
    o->due = o->late ? limit : o->due;
}

static inline void fake_time_out(struct answer *a)
{
    static struct err err;

    err_set(&err, ERR_TIMEOUT, "the time is up");
    *a = (struct answer){.kind = ANSWER_FAIL, .err = &err};
}

static inline int fake_start(struct effect *e, struct op *op, const struct ask *ask,
                             struct err *err)
{
    struct fake *f = (struct fake *)e;

    if (f->refuse > 0) {
        f->refuse--;
        if (ask->kind == ASK_CALL)
            free(ask->call.body);
        return err_set(err, ERR_OVERLOADED, "the fake refuses");
    }
    struct fake_op *o = calloc(1, sizeof *o);
    o->op = op;
    o->started = f->now;
    o->order = f->orders++;
    if (ask->kind == ASK_CALL) {
        o->request = fake_note(f, &ask->call);
        o->script = fake_next_script(f);
        fake_schedule(o);
        free(ask->call.body);
    } else {
        o->due = f->now + ask->sleep_us;
    }
    list_append(&f->ops, &o->node);
    op->effect = e;
    op->live = o;
    return 0;
}

static inline void fake_drop(struct fake_op *o)
{
    list_remove(&o->node);
    o->op->effect = NULL;
    o->op->live = NULL;
    free(o);
}

static inline void fake_cancel(struct effect *e, struct op *op)
{
    struct fake_op *o = op->live;

    (void)e;
    if (!o)
        return;
    if (o->request)
        o->request->cancelled = true;
    fake_drop(o);
}

static inline void fake_pause(struct effect *e, struct op *op, bool on)
{
    struct fake_op *o = op->live;

    (void)e;
    if (!o)
        return;
    if (on && o->request)
        o->request->pauses++;
    o->paused = on;
}

/* Delivers what is due next; false when nothing is. The op may be gone afterwards. */
static inline bool fake_turn(struct fake *f)
{
    struct fake_op *next = NULL;

    for (struct list *node = f->ops.next; node != &f->ops; node = node->next) {
        struct fake_op *o = LIST_ENTRY(node, struct fake_op, node);
        if (o->paused || o->due == INT64_MAX)
            continue;
        if (!next || o->due < next->due || (o->due == next->due && o->order < next->order))
            next = o;
    }
    if (!next)
        return false;
    if (next->due > f->now)
        f->now = next->due;
    struct op *op = next->op;
    struct answer a = {.kind = ANSWER_DONE};
    if (next->late) {
        fake_time_out(&a);
    } else if (next->script) {
        struct fake_step *step = &next->script->steps[next->at++];
        struct span text = buf_span(&step->text);
        a = (struct answer){.kind = step->kind, .status = step->status, .err = &step->err};
        if (step->kind == ANSWER_HEAD)
            a.headers = text;
        else
            a.data = text;
        next->heard = next->heard || step->kind == ANSWER_DATA;
        fake_schedule(next);
    }
    if (a.kind == ANSWER_DONE || a.kind == ANSWER_FAIL) {
        if (next->request)
            next->request->ended = true;
        fake_drop(next);
    }
    op->on_answer(op, &a);
    return true;
}

static inline void fake_init(struct fake *f)
{
    *f = (struct fake){.effect = {.name = "fake",
                                  .wall_us = fake_wall,
                                  .mono_us = fake_mono,
                                  .random = fake_random,
                                  .read_file = fake_read_file,
                                  .write_file = fake_write_file,
                                  .start = fake_start,
                                  .cancel = fake_cancel,
                                  .pause = fake_pause}};
    list_init(&f->ops);
    list_init(&f->scripts);
    list_init(&f->used);
    list_init(&f->requests);
}

/* Forgets scripts and requests. What is under way stays: it belongs to its owner. */
static inline void fake_clear(struct fake *f)
{
    struct list *node;

    while ((node = list_first(&f->requests))) {
        struct fake_request *r = LIST_ENTRY(node, struct fake_request, node);
        list_remove(node);
        buf_deinit(&r->headers);
        buf_deinit(&r->body);
        free(r);
    }
    fake_free_scripts(&f->scripts);
    fake_free_scripts(&f->used);
    f->refuse = 0;
}

/* The n-th request since the last clear, from 0; NULL when there were fewer. */
static inline struct fake_request *fake_request_at(struct fake *f, int n)
{
    for (struct list *node = f->requests.next; node != &f->requests; node = node->next)
        if (n-- == 0)
            return LIST_ENTRY(node, struct fake_request, node);
    return NULL;
}

#endif
