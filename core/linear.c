/* linear - a trained linear model over n-grams: its file, and what it says of a text.
 * SPDX-License-Identifier: MIT */
#include "linear.h"

#include "hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, NONE = 65535, ROW = 8 };

struct linear {
    struct ngrams how;
    struct linear_head heads[LINEAR_HEADS];
    int head_count, columns;
    unsigned char unseen;
    float *scale, *bias; /* of each column; one block */
    struct linear_input inputs[LINEAR_INPUTS];
    int input_count;
    float *input_weights; /* of each column, each input */
    /* Few columns: a row for each bucket, what it counts, whose it is (where that matters) and a weight for each
     * column. */
    signed char *rows;
    int stride; /* of a row; 0: many columns */
    /* Many: where a bucket's entries begin << 8 | what it counts; one more at the end. */
    uint32_t *index;
    uint16_t *column; /* of each entry */
    signed char *weight;
};

/* ---- reading: every function below leaves a short rest alone and says so in 'short_of' ---- */

struct in {
    struct span left;
    bool short_of;
};

static const unsigned char *take(struct in *in, size_t n)
{
    const char *p = in->left.p;

    if (in->short_of || in->left.n < n) {
        in->short_of = true;
        return NULL;
    }
    in->left.p += n;
    in->left.n -= n;
    return (const unsigned char *)p;
}

static uint64_t take_number(struct in *in, int bytes)
{
    const unsigned char *p = take(in, (size_t)bytes);
    uint64_t n = 0;

    for (int i = 0; p && i < bytes; i++)
        n |= (uint64_t)p[i] << 8 * i;
    return n;
}

/* Not finite is as bad as missing. */
static float take_float(struct in *in)
{
    uint32_t bits = (uint32_t)take_number(in, 4);
    float f;

    memcpy(&f, &bits, sizeof f);
    if (!isfinite(f) || fabsf(f) > 1e9f)
        in->short_of = true;
    return in->short_of ? 0 : f;
}

static void take_name(struct in *in, char out[LINEAR_NAME + 1])
{
    size_t n = (size_t)take_number(in, 1);
    const unsigned char *p = n <= LINEAR_NAME ? take(in, n) : NULL;

    if (!p || memchr(p, 0, n)) {
        in->short_of = true;
        return;
    }
    memcpy(out, p, n);
    out[n] = 0;
}

static void take_labels(struct in *in, struct linear_head *h, int count)
{
    char name[LINEAR_NAME + 1] = "";

    if (in->short_of || !(h->labels = calloc((size_t)count + 1, sizeof *h->labels)))
        in->short_of = true;
    while (!in->short_of && h->count < count) {
        take_name(in, name);
        if (!in->short_of && (h->labels[h->count] = strdup(name)))
            h->count++;
        else
            in->short_of = true;
    }
}

static void take_head(struct in *in, struct linear *m)
{
    struct linear_head *h = &m->heads[m->head_count++];
    uint64_t kind = take_number(in, 1);
    int count = (int)take_number(in, 2), other = (int)take_number(in, 2);

    h->kind = kind ? LINEAR_NUMBER : LINEAR_LABELS;
    h->column = m->columns;
    h->columns = kind || count == 2 ? 1 : count;
    h->other = other == NONE ? -1 : other;
    h->slope = take_float(in);
    h->offset = take_float(in);
    h->threshold = take_float(in);
    h->low = take_float(in);
    h->high = take_float(in);
    take_name(in, h->name);
    in->short_of |= kind > 1 || (kind ? count != 0 : count < 2) || count > LINEAR_COLUMNS ||
                    (h->other >= 0 && (h->other >= count || count < 3)) || h->low > h->high;
    take_labels(in, h, count);
    m->columns += h->columns;
    in->short_of |= m->columns > LINEAR_COLUMNS;
}

static void take_inputs(struct in *in, struct linear *m, int count)
{
    for (; m->input_count < count && !in->short_of; m->input_count++) {
        struct linear_input *input = &m->inputs[m->input_count];
        input->mean = take_float(in);
        input->scale = take_float(in);
        take_name(in, input->name);
    }
}

static void take_columns(struct in *in, struct linear *m)
{
    const size_t each = 2 + (size_t)m->input_count;

    if (in->short_of || !(m->scale = calloc((size_t)m->columns * each, sizeof *m->scale))) {
        in->short_of = true;
        return;
    }
    m->bias = m->scale + m->columns;
    m->input_weights = m->bias + m->columns;
    for (int c = 0; c < m->columns; c++) {
        m->scale[c] = take_float(in);
        m->bias[c] = take_float(in);
        for (int i = 0; i < m->input_count; i++)
            m->input_weights[c * m->input_count + i] = take_float(in);
    }
}

/* ---- the weights ---- */

static void *get(size_t n, size_t size)
{
    return calloc(n ? n : 1, size);
}

static bool make_room(struct linear *m, size_t entries)
{
    const size_t buckets = (size_t)1 << (m->how.bits - m->how.own);
    const int row = 1 + (m->how.own > 0) + m->columns;

    if (row <= ROW) {
        m->stride = row <= 2 ? 2 : row <= 4 ? 4 : ROW;
        return (m->rows = get(buckets * (size_t)m->stride + ROW, 1)) != NULL;
    }
    m->index = get(buckets + 1, sizeof *m->index);
    m->column = get(entries, sizeof *m->column);
    m->weight = get(entries, 1);
    return m->index && m->column && m->weight;
}

static void put_entry(struct linear *m, size_t bucket, size_t at, unsigned column, signed char w)
{
    if (m->stride) {
        m->rows[bucket * (size_t)m->stride + 1 + (m->how.own > 0) + column] = w;
    } else {
        m->column[at] = (uint16_t)column;
        m->weight[at] = w;
    }
}

/* Columns of a bucket ascend, so that one model has one form. */
static void take_entries(struct in *in, struct linear *m, size_t bucket, int n, size_t *at)
{
    int last = -1;

    for (int i = 0; i < n && !in->short_of; i++) {
        int column = (int)take_number(in, m->columns > 256 ? 2 : 1);
        signed char w = (signed char)take_number(in, 1);
        if (column <= last || column >= m->columns) {
            in->short_of = true;
            return;
        }
        put_entry(m, bucket, (*at)++, (unsigned)(last = column), w);
    }
}

static void take_weights(struct in *in, struct linear *m, size_t entries)
{
    const size_t buckets = (size_t)1 << (m->how.bits - m->how.own);
    const unsigned char *counts = take(in, buckets), *numbers = take(in, buckets);
    const int most = m->how.own ? (1 << LINEAR_OWN) - 1 : LINEAR_ENTRIES;
    size_t at = 0, sum = 0;

    for (size_t b = 0; numbers && b < buckets; b++)
        sum += numbers[b] & most;
    if (!numbers || sum != entries || in->left.n != entries * (m->columns > 256 ? 3 : 2) ||
        !make_room(m, entries)) {
        in->short_of = true;
        return;
    }
    for (size_t b = 0; b < buckets; b++) {
        unsigned char count = counts[b] ? counts[b] : m->unseen;
        if (m->stride)
            m->rows[b * (size_t)m->stride] = (signed char)count;
        else
            m->index[b] = (uint32_t)at << 8 | count;
        if (m->how.own)
            m->rows[b * (size_t)m->stride + 1] = (signed char)(numbers[b] >> LINEAR_OWN);
        take_entries(in, m, b, numbers[b] & most, &at);
    }
    if (!m->stride)
        m->index[buckets] = (uint32_t)at << 8;
}

static int take_all(struct in *in, struct linear *m)
{
    int bits = (int)take_number(in, 1);
    m->how.once = bits & LINEAR_ONCE;
    m->how.own = bits & LINEAR_OWNED ? LINEAR_OWN : 0;
    m->how.bits = (bits & ~(LINEAR_ONCE | LINEAR_OWNED)) + m->how.own;
    m->how.least = (int)take_number(in, 1);
    m->how.most = (int)take_number(in, 1);
    int heads = (int)take_number(in, 1), columns = (int)take_number(in, 2);
    m->unseen = (unsigned char)take_number(in, 1);
    int inputs = (int)take_number(in, 1);
    size_t entries = (size_t)take_number(in, 4);

    if (in->short_of || inputs > LINEAR_INPUTS || m->how.bits < 8 ||
        m->how.bits > NGRAMS_BITS_MAX ||
        (m->how.once && m->how.bits - m->how.own > NGRAMS_ONCE_BITS_MAX) || m->how.least < 2 ||
        m->how.most > NGRAMS_PIECE_MAX || (m->how.most && m->how.most < m->how.least) ||
        heads < 1 || heads > LINEAR_HEADS || entries > LINEAR_FILE_MAX)
        return -1;
    while (m->head_count < heads && !in->short_of)
        take_head(in, m);
    if (in->short_of || m->columns != columns || (m->how.own && columns > LINEAR_OWN_COLUMNS))
        return -1;
    take_inputs(in, m, inputs);
    take_columns(in, m);
    take_weights(in, m, entries);
    return in->short_of || in->left.n ? -1 : 0;
}

uint64_t linear_sum(struct span body)
{
    return hash_bytes(&(struct hash_key){0, 0}, body);
}

/* What can be told before the contents are looked at. */
static int check_frame(struct span file, struct in *in, struct err *err)
{
    *in = (struct in){.left = file};
    const unsigned char *magic = take(in, 8);
    uint64_t version = take_number(in, 4), size = take_number(in, 4), sum = take_number(in, 8);

    if (!magic || memcmp(magic, "BATONLIN", 8) != 0)
        return err_set(err, ERR_BAD_REQUEST, "this is no model made by 'baton train'");
    if (!in->short_of && version != VERSION)
        return err_set(err, ERR_BAD_REQUEST,
                       "a model of version %d, but this engine reads version %d: train it anew",
                       (int)version, VERSION);
    if (in->short_of || size != file.n)
        return err_set(err, ERR_BAD_REQUEST, "the model is damaged: it has %zu bytes, not %llu",
                       file.n, (unsigned long long)size);
    if (linear_sum(in->left) != sum)
        return err_set(err, ERR_BAD_REQUEST, "the model is damaged: its check sum is wrong");
    return 0;
}

struct linear *linear_read(struct span file, struct err *err)
{
    struct in in;

    if (file.n > LINEAR_FILE_MAX) {
        err_set(err, ERR_BUDGET, "the model is larger than %d bytes", LINEAR_FILE_MAX);
        return NULL;
    }
    if (check_frame(file, &in, err) < 0)
        return NULL;
    struct linear *m = calloc(1, sizeof *m);
    if (m && take_all(&in, m) == 0)
        return m;
    linear_free(m);
    err_set(err, ERR_BAD_REQUEST, "the model is damaged: its parts do not fit together");
    return NULL;
}

void linear_free(struct linear *m)
{
    if (!m)
        return;
    for (int i = 0; i < m->head_count; i++) {
        for (int k = 0; k < m->heads[i].count; k++)
            free(m->heads[i].labels[k]);
        free(m->heads[i].labels);
    }
    free(m->scale);
    free(m->rows);
    free(m->index);
    free(m->column);
    free(m->weight);
    free(m);
}

const struct linear_head *linear_heads(const struct linear *m, int *count)
{
    *count = m->head_count;
    return m->heads;
}

const struct linear_input *linear_inputs(const struct linear *m, int *count)
{
    *count = m->input_count;
    return m->inputs;
}

int linear_columns(const struct linear *m)
{
    return m->columns;
}

/* ---- a text ---- */

/* The sums of few columns. Always of ROW of them, which is several additions at once: what follows a shorter row is added
 * up and forgotten. Returns the squares of what the n-grams count. */
static uint64_t add_rows(const struct linear *m, struct span text, int32_t *sums)
{
    struct ngrams_reader r;
    uint32_t found[NGRAMS_OUT];
    int32_t all[ROW] = {0};
    uint64_t squares = 0;
    int n, words;

    ngrams_begin(&r, &m->how, text);
    while ((n = ngrams_next(&r, found, &words)) > 0)
        for (int i = 0; i < n; i++) {
            const signed char *row = m->rows + (size_t)found[i] * (size_t)m->stride;
            unsigned count = (unsigned char)row[0];
            squares += count * count;
            for (int c = 0; c < ROW; c++)
                all[c] += row[c];
        }
    memcpy(sums, all + 1, (size_t)m->columns * sizeof *sums);
    return squares;
}

/* The same where buckets have owners. No branch: whose a bucket is cannot be foreseen. */
static uint64_t add_owned(const struct linear *m, struct span text, int32_t *sums)
{
    struct ngrams_reader r;
    uint32_t found[NGRAMS_OUT];
    int32_t all[ROW] = {0};
    uint64_t squares = 0;
    int n, words;

    ngrams_begin(&r, &m->how, text);
    while ((n = ngrams_next(&r, found, &words)) > 0)
        for (int i = 0; i < n; i++) {
            const signed char *row = m->rows + (size_t)(found[i] >> LINEAR_OWN) * (size_t)m->stride;
            int own = -(row[1] == (signed char)(found[i] & ((1 << LINEAR_OWN) - 1)));
            unsigned count = own ? (unsigned char)row[0] : m->unseen;
            squares += count * count;
            for (int c = 0; c < ROW; c++)
                all[c] += row[c] & own;
        }
    memcpy(sums, all + 2, (size_t)m->columns * sizeof *sums);
    return squares;
}

static uint64_t add_entries(const struct linear *m, struct span text, int32_t *sums)
{
    struct ngrams_reader r;
    uint32_t found[NGRAMS_OUT];
    uint64_t squares = 0;
    int n, words;

    ngrams_begin(&r, &m->how, text);
    while ((n = ngrams_next(&r, found, &words)) > 0)
        for (int i = 0; i < n; i++) {
            uint32_t from = m->index[found[i]], count = from & 255;
            squares += count * count;
            for (size_t at = from >> 8, end = m->index[found[i] + 1] >> 8; at < end; at++)
                sums[m->column[at]] += m->weight[at];
        }
    return squares;
}

/* An n-gram's weight is stored as it counts: weight * count. Both sides of the division are in 1/LINEAR_COUNT. */
float linear_input_value(const struct linear_input *input, float x)
{
    float far = (x - input->mean) * input->scale;

    return isnan(far) ? 0 : far < -LINEAR_FAR ? -LINEAR_FAR : far > LINEAR_FAR ? LINEAR_FAR : far;
}

static void add_inputs(const struct linear *m, const float *inputs, float *out)
{
    for (int i = 0; i < m->input_count; i++) {
        float value = linear_input_value(&m->inputs[i], inputs[i]);
        for (int c = 0; c < m->columns; c++)
            out[c] += m->input_weights[c * m->input_count + i] * value;
    }
}

/* A text without a word is none of the labels, for certain where there is a label that says so. */
static void score_nothing(const struct linear *m, float *out)
{
    for (int i = 0; i < m->head_count; i++) {
        const struct linear_head *h = &m->heads[i];
        for (int k = 0; k < h->columns && h->other >= 0; k++)
            out[h->column + k] = (k == h->other ? -h->offset : -20) / h->slope;
    }
}

void linear_scores(const struct linear *m, struct span text, const float *inputs, float *out)
{
    int32_t sums[LINEAR_COLUMNS];

    memset(sums, 0, (size_t)m->columns * sizeof *sums);
    uint64_t squares = (m->how.own ? add_owned : m->stride ? add_rows : add_entries)(m, text, sums);
    float length = squares ? sqrtf((float)squares) / LINEAR_COUNT : 1;
    for (int c = 0; c < m->columns; c++)
        out[c] = (float)sums[c] * m->scale[c] / length + m->bias[c];
    if (squares == 0 && !m->input_count)
        score_nothing(m, out);
    if (inputs)
        add_inputs(m, inputs, out);
}

static float bounded(float x)
{
    return x < -80 ? -80 : x > 80 ? 80 : x;
}

static void spread(const struct linear_head *h, const float *scores, float *p)
{
    float top = -INFINITY, sum = 0;

    for (int i = 0; i < h->count; i++) {
        p[i] = h->slope * scores[h->column + i] + (i == h->other ? h->offset : 0);
        top = p[i] > top ? p[i] : top;
    }
    for (int i = 0; i < h->count; i++)
        sum += p[i] = expf(bounded(p[i] - top));
    for (int i = 0; i < h->count; i++)
        p[i] /= sum;
}

struct linear_answer linear_labels(const struct linear_head *h, const float *scores, float *p)
{
    int best = h->other == 0 ? 1 : 0;

    if (h->columns == 1) {
        p[1] = 1 / (1 + expf(-bounded(h->slope * scores[h->column] + h->offset)));
        p[0] = 1 - p[1];
    } else {
        spread(h, scores, p);
    }
    for (int i = 0; i < h->count; i++)
        if (i != h->other && p[i] > p[best])
            best = i;
    bool known = p[best] >= h->threshold && (h->other < 0 || p[best] >= p[h->other]);
    return (struct linear_answer){best, p[best], known};
}

float linear_number(const struct linear_head *h, const float *scores)
{
    float x = h->slope * scores[h->column] + h->offset;

    return x < h->low ? h->low : x > h->high ? h->high : x;
}
