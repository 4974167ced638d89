/* train - linear models from examples, by liblinear: weights, calibration, what to expect of them.
 * SPDX-License-Identifier: MIT */
#include "train_parts.h"

#include "hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Which part of the rows one belongs to. */
enum { LEARNED, HELD_A, HELD_B, UNUSED, HELD = 1 << HELD_A | 1 << HELD_B };

struct training {
    const struct train_data *d;
    const bool *use;
    const struct train_options *o;
    unsigned char *part; /* of each row */
    bool *learned;       /* rows of the first model */
    struct linear_head heads[LINEAR_HEADS];
    double c[LINEAR_HEADS];
    int columns;
    float **weights; /* of each column of all heads */
    float *bias;
    float *inputs; /* weights of each column, each input */
    float *scores; /* of each row, of one head */
    struct err *err;
};

static const float *train_inputs(const struct train_data *d, size_t row)
{
    return d->inputs ? d->inputs + row * (size_t)d->input_count : NULL;
}

static void say(const struct train_options *o, const char *text, const char *name, size_t n)
{
    if (o->progress)
        fprintf(o->progress, "%s '%s': %zu rows\n", text, name, n);
}

static size_t marked(const bool *use, size_t n)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += use[i];
    return sum;
}

/* Equal questions fall to the same side. */
static void divide(struct training *t)
{
    const struct hash_key key = {t->o->seed, 3};

    for (size_t i = 0; i < t->d->n; i++) {
        uint64_t h = hash_bytes(&key, (struct span){(const char *)&t->d->keys[i], 8});
        bool held = (double)(h % 100000) < t->o->held_back * 100000;
        t->part[i] = !t->use[i] ? UNUSED : !held ? LEARNED : h >> 40 & 1 ? HELD_A : HELD_B;
        t->learned[i] = t->part[i] == LEARNED;
    }
}

/* All rows of the same question as this one are learned from. */
static void learn_question(struct training *t, size_t row)
{
    for (size_t i = 0; i < t->d->n; i++)
        if (t->use[i] && t->d->keys[i] == t->d->keys[row]) {
            t->part[i] = LEARNED;
            t->learned[i] = true;
        }
}

/* A label of one question, which was held back, would be unknown to the first model: it is not held back. */
static void keep_labels(struct training *t, const struct train_head *h)
{
    bool known[LINEAR_COLUMNS] = {false};

    for (size_t i = 0; i < t->d->n; i++)
        if (t->learned[i] && h->label[i] >= 0)
            known[h->label[i]] = true;
    for (size_t i = 0; i < t->d->n; i++)
        if (t->use[i] && !t->learned[i] && h->label[i] >= 0 && !known[h->label[i]])
            learn_question(t, i);
}

static bool make_columns(struct training *t)
{
    for (int i = 0; i < t->d->head_count; i++) {
        struct linear_head *h = &t->heads[i];
        *h = t->d->heads[i].shape;
        h->columns = h->count > 2 ? h->count : 1;
        h->column = t->columns;
        t->columns += h->columns;
    }
    t->weights = calloc((size_t)t->columns, sizeof *t->weights);
    t->bias = calloc((size_t)t->columns, sizeof *t->bias);
    t->inputs = calloc((size_t)(t->columns * t->d->input_count) + 1, sizeof *t->inputs);
    for (int c = 0; t->weights && c < t->columns; c++)
        if (!(t->weights[c] = calloc((size_t)1 << t->o->how.bits, sizeof(float))))
            return false;
    return t->weights && t->bias && t->inputs;
}

static int fit(struct training *t, struct vectors *v, int head, double c)
{
    struct train_head h = t->d->heads[head];
    int first = t->heads[head].column;
    const struct fitted out = {t->weights + first, t->bias + first,
                               t->inputs + first * t->d->input_count};

    h.shape = t->heads[head];
    for (int k = 0; k < h.shape.columns; k++) {
        memset(t->weights[first + k], 0, sizeof(float) << t->o->how.bits);
        t->bias[first + k] = -1; /* a label that these rows do not have */
    }
    return vectors_fit(v, &h, c, &out, t->err);
}

/* The file of these heads. */
static int write(struct training *t, struct vectors *v, const struct linear_head *heads, int n,
                 struct buf *out)
{
    struct linear_plan plan = {.how = t->o->how,
                               .heads = heads,
                               .head_count = n,
                               .counts = v->counts,
                               .unseen = v->unseen,
                               .importance = v->importance,
                               .weights = (const float *const *)t->weights + heads->column,
                               .bias = t->bias + heads->column,
                               .inputs = v->inputs,
                               .input_count = t->d->input_count,
                               .input_weights = t->inputs + heads->column * t->d->input_count,
                               .bytes_max = t->o->bytes_max};

    for (int i = 0; i < n; i++)
        plan.columns += heads[i].columns;
    return linear_write(&plan, out, t->err);
}

/* The scores of the rows held back, by the first model's weights as a file would have them. */
static int score_held(struct training *t, struct vectors *v, int head)
{
    struct buf file;
    struct linear *m = NULL;

    buf_init(&file, LINEAR_FILE_MAX);
    if (write(t, v, &t->heads[head], 1, &file) == 0)
        m = linear_read(buf_span(&file), t->err);
    for (size_t i = 0; m && i < t->d->n; i++)
        if (HELD >> t->part[i] & 1)
            linear_scores(m, t->d->texts[i], train_inputs(t->d, i),
                          t->scores + i * (size_t)t->heads[head].columns);
    buf_deinit(&file);
    linear_free(m);
    return m ? 0 : -1;
}

/* One head's columns begin at 0 in its scores. */
static int calibrate_on(struct training *t, int head, unsigned parts, struct linear_head *h,
                        double *loss)
{
    const struct calibration_rows rows = {t->d, t->scores, (size_t)h->columns, t->part, parts};

    h->column = 0;
    if (calibrate(h, &t->d->heads[head], &rows, t->o->other_share, loss) == 0)
        return 0;
    return err_set(t->err, ERR_OVERLOADED, "out of memory for the calibration");
}

/* ---- verdicts ---- */

static void judge_row(const struct linear_head *h, const float *scores, float *p,
                      struct train_verdict *v, size_t row)
{
    if (h->kind == LINEAR_NUMBER) {
        v->best[row] = 0;
        v->p[row] = linear_number(h, scores);
        return;
    }
    struct linear_answer a = linear_labels(h, scores, p);
    v->best[row] = a.known || h->other < 0 ? a.best : h->other;
    v->p[row] = p[v->best[row]];
}

static int judge_part(struct training *t, int head, int part, const struct linear_head *h,
                      struct train_verdict *v)
{
    float *p = calloc((size_t)h->count + 1, sizeof *p);

    for (size_t i = 0; p && i < t->d->n; i++)
        if (t->part[i] == part)
            judge_row(h, t->scores + i * (size_t)h->columns, p, &v[head], i);
    free(p);
    return p ? 0 : err_set(t->err, ERR_OVERLOADED, "out of memory");
}

/* Each half is judged by a calibration on the other. */
static int cross_judge(struct training *t, int head, struct train_verdict *v)
{
    double loss;

    for (int part = HELD_A; part <= HELD_B; part++) {
        struct linear_head h = t->heads[head];
        if (calibrate_on(t, head, HELD & ~(1u << part), &h, &loss) < 0 ||
            judge_part(t, head, part, &h, v) < 0)
            return -1;
    }
    return 0;
}

/* ---- the two models ---- */

static void bounds(const struct train_head *t, const bool *use, size_t n, struct linear_head *h)
{
    h->low = INFINITY;
    h->high = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (use[i] && !isnan(t->number[i])) {
            h->low = fminf(h->low, t->number[i]);
            h->high = fmaxf(h->high, t->number[i]);
        }
    if (h->low > h->high)
        h->low = h->high = 0;
}

/* The C that leaves the least error on the rows held back; its calibration stays in the head. */
static int choose(struct training *t, struct vectors *v, int head)
{
    static const double some[] = {0.03, 0.1, 0.3, 1};
    struct linear_head *h = &t->heads[head], best = *h;
    bool several = h->columns == 1 && t->o->c <= 0;
    double least = HUGE_VAL, loss = 0;

    for (size_t i = 0; i < (several ? sizeof some / sizeof *some : 1); i++) {
        double c = several ? some[i] : t->o->c > 0 ? t->o->c : 1;
        struct linear_head now = *h;
        if (fit(t, v, head, c) < 0 || score_held(t, v, head) < 0 ||
            calibrate_on(t, head, HELD, &now, &loss) < 0)
            return -1;
        if (loss < least || i == 0) {
            least = loss;
            best = now;
            t->c[head] = c;
        }
    }
    if (several && t->c[head] != some[sizeof some / sizeof *some - 1] &&
        (fit(t, v, head, t->c[head]) < 0 || score_held(t, v, head) < 0))
        return -1;
    best.column = h->column;
    *h = best;
    return 0;
}

static int first_model(struct training *t, struct train_verdict *verdicts)
{
    struct vectors *v = vectors_new(t->d, t->learned, &t->o->how, t->o->input_share);
    int result = v ? 0 : err_set(t->err, ERR_OVERLOADED, "out of memory for the vectors");

    for (int i = 0; i < t->d->head_count && result == 0; i++) {
        struct linear_head *h = &t->heads[i];
        free(t->scores);
        say(t->o, "calibrating", h->name, marked(t->learned, t->d->n));
        if (h->kind == LINEAR_NUMBER)
            bounds(&t->d->heads[i], t->use, t->d->n, h);
        if (!(t->scores = calloc(t->d->n * (size_t)h->columns, sizeof *t->scores)))
            result = err_set(t->err, ERR_OVERLOADED, "out of memory for the scores");
        if (result == 0)
            result = choose(t, v, i);
        if (result == 0 && verdicts)
            result = cross_judge(t, i, verdicts);
    }
    vectors_free(v);
    return result;
}

static int last_model(struct training *t, struct buf *out)
{
    struct vectors *v = vectors_new(t->d, t->use, &t->o->how, t->o->input_share);
    int result = v ? 0 : err_set(t->err, ERR_OVERLOADED, "out of memory for the vectors");

    for (int i = 0; i < t->d->head_count && result == 0; i++) {
        say(t->o, "training", t->heads[i].name, marked(t->use, t->d->n));
        result = fit(t, v, i, t->c[i]);
    }
    if (result == 0)
        result = write(t, v, t->heads, t->d->head_count, out);
    vectors_free(v);
    return result;
}

static void clear(const struct train_data *d, struct train_verdict *v)
{
    for (int i = 0; v && i < d->head_count; i++)
        for (size_t k = 0; k < d->n; k++)
            v[i].best[k] = -1;
}

int train_model(const struct train_data *d, const bool *use, const struct train_options *o,
                struct train_verdict *verdicts, struct buf *out, struct err *err)
{
    struct training *t = calloc(1, sizeof *t);
    int result = -1;

    if (!t)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    *t = (struct training){.d = d, .use = use, .o = o, .err = err};
    t->part = calloc(d->n, 1);
    t->learned = calloc(d->n, sizeof *t->learned);
    if (!t->part || !t->learned || !make_columns(t)) {
        err_set(err, ERR_OVERLOADED, "out of memory for the weights");
    } else {
        clear(d, verdicts);
        divide(t);
        for (int i = 0; i < d->head_count; i++)
            if (d->heads[i].label)
                keep_labels(t, &d->heads[i]);
        result = first_model(t, verdicts) < 0 || last_model(t, out) < 0 ? -1 : 0;
    }
    for (int c = 0; t->weights && c < t->columns; c++)
        free(t->weights[c]);
    free(t->weights);
    free(t->bias);
    free(t->inputs);
    free(t->scores);
    free(t->part);
    free(t->learned);
    free(t);
    return result;
}

int train_judge(const struct train_data *d, const bool *use, const struct linear *m,
                struct train_verdict *verdicts, struct err *err)
{
    int n;
    const struct linear_head *heads = linear_heads(m, &n);
    float *scores = calloc((size_t)linear_columns(m), sizeof *scores);
    float *p = calloc(LINEAR_COLUMNS + 1, sizeof *p);

    for (size_t i = 0; scores && p && i < d->n; i++) {
        if (!use[i])
            continue;
        linear_scores(m, d->texts[i], train_inputs(d, i), scores);
        for (int k = 0; k < n; k++)
            judge_row(&heads[k], scores, p, &verdicts[k], i);
    }
    int result = scores && p ? 0 : err_set(err, ERR_OVERLOADED, "out of memory");
    free(scores);
    free(p);
    return result;
}
