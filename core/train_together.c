/* train_together - weights for several heads of two labels, learned together through one narrow layer.
 * SPDX-License-Identifier: MIT
 *
 * Would a weak model do? Would a strong one? What makes a prompt hard for one makes it hard for the other: heads that
 * have to see a prompt through the same few numbers learn from each other's rows (Caruana 1997, Multitask Learning),
 * and what their difference says is less of an accident. Every n-gram has a vector of WIDTH numbers, every head, too;
 * a head's score is the product of its vector with the sum of the row's. In every round another part of the n-grams is
 * left out, and the mean of NETS of them counts, as in train_narrow.c. Multiplied out it is one weight for each n-gram
 * and head. Stochastic gradients of the logistic loss with AdaGrad, by fixed rows of numbers: nothing depends on
 * chance. */
#include "train_drop.h"
#include "train_parts.h"

#include <linear.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 8, ROUNDS = 3, NETS = 8 };

/* Chosen as 'tests/eval/routing.py --choose' has it, as were the numbers above: inside the first training parts of
 * RouteLLM's MMLU and of MMLU-Pro, and on 500 to 7,000 of their rows. */
static const float rate = 0.08f;  /* at the beginning; falls to 0 */
static const float spread = 0.1f; /* of an n-gram's vector in the beginning */
static const float leave = 0.6f;  /* share of the n-grams left out */
static const float seen = 1e-6f;  /* what sums of squares begin with: of n-grams, */
static const float first = 1e-3f; /* of the others */

struct net {
    const struct together *rows;
    float *in, *in_squares; /* of each feature: WIDTH numbers; one sum of squares */
    float out[LINEAR_HEADS][WIDTH], out_squares[LINEAR_HEADS][WIDTH];
    float bias[LINEAR_HEADS], bias_squares[LINEAR_HEADS];
    float between[WIDTH], back[WIDTH];
    struct feature_node *kept; /* of the row */
    int kept_count;
    int *order;     /* of the rows */
    uint32_t state; /* of the row of numbers */
};

static float product(const float *a, const float *b)
{
    float sum = 0;

    for (int k = 0; k < WIDTH; k++)
        sum += a[k] * b[k];
    return sum;
}

static void add(float *restrict to, float times, const float *restrict what)
{
    for (int k = 0; k < WIDTH; k++)
        to[k] += times * what[k];
}

static void learn_head(struct net *n, int h, int truth, float step)
{
    float *w = n->out[h], *s = n->out_squares[h];
    float g = 1 / (1 + expf(-(n->bias[h] + product(w, n->between)))) - (float)truth;

    add(n->back, g, w);
    for (int k = 0; k < WIDTH; k++) {
        float gradient = g * n->between[k];
        s[k] += gradient * gradient;
        w[k] -= step * gradient / sqrtf(s[k]);
    }
    n->bias_squares[h] += g * g;
    n->bias[h] -= step * g / sqrtf(n->bias_squares[h]);
}

static void learn_row(struct net *n, size_t row, float step)
{
    memset(n->between, 0, sizeof n->between);
    memset(n->back, 0, sizeof n->back);
    n->kept_count = drop_some(&n->state, n->rows->x[row], n->rows->features, leave, n->kept);
    for (int i = 0; i < n->kept_count; i++)
        add(n->between, (float)n->kept[i].value, n->in + (size_t)n->kept[i].index * WIDTH);
    for (int h = 0; h < n->rows->heads; h++)
        if (n->rows->label[h][row] >= 0)
            learn_head(n, h, n->rows->label[h][row], step);
    float squares = product(n->back, n->back) / WIDTH;
    for (int i = 0; i < n->kept_count; i++) {
        float value = (float)n->kept[i].value, *s = &n->in_squares[n->kept[i].index];
        *s += squares * value * value;
        add(n->in + (size_t)n->kept[i].index * WIDTH, -step * value / sqrtf(*s), n->back);
    }
}

/* ---- a net ---- */

static void fill(struct net *n, int which)
{
    n->state = drop_begin(which);
    for (size_t i = 0; i < (size_t)n->rows->features * WIDTH; i++)
        n->in[i] = spread * (2 * drop_draw(&n->state) - 1);
    for (int i = 0; i < n->rows->features; i++)
        n->in_squares[i] = seen;
    for (int h = 0; h < n->rows->heads; h++) {
        n->bias[h] = 0;
        n->bias_squares[h] = first;
        for (int k = 0; k < WIDTH; k++) {
            n->out[h][k] = (2 * drop_draw(&n->state) - 1) / sqrtf(WIDTH);
            n->out_squares[h][k] = first;
        }
    }
    for (size_t i = 0; i < n->rows->n; i++)
        n->order[i] = (int)i;
}

static void descend(struct net *n)
{
    const double all = (double)ROUNDS * (double)n->rows->n;
    double done = 0;

    for (int round = 0; round < ROUNDS; round++) {
        drop_shuffle(&n->state, n->order, (int)n->rows->n);
        for (size_t i = 0; i < n->rows->n; i++, done++)
            learn_row(n, n->order[i], rate * (float)(1 - done / all));
    }
}

/* Adds its part of the weights; none for a feature that is in no row. */
static void multiply_out(const struct net *n, float *w)
{
    const int heads = n->rows->heads, features = n->rows->features;

    for (int i = 0; i < features; i++)
        for (int h = 0; h < heads && n->in_squares[i] > seen; h++)
            w[(size_t)i * (size_t)heads + (size_t)h] +=
                product(n->in + (size_t)i * WIDTH, n->out[h]) / NETS;
    for (int h = 0; h < heads; h++)
        w[(size_t)features * (size_t)heads + (size_t)h] += n->bias[h] / NETS;
}

float *train_together(const struct together *rows)
{
    const size_t features = (size_t)rows->features;
    struct net *n = calloc(1, sizeof *n);
    float *w = calloc((features + 1) * (size_t)rows->heads, sizeof *w);
    bool good = n && w;

    if (good) {
        n->rows = rows;
        n->in = malloc(features * WIDTH * sizeof *n->in);
        n->in_squares = malloc(features * sizeof *n->in_squares);
        n->kept = malloc(features * sizeof *n->kept);
        n->order = malloc((rows->n + 1) * sizeof *n->order);
        good = n->in && n->in_squares && n->kept && n->order;
    }
    for (int i = 0; i < NETS && good; i++) {
        fill(n, i);
        descend(n);
        multiply_out(n, w);
    }
    if (n) {
        free(n->in);
        free(n->in_squares);
        free(n->kept);
        free(n->order);
    }
    free(n);
    if (!good) {
        free(w);
        w = NULL;
    }
    return w;
}
