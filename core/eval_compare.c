/* eval_compare - the rows that a policy is compared with: single models, routers that know little, and those that know
 * what came of each row.
 * SPDX-License-Identifier: MIT */
#include "eval.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *err)
{
    return err_set(err, ERR_OVERLOADED, "out of memory");
}

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
    return eval_sort(l, l->low.score, s->data->n, err);
}

/* Knows both outcomes: the cheaper of the two models that answer best. */
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

/* The model that answers the row best, the cheapest of them; -1: there is no outcome. */
static int best_model(const struct eval_setup *s, size_t row)
{
    const struct outcome *best = NULL;
    int found = -1;

    for (int k = 0; k < s->data->count; k++) {
        const struct outcome *x = outcomes_at(s->data, row, k);
        if (isnan(x->score) || (best && x->score < best->score))
            continue;
        if (best && x->score == best->score && !(x->cost < best->cost))
            continue;
        best = x;
        found = k;
    }
    return found;
}

/* Knows the outcomes of all models: RouterBench's oracle. */
static int compare_oracle_of_all(const struct eval_setup *s, struct eval_line *l, struct err *err)
{
    if (compare_point(s, "oracle of all", s->weak, l, err) < 0)
        return -1;
    for (size_t i = 0; i < s->data->n; i++) {
        int model = best_model(s, i);
        if (model < 0)
            continue;
        const struct outcome *x = outcomes_at(s->data, i, model);
        l->pass.quality[i] = (double)x->score;
        l->pass.cost[i] = isnan(x->cost) ? 0 : x->cost;
        l->pass.strong[i] = model == s->strong;
        l->pass.model[i] = model;
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

/* The lines into 'lines', in their order; how many, or -1 with *err. 'zero' holds one score for all rows. */
static int compare_all(const struct eval_setup *s, const double *length, const double *keywords,
                       double *zero, struct eval_line *lines, struct err *err)
{
    if (compare_point(s, "always weak", s->weak, &lines[0], err) < 0 ||
        compare_point(s, "always strong", s->strong, &lines[1], err) < 0 ||
        compare_score(s, "random", zero, &lines[2], err) < 0 || /* lots are drawn */
        compare_score(s, "prompt length", length, &lines[3], err) < 0 ||
        compare_score(s, "keywords", keywords, &lines[4], err) < 0 ||
        compare_oracle(s, zero, &lines[5], err) < 0 || compare_mix(s, &lines[6], err) < 0)
        return -1;
    if (s->data->count == 2)
        return 7;
    return compare_oracle_of_all(s, &lines[7], err) < 0 ? -1 : 8;
}

int eval_compare(const struct eval_setup *s, struct eval_line lines[EVAL_COMPARED], struct err *err)
{
    const size_t n = s->data->n;
    double *scores = calloc(n, 3 * sizeof *scores);
    int count;

    if (!scores)
        return no_memory(err);
    count = ask_scores(s, scores, scores + n, err);
    if (count == 0)
        count = compare_all(s, scores, scores + n, scores + 2 * n, lines, err);
    free(scores);
    return count;
}
