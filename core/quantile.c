/* quantile - quantiles of durations, of which the recent ones count most.
 * SPDX-License-Identifier: MIT
 *
 * Old values do not lose weight, new ones gain it: only when that grows too large all are scaled down. */
#include "quantile.h"

#include <math.h>

enum { STEPS = 6 /* bins an octave */, HALVINGS_MAX = 30 };

#define LOWEST       0.0005 /* seconds: the upper end of the first bin */
#define HALF_LIFE_US 60e6

static double age(const struct quantile *q, int64_t now_us)
{
    return (double)(now_us - q->since_us) / HALF_LIFE_US;
}

static int bin_of(double seconds)
{
    if (!(seconds > LOWEST))
        return 0;
    float bin = ceilf(log2f((float)(seconds / LOWEST)) * STEPS);
    return bin < QUANTILE_BINS - 1 ? (int)bin : QUANTILE_BINS - 1;
}

/* Makes 'now' the time whose values weigh 1. */
static void scale(struct quantile *q, int64_t now_us)
{
    float by = (float)exp2(-fmin(age(q, now_us), 200));

    for (int i = 0; i < QUANTILE_BINS; i++) {
        q->weights[i] *= by;
        if (q->weights[i] < 1e-9F)
            q->weights[i] = 0;
    }
    q->since_us = now_us;
}

void quantile_add(struct quantile *q, double seconds, int64_t now_us)
{
    if (!isfinite(seconds) || seconds < 0)
        return;
    if (age(q, now_us) > HALVINGS_MAX)
        scale(q, now_us);
    q->weights[bin_of(seconds)] += exp2f((float)fmax(age(q, now_us), -HALVINGS_MAX));
}

/* From the lower to the upper end of bin i, as far as 'part' of it says. */
static double value_in(int i, double part)
{
    return LOWEST * exp2((i - 1 + part) / STEPS);
}

double quantile_get(const struct quantile *q, int64_t now_us, const double shares[], double out[],
                    int n)
{
    double sum = 0, below = 0;
    int at = 0;

    for (int i = 0; i < QUANTILE_BINS; i++)
        sum += (double)q->weights[i];
    double weight = sum * exp2(-age(q, now_us));
    if (!(weight >= 0.01))
        return 0;
    for (int i = 0; i < QUANTILE_BINS && at < n; i++) {
        double here = (double)q->weights[i];
        for (; at < n && here > 0 && below + here >= shares[at] * sum; at++)
            out[at] = value_in(i, fmax(0, (shares[at] * sum - below) / here));
        below += here;
    }
    for (; at < n; at++) /* lost to rounding */
        out[at] = at ? out[at - 1] : value_in(QUANTILE_BINS - 1, 1);
    return weight;
}

bool quantile_valid(const struct quantile *q)
{
    for (int i = 0; i < QUANTILE_BINS; i++)
        if (!(q->weights[i] >= 0) || !isfinite(q->weights[i]))
            return false;
    return true;
}
