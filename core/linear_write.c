/* linear_write - a model as a file: weights as bytes, the least important ones left out.
 * SPDX-License-Identifier: MIT */
#include "linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, HEAD = 24, LEVELS = 1 << 16, NO_OTHER = 65535 };

static int put_number(struct buf *out, uint64_t n, int bytes)
{
    char p[8];

    for (int i = 0; i < bytes; i++)
        p[i] = (char)(n >> 8 * i & 255);
    return buf_add(out, p, (size_t)bytes);
}

static int put_float(struct buf *out, float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    return put_number(out, bits, 4);
}

static int put_name(struct buf *out, const char *name)
{
    size_t n = strlen(name);

    return n > LINEAR_NAME || put_number(out, n, 1) < 0 ? -1 : buf_add(out, name, n);
}

static int put_head(struct buf *out, const struct linear_head *h)
{
    int result = put_number(out, h->kind == LINEAR_NUMBER, 1);

    result |= put_number(out, (uint64_t)h->count, 2);
    result |= put_number(out, h->other < 0 ? NO_OTHER : (uint64_t)h->other, 2);
    result |= put_float(out, h->slope) | put_float(out, h->offset) | put_float(out, h->threshold);
    result |= put_float(out, h->low) | put_float(out, h->high) | put_name(out, h->name);
    for (int i = 0; i < h->count; i++)
        result |= put_name(out, h->labels[i]);
    return result;
}

/* ---- which weights stay ---- */

struct pruning {
    const struct linear_plan *plan;
    float *scale; /* of each column */
    double least; /* of what matters; what matters less is left out */
};

/* The weight as it is stored: that of one n-gram as it counts. */
static float weight(const struct linear_plan *p, int column, size_t bucket)
{
    return p->weights[column][bucket] * (float)p->counts[bucket] / LINEAR_COUNT;
}

static int rounded(const struct pruning *r, int column, size_t bucket)
{
    float s = r->scale[column];

    return s > 0 ? (int)lrintf(weight(r->plan, column, bucket) / s) : 0;
}

static double matters(const struct linear_plan *p, int column, size_t bucket)
{
    return fabs((double)weight(p, column, bucket)) * (double)p->importance[bucket];
}

static bool stays(const struct pruning *r, int column, size_t bucket)
{
    return r->plan->counts[bucket] && matters(r->plan, column, bucket) >= r->least &&
           rounded(r, column, bucket) != 0;
}

static size_t entries(const struct pruning *r)
{
    size_t n = 0;

    for (size_t b = 0; b < (size_t)1 << r->plan->how.bits; b++) {
        size_t here = 0;
        for (int c = 0; c < r->plan->columns && r->plan->counts[b]; c++)
            here += stays(r, c, b);
        n += here < LINEAR_ENTRIES ? here : LINEAR_ENTRIES;
    }
    return n;
}

static void find_scales(struct pruning *r)
{
    for (int c = 0; c < r->plan->columns; c++) {
        float top = 0;
        for (size_t b = 0; b < (size_t)1 << r->plan->how.bits; b++)
            top = fmaxf(top, fabsf(weight(r->plan, c, b)));
        r->scale[c] = top / 127;
    }
}

/* How large 'least' has to be for at most 'room' entries: on a logarithmic scale, by a histogram. */
static double find_least(const struct pruning *r, size_t room)
{
    size_t *at = calloc(LEVELS, sizeof *at), n = 0;
    int level = LEVELS - 1;

    for (size_t b = 0; at && b < (size_t)1 << r->plan->how.bits; b++)
        for (int c = 0; c < r->plan->columns && r->plan->counts[b]; c++)
            if (stays(r, c, b)) {
                double x = (log(matters(r->plan, c, b) + 1e-30) + 40) * (LEVELS / 80.0);
                at[x < 0 ? 0 : x >= LEVELS ? LEVELS - 1 : (int)x]++;
            }
    while (at && level >= 0 && n + at[level] <= room)
        n += at[level--];
    free(at);
    return level < 0 ? 0 : exp((level + 1) / (LEVELS / 80.0) - 40);
}

/* ---- writing ---- */

static int count_entries(const struct pruning *r, size_t bucket)
{
    int n = 0;

    for (int c = 0; c < r->plan->columns; c++)
        n += stays(r, c, bucket);
    return n < LINEAR_ENTRIES ? n : LINEAR_ENTRIES;
}

/* Of more entries than a bucket may have the first ones stay. */
static int put_entries(struct buf *out, const struct pruning *r, size_t bucket)
{
    const struct linear_plan *p = r->plan;
    int result = 0;

    for (int c = 0, n = 0; c < p->columns && p->counts[bucket] && n < LINEAR_ENTRIES; c++) {
        if (!stays(r, c, bucket))
            continue;
        result |= put_number(out, (uint64_t)c, p->columns > 256 ? 2 : 1);
        result |= put_number(out, (uint64_t)(rounded(r, c, bucket) & 255), 1);
        n++;
    }
    return result;
}

/* The hash that counts in a bucket, or its first. */
static size_t owner(const struct linear_plan *p, size_t bucket)
{
    const size_t first = bucket << p->how.own, end = first + ((size_t)1 << p->how.own);

    for (size_t b = first; b < end; b++)
        if (p->counts[b])
            return b;
    return first;
}

static int put_weights(struct buf *out, const struct pruning *r)
{
    const struct linear_plan *p = r->plan;
    const size_t buckets = (size_t)1 << (p->how.bits - p->how.own);
    const size_t own = ((size_t)1 << p->how.own) - 1;
    int result = 0;

    for (int c = 0; c < p->columns; c++) {
        result |= put_float(out, r->scale[c]) | put_float(out, p->bias[c]);
        for (int i = 0; i < p->input_count; i++)
            result |= put_float(out, p->input_weights[c * p->input_count + i]);
    }
    for (size_t b = 0; b < buckets; b++)
        result |= put_number(out, p->counts[owner(p, b)], 1);
    for (size_t b = 0; b < buckets; b++) {
        size_t h = owner(p, b);
        int n = p->counts[h] ? count_entries(r, h) : 0;
        result |= put_number(out, (h & own) << LINEAR_OWN | (size_t)n, 1);
    }
    for (size_t b = 0; b < buckets; b++)
        result |= put_entries(out, r, owner(p, b));
    return result;
}

static int put_model(struct buf *out, const struct pruning *r, size_t *head)
{
    const struct linear_plan *p = r->plan;
    int result = buf_add(out, "BATONLIN", 8) | put_number(out, VERSION, 4);

    result |= put_number(out, 0, 4) | put_number(out, 0, 8); /* known in the end */
    result |= put_number(out,
                         (uint64_t)(p->how.bits - p->how.own) | (p->how.once ? LINEAR_ONCE : 0) |
                             (p->how.own ? LINEAR_OWNED : 0),
                         1) |
              put_number(out, (uint64_t)p->how.least, 1);
    result |= put_number(out, (uint64_t)p->how.most, 1);
    result |= put_number(out, (uint64_t)p->head_count, 1);
    result |= put_number(out, (uint64_t)p->columns, 2) | put_number(out, p->unseen, 1);
    result |= put_number(out, (uint64_t)p->input_count, 1) | put_number(out, entries(r), 4);
    for (int i = 0; i < p->head_count; i++)
        result |= put_head(out, &p->heads[i]);
    for (int i = 0; i < p->input_count; i++)
        result |= put_float(out, p->inputs[i].mean) | put_float(out, p->inputs[i].scale) |
                  put_name(out, p->inputs[i].name);
    *head = out->len;
    return result;
}

/* Bytes of all but the entries. */
static size_t fixed_bytes(const struct pruning *r)
{
    struct buf out;
    size_t head = 0;

    buf_init(&out, LINEAR_FILE_MAX);
    int result = put_model(&out, r, &head);
    buf_deinit(&out);
    return result < 0 ? SIZE_MAX / 2
                      : head + (size_t)r->plan->columns * (8 + 4 * (size_t)r->plan->input_count) +
                            ((size_t)2 << (r->plan->how.bits - r->plan->how.own));
}

static void patch(char *to, uint64_t n, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (char)(n >> 8 * i & 255);
}

static int put_all(struct buf *out, const struct pruning *r)
{
    size_t start = out->len, head;

    if (put_model(out, r, &head) < 0 || put_weights(out, r) < 0)
        return -1;
    char *file = out->data + start;
    patch(file + 12, out->len - start, 4);
    patch(file + 16, linear_sum((struct span){file + HEAD, out->len - start - HEAD}), 8);
    return 0;
}

int linear_write(const struct linear_plan *plan, struct buf *out, struct err *err)
{
    struct pruning r = {.plan = plan, .scale = calloc((size_t)plan->columns, sizeof(float))};
    size_t fixed = r.scale ? fixed_bytes(&r) : 0, entry = plan->columns > 256 ? 3 : 2;
    int result = -1;

    if (!r.scale) {
        err_set(err, ERR_OVERLOADED, "out of memory");
    } else if (fixed > plan->bytes_max) {
        err_set(err, ERR_BUDGET, "the model does not fit into %zu bytes", plan->bytes_max);
    } else {
        find_scales(&r);
        r.least = find_least(&r, (plan->bytes_max - fixed) / entry);
        result = put_all(out, &r);
        if (result < 0)
            err_set(err, ERR_BUDGET, "the model does not fit into its buffer");
    }
    free(r.scale);
    return result;
}
