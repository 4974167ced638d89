/* linucb - a linear estimate of what an arm brings in a context, and how sure that is.
 * SPDX-License-Identifier: MIT */
#include "linucb.h"

#include <math.h>

/* Where row i, column j <= i stands. */
static int at(int i, int j)
{
    return i * (i + 1) / 2 + j;
}

void linucb_add(struct linucb *m, const double *x, int d, double decay, double reward)
{
    for (int i = 0; i < d; i++) {
        m->b[i] = m->b[i] * decay + reward * x[i];
        for (int j = 0; j <= i; j++)
            m->v[at(i, j)] = m->v[at(i, j)] * decay + x[i] * x[j];
    }
}

/* The lower factor of decay * v + ridge. The sums have no negative directions but by rounding, which the floor of the
 * pivots takes up. */
static void factorise(const struct linucb *m, int d, double decay, double ridge, double *l)
{
    for (int i = 0; i < d; i++)
        for (int j = 0; j <= i; j++) {
            double sum = decay * m->v[at(i, j)] + (i == j ? ridge : 0);
            for (int k = 0; k < j; k++)
                sum -= l[at(i, k)] * l[at(j, k)];
            if (i == j)
                l[at(i, i)] = sqrt(sum > ridge * 1e-6 ? sum : ridge * 1e-6);
            else
                l[at(i, j)] = sum / l[at(j, j)];
        }
}

/* y with L y = x. */
static void solve_lower(const double *l, int d, const double *x, double *y)
{
    for (int i = 0; i < d; i++) {
        y[i] = x[i];
        for (int k = 0; k < i; k++)
            y[i] -= l[at(i, k)] * y[k];
        y[i] /= l[at(i, i)];
    }
}

/* w with L' w = y. */
static void solve_upper(const double *l, int d, const double *y, double *w)
{
    for (int i = d - 1; i >= 0; i--) {
        w[i] = y[i];
        for (int k = i + 1; k < d; k++)
            w[i] -= l[at(k, i)] * w[k];
        w[i] /= l[at(i, i)];
    }
}

void linucb_estimate(const struct linucb *m, const double *x, int d, double decay, double ridge,
                     struct linucb_estimate *e)
{
    double l[LINUCB_PACKED] = {0}, b[LINUCB_DIM] = {0}, y[LINUCB_DIM] = {0}, square = 0;

    factorise(m, d, decay, ridge, l);
    for (int i = 0; i < d; i++)
        b[i] = decay * m->b[i];
    solve_lower(l, d, b, y);
    solve_upper(l, d, y, e->weights);
    solve_lower(l, d, x, y);
    e->mean = 0;
    for (int i = 0; i < d; i++) {
        e->mean += e->weights[i] * x[i];
        square += y[i] * y[i];
    }
    e->width = sqrt(square);
    if (!isfinite(e->mean) || !isfinite(e->width))
        *e = (struct linucb_estimate){0};
}

bool linucb_is_sound(const struct linucb *m, int d)
{
    for (int i = 0; i < d; i++) {
        double on_i = m->v[at(i, i)];
        if (!isfinite(m->b[i]) || !(on_i >= 0 && on_i < 1e15) || fabs(m->b[i]) > 1e15)
            return false;
        for (int j = 0; j < i; j++) {
            double v = m->v[at(i, j)], on_j = m->v[at(j, j)];
            if (!isfinite(v) || v * v > on_i * on_j * (1 + 1e-6) + 1e-6)
                return false;
        }
    }
    return true;
}
