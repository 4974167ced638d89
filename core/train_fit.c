/* train_fit - weights for vectors of n-grams, by liblinear and by narrow layers.
 * SPDX-License-Identifier: MIT */
#include "train_parts.h"

#include <linear.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    p->n = v->features + v->d->input_count + 1;
    p->bias = 1;
    return 0;
}

/* Weights of the column that belongs to 'label' (of the second label, where there are two; of a number). */
static void take_column(const struct vectors *v, const struct model *m, int place, int step,
                        double sign, const struct fitted *out, int column)
{
    const size_t n = (size_t)v->features, inputs = (size_t)v->d->input_count;
    const double *w = m->w + place;

    for (size_t b = 0; b < (size_t)1 << v->how.bits; b++)
        if (v->counts[b])
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
    const size_t n = (size_t)v->features, inputs = (size_t)v->d->input_count;
    const size_t step = (size_t)labels;

    for (int k = 0; w && k < m->nr_class; k++) {
        size_t label = (size_t)m->label[k];
        for (size_t b = 0; b < (size_t)1 << v->how.bits; b++)
            if (v->counts[b])
                out->weights[label][b] += narrow_share * w[v->place[b] * step + label];
        for (size_t i = 0; i < inputs; i++)
            out->inputs[label * inputs + i] +=
                narrow_share * (float)v->input_share * w[(n + i) * step + label];
        out->bias[label] += narrow_share * w[(n + inputs) * step + label];
    }
    free(w);
    return w ? 0 : -1;
}

/* ---- heads of two labels ---- */

/* Where the head is among those that learn together; -1: it learns alone. */
static int find_together(const struct vectors *v, const struct train_head *h)
{
    int at = 0;

    for (int i = 0; i < v->d->head_count; i++) {
        const struct train_head *other = &v->d->heads[i];
        if (other->shape.count == 2 && other->label == h->label)
            return at;
        at += other->shape.count == 2;
    }
    return -1;
}

/* Rows that are used, and the heads' labels of these. */
static int gather(const struct vectors *v, struct together *all, const struct feature_node **x,
                  int *labels)
{
    all->x = x;
    for (int i = 0; i < v->d->head_count; i++) {
        const struct train_head *h = &v->d->heads[i];
        if (h->shape.count != 2)
            continue;
        all->label[all->heads++] = labels;
        for (size_t row = 0; row < v->d->n; row++)
            if (v->use[row])
                *labels++ = h->label[row];
    }
    for (size_t row = 0; row < v->d->n; row++)
        if (v->use[row])
            x[all->n++] = v->x[row];
    return all->heads;
}

/* Only of words without pieces, where buckets have owners: n-grams that share one are no help. */
static int learn_together(struct vectors *v)
{
    const size_t n = v->d->n;
    struct together all = {.features = v->features + v->d->input_count};
    const struct feature_node **x = calloc(n, sizeof *x);
    int *labels = calloc(n * (size_t)v->d->head_count, sizeof *labels);
    int result = x && labels ? 0 : -1;

    if (result == 0 && v->how.own && gather(v, &all, x, labels) > 1) {
        v->together_count = all.heads;
        result = (v->together = train_together(&all)) ? 0 : -1;
    }
    free(x);
    free(labels);
    return result;
}

/* Half of each method: they err in different places. */
static void add_together(const struct vectors *v, const struct train_head *h,
                         const struct fitted *out)
{
    const size_t n = (size_t)v->features, inputs = (size_t)v->d->input_count;
    const size_t step = (size_t)v->together_count;
    const float *w = v->together + find_together(v, h);

    for (size_t b = 0; b < (size_t)1 << v->how.bits; b++)
        if (v->counts[b])
            out->weights[0][b] = (out->weights[0][b] + w[v->place[b] * step]) / 2;
    for (size_t i = 0; i < inputs; i++)
        out->inputs[i] = (out->inputs[i] + (float)v->input_share * w[(n + i) * step]) / 2;
    out->bias[0] = (out->bias[0] + w[(n + inputs) * step]) / 2;
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
    if (h->shape.count == 2 && !v->together && learn_together(v) < 0)
        result = err_set(err, ERR_OVERLOADED, "out of memory for the training");
    float *more = narrow ? narrow_end(narrow) : NULL;
    if (h->label && m->nr_class < 2) {
        free(more);
        result = err_set(err, ERR_BAD_REQUEST, "all rows have the same '%s'", h->shape.name);
    } else {
        take_model(v, m, h, out);
        if (v->together && h->label && h->shape.count == 2)
            add_together(v, h, out);
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
