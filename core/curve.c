/* curve - quality against cost: what a router is worth at each of its settings.
 * SPDX-License-Identifier: MIT */
#include "curve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- points ---- */

static int by_falling_score(const void *a, const void *b, void *arg)
{
    const double *score = arg;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;

    if (score[i] != score[k])
        return score[i] > score[k] ? -1 : 1;
    return i < k ? -1 : i > k;
}

void curve_sort(struct curve *c, size_t *order)
{
    for (size_t i = 0; i < c->n; i++)
        order[i] = i;
    qsort_r(order, c->n, sizeof *order, by_falling_score, (void *)c->score);
    c->order = order;
}

size_t curve_room(const struct curve *c)
{
    return c->order ? c->n + 1 : (size_t)c->count;
}

static void add(struct curve_point *sum, const struct curve_rows *rows, size_t i, double weight)
{
    sum->quality += weight * rows->quality[i];
    sum->cost += weight * rows->cost[i];
    sum->share += rows->strong[i] ? weight : 0;
}

static struct curve_point mean(const struct curve_point *sum, double total, double at)
{
    return (struct curve_point){sum->share / total, sum->cost / total, sum->quality / total, at};
}

static int by_share(const void *a, const void *b)
{
    const struct curve_point *p = a, *q = b;

    if (p->share != q->share)
        return p->share < q->share ? -1 : 1;
    return (p->cost > q->cost) - (p->cost < q->cost);
}

static void put_in_order(struct curve_point *points, size_t n)
{
    size_t falls = 0, rises = 0;

    for (size_t i = 1; i < n; i++) {
        falls += points[i].share < points[i - 1].share;
        rises += points[i].share > points[i - 1].share;
    }
    if (falls == 0)
        return;
    if (rises > 0) {
        qsort(points, n, sizeof *points, by_share);
        return;
    }
    for (size_t i = 0; i < n / 2; i++) {
        struct curve_point p = points[i];
        points[i] = points[n - 1 - i];
        points[n - 1 - i] = p;
    }
}

/* The threshold sinks from above all scores; each step takes the rows of one score. */
static size_t points_of_score(const struct curve *c, const double *weight, struct curve_point *out)
{
    struct curve_point sum = {0};
    double total = 0;
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++) {
        total += weight[i];
        add(&sum, &c->below, i, weight[i]);
    }
    if (total <= 0)
        return 0;
    out[n++] = mean(&sum, total, HUGE_VAL);
    for (size_t k = 0; k < c->n;) {
        double score = c->score[c->order[k]];
        bool any = false;
        for (; k < c->n && c->score[c->order[k]] == score; k++) {
            size_t i = c->order[k];
            if (weight[i] == 0)
                continue;
            any = true;
            add(&sum, &c->below, i, -weight[i]);
            add(&sum, &c->above, i, weight[i]);
        }
        if (any)
            out[n++] = mean(&sum, total, score);
    }
    return n;
}

static size_t points_tried(const struct curve *c, const double *weight, struct curve_point *out)
{
    double total = 0;

    for (size_t i = 0; i < c->n; i++)
        total += weight[i];
    if (total <= 0)
        return 0;
    for (int k = 0; k < c->count; k++) {
        struct curve_point sum = {0};
        for (size_t i = 0; i < c->n; i++)
            if (weight[i] > 0)
                add(&sum, &c->tried[k], i, weight[i]);
        out[k] = mean(&sum, total, c->at[k]);
    }
    return (size_t)c->count;
}

size_t curve_points(const struct curve *c, const double *weight, struct curve_point *out)
{
    size_t n = c->order ? points_of_score(c, weight, out) : points_tried(c, weight, out);

    put_in_order(out, n);
    return n;
}

/* ---- RouteLLM's ---- */

double curve_pgr(const struct curve_frame *f, double quality)
{
    double gap = f->strong - f->weak;

    return gap == 0 ? (double)NAN : (quality - f->weak) / gap;
}

struct walk {
    double share, pgr; /* where we are */
    double area, cpt50, cpt80;
};

static double crossing(const struct walk *w, double share, double pgr, double wanted)
{
    if (w->pgr >= wanted)
        return w->share;
    return w->share + (share - w->share) * (wanted - w->pgr) / (pgr - w->pgr);
}

static void walk_to(struct walk *w, double share, double pgr)
{
    w->area += (share - w->share) * (pgr + w->pgr) / 2;
    if (isnan(w->cpt50) && pgr >= 0.5)
        w->cpt50 = crossing(w, share, pgr, 0.5);
    if (isnan(w->cpt80) && pgr >= 0.8)
        w->cpt80 = crossing(w, share, pgr, 0.8);
    w->share = share;
    w->pgr = pgr;
}

/* ---- RouterBench's ---- */

static int by_cost(const void *a, const void *b)
{
    const struct curve_point *p = a, *q = b;

    if (p->cost != q->cost)
        return p->cost < q->cost ? -1 : 1;
    return (p->quality < q->quality) - (p->quality > q->quality);
}

/* Is b under the line from a to c? */
static bool is_under(const struct curve_point *a, const struct curve_point *b,
                     const struct curve_point *c)
{
    return (b->quality - a->quality) * (c->cost - a->cost) <=
           (c->quality - a->quality) * (b->cost - a->cost);
}

/* The upper convex hull of points by rising cost, as far as quality rises; their number. */
static int make_hull(struct curve_point *p, int n)
{
    int m = 0;

    for (int i = 0; i < n; i++) {
        if (m > 0 && p[i].quality <= p[m - 1].quality)
            continue;
        if (m > 0 && p[i].cost == p[m - 1].cost)
            m--;
        while (m >= 2 && is_under(&p[m - 2], &p[m - 1], &p[i]))
            m--;
        p[m++] = p[i];
    }
    return m;
}

/* The area under one piece, cut to what is between 'from' and 'to'. */
static double area_of(double x0, double y0, double x1, double y1, double from, double to)
{
    double a = fmax(x0, from), b = fmin(x1, to);

    if (b <= a)
        return 0;
    double slope = x1 > x0 && y1 != y0 ? (y1 - y0) / (x1 - x0) : 0;
    return (b - a) * (y0 + slope * (a - x0) + y0 + slope * (b - x0)) / 2;
}

/* A router that answers nothing costs nothing and is worth nothing: the hull begins there. */
static double aiq_of(const struct curve_point *points, size_t n, const struct curve_frame *f)
{
    struct curve_point hull[CURVE_HULL + 2] = {{0}};
    size_t step = (n + CURVE_HULL - 1) / CURVE_HULL;
    int m = 1;
    double area = 0;

    if (!(f->most > f->least) || n == 0)
        return (double)NAN;
    for (size_t i = 0; i < n; i += step)
        hull[m++] = points[i];
    if ((n - 1) % step)
        hull[m++] = points[n - 1];
    qsort(hull, (size_t)m, sizeof *hull, by_cost);
    m = make_hull(hull, m);
    for (int i = 1; i < m; i++)
        area += area_of(hull[i - 1].cost, hull[i - 1].quality, hull[i].cost, hull[i].quality,
                        f->least, f->most);
    area += area_of(hull[m - 1].cost, hull[m - 1].quality, fmax(f->most, hull[m - 1].cost),
                    hull[m - 1].quality, f->least, f->most);
    return area / (f->most - f->least);
}

/* ---- all of it ---- */

void curve_measure(const struct curve_point *points, size_t n, const struct curve_frame *f,
                   struct curve_measures *out)
{
    struct walk w = {.cpt50 = (double)NAN, .cpt80 = (double)NAN};

    *out = (struct curve_measures){(double)NAN, (double)NAN, (double)NAN, aiq_of(points, n, f)};
    if (f->strong == f->weak || n == 0)
        return;
    if (points[0].share <= 0)
        w.pgr = curve_pgr(f, points[0].quality);
    for (size_t i = 0; i < n; i++)
        walk_to(&w, points[i].share, curve_pgr(f, points[i].quality));
    if (w.share < 1)
        walk_to(&w, 1, 1);
    *out = (struct curve_measures){w.area, w.cpt50, w.cpt80, out->aiq};
}

void curve_at_share(const struct curve_point *points, size_t n, double share,
                    struct curve_point *out)
{
    size_t i = 1;

    while (i < n && points[i].share < share)
        i++;
    if (i >= n) {
        *out = points[n - 1];
        return;
    }
    const struct curve_point *a = &points[i - 1], *b = &points[i];
    double t = b->share > a->share ? (share - a->share) / (b->share - a->share) : 1;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    *out = (struct curve_point){a->share + t * (b->share - a->share),
                                a->cost + t * (b->cost - a->cost),
                                a->quality + t * (b->quality - a->quality), b->at};
}
