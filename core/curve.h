/* curve - quality against cost: what a router is worth at each of its settings.
 * SPDX-License-Identifier: MIT
 *
 * The measures of RouteLLM (Ong et al. 2024, arXiv 2406.18665) and RouterBench (Hu et al. 2024, arXiv 2403.12031).
 * The share is that of the rows in which the strong model was asked. Between two settings one can draw lots, so points
 * are joined by straight lines, and rows of one score make one step. */
#ifndef CURVE_H
#define CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What came of each row at one setting. */
struct curve_rows {
    const double *quality, *cost; /* USD */
    const unsigned char *strong;  /* was the strong model asked? */
};

/* A router's settings: either all thresholds of a score, or some that were tried. */
struct curve {
    size_t n;
    /* A row is as in 'above' where its score is at least the threshold, else as in 'below'. */
    const double *score;
    size_t *order; /* rows by falling score; curve_sort makes it. NULL: settings that were tried */
    struct curve_rows above, below;
    const struct curve_rows *tried;
    const double *at; /* the value of each of them */
    int count;
};

struct curve_point {
    double share, cost, quality;
    double at; /* the threshold; INFINITY: above all scores */
};

/* What is the same for all routers. */
struct curve_frame {
    double weak, strong; /* mean quality of these two models */
    double least, most;  /* mean cost of the cheapest and the dearest model */
};

struct curve_measures {
    double apgr;         /* area under the PGR over the share, 0..1 */
    double cpt50, cpt80; /* least share for a PGR of 50 %, 80 % */
    double aiq; /* mean of the non-decreasing convex hull over the cost, from 'least' to 'most' */
};

enum { CURVE_HULL = 256 }; /* points of the hull that are looked at, at most */

/* Makes 'order' (room for n) and sets it. */
void curve_sort(struct curve *c, size_t *order);
/* The most points there can be. */
size_t curve_room(const struct curve *c);
/* The points under weights of the rows, by rising share; their number. Without weights (all zero) 0. */
size_t curve_points(const struct curve *c, const double *weight, struct curve_point *out);

/* The performance gap recovered: 0 as weak, 1 as strong; NAN where these are equal. */
double curve_pgr(const struct curve_frame *f, double quality);
/* Of points by rising share. Where they do not reach share 0 or 1, all weak and all strong are added: these settings
 * everybody has. NAN: not defined. 'sorted' has room for CURVE_HULL. */
void curve_measure(const struct curve_point *points, size_t n, const struct curve_frame *f,
                   struct curve_measures *out);
/* Quality and cost at a share, between points. */
void curve_at_share(const struct curve_point *points, size_t n, double share,
                    struct curve_point *out);

#endif
