/* eval_run - one policy over all rows: real scripts, recorded models.
 * SPDX-License-Identifier: MIT */
#include "effect_oracle.h"
#include "eval.h"
#include "json.h"
#include "load.h"
#include "task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NOTES_MAX = 64 << 10,
    RESULT_MAX = 64 << 20,
    BODY_MAX = 32 << 20,
    RECORDED_MAX = 4 << 20,
    TELL = 500
};

/* ---- a pass ---- */

int eval_pass_init(struct eval_pass *p, size_t rows)
{
    *p = (struct eval_pass){.quality = calloc(rows, sizeof *p->quality),
                            .cost = calloc(rows, sizeof *p->cost),
                            .score = calloc(rows, sizeof *p->score),
                            .strong = calloc(rows, sizeof *p->strong),
                            .model = calloc(rows, sizeof *p->model)};
    if (p->quality && p->cost && p->score && p->strong && p->model)
        return 0;
    eval_pass_deinit(p);
    return -1;
}

void eval_pass_deinit(struct eval_pass *p)
{
    free(p->quality);
    free(p->cost);
    free(p->score);
    free(p->strong);
    free(p->model);
    *p = (struct eval_pass){0};
}

struct curve_rows eval_rows(const struct eval_pass *p)
{
    return (struct curve_rows){p->quality, p->cost, p->strong};
}

/* ---- a worker on recorded models ---- */

static int write_recorded(const struct eval_setup *s, const char *policy, const char *param,
                          double value, struct buf *out)
{
    buf_puts(out, "{\"models\":");
    buf_add_span(out, s->models);
    if (param) {
        buf_puts(out, ",\"policies\":{");
        json_write_text(out, (struct span){policy, strlen(policy)});
        buf_puts(out, ":{");
        json_write_text(out, (struct span){param, strlen(param)});
        buf_puts(out, ":");
        json_write_double(out, value);
        buf_puts(out, "}}");
    }
    return buf_puts(out, "}");
}

static int put_oracle(struct worker *w, const struct eval_setup *s, struct err *err)
{
    struct effect *oracle = effect_oracle_new(w->base, w->fx, s->data, s->seed, err);

    if (!oracle)
        return -1;
    w->fx = w->rt.fx = oracle;
    return 0;
}

struct worker *eval_worker(const struct eval_setup *s, const char *policy, const char *param,
                           double value, struct err *err)
{
    struct worker *w = calloc(1, sizeof *w);
    struct buf recorded;

    if (!w) {
        err_set(err, ERR_OVERLOADED, "out of memory");
        return NULL;
    }
    buf_init(&recorded, RECORDED_MAX);
    int result = write_recorded(s, policy, param, value, &recorded);
    const struct worker_options o = {.config = s->config,
                                     .policies = s->policies,
                                     .print = stderr,
                                     .recorded = buf_span(&recorded)};
    if (result < 0)
        err_set(err, ERR_BUDGET, "the catalogue of the recorded models is larger than %d bytes",
                RECORDED_MAX);
    else if ((result = worker_init(w, &o, err)) == 0)
        result = put_oracle(w, s, err) < 0 ? -1 : worker_load_files(w, err);
    buf_deinit(&recorded);
    if (result < 0) {
        eval_worker_free(w);
        return NULL;
    }
    w->o.recorded = (struct span){NULL, 0};
    w->log.level = LOG_NONE;
    return w;
}

void eval_worker_free(struct worker *w)
{
    worker_deinit(w);
    free(w);
}

int eval_ask(struct worker *w, const char *function, const char *const *texts, struct buf *out,
             struct err *err)
{
    struct ledger ledger = {.cost = 0};
    const struct worker_job job = {.module = "evaluate",
                                   .function = function,
                                   .texts = texts,
                                   .ledger = &ledger,
                                   .result = out};

    buf_init(&ledger.notes, NOTES_MAX);
    int result = worker_run(w, &job, err);
    buf_deinit(&ledger.notes);
    return result;
}

/* ---- what a row came to ---- */

static struct span trimmed(struct span s)
{
    while (s.n && strchr(" \t\r\n", *s.p)) {
        s.p++;
        s.n--;
    }
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
        s.n--;
    return s;
}

static bool is_same(struct span a, struct span b)
{
    a = trimmed(a);
    b = trimmed(b);
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool says(const struct outcomes *o, size_t row, int model, struct span text)
{
    char made[200];

    return !isnan(outcomes_at(o, row, model)->score) &&
           is_same(outcomes_answer(o, row, model, made), text);
}

/* Whose recorded answer it is: the named model's, else one that was asked, else any; -1. */
static int whose(const struct outcomes *o, const struct oracle_calls *calls, size_t row, int named,
                 struct span text)
{
    int other = -1;

    if (named >= 0 && says(o, row, named, text))
        return named;
    for (int k = 0; k < o->count; k++) {
        if (!says(o, row, k, text))
            continue;
        if (calls->asked[k])
            return k;
        other = other < 0 ? k : other;
    }
    return other;
}

static void judge(struct eval_pass *out, const struct outcomes *o, const struct oracle_calls *calls,
                  size_t row, int named, struct span text)
{
    int k = whose(o, calls, row, named, text);
    struct span reference = o->rows[row].reference;

    out->model[row] = k;
    if (k >= 0)
        out->quality[row] = (double)outcomes_at(o, row, k)->score;
    else if (reference.p)
        out->quality[row] = is_same(reference, text) ? 1 : 0;
    else
        out->unjudged++;
}

/* The score that trace.decide told; several decisions must agree. */
static void note_score(struct eval_pass *out, size_t row, struct buf *notes)
{
    struct json_iter it = {0};
    struct span key, note;
    double score;

    if (!notes->len || buf_puts(notes, "]") < 0)
        return;
    while (json_next(buf_span(notes), &it, &key, &note)) {
        struct span value = json_path(note, "decide.score");
        if (!value.p || json_double(value, &score) < 0)
            continue;
        if (isnan(out->score[row]))
            out->scores += out->scores >= 0;
        else if (out->score[row] != score)
            out->scores = -1;
        out->score[row] = score;
    }
}

static void fail_row(struct eval_pass *out, size_t line, const char *message, int n)
{
    if (!out->errors++)
        snprintf(out->why, sizeof out->why, "line %zu: %.*s", line, n, message);
}

/* ---- the rows ---- */

int eval_body(struct buf *out, const char *model, struct span prompt)
{
    out->len = 0;
    buf_puts(out, "{\"model\":");
    json_write_text(out, (struct span){model, strlen(model)});
    buf_puts(out, ",\"messages\":[{\"role\":\"user\",\"content\":");
    json_write_text(out, prompt);
    return buf_puts(out, "}]}") < 0 ? -1 : buf_add(out, "", 1);
}

struct running {
    const struct eval_setup *s;
    struct worker *w;
    const char *policy;
    struct eval_pass *out;
    struct buf body, result, text;
    struct ledger ledger;
};

static void read_result(struct running *r, size_t row, const struct oracle_calls *calls)
{
    struct span doc = buf_span(&r->result), text = json_member(doc, "text");
    char name[512];

    r->text.len = 0;
    if (!text.p) {
        json_member_text(doc, "message", name, sizeof name);
        fail_row(r->out, r->s->data->rows[row].line, name, (int)strlen(name));
        r->out->model[row] = -1;
        return;
    }
    json_text(text, &r->text);
    json_member_text(doc, "model", name, sizeof name);
    judge(r->out, r->s->data, calls, row,
          outcomes_find(r->s->data, (struct span){name, strlen(name)}), buf_span(&r->text));
}

/* As a client's POST /v1/feedback: who decides under the row's trace learns how good the answer was. */
static void give_feedback(struct running *r, double quality)
{
    struct effect *fx = r->w->fx;
    char score[40];
    const char *texts[] = {r->ledger.id, score, NULL};
    struct err err;

    snprintf(score, sizeof score, "%.17g", quality < 0 ? 0 : quality > 1 ? 1 : quality);
    fx->bandit_spent(fx, (struct span){r->ledger.id, strlen(r->ledger.id)},
                     effect_oracle_calls(fx)->cost);
    r->result.len = 0;
    if (eval_ask(r->w, "learn", texts, &r->result, &err) < 0)
        fail_row(r->out, 0, err.message, (int)strlen(err.message));
}

static void run_row(struct running *r, size_t row)
{
    const char *texts[] = {r->policy, r->body.data, NULL};
    struct worker_job job = {.module = "evaluate",
                             .function = "row",
                             .texts = texts,
                             .ledger = &r->ledger,
                             .result = &r->result};
    struct err why;
    struct eval_pass *out = r->out;

    r->result.len = r->ledger.notes.len = 0;
    r->ledger = (struct ledger){.notes = r->ledger.notes};
    snprintf(r->ledger.id, sizeof r->ledger.id, "row-%zu", row);
    effect_oracle_row(r->w->rt.fx, row);
    out->score[row] = (double)NAN;
    int result = worker_run(r->w, &job, &why);
    const struct oracle_calls *calls = effect_oracle_calls(r->w->rt.fx);
    out->calls += calls->calls;
    out->missing += calls->missing;
    out->reworded += calls->reworded;
    out->cost[row] = calls->cost;
    out->strong[row] = calls->asked[r->s->strong] > 0;
    note_score(out, row, &r->ledger.notes);
    if (result < 0) {
        fail_row(out, r->s->data->rows[row].line, why.message, (int)strlen(why.message));
        out->model[row] = -1;
    } else {
        read_result(r, row, calls);
    }
    if (r->s->feedback && r->ledger.decided)
        give_feedback(r, out->quality[row]);
}

static int run_rows(struct running *r, struct err *err)
{
    const size_t n = r->s->data->n;

    for (size_t i = 0; i < n; i++) {
        if (eval_body(&r->body, r->policy, r->s->data->rows[i].prompt) < 0)
            return err_set(err, ERR_BUDGET, "line %zu: the prompt is larger than %d bytes",
                           r->s->data->rows[i].line, BODY_MAX);
        run_row(r, i);
        if (r->s->progress && i % TELL == 0)
            fprintf(stderr, "\r%s: %zu of %zu rows\033[K", r->policy, i, n);
    }
    if (r->s->progress)
        fprintf(stderr, "\r\033[K");
    return 0;
}

int eval_run(const struct eval_setup *s, const char *policy, const char *param, double value,
             struct eval_pass *out, struct err *err)
{
    struct running r = {.s = s, .policy = policy, .out = out};
    int result = -1;

    if (eval_pass_init(out, s->data->n) < 0)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    buf_init(&r.body, BODY_MAX);
    buf_init(&r.result, RESULT_MAX);
    buf_init(&r.text, RESULT_MAX);
    buf_init(&r.ledger.notes, NOTES_MAX);
    if ((r.w = eval_worker(s, policy, param, value, err))) {
        result = run_rows(&r, err);
        eval_worker_free(r.w);
    }
    buf_deinit(&r.body);
    buf_deinit(&r.result);
    buf_deinit(&r.text);
    buf_deinit(&r.ledger.notes);
    if (result < 0)
        eval_pass_deinit(out);
    return result;
}
