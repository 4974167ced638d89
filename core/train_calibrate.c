/* train_calibrate - from scores to probabilities, fitted on rows that were held back.
 * SPDX-License-Identifier: MIT */
#include "train_parts.h"

#include <math.h>
#include <stdlib.h>

/* Does this row count? */
static bool counts(const struct calibration_rows *r, const struct train_head *t, size_t i)
{
    return r->parts >> r->part[i] & 1 && (t->label ? t->label[i] >= 0 : !isnan(t->number[i]));
}

static bool any_counts(const struct calibration_rows *r, const struct train_head *t)
{
    for (size_t i = 0; i < r->d->n; i++)
        if (counts(r, t, i))
            return true;
    return false;
}

static double surprise_at(float p)
{
    return -log((double)p + 1e-9);
}

/* The mean surprise at the right labels, and at 'doubts' more rows like the mean of them, whose label is another one. */
static double surprise(const struct linear_head *h, const struct train_head *t,
                       const struct calibration_rows *r, float *p, double doubts)
{
    double right = 0, wrong = 0;
    size_t n = 0;

    for (size_t i = 0; i < r->d->n; i++)
        if (counts(r, t, i)) {
            linear_labels(h, r->scores + i * r->stride, p);
            float its = p[t->label[i]];
            right += surprise_at(its);
            wrong += surprise_at((1 - its) / (float)(h->count - 1));
            n++;
        }
    return n ? (right + doubts * wrong / (double)n) / (double)n : 0;
}

/* The slope with the least surprise, by golden section on a logarithmic scale. Who was right n times of n is not right
 * for certain: one doubt, about as in Laplace's rule of succession. */
static void fit_slope(struct linear_head *h, const struct train_head *t,
                      const struct calibration_rows *r, float *p)
{
    const double golden = 0.6180339887;
    double low = log(0.1), high = log(200);

    for (int i = 0; i < 24; i++) {
        double a = high - golden * (high - low), b = low + golden * (high - low);
        h->slope = (float)exp(a);
        double at_a = surprise(h, t, r, p, 1);
        h->slope = (float)exp(b);
        if (at_a < surprise(h, t, r, p, 1))
            high = b;
        else
            low = a;
    }
    h->slope = (float)exp((low + high) / 2);
}

/* ---- "none of these" ---- */

struct margin {
    float other; /* how much the best label's score is above that of 'other' */
    double gain; /* of calling it 'other' */
};

static int by_margin(const void *a, const void *b)
{
    float x = ((const struct margin *)a)->other, y = ((const struct margin *)b)->other;

    return x < y ? -1 : x > y;
}

static size_t find_margins(const struct linear_head *h, const struct train_head *t,
                           const struct calibration_rows *r, struct margin *out, size_t totals[2])
{
    size_t n = 0;

    totals[0] = totals[1] = 0;
    for (size_t i = 0; i < r->d->n; i++) {
        const float *s = r->scores + i * r->stride + h->column;
        int best = h->other == 0 ? 1 : 0;
        if (!counts(r, t, i))
            continue;
        for (int k = 0; k < h->count; k++)
            best = k != h->other && s[k] > s[best] ? k : best;
        bool other = t->label[i] == h->other;
        totals[other]++;
        out[n++] = (struct margin){s[best] - s[h->other], other ? 2 : best == t->label[i] ? -1 : 0};
    }
    return n;
}

/* The offset with which most answers are right, if 'share' of the requests belong to 'other'. Half way to the next
 * margin. */
static void fit_offset(struct linear_head *h, const struct train_head *t,
                       const struct calibration_rows *r, double share, struct margin *m)
{
    size_t totals[2], n = find_margins(h, t, r, m, totals);
    double best = 0, sum = 0, at = -HUGE_VAL;

    if (!totals[0] || !totals[1])
        return;
    qsort(m, n, sizeof *m, by_margin);
    for (size_t i = 0; i < n; i++) {
        sum +=
            m[i].gain > 1 ? share / (double)totals[1] : m[i].gain * (1 - share) / (double)totals[0];
        if (sum > best) {
            best = sum;
            at = (double)(i + 1 < n ? (m[i].other + m[i + 1].other) / 2 : m[i].other);
        }
    }
    h->offset = isfinite(at) ? (float)at * h->slope : -80;
}

/* ---- two labels; a number ---- */

/* Platt's (1999): slope and offset of a logistic curve, by Newton's method, kept from running away by a little
 * resistance. What is right is not 1 and 0 but a row more of each label than there are. */
static void fit_logistic(struct linear_head *h, const struct train_head *t,
                         const struct calibration_rows *r)
{
    double a = 1, b = 0, rows[2] = {0}, right[2];

    for (size_t i = 0; i < r->d->n; i++)
        if (counts(r, t, i))
            rows[t->label[i]]++;
    right[0] = 1 / (rows[0] + 2);
    right[1] = (rows[1] + 1) / (rows[1] + 2);
    for (int turn = 0; turn < 30; turn++) {
        double ga = 1e-3 * (a - 1), gb = 0, haa = 1e-3, hab = 0, hbb = 1e-6;
        for (size_t i = 0; i < r->d->n; i++)
            if (counts(r, t, i)) {
                double s = (double)r->scores[i * r->stride + (size_t)h->column];
                double p = 1 / (1 + exp(-fmin(fmax(a * s + b, -60), 60))), w = p * (1 - p);
                ga += (p - right[t->label[i]]) * s;
                gb += p - right[t->label[i]];
                haa += w * s * s;
                hab += w * s;
                hbb += w;
            }
        double det = haa * hbb - hab * hab;
        if (!(fabs(det) > 1e-12))
            break;
        double da = (hbb * ga - hab * gb) / det, db = (haa * gb - hab * ga) / det;
        a -= fmin(fmax(da, -2), 2);
        b -= fmin(fmax(db, -2), 2);
    }
    h->slope = (float)fmin(fmax(a, 0.01), 1000);
    h->offset = (float)fmin(fmax(b, -1000), 1000);
}

static double fit_line(struct linear_head *h, const struct train_head *t,
                       const struct calibration_rows *r)
{
    double n = 0, x = 0, y = 0, xx = 0, xy = 0, error = 0;

    for (size_t i = 0; i < r->d->n; i++)
        if (counts(r, t, i)) {
            double s = (double)r->scores[i * r->stride + (size_t)h->column],
                   v = (double)t->number[i];
            n++;
            x += s;
            y += v;
            xx += s * s;
            xy += s * v;
        }
    double spread = n * xx - x * x, slope = spread > 1e-9 ? (n * xy - x * y) / spread : 0;
    slope = fmax(slope, 0.01); /* few rows: noise must not turn the order around */
    h->slope = (float)slope;
    h->offset = (float)(n > 0 ? (y - slope * x) / n : 0);
    for (size_t i = 0; i < r->d->n; i++)
        if (counts(r, t, i)) {
            double off = (double)(linear_number(h, r->scores + i * r->stride) - t->number[i]);
            error += off * off;
        }
    return n > 0 ? error / n : 0;
}

int calibrate(struct linear_head *h, const struct train_head *t, const struct calibration_rows *r,
              double other_share, double *loss)
{
    if (h->kind == LINEAR_NUMBER) {
        *loss = fit_line(h, t, r);
        return 0;
    }
    float *p = calloc((size_t)h->count, sizeof *p);
    struct margin *m = calloc(r->d->n, sizeof *m);
    if (p && m) {
        h->slope = 1;
        h->offset = 0;
        if (h->columns == 1)
            fit_logistic(h, t, r);
        else if (any_counts(r, t))
            fit_slope(h, t, r, p);
        if (h->other >= 0)
            fit_offset(h, t, r, other_share, m);
        *loss = surprise(h, t, r, p, 0);
    }
    int result = p && m ? 0 : -1;
    free(p);
    free(m);
    return result;
}
