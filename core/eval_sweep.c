/* eval_sweep - a policy at all its settings: those of a score, or some that are tried.
 * SPDX-License-Identifier: MIT */
#include "eval.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAR 1e9 /* a threshold beyond all scores */

static int no_memory(struct err *err)
{
    return err_set(err, ERR_OVERLOADED, "out of memory");
}

/* ---- the curve of a score ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The scores that rows told, by rising value; how many. */
static size_t told_scores(const struct eval_pass *p, size_t rows, double *out)
{
    size_t told = 0;

    for (size_t i = 0; i < rows; i++)
        if (!isnan(p->score[i]))
            out[told++] = p->score[i];
    qsort(out, told, sizeof *out, by_value);
    return told;
}

static bool same_row(const struct eval_pass *a, const struct eval_pass *b, size_t i)
{
    return a->model[i] == b->model[i] && a->strong[i] == b->strong[i] &&
           a->quality[i] == b->quality[i] &&
           fabs(a->cost[i] - b->cost[i]) <= 1e-9 * fabs(a->cost[i]);
}

static bool same_score(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Is every row of a pass like that one of the two beyond all scores that its score points to, and the score the same?
 */
static bool is_told(const struct eval_line *l, const struct eval_pass *p, double value, size_t rows)
{
    if (p->scores <= 0)
        return false;
    for (size_t i = 0; i < rows; i++) {
        double s = p->score[i];
        if (!same_score(s, l->low.score[i]) || !same_score(s, l->high.score[i]))
            return false;
        if (isnan(s) ? !same_row(&l->low, &l->high, i) || !same_row(p, &l->low, i)
                     : !(s >= value && same_row(p, &l->low, i)) &&
                           !(s <= value && same_row(p, &l->high, i)))
            return false;
    }
    return true;
}

/* The score in the middle of those that were told. */
static int middle_score(const struct eval_pass *p, size_t rows, double *middle, struct err *err)
{
    double *scores = calloc(rows, sizeof *scores);

    if (!scores)
        return no_memory(err);
    size_t told = told_scores(p, rows, scores);
    *middle = scores[told / 2];
    free(scores);
    return 0;
}

/* Do two passes with thresholds beyond all scores say what comes of every threshold? Believed when they say it of the
 * policy as it is set and of a threshold in the middle. 1, 0, or -1 with *err. */
static int is_exact(const struct eval_setup *s, const struct eval_line *l, struct err *err)
{
    struct eval_pass pass;
    double middle = 0;

    if (!is_told(l, &l->pass, l->value, s->data->n))
        return 0;
    if (middle_score(&l->pass, s->data->n, &middle, err) < 0 ||
        eval_run(s, l->name, l->param, middle, &pass, err) < 0)
        return -1;
    int exact = is_told(l, &pass, middle, s->data->n);
    eval_pass_deinit(&pass);
    return exact;
}

int eval_sort(struct eval_line *l, const double *score, size_t rows, struct err *err)
{
    size_t *order = calloc(rows, sizeof *order);

    if (!order)
        return no_memory(err);
    l->curve.n = rows;
    l->curve.score = score;
    l->curve.above = eval_rows(&l->low);
    l->curve.below = eval_rows(&l->high);
    curve_sort(&l->curve, order);
    l->has_curve = true;
    return 0;
}

/* Rows without a score come out the same at every threshold. */
static void fill_scores(double *score, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        if (isnan(score[i]))
            score[i] = -FAR;
}

/* 1: done, 0: it cannot be told from a score, -1. */
static int sweep_score(const struct eval_setup *s, struct eval_line *l, struct err *err)
{
    if (l->pass.scores <= 0)
        return 0;
    if (eval_run(s, l->name, l->param, -FAR, &l->low, err) < 0 ||
        eval_run(s, l->name, l->param, FAR, &l->high, err) < 0)
        return -1;
    int exact = is_exact(s, l, err);
    if (exact <= 0)
        return exact;
    fill_scores(l->pass.score, s->data->n);
    return eval_sort(l, l->pass.score, s->data->n, err) < 0 ? -1 : 1;
}

/* ---- settings that are tried ---- */

/* The k-th value of the grid. */
static double grid_value(const struct eval_grid *g, int k)
{
    double share = (double)k / (g->steps - 1);

    return g->ratios ? g->from * pow(g->to / g->from, share) : g->from + share * (g->to - g->from);
}

/* Where scores were told, values that part the rows evenly; else those of the grid. */
static int choose_values(const struct eval_setup *s, struct eval_line *l,
                         const struct eval_grid *grid, struct err *err)
{
    double *scores = calloc(s->data->n, sizeof *scores);

    l->at = calloc((size_t)grid->steps, sizeof *l->at);
    if (!scores || !l->at) {
        free(scores);
        return no_memory(err);
    }
    size_t told = told_scores(&l->pass, s->data->n, scores);
    for (int k = 0; k < grid->steps; k++)
        l->at[k] = told > 0 && !grid->given
                       ? scores[(size_t)k * (told - 1) / (size_t)(grid->steps - 1)]
                       : grid_value(grid, k);
    free(scores);
    return 0;
}

static int sweep_grid(const struct eval_setup *s, struct eval_line *l, const struct eval_grid *grid,
                      struct err *err)
{
    if (choose_values(s, l, grid, err) < 0)
        return -1;
    l->tried = calloc((size_t)grid->steps, sizeof *l->tried);
    l->tried_rows = calloc((size_t)grid->steps, sizeof *l->tried_rows);
    if (!l->tried || !l->tried_rows)
        return no_memory(err);
    for (int k = 0; k < grid->steps; k++) {
        if (eval_run(s, l->name, l->param, l->at[k], &l->tried[k], err) < 0)
            return -1;
        l->tried_rows[k] = eval_rows(&l->tried[k]);
        l->curve.count = k + 1;
    }
    l->curve.n = s->data->n;
    l->curve.tried = l->tried_rows;
    l->curve.at = l->at;
    l->has_curve = true;
    return 0;
}

/* ---- a policy ---- */

/* The parameter's value, and the policy's own name; 0: it has no such parameter that is a number. */
static int find_param(const struct eval_setup *s, struct eval_line *l, const char *param,
                      double *value, struct err *err)
{
    const char *texts[] = {l->name, NULL};
    struct worker *w = eval_worker(s, NULL, NULL, 0, err);
    struct buf out;
    int found = 0;

    if (!w)
        return -1;
    buf_init(&out, 1 << 20);
    if (eval_ask(w, "params", texts, &out, err) < 0) {
        found = -1;
    } else {
        struct span doc = buf_span(&out), number = json_member(json_member(doc, "params"), param);
        json_member_text(doc, "policy", l->name, sizeof l->name);
        found = number.p && json_double(number, value) == 0;
    }
    buf_deinit(&out);
    eval_worker_free(w);
    return found;
}

int eval_policy(const struct eval_setup *s, const char *name, const char *sweep,
                const struct eval_grid *grid, struct eval_line *l, struct err *err)
{
    const char *param = sweep ? sweep : "threshold";

    snprintf(l->name, sizeof l->name, "%s", name);
    l->is_policy = true;
    l->found = (double)NAN;
    int found = find_param(s, l, param, &l->value, err);
    if (found < 0)
        return -1;
    if (eval_run(s, l->name, NULL, 0, &l->pass, err) < 0)
        return -1;
    l->has_pass = true;
    if (!found || l->pass.errors == (long)s->data->n)
        return 0;
    snprintf(l->param, sizeof l->param, "%s", param);
    int done = grid->given ? 0 : sweep_score(s, l, err);
    return done < 0 ? -1 : done == 0 ? sweep_grid(s, l, grid, err) : 0;
}

void eval_line_deinit(struct eval_line *l)
{
    eval_pass_deinit(&l->pass);
    eval_pass_deinit(&l->low);
    eval_pass_deinit(&l->high);
    for (int i = 0; l->tried && i < l->curve.count; i++)
        eval_pass_deinit(&l->tried[i]);
    free(l->tried);
    free(l->tried_rows);
    free(l->at);
    free(l->curve.order);
}
