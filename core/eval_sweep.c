/* eval_sweep - a policy at all its settings, the rows it is compared with, and the setting that meets a target.
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

static int sort_curve(struct eval_line *l, const double *score, size_t rows, struct err *err)
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
    return sort_curve(l, l->pass.score, s->data->n, err) < 0 ? -1 : 1;
}

/* ---- settings that are tried ---- */

/* Where scores were told, values that part the rows evenly; else evenly from..to. */
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
    for (int k = 0; k < grid->steps; k++) {
        double share = grid->steps > 1 ? (double)k / (grid->steps - 1) : 0;
        l->at[k] = told > 0 && !grid->given ? scores[(size_t)(share * (double)(told - 1))]
                                            : grid->from + share * (grid->to - grid->from);
    }
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

/* ---- the rows to compare with ---- */

/* A pass of one model. */
static int one_model(const struct eval_setup *s, int model, struct eval_pass *out, struct err *err)
{
    if (eval_pass_init(out, s->data->n) < 0)
        return no_memory(err);
    for (size_t i = 0; i < s->data->n; i++) {
        const struct outcome *x = outcomes_at(s->data, i, model);
        out->quality[i] = isnan(x->score) ? 0 : (double)x->score;
        out->cost[i] = isnan(x->cost) ? 0 : x->cost;
        out->strong[i] = model == s->strong;
        out->model[i] = model;
    }
    return 0;
}

static int compare_point(const struct eval_setup *s, const char *name, int model,
                         struct eval_line *l, struct err *err)
{
    snprintf(l->name, sizeof l->name, "%s", name);
    l->found = (double)NAN;
    l->has_pass = true;
    return one_model(s, model, &l->pass, err);
}

/* The strong model where the score is high enough; the score is in l->low.score. */
static int compare_score(const struct eval_setup *s, const char *name, const double *score,
                         struct eval_line *l, struct err *err)
{
    snprintf(l->name, sizeof l->name, "%s", name);
    l->found = (double)NAN;
    if (one_model(s, s->strong, &l->low, err) < 0 || one_model(s, s->weak, &l->high, err) < 0)
        return -1;
    memcpy(l->low.score, score, s->data->n * sizeof *score);
    return sort_curve(l, l->low.score, s->data->n, err);
}

/* Knows all outcomes: the cheaper of the two models that answer best. */
static int compare_oracle(const struct eval_setup *s, double *score, struct eval_line *l,
                          struct err *err)
{
    for (size_t i = 0; i < s->data->n; i++)
        score[i] = (double)outcomes_at(s->data, i, s->strong)->score -
                   (double)outcomes_at(s->data, i, s->weak)->score;
    if (compare_score(s, "oracle", score, l, err) < 0 || one_model(s, s->weak, &l->pass, err) < 0)
        return -1;
    l->has_pass = true;
    for (size_t i = 0; i < s->data->n; i++) {
        if (score[i] <= 0)
            continue;
        l->pass.quality[i] = l->low.quality[i];
        l->pass.cost[i] = l->low.cost[i];
        l->pass.strong[i] = 1;
    }
    return 0;
}

/* Each model is a setting. */
static int compare_mix(const struct eval_setup *s, struct eval_line *l, struct err *err)
{
    const int count = s->data->count;

    snprintf(l->name, sizeof l->name, "mix of models");
    l->found = (double)NAN;
    l->of_cost = true;
    l->at = calloc((size_t)count, sizeof *l->at);
    l->tried = calloc((size_t)count, sizeof *l->tried);
    l->tried_rows = calloc((size_t)count, sizeof *l->tried_rows);
    if (!l->at || !l->tried || !l->tried_rows)
        return no_memory(err);
    for (int k = 0; k < count; k++) {
        if (one_model(s, k, &l->tried[k], err) < 0)
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

static int ask_scores(const struct eval_setup *s, double *length, double *keywords, struct err *err)
{
    struct worker *w = eval_worker(s, NULL, NULL, 0, err);
    struct buf body, out;
    int result = 0;

    if (!w)
        return -1;
    buf_init(&body, 32 << 20);
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < s->data->n && result == 0; i++) {
        out.len = 0;
        if ((result = eval_body(&body, "baseline", s->data->rows[i].prompt)) < 0) {
            err_set(err, ERR_BUDGET, "line %zu: the prompt is too long", s->data->rows[i].line);
            break;
        }
        const char *texts[] = {body.data, NULL};
        result = eval_ask(w, "baseline", texts, &out, err);
        length[i] = keywords[i] = 0;
        if (result == 0) {
            json_double(json_member(buf_span(&out), "length"), &length[i]);
            json_double(json_member(buf_span(&out), "keywords"), &keywords[i]);
        }
    }
    buf_deinit(&body);
    buf_deinit(&out);
    eval_worker_free(w);
    return result;
}

int eval_compare(const struct eval_setup *s, struct eval_line lines[EVAL_COMPARED], struct err *err)
{
    double *length = calloc(s->data->n, sizeof *length),
           *keywords = calloc(s->data->n, sizeof *keywords);
    double *score = calloc(s->data->n, sizeof *score);
    int result = -1;

    if (!length || !keywords || !score)
        no_memory(err);
    else if (ask_scores(s, length, keywords, err) == 0 &&
             compare_point(s, "always weak", s->weak, &lines[0], err) == 0 &&
             compare_point(s, "always strong", s->strong, &lines[1], err) == 0 &&
             compare_score(s, "random", score, &lines[2], err) ==
                 0 && /* one score: lots are drawn */
             compare_score(s, "prompt length", length, &lines[3], err) == 0 &&
             compare_score(s, "keywords", keywords, &lines[4], err) == 0 &&
             compare_oracle(s, score, &lines[5], err) == 0 && compare_mix(s, &lines[6], err) == 0)
        result = 0;
    free(length);
    free(keywords);
    free(score);
    return result;
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

/* ---- targets ---- */

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
        result = no_memory(err);
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
