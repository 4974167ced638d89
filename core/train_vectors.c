/* train_vectors - texts as vectors of n-grams: which n-grams there are, what they count, where their weights stand.
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

/* An n-gram that one row has says nothing of others; of several in a bucket the one that most rows have owns it. The
 * others are as good as never seen. */
static void find_owners(const struct vectors *v, struct tally *t)
{
    const size_t each = (size_t)1 << v->how.own;

    for (size_t first = 0; first < t->room; first += each) {
        size_t owner = first;
        for (size_t b = first; b < first + each; b++)
            owner = t->rows[b] > t->rows[owner] ? b : owner;
        for (size_t b = first; b < first + each; b++)
            if (b != owner || t->rows[b] < 2)
                t->rows[b] = 0;
    }
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
    if (v->how.own)
        find_owners(v, t);
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

/* Most rows have the same few thousand n-grams: side by side, their weights stay in the processor's caches. Where
 * buckets have owners, only these have a place. */
static int place_all(struct vectors *v, const struct tally *t)
{
    struct usual *all = calloc(t->room, sizeof *all);
    size_t n = 0;

    if (!all)
        return -1;
    for (size_t b = 0; b < t->room; b++)
        if (!v->how.own || t->rows[b])
            all[n++] = (struct usual){t->rows[b], (uint32_t)b};
    qsort(all, n, sizeof *all, by_rows);
    for (size_t i = 0; i < n; i++)
        v->place[all[i].bucket] = (uint32_t)i;
    v->features = (int)n;
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
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        uint32_t b = t->found[i];
        double count = v->counts[b] ? v->counts[b] : v->unseen;
        squares += t->times[b] * count * count;
    }
    for (size_t i = 0; i < t->n; i++) {
        uint32_t b = t->found[i];
        if (v->counts[b])
            out[n++] =
                (struct feature_node){(int)b + 1, t->times[b] * v->counts[b] / sqrt(squares)};
    }
    qsort(out, n, sizeof *out,
          by_index); /* sums are made in this order, wherever the weights are */
    for (size_t i = 0; i < n; i++)
        out[i].index = (int)v->place[out[i].index - 1] + 1;
    out = put_inputs(v, row, v->features + 1, out + n);
    *out++ = (struct feature_node){v->features + v->d->input_count + 1, 1};
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
    free(v->together);
    free(v);
}
