/* train_drop - rows in ever another order, with ever other n-grams left out. SPDX-License-Identifier: MIT */
#include "train_drop.h"

#include <linear.h>
#include <math.h>
#include <stdbool.h>

void drop_shuffle(uint32_t *state, int *order, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int k = (int)(drop_next(state) % (uint32_t)(i + 1)), old = order[i];
        order[i] = order[k];
        order[k] = old;
    }
}

int drop_some(uint32_t *state, const struct feature_node *x, int features, float leave,
              struct feature_node *out)
{
    double whole = 0, part = 0;
    int n = 0;

    for (; x->index > 0 && x->index <= features; x++) {
        bool stays = drop_draw(state) >= leave; /* no branch: it cannot be foreseen */
        double square = x->value * x->value;
        whole += square;
        part += square * stays;
        out[n] = (struct feature_node){x->index - 1, x->value};
        n += stays;
    }
    for (int i = 0; i < n; i++)
        out[i].value *= part > 0 ? sqrt(whole / part) : 0;
    return n;
}
