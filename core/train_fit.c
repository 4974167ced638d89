/* train_fit - texts as vectors of n-grams, and weights for them by liblinear.
 * SPDX-License-Identifier: MIT */
#include "train_parts.h"

#include <linear.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A piece of a word counts half of what a word counts. Chosen, as were the method and C, on splits of the training data
 * of CLINC150, HWU64 and Banking77 (for CLINC150 its own "val" rows). */
static const float piece_share = 0.5f;

struct vectors {
    const struct train_data *d;
    const bool *use;
    struct ngrams how;
    size_t rows;           /* marked by 'use' */
    unsigned char *counts; /* of each bucket */
    float *importance;
    uint32_t *place;         /* of each bucket among the weights: what is usual stands together */
    struct feature_node **x; /* of each row of 'd'; NULL where it is not used */
    struct feature_node *nodes;
    unsigned char unseen;
    struct linear_input inputs[LINEAR_INPUTS];
    double input_share;
};

struct tally {
    uint32_t *rows;  /* in how many rows a bucket was seen */
    uint32_t *last;  /* the row it was seen in last, from 1 */
    uint32_t *times; /* in that row */
    uint32_t *found; /* the buckets of one row, each once */
    bool *word;      /* a bucket of words, not of pieces */
    size_t room, n;
};

static void tally_deinit(struct tally *t)
{
    free(t->rows);
    free(t->last);
    free(t->times);
    free(t->found);
    free(t->word);
}

static bool tally_init(struct tally *t, const struct ngrams *how)
{
    const size_t n = (size_t)1 << how->bits;

    *t = (struct tally){.room = n};
    t->rows = calloc(n, sizeof *t->rows);
    t->last = calloc(n, sizeof *t->last);
    t->times = calloc(n, sizeof *t->times);
    t->found = calloc(n, sizeof *t->found);
    t->word = calloc(n, sizeof *t->word);
    return t->rows && t->last && t->times && t->found && t->word;
}

/* The buckets of a row into 'found', with their times. 'first': they are counted for the first time. */
static void tally_row(struct tally *t, const struct vectors *v, size_t row, uint32_t mark,
                      bool first)
{
    struct ngrams_reader r;
    uint32_t out[NGRAMS_OUT];
    int n, words;

    t->n = 0;
    ngrams_begin(&r, &v->how, v->d->texts[row]);
    while ((n = ngrams_next(&r, out, &words)) > 0)
        for (int i = 0; i < n; i++) {
            uint32_t b = out[i];
            if (t->last[b] != mark) {
                t->last[b] = mark;
                t->times[b] = 0;
                t->found[t->n++] = b;
                t->word[b] |= first && t->rows[b] == 0 && i < words;
                t->rows[b] += first;
            }
            t->times[b]++;
        }
}

static unsigned char level(double x)
{
    x = x * LINEAR_COUNT + 0.5;
    return (unsigned char)(x < 1 ? 1 : x > 255 ? 255 : x);
}

static size_t count_all(struct vectors *v, struct tally *t)
{
    size_t nodes = 0;

    for (size_t i = 0; i < v->d->n; i++)
        if (v->use[i]) {
            tally_row(t, v, i, (uint32_t)i + 1, true);
            nodes += t->n + (size_t)v->d->input_count + 2;
            v->rows++;
        }
    for (size_t b = 0; b < t->room; b++) {
        double rarity = log((1.0 + (double)v->rows) / (1.0 + t->rows[b])) + 1;
        v->counts[b] = t->rows[b] ? level(rarity * (double)(t->word[b] ? 1.0f : piece_share)) : 0;
        v->importance[b] = sqrtf((float)t->rows[b]);
    }
    v->unseen = level((log(1.0 + (double)v->rows) + 1) * (double)piece_share);
    return nodes;
}

struct usual {
    uint32_t rows, bucket;
};

static int by_rows(const void *a, const void *b)
{
    const struct usual *x = a, *y = b;

    if (x->rows != y->rows)
        return x->rows < y->rows ? 1 : -1;
    return x->bucket < y->bucket ? -1 : x->bucket > y->bucket;
}

/* Most rows have the same few thousand n-grams: side by side, their weights stay in the processor's caches. */
static int place_all(struct vectors *v, const struct tally *t)
{
    struct usual *all = calloc(t->room, sizeof *all);

    if (!all)
        return -1;
    for (size_t b = 0; b < t->room; b++)
        all[b] = (struct usual){t->rows[b], (uint32_t)b};
    qsort(all, t->room, sizeof *all, by_rows);
    for (size_t i = 0; i < t->room; i++)
        v->place[all[i].bucket] = (uint32_t)i;
    free(all);
    return 0;
}

static int by_index(const void *a, const void *b)
{
    return ((const struct feature_node *)a)->index - ((const struct feature_node *)b)->index;
}

/* Mean and deviation of an input over the rows that are used. */
static void measure_input(struct vectors *v, int input)
{
    const int all = v->d->input_count;
    double sum = 0, squares = 0, n = 0;

    for (size_t i = 0; i < v->d->n; i++) {
        double x = (double)v->d->inputs[i * (size_t)all + (size_t)input];
        if (v->use[i] && !isnan(x)) {
            sum += x;
            squares += x * x;
            n++;
        }
    }
    double mean = n > 0 ? sum / n : 0, rest = n > 0 ? squares / n - mean * mean : 0;
    struct linear_input *out = &v->inputs[input];
    snprintf(out->name, sizeof out->name, "%s", v->d->input_names[input]);
    out->mean = (float)mean;
    out->scale = rest > 1e-12 * squares ? (float)(1 / sqrt(rest)) : 0;
}

static struct feature_node *put_inputs(const struct vectors *v, size_t row, int first,
                                       struct feature_node *out)
{
    const int all = v->d->input_count;

    for (int i = 0; i < all; i++) {
        float x = v->d->inputs[row * (size_t)all + (size_t)i];
        *out++ = (struct feature_node){first + i, v->input_share *
                                                      (double)linear_input_value(&v->inputs[i], x)};
    }
    return out;
}

/* As linear_scores sees it: what n-grams count, divided by the length, n-grams as often as they occur. */
static struct feature_node *put_vector(struct vectors *v, const struct tally *t, size_t row,
                                       struct feature_node *out)
{
    double squares = 0;

    for (size_t i = 0; i < t->n; i++) {
        double count = v->counts[t->found[i]];
        squares += t->times[t->found[i]] * count * count;
    }
    for (size_t i = 0; i < t->n; i++) {
        uint32_t b = t->found[i];
        out[i] = (struct feature_node){(int)b + 1, t->times[b] * v->counts[b] / sqrt(squares)};
    }
    qsort(out, t->n, sizeof *out,
          by_index); /* sums are made in this order, wherever the weights are */
    for (size_t i = 0; i < t->n; i++)
        out[i].index = (int)v->place[out[i].index - 1] + 1;
    out = put_inputs(v, row, (int)t->room + 1, out + t->n);
    *out++ = (struct feature_node){(int)t->room + v->d->input_count + 1, 1};
    *out++ = (struct feature_node){-1, 0};
    return out;
}

struct vectors *vectors_new(const struct train_data *d, const bool *use, const struct ngrams *how,
                            double input_share)
{
    struct vectors *v = calloc(1, sizeof *v);
    struct tally t = {0};

    if (!v || !tally_init(&t, how))
        goto fail;
    *v = (struct vectors){.d = d, .use = use, .how = *how, .input_share = input_share};
    v->counts = calloc(t.room, 1);
    v->importance = calloc(t.room, sizeof *v->importance);
    v->place = calloc(t.room, sizeof *v->place);
    v->x = calloc(d->n, sizeof *v->x);
    if (!v->counts || !v->importance || !v->place || !v->x)
        goto fail;
    if (!(v->nodes = malloc((count_all(v, &t) + 1) * sizeof *v->nodes)) || place_all(v, &t) < 0)
        goto fail;
    for (int i = 0; i < d->input_count; i++)
        measure_input(v, i);
    struct feature_node *at = v->nodes;
    for (size_t i = 0; i < d->n; i++)
        if (use[i]) {
            v->x[i] = at;
            tally_row(&t, v, i, (uint32_t)(d->n + i) + 1, false);
            at = put_vector(v, &t, i, at);
        }
    tally_deinit(&t);
    return v;
fail:
    tally_deinit(&t);
    vectors_free(v);
    return NULL;
}

void vectors_free(struct vectors *v)
{
    if (!v)
        return;
    free(v->counts);
    free(v->importance);
    free(v->place);
    free(v->x);
    free(v->nodes);
    free(v);
}

const unsigned char *vectors_counts(const struct vectors *v)
{
    return v->counts;
}

unsigned char vectors_unseen(const struct vectors *v)
{
    return v->unseen;
}

const float *vectors_importance(const struct vectors *v)
{
    return v->importance;
}

const struct linear_input *vectors_inputs(const struct vectors *v)
{
    return v->inputs;
}

/* ---- liblinear ---- */

static bool has(const struct train_head *h, size_t row)
{
    return h->label ? h->label[row] >= 0 : !isnan(h->number[row]);
}

static int fill(struct vectors *v, const struct train_head *h, struct problem *p, struct err *err)
{
    p->y = calloc(v->d->n, sizeof *p->y);
    p->x = calloc(v->d->n, sizeof(void *));
    if (!p->y || !p->x)
        return err_set(err, ERR_OVERLOADED, "out of memory for the training");
    for (size_t i = 0; i < v->d->n; i++)
        if (v->use[i] && has(h, i)) {
            p->y[p->l] = h->label ? h->label[i] : (double)h->number[i];
            p->x[p->l++] = v->x[i];
        }
    p->n = (1 << v->how.bits) + v->d->input_count + 1;
    p->bias = 1;
    return 0;
}

/* Weights of the column that belongs to 'label' (of the second label, where there are two; of a number). */
static void take_column(const struct vectors *v, const struct model *m, int place, int step,
                        double sign, const struct fitted *out, int column)
{
    const size_t n = (size_t)1 << v->how.bits, inputs = (size_t)v->d->input_count;
    const double *w = m->w + place;

    for (size_t b = 0; b < n; b++)
        out->weights[column][b] = (float)(sign * w[v->place[b] * (size_t)step]);
    for (size_t i = 0; i < inputs; i++)
        out->inputs[(size_t)column * inputs + i] =
            (float)(sign * v->input_share * w[(n + i) * (size_t)step]);
    out->bias[column] = (float)(sign * w[(n + inputs) * (size_t)step]);
}

/* Of several labels two methods have a say, which err in different places. How much the second one (train_narrow.c)
 * counts: chosen by 'tests/eval/intents.py --choose', where 0.2 and 0.5 did as well. */
static const float narrow_share = 0.3f;

/* Takes the second method's weights, NULL without memory. */
static int add_narrow(const struct vectors *v, const struct model *m, int labels, float *w,
                      const struct fitted *out)
{
    const size_t n = (size_t)1 << v->how.bits, inputs = (size_t)v->d->input_count;
    const size_t step = (size_t)labels;

    for (int k = 0; w && k < m->nr_class; k++) {
        size_t label = (size_t)m->label[k];
        for (size_t b = 0; b < n; b++)
            out->weights[label][b] += narrow_share * w[v->place[b] * step + label];
        for (size_t i = 0; i < inputs; i++)
            out->inputs[label * inputs + i] +=
                narrow_share * (float)v->input_share * w[(n + i) * step + label];
        out->bias[label] += narrow_share * w[(n + inputs) * step + label];
    }
    free(w);
    return w ? 0 : -1;
}

static void take_model(const struct vectors *v, const struct model *m, const struct train_head *h,
                       const struct fitted *out)
{
    if (h->shape.columns == 1) {
        double sign = h->label && m->label[0] == 0 ? -1 : 1;
        take_column(v, m, 0, 1, sign, out, 0);
        return;
    }
    /* two labels of several may be all that these rows have; liblinear keeps a column for each with this method */
    for (int k = 0; k < m->nr_class; k++)
        take_column(v, m, k, m->nr_class, 1, out, m->label[k]);
}

static void quiet(const char *text)
{
    (void)text;
}

static int solver(const struct train_head *h)
{
    if (!h->label)
        return L2R_L2LOSS_SVR_DUAL;
    return h->shape.count == 2 ? L2R_LR : MCSVM_CS;
}

static int learn(struct vectors *v, const struct train_head *h, double c, const struct problem *p,
                 const struct fitted *out, struct err *err)
{
    const bool several = h->shape.columns > 1;
    const struct parameter how = {
        .solver_type = solver(h), .eps = several ? 0.1 : 0.01, .C = c, .p = 0.0};
    struct narrow *narrow = several ? narrow_start(p, h->shape.count) : NULL;
    int result = 0;

    set_print_string_function(quiet);
    struct model *m = train(p, &how);
    float *more = narrow ? narrow_end(narrow) : NULL;
    if (h->label && m->nr_class < 2) {
        free(more);
        result = err_set(err, ERR_BAD_REQUEST, "all rows have the same '%s'", h->shape.name);
    } else {
        take_model(v, m, h, out);
        if (several && add_narrow(v, m, h->shape.count, more, out) < 0)
            result = err_set(err, ERR_OVERLOADED, "out of memory for the training");
    }
    free_and_destroy_model(&m);
    return result;
}

int vectors_fit(struct vectors *v, const struct train_head *h, double c, const struct fitted *out,
                struct err *err)
{
    struct problem p = {0};
    int result = fill(v, h, &p, err);

    if (result == 0 && p.l < 10)
        result = err_set(err, ERR_BAD_REQUEST, "too few rows have '%s'", h->shape.name);
    if (result == 0)
        result = learn(v, h, c, &p, out, err);
    free(p.x);
    free(p.y);
    return result;
}
