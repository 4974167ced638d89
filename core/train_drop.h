/* train_drop - rows in ever another order, with ever other n-grams left out (dropout: Srivastava and others 2014), so
 * that nothing learned hangs on one word. By a fixed row of numbers (Marsaglia's xorshift 2003): the same data give the
 * same model.
 * SPDX-License-Identifier: MIT */
#ifndef TRAIN_DROP_H
#define TRAIN_DROP_H

#include <stdint.h>

struct feature_node; /* of liblinear */

/* What its rows of numbers begin with; another one for each net. */
static inline uint32_t drop_begin(int net)
{
    return 2463534242u + 7919u * (unsigned)net;
}

static inline uint32_t drop_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* From 0 to 1. */
static inline float drop_draw(uint32_t *state)
{
    return (float)(drop_next(state) >> 8) / (float)(1 << 24);
}

/* Another order of 'n' numbers. */
void drop_shuffle(uint32_t *state, int *order, int n);

/* Some of a row's features 1 to 'features' into 'out', with indices from 0, made as long as all of them; their number.
 * 'leave': the share that is left out. */
int drop_some(uint32_t *state, const struct feature_node *x, int features, float leave,
              struct feature_node *out);

#endif
