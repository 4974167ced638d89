/* eval_measure - the figures of all lines, each with a bootstrap interval.
 * SPDX-License-Identifier: MIT */
#include "eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Percentiles of the samples, and the share of them that may be without a value. */
#define LOW   0.025
#define HIGH  0.975
#define HOLES 0.05

struct measuring {
    const struct eval_setup *s;
    const struct eval_line *lines;
    int count, replicates;
    double *weight, *drawn; /* of the rows, of the groups */
    struct curve_point *points;
    double *samples; /* [line][figure][replicate] */
    uint64_t dice;
};

static uint64_t draw(struct measuring *m) /* SplitMix64 */
{
    uint64_t z = m->dice += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* As many groups as there are, drawn with replacement. */
static void draw_weights(struct measuring *m)
{
    const struct outcomes *o = m->s->data;

    memset(m->drawn, 0, o->groups * sizeof *m->drawn);
    for (uint32_t i = 0; i < o->groups; i++)
        m->drawn[(size_t)((double)(draw(m) >> 11) * 0x1p-53 * o->groups)]++;
    for (size_t i = 0; i < o->n; i++)
        m->weight[i] = m->drawn[o->rows[i].group];
}

static double zero_if_unknown(double d)
{
    return isnan(d) ? 0 : d;
}

static void mean_of_model(const struct measuring *m, int model, double *score, double *cost)
{
    double total = 0;

    *score = *cost = 0;
    for (size_t i = 0; i < m->s->data->n; i++) {
        const struct outcome *x = outcomes_at(m->s->data, i, model);
        if (isnan(x->score))
            continue;
        total += m->weight[i];
        *score += m->weight[i] * (double)x->score;
        *cost += m->weight[i] * zero_if_unknown(x->cost);
    }
    *score /= total;
    *cost /= total;
}

/* The cheapest and the dearest model, by all rows. */
static void ends(const struct outcomes *o, int *least, int *most)
{
    *least = *most = 0;
    for (int k = 1; k < o->count; k++) {
        *least = o->models[k].mean_cost < o->models[*least].mean_cost ? k : *least;
        *most = o->models[k].mean_cost > o->models[*most].mean_cost ? k : *most;
    }
}

static struct curve_frame frame_of(const struct measuring *m)
{
    struct curve_frame f;
    double ignored;
    int least, most;

    ends(m->s->data, &least, &most);
    mean_of_model(m, m->s->weak, &f.weak, &ignored);
    mean_of_model(m, m->s->strong, &f.strong, &ignored);
    mean_of_model(m, least, &ignored, &f.least);
    mean_of_model(m, most, &ignored, &f.most);
    return f;
}

/* Where a line stands: as it was run, or in the middle of its curve. */
static struct curve_point stand(const struct measuring *m, const struct eval_line *l, size_t n)
{
    struct curve_point p = {0};
    double total = 0;

    if (!l->has_pass) {
        curve_at_share(m->points, n, 0.5, &p);
        return p;
    }
    for (size_t i = 0; i < m->s->data->n; i++) {
        double w = m->weight[i];
        total += w;
        p.quality += w * l->pass.quality[i];
        p.cost += w * l->pass.cost[i];
        p.share += l->pass.strong[i] ? w : 0;
    }
    return (struct curve_point){p.share / total, p.cost / total, p.quality / total, 0};
}

static void measure_line(const struct measuring *m, const struct eval_line *l,
                         const struct curve_frame *f, double figures[EVAL_FIGURES])
{
    struct curve_measures c = {(double)NAN, (double)NAN, (double)NAN, (double)NAN};
    size_t n = l->has_curve ? curve_points(&l->curve, m->weight, m->points) : 0;

    if (n)
        curve_measure(m->points, n, f, &c);
    for (int k = 0; k < EVAL_FIGURES; k++)
        figures[k] = (double)NAN;
    figures[EVAL_AIQ] = c.aiq;
    if (l->of_cost)
        return;
    struct curve_point p = stand(m, l, n);
    figures[EVAL_QUALITY] = p.quality;
    figures[EVAL_COST] = p.cost;
    figures[EVAL_SHARE] = p.share;
    figures[EVAL_PGR] = curve_pgr(f, p.quality);
    figures[EVAL_APGR] = c.apgr;
    figures[EVAL_CPT50] = c.cpt50;
    figures[EVAL_CPT80] = c.cpt80;
}

static double *samples_of(const struct measuring *m, int line, int figure)
{
    return m->samples + ((size_t)line * EVAL_FIGURES + (size_t)figure) * (size_t)m->replicates;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

static void set_interval(struct eval_estimate *e, double *samples, int n)
{
    int good = 0;

    qsort(samples, (size_t)n, sizeof *samples, by_value); /* NANs last */
    while (good < n && !isnan(samples[good]))
        good++;
    if (isnan(e->value) || good == 0 || n - good > HOLES * n)
        return;
    e->low = samples[(int)(LOW * (good - 1) + 0.5)];
    e->high = samples[(int)(HIGH * (good - 1) + 0.5)];
}

static void measure_all(struct measuring *m, struct eval_measured *out)
{
    double figures[EVAL_FIGURES];

    for (size_t i = 0; i < m->s->data->n; i++)
        m->weight[i] = 1;
    for (int r = -1; r < m->replicates; r++) { /* -1: the rows as they are */
        if (r >= 0)
            draw_weights(m);
        struct curve_frame f = frame_of(m);
        for (int l = 0; l < m->count; l++) {
            measure_line(m, &m->lines[l], &f, figures);
            for (int k = 0; k < EVAL_FIGURES; k++)
                if (r < 0)
                    out[l].figures[k] =
                        (struct eval_estimate){figures[k], (double)NAN, (double)NAN};
                else
                    samples_of(m, l, k)[r] = figures[k];
        }
    }
    for (int l = 0; l < m->count; l++)
        for (int k = 0; k < EVAL_FIGURES && m->replicates; k++)
            set_interval(&out[l].figures[k], samples_of(m, l, k), m->replicates);
}

int eval_measure(const struct eval_setup *s, const struct eval_line *lines, int count,
                 int replicates, struct eval_measured *out, struct err *err)
{
    struct measuring m = {
        .s = s, .lines = lines, .count = count, .replicates = replicates, .dice = s->seed};
    size_t samples = (size_t)count * EVAL_FIGURES * (size_t)replicates;

    m.weight = calloc(s->data->n, sizeof *m.weight);
    m.drawn = calloc(s->data->groups + 1, sizeof *m.drawn);
    m.points = calloc(s->data->n + EVAL_GRID_MAX + OUTCOMES_MODELS, sizeof *m.points);
    m.samples = calloc(samples + 1, sizeof *m.samples);
    bool good = m.weight && m.drawn && m.points && m.samples;
    if (good)
        measure_all(&m, out);
    free(m.weight);
    free(m.drawn);
    free(m.points);
    free(m.samples);
    return good ? 0 : err_set(err, ERR_OVERLOADED, "out of memory for the measures");
}
