/* questions - what people are asked by the scripts of one process, until somebody answers.
 * SPDX-License-Identifier: MIT */
#include "questions.h"

#include "json.h"
#include "list.h"
#include "webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN_MAX = 1000, ROOM = 512 /* of what is added to a form */ };

struct questions {
    struct effect *fx;
    struct log *log;
    struct list open; /* struct question, oldest first */
    int count;
    int open_max;
    char *url;
    char **headers;
    size_t header_count;
    struct question_person *person;
    bool ended;
};

struct question {
    struct list node;
    struct questions *all;
    char id[QUESTION_ID_MAX];
    struct buf shown;
    int64_t asked_us, begun_us, due_us; /* wall clock; monotonic */
    double within;
    uint64_t serial;
    struct op timer, limit; /* limit: since its policies were replaced */
    double limited;         /* seconds that it had from then on */
    struct webhook hook;
    struct question_wait *wait;
};

/* ---- birth, configuration ---- */

struct questions *questions_new(struct effect *fx, struct log *log, struct err *err)
{
    struct questions *q = calloc(1, sizeof *q);

    if (!q) {
        err_set(err, ERR_OVERLOADED, "out of memory");
        return NULL;
    }
    q->fx = fx;
    q->log = log;
    q->open_max = OPEN_MAX;
    list_init(&q->open);
    return q;
}

static void free_hook(struct questions *q)
{
    free(q->url);
    for (size_t i = 0; q->headers && i < q->header_count; i++)
        free(q->headers[i]);
    free(q->headers);
    q->url = NULL;
    q->headers = NULL;
    q->header_count = 0;
}

int questions_configure(struct questions *q, const struct questions_config *c)
{
    struct questions old = *q;

    q->open_max = c->open_max;
    q->url = c->url ? strdup(c->url) : NULL;
    q->header_count = 0;
    q->headers = calloc(c->header_count + 1, sizeof *q->headers);
    bool made = q->headers && (q->url || !c->url);
    for (size_t i = 0; made && i < c->header_count; i++, q->header_count += made)
        made = (q->headers[i] = strdup(c->headers[i])) != NULL;
    if (!made) {
        free_hook(q);
        *q = old;
        return -1;
    }
    free_hook(&old);
    return 0;
}

void questions_use_person(struct questions *q, struct question_person *p)
{
    q->person = p;
}

/* ---- the end of one ---- */

static void question_free(struct question *one)
{
    struct questions *q = one->all;

    list_remove(&one->node);
    q->count--;
    q->fx->cancel(q->fx, &one->timer);
    q->fx->cancel(q->fx, &one->limit);
    webhook_stop(&one->hook);
    one->wait->question = NULL;
    if (q->person && q->person->gone)
        q->person->gone(q->person, one->id);
    buf_deinit(&one->shown);
    free(one);
}

static void finish(struct question *one, struct question_answer *a)
{
    struct question_wait *wait = one->wait;
    struct effect *fx = one->all->fx;

    a->waited = (double)(fx->mono_us(fx) - one->begun_us) / 1e6;
    question_free(one);
    wait->on_answer(wait, a);
}

static void fail(struct question *one, const struct err *err)
{
    finish(one, &(struct question_answer){.err = err});
}

static void on_time_up(struct op *op, const struct answer *a)
{
    struct question *one = LIST_ENTRY(op, struct question, timer);
    struct err err;

    (void)a;
    err_set(&err, ERR_TIMEOUT, "nobody answered within %g seconds", one->within);
    fail(one, &err);
}

static void on_limit(struct op *op, const struct answer *a)
{
    struct question *one = LIST_ENTRY(op, struct question, limit);
    struct err err;

    (void)a;
    err_set(&err, ERR_TIMEOUT,
            "nobody answered, and the policies that ask were replaced %g seconds ago",
            one->limited);
    fail(one, &err);
}

void questions_drop(struct question_wait *w)
{
    if (w->question)
        question_free(w->question);
}

void questions_free(struct questions *q)
{
    struct list *node;

    if (!q)
        return;
    q->person = NULL;
    while ((node = list_first(&q->open)))
        question_free(LIST_ENTRY(node, struct question, node));
    free_hook(q);
    free(q);
}

/* ---- what people see ---- */

static void put_time(struct buf *out, const char *name, int64_t wall_us)
{
    char time[25];

    log_time(wall_us, time);
    buf_printf(out, ",\"%s\":\"%s\"", name, time);
}

/* The form with id and times in front. */
static void write_one(const struct question *one, struct buf *out)
{
    struct effect *fx = one->all->fx;
    int64_t now = fx->mono_us(fx);

    buf_printf(out, "{\"id\":\"%s\"", one->id);
    put_time(out, "asked_at", one->asked_us);
    put_time(out, "expires_at", one->asked_us + one->due_us - one->begun_us);
    buf_printf(out, ",\"age_s\":%.1f,\"left_s\":%.1f", (double)(now - one->begun_us) / 1e6,
               (double)(one->due_us - now) / 1e6);
    if (one->shown.len > 2) {
        buf_puts(out, ",");
        buf_add(out, one->shown.data + 1, one->shown.len - 1);
    } else {
        buf_puts(out, "}");
    }
}

int questions_count(const struct questions *q)
{
    return q->count;
}

void questions_list(const struct questions *q, struct buf *out)
{
    int shown = 0;

    buf_puts(out, "\"items\":[");
    for (struct list *n = q->open.next; n != &q->open; n = n->next) {
        const struct question *one = LIST_ENTRY(n, struct question, node);
        if (out->len + one->shown.len + 2 * ROOM > out->max)
            continue;
        buf_puts(out, shown++ ? "," : "");
        write_one(one, out);
    }
    buf_printf(out, "],\"total\":%d", q->count);
}

/* ---- asking ---- */

static void on_told(struct webhook *h, const struct err *err)
{
    struct question *one = LIST_ENTRY(h, struct question, hook);
    struct questions *q = one->all;

    if (err && q->log)
        log_write(
            q->log, LOG_WARN, "the webhook was not told of a question",
            (struct log_field[]){log_text("question", one->id), log_text("error", err->message)},
            2);
}

/* The webhook's trouble is not the question's: operators see it all the same. */
static void tell_webhook(struct question *one)
{
    struct questions *q = one->all;
    struct buf body;
    struct err err;

    if (!q->url)
        return;
    one->hook.on_end = on_told;
    buf_init(&body, QUESTION_FORM_MAX + 4 * ROOM);
    buf_puts(&body, "{\"event\":\"question\",\"answer\":\"POST /admin/questions/");
    buf_printf(&body, "%s\",\"question\":", one->id);
    write_one(one, &body);
    buf_puts(&body, "}");
    if (webhook_start(&one->hook, q->fx, q->url, q->headers, q->header_count, buf_span(&body),
                      &err) < 0)
        on_told(&one->hook, &err);
    buf_deinit(&body);
}

/* What is asked stands in no log. */
static void note_asked(const struct question *one)
{
    struct span trace = json_member(buf_span(&one->shown), "trace");
    struct log_field fields[] = {log_text("question", one->id), log_number("within_s", one->within),
                                 log_json("trace", trace)};

    if (one->all->log)
        log_write(one->all->log, LOG_INFO, "a person is asked", fields, trace.p ? 3 : 2);
}

static int set_timer(struct question *one, int64_t us, struct err *err)
{
    struct effect *fx = one->all->fx;
    struct ask ask = {.kind = ASK_SLEEP, .sleep_us = us};

    one->due_us = fx->mono_us(fx) + us;
    return fx->start(fx, &one->timer, &ask, err);
}

static struct question *question_new(struct questions *q, struct question_wait *w,
                                     const struct question_form *form)
{
    struct question *one = calloc(1, sizeof *one);

    if (!one)
        return NULL;
    list_append(&q->open, &one->node);
    q->count++;
    one->all = q;
    one->wait = w;
    one->serial = form->serial;
    one->timer.on_answer = on_time_up;
    one->limit.on_answer = on_limit;
    one->within = (double)form->within_us / 1e6;
    one->asked_us = q->fx->wall_us(q->fx);
    one->begun_us = q->fx->mono_us(q->fx);
    snprintf(one->id, sizeof one->id, "q_%016llx", (unsigned long long)q->fx->random(q->fx));
    buf_init(&one->shown, QUESTION_FORM_MAX);
    return one;
}

int questions_ask(struct questions *q, struct question_wait *w, const struct question_form *form,
                  struct err *err)
{
    if (q->ended)
        return err_set(err, ERR_OVERLOADED, "the engine is stopping: nobody is asked any more");
    if (q->count >= q->open_max)
        return err_set(err, ERR_OVERLOADED,
                       "%d questions are open already (human.open); none is asked until some are "
                       "answered",
                       q->count);
    struct question *one = question_new(q, w, form);
    if (!one)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    if (buf_add_span(&one->shown, form->shown) < 0) {
        err_set(err, ERR_BUDGET, "a question is larger than %d bytes", QUESTION_FORM_MAX);
        goto fail;
    }
    if (set_timer(one, form->within_us, err) < 0)
        goto fail;
    if (q->person && q->person->ask && q->person->ask(q->person, one->id, form->shown, err) < 0)
        goto fail;
    w->question = one;
    note_asked(one);
    tell_webhook(one);
    return 0;
fail:
    question_free(one);
    return -1;
}

/* ---- answering ---- */

static struct question *find(struct questions *q, const char *id)
{
    for (struct list *n = q->open.next; n != &q->open; n = n->next) {
        struct question *one = LIST_ENTRY(n, struct question, node);
        if (strcmp(one->id, id) == 0)
            return one;
    }
    return NULL;
}

/* Is the text one of the options? -1: no; *err lists them. */
static int check_option(struct span options, struct span text, struct err *err)
{
    struct json_iter it = {0};
    struct span none, option;
    struct buf known, plain;
    int found = -1;

    buf_init(&known, ERR_MESSAGE_MAX / 2);
    buf_init(&plain, QUESTION_FORM_MAX);
    while (found < 0 && json_next(options, &it, &none, &option)) {
        plain.len = 0;
        if (json_text(option, &plain) < 0)
            continue;
        if (plain.len == text.n && memcmp(plain.data ? plain.data : "", text.p, text.n) == 0)
            found = 0;
        if (buf_puts(&known, known.len ? ", " : "") == 0)
            buf_add_span(&known, buf_span(&plain));
    }
    if (found < 0)
        err_set(err, ERR_BAD_REQUEST, "answer: must be one of: %.*s", (int)known.len,
                known.data ? known.data : "");
    buf_deinit(&known);
    buf_deinit(&plain);
    return found;
}

static int check_answer(const struct question *one, struct span text, struct err *err)
{
    struct span options = json_member(buf_span(&one->shown), "options");

    if (text.n > QUESTION_TEXT_MAX)
        return err_set(err, ERR_BAD_REQUEST, "answer: longer than %d bytes", QUESTION_TEXT_MAX);
    if (!options.p || json_type(options) != JSON_ARRAY)
        return 0;
    return check_option(options, text, err);
}

int questions_answer(struct questions *q, const char *id, struct span text, struct span by,
                     struct err *err)
{
    struct question *one = find(q, id);

    if (!one)
        return 0;
    if (check_answer(one, text, err) < 0)
        return -1;
    finish(one, &(struct question_answer){.text = text, .by = by});
    return 1;
}

bool questions_expire(struct questions *q, const char *id)
{
    struct question *one = find(q, id);
    struct err err;

    if (!one)
        return false;
    err_set(&err, ERR_TIMEOUT, "an operator let the question expire after %.1f seconds",
            (double)(q->fx->mono_us(q->fx) - one->begun_us) / 1e6);
    fail(one, &err);
    return true;
}

void questions_limit(struct questions *q, uint64_t serial, int64_t us)
{
    int64_t due = q->fx->mono_us(q->fx) + us;
    struct ask ask = {.kind = ASK_SLEEP, .sleep_us = us};
    struct err err;

    for (struct list *n = q->open.next; n != &q->open; n = n->next) {
        struct question *one = LIST_ENTRY(n, struct question, node);
        if (one->serial != serial || one->due_us <= due || one->limit.effect)
            continue;
        one->limited = (double)us / 1e6;
        if (q->fx->start(q->fx, &one->limit, &ask, &err) == 0) /* else it keeps its own time */
            one->due_us = due;
    }
}

void questions_end(struct questions *q, const char *why)
{
    struct list *node;
    struct err err;

    err_set(&err, ERR_OVERLOADED, "%s: nobody has answered the question yet", why);
    q->ended = true;
    while ((node = list_first(&q->open)))
        fail(LIST_ENTRY(node, struct question, node), &err);
}
