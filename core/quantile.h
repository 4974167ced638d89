/* quantile - quantiles of durations, of which the recent ones count most.
 * SPDX-License-Identifier: MIT
 *
 * A histogram in steps of 12 % from 0.5 ms to 20 minutes, whose counts halve every minute. Plain data of a fixed
 * size, zeroed memory is an empty one; it may stand in shared memory (the caller locks). */
#ifndef QUANTILE_H
#define QUANTILE_H

#include <stdbool.h>
#include <stdint.h>

enum { QUANTILE_BINS = 128 };

struct quantile {
    int64_t since_us; /* a value added then has the weight 1; later ones more */
    float weights[QUANTILE_BINS];
};

/* 'now_us' is any clock that never goes back. */
void quantile_add(struct quantile *q, double seconds, int64_t now_us);

/* The values below which so much of all lies: out[i] for shares[i] (0..1, ascending), seconds. Returns the
 * weight of what is known (a value of just now: 1); out is untouched when that is below a hundredth. */
double quantile_get(const struct quantile *q, int64_t now_us, const double shares[], double out[],
                    int n);

/* Can these be weights? What a process that died has left need not be. */
bool quantile_valid(const struct quantile *q);

#endif
