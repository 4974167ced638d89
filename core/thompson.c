/* thompson - how probable it is, of several Beta distributions, that a draw of this one is the largest.
 * SPDX-License-Identifier: MIT
 *
 * share[i] is the integral of f_i(x) times the product of F_j(x) over the others, by trapezoids. It is taken over
 * u = ln(x / (1 - x)): there every Beta distribution is smooth, with one peak and tails that fall at least
 * exponentially, so that points at equal steps around each arm's mean suffice, be it flat or as narrow as 10^5
 * observations make it. */
#include "thompson.h"

#include <math.h>
#include <string.h>

enum { POINTS = 512, POINTS_EACH = 64 };

#define SPREAD  10.0  /* standard deviations to each side */
#define NOTHING -40.0 /* e to the power of that is not worth the work */

/* The first terms of the digamma and trigamma functions' series; exact to a percent or two for x >= 1. */
static double digamma(double x)
{
    return log(x) - 1 / (2 * x) - 1 / (12 * x * x);
}

static double trigamma(double x)
{
    return 1 / x + 1 / (2 * x * x) + 1 / (6 * x * x * x);
}

/* Merges the arm's points into the sorted ones. */
static int add_points(const struct beta *arm, int each, double *u, int n)
{
    double mean = digamma(arm->a) - digamma(arm->b);
    double sd = sqrt(trigamma(arm->a) + trigamma(arm->b));
    double merged[POINTS];
    int from = 0, to = 0;

    for (int k = 0; k < each; k++) {
        double point = mean + sd * SPREAD * (2.0 * k / (each - 1) - 1);
        while (from < n && u[from] <= point)
            merged[to++] = u[from++];
        merged[to++] = point;
    }
    while (from < n)
        merged[to++] = u[from++];
    memcpy(u, merged, (size_t)to * sizeof *u);
    return to;
}

/* The points: u = ln(x / (1 - x)), and ln x there. */
struct points {
    int n;
    double u[POINTS], log_x[POINTS];
};

static void set_logs(struct points *p)
{
    for (int k = 0; k < p->n; k++)
        p->log_x[k] = p->u[k] < 0 ? p->u[k] - log1p(exp(p->u[k])) : -log1p(exp(-p->u[k]));
}

/* The arm's distribution function at the points, from 0 at the first to 1 at the last. */
static void distribution(const struct beta *arm, const struct points *p, double *out)
{
    double sum = arm->a + arm->b;
    double peak = arm->a * log(arm->a / sum) + arm->b * log(arm->b / sum), before = 0;

    for (int k = 0; k < p->n; k++) {
        double log_f = arm->a * p->log_x[k] + arm->b * (p->log_x[k] - p->u[k]) - peak;
        double f = log_f > NOTHING ? exp(log_f) : 0;
        out[k] = k ? out[k - 1] + (p->u[k] - p->u[k - 1]) * (f + before) / 2 : 0;
        before = f;
    }
    for (int k = 0; k < p->n; k++)
        out[k] /= out[p->n - 1];
}

/* What the step to point k adds to each share: the product over the others in the middle of the step. */
static void add_step(double (*F)[POINTS], int n, int k, double *share)
{
    double middle[THOMPSON_ARMS], below[THOMPSON_ARMS + 1] = {1}, above = 1;

    for (int i = 0; i < n; i++) {
        middle[i] = (F[i][k] + F[i][k - 1]) / 2;
        below[i + 1] = below[i] * middle[i];
    }
    for (int i = n - 1; i >= 0; i--) {
        share[i] += (F[i][k] - F[i][k - 1]) * below[i] * above;
        above *= middle[i];
    }
}

void thompson_shares(const struct beta *arms, int n, double *share)
{
    int each = POINTS / n < POINTS_EACH ? POINTS / n : POINTS_EACH;
    double F[THOMPSON_ARMS][POINTS], sum = 0;
    struct points p = {.n = 0};

    for (int i = 0; i < n; i++) {
        p.n = add_points(&arms[i], each, p.u, p.n);
        share[i] = 0;
    }
    set_logs(&p);
    for (int i = 0; i < n; i++)
        distribution(&arms[i], &p, F[i]);
    for (int k = 1; k < p.n; k++)
        add_step(F, n, k, share);
    for (int i = 0; i < n; i++)
        sum += share[i];
    for (int i = 0; i < n; i++)
        share[i] /= sum;
}
