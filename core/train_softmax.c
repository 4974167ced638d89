/* train_softmax - weights for several labels by multinomial logistic regression, each weight with a rate of its own.
 * SPDX-License-Identifier: MIT
 *
 * Stochastic gradients with AdaGrad (Duchi, Hazan and Singer 2011): a rare n-gram still learns fast when a usual one has
 * settled, and few rounds are what keeps the weights small. In the order of a fixed row of numbers: nothing depends on
 * chance. Labels that are as good as ruled out, or certain, are passed over, which is most of the work. */
#include "train_parts.h"

#include <linear.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 5 };

static const float rate = 0.2f;   /* at the beginning; falls to 0 */
static const float first = 1e-3f; /* what the sums of squares begin with */
static const float least = 1e-2f; /* of a gradient that is followed */

struct descent {
    const struct problem *rows;
    int labels;
    float *weights, *squares; /* of each feature, each label */
    float *p;                 /* of each label */
    int *moved, count;        /* labels whose gradient is followed */
    int *order;               /* of the rows */
    uint32_t state;           /* of the row of numbers */
};

/* Marsaglia's xorshift. */
static uint32_t next(struct descent *d)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 17;
    d->state ^= d->state << 5;
    return d->state;
}

static void shuffle(struct descent *d)
{
    for (int i = d->rows->l - 1; i > 0; i--) {
        int k = (int)(next(d) % (uint32_t)(i + 1)), old = d->order[i];
        d->order[i] = d->order[k];
        d->order[k] = old;
    }
}

static float *weights_of(const struct descent *d, float *all, const struct feature_node *x)
{
    return all + (size_t)(x->index - 1) * (size_t)d->labels;
}

/* The probabilities less what is right: the gradient of the surprise. */
static void weigh_up(struct descent *d, const struct feature_node *x, int truth)
{
    float *restrict p = d->p, top = -INFINITY, sum = 0;

    memset(p, 0, (size_t)d->labels * sizeof *p);
    for (; x->index > 0; x++) {
        const float *restrict w = weights_of(d, d->weights, x);
        const float value = (float)x->value;
        for (int k = 0; k < d->labels; k++)
            p[k] += value * w[k];
    }
    for (int k = 0; k < d->labels; k++)
        top = p[k] > top ? p[k] : top;
    for (int k = 0; k < d->labels; k++)
        sum += p[k] = expf(p[k] - top);
    d->count = 0;
    for (int k = 0; k < d->labels; k++) {
        p[k] = p[k] / sum - (float)(k == truth);
        if (fabsf(p[k]) > least)
            d->moved[d->count++] = k;
    }
}

static void move(struct descent *d, const struct feature_node *x, float step)
{
    for (; x->index > 0; x++) {
        float *w = weights_of(d, d->weights, x), *s = weights_of(d, d->squares, x);
        for (int i = 0; i < d->count; i++) {
            int k = d->moved[i];
            float gradient = (float)x->value * d->p[k];
            s[k] += gradient * gradient;
            w[k] -= step * gradient / sqrtf(s[k]);
        }
    }
}

static void descend(struct descent *d)
{
    for (int round = 0; round < ROUNDS; round++) {
        float step = rate * (float)(ROUNDS - round) / ROUNDS;
        shuffle(d);
        for (int i = 0; i < d->rows->l; i++) {
            int row = d->order[i];
            weigh_up(d, d->rows->x[row], (int)d->rows->y[row]);
            move(d, d->rows->x[row], step);
        }
    }
}

float *softmax_fit(const struct problem *rows, int labels)
{
    const size_t n = (size_t)rows->n * (size_t)labels;
    struct descent d = {.rows = rows, .labels = labels, .state = 2463534242u};

    d.weights = calloc(n, sizeof *d.weights);
    d.squares = malloc(n * sizeof *d.squares);
    d.p = calloc((size_t)labels, sizeof *d.p);
    d.moved = calloc((size_t)labels, sizeof *d.moved);
    d.order = calloc((size_t)rows->l + 1, sizeof *d.order);
    bool good = d.weights && d.squares && d.p && d.moved && d.order;
    for (size_t i = 0; good && i < n; i++)
        d.squares[i] = first;
    for (int i = 0; good && i < rows->l; i++)
        d.order[i] = i;
    if (good)
        descend(&d);
    free(d.squares);
    free(d.p);
    free(d.moved);
    free(d.order);
    if (!good) {
        free(d.weights);
        d.weights = NULL;
    }
    return d.weights;
}
