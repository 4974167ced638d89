/* neighbours - labelled examples, and which of them are nearest to a text by their words.
 * SPDX-License-Identifier: MIT */
#include "neighbours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 16, BUCKETS = 1 << BITS, WEIGHT_ONE = 65535, TIMES_MAX = 65535 };

static const struct ngrams how = {.bits = BITS, .least = 2, .most = 5};
static const float piece_share = 0.5f; /* as linear models have it (train_fit.c) */

struct example {
    size_t at; /* in the store */
    uint16_t n, label;
};

/* One example's weight of a bucket, in 1/WEIGHT_ONE of its length. */
struct posting {
    uint16_t example, weight;
};

struct neighbours {
    struct buf store; /* the texts */
    struct example *examples;
    char **labels;
    int count, room, label_count;
    float *rarity;    /* of each bucket, in how it counts; NULL until the index is built */
    uint32_t *starts; /* of each bucket's postings; one more at the end */
    struct posting *postings;
};

struct neighbours *neighbours_new(void)
{
    struct neighbours *n = calloc(1, sizeof *n);

    if (n)
        buf_init(&n->store, (size_t)NEIGHBOURS_MAX * NEIGHBOURS_TEXT);
    return n;
}

void neighbours_free(struct neighbours *n)
{
    if (!n)
        return;
    for (int i = 0; i < n->label_count; i++)
        free(n->labels[i]);
    buf_deinit(&n->store);
    free(n->labels);
    free(n->examples);
    free(n->rarity);
    free(n->starts);
    free(n->postings);
    free(n);
}

/* ---- the examples ---- */

static int fail_memory(struct err *err)
{
    return err_set(err, ERR_OVERLOADED, "out of memory for the examples");
}

static int label_of(struct neighbours *n, struct span name, struct err *err)
{
    for (int i = n->label_count - 1; i >= 0; i--)
        if (span_is(name, n->labels[i]))
            return i;
    if (name.n == 0 || name.n > NEIGHBOURS_NAME || memchr(name.p, 0, name.n))
        return err_set(err, ERR_BAD_REQUEST, "a label has 1 to %d bytes, none of them zero",
                       NEIGHBOURS_NAME);
    if (n->label_count == NEIGHBOURS_LABELS)
        return err_set(err, ERR_BUDGET, "more than %d labels", NEIGHBOURS_LABELS);
    char **labels = realloc(n->labels, ((size_t)n->label_count + 1) * sizeof *labels);
    if (!labels)
        return fail_memory(err);
    n->labels = labels;
    if (!(labels[n->label_count] = strndup(name.p, name.n)))
        return fail_memory(err);
    return n->label_count++;
}

int neighbours_add(struct neighbours *n, struct span text, struct span label, struct err *err)
{
    size_t size = text.n < NEIGHBOURS_TEXT ? text.n : NEIGHBOURS_TEXT;

    if (n->count == NEIGHBOURS_MAX)
        return err_set(err, ERR_BUDGET, "more than %d examples", NEIGHBOURS_MAX);
    if (n->count == n->room) {
        int room = n->room ? n->room * 2 : 64;
        void *p = realloc(n->examples, (size_t)room * sizeof *n->examples);
        if (!p)
            return fail_memory(err);
        n->examples = p;
        n->room = room;
    }
    int number = label_of(n, label, err);
    if (number < 0)
        return -1;
    struct example e = {n->store.len, (uint16_t)size, (uint16_t)number};
    if (size && buf_add(&n->store, text.p, size) < 0)
        return fail_memory(err);
    n->examples[n->count++] = e;
    return 0;
}

int neighbours_count(const struct neighbours *n)
{
    return n->count;
}

struct span neighbours_text(const struct neighbours *n, int example)
{
    const struct example *e = &n->examples[example];

    return (struct span){e->n ? n->store.data + e->at : "", e->n};
}

const char *neighbours_label(const struct neighbours *n, int example)
{
    return n->labels[n->examples[example].label];
}

int neighbours_label_number(const struct neighbours *n, int example)
{
    return n->examples[example].label;
}

const char *const *neighbours_labels(const struct neighbours *n, int *count)
{
    *count = n->label_count;
    return (const char *const *)n->labels;
}

size_t neighbours_bytes(const struct neighbours *n)
{
    return n->store.cap + (size_t)n->room * sizeof *n->examples +
           (n->rarity ? BUCKETS * 8u + n->starts[BUCKETS] * sizeof *n->postings : 0);
}

/* ---- a text as a vector ---- */

/* The buckets of one text, each once. */
struct bag {
    uint16_t *times; /* of each bucket */
    uint32_t *found; /* as many as 'n' */
    bool *words;     /* of each bucket: is it one of words, not of pieces? */
    size_t n;
};

static bool bag_init(struct bag *b)
{
    *b = (struct bag){calloc(BUCKETS, sizeof *b->times), malloc(BUCKETS * sizeof *b->found),
                      calloc(BUCKETS, sizeof *b->words), 0};
    return b->times && b->found && b->words;
}

static void bag_deinit(struct bag *b)
{
    free(b->times);
    free(b->found);
    free(b->words);
}

static void bag_fill(struct bag *b, struct span text)
{
    struct ngrams_reader r;
    uint32_t out[NGRAMS_OUT];
    int n, words;

    for (size_t i = 0; i < b->n; i++)
        b->times[b->found[i]] = 0;
    b->n = 0;
    ngrams_begin(&r, &how, text);
    while ((n = ngrams_next(&r, out, &words)) > 0)
        for (int i = 0; i < n; i++) {
            if (b->times[out[i]] == 0) {
                b->found[b->n++] = out[i];
                b->words[out[i]] = i < words;
            }
            if (b->times[out[i]] < TIMES_MAX)
                b->times[out[i]]++;
        }
}

static float weight(const struct bag *b, uint32_t bucket, float rarity)
{
    return (1 + logf(b->times[bucket])) * rarity;
}

static float length(const struct neighbours *n, const struct bag *b)
{
    const float unseen = (logf(1.0f + (float)n->count) + 1) * piece_share;
    float squares = 0;

    for (size_t i = 0; i < b->n; i++) {
        float rarity = n->rarity[b->found[i]],
              w = weight(b, b->found[i], rarity > 0 ? rarity : unseen);
        squares += w * w;
    }
    return sqrtf(squares);
}

/* ---- the index ---- */

/* How many examples have each bucket, in 'starts' behind it; the rarity of all. */
static size_t count_all(struct neighbours *n, struct bag *b)
{
    size_t sum = 0;

    for (int i = 0; i < n->count; i++) {
        bag_fill(b, neighbours_text(n, i));
        sum += b->n;
        for (size_t k = 0; k < b->n; k++) {
            uint32_t bucket = b->found[k];
            if (n->starts[bucket + 1]++ == 0)
                n->rarity[bucket] = b->words[bucket] ? 1 : piece_share;
        }
    }
    for (uint32_t k = 0; k < BUCKETS; k++) {
        float rows = (float)n->starts[k + 1];
        n->rarity[k] *= logf((1 + (float)n->count) / (1 + rows)) + 1;
        n->starts[k + 1] += n->starts[k];
    }
    return sum;
}

/* Fills the postings; 'at' is where the next one of each bucket goes. */
static void put_all(struct neighbours *n, struct bag *b, uint32_t *at)
{
    memcpy(at, n->starts, BUCKETS * sizeof *at);
    for (int i = 0; i < n->count; i++) {
        bag_fill(b, neighbours_text(n, i));
        float scale = WEIGHT_ONE / fmaxf(length(n, b), 1e-9f);
        for (size_t k = 0; k < b->n; k++) {
            uint32_t bucket = b->found[k];
            float w = weight(b, bucket, n->rarity[bucket]) * scale;
            n->postings[at[bucket]++] =
                (struct posting){(uint16_t)i, (uint16_t)fminf(w + 0.5f, WEIGHT_ONE)};
        }
    }
}

int neighbours_build(struct neighbours *n, struct err *err)
{
    struct bag b;
    bool good = bag_init(&b);
    uint32_t *at = malloc(BUCKETS * sizeof *at);

    n->rarity = calloc(BUCKETS, sizeof *n->rarity);
    n->starts = calloc(BUCKETS + 1, sizeof *n->starts);
    good = good && at && n->rarity && n->starts;
    if (good) {
        size_t sum = count_all(n, &b);
        n->postings = malloc((sum + 1) * sizeof *n->postings);
        good = n->postings != NULL;
    }
    if (good)
        put_all(n, &b, at);
    bag_deinit(&b);
    free(at);
    return good ? 0 : fail_memory(err);
}

/* ---- the nearest ---- */

struct entry {
    uint32_t bucket, rows;
};

static int by_rows(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return x->rows != y->rows ? (x->rows < y->rows ? -1 : 1) : (x->bucket < y->bucket ? -1 : 1);
}

static void add_scores(const struct neighbours *n, const struct bag *b, struct entry *entries,
                       float *scores)
{
    size_t steps = 0, count = 0;

    for (size_t i = 0; i < b->n; i++) {
        uint32_t k = b->found[i], rows = n->starts[k + 1] - n->starts[k];
        if (rows)
            entries[count++] = (struct entry){k, rows};
    }
    qsort(entries, count, sizeof *entries, by_rows);
    for (size_t i = 0; i < count && (steps += entries[i].rows) <= NEIGHBOURS_STEPS; i++) {
        uint32_t k = entries[i].bucket;
        float w = weight(b, k, n->rarity[k]);
        for (uint32_t p = n->starts[k]; p < n->starts[k + 1]; p++)
            scores[n->postings[p].example] += w * (float)n->postings[p].weight;
    }
}

/* Those with the highest scores, in order: an insertion sort of at most k. */
static int best(const float *scores, int count, int k, float scale, struct neighbour *out)
{
    int n = 0;

    for (int i = 0; i < count; i++) {
        float score = scores[i] * scale;
        if (!(score > 0) || (n == k && score <= out[n - 1].score))
            continue;
        int at = n < k ? n++ : n - 1;
        for (; at > 0 && out[at - 1].score < score; at--)
            out[at] = out[at - 1];
        out[at] = (struct neighbour){i, score};
    }
    return n;
}

int neighbours_find(const struct neighbours *n, struct span text, int k, struct neighbour *out)
{
    struct bag b;
    bool good = bag_init(&b);
    int found = -1;

    k = k < NEIGHBOURS_K ? k : NEIGHBOURS_K;
    if (good)
        bag_fill(&b, text);
    float *scores = calloc((size_t)n->count + 1, sizeof *scores);
    struct entry *entries = malloc((b.n + 1) * sizeof *entries);
    if (good && scores && entries) {
        add_scores(n, &b, entries, scores);
        float scale = 1 / (fmaxf(length(n, &b), 1e-9f) * WEIGHT_ONE);
        found = best(scores, n->count, k, scale, out);
        for (int i = 0; i < found; i++)
            out[i].score = fminf(out[i].score, 1);
    }
    bag_deinit(&b);
    free(scores);
    free(entries);
    return found;
}
