/* linucb - a linear estimate of what an arm brings in a context, and how sure that is.
 * SPDX-License-Identifier: MIT
 *
 * LinUCB with disjoint models (Li, Chu, Langford, Schapire 2010, "A contextual-bandit approach to personalized news
 * article recommendation", algorithm 1), its observations discounted as in D-LinUCB (Russac, Vernade, Cappe 2019). Kept is
 * the sum over observations; the ridge is added where it is used, so it does not fade with them. */
#ifndef LINUCB_H
#define LINUCB_H

#include <stdbool.h>

enum { LINUCB_DIM = 16, LINUCB_PACKED = LINUCB_DIM * (LINUCB_DIM + 1) / 2 };

struct linucb {
    double b[LINUCB_DIM];    /* sum of weight * reward * x */
    double v[LINUCB_PACKED]; /* sum of weight * x * x', the lower triangle row by row */
};

/* One observation of 'd' features; all before it now weigh 'decay' (0..1) of what they did. */
void linucb_add(struct linucb *m, const double *x, int d, double decay, double reward);

struct linucb_estimate {
    double mean;  /* of the reward */
    double width; /* its standard deviation, without the noise of a single reward */
    double weights[LINUCB_DIM];
};
/* At 'x', with observations that weigh 'decay'; ridge > 0. Finite whatever the sums are. */
void linucb_estimate(const struct linucb *m, const double *x, int d, double decay, double ridge,
                     struct linucb_estimate *e);

/* Can the first 'd' rows be such sums? For what comes from a file. */
bool linucb_is_sound(const struct linucb *m, int d);

#endif
