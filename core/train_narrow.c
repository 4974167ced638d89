/* train_narrow - weights for several labels, learned through a narrow layer from rows with n-grams left out.
 * SPDX-License-Identifier: MIT
 *
 * Every n-gram has a vector of WIDTH numbers, every label, too. The score of a label is the product of its vector with
 * the sum of the row's, and the most probable label is to be the right one (fastText: Joulin, Grave, Bojanowski and
 * Mikolov 2016). In every round another part of a row's n-grams is left out (dropout: Srivastava and others 2014), so
 * that no label hangs on one word. There is nothing between the two products: multiplied out they are one weight for
 * each n-gram and label, and the model stays a linear one. The mean of NETS of them, which begin at other places, errs
 * less than each. Stochastic gradients with AdaGrad (Duchi, Hazan and Singer 2011), one rate for the vector of an
 * n-gram. Nothing depends on chance (train_drop.h). */
#include "train_drop.h"
#include "train_parts.h"

#include <linear.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 64, ROUNDS = 12, NETS = 4 };

/* Chosen by 'tests/eval/intents.py --choose', as are the numbers above. */
static const float rate = 0.07f;  /* at the beginning; falls to 0 */
static const float spread = 0.1f; /* of an n-gram's vector in the beginning */
static const float leave = 0.6f;  /* share of the n-grams left out */
static const float least = 1e-3f; /* of a gradient that is followed */
static const float seen = 1e-6f;  /* what sums of squares begin with: of n-grams, */
static const float first = 1e-3f; /* of the others */

/* The same sums, in the same order, on wider registers where there are some. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIDER __attribute__((target_clones("avx2", "default")))
#else
#define WIDER
#endif

struct net {
    const struct problem *rows;
    int labels, features;
    float *in, *in_squares;     /* of each feature: WIDTH numbers; one sum of squares */
    float *out, *out_squares;   /* of each label, WIDTH numbers */
    float *bias, *bias_squares; /* of each label */
    float *p;                   /* of each label */
    float between[WIDTH], back[WIDTH];
    struct feature_node *kept; /* of the row */
    int kept_count;
    int *order;     /* of the rows */
    uint32_t state; /* of the row of numbers */
    pthread_t thread;
    bool beside, good;
};

struct narrow {
    struct net nets[NETS];
};

/* Always in the same order, several at once. */
static inline __attribute__((always_inline)) float product(const float *a, const float *b)
{
    float s[8] = {0};

    for (int k = 0; k < WIDTH; k += 8)
        for (int i = 0; i < 8; i++)
            s[i] += a[k + i] * b[k + i];
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

static inline __attribute__((always_inline)) void add(float *restrict to, float times,
                                                      const float *restrict what)
{
    for (int k = 0; k < WIDTH; k++)
        to[k] += times * what[k];
}

static inline __attribute__((always_inline)) float *vector(float *all, int i)
{
    return all + (size_t)i * WIDTH;
}

/* ---- one row ---- */

WIDER static void sum_up(struct net *n)
{
    memset(n->between, 0, sizeof n->between);
    for (int i = 0; i < n->kept_count; i++)
        add(n->between, (float)n->kept[i].value, vector(n->in, n->kept[i].index));
}

/* The probabilities less what is right: the gradient of the surprise. */
WIDER static void weigh_up(struct net *n, int truth)
{
    float top = -INFINITY, sum = 0;

    for (int k = 0; k < n->labels; k++) {
        n->p[k] = n->bias[k] + product(vector(n->out, k), n->between);
        top = n->p[k] > top ? n->p[k] : top;
    }
    for (int k = 0; k < n->labels; k++)
        sum += n->p[k] = expf(n->p[k] - top);
    for (int k = 0; k < n->labels; k++)
        n->p[k] = n->p[k] / sum - (float)(k == truth);
}

/* Labels that are as good as ruled out, or certain, are passed over. */
WIDER static void move_labels(struct net *n, float step)
{
    memset(n->back, 0, sizeof n->back);
    for (int k = 0; k < n->labels; k++) {
        float g = n->p[k], *restrict w = vector(n->out, k), *restrict s = vector(n->out_squares, k);
        if (fabsf(g) < least)
            continue;
        add(n->back, g, w);
        for (int i = 0; i < WIDTH; i++) {
            float gradient = g * n->between[i];
            s[i] += gradient * gradient;
            w[i] -= step * gradient / sqrtf(s[i]);
        }
        n->bias_squares[k] += g * g;
        n->bias[k] -= step * g / sqrtf(n->bias_squares[k]);
    }
}

WIDER static void move_features(struct net *n, float step)
{
    float squares = product(n->back, n->back) / WIDTH;
    for (int i = 0; i < n->kept_count; i++) {
        float value = (float)n->kept[i].value, *s = &n->in_squares[n->kept[i].index];
        *s += squares * value * value;
        add(vector(n->in, n->kept[i].index), -step * value / sqrtf(*s), n->back);
    }
}

static void descend(struct net *n)
{
    const double all = (double)ROUNDS * n->rows->l;
    double done = 0;

    for (int round = 0; round < ROUNDS; round++) {
        drop_shuffle(&n->state, n->order, n->rows->l);
        for (int i = 0; i < n->rows->l; i++, done++) {
            int row = n->order[i];
            float step = rate * (float)(1 - done / all);
            n->kept_count = drop_some(&n->state, n->rows->x[row], n->features, leave, n->kept);
            sum_up(n);
            weigh_up(n, (int)n->rows->y[row]);
            move_labels(n, step);
            move_features(n, step);
        }
    }
}

/* ---- a net ---- */

static void fill(struct net *n)
{
    const float inside = 1 / sqrtf(WIDTH);

    for (size_t i = 0; i < (size_t)n->features * WIDTH; i++)
        n->in[i] = spread * (2 * drop_draw(&n->state) - 1);
    for (size_t i = 0; i < (size_t)n->labels * WIDTH; i++) {
        n->out[i] = inside * (2 * drop_draw(&n->state) - 1);
        n->out_squares[i] = first;
    }
    for (int i = 0; i < n->features; i++)
        n->in_squares[i] = seen;
    for (int k = 0; k < n->labels; k++)
        n->bias_squares[k] = first;
    for (int i = 0; i < n->rows->l; i++)
        n->order[i] = i;
}

static void *run(void *arg)
{
    struct net *n = arg;
    const size_t features = (size_t)n->features, labels = (size_t)n->labels;

    n->in = malloc(features * WIDTH * sizeof *n->in);
    n->in_squares = malloc(features * sizeof *n->in_squares);
    n->out = malloc(labels * WIDTH * sizeof *n->out);
    n->out_squares = malloc(labels * WIDTH * sizeof *n->out_squares);
    n->bias = calloc(labels, sizeof *n->bias);
    n->bias_squares = malloc(labels * sizeof *n->bias_squares);
    n->p = malloc(labels * sizeof *n->p);
    n->kept = malloc(features * sizeof *n->kept);
    n->order = malloc(((size_t)n->rows->l + 1) * sizeof *n->order);
    n->good = n->in && n->in_squares && n->out && n->out_squares && n->bias && n->bias_squares &&
              n->p && n->kept && n->order;
    if (n->good) {
        fill(n);
        descend(n);
    }
    return NULL;
}

static void free_net(struct net *n)
{
    free(n->in);
    free(n->in_squares);
    free(n->out);
    free(n->out_squares);
    free(n->bias);
    free(n->bias_squares);
    free(n->p);
    free(n->kept);
    free(n->order);
}

/* Adds up the weights of one feature, less their mean, which no decision depends on. */
static void multiply_out(struct net *n, int feature, float *w)
{
    float mean = 0;

    if (n->in_squares[feature] <= seen)
        return; /* in no row */
    for (int k = 0; k < n->labels; k++)
        mean += n->p[k] = product(vector(n->in, feature), vector(n->out, k));
    for (int k = 0; k < n->labels; k++)
        w[k] += (n->p[k] - mean / (float)n->labels) / NETS;
}

static void add_net(struct net *n, float *all)
{
    const size_t labels = (size_t)n->labels;
    float mean = 0;

    for (int i = 0; i < n->features; i++)
        multiply_out(n, i, all + (size_t)i * labels);
    for (int k = 0; k < n->labels; k++)
        mean += n->bias[k] / (float)n->labels;
    for (int k = 0; k < n->labels; k++)
        all[(size_t)n->features * labels + (size_t)k] += (n->bias[k] - mean) / NETS;
}

struct narrow *narrow_start(const struct problem *rows, int labels)
{
    struct narrow *all = calloc(1, sizeof *all);

    for (int i = 0; all && i < NETS; i++) {
        struct net *n = &all->nets[i];
        n->rows = rows;
        n->labels = labels;
        n->features = rows->n - 1;
        n->state = drop_begin(i);
        n->beside = pthread_create(&n->thread, NULL, run, n) == 0;
    }
    return all;
}

float *narrow_end(struct narrow *all)
{
    const struct problem *rows = all->nets[0].rows;
    float *sum = calloc((size_t)rows->n * (size_t)all->nets[0].labels, sizeof *sum);
    bool good = sum != NULL;

    for (int i = 0; i < NETS; i++) {
        struct net *n = &all->nets[i];
        if (n->beside)
            pthread_join(n->thread, NULL);
        else
            run(n);
        good = good && n->good;
        if (good)
            add_net(n, sum);
        free_net(n);
    }
    free(all);
    if (!good) {
        free(sum);
        sum = NULL;
    }
    return sum;
}
