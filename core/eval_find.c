/* eval_find - the setting of a policy that meets a target, shortest in digits and run once more.
 * SPDX-License-Identifier: MIT */
#include "eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A short number that parts the scores as the threshold 'at' does: at or below it, above the next lower score. */
static double threshold_for(const struct curve *c, double at)
{
    double low = -HUGE_VAL, high = at;
    char text[40];

    for (size_t i = 0; i < c->n; i++)
        if (c->score[i] < at && c->score[i] > low)
            low = c->score[i];
    if (isinf(high))
        high = low + (fabs(low) > 1 ? fabs(low) : 1);
    if (isinf(low))
        low = high - (fabs(high) > 1 ? fabs(high) : 1);
    for (int digits = 1; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, low + (high - low) / 2);
        double d = strtod(text, NULL);
        if (d > low && d < high)
            return d;
    }
    return high;
}

/* Does p meet the target, and better than 'best' (NULL: none does yet)? Without costs the share is the cost. */
static bool is_better(const struct eval_target *t, const struct curve_point *p,
                      const struct curve_point *best)
{
    double cost = t->costs ? p->cost : p->share, other = best && t->costs ? best->cost
                                                         : best           ? best->share
                                                                          : 0;

    if (p->quality < t->quality - 1e-12 ||
        cost > t->cost * (1 + 1e-12)) /* sums of shares are not exact */
        return false;
    if (!best)
        return true;
    bool cheaper = cost < other || (cost == other && p->quality > best->quality);
    bool finer = p->quality > best->quality || (p->quality == best->quality && cost < other);
    return t->by_quality ? cheaper : finer;
}

static void sum_pass(const struct eval_pass *p, size_t rows, struct curve_point *out)
{
    *out = (struct curve_point){0};
    for (size_t i = 0; i < rows; i++) {
        out->quality += p->quality[i] / (double)rows;
        out->cost += p->cost[i] / (double)rows;
        out->share += p->strong[i] ? 1 / (double)rows : 0;
    }
}

int eval_find(const struct eval_setup *s, const struct eval_target *t, struct eval_line *l,
              struct err *err)
{
    struct curve_point *points = calloc(curve_room(&l->curve), sizeof *points), *best = NULL;
    double *weight = calloc(l->curve.n, sizeof *weight);
    struct eval_pass pass;
    int result = 0;

    if (!points || !weight) {
        result = err_set(err, ERR_OVERLOADED, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < l->curve.n; i++)
        weight[i] = 1;
    size_t n = curve_points(&l->curve, weight, points);
    for (size_t i = 0; i < n; i++)
        best = is_better(t, &points[i], best) ? &points[i] : best;
    if (!best)
        goto out;
    l->found = l->curve.order ? threshold_for(&l->curve, best->at) : best->at;
    result = eval_run(s, l->name, l->param, l->found, &pass, err); /* what is printed was seen */
    if (result == 0) {
        sum_pass(&pass, s->data->n, &l->found_at);
        eval_pass_deinit(&pass);
    }
out:
    free(points);
    free(weight);
    return result;
}
